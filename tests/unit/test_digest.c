/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/digest: known answers (FIPS 180), names, and OpenSSL's refusal.
 */
#include "support.h"

#include <openssl/evp.h>

#include "base/digest.h"
#include "base/encode.h"

static const struct {
	enum digest_alg alg;
	const char *name;
	size_t len;
	const char *of_nothing;
	const char *of_abc;
} known[] = {
	{ DIGEST_SHA1, "sha1", 20, "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	  "a9993e364706816aba3e25717850c26c9cd0d89d" },
	{ DIGEST_SHA256, "sha256", 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ DIGEST_SHA384, "sha384", 48,
	  "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
	  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7" },
	{ DIGEST_SHA512, "sha512", 64,
	  "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
	  "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
};

static void assert_digest(enum digest_alg alg, struct bytes data, const char *hex)
{
	struct err err = { 0 };
	struct digest digest;
	struct buf text OWNED_BUF = BUF_INIT(2 * DIGEST_MAX);
	assert_int_equal(digest_of(alg, data, &digest, &err), 0);
	assert_int_equal(digest.alg, alg);
	assert_int_equal(hex_encode(digest_bytes(&digest), &text, &err), 0);
	assert_string_equal(buf_text(&text), hex);
}

static void known_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		assert_digest(known[i].alg, bytes_of(NULL, 0), known[i].of_nothing);
		assert_digest(known[i].alg, bytes_of("", 0), known[i].of_nothing);
		assert_digest(known[i].alg, bytes_of_text("abc"), known[i].of_abc);
		assert_int_equal(digest_alg_len(known[i].alg), known[i].len);
		assert_string_equal(digest_alg_name(known[i].alg), known[i].name);
	}
}

static void bytes_behind_the_digest_are_zero(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct digest digest;
	memset(&digest, 0xaa, sizeof(digest));
	assert_int_equal(digest_of(DIGEST_SHA1, bytes_of_text("abc"), &digest, &err), 0);
	for (size_t i = digest.len; i < DIGEST_MAX; i++)
		assert_int_equal(digest.bytes[i], 0);
}

static void names_are_read_in_any_case(void **state)
{
	(void)state;
	static const char *const spellings[][3] = {
		{ "sha1", "SHA1", "Sha1" },
		{ "sha256", "SHA256", "sHa256" },
		{ "sha384", "SHA384", "shA384" },
		{ "sha512", "SHA512", "SHa512" },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		for (size_t j = 0; j < 3; j++) {
			enum digest_alg alg = known[(i + 1) % ARRAY_LEN(known)].alg;
			assert_int_equal(digest_alg_by_name(bytes_of_text(spellings[i][j]), &alg), 0);
			assert_int_equal(alg, known[i].alg);
		}
	}
}

static void other_names_are_refused_and_nothing_is_touched(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len;
	} others[] = {
		{ "", 0 },	    { "sha", 3 },     { "sha25", 5 },	{ "sha2566", 7 },
		{ "sha-256", 7 },   { " sha256", 7 }, { "sha256 ", 7 }, { "sha256\0", 7 },
		{ "sha\0\0\0", 6 }, { "md5", 3 },     { "sha224", 6 },	{ "sha3-256", 8 },
	};
	enum digest_alg alg = DIGEST_SHA384;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(digest_alg_by_name(bytes_of(others[i].text, others[i].len), &alg), -1);
	assert_int_equal(digest_alg_by_name(bytes_of(NULL, 0), &alg), -1);
	assert_int_equal(alg, DIGEST_SHA384);
}

/* In a child: the refusal is OpenSSL's for the whole process. */
static void ask_openssl_that_refuses(void)
{
	struct err err = { 0 };
	struct digest digest = { .alg = DIGEST_SHA512, .len = 7 };
	CHECK(EVP_set_default_properties(NULL, "nobody=has-this") == 1);
	CHECK(digest_of(DIGEST_SHA256, bytes_of_text("abc"), &digest, &err) == -1);
	CHECK(err.code == ERR_SYSTEM);
	CHECK(strcmp(err.message, "OpenSSL cannot compute sha256") == 0);
	CHECK(digest.alg == DIGEST_SHA512 && digest.len == 7);
}

static void refusal_of_openssl_is_an_error(void **state)
{
	(void)state;
	assert_child_well(ask_openssl_that_refuses);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(bytes_behind_the_digest_are_zero),
		cmocka_unit_test(names_are_read_in_any_case),
		cmocka_unit_test(other_names_are_refused_and_nothing_is_touched),
		cmocka_unit_test(refusal_of_openssl_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
