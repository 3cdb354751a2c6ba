/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sealpod svid` has to deliver: the latest good state of each source, what is
 * left of an earlier run where a source has said nothing yet, and when it expires.
 */
#ifndef SEALPOD_AGENT_SVID_STATE_H
#define SEALPOD_AGENT_SVID_STATE_H

#include <time.h>

#include "agent/svid_files.h"
#include "agent/svid_watch.h"
#include "spire/svid.h"

/* Of one source: does it have something, and since when is it said to be gone? */
struct svid_presence {
	bool there;
	bool lost;	       /* the agent says that there is no identity */
	struct deadline until; /* … and this is how long that may still be a passing state */
	bool kept;	       /* … and that its files stay was said */
	uint64_t said;	       /* which trouble was said of it last: a digest of the words */
};

struct svid_item {
	struct spire_svid svid;
	size_t index; /* among all that the agent gave */
	bool expired; /* and that was said */
};

struct svid_state {
	const struct svid_settings *settings;
	const struct svid_token *tokens;
	size_t token_count;

	struct svid_presence x509;
	struct svid_item *svids; /* those to be delivered */
	size_t svid_count;
	struct workload_bundles federated;

	struct svid_presence bundles; /* of `bundles_only` */
	struct workload_bundles x509_bundles;

	struct svid_presence jwks;
	struct workload_bundles jwt_bundles;

	struct svid_presence token[SVID_TOKENS_MAX];
	struct workload_jwt jwt[SVID_TOKENS_MAX];
	int64_t jwt_expires[SVID_TOKENS_MAX];
	bool jwt_expired[SVID_TOKENS_MAX]; /* and that was said */

	struct svid_files held; /* of an earlier run, until their source says something */
};

void svid_state_done(struct svid_state *state);

/* Files of an earlier run; those that nobody asks for any more are left out. */
void svid_state_hold(struct svid_state *state, struct svid_files *held);

/* Takes an update over, if it is good: what is wrong with it is the error, and the state stays. An
 * SVID that is bad beside good ones is left out, with a warning. */
int svid_state_take(struct svid_state *state, struct svid_news *news, time_t now, struct err *err) WARN_UNUSED;

/* Forgets a source, and what an earlier run left of it. */
void svid_state_drop(struct svid_state *state, enum svid_source source, size_t token);

struct svid_presence *svid_state_presence(struct svid_state *state, enum svid_source source, size_t token);

/* Does it have anything, or is anything of an earlier run left? */
bool svid_state_has(const struct svid_state *state, enum svid_source source, size_t token);

/* One SVID, one token or the files of an earlier run. */
struct svid_expired {
	enum svid_source source;
	char text[256];
};

/* Something that has expired, the first time that it is asked for; false if there is nothing. */
bool svid_state_expired(struct svid_state *state, time_t now, struct svid_expired *ret_expired);

/* Drops all that has expired, and nothing else. */
void svid_state_drop_expired(struct svid_state *state, time_t now);

/* When the next thing expires; INT64_MAX if nothing does. */
int64_t svid_state_next_expiry(const struct svid_state *state);

/* The own trust domain's bundle among these; NULL if there is none, or if nothing says which it is. */
const struct workload_bundle *svid_state_own_bundle(const struct svid_state *state,
						    const struct workload_bundles *bundles);

/* Is everything there that was asked for? */
bool svid_state_complete(const struct svid_state *state);

#endif
