/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of ctl/policy: what each kind of TEE is known by.
 */
#ifndef SEALPOD_CTL_POLICY_RULES_H
#define SEALPOD_CTL_POLICY_RULES_H

#include "ctl/policy.h"
#include "initdata/binding.h"

/* The reference value that holds what init-data leads to, for all kinds. */
#define POLICY_INIT_DATA "init_data"

/* What a comparison speaks for. */
enum policy_vector { POLICY_EXECUTABLES, POLICY_HARDWARE, POLICY_CONFIGURATION };
#define POLICY_VECTORS 3

const char *policy_vector_name(enum policy_vector vector);

/* A claim of the evidence that must be one of a reference value's. */
struct policy_rule {
	char claim[64]; /* below the kind's own claims */
	char value[32]; /* name of the reference value */
	enum policy_vector vector;
	size_t digits; /* of each of its values, hexadecimal */
	bool required; /* without it the kind would be known by too little */
	bool made;     /* out of the init-data */
};

/* The i-th rule of a kind; false past the end. */
bool policy_rule_at(const char *tee, size_t i, struct policy_rule *ret_rule);

/* A fixed condition on the kind's own claims, a line of Rego behind "tee."; NULL past the end. */
const char *policy_condition_at(const char *tee, enum policy_vector vector, size_t i);

/* Where init-data are bound. */
enum initdata_register policy_register(const char *tee);

/* The kind as this generation's evidence and policies spell it. */
const char *policy_tee_name(enum deployment_generation generation, const char *tee);

#endif
