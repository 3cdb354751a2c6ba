/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/encode: the vectors of RFC 4648 section 10, and one spelling only for
 * each byte string. A plain reader and writer of the test's own stand beside
 * libsodium's, so that what libsodium takes is proven and not believed.
 */
#include "support.h"

#include "base/encode.h"

static const enum base64_kind kinds[] = { BASE64, BASE64URL, BASE64URL_PADDED };

static const char *letters_of(enum base64_kind kind)
{
	return kind == BASE64 ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
			      : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}

/* The definition of RFC 4648, bit by bit: slow and plain. */
static size_t model_encode(enum base64_kind kind, const uint8_t *in, size_t len, char *out)
{
	size_t n = 0;
	for (size_t bit = 0; bit < len * 8; bit += 6) {
		unsigned value = 0;
		for (size_t i = bit; i < bit + 6; i++)
			value = value * 2 + (i < len * 8 ? ((unsigned)in[i / 8] >> (7 - i % 8)) & 1u : 0);
		out[n++] = letters_of(kind)[value];
	}
	while (kind != BASE64URL && n % 4 != 0)
		out[n++] = '=';
	out[n] = 0;
	return n;
}

/* What the text stands for; valid only if encoding that gives the text again. */
static bool model_decode(enum base64_kind kind, const char *text, size_t len, uint8_t *out, size_t *ret_len)
{
	char again[64];
	size_t bits = 0;
	memset(out, 0, len + 1);
	for (size_t i = 0; i < len && text[i] != '='; i++) {
		const char *letter = text[i] ? strchr(letters_of(kind), text[i]) : NULL;
		if (!letter)
			return false;
		size_t value = (size_t)(letter - letters_of(kind));
		for (int j = 5; j >= 0; j--, bits++)
			out[bits / 8] |= (uint8_t)(((value >> j) & 1u) << (7 - bits % 8));
	}
	*ret_len = bits / 8;
	return model_encode(kind, out, bits / 8, again) == len && memcmp(again, text, len) == 0;
}

static void assert_decodes(enum base64_kind kind, struct bytes text, struct bytes wanted)
{
	struct err err = { 0 };
	struct buf out OWNED_BUF = BUF_INIT(1000);
	struct secret secret OWNED_SECRET = SECRET_INIT;
	assert_int_equal(buf_append_text(&out, "before", &err), 0);
	assert_int_equal(base64_decode(kind, text, &out, &err), 0);
	assert_int_equal(out.len, 6 + wanted.len);
	assert_true(bytes_equal(bytes_of(out.data, 6), bytes_of_text("before")));
	assert_true(bytes_equal(bytes_of(out.data + 6, wanted.len), wanted));
	assert_int_equal(base64_decode_secret(kind, text, &secret, &err), 0);
	assert_true(bytes_equal(secret_bytes(&secret), wanted));
}

static void assert_refused(enum base64_kind kind, struct bytes text)
{
	static const char *const messages[] = {
		[BASE64] = "not base64 text",
		[BASE64URL] = "not unpadded base64url text",
		[BASE64URL_PADDED] = "not padded base64url text",
	};
	struct err err = { 0 };
	struct buf out OWNED_BUF = BUF_INIT(1000);
	struct secret secret OWNED_SECRET = SECRET_INIT;
	assert_int_equal(buf_append_text(&out, "before", &err), 0);
	assert_int_equal(base64_decode(kind, text, &out, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_string_equal(err.message, messages[kind]);
	assert_string_equal(buf_text(&out), "before");
	assert_int_equal(out.len, 6);
	struct err secret_err = { 0 };
	assert_int_equal(base64_decode_secret(kind, text, &secret, &secret_err), -1);
	assert_string_equal(secret_err.message, messages[kind]);
	assert_null(secret.data);
}

static void vectors_of_rfc_4648(void **state)
{
	(void)state;
	static const char *const vectors[][3] = {
		/* section 10; third: without padding */
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	};
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			struct err err = { 0 };
			const char *text = vectors[i][kinds[k] == BASE64URL ? 2 : 1];
			struct buf out OWNED_BUF = BUF_INIT(100);
			assert_int_equal(base64_encode(kinds[k], bytes_of_text(vectors[i][0]), &out, &err), 0);
			assert_string_equal(buf_text(&out), text);
			assert_decodes(kinds[k], bytes_of_text(text), bytes_of_text(vectors[i][0]));
		}
	}
	struct err err = { 0 };
	struct buf out OWNED_BUF = BUF_INIT(100);
	assert_int_equal(hex_encode(bytes_of_text("foobar"), &out, &err), 0);
	assert_string_equal(buf_text(&out), "666f6f626172");
}

static void alphabets_do_not_mix(void **state)
{
	(void)state;
	const struct bytes bytes = bytes_of("\xfb\xff\xbf", 3);
	assert_decodes(BASE64, bytes_of_text("+/+/"), bytes);
	assert_decodes(BASE64URL, bytes_of_text("-_-_"), bytes);
	assert_decodes(BASE64URL_PADDED, bytes_of_text("-_-_"), bytes);
	assert_refused(BASE64, bytes_of_text("-_-_"));
	assert_refused(BASE64URL, bytes_of_text("+/+/"));
	assert_refused(BASE64URL_PADDED, bytes_of_text("+/+/"));
}

static void padding_must_be_right(void **state)
{
	(void)state;
	static const char *const wrong[] = { "Zg",	 "Zg=",	 "Zg===", "Zg====", "Zm8",   "Zm8==",  "Zm9v=",
					     "Zm9v====", "=",	 "==",	  "====",   "Z===",  "Zg==Zg", "Zg==Zg==",
					     "=Zg=",	 "Zg=g", "Z",	  "Zm9vY",  "Zg= =", "Zg=\n=" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_refused(BASE64, bytes_of_text(wrong[i]));
		assert_refused(BASE64URL_PADDED, bytes_of_text(wrong[i]));
	}
	static const char *const padded[] = { "Zg==", "Zg=", "Zm8=", "Zm9v=", "Z", "Zm9vY", "=" };
	for (size_t i = 0; i < ARRAY_LEN(padded); i++)
		assert_refused(BASE64URL, bytes_of_text(padded[i]));
}

static void unused_bits_must_be_zero(void **state)
{
	(void)state;
	static const char *const wrong[] = { "Zh==", "Zv==", "Zm9=", "Zm+=", "AB==", "AAF=" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_refused(BASE64, bytes_of_text(wrong[i]));
		assert_refused(BASE64URL_PADDED, bytes_of_text(wrong[i]));
		assert_refused(BASE64URL, bytes_of(wrong[i], strcspn(wrong[i], "=")));
	}
}

static void blanks_are_foreign_wherever_they_stand(void **state)
{
	(void)state;
	static const char blanks[] = " \t\r\n\v\f\0"; /* the NUL at its end counts too */
	for (size_t b = 0; b < sizeof(blanks); b++) {
		for (size_t at = 0; at <= 8; at++) {
			char text[16];
			(void)snprintf(text, sizeof(text), "%.*sx%s", (int)at, "Zm9vYmFy", &"Zm9vYmFy"[at]);
			text[at] = blanks[b];
			for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
				assert_refused(kinds[k], bytes_of(text, 9));
		}
	}
}

/* Every text of up to two bytes, and every byte at each place of longer ones. */
static void takes_what_the_model_takes(void **state)
{
	(void)state;
	static const char *const stems[] = { "", "A", "AA", "AAA", "AAAA", "AAAAA", "Zg==", "Zm8=", "AA=A", "__-+/" };
	size_t taken = 0;
	for (size_t s = 0; s < ARRAY_LEN(stems); s++) {
		for (unsigned value = 0; value < 65536; value++) {
			char text[16];
			size_t len = strlen(stems[s]);
			memcpy(text, stems[s], len + 1);
			size_t at = (value >> 8) % (len + 1);
			text[at] = (char)(value & 0xff);
			len = at == len ? len + 1 : len;
			if (s == 0) { /* the empty stem: both bytes free */
				text[0] = (char)(value >> 8);
				text[1] = (char)(value & 0xff);
				len = 2;
			} else if (value >> 8 > len) {
				continue;
			}
			for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
				uint8_t model[32];
				size_t model_len;
				struct buf out OWNED_BUF = BUF_INIT(100);
				bool good = model_decode(kinds[k], text, len, model, &model_len);
				int r = base64_decode(kinds[k], bytes_of(text, len), &out, NULL);
				assert_int_equal(r, good ? 0 : -1);
				if (good)
					assert_true(bytes_equal(buf_bytes(&out), bytes_of(model, model_len)));
				taken += good;
			}
		}
	}
	assert_true(taken > 1000);
}

static void every_length_comes_back(void **state)
{
	(void)state;
	uint8_t data[200];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 167 + 13);
	for (size_t len = 0; len <= sizeof(data); len++) {
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			struct err err = { 0 };
			char model[300];
			struct buf text OWNED_BUF = BUF_INIT(300);
			assert_int_equal(base64_encode(kinds[k], bytes_of(data, len), &text, &err), 0);
			assert_int_equal(text.len, model_encode(kinds[k], data, len, model));
			assert_string_equal(buf_text(&text), model);
			assert_decodes(kinds[k], buf_bytes(&text), bytes_of(data, len));
		}
	}
}

static void hex_reads_both_cases_and_writes_lower(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf bytes OWNED_BUF = BUF_INIT(256);
	struct buf text OWNED_BUF = BUF_INIT(513);
	assert_int_equal(buf_append_text(&text, "x", &err), 0);
	for (unsigned i = 0; i < 256; i++) {
		char digits[3];
		(void)snprintf(digits, sizeof(digits), i % 2 ? "%02X" : "%02x", i);
		assert_int_equal(hex_decode(bytes_of_text(digits), &bytes, &err), 0);
		assert_int_equal(bytes.len, i + 1);
		assert_int_equal(bytes.data[i], i);
	}
	assert_int_equal(hex_encode(buf_bytes(&bytes), &text, &err), 0);
	assert_int_equal(text.len, 513);
	assert_int_equal(text.data[0], 'x');
	for (unsigned i = 0; i < 256; i++) {
		char digits[3];
		(void)snprintf(digits, sizeof(digits), "%02x", i);
		assert_memory_equal(text.data + 1 + (size_t)i * 2, digits, 2);
	}
}

static void hex_takes_digits_only(void **state)
{
	(void)state;
	for (unsigned value = 0; value < 65536; value++) {
		char text[2] = { (char)(value >> 8), (char)(value & 0xff) };
		struct buf out OWNED_BUF = BUF_INIT(100);
		bool good = true;
		for (int i = 0; i < 2; i++)
			good = good && text[i] && strchr("0123456789abcdefABCDEF", text[i]);
		assert_int_equal(hex_decode(bytes_of(text, 2), &out, NULL), good ? 0 : -1);
		assert_int_equal(out.len, good ? 1 : 0);
	}
}

static void bad_hex_leaves_the_buffer(void **state)
{
	(void)state;
	static const char *const wrong[] = { "a",    "abc",  "0x12", "ab cd ", "ab:cd:",
					     "ab\n", " ab ", "abcg", "ab-d",   "\xef\xbc\x91\x31" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err err = { 0 };
		struct buf out OWNED_BUF = BUF_INIT(100);
		assert_int_equal(buf_append_text(&out, "before", &err), 0);
		assert_int_equal(hex_decode(bytes_of_text(wrong[i]), &out, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_non_null(strstr(err.message, "hexadecimal text"));
		assert_int_equal(out.len, 6);
		assert_string_equal(buf_text(&out), "before");
	}
	struct err err = { 0 };
	struct buf out OWNED_BUF = BUF_INIT(100);
	assert_int_equal(hex_decode(bytes_of("zz", 2), &out, &err), -1); /* and an empty one stays empty */
	assert_string_equal(buf_text(&out), "");
	assert_int_equal(hex_decode(bytes_of(NULL, 0), &out, &err), 0);
	assert_int_equal(hex_encode(bytes_of(NULL, 0), &out, &err), 0);
	assert_int_equal(base64_encode(BASE64, bytes_of(NULL, 0), &out, &err), 0);
	assert_int_equal(base64_decode(BASE64, bytes_of(NULL, 0), &out, &err), 0);
	assert_int_equal(out.len, 0);
}

static void limit_of_the_buffer_holds(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf out OWNED_BUF = BUF_INIT(8);
	assert_int_equal(buf_append_text(&out, "12345", &err), 0);
	assert_int_equal(hex_encode(bytes_of("ab", 2), &out, &err), -1);
	assert_int_equal(hex_decode(bytes_of_text("61626364"), &out, &err), -1);
	assert_int_equal(base64_encode(BASE64, bytes_of("a", 1), &out, &err), -1);
	assert_int_equal(base64_encode(BASE64URL, bytes_of("abc", 3), &out, &err), -1);
	assert_int_equal(base64_decode(BASE64, bytes_of_text("YWJjZA=="), &out, &err), -1);
	assert_string_equal(err.message, "larger than the limit of 8 bytes");
	assert_string_equal(buf_text(&out), "12345");
	assert_int_equal(base64_decode(BASE64, bytes_of_text("YWJj"), &out, &err), 0);
	assert_string_equal(buf_text(&out), "12345abc");
}

static void huge_input_is_refused_unread(void **state)
{
	(void)state;
	struct buf out OWNED_BUF = BUF_INIT(SIZE_MAX);
	struct secret secret OWNED_SECRET = SECRET_INIT;
	static const size_t sizes[] = { 64u * 1024 * 1024 + 1, SIZE_MAX / 2 + 1, SIZE_MAX };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct err err = { 0 };
		struct bytes huge = bytes_of("", sizes[i]);
		assert_int_equal(hex_encode(huge, &out, &err), -1);
		assert_int_equal(hex_decode(huge, &out, &err), -1);
		assert_int_equal(base64_encode(BASE64, huge, &out, &err), -1);
		assert_int_equal(base64_decode(BASE64, huge, &out, &err), -1);
		assert_int_equal(base64_decode_secret(BASE64, huge, &secret, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_int_equal(out.len, 0);
		assert_null(secret.data);
	}
}

/* A secret as large as any can be comes back, one byte more does not. */
static void largest_secret_is_decoded(void **state)
{
	(void)state;
	static const char zeros[SECRET_MAX + 1];
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct err err = { 0 };
		struct buf text OWNED_BUF = BUF_INIT(2 * SECRET_MAX);
		struct secret secret OWNED_SECRET = SECRET_INIT;
		assert_int_equal(base64_encode(kinds[k], bytes_of(zeros, SECRET_MAX), &text, &err), 0);
		assert_int_equal(base64_decode_secret(kinds[k], buf_bytes(&text), &secret, &err), 0);
		assert_int_equal(secret.len, SECRET_MAX);
		buf_done(&text);
		assert_int_equal(base64_encode(kinds[k], bytes_of(zeros, SECRET_MAX + 1), &text, &err), 0);
		assert_int_equal(base64_decode_secret(kinds[k], buf_bytes(&text), &secret, &err), -1);
		assert_int_equal(secret.len, SECRET_MAX); /* untouched */
	}
}

static int setup(void **state)
{
	(void)state;
	return secret_setup(NULL);
}

static void secrets_are_encoded_within_their_capacity(void **state)
{
	(void)state;
	struct secret out OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	assert_int_equal(secret_alloc(&out, 9, NULL), 0);
	assert_int_equal(base64_encode_secret(BASE64, bytes_of_text("foob"), &out, &err), 0);
	assert_true(bytes_equal_text(secret_bytes(&out), "Zm9vYg=="));
	/* four letters more would need five bytes with the codec's NUL; one is left */
	assert_int_equal(base64_encode_secret(BASE64, bytes_of_text("foo"), &out, &err), -1);
	assert_non_null(strstr(err.message, "larger than the limit of 9 bytes"));
	assert_int_equal(out.len, 8);
	struct secret exact OWNED_SECRET = SECRET_INIT; /* room for the text alone is not enough */
	assert_int_equal(secret_alloc(&exact, 8, NULL), 0);
	assert_int_equal(base64_encode_secret(BASE64, bytes_of_text("foob"), &exact, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_encoded_within_their_capacity),
		cmocka_unit_test(vectors_of_rfc_4648),
		cmocka_unit_test(alphabets_do_not_mix),
		cmocka_unit_test(padding_must_be_right),
		cmocka_unit_test(unused_bits_must_be_zero),
		cmocka_unit_test(blanks_are_foreign_wherever_they_stand),
		cmocka_unit_test(takes_what_the_model_takes),
		cmocka_unit_test(every_length_comes_back),
		cmocka_unit_test(hex_reads_both_cases_and_writes_lower),
		cmocka_unit_test(hex_takes_digits_only),
		cmocka_unit_test(bad_hex_leaves_the_buffer),
		cmocka_unit_test(limit_of_the_buffer_holds),
		cmocka_unit_test(huge_input_is_refused_unread),
		cmocka_unit_test(largest_secret_is_decoded),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
