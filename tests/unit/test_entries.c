/* SPDX-License-Identifier: Apache-2.0 */
/* ctl/entries: what is compared with what, and the texts for other programs. */
#include "support.h"

#include "ctl/entries.h"

static void add(struct spire_entries *entries, const char *id, const char *path, int32_t ttl)
{
	struct spire_entry entry = { .id = strdup(id),
				     .spiffe_id = strdup(path),
				     .parent_id = strdup("spiffe://example.test/parent"),
				     .hint = strdup(""),
				     .x509_ttl = ttl };
	assert_int_equal(spire_texts_add(&entry.selectors, "unix:uid:1", 10, NULL), 0);
	assert_int_equal(spire_entries_add(entries, &entry, NULL), 0);
}

#define A "spiffe://example.test/a"
#define B "spiffe://example.test/b"

static void ids_say_whose(void **state)
{
	(void)state;
	assert_true(entries_is_ours("shop", "shop.web.work.00"));
	assert_false(entries_is_ours("shop", "shop"));
	assert_false(entries_is_ours("shop", "shop-2.web.work.00"));
	assert_false(entries_is_ours("shop", "shopper.web.work.00"));
	assert_false(entries_is_ours("shop", ""));
}

static void everything_has_its_place(void **state)
{
	(void)state;
	OWNED_ENTRIES struct spire_entries wanted = { 0 };
	OWNED_ENTRIES struct spire_entries found = { 0 };
	OWNED_PLAN struct entries_plan plan = { 0 };
	add(&wanted, "s.new", "spiffe://example.test/new", 0);
	add(&wanted, "s.same", "spiffe://example.test/same", 0);
	add(&wanted, "s.ttl", "spiffe://example.test/ttl", 1);
	add(&wanted, "s.renamed", A, 2); /* there under another id of ours */
	add(&wanted, "s.theirs", B, 0);	 /* there as somebody else's, the same */
	add(&wanted, "s.clash", "spiffe://example.test/clash", 0);
	add(&found, "x", "spiffe://example.test/clash", 9);
	add(&found, "y", B, 0);
	add(&found, "s.old-id", A, 1);
	add(&found, "s.ttl", "spiffe://example.test/ttl", 3);
	add(&found, "s.same", "spiffe://example.test/same", 0);
	add(&found, "s.gone", "spiffe://example.test/gone", 0);
	add(&found, "z", "spiffe://example.test/z", 0);
	assert_int_equal(entries_compare("s", &wanted, &found, &plan, NULL), 0);
	assert_int_equal(plan.counts[ENTRIES_CREATE], 1);
	assert_int_equal(plan.counts[ENTRIES_UPDATE], 2);
	assert_int_equal(plan.counts[ENTRIES_LEFT], 1);
	assert_int_equal(plan.counts[ENTRIES_CONFLICT], 1);
	assert_int_equal(plan.same, 2);
	assert_int_equal(plan.foreign, 3);
	for (size_t i = 0; i < plan.count; i++) {
		const struct entries_change *change = &plan.changes[i];
		if (change->what == ENTRIES_LEFT)
			assert_string_equal(change->found->id, "s.gone");
		if (change->what == ENTRIES_CONFLICT)
			assert_string_equal(change->found->id, "x");
		if (change->what == ENTRIES_CREATE)
			assert_string_equal(change->wanted->id, "s.new");
	}
}

/* Two sides that differ do not look the same. */
static void what_differs_is_shown(void **state)
{
	(void)state;
	static const struct {
		size_t offset;
		const char *says;
	} flags[] = {
		{ offsetof(struct spire_entry, store_svid), "store SVID" },
		{ offsetof(struct spire_entry, disable_x509_prefetch), "no X.509 prefetch" },
		{ offsetof(struct spire_entry, jwt_include_jti), "JWT with jti" },
		{ offsetof(struct spire_entry, admin), "admin" },
		{ offsetof(struct spire_entry, downstream), "downstream" },
	};
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		OWNED_ENTRIES struct spire_entries wanted = { 0 };
		OWNED_ENTRIES struct spire_entries found = { 0 };
		OWNED_PLAN struct entries_plan plan = { 0 };
		OWNED_BUF struct buf text = BUF_INIT(65536);
		struct sheet sheet CLEANUP(sheet_done) = { 0 };
		add(&wanted, "s.a", A, 0);
		add(&found, "s.a", A, 0);
		*(bool *)((char *)&found.list[0] + flags[i].offset) = true;
		assert_int_equal(entries_compare("s", &wanted, &found, &plan, NULL), 0);
		assert_int_equal(plan.counts[ENTRIES_UPDATE], 1);
		sheet_start(&sheet, false);
		entries_plan_show(&plan, &sheet);
		assert_int_equal(sheet_write(&sheet, &text, NULL), 0);
		if (!strstr(buf_text(&text), flags[i].says))
			fail_msg("'%s' is not in %s", flags[i].says, buf_text(&text));
	}
}

static void nothing_against_nothing(void **state)
{
	(void)state;
	struct spire_entries none = { 0 };
	struct spire_entries none_either = { 0 };
	OWNED_PLAN struct entries_plan plan = { 0 };
	assert_int_equal(entries_compare("s", &none, &none_either, &plan, NULL), 0);
	assert_int_equal(plan.count, 0);
}

static void texts_are_quoted(void **state)
{
	(void)state;
	OWNED_ENTRIES struct spire_entries entries = { 0 };
	OWNED_BUF struct buf yaml = BUF_INIT(65536);
	OWNED_BUF struct buf data = BUF_INIT(65536);
	const struct deployment deployment = { .class_name = "yes" };
	add(&entries, "_S.Web_1.work.0123456789abcdef", A, 600);
	free(entries.list[0].hint);
	entries.list[0].hint = strdup("a\": \"b\\\n- c");
	assert_int_equal(entries_manifests(&deployment, &entries, &yaml, NULL), 0);
	assert_string_equal(buf_text(&yaml), "---\n"
					     "apiVersion: spire.spiffe.io/v1alpha1\n"
					     "kind: ClusterStaticEntry\n"
					     "metadata:\n"
					     "  name: \"xs-web-1-work-0123456789abcdef\"\n"
					     "spec:\n"
					     "  className: \"yes\"\n"
					     "  parentID: \"spiffe://example.test/parent\"\n"
					     "  spiffeID: \"spiffe://example.test/a\"\n"
					     "  selectors:\n"
					     "  - \"unix:uid:1\"\n"
					     "  x509SVIDTTL: 600s\n"
					     "  hint: \"a\\\": \\\"b\\\\\\n- c\"\n");
	assert_int_equal(entries_data(&entries, &data, NULL), 0);
	assert_string_equal(buf_text(&data),
			    "{\"entries\":[\n"
			    "{\"entry_id\":\"_S.Web_1.work.0123456789abcdef\",\"spiffe_id\":\"" A
			    "\",\"parent_id\":\"spiffe://example.test/parent\",\"selectors\":[{\"type\":"
			    "\"unix\",\"value\":\"uid:1\"}],\"x509_svid_ttl\":600,\"hint\":\"a\\\": "
			    "\\\"b\\\\\\n- c\"}\n]}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_say_whose),	 cmocka_unit_test(everything_has_its_place),
		cmocka_unit_test(what_differs_is_shown), cmocka_unit_test(nothing_against_nothing),
		cmocka_unit_test(texts_are_quoted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
