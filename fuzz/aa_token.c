/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/aa_token: any bytes as a token document. What is taken can go into a
 * header as it is, and has a key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdh-client/aa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct err err = { 0 };
	struct secret json OWNED_SECRET = SECRET_INIT;
	struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
	if (!started && secret_setup(&err) < 0)
		abort();
	started = true;
	if (size > 0 && (secret_alloc(&json, size, &err) < 0 || secret_append(&json, bytes_of(data, size), &err) < 0))
		return 0;
	if (aa_token_parse(&json, &token, &err) < 0) {
		if (err.code != ERR_PROTOCOL || token.key || token.jwt.len > 0)
			abort();
		return 0;
	}
	const char *jwt = buf_text(&token.jwt);
	if (!token.key || strlen(jwt) != token.jwt.len || strpbrk(jwt, " \r\n:") || token.issued_at < 0)
		abort();
	return 0;
}
