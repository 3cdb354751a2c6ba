/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/az_evidence: any JSON in. What can be read can be written and read again, with the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/az_evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static bool same(const struct buf *a, const struct buf *b)
{
	return bytes_equal(buf_bytes(a), buf_bytes(b));
}

static void again(const struct az_evidence *first)
{
	struct json *json OWNED_JSON = NULL;
	struct az_evidence second OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct err err = { 0 };
	expect(az_evidence_build(first->kind, &first->quoted, buf_bytes(&first->hcl), buf_bytes(&first->endorsement),
				 &json, &err) == 0 &&
		       az_evidence_open(json, &second, &err) == 0,
	       "what was read cannot be written");
	expect(second.kind == first->kind && second.version == AZ_EVIDENCE_VERSION, "another kind");
	expect(same(&first->hcl, &second.hcl) && same(&first->endorsement, &second.endorsement) &&
		       same(&first->quoted.message, &second.quoted.message) &&
		       same(&first->quoted.signature, &second.quoted.signature) &&
		       memcmp(&first->quoted.pcrs, &second.quoted.pcrs, sizeof(first->quoted.pcrs)) == 0,
	       "other bytes");
}

static void as_plain(const struct json *json)
{
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct json *written OWNED_JSON = NULL;
	struct err err = { 0 };
	if (tpm_evidence_open(json, &quoted, &spki, &err) == 0)
		expect(tpm_evidence_build(&quoted, buf_bytes(&spki), &written, &err) == 0,
		       "plain evidence cannot be written");
}

static void as_quote_alone(const struct json *json)
{
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct err err = { 0 };
	if (tpm_quoted_open(json, &quoted, &err) < 0)
		expect(err.code == ERR_PROTOCOL && err.message[0] && quoted.message.len == 0,
		       "a failure that left something");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *json OWNED_JSON = NULL;
	struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct err err = { 0 };
	if (json_parse(bytes_of(data, size), 1u << 20, &json, &err) < 0)
		return 0;
	as_plain(json);
	as_quote_alone(json);
	if (az_evidence_open(json, &evidence, &err) == 0)
		again(&evidence);
	else
		expect(err.code == ERR_PROTOCOL && err.message[0], "a failure without its message");
	return 0;
}
