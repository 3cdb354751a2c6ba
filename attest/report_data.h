/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a report binds: the 64 bytes of REPORT_DATA (SNP) or REPORTDATA (TDX). A
 * struct, so that a wrong length does not compile.
 */
#ifndef SEALPOD_ATTEST_REPORT_DATA_H
#define SEALPOD_ATTEST_REPORT_DATA_H

#include "base/digest.h"

#define REPORT_DATA_LEN 64

struct report_data {
	uint8_t bytes[REPORT_DATA_LEN];
};

/* The digest, filled up with zeros on the right, as the verifiers of snp and tdx do. */
struct report_data report_data_of(const struct digest *digest);

bool report_data_equal(const struct report_data *a, const struct report_data *b);

#endif
