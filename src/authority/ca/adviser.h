/* SPDX-License-Identifier: MIT
 *
 * Programs that are asked about requests: each question a process of its own, several at a time, from a
 * thread that waits for them so that nobody else does.
 * A program gets the question on its standard input and answers on its standard output. It has neither a
 * shell around it, nor our files, nor our environment but a PATH; it is the head of a process group,
 * which is killed when it ends or its time is over. Its standard error is ours.
 */
#ifndef ESTOC_ADVISER_H
#define ESTOC_ADVISER_H

#include "advice.h"
#include "sys.h"

typedef struct estoc_adviser estoc_adviser;

/** One question. */
typedef struct estoc_ask {
    const char *command;  /* path and arguments with blanks between; copied */
    uint32_t timeout_s;   /* to wait for a free place at most, and then to answer in */
    estoc_slice question; /* copied */
    void (*done)(void *ctx, const estoc_advice *advice); /* exactly once, on any thread */
    void *ctx;
} estoc_ask;

/** @param most     programs at a time
 *  @param waiting  questions that wait for one to end
 *  @return 0; ESTOC_E_MEMORY; ESTOC_E_SYSTEM                                                        */
ESTOC_MUST_USE estoc_err estoc_adviser_open(size_t most, size_t waiting, estoc_adviser **out);
/** Never waits. done() is called here if there is nothing to be asked any more. */
void estoc_adviser_ask(estoc_adviser *a, const estoc_ask *ask);
/** End all programs: what is and what will be asked is answered FAILED at once. */
void estoc_adviser_stop(estoc_adviser *a);
/** The same, and frees. No question may come after. */
void estoc_adviser_close(estoc_adviser *a);

#endif
