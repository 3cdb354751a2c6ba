/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api-server-rest: the data hub and the attestation agent over HTTP on the pod's
 * loopback address. The only way that an ordinary container has.
 *
 * There is no TLS, so only loopback addresses are spoken to, written as numbers: a
 * name would be looked up in files that the host writes.
 */
#ifndef SEALPOD_CDH_CLIENT_REST_H
#define SEALPOD_CDH_CLIENT_REST_H

#include "cdh-client/aa.h"
#include "cdh-client/uri.h"

#define REST_URL "http://127.0.0.1:8006"

struct rest;

/* Sends nothing. A `url` of NULL: REST_URL. ERR_CONFIG if it is not http on a loopback
 * address. */
int rest_open(const char *url, struct rest **ret_rest, struct err *err) WARN_UNUSED;
void rest_close(struct rest *rest);
void rest_cleanup(struct rest **rest);
#define OWNED_REST CLEANUP(rest_cleanup)

/* Errors of all: ERR_NETWORK, ERR_TIMEOUT, ERR_PROTOCOL as http_perform(); ERR_CONFIG (404: this
 * half of the server is switched off; 403: not from here); ERR_MISSING (500 for a resource)
 * and ERR_SERVER (500 for a token): the server hides why, the message says where to look.
 * ERR_CREDENTIAL: a resource that is empty. It may be sealed text: ask sealed_is(). Each call attests anew. */
int rest_get(struct rest *rest, const struct kbs_uri *uri, const struct deadline *deadline, struct secret *ret_secret,
	     struct err *err) WARN_UNUSED;
int rest_get_token(struct rest *rest, const struct deadline *deadline, struct aa_token *ret_token,
		   struct err *err) WARN_UNUSED;

/* Does this error of one of the calls mean that nobody listens at the address? */
bool rest_is_nobody(const struct err *err);

/* What `GET /info` says; attests nothing. ERR_PROTOCOL if this is no api-server-rest. */
struct rest_info {
	char version[64];
	char tee[32]; /* empty where the attestation half is off */
	bool resources;
	bool attestation;
};

int rest_get_info(struct rest *rest, const struct deadline *deadline, struct rest_info *ret_info,
		  struct err *err) WARN_UNUSED;

#endif
