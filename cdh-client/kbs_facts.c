/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps what the KBS said.
 *
 * All of it comes from the network. It is shown, never acted upon: what an answer means
 * is cdh-client/kbs_answer.c's part. Must never keep a token, a cookie, a nonce or a
 * body.
 */
#include "cdh-client/kbs_facts.h"

#include <stdio.h>
#include <stdlib.h>

/* Less is the Date header's unit and the way through the network. */
#define CLOCKS_AGREE_S 2

void kbs_facts_answer(struct kbs_facts *facts, const struct http_response *response, const char *asked)
{
	if (!facts)
		return;
	facts->answered = true;
	if (response->clock_known) {
		facts->clock_known = true;
		facts->clock_behind = response->clock_behind;
	}
	facts->status = response->status == 200 ? 0 : response->status;
	facts->problem = (struct rcar_problem){ 0 };
	if (facts->status == 0)
		return;
	(void)snprintf(facts->asked, sizeof(facts->asked), "%s", asked);
	if (rcar_parse_problem(buf_bytes(&response->body), &facts->problem, NULL) < 0)
		facts->problem = (struct rcar_problem){ 0 };
}

void kbs_facts_attestation(struct kbs_facts *facts)
{
	if (facts)
		facts->attestations++;
}

void kbs_facts_token(struct kbs_facts *facts, struct bytes jwt)
{
	if (facts)
		facts->appraised = appraisal_read(jwt, &facts->appraisal, NULL) == 0;
}

bool kbs_facts_clock_text(const struct kbs_facts *facts, char *ret_text, size_t size)
{
	if (!facts->clock_known)
		return false;
	long long off = llabs((long long)facts->clock_behind);
	if (off <= CLOCKS_AGREE_S)
		(void)snprintf(ret_text, size, "this guest's clock agrees with the KBS's");
	else
		(void)snprintf(ret_text, size, "this guest is %lld s %s the KBS", off,
			       facts->clock_behind > 0 ? "behind" : "ahead of");
	return true;
}
