/* SPDX-License-Identifier: MIT
 *
 * What the commands about audit logs share.
 */
#ifndef ESTOC_ESTOCD_AUDIT_H
#define ESTOC_ESTOCD_AUDIT_H

#include "args.h"
#include "estocd.h"
#include "trail.h"

#define ESTOCD_AUDIT_DIR_OPTION(to_)                                   \
    {                                                                  \
        .name = "dir", .kind = ESTOC_ARG_TEXT, .metavar = "DIR",       \
        .help = "the log of what `estocd init` made", .to.text = (to_) \
    }
#define ESTOCD_AUDIT_FILE_OPTION(to_)                                               \
    {                                                                               \
        .name = "file", .kind = ESTOC_ARG_LIST, .metavar = "FILE",                  \
        .help = "a log of anywhere; repeatable, the oldest first", .to.list = (to_) \
    }

/** The files that are meant: those given, and with a DIR its own behind them.
 *  @return 0, or 1 and a line on stderr                                                            */
int estocd_audit_files(const char *command, const char *dir, const estoc_args_list *given,
                       estoc_config *conf, estoc_args_list *files);

/** One line. @return 0; an error, and `why` may say what is wrong with it */
typedef estoc_err (*estocd_audit_each)(void *ctx, estoc_slice line, const estoc_audit_parsed *l,
                                       estoc_why *why);
/** All lines of a file, with progress.
 *  @param half  a last line that was cut off is passed over
 *  @return 0, or 1 and a line on stderr that names the place                                       */
int estocd_audit_walk(const char *command, const char *file, bool half, estocd_audit_each each,
                      void *ctx);
/** The verb `replay`. */
int estocd_audit_replay(int argc, char **argv);

#endif
