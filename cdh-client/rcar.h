/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the KBS's attestation protocol, RCAR 0.4.0 (trustee:
 * kbs/docs/kbs_attestation_protocol.md; where that text and the KBS's code
 * disagree, the code). No network here: bytes in, bytes out.
 */
#ifndef SEALPOD_CDH_CLIENT_RCAR_H
#define SEALPOD_CDH_CLIENT_RCAR_H

#include "base/digest.h"
#include "base/json.h"

#define RCAR_VERSION "0.4.0"
#define RCAR_NONCE_MAX 1024
#define RCAR_COOKIE_NAME "kbs-session-id"
#define RCAR_COOKIE_MAX 128

/* The answer to /auth. */
struct rcar_challenge {
	char nonce[RCAR_NONCE_MAX]; /* opaque text, goes back exactly as it came */
	enum digest_alg hash;	    /* of the runtime data; SHA-384 unless the KBS selected another */
};

/* What the KBS says when it says no. */
struct rcar_problem {
	char type[64]; /* the last part of its URI: "PolicyDeny", … */
	char detail[512];
};

/* Body of POST /auth. */
int rcar_auth_body(const char *tee, struct buf *out, struct err *err) WARN_UNUSED;

/* ERR_PROTOCOL if it is not a challenge that we can answer. */
int rcar_parse_challenge(struct bytes body, struct rcar_challenge *ret_challenge, struct err *err) WARN_UNUSED;

/* R, which the hardware report must carry: the digest of the canonical runtime
 * data (no additional devices). Padding to the TEE's size is the attester's. */
int rcar_runtime_digest(const struct rcar_challenge *challenge, const struct json *tee_pubkey,
			struct digest *ret_digest, struct err *err) WARN_UNUSED;

/* Body of POST /attest. Takes `evidence` over. `initdata` is the exact TOML text, empty for
 * none: it must be valid UTF-8. */
int rcar_attest_body(const struct rcar_challenge *challenge, const struct json *tee_pubkey, struct json *evidence,
		     struct bytes initdata, struct buf *out, struct err *err) WARN_UNUSED;

/* The session cookie's value out of a Set-Cookie header; ERR_PROTOCOL if it is not that cookie
 * or holds anything but letters, digits, '-' and '_'. */
int rcar_parse_cookie(const char *set_cookie, char ret_value[static RCAR_COOKIE_MAX], struct err *err) WARN_UNUSED;

/* ERR_PROTOCOL if the body is no problem document of a KBS. */
int rcar_parse_problem(struct bytes body, struct rcar_problem *ret_problem, struct err *err) WARN_UNUSED;

/* The protocol version that the KBS wants, out of the detail of a version mismatch; false
 * if the detail is about something else. */
bool rcar_wanted_version(const struct rcar_problem *problem, char ret_version[static 32]);

#endif
