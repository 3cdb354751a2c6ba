/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a KBS has against what a deployment says, and making it so.
 *
 * Only reference values can be read back. Everything else is compared with the record of what was applied from here.
 */
#ifndef SEALPOD_CTL_KBS_PLAN_H
#define SEALPOD_CTL_KBS_PLAN_H

#include "base/sheet.h"
#include "cdh-client/kbs_admin.h"
#include "ctl/policy.h"
#include "ctl/record.h"
#include "ctl/resources.h"

enum kbs_plan_what {
	KBS_PLAN_SAME,	  /* or so it was when it was last applied */
	KBS_PLAN_NEW,	  /* never applied from here; for a reference value: the KBS has none */
	KBS_PLAN_CHANGED, /* not what was applied; for a reference value: not what the KBS has */
	KBS_PLAN_LEFT,	  /* stands in the record, and not in the deployment: for --prune */
};
#define KBS_PLAN_WHATS 4

enum kbs_plan_kind {
	KBS_PLAN_RESOURCE_POLICY,
	KBS_PLAN_ATTESTATION_POLICY,
	KBS_PLAN_REFERENCE_VALUE,
	KBS_PLAN_RESOURCE,
};

struct kbs_plan_item {
	enum kbs_plan_kind kind;
	enum kbs_plan_what what;
	char name[RECORD_NAME_MAX];
	char file[RECORD_NAME_MAX + 16]; /* of a resource: in OUT */
	char applied[24];		 /* "" where it never was */
	struct record_digest digest;	 /* of what is wanted */
	const struct json *wanted;	 /* of a reference value, borrowed from the material */
	struct json *found;		 /* of a reference value, NULL where there is none */
};

struct kbs_plan {
	struct kbs_plan_item *items; /* in the order in which they are applied */
	size_t count;
	size_t counts[KBS_PLAN_WHATS];
	bool forgotten; /* the KBS has lost values that were applied: the record says nothing */
	struct buf resource_policy, attestation_policy;
};

#define KBS_PLAN_INIT                                                                                                  \
	{                                                                                                              \
		.resource_policy = BUF_INIT(POLICY_MAX), .attestation_policy = BUF_INIT(POLICY_MAX)                    \
	}
#define OWNED_KBS_PLAN CLEANUP(kbs_plan_done)
void kbs_plan_done(struct kbs_plan *plan);

/* Reads the KBS, and the contents of OUT; changes nothing. ERR_CONFIG where OUT is not what the deployment leads to:
 * it was not built. */
int kbs_plan_make(const struct deployment *deployment, const struct policy_material *material, const struct out *out,
		  const struct record *record, struct kbs_admin *admin, struct kbs_plan *ret_plan,
		  struct err *err) WARN_UNUSED;

/* ERR_CONFIG unless the resource, as it was built, was applied. Asks nobody but the record. */
int kbs_plan_check_applied(const struct out *out, const struct record *record, const struct resource *resource,
			   struct err *err) WARN_UNUSED;

bool kbs_plan_differs(const struct kbs_plan *plan, bool prune);

/* A section "kbs"; no content of a resource. */
void kbs_plan_show(const struct kbs_plan *plan, const char *url, struct sheet *sheet);

/* Makes it so, item by item: what denies comes before what is released. The record is written after each, so whoever
 * is stopped goes on where he was. */
int kbs_plan_apply(const struct kbs_plan *plan, bool prune, struct out *out, struct record *record,
		   struct kbs_admin *admin, struct err *err) WARN_UNUSED;

#endif
