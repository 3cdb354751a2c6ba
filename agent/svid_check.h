/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod svid --check`: is what was to be delivered there, valid, and so for a
 * while? Asks nobody and opens no port: the answer is the exit status.
 */
#ifndef SEALPOD_AGENT_SVID_CHECK_H
#define SEALPOD_AGENT_SVID_CHECK_H

#include "config/svid_settings.h"

/* ERR_MISSING: a file is not there; ERR_CREDENTIAL: it does not fit; ERR_CLOCK: it has expired or will
 * within the margin. */
int svid_check(const struct svid_settings *settings, struct err *err) WARN_UNUSED;

#endif
