/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting programs that are not ours: the one behind `--`, and the command of an
 * update. Each gets what sealpod itself was started with (environment, umask,
 * standard descriptors), default signals, a process group of its own, and nothing else of ours.
 */
#ifndef SEALPOD_AGENT_SVID_PROGRAM_H
#define SEALPOD_AGENT_SVID_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* `argv` ends with NULL; its first word is looked for in the PATH of that environment. With
 * `terminal` the program gets standard input, and the terminal that it may be. A program that cannot be
 * executed ends with 126 or 127, and a line says why. */
int svid_program_start(char *const *argv, bool terminal, pid_t *ret_pid, struct err *err) WARN_UNUSED;

#endif
