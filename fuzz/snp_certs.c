/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/snp_certs: any bytes in. What the walk lends out must lie inside the table and
 * behind its header.
 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/snp_certs.h"

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
	struct snp_certs certs;
	struct snp_cert cert;
	if (snp_certs_open(bytes_of(data, size), &certs, &err) < 0) {
		expect(err.code == ERR_PROTOCOL && err.message[0], "a failure without its message");
		return 0;
	}
	size_t count = 0;
	unsigned sum = 0;
	while (snp_certs_next(&certs, &cert)) {
		count++;
		expect(cert.data.data >= data + 24 * (certs.count + 1), "an entry inside the header");
		expect(cert.data.data + cert.data.len <= data + size, "an entry outside the table");
		for (size_t i = 0; i < cert.data.len; i++)
			sum += cert.data.data[i];
		expect(snp_cert_kind_name(cert.kind) && guid_print(&cert.guid).text[36] == 0,
		       "an entry without a name");
	}
	expect(count == certs.count && count <= SNP_CERTS_MAX, "another number of entries than was counted");
	if (snp_certs_find(&certs, SNP_CERT_VCEK, &cert))
		expect(cert.kind == SNP_CERT_VCEK && cert.data.len > 0, "found what was not looked for");
	return sum == 0xFFFFFFFFu ? -1 : 0;
}
