/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/rcar: what a KBS answers to /auth and /attest, its problem documents
 * and its cookie.
 */
#include <stdlib.h>
#include <string.h>

#include "cdh-client/rcar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer_it(const struct rcar_challenge *challenge)
{
	struct json *key OWNED_JSON = NULL;
	struct digest digest;
	if (json_parse(bytes_of_text("{\"kty\":\"EC\"}"), 64, &key, NULL) < 0)
		abort();
	/* whatever nonce was taken can be answered */
	if (rcar_runtime_digest(challenge, key, &digest, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rcar_challenge challenge;
	struct rcar_problem problem;
	struct err err = { 0 };
	char version[32];
	char cookie[RCAR_COOKIE_MAX];
	if (rcar_parse_challenge(bytes_of(data, size), &challenge, &err) == 0)
		answer_it(&challenge);
	if (rcar_parse_problem(bytes_of(data, size), &problem, &err) == 0)
		(void)rcar_wanted_version(&problem, version);
	char *text = calloc(1, size + 1);
	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	if (rcar_parse_cookie(text, cookie, &err) == 0 && (strpbrk(cookie, "; \r\n\"") || !*cookie))
		abort();
	free(text);
	return 0;
}
