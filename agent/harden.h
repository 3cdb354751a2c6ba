/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process does to itself before it looks at anything: no core dumps,
 * not dumpable, umask 077, an empty environment but for PATH, descriptors 0 to 2
 * open and all others closed. Everything it was started with may be the host's.
 */
#ifndef SEALPOD_AGENT_HARDEN_H
#define SEALPOD_AGENT_HARDEN_H

#include "base/err.h"

int harden_process(struct err *err) WARN_UNUSED;

#endif
