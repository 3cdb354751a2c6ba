/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outputs under the names that the Layered Zero Trust pattern's charts read, so that they take the
 * place of its scripts and jobs:
 *
 *     layered-zero-trust   trustee charts 0.2, KBS with an admin key, one init-data
 *     coco-pattern         trustee charts 0.9 and later, KBS without an admin
 *
 * Files in OUT/layout/<name>: trustee/ and values-secret-….yaml (to be moved to where the pattern looks
 * for them), *.yaml (to be applied), NOTES.md (what to do with them, which jobs to take out, and what
 * the pattern does that is left out here because it is unsafe).
 */
#ifndef SEALPOD_CTL_LAYOUT_H
#define SEALPOD_CTL_LAYOUT_H

#include "ctl/deployment.h"
#include "ctl/out.h"

/* "layered-zero-trust" or "coco-pattern"; ERR_USAGE for another. To be called when all else is built.
 * ERR_CONFIG where the deployment has what the pattern has no place for (more than one class). */
int layout_build(const struct deployment *deployment, const char *layout, struct out *out, struct err *err) WARN_UNUSED;

#define LAYOUTS_MAX 4

/* Where the layouts but `layout` (NULL: all) are in OUT, ending with NULL; returns ret_places. */
const char *const *layout_others(const char *layout, const char *ret_places[LAYOUTS_MAX + 1]);

#endif
