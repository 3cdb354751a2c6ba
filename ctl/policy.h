/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three texts that make a KBS release the right things to the right TEEs, out of a deployment:
 *
 *     resource policy     who gets which path: a class, known by its init-data. Denies by default, and every TEE
 *                         whose appraisal is not "affirming" in all parts.
 *     attestation policy  what makes evidence of each kind of TEE "affirming"; defines trust_claims
 *     reference values    what the latter compares with: the image's measurements and the init-data
 *
 * They belong together and are made together; each is the same bytes for the same material.
 */
#ifndef SEALPOD_CTL_POLICY_H
#define SEALPOD_CTL_POLICY_H

#include "base/digest.h"
#include "base/json.h"
#include "ctl/deployment.h"

#define POLICY_MAX (1u << 20)

/* Directories of init-data, CLASS.toml in each. */
#define POLICY_INIT_DATA_NOW "initdata"
#define POLICY_INIT_DATA_PREVIOUS "initdata-previous"

/* Of a class: what it is, then, while it is rotated, what it was before. */
struct policy_init_data {
	struct digest digests[2];
	size_t count;
};

/* What the deployment itself does not hold. */
struct policy_material {
	struct policy_init_data *init_data; /* of each class, in the deployment's order */
	struct json *values;		    /* reference values: name to a list of texts */
};

#define POLICY_MATERIAL_INIT                                                                                           \
	{                                                                                                              \
		.init_data = NULL, .values = NULL                                                                      \
	}
#define OWNED_POLICY_MATERIAL CLEANUP(policy_material_done)
void policy_material_done(struct policy_material *material);

/* Reads OUT/initdata/<class>.toml, OUT/initdata-previous/<class>.toml where it is, and the measurements file, and
 * collects the reference values. ERR_CONFIG for what is missing: a kind of TEE without the values that would make it
 * known, a value that no rule would read, init-data whose algorithm does not fit the kind. */
int policy_material_read(const struct deployment *deployment, const char *out, struct policy_material *ret_material,
			 struct err *err) WARN_UNUSED;

/* Each appends to `text`. */
int policy_resource(const struct deployment *deployment, const struct policy_material *material, struct buf *text,
		    struct err *err) WARN_UNUSED;
int policy_attestation(const struct deployment *deployment, const struct policy_material *material, struct buf *text,
		       struct err *err) WARN_UNUSED;

/* reference-values.json in the generation's form: an object of lists (what the admin API takes, and material->values
 * is), or a list of objects with an expiration. */
int policy_reference_values(const struct deployment *deployment, const struct policy_material *material,
			    struct buf *text, struct err *err) WARN_UNUSED;

#endif
