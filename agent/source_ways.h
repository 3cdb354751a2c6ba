/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways to the secrets, one row each. Internal to agent/source.
 */
#ifndef SEALPOD_AGENT_SOURCE_WAYS_H
#define SEALPOD_AGENT_SOURCE_WAYS_H

#include "agent/source.h"
#include "cdh-client/sealed.h"

struct source_way {
	int (*open)(struct source *source, struct err *err);
	int (*get)(struct source *source, const struct kbs_uri *uri, struct secret *ret_secret, struct err *err);
};

extern const struct source_way source_ways[]; /* by enum source_kind */

#endif
