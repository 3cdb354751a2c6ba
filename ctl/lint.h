/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong, or unwise, in an init-data document. Errors make the VM insecure or keep it from
 * starting; warnings are for the operator to weigh.
 */
#ifndef SEALPOD_CTL_LINT_H
#define SEALPOD_CTL_LINT_H

#include "base/sheet.h"
#include "initdata/document.h"

struct lint_target {
	const char *const *tees; /* kinds of TEE that the document is for, as Trustee spells them */
	size_t tee_count;
	const char *const *processors; /* "milan", "genoa", "turin": those of the SNP machines; none: unknown */
	size_t processor_count;
	const char *spire_version; /* NULL: unknown */
};

struct lint {
	struct sheet *sheet; /* each finding becomes an element of the list that is open in it */
	/* in place of a sheet */
	void (*tell)(void *arg, bool is_error, const char *where, const char *text);
	void *arg;
	unsigned errors;
	unsigned warnings;
};

/* Looks at the document and at each entry that we know. */
void lint_initdata(struct lint *lint, const struct initdata *doc, const struct lint_target *target);

/* That alone which sealpod(8) would refuse of the document's sealpod.toml; 0 where it has none. */
int lint_refusal(const struct initdata *doc, struct err *err) WARN_UNUSED;

/* The TEE kinds and SPIRE version by themselves. */
void lint_target_itself(struct lint *lint, const struct lint_target *target);

#endif
