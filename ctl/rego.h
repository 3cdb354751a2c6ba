/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a policy before it goes to a KBS. No Rego is parsed (the KBS does that); what is looked for are the rules
 * without which the KBS takes a policy and it means nothing.
 */
#ifndef SEALPOD_CTL_REGO_H
#define SEALPOD_CTL_REGO_H

#include "base/buf.h"

/* Each wants `package policy`. ERR_CONFIG with what is missing and what that would lead to. */
int rego_check_resource_policy(struct bytes text, struct err *err) WARN_UNUSED;
int rego_check_attestation_policy(struct bytes text, struct err *err) WARN_UNUSED;

#endif
