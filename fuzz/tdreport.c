/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tdreport: any bytes in; only the length and the type can be wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/tdreport.h"

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
	struct tdreport report;
	bool good = size == TDREPORT_LEN && data[0] == 0x81;
	expect((tdreport_read(bytes_of(data, size), &report, &err) == 0) == good,
	       "accepted and refused by another measure");
	if (!good) {
		expect(err.code == ERR_PROTOCOL && err.message[0], "a failure without its message");
		return 0;
	}
	expect(memcmp(report.td.rtmr[3], data + 0x200 + 352, TD_MR_LEN) == 0, "another RTMR 3");
	return 0;
}
