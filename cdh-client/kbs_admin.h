/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The administrator's side of the KBS (trustee: kbs/docs/kbs.md; where that text and the KBS's code
 * disagree, the code): resources, the two policies, reference values.
 *
 * An administrator can write all of them, and read back nothing but reference values and the names
 * of the resource policies: there is no call that returns a resource or a policy's text to whom
 * is not attested. All calls can be made again: the last one holds.
 */
#ifndef SEALPOD_CDH_CLIENT_KBS_ADMIN_H
#define SEALPOD_CDH_CLIENT_KBS_ADMIN_H

#include "base/clock.h"
#include "base/json.h"
#include "cdh-client/admin_token.h"
#include "cdh-client/uri.h"

/* The largest body that a KBS takes. */
#define KBS_ADMIN_BODY_MAX (2u * 1024u * 1024u)

/* The one attestation policy that a KBS asks about a TEE; others are stored and never used. */
#define KBS_ADMIN_CPU_POLICY "default_cpu"

struct kbs_admin_options {
	const char *url;
	struct bytes ca_pem;
	const struct admin_key *key;
	const char *role; /* NULL: "admin" */
	struct deadline deadline;
};

struct kbs_admin;

/* What `options` points at must outlive it. Sends nothing. */
int kbs_admin_open(const struct kbs_admin_options *options, struct kbs_admin **ret_admin, struct err *err) WARN_UNUSED;
void kbs_admin_close(struct kbs_admin *admin);
void kbs_admin_cleanup(struct kbs_admin **admin);
#define OWNED_KBS_ADMIN CLEANUP(kbs_admin_cleanup)

/* Errors of all calls: ERR_DENIED (the KBS does not take the token), ERR_CONFIG (it does not take
 * what was sent, or serves no such path), ERR_SERVER, ERR_NETWORK, ERR_TIMEOUT, ERR_TLS, ERR_CLOCK,
 * ERR_PROTOCOL. What a retry may heal is retried until the deadline. */

/* Creates or replaces. */
int kbs_admin_put(struct kbs_admin *admin, const struct kbs_uri *uri, struct bytes content,
		  struct err *err) WARN_UNUSED;

/* ERR_MISSING for a resource that is not there, or cannot be removed: the KBS does not tell which. */
int kbs_admin_delete(struct kbs_admin *admin, const struct kbs_uri *uri, struct err *err) WARN_UNUSED;

int kbs_admin_set_resource_policy(struct kbs_admin *admin, struct bytes rego, struct err *err) WARN_UNUSED;
int kbs_admin_set_attestation_policy(struct kbs_admin *admin, const char *id, struct bytes rego,
				     struct err *err) WARN_UNUSED;

/* The names of the resource policies, an array of strings. */
int kbs_admin_list_policies(struct kbs_admin *admin, struct json **ret_names, struct err *err) WARN_UNUSED;

/* `values` is an object: name to value, stored as given. Others that the KBS has stay. */
int kbs_admin_set_reference_values(struct kbs_admin *admin, const struct json *values, struct err *err) WARN_UNUSED;

/* *ret_value is NULL where the KBS has none of this name. */
int kbs_admin_get_reference_value(struct kbs_admin *admin, const char *name, struct json **ret_value,
				  struct err *err) WARN_UNUSED;

/* Letters, digits, '.', '-' and '_': what stands in a path as it is. ERR_CONFIG otherwise. */
int kbs_admin_check_name(const char *name, struct err *err) WARN_UNUSED;

#endif
