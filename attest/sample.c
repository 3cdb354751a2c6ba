/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sample evidence: {"svn":"1","report_data":"<base64 of the unpadded digest>"}
 * (guest-components: attestation-agent/attester/src/sample). It proves nothing;
 * with it the whole flow can be tested on a machine without a TEE. Must never be
 * part of a release build.
 */
#include "attest/sample.h"

#include "base/encode.h"

static bool always(const struct attester_signs *signs)
{
	(void)signs;
	return true;
}

static int collect(const struct attester_request *request, struct attester_evidence *ret_evidence, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct buf text OWNED_BUF = BUF_INIT(256);
	if (base64_encode(BASE64, request->report_data, &text, err) < 0 || json_new_object(&doc, err) < 0 ||
	    json_add_string(doc, "svn", "1", err) < 0 || json_add_string(doc, "report_data", buf_text(&text), err) < 0)
		return -1;
	*ret_evidence = (struct attester_evidence)ATTESTER_EVIDENCE_INIT;
	ret_evidence->json = TAKE_PTR(doc);
	return 0;
}

const struct attester sample_attester = {
	.tee = "sample",
	.found_by = ATTESTER_BY_NOTHING,
	.looks_for = "nothing",
	.probe = always,
	.collect = collect,
	.warning = "this is a test build: the emulated TEE 'sample' is in use, whose evidence proves nothing",
};
