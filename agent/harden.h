/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process does to itself before it looks at anything: no core dumps,
 * not dumpable, umask 077, an empty environment but for PATH, descriptors 0 to 2
 * open and all others closed. Everything it was started with may be the host's.
 */
#ifndef SEALPOD_AGENT_HARDEN_H
#define SEALPOD_AGENT_HARDEN_H

#include <sys/types.h>

#include "base/err.h"

int harden_process(struct err *err) WARN_UNUSED;

/* What the process was started with, for the one verb that hands it on to a program which it runs
 * (and which was meant to have it). Nothing of it is in our own environment. */
char *const *harden_inherited_environment(void);
mode_t harden_inherited_umask(void);

/* One variable of it, NULL if it is not set. */
const char *harden_inherited_variable(const char *name);

/* All signals as a fresh program expects them: default disposition, none blocked. For what is about to be executed.
 * Goes past the C library, which hides the signals that it keeps for itself: a parent may have left even those ignored.
 */
void harden_reset_signals(void);

#endif
