/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/snp_report: any bytes in. What is accepted must be of a length and version that
 * can be, and its numbers must be those that stand in the bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/snp_report.h"
#include "base/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	struct snp_report report;
	if (snp_report_read(bytes_of(data, size), &report, &err) < 0) {
		expect(err.code == ERR_PROTOCOL && err.message[0], "a failure without its message");
		return 0;
	}
	expect(size >= SNP_REPORT_LEN && report.version >= 2, "too short or too old");
	expect(report.known == (report.version <= 5), "known by another measure");
	expect(!report.known || size == SNP_REPORT_LEN, "too long");
	expect(report.policy.raw == le64(data + 8) && report.key_info == le32(data + 0x48),
	       "a number is not the one read");
	expect(memcmp(report.report_data.bytes, data + 0x50, REPORT_DATA_LEN) == 0, "other report data");
	expect(report.reported_tcb.raw == le64(data + 0x180) && report.reported_tcb.microcode == data[0x187],
	       "another TCB");
	expect(snp_key_name(report.signing_key) && snp_product_name(report.product), "a value without a name");
	(void)snp_has_migration_agent(&report);
	return 0;
}
