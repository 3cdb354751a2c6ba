/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's side of the x509pop attestor's PKI: a root, issuers below it (one a workload
 * class, pathlen 0, released to VMs that mint), or leaves (for VMs that fetch).
 *
 * Everything is P-256 with SHA-256. A CN is a SPIFFE path segment, for an agent path template may
 * carry it. What comes out passes the checks that the guest makes (spire/chain.h, spire/mint.h).
 */
#ifndef SEALPOD_SPIRE_ISSUE_H
#define SEALPOD_SPIRE_ISSUE_H

#include <time.h>

#include "base/buf.h"
#include "base/secret.h"

#define SPIRE_ISSUE_ROOT_DAYS 3650
#define SPIRE_ISSUE_ISSUER_DAYS 365
#define SPIRE_ISSUE_LEAF_DAYS 90
#define SPIRE_ISSUE_MAX_DAYS 7300
#define SPIRE_ISSUE_CN_MAX 64 /* ub-common-name, RFC 5280 appendix A */

enum spire_issue_kind {
	SPIRE_ISSUE_ROOT,
	SPIRE_ISSUE_ISSUER,
	SPIRE_ISSUE_LEAF,
};

struct spire_issue {
	enum spire_issue_kind kind;
	const char *cn;
	/* Of a leaf, and then all of them: the SANs x509pop://TD/class/… and x509pop://TD/instance/…. */
	const char *trust_domain;
	const char *class_name;
	int64_t days; /* 0: as above; never beyond the issuer's own end */
	time_t now;
};

/* A new key and its certificate, signed by the first certificate of `ca_chain`, or by itself for a
 * root (then both are empty). *ret_key: one PEM block, PKCS #8. ret_chain: the new
 * certificate in front of `ca_chain`, without a root in it. Errors: ERR_CONFIG for names and days, ERR_CREDENTIAL
 * for a CA that cannot issue this. */
int spire_issue(const struct spire_issue *issue, const struct secret *ca_key, struct bytes ca_chain,
		struct secret *ret_key, struct buf *ret_chain, struct err *err) WARN_UNUSED;

/* What was made earlier, as it was kept. */
struct spire_issued {
	const struct secret *key; /* NULL: somewhere safer, and not looked at */
	struct bytes chain;
	struct bytes root; /* empty for a root */
};

/* Is the first certificate, made earlier, what is wished: a CA or a leaf, of this CN, a leaf with the SAN of this
 * class, with this key, below this root (a root: signed by itself), and still valid? *ret_until: when it ends, also for
 * one that has. ERR_CONFIG for another wish, ERR_CREDENTIAL for what is no certificate, does not belong together or is
 * over. */
int spire_issue_check(const struct spire_issue *issue, const struct spire_issued *issued, time_t *ret_until,
		      struct err *err) WARN_UNUSED;

/* SHA-1 over the first certificate, lower-case hex: what SPIRE calls a fingerprint. */
int spire_issue_fingerprint(struct bytes pem, char ret_hex[41], struct err *err) WARN_UNUSED;

enum spire_key_kind {
	SPIRE_KEY_P256,
	SPIRE_KEY_ED25519,
};

/* A new key: private as PKCS #8 PEM, public as SPKI PEM. */
int spire_key_generate(enum spire_key_kind kind, struct secret *ret_key, struct buf *ret_public,
		       struct err *err) WARN_UNUSED;

/* The public half of a private key in PEM. */
int spire_key_public(const struct secret *key, struct buf *ret_public, struct err *err) WARN_UNUSED;

/* A P-256 public key in SPKI PEM as a JWK (RFC 7517) for ES256 signatures. */
int spire_key_jwk(struct bytes public_pem, const char *kid, struct buf *ret_jwk, struct err *err) WARN_UNUSED;

#endif
