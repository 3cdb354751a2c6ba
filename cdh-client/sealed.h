/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed secrets (guest-components: confidential-data-hub/docs/SEALED_SECRET.md and
 * its code): "sealed." and a compact JWS, ES256, whose payload says where the secret
 * is (kind "vault") or holds it encrypted by a key management service ("envelope").
 *
 * The text comes from Kubernetes, that is from whom nobody trusts: it can point to any
 * resource that this TEE may have. So the signature is checked with a key that the
 * configuration names, never with the one that the text names, and before anything
 * in the payload is acted upon.
 */
#ifndef SEALPOD_CDH_CLIENT_SEALED_H
#define SEALPOD_CDH_CLIENT_SEALED_H

#include "base/buf.h"
#include "base/secret.h"
#include "cdh-client/uri.h"

#define SEALED_MAX (256u * 1024u)

/* Does it begin as sealed text does, white space in front left out? To be asked of everything that
 * is about to be used as a secret: kata leaves the sealed text in place when
 * unsealing fails. */
bool sealed_is(struct bytes text);

/* A public key that may sign. */
struct sealed_key;

/* JWK (EC, P-256; other members of it are ignored, a private half too) or PEM (a public key or
 * a certificate, whose validity is not looked at). ERR_CONFIG otherwise. */
int sealed_key_read(struct bytes text, struct sealed_key **ret_key, struct err *err) WARN_UNUSED;
void sealed_key_free(struct sealed_key *key);
void sealed_key_cleanup(struct sealed_key **key);
#define OWNED_SEALED_KEY CLEANUP(sealed_key_cleanup)

enum sealed_kind {
	SEALED_VAULT,
	SEALED_ENVELOPE,
};

struct sealed {
	enum sealed_kind kind;
	char kid[KBS_URI_MAX];	  /* the key that the text itself names: for messages */
	char provider[64];	  /* "kbs", "aliyun", … */
	char name[KBS_URI_MAX];	  /* vault: what the provider is asked for */
	char key_id[KBS_URI_MAX]; /* envelope: the service's key */
};

/* Reads the text and verifies its signature by `key`, which must not be NULL: there is no way past
 * it here. ERR_CREDENTIAL naming the part that is wrong: prefix, four parts, base64url,
 * header (alg other than ES256, "crit"), signature, payload. */
int sealed_open(struct bytes text, const struct sealed_key *key, struct sealed *ret_sealed,
		struct err *err) WARN_UNUSED;

/* Where to fetch a vault secret whose provider is "kbs". ERR_CONFIG with the reason for all
 * others: they need the data hub's ttrpc (cdh_unseal()). */
int sealed_resource(const struct sealed *sealed, struct kbs_uri *ret_uri, struct err *err) WARN_UNUSED;

/* ERR_CREDENTIAL if `secret` is empty or still sealed; `what` names it in the message. */
int sealed_check_plain(struct bytes secret, const char *what, struct err *err) WARN_UNUSED;

#endif
