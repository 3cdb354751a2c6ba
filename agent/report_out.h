/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of the report: where the worker writes it, and where it goes at the end.
 *
 * There is one a process, like the log; a later worker's replaces an earlier one's.
 */
#ifndef SEALPOD_AGENT_REPORT_OUT_H
#define SEALPOD_AGENT_REPORT_OUT_H

#include "agent/cli.h"
#include "agent/report.h"

/* Where the kubelet looks by default for why a container ended. */
#define REPORT_TERMINATION_LOG "/dev/termination-log"

/* In the parent, before a worker is started: makes the memory files. Without them (no memory) a start goes on; it just
 * has no report. */
void report_prepare(void);

/* In the worker, at its end. `failure` is NULL where all went well: then only the file wants it, if there is one. */
void report_hand_over(const struct report *report, const struct cli_options *options, const struct err *failure);

/* In the parent, at the end. NULL: success. Prints the screen (on failure, behind the error's line), writes the file
 * and the termination log. That something of it does not work is a warning. May be called again: the last call counts.
 */
void report_finish(const struct cli_verb *verb, const struct cli_options *options, const struct err *failure);

/* In the parent, after each renewal of a credential; the process goes on. NULL: success, which takes back what was said
 * of a failure. `screen`: print it, behind the renewal's own line. The termination log says then why a container
 * may end later on: a probe that sees the credential run out has it killed. */
void report_renewal(const struct cli_options *options, const struct err *failure, bool screen);

#endif
