/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session heard from the KBS, for the report on its outcome: facts of fixed size, no token and no
 * secret among them.
 */
#ifndef SEALPOD_CDH_CLIENT_KBS_FACTS_H
#define SEALPOD_CDH_CLIENT_KBS_FACTS_H

#include "base/http.h"
#include "cdh-client/appraisal.h"
#include "cdh-client/rcar.h"
#include "cdh-client/uri.h"

struct kbs_facts {
	bool answered;	       /* at all */
	unsigned attestations; /* how often evidence was sent, or a token asked for */
	bool clock_known;
	int64_t clock_behind; /* of the last answer with a Date, as in struct http_response */
	/* The last answer, where it was no 200. */
	int status;		     /* 0: it was */
	char asked[KBS_URI_MAX];     /* "/auth", "/attest" or the resource */
	struct rcar_problem problem; /* type "" where the body was no problem document */
	bool appraised;
	struct appraisal appraisal; /* of the last token */
};

/* `facts` may be NULL in all. */
void kbs_facts_answer(struct kbs_facts *facts, const struct http_response *response, const char *asked);
void kbs_facts_attestation(struct kbs_facts *facts);
void kbs_facts_token(struct kbs_facts *facts, struct bytes jwt);

/* "this machine's clock is 93 s behind the KBS's", "agrees with the KBS's": false where it is not known. */
bool kbs_facts_clock_text(const struct kbs_facts *facts, char *ret_text, size_t size);

#endif
