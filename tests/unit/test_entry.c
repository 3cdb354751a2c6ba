/* SPDX-License-Identifier: Apache-2.0 */
/* spire/entry and its messages: what is sent is what comes back, and what is refused. */
#include "support.h"

#include "spire/server_api.h"

static void add(struct spire_texts *texts, const char *text)
{
	assert_int_equal(spire_texts_add(texts, text, strlen(text), NULL), 0);
}

static struct spire_entry make(const char *id, const char *spiffe_id, const char *selector)
{
	struct spire_entry entry = { .id = strdup(id),
				     .spiffe_id = strdup(spiffe_id),
				     .parent_id = strdup("spiffe://example.test/parent"),
				     .hint = strdup("") };
	add(&entry.selectors, selector);
	return entry;
}

static struct spire_entry make_full(void)
{
	struct spire_entry entry = make("a.b", "spiffe://example.test/w", "unix:uid:1");
	free(entry.hint);
	entry.hint = strdup("hint");
	add(&entry.selectors, "unix:path:/a:b");
	add(&entry.dns_names, "a.test");
	add(&entry.dns_names, "b.test");
	add(&entry.federates_with, "other.test");
	entry.x509_ttl = 600;
	entry.jwt_ttl = 60;
	entry.admin = entry.downstream = entry.store_svid = true;
	entry.disable_x509_prefetch = entry.jwt_include_jti = true;
	entry.expires_at = 1800000000;
	spire_entry_normalize(&entry);
	return entry;
}

/* A request to create has its entries where a page has them. */
static void what_is_sent_comes_back(void **state)
{
	(void)state;
	OWNED_ENTRY struct spire_entry full = make_full();
	OWNED_ENTRY struct spire_entry bare = make("", "spiffe://example.test/x", "a:b");
	OWNED_ENTRIES struct spire_entries entries = { 0 };
	OWNED_BUF struct buf message = BUF_INIT(65536);
	OWNED_BUF struct buf token = BUF_INIT(100);
	const struct spire_entry *list[] = { &full, &bare };
	struct err err = { 0 };
	if (spire_entry_encode_batch(SPIRE_CREATE, list, 2, &message, &err) < 0 ||
	    spire_entry_decode_page(buf_bytes(&message), &entries, &token, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(entries.count, 2);
	assert_int_equal(token.len, 0);
	assert_true(spire_entry_same(&full, &entries.list[0]));
	assert_true(spire_entry_same(&bare, &entries.list[1]));
	assert_string_equal(entries.list[0].id, "a.b");
	assert_string_equal(entries.list[0].selectors.list[0], "unix:path:/a:b");
}

static void differences_are_seen(void **state)
{
	(void)state;
	struct spire_entry full = make_full();
	struct spire_entry other = full;
#define DIFFERS(change)                                                                                                \
	do {                                                                                                           \
		other = full;                                                                                          \
		other.change;                                                                                          \
		assert_false(spire_entry_same(&full, &other));                                                         \
	} while (0)
	DIFFERS(x509_ttl = 1);
	DIFFERS(jwt_ttl = 1);
	DIFFERS(admin = false);
	DIFFERS(downstream = false);
	DIFFERS(store_svid = false);
	DIFFERS(disable_x509_prefetch = false);
	DIFFERS(jwt_include_jti = false);
	DIFFERS(expires_at = 0);
	DIFFERS(hint = full.id);
	DIFFERS(spiffe_id = full.parent_id);
	DIFFERS(parent_id = full.spiffe_id);
	DIFFERS(selectors.count = 1);
	DIFFERS(dns_names.count = 1);
	DIFFERS(federates_with.count = 0);
	other = full;
	other.id = full.hint; /* the id says nothing */
	assert_true(spire_entry_same(&full, &other));
	spire_entry_done(&full);
}

static void must_refuse(const char *spiffe_id, const char *selector, const char *words)
{
	OWNED_ENTRY struct spire_entry entry = make("id", spiffe_id, selector);
	const struct spire_entry *list[] = { &entry };
	OWNED_BUF struct buf message = BUF_INIT(65536);
	struct err err = { 0 };
	assert_int_equal(spire_entry_encode_batch(SPIRE_CREATE, list, 1, &message, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	if (!strstr(err.message, words))
		fail_msg("'%s' lacks '%s'", err.message, words);
}

static void nonsense_is_not_sent(void **state)
{
	(void)state;
	must_refuse("http://example.test/w", "unix:uid:1", "no SPIFFE ID");
	must_refuse("spiffe://example.test/w", "unix", "no selector");
	must_refuse("spiffe://example.test/w", ":uid", "no selector");
	must_refuse("spiffe://example.test/w", "unix:", "no selector");
}

static void results_are_counted(void **state)
{
	(void)state;
	/* results { status { code 6 message "similar" } } results { } */
	static const uint8_t two[] = "\x0a\x0d\x0a\x0b\x08\x06\x12\x07similar\x0a\x00";
	struct spire_result results[2] = { { .code = 0 } };
	struct err err = { 0 };
	const struct bytes message = bytes_of(two, sizeof(two) - 1);
	assert_int_equal(spire_entry_decode_results(SPIRE_CREATE, message, results, 2, &err), 0);
	assert_int_equal(results[0].code, 6);
	assert_string_equal(results[0].message, "similar");
	assert_int_equal(results[1].code, 0);
	assert_null(results[1].entry.id);
	assert_int_equal(spire_entry_decode_results(SPIRE_DELETE, message, results, 1, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_non_null(strstr(err.message, "2 results came back for 1"));
	assert_int_equal(spire_entry_decode_results(SPIRE_CREATE, bytes_of("\x0a\xff", 2), results, 1, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
}

/* Two bytes each on the wire, and a hundred times that in memory: the limit holds before the machine's memory ends. */
static void bombs_are_refused(void **state)
{
	(void)state;
	OWNED_BUF struct buf message = BUF_INIT(1u << 20);
	OWNED_BUF struct buf token = BUF_INIT(100);
	OWNED_ENTRIES struct spire_entries entries = { 0 };
	struct err err = { 0 };
	while (message.len < 1000000)
		assert_int_equal(buf_append(&message, bytes_of("\x0a\x00", 2), NULL), 0);
	assert_int_equal(spire_entry_decode_page(buf_bytes(&message), &entries, &token, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(entries.count, 0);
}

static void entries_want_ids(void **state)
{
	(void)state;
	OWNED_BUF struct buf token = BUF_INIT(100);
	OWNED_ENTRIES struct spire_entries entries = { 0 };
	struct err err = { 0 };
	assert_int_equal(spire_entry_decode_page(bytes_of("\x0a\x03\x0a\x01x", 5), &entries, &token, &err), -1);
	assert_non_null(strstr(err.message, "without a SPIFFE ID"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_comes_back), cmocka_unit_test(differences_are_seen),
		cmocka_unit_test(nonsense_is_not_sent),	   cmocka_unit_test(results_are_counted),
		cmocka_unit_test(bombs_are_refused),	   cmocka_unit_test(entries_want_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
