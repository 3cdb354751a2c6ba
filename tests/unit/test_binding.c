/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata/binding: the registers' values, against a published vector and by hand.
 */
#include "support.h"

#include "base/encode.h"
#include "initdata/binding.h"

static struct digest digest_from(enum digest_alg alg, const char *hex)
{
	struct digest digest = { .alg = alg };
	struct buf bytes OWNED_BUF = BUF_INIT(DIGEST_MAX);
	assert_int_equal(hex_decode(bytes_of_text(hex), &bytes, NULL), 0);
	assert_int_equal(bytes.len, digest_alg_len(alg));
	memcpy(digest.bytes, bytes.data, bytes.len);
	digest.len = bytes.len;
	return digest;
}

static struct digest counting(enum digest_alg alg)
{
	struct digest digest = { .alg = alg, .len = digest_alg_len(alg) };
	for (size_t i = 0; i < digest.len; i++)
		digest.bytes[i] = (uint8_t)(i + 1);
	return digest;
}

static void pcr8_of_trustees_vector(void **state)
{
	(void)state;
	struct digest digest =
		digest_from(DIGEST_SHA256, "8505e4e25e50a27c5dc8147af88efbece627fbea55291911eff832d9ee127781");
	struct digest pcr =
		digest_from(DIGEST_SHA256, "bddaccb9c52249e97a31baea61b7d91be8221a16e703d92148d04fb8e9c1dfdd");
	struct initdata_binding binding;
	assert_int_equal(initdata_expect(&digest, INITDATA_PCR8, &binding, NULL), 0);
	assert_int_equal(binding.len, 32);
	assert_memory_equal(binding.bytes, pcr.bytes, 32);
	assert_int_equal(initdata_check_binding(&digest, INITDATA_PCR8, digest_bytes(&pcr), NULL), 0);
}

static void registers_are_found_by_their_names(void **state)
{
	(void)state;
	enum initdata_register where;
	for (size_t i = INITDATA_HOST_DATA; i <= INITDATA_PCR8; i++) {
		assert_true(initdata_register_find(initdata_register_name((enum initdata_register)i), &where));
		assert_int_equal(where, i);
	}
	assert_false(initdata_register_find("PCR 9", &where));
}

static void registers_cut_and_fill(void **state)
{
	(void)state;
	static const struct {
		enum digest_alg alg;
		enum initdata_register where;
		size_t kept;
		size_t len;
	} rows[] = {
		{ DIGEST_SHA256, INITDATA_HOST_DATA, 32, 32 },	{ DIGEST_SHA384, INITDATA_HOST_DATA, 32, 32 },
		{ DIGEST_SHA512, INITDATA_HOST_DATA, 32, 32 },	{ DIGEST_SHA256, INITDATA_MRCONFIGID, 32, 48 },
		{ DIGEST_SHA384, INITDATA_MRCONFIGID, 48, 48 }, { DIGEST_SHA512, INITDATA_MRCONFIGID, 48, 48 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct digest digest = counting(rows[i].alg);
		uint8_t want[48] = { 0 };
		memcpy(want, digest.bytes, rows[i].kept);
		assert_int_equal(initdata_check_binding(&digest, rows[i].where, bytes_of(want, rows[i].len), NULL), 0);
		/* each byte counts, those filled with zeros too */
		for (size_t at = 0; at < rows[i].len; at++) {
			struct err err = { 0 };
			want[at] ^= 0x80;
			assert_int_equal(
				initdata_check_binding(&digest, rows[i].where, bytes_of(want, rows[i].len), &err), -1);
			assert_int_equal(err.code, ERR_BINDING);
			want[at] ^= 0x80;
		}
		assert_int_equal(initdata_check_binding(&digest, rows[i].where, bytes_of(want, rows[i].len - 1), NULL),
				 -1);
	}
}

static void both_values_are_shown(void **state)
{
	(void)state;
	struct digest digest = counting(DIGEST_SHA256);
	struct err err = { 0 };
	uint8_t found[32] = { 0xab };
	assert_int_equal(initdata_check_binding(&digest, INITDATA_HOST_DATA, bytes_of(found, 32), &err), -1);
	assert_string_equal(
		err.message,
		"this TEE was started with other init-data: HOST_DATA is "
		"'ab00000000000000000000000000000000000000000000000000000000000000', the init-data found here leads "
		"to '0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20'; if it is yours, compare its "
		"bytes to the last one with those that were deployed");
	assert_int_equal(err_exit_status(&err), 101);
	found[0] = 0;
	assert_int_equal(initdata_check_binding(&digest, INITDATA_HOST_DATA, bytes_of(found, 32), &err), -1);
	assert_non_null(strstr(err.message, "was started without init-data (HOST_DATA is zero)"));
	assert_int_equal(err.code, ERR_BINDING);
}

static void pcr8_takes_sha256_only(void **state)
{
	(void)state;
	struct digest digest = counting(DIGEST_SHA384);
	struct err err = { 0 };
	struct initdata_binding binding;
	assert_int_equal(initdata_expect(&digest, INITDATA_PCR8, &binding, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.message, "'sha384'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pcr8_of_trustees_vector),
		cmocka_unit_test(registers_cut_and_fill),
		cmocka_unit_test(registers_are_found_by_their_names),
		cmocka_unit_test(both_values_are_shown),
		cmocka_unit_test(pcr8_takes_sha256_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
