/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of evidence that `sealpodctl evidence show` and `sealpod attest` know: how each is recognised by its
 * content, and how it is put on a sheet.
 */
#ifndef SEALPOD_ATTEST_SHOW_H
#define SEALPOD_ATTEST_SHOW_H

#include "attest/look.h"
#include "base/sheet.h"

struct show_kind {
	const char *name;		  /* stable, for machines */
	const char *heading;		  /* for people */
	bool (*is)(struct bytes content); /* by its first bytes and its length; may be wrong about what follows */
	int (*show)(struct bytes content, struct sheet *sheet, struct err *err);
};

/* The first row that recognises it; NULL if none does. */
const struct show_kind *show_find(struct bytes content);

/* Names of all kinds, for an error. */
void show_list(struct buf *ret_text);

bool is_snp_report(struct bytes content);
bool is_snp_certs(struct bytes content);
bool is_tdx_quote(struct bytes content);
bool is_tdreport(struct bytes content);
bool is_ccel_table(struct bytes content);
bool is_eventlog(struct bytes content);
bool is_snp_evidence(struct bytes content);
bool is_tdx_evidence(struct bytes content);
bool is_hcl_report(struct bytes content);
bool is_tpm_quote(struct bytes content);
bool is_az_snp_evidence(struct bytes content);
bool is_az_tdx_evidence(struct bytes content);
bool is_tpm_evidence(struct bytes content);
bool is_tpm_quoted(struct bytes content);

/* Is it JSON with a member of that name and type? In broken JSON the name alone counts, as what is broken is for the
 * reader's message. */
bool show_has_member(struct bytes content, const char *name, enum json_type type);

/* A report alone, or followed by a certificate table. */
int show_snp_report(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_snp_certs(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_tdx_quote(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_tdreport(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_ccel_table(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_eventlog(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_snp_evidence(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_tdx_evidence(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_hcl_report(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_tpm_quote(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
/* Of all versions; also, of the links between its parts, which do not hold. */
int show_az_evidence(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_tpm_evidence(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;
int show_tpm_quoted(struct bytes content, struct sheet *sheet, struct err *err) WARN_UNUSED;

/* What a look at the evidence found. */
void show_findings(const struct look *look, struct sheet *sheet);

#endif
