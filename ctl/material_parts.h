/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files that make a deployment's material.
 */
#ifndef SEALPOD_CTL_MATERIAL_PARTS_H
#define SEALPOD_CTL_MATERIAL_PARTS_H

#include "ctl/material.h"
#include "spire/issue.h"

#define MATERIAL_ROOT "root" /* no class is called so */
#define MATERIAL_ENDS_SOON_DAYS 30

/* "x509pop/web.key" */
struct material_name {
	char text[512];
};
struct material_name material_name(const char *dir, const char *stem, const char *ending);

/* The pair of sealed secrets; a public half with another kid than the deployment's is made again out of the key. */
int material_make_sealed_key(const struct deployment *deployment, struct out *out, struct err *err) WARN_UNUSED;

/* A step of a rotation that was cut off leaves halves of pairs, which the same step puts together. ERR_CONFIG */
int material_check_no_step_is_cut_off(const struct deployment *deployment, const struct out *out,
				      struct err *err) WARN_UNUSED;

/* One that is there, or half of it: key and certificate, which must be of each other, what is wished, and below the
 * root in `ca_dir` (NULL: a root, whose key may be somewhere safer). `class` is NULL for a root. */
int material_look_at_certificate(const struct deployment_class *class, const struct out *out, const char *dir,
				 const char *ca_dir, const struct spire_issue *issue, struct err *err) WARN_UNUSED;

#endif
