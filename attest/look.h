/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at one's own evidence before it is sent: does it say what was asked for, and is
 * there anything in it for which a verifier will or should refuse it? It proves nothing (the
 * signature is not checked); it turns a refusal far away into a text that names the cause.
 */
#ifndef SEALPOD_ATTEST_LOOK_H
#define SEALPOD_ATTEST_LOOK_H

#include "attest/snp_report.h"
#include "attest/tdx_quote.h"

enum look_severity { LOOK_WARNING, LOOK_FATAL };

struct look_finding {
	enum look_severity severity;
	enum err_code code; /* what main() is to end with, if fatal */
	const char *name;   /* stable, for machines: "debug", "report-data", … */
	char text[512];
};

#define LOOK_MAX 24

struct look {
	size_t count;
	struct look_finding findings[LOOK_MAX];
};

/* What the evidence must carry. NULL: not asked. */
struct look_expected {
	const struct report_data *report_data;
	const struct digest *init_data; /* cut or filled up with zeros to HOST_DATA's or MRCONFIGID's length */
};

void look_at_snp(const struct snp_report *report, const struct look_expected *expected, struct look *ret_look);
void look_at_tdx(const struct tdx_quote *quote, const struct look_expected *expected, struct look *ret_look);

/* The finding of that name, NULL if there is none. */
const struct look_finding *look_find(const struct look *look, const char *name);

/* 0 if nothing is fatal; otherwise -1 with the first fatal finding (and how many more). */
int look_verdict(const struct look *look, struct err *err) WARN_UNUSED;

#endif
