/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/snp_evidence: any text in. What is read back and is a report must build the same
 * report again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/snp_evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LEN (1u << 16)

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void check_again(const struct snp_report *report, const uint8_t *raw)
{
	OWNED_JSON struct json *again = NULL;
	uint8_t raw_again[SNP_REPORT_LEN];
	struct evidence_note note;
	struct err err = { 0 };
	if (!report->known)
		return;
	expect(snp_evidence_build(report, NULL, &again, &note, &err) == 0, err.message);
	expect(snp_evidence_report(again, raw_again, &err) == 0, err.message);
	/* Old versions and masked chips leave the layout of the TCB open: there the text may have said another. */
	if (report->has_cpuid)
		expect(memcmp(raw + 0x50, raw_again + 0x50, 0x130) == 0, "another report comes back");
	else
		expect(memcmp(raw, raw_again, 0x38) == 0, "another head comes back");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED_JSON struct json *doc = NULL;
	uint8_t raw[SNP_REPORT_LEN];
	struct snp_report report;
	struct err err = { 0 };
	if (json_parse(bytes_of(data, size), MAX_LEN, &doc, &err) < 0)
		return 0;
	if (snp_evidence_report(doc, raw, &err) < 0) {
		expect(err.code == ERR_PROTOCOL && err.message[0], "a failure without its message");
		return 0;
	}
	if (snp_report_read(bytes_of(raw, sizeof(raw)), &report, &err) == 0)
		check_again(&report, raw);
	return 0;
}
