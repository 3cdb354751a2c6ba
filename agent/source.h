/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where secrets come from: brings the configuration, the attester and the KBS
 * session together.
 */
#ifndef SEALPOD_AGENT_SOURCE_H
#define SEALPOD_AGENT_SOURCE_H

#include "agent/config.h"
#include "agent/overseer.h"
#include "attest/attester.h"
#include "base/clock.h"
#include "cdh-client/kbs.h"

struct source {
	struct kbs_options options;
	const struct attester *attester;
	struct kbs *kbs;
	const struct order *order;
};

/* Starts the libraries: once, in the process that talks, never in the one that becomes the agent. */
int source_setup(struct err *err) WARN_UNUSED;

/* The end of the whole start: from its beginning, by the command line or the configuration. */
struct deadline source_deadline(const struct config *config, const struct order *order);

/* Detects the TEE and opens the session; sends nothing yet. `config` and `order` must outlive it. */
int source_open(const struct config *config, const struct order *order, struct deadline deadline,
		struct source *ret_source, struct err *err) WARN_UNUSED;
void source_close(struct source *source);
#define OWNED_SOURCE CLEANUP(source_close)

int source_get(struct source *source, const struct kbs_uri *uri, struct secret *ret_secret, struct err *err) WARN_UNUSED;

#endif
