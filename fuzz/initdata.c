/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata: any bytes in any form. What is taken keeps its bytes, has a digest of the
 * length that its algorithm has, finds each entry under its name, and its KBS can be
 * asked for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "initdata/binding.h"
#include "initdata/envelope.h"
#include "initdata/toml_defaults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void check(const struct initdata *doc, struct bytes text)
{
	struct err err = { 0 };
	struct initdata_kbs kbs OWNED_INITDATA_KBS = { 0 };
	struct initdata_binding binding;
	struct initdata_entry entry;
	const struct digest *digest = initdata_digest(doc);
	expect(bytes_equal(initdata_text(doc), text), "the bytes are not the same any more");
	expect(digest->len == digest_alg_len(digest->alg), "a digest of another length");
	for (size_t i = 0; initdata_entry_at(doc, i, &entry); i++)
		expect(entry.line > 0, "an entry without a place");
	if (initdata_kbs_defaults(doc, &kbs, &err) < 0)
		expect(err.code == ERR_CONFIG && !kbs.url, "a failure of another code, or with a URL");
	expect(!kbs.entry == !kbs.url, "half a KBS");
	expect(initdata_expect(digest, INITDATA_HOST_DATA, &binding, &err) == 0, "no value for HOST_DATA");
	expect(initdata_check_binding(digest, INITDATA_HOST_DATA, bytes_of(binding.bytes, binding.len), &err) == 0,
	       "the expected value does not match");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	struct buf toml OWNED_BUF = BUF_INIT(1);
	struct initdata *doc OWNED_INITDATA = NULL;
	if (initdata_unwrap(bytes_of(data, size), &toml, &err) < 0) {
		expect(err.code == ERR_CONFIG && toml.len == 0, "a failure of another code, or with a text");
		return 0;
	}
	expect(toml.len <= INITDATA_MAX, "more than the limit");
	if (initdata_parse(buf_bytes(&toml), &doc, &err) < 0) {
		expect(err.code == ERR_CONFIG && !doc, "a failure of another code, or with a document");
		return 0;
	}
	check(doc, buf_bytes(&toml));
	return 0;
}
