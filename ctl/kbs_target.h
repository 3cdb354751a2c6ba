/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KBS that a verb speaks to, as the command line or the deployment names it.
 */
#ifndef SEALPOD_CTL_KBS_TARGET_H
#define SEALPOD_CTL_KBS_TARGET_H

#include "cdh-client/kbs_admin.h"
#include "ctl/cli.h"
#include "ctl/deployment.h"
#include "ctl/out.h"
#include "ctl/workspace.h"

/* Rows for the option tables of all verbs that speak to a KBS. */
#define KBS_TARGET_OPTIONS                                                                                             \
	WORKSPACE_OPTIONS,                                                                                             \
		{ .name = "--url", .value = "URL", .text = "the KBS, https://HOST:PORT, instead of a deployment's" },  \
		{ .name = "--ca",                                                                                      \
		  .value = "FILE",                                                                                     \
		  .text = "PEM of the only CA that may have signed its certificate; required for https" },             \
	{                                                                                                              \
		.name = "--timeout", .value = "SECONDS", .text = "how long to try in all; 60 by default"               \
	}
#define KBS_ADMIN_OPTIONS                                                                                              \
	{ .name = "--admin-key",                                                                                       \
	  .value = "FILE",                                                                                             \
	  .text = "the administrator's private key in PEM, Ed25519 or P-256" },                                        \
		{ .name = "--role", .value = "NAME", .text = "the role that the token claims; 'admin' by default" },   \
	{                                                                                                              \
		.name = "--json", .text = "print one JSON object"                                                      \
	}

struct kbs_target {
	struct buf url;
	struct buf ca;
	struct admin_key *key;
	struct kbs_admin_options options;
	struct kbs_admin *admin;
	struct deadline deadline;
};

#define KBS_TARGET_INIT                                                                                                \
	{                                                                                                              \
		.url = BUF_INIT(4096), .ca = BUF_INIT(1u << 20)                                                        \
	}
#define OWNED_KBS_TARGET CLEANUP(kbs_target_done)
void kbs_target_done(struct kbs_target *target);

/* What '--timeout' says. */
int kbs_target_timeout(const struct cli_args *args, struct deadline *ret_deadline, struct err *err) WARN_UNUSED;

/* URL, CA and deadline, by '--url' and '--ca' or out of a deployment, that of this directory by default. Sends nothing.
 * The target must not be moved afterwards. */
int kbs_target_read(const struct cli_args *args, struct kbs_target *ret_target, struct err *err) WARN_UNUSED;

/* The same, and the administrator's key and calls. */
int kbs_target_open_admin(const struct cli_args *args, struct kbs_target *ret_target, struct err *err) WARN_UNUSED;

/* As the administrator of a deployment's KBS: its URL and CA, its key or the one that build made. `args` has
 * '--timeout'. */
int kbs_target_open_deployment(const struct cli_args *args, const struct deployment *deployment, const struct out *out,
			       struct kbs_target *ret_target, struct err *err) WARN_UNUSED;

/* The same with another key, OUT/<key>. */
int kbs_target_open_with_key(const struct cli_args *args, const struct deployment *deployment, const struct out *out,
			     const char *key, struct kbs_target *ret_target, struct err *err) WARN_UNUSED;

#endif
