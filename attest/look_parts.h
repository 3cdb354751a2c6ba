/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attest/look*.c share; nobody else includes this.
 */
#ifndef SEALPOD_ATTEST_LOOK_PARTS_H
#define SEALPOD_ATTEST_LOOK_PARTS_H

#include "attest/look.h"

void look_add(struct look *look, enum look_severity severity, enum err_code code, const char *name, const char *format,
	      ...) __attribute__((format(printf, 5, 6)));

#define look_warn(look, ...) look_add(look, LOOK_WARNING, ERR_NONE, __VA_ARGS__)
/* Wrong TEE: one that must not be trusted, or that no verifier takes. */
#define look_refuse(look, ...) look_add(look, LOOK_FATAL, ERR_NO_TEE, __VA_ARGS__)

/* Lower-case hexadecimal, cut to what fits. */
void look_hex(struct bytes bytes, char *ret_text, size_t size);

/* `expected` NULL: not asked. `found` of look_at_init_data() is at most DIGEST_MAX bytes long. */
void look_at_report_data(struct look *look, const struct report_data *found, const struct report_data *expected);
void look_at_init_data(struct look *look, const char *field, struct bytes found, const struct digest *expected);

#endif
