/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sealpod svid` has to deliver: the latest good state of each source, and
 * the files that it makes.
 */
#ifndef SEALPOD_AGENT_SVID_STATE_H
#define SEALPOD_AGENT_SVID_STATE_H

#include <time.h>

#include "agent/svid_place.h"
#include "agent/svid_watch.h"
#include "spire/svid.h"

/* Of one source: does it have something, and since when is it said to be gone? */
struct svid_presence {
	bool there;
	bool lost;	       /* the agent says that there is no identity */
	struct deadline until; /* … and this is how long that may still be a passing state */
	bool expired;	       /* said already */
};

struct svid_state {
	const struct svid_settings *settings;
	const struct svid_token *tokens;
	size_t token_count;

	struct svid_presence x509;
	struct spire_svid *svids; /* those to be delivered */
	size_t svid_count;
	struct workload_bundles federated;

	struct svid_presence jwks;
	struct workload_bundles jwt_bundles;

	struct svid_presence token[SVID_TOKENS_MAX];
	struct workload_jwt jwt[SVID_TOKENS_MAX];
	int64_t jwt_expires[SVID_TOKENS_MAX];
};

void svid_state_done(struct svid_state *state);

/* Takes an update over, if it is good: what is wrong with it is the error, and the state stays. An
 * SVID that is bad beside good ones is left out, with a warning. */
int svid_state_take(struct svid_state *state, struct svid_news *news, time_t now, struct err *err) WARN_UNUSED;

/* Forgets a source. */
void svid_state_drop(struct svid_state *state, enum svid_source source, size_t token);

struct svid_presence *svid_state_presence(struct svid_state *state, enum svid_source source, size_t token);

/* When what it delivered expires first; INT64_MAX if it has nothing. */
int64_t svid_state_expires(const struct svid_state *state, enum svid_source source, size_t token);

/* Is everything there that was asked for? */
bool svid_state_complete(const struct svid_state *state);

/* The files of the present state. */
int svid_state_files(const struct svid_state *state, time_t now, struct svid_files *files, struct err *err) WARN_UNUSED;

#endif
