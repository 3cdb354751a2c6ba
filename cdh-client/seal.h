/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing sealed secrets, at the operator's (cdh-client/sealed.h reads them): "sealed." and a compact
 * JWS, ES256, whose payload points to a KBS resource. The secret itself does not stand in it.
 */
#ifndef SEALPOD_CDH_CLIENT_SEAL_H
#define SEALPOD_CDH_CLIENT_SEAL_H

#include "cdh-client/admin_token.h"
#include "cdh-client/uri.h"

/* `kid`: where the data hub finds the public key, "kbs:///…". Both must be whole KBS URIs; the key must be
 * P-256 (ERR_CONFIG). Appends one line without a line end. Each signature is another. */
int seal_vault(const struct admin_key *key, const char *kid, const char *resource, struct buf *out,
	       struct err *err) WARN_UNUSED;

#endif
