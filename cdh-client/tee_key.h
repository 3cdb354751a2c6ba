/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TEE's ephemeral key pair: its public half goes to the KBS bound into the
 * evidence, and the KBS encrypts what it releases to it (RCAR 0.4.0, trustee:
 * kbs/docs/kbs_attestation_protocol.md, and RFC 7518 for the algorithms).
 *
 * The private half lives in OpenSSL's (wiping) heap of the process that made
 * it and is never exported.
 */
#ifndef SEALPOD_CDH_CLIENT_TEE_KEY_H
#define SEALPOD_CDH_CLIENT_TEE_KEY_H

#include "base/json.h"
#include "base/secret.h"

enum tee_key_kind {
	TEE_KEY_EC_P256,  /* "ECDH-ES+A256KW" */
	TEE_KEY_EC_P521,  /* "ECDH-ES+A256KW" */
	TEE_KEY_RSA_2048, /* "RSA-OAEP-256" */
};

struct tee_key;

/* By the names that the attestation agent's configuration uses
 * ("ECDH-ES+A256KW-P256", "ECDH-ES+A256KW-P521", "RSA-OAEP-256"). */
int tee_key_kind_by_name(struct bytes name, enum tee_key_kind *ret_kind) WARN_UNUSED;

int tee_key_new(enum tee_key_kind kind, struct tee_key **ret_key, struct err *err) WARN_UNUSED;

/* An existing private key (PKCS#8, SEC1 or PKCS#1 PEM). */
int tee_key_from_pem(struct bytes pem, struct tee_key **ret_key, struct err *err) WARN_UNUSED;

void tee_key_free(struct tee_key *key);
void tee_key_cleanup(struct tee_key **key);
#define OWNED_TEE_KEY CLEANUP(tee_key_cleanup)

/* "alg" of the JWK, and of the JWEs that this key opens. */
const char *tee_key_alg(const struct tee_key *key);

/* The public JWK with exactly the members that the KBS keeps: alg, crv, kty, x, y or alg, e, kty, n. */
int tee_key_jwk(const struct tee_key *key, struct json **ret_jwk, struct err *err) WARN_UNUSED;

/* Unwraps a 32-byte content encryption key. `header` is the JWE's protected header,
 * whose "epk" must be on this key's curve. ERR_PROTOCOL on any failure. */
int tee_key_unwrap(const struct tee_key *key, const struct json *header, struct bytes encrypted_key,
		   struct secret *ret_cek, struct err *err) WARN_UNUSED;

#endif
