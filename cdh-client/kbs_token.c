/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens from the attestation agent, for the KBS session.
 *
 * Token and key come from the guest's own agent and go to the session as they are. Must
 * never ask for a token that is not needed: each costs a hardware report.
 */
#include "cdh-client/kbs_token.h"

#include <time.h>

#include "base/log.h"

/* Only said, not judged: the KBS has a clock of its own and allows for some difference. */
static void say_expired(const struct aa_token *token)
{
	int64_t now = (int64_t)time(NULL);
	if (token->expires_at > 0 && token->expires_at <= now)
		log_warning(
			"the attestation agent's token ran out %lld s ago by this guest's clock: is the clock wrong?",
			(long long)(now - token->expires_at));
	if (token->issued_at > now)
		log_warning("the attestation agent's token was issued %lld s from now: this guest's clock is behind",
			    (long long)(token->issued_at - now));
}

static int hand_over(struct aa_token *token, struct buf *ret_jwt, struct tee_key **ret_key)
{
	say_expired(token);
	buf_move(ret_jwt, &token->jwt);
	*ret_key = TAKE_PTR(token->key);
	return 0;
}

/* One that does not listen (yet) is asked again until the deadline. That costs no report; what it answers
 * is the session's to judge. */
static bool ask_again(struct backoff *backoff, const struct deadline *deadline, const struct err *why)
{
	if (why->code != ERR_NETWORK)
		return false;
	log_info("%s; trying again", why->message);
	return clock_pause_for_try(backoff_next(backoff), deadline);
}

static int obtain_from_aa(const struct deadline *deadline, struct buf *ret_jwt, struct tee_key **ret_key, void *aa,
			  struct err *err)
{
	struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
	struct backoff backoff = BACKOFF_INIT;
	struct err why = { 0 };
	while (aa_get_token(aa, deadline, &token, &why) < 0) {
		if (!ask_again(&backoff, deadline, &why)) {
			*err = why;
			return -1;
		}
	}
	return hand_over(&token, ret_jwt, ret_key);
}

static int obtain_from_rest(const struct deadline *deadline, struct buf *ret_jwt, struct tee_key **ret_key, void *rest,
			    struct err *err)
{
	struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
	struct backoff backoff = BACKOFF_INIT;
	struct err why = { 0 };
	while (rest_get_token(rest, deadline, &token, &why) < 0) {
		if (!ask_again(&backoff, deadline, &why)) {
			*err = why;
			return -1;
		}
	}
	return hand_over(&token, ret_jwt, ret_key);
}

struct kbs_token_source kbs_token_from_aa(struct aa *aa)
{
	return (struct kbs_token_source){ .obtain = obtain_from_aa, .arg = aa };
}

struct kbs_token_source kbs_token_from_rest(struct rest *rest)
{
	return (struct kbs_token_source){ .obtain = obtain_from_rest, .arg = rest };
}
