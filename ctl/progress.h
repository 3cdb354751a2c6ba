/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line on a terminal that says what a verb is at, once it has taken a second: "  12 s  entries: 500 of
 * 2000". Nothing where standard error is no terminal. A thread draws it, so that a call that hangs is seen
 * to hang.
 *
 * There is one line in a process. It is short, and the cursor stays at its start: a log line writes over it.
 */
#ifndef SEALPOD_CTL_PROGRESS_H
#define SEALPOD_CTL_PROGRESS_H

#include <stddef.h>

/* Nothing is drawn before something is said. */
void progress_start(void);

/* What is being done. Nothing secret, nothing foreign. */
void progress_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Before something is written to standard output: takes the line away until the next progress_say(). */
void progress_clear(void);

/* Takes the line away for good. Also without a start. */
void progress_stop(void);

#endif
