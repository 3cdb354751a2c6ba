/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A credential born in the TEE: the KBS releases an issuer (an intermediate CA, one
 * per workload class), and the leaf that the agent attests with is made and signed here,
 * so that no agent key is ever stored anywhere and each replica is its own agent.
 *
 * The leaf: P-256 key, CN = the instance, KeyUsage digitalSignature, CA:FALSE, and two URI
 * SANs, "x509pop://<trust domain>/class/<class>" and "x509pop://<trust domain>/instance/<instance>"
 * (SPIRE turns them into selectors and, with an agent_path_template, into the agent's id).
 */
#ifndef SEALPOD_SPIRE_MINT_H
#define SEALPOD_SPIRE_MINT_H

#include "spire/credential.h"

#define SPIRE_MINT_LIFETIME 86400 /* seconds, at most */
#define SPIRE_MINT_SKEW 300	  /* seconds that the leaf begins in the past, for servers whose clock lags */

/* Letters, digits, '.', '-' and '_', not "." or "..", at most 128: what may stand in a SPIFFE path segment. */
int spire_mint_name_check(const char *name, struct err *err) WARN_UNUSED;

struct spire_mint {
	const char *trust_domain;
	const char *class_name;
	const char *instance;
	int64_t lifetime; /* seconds; bounded by the issuer's own end */
	time_t now;
};

/* `issuer` holds the issuer's key and chain (issuer first), or the key alone with the chain in `chain`. The
 * result is checked as spire_credential_check() does, so what SPIRE would refuse is refused here. The caller wipes the
 * issuer's key as soon as this returns. Errors: ERR_CREDENTIAL for an issuer that cannot issue (no CA, key that does
 * not match, about to end), ERR_CLOCK for one that is not yet valid, ERR_CONFIG for names. */
int spire_mint_credential(const struct secret *issuer, struct bytes chain, const struct spire_mint *mint,
			  struct spire_credential *ret_credential, struct err *err) WARN_UNUSED;

#endif
