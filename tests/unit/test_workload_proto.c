/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/workload_proto: messages of the Workload API, written here byte by byte so
 * that the field numbers are the standard's and not our own; and what a call's end
 * means (spire/workload).
 */
#include "support.h"

#include "base/cleanup.h"
#include "spire/workload.h"

/* A field of bytes (wire type 2); lengths are small here. */
static void put(struct buf *out, unsigned number, struct bytes value)
{
	uint8_t head[4] = { (uint8_t)(number << 3 | 2), (uint8_t)(value.len & 0x7f), 0, 0 };
	size_t len = 2;
	if (value.len > 0x7f) {
		head[1] |= 0x80;
		head[2] = (uint8_t)(value.len >> 7);
		len = 3;
	}
	assert_true(value.len < 1 << 14);
	assert_int_equal(buf_append(out, bytes_of(head, len), NULL), 0);
	assert_int_equal(buf_append(out, value, NULL), 0);
}

static void put_text(struct buf *out, unsigned number, const char *text)
{
	put(out, number, bytes_of_text(text));
}

static void put_svid(struct buf *out, const char *id, const char *key, const char *hint)
{
	struct buf svid OWNED_BUF = BUF_INIT(65536);
	put_text(&svid, 1, id);
	put_text(&svid, 2, "chain");
	put_text(&svid, 3, key);
	put_text(&svid, 4, "bundle");
	put_text(&svid, 5, hint);
	put(out, 1, buf_bytes(&svid));
}

static void put_entry(struct buf *out, unsigned number, const char *key, const char *value)
{
	struct buf entry OWNED_BUF = BUF_INIT(65536);
	put_text(&entry, 1, key);
	put_text(&entry, 2, value);
	put(out, number, buf_bytes(&entry));
}

static void x509_is_decoded(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(65536);
	OWNED_X509 struct workload_x509 x509 = { 0 };
	struct err err = { 0 };
	OWNED_SECRET struct secret scratch = SECRET_INIT;
	put_svid(&text, "spiffe://t/a", "key a", "");
	put_svid(&text, "spiffe://t/b", "key b", "second");
	put_entry(&text, 3, "spiffe://other", "roots");
	put_text(&text, 9, "a field of the future");
	if (workload_decode_x509(buf_bytes(&text), &scratch, &x509, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(x509.count, 2);
	assert_string_equal(x509.svids[1].id, "spiffe://t/b");
	assert_string_equal(x509.svids[0].hint, "");
	assert_string_equal(x509.svids[1].hint, "second");
	assert_true(bytes_equal_text(buf_bytes(&x509.svids[0].chain), "chain"));
	assert_true(bytes_equal_text(secret_bytes(&x509.svids[1].key), "key b"));
	assert_true(bytes_equal_text(buf_bytes(&x509.svids[0].bundle), "bundle"));
	assert_int_equal(x509.federated.count, 1);
	assert_true(bytes_equal_text(buf_bytes(&workload_bundles_find(&x509.federated, "other")->content), "roots"));
	assert_null(workload_bundles_find(&x509.federated, "t"));
}

static void refused(struct buf *text, const char *words)
{
	struct workload_x509 x509 = { 0 };
	struct err err = { 0 };
	OWNED_SECRET struct secret scratch = SECRET_INIT;
	assert_int_equal(workload_decode_x509(buf_bytes(text), &scratch, &x509, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	if (!strstr(err.message, words))
		fail_msg("'%s' does not say '%s'", err.message, words);
	assert_null(x509.svids);
	buf_done(text);
}

static void bad_messages_are_refused(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(1 << 20);
	refused(&text, "without an identity");
	put_svid(&text, "http://t/a", "key", "");
	refused(&text, "is no SPIFFE ID");
	put_svid(&text, "spiffe://t/a", "", "");
	refused(&text, "a private key is empty");
	put_svid(&text, "spiffe://t/a", "key", "\xff");
	refused(&text, "not of UTF-8");
	put_svid(&text, "spiffe://t/a", "key", "");
	put_entry(&text, 3, "spiffe://t/path", "roots");
	refused(&text, "no trust domain");
	put_svid(&text, "spiffe://t/a", "key", "");
	text.len -= 3;
	refused(&text, "not what the Workload API's standard says");
	char key[400] = "";
	memset(key, 'k', sizeof(key) - 1); /* as large as real ones, or the arena ends first */
	for (int i = 0; i <= WORKLOAD_SVIDS_MAX; i++)
		put_svid(&text, "spiffe://t/a", key, "");
	refused(&text, "at most 64 are taken");
}

/* Two bytes of message for a structure of a hundred: the arena ends it. */
static void small_messages_do_not_become_large(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(1 << 20);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_append(&text, bytes_of("\n\0", 2), NULL), 0);
	refused(&text, "not what the Workload API's standard says");
}

static void maps_keep_the_last_of_a_key(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(65536);
	OWNED_BUNDLES struct workload_bundles bundles = { 0 };
	put_entry(&text, 1, "spiffe://t", "one");
	put_entry(&text, 1, "spiffe://u", "two");
	put_entry(&text, 1, "spiffe://t", "three");
	assert_int_equal(workload_decode_bundles(WORKLOAD_JWT_BUNDLES, buf_bytes(&text), &bundles, NULL), 0);
	assert_int_equal(bundles.count, 2);
	assert_true(bytes_equal_text(buf_bytes(&workload_bundles_find(&bundles, "t")->content), "three"));
	OWNED_BUNDLES struct workload_bundles x509 = { 0 };
	assert_int_equal(workload_decode_bundles(WORKLOAD_X509_BUNDLES, buf_bytes(&text), &x509, NULL), 0);
	assert_int_equal(x509.count, 0); /* there field 1 is the revocation lists */
	workload_bundles_done(&x509);
	buf_done(&text);
	put_entry(&text, 2, "spiffe://t", "one");
	assert_int_equal(workload_decode_bundles(WORKLOAD_X509_BUNDLES, buf_bytes(&text), &x509, NULL), 0);
	assert_int_equal(x509.count, 1);
}

static void tokens_are_decoded(void **state)
{
	(void)state;
	static const struct {
		const char *token;
		bool good;
	} rows[] = { { "a.b.c", true }, { "a.b", false },     { "a.b.c.d", false }, { "a..c", false },
		     { "", false },	{ "a.b.c\n", false }, { "a.b.=", false },   { "...", false } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text OWNED_BUF = BUF_INIT(65536);
		struct buf token OWNED_BUF = BUF_INIT(65536);
		OWNED_JWTS struct workload_jwts jwts = { 0 };
		put_text(&token, 1, "spiffe://t/a");
		put_text(&token, 2, rows[i].token);
		put_text(&token, 3, "hint");
		put(&text, 1, buf_bytes(&token));
		int rc = workload_decode_jwts(buf_bytes(&text), &jwts, NULL);
		if ((rc == 0) != rows[i].good)
			fail_msg("'%s': %d", rows[i].token, rc);
		if (rc == 0)
			assert_true(bytes_equal_text(secret_bytes(&jwts.list[0].token), "a.b.c"));
	}
}

static void requests_are_encoded(void **state)
{
	(void)state;
	struct buf got OWNED_BUF = BUF_INIT(65536);
	struct buf want OWNED_BUF = BUF_INIT(65536);
	const char *audiences[WORKLOAD_AUDIENCES_MAX + 1] = { "one", "two" };
	put_text(&want, 1, "one");
	put_text(&want, 1, "two");
	put_text(&want, 2, "spiffe://t/a");
	assert_int_equal(workload_encode_jwt_request(audiences, 2, "spiffe://t/a", &got, NULL), 0);
	assert_true(bytes_equal(buf_bytes(&got), buf_bytes(&want)));
	assert_int_equal(workload_encode_jwt_request(audiences, 0, NULL, &got, NULL), -1);
	assert_int_equal(workload_encode_jwt_request(audiences, WORKLOAD_AUDIENCES_MAX + 1, NULL, &got, NULL), -1);
	struct secret token OWNED_SECRET = SECRET_INIT;
	struct secret message OWNED_SECRET = SECRET_INIT;
	buf_done(&want);
	put_text(&want, 1, "aud");
	put_text(&want, 2, "a.b.c");
	assert_int_equal(secret_alloc(&token, 5, NULL), 0);
	assert_int_equal(secret_append(&token, bytes_of_text("a.b.c"), NULL), 0);
	assert_int_equal(workload_encode_validation("aud", &token, &message, NULL), 0);
	assert_true(bytes_equal(secret_bytes(&message), buf_bytes(&want)));
}

static void validations_are_decoded(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(65536);
	struct buf id OWNED_BUF = BUF_INIT(4096);
	put_text(&text, 1, "spiffe://t/a");
	put_entry(&text, 2, "sub", "claims are not read");
	assert_int_equal(workload_decode_validation(buf_bytes(&text), &id, NULL), 0);
	assert_string_equal(buf_text(&id), "spiffe://t/a");
	buf_done(&text);
	assert_int_equal(workload_decode_validation(buf_bytes(&text), &id, NULL), -1);
}

static void ends_of_calls_are_understood(void **state)
{
	(void)state;
	static const struct {
		struct grpc_status status;
		struct err err;
		enum workload_next next;
	} rows[] = {
		{ { GRPC_PERMISSION_DENIED, true, "" }, { .code = ERR_DENIED }, WORKLOAD_NO_IDENTITY },
		{ { GRPC_PERMISSION_DENIED, false, "" }, { .code = ERR_PROTOCOL }, WORKLOAD_RETRY },
		{ { GRPC_INVALID_ARGUMENT, true, "" }, { .code = ERR_CONFIG }, WORKLOAD_STOP },
		{ { GRPC_UNIMPLEMENTED, true, "" }, { .code = ERR_PROTOCOL }, WORKLOAD_STOP },
		{ { GRPC_UNIMPLEMENTED, false, "" }, { .code = ERR_PROTOCOL }, WORKLOAD_RETRY },
		{ { GRPC_UNAVAILABLE, true, "" }, { .code = ERR_SERVER }, WORKLOAD_RETRY },
		{ { GRPC_CANCELLED, true, "" }, { .code = ERR_NETWORK }, WORKLOAD_RETRY },
		{ { GRPC_UNAVAILABLE, false, "" }, { .code = ERR_NETWORK, .sys_errno = ENOENT }, WORKLOAD_ABSENT },
		{ { GRPC_UNAVAILABLE, false, "" }, { .code = ERR_NETWORK }, WORKLOAD_RETRY },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(workload_next(&rows[i].status, &rows[i].err), rows[i].next);
}

static void pauses_grow_and_have_an_end(void **state)
{
	(void)state;
	static const struct {
		enum workload_next next;
		int64_t most;
	} rows[] = { { WORKLOAD_ABSENT, 503 }, { WORKLOAD_NO_IDENTITY, 5006 }, { WORKLOAD_RETRY, 30026 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct workload_pace pace = { 0 };
		int64_t longest = 0;
		for (int try = 0; try < 200; try++) {
			int64_t pause = workload_pause_ms(&pace, rows[i].next);
			assert_true(pause >= 1 && pause <= rows[i].most);
			longest = pause > longest ? pause : longest;
		}
		assert_true(longest > rows[i].most / 2);
		pace = (struct workload_pace){ 0 };
		assert_true(workload_pause_ms(&pace, rows[i].next) < 300);
	}
}

static int setup(void **state)
{
	(void)state;
	return secret_setup(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x509_is_decoded),
		cmocka_unit_test(bad_messages_are_refused),
		cmocka_unit_test(small_messages_do_not_become_large),
		cmocka_unit_test(maps_keep_the_last_of_a_key),
		cmocka_unit_test(tokens_are_decoded),
		cmocka_unit_test(requests_are_encoded),
		cmocka_unit_test(validations_are_decoded),
		cmocka_unit_test(ends_of_calls_are_understood),
		cmocka_unit_test(pauses_grow_and_have_an_end),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
