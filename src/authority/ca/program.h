/* SPDX-License-Identifier: MIT
 *
 * A program that is asked one question: a process of its own, with pipes that never block us.
 * Nothing of ours goes along but standard error: files are closed, signals are as they come, the
 * environment is a PATH. It is the head of a process group.
 */
#ifndef ESTOC_PROGRAM_H
#define ESTOC_PROGRAM_H

#include <sys/types.h>

#include "advice.h"

typedef struct estoc_program {
    pid_t pid;            /* 0: none */
    int end;              /* a pidfd: readable when it has ended */
    int in, out;          /* its standard input and output; -1: closed */
    estoc_slice question; /* must outlive it */
    size_t written, got;
    char answer[ESTOC_ADVICE_MAX + 1];
} estoc_program;

/** @param[in,out] command  path and arguments with blanks between; taken apart
 *  @return false: it cannot be run, and nothing is held                                            */
bool estoc_program_start(estoc_program *p, char *command, estoc_slice question);
/** Its input takes something, or is closed. */
void estoc_program_feed(estoc_program *p);
/** Its output gives something, or is closed. @return false: more than an answer may have */
bool estoc_program_listen(estoc_program *p);
/** Kill it with its group. It is still to end. */
void estoc_program_kill(estoc_program *p);
/** It has ended: wait for it, kill what it has left behind, and say what it said. */
void estoc_program_end(estoc_program *p, estoc_advice *advice);

#endif
