/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of lint share: how a finding is told.
 */
#ifndef SEALPOD_CTL_LINT_PARTS_H
#define SEALPOD_CTL_LINT_PARTS_H

#include "ctl/lint.h"

void lint_error(struct lint *lint, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));
void lint_warning(struct lint *lint, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* policy.rego: what the host may ask of Kata's agent. */
void lint_policy(struct lint *lint, struct bytes text);

#endif
