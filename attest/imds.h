/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure's instance metadata service: the VCEK of the chip that this VM runs on, and quotes made of
 * TDREPORTs. It is the host's word, over plain HTTP at a link-local address, never through a proxy;
 * each answer is checked for what it is before it is handed on, and verified by nobody here.
 */
#ifndef SEALPOD_ATTEST_IMDS_H
#define SEALPOD_ATTEST_IMDS_H

#include "base/clock.h"
#include "base/http.h"

#define IMDS_URL "http://169.254.169.254"
#define IMDS_BODY_MAX (256u * 1024u)
#define IMDS_VCEK_MAX (8u * 1024u)
#define IMDS_QUOTE_MAX (64u * 1024u)

/* A client for IMDS_URL. The functions below take any, so that tests have a service of their own. */
int imds_open(struct http_client **ret_client, struct err *err) WARN_UNUSED;

/* Both try a few times what may pass (refused, timeouts, 408, 410, 429, 5xx), within the deadline. After that:
 * ERR_NETWORK, ERR_TIMEOUT, ERR_SERVER; ERR_PROTOCOL at once for an answer that is not what was asked for: another
 * status, another type of content than JSON (none at all is taken), no JSON, not the thing itself. */

/* The certificate in DER; its subject is SEV-VCEK. Replaces the content. */
int imds_vcek(struct http_client *client, const struct deadline *deadline, struct buf *ret_der,
	      struct err *err) WARN_UNUSED;

/* A quote that can be read, made of this TDREPORT. Replaces the content. */
int imds_td_quote(struct http_client *client, struct bytes tdreport, const struct deadline *deadline,
		  struct buf *ret_quote, struct err *err) WARN_UNUSED;

/* What answers say, for the functions above and for tests. Both replace the content. */
int imds_vcek_of(struct bytes answer, struct buf *ret_der, struct err *err) WARN_UNUSED;
int imds_td_quote_of(struct bytes answer, struct buf *ret_quote, struct err *err) WARN_UNUSED;

/* base64 in any of its spellings: either alphabet, padded or not. Appends. */
int imds_base64(const char *text, struct buf *out, struct err *err) WARN_UNUSED;

#endif
