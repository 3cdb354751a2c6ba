/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/appraisal: any bytes as a token, and as the payload of one. What is read is text of bounded
 * length and figures in their range.
 */
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "cdh-client/appraisal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void need_text(const char *text, size_t size)
{
	need(memchr(text, 0, size) != NULL);
}

static void try_token(struct bytes token)
{
	struct appraisal appraisal;
	struct err err = { 0 };
	if (appraisal_read(token, &appraisal, &err) < 0) {
		need(err.code == ERR_PROTOCOL);
		return;
	}
	need(appraisal.submod_count <= APPRAISAL_SUBMODS_MAX && appraisal.issued_at >= 0 && appraisal.expires_at >= 0);
	for (size_t i = 0; i < appraisal.submod_count; i++) {
		const struct appraisal_submod *submod = &appraisal.submods[i];
		need_text(submod->name, sizeof(submod->name));
		need_text(submod->status, sizeof(submod->status));
		need_text(submod->policy, sizeof(submod->policy));
		need(submod->claim_count <= APPRAISAL_CLAIMS_MAX);
		for (size_t j = 0; j < submod->claim_count; j++) {
			need_text(submod->claims[j].name, sizeof(submod->claims[j].name));
			need(submod->claims[j].value >= -128 && submod->claims[j].value <= 127);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf token OWNED_BUF = BUF_INIT(2 * APPRAISAL_TOKEN_MAX);
	try_token(bytes_of(data, size));
	if (buf_append_text(&token, "e30.", NULL) == 0 &&
	    base64_encode(BASE64URL, bytes_of(data, size), &token, NULL) == 0 &&
	    buf_append_text(&token, ".", NULL) == 0)
		try_token(buf_bytes(&token));
	return 0;
}
