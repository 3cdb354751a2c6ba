/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPIFFE IDs, and the addresses at which a Workload API is found.
 */
#ifndef SEALPOD_SPIRE_ID_H
#define SEALPOD_SPIRE_ID_H

#include "base/buf.h"

#define SPIRE_ID_MAX 2048
#define SPIRE_TRUST_DOMAIN_MAX 255

/* "spiffe://trust.domain/path" by the rules of the SPIFFE ID standard. ERR_PROTOCOL: it
 * comes from a server. *ret_domain and *ret_path (with its slash; empty if there is
 * none) are borrowed from `id`; either may be NULL. */
int spire_id_parse(const char *id, struct bytes *ret_domain, struct bytes *ret_path, struct err *err) WARN_UNUSED;

/* "unix:///path", "unix:/path" or a plain "/path" becomes the socket's path (borrowed).
 * ERR_CONFIG for anything else; tcp:// is said to be unsupported. */
int spire_endpoint_parse(const char *address, const char **ret_path, struct err *err) WARN_UNUSED;

#endif
