/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of `auto` where no TEE's device is there. Internal to agent/source.
 */
#ifndef SEALPOD_AGENT_SOURCE_CHOOSE_H
#define SEALPOD_AGENT_SOURCE_CHOOSE_H

#include "agent/source.h"

/* Sets source->kind to the first way that is there. One that is to be expected but not there yet, or that is there and
 * does not answer, is waited for until source->deadline, and ERR_MISSING then, naming all; to be expected are
 * components that the configuration names, whose directory is there, or without which there would be no
 * configuration (`--config`). ERR_NO_TEE at once where nothing speaks of them. `no_tee` says why there is no TEE. */
int source_choose(struct source *source, const struct err *no_tee, struct err *err) WARN_UNUSED;

#endif
