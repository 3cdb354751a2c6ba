/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/hcl: any bytes in. What is borrowed must lie inside; claims that can be read have a key.
 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/hcl.h"

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
	struct hcl_report report;
	struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
	uint32_t type = 0;
	if (hcl_read(bytes_of(data, size), &report, &err) < 0) {
		expect((err.code == ERR_PROTOCOL || err.code == ERR_DEVICE) && err.message[0],
		       "a failure without its message");
		return 0;
	}
	expect(hcl_type_of(bytes_of(data, size), &type, &err) == 0 && type == report.type, "two types");
	expect(report.claims.len == 0 ||
		       (report.claims.data >= data + HCL_HEAD_LEN && report.claims.len <= size - HCL_HEAD_LEN &&
			report.claims.data + report.claims.len <= data + size),
	       "claims outside");
	expect(report.hardware.data == data + 32, "the hardware report is elsewhere");
	(void)hcl_claims_vouched(&report);
	if (hcl_claims_read(report.claims, &claims, &err) == 0)
		expect(claims.ak_n.len > 0 && claims.ak_n.len <= HCL_RSA_MAX && claims.ak_e.len > 0,
		       "claims without a key");
	return 0;
}
