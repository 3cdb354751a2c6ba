/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/snp_signature: a report of 1184 bytes and a certificate behind it. What is taken must be refused once a
 * byte that the signature covers is another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/snp_report.h"
#include "attest/snp_signature.h"

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
	uint8_t report[SNP_REPORT_LEN];
	struct err err = { 0 };
	size_t len = size < sizeof(report) ? size : sizeof(report);
	struct bytes cert = bytes_of(data + len, size - len);
	if (snp_signature_check(bytes_of(data, len), cert, &err) < 0) {
		expect(err.code == ERR_PROTOCOL || err.code == ERR_SERVER, "a failure of another kind");
		expect(err.message[0], "a failure without its message");
		return 0;
	}
	expect(len == sizeof(report), "a report of another length is taken");
	memcpy(report, data, len);
	report[SNP_SIGNED_LEN - 1] ^= 1;
	expect(snp_signature_check(bytes_of(report, len), cert, &err) < 0, "a changed report is taken");
	return 0;
}
