/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of ctl/kbs_plan.
 */
#ifndef SEALPOD_CTL_KBS_PLAN_PARTS_H
#define SEALPOD_CTL_KBS_PLAN_PARTS_H

#include "ctl/kbs_plan.h"

/* "reference-value", as record and machines have it; "reference value", as people read it. */
const char *kbs_plan_kind_name(enum kbs_plan_kind kind);
const char *kbs_plan_kind_words(enum kbs_plan_kind kind);

/* The content of a resource, as it was built. */
int kbs_plan_read_content(const struct out *out, const struct kbs_plan_item *item, struct secret *ret_content,
			  struct err *err) WARN_UNUSED;

#endif
