/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token by which an administrator speaks to the KBS: a JWT that the administrator's private key
 * signs (trustee: kbs/src/admin; EdDSA or ES256, the algorithm follows from the key).
 *
 * Its claims are `role`, `iat` and `exp`. A KBS with personas asks for `exp` alone and knows
 * Ed25519 only.
 */
#ifndef SEALPOD_CDH_CLIENT_ADMIN_TOKEN_H
#define SEALPOD_CDH_CLIENT_ADMIN_TOKEN_H

#include <time.h>

#include "base/json.h"

#define ADMIN_TOKEN_MAX 2048
#define ADMIN_TOKEN_SECONDS 300 /* how long one is valid */

struct admin_key;

/* An unencrypted private key in PEM: Ed25519, or EC on P-256. ERR_CREDENTIAL otherwise. */
int admin_key_read(struct bytes pem, struct admin_key **ret_key, struct err *err) WARN_UNUSED;
void admin_key_free(struct admin_key *key);
void admin_key_cleanup(struct admin_key **key);
#define OWNED_ADMIN_KEY CLEANUP(admin_key_cleanup)

/* "EdDSA" or "ES256". */
const char *admin_key_alg(const struct admin_key *key);

/* The signature over `text` as JOSE writes it, for whatever else such a key signs. */
#define ADMIN_SIGNATURE_LEN 64
int admin_key_sign(const struct admin_key *key, struct bytes text, uint8_t raw[ADMIN_SIGNATURE_LEN],
		   struct err *err) WARN_UNUSED;

/* A header or payload as JOSE writes it: the JSON in base64url, appended. */
#define ADMIN_PART_MAX 4096
int admin_token_part(const struct json *part, struct buf *out, struct err *err) WARN_UNUSED;

/* Appends the token to `out`: whoever has it is the administrator until it expires. */
int admin_token_make(const struct admin_key *key, const char *role, time_t now, struct buf *out,
		     struct err *err) WARN_UNUSED;

#endif
