/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_state, svid_expiry and svid_make: what is taken, what ends when, and which
 * files are made of it.
 */
#include "trial.h"

#include <stdio.h>

#include "agent/svid_make.h"
#include "base/encode.h"
#include "spire/cert.h"

static struct svid_settings settings;
static struct svid_token tokens[2];
static struct svid_state state;

static int begin(void **unused)
{
	(void)unused;
	settings = (struct svid_settings){ .svid_file = strdup("svid.pem"),
					   .key_file = strdup("key.pem"),
					   .bundle_file = strdup("bundle.pem"),
					   .cert_mode = 0644,
					   .key_mode = 0600 };
	tokens[0] = (struct svid_token){ .file = "one" };
	tokens[1] = (struct svid_token){ .file = "two" };
	state = (struct svid_state){ .settings = &settings, .tokens = tokens };
	return 0;
}

static void set(char **setting, const char *text)
{
	free(*setting);
	*setting = strdup(text);
}

static int end(void **unused)
{
	(void)unused;
	svid_state_done(&state);
	free(settings.svid_file);
	free(settings.key_file);
	free(settings.bundle_file);
	free(settings.combined_file);
	free(settings.federated_file);
	free(settings.jwt_bundle_file);
	free(settings.trust_domain);
	free(settings.hint);
	return 0;
}

static void add_der(const struct pki_node *node, struct buf *out)
{
	assert_int_equal(spire_cert_der(node->cert, out, NULL), 0);
}

static void key_der(EVP_PKEY *key, struct secret *out)
{
	unsigned char *der = NULL;
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	assert_true(len > 0);
	assert_int_equal(secret_alloc(out, (size_t)len, NULL), 0);
	assert_int_equal(secret_append(out, bytes_of(der, (size_t)len), NULL), 0);
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(info);
}

/* One SVID more in an update: its path, its life in seconds, its hint. */
static void send_svid(struct svid_news *news, const char *path, long life, const char *hint)
{
	char san[160];
	char id[128];
	(void)snprintf(id, sizeof(id), "spiffe://example.test/%s", path);
	(void)snprintf(san, sizeof(san), "URI:%s", id);
	const struct pki_profile profile = { .cn = "w",
					     .from = -10,
					     .until = life,
					     .basic_constraints = "critical,CA:FALSE",
					     .key_usage = "critical,digitalSignature",
					     .san = san };
	OWNED_NODE struct pki_node leaf = pki_issue(pki_ec_key("P-256"), &root, &profile);
	if (!news->x509.svids)
		news->x509.svids = calloc(8, sizeof(*news->x509.svids));
	struct workload_svid *svid = &news->x509.svids[news->x509.count++];
	*svid = (struct workload_svid){
		.id = strdup(id), .hint = strdup(hint), .chain = BUF_INIT(65536), .bundle = BUF_INIT(65536)
	};
	add_der(&leaf, &svid->chain);
	add_der(&root, &svid->bundle);
	key_der(leaf.key, &svid->key);
}

static void send_bundle(struct workload_bundles *bundles, const char *domain, struct bytes content)
{
	if (!bundles->list)
		bundles->list = calloc(8, sizeof(*bundles->list));
	struct workload_bundle *bundle = &bundles->list[bundles->count++];
	*bundle = (struct workload_bundle){ .trust_domain = strdup(domain), .content = BUF_INIT(65536) };
	assert_int_equal(buf_append(&bundle->content, content, NULL), 0);
}

static struct svid_news *news_of(enum svid_source source)
{
	struct svid_news *news = calloc(1, sizeof(*news));
	assert_non_null(news);
	news->source = source;
	return news;
}

static int take(struct svid_news *news, struct err *err)
{
	int rc = svid_state_take(&state, news, PKI_NOW, err);
	svid_news_free(news);
	return rc;
}

static void take_well(struct svid_news *news)
{
	struct err err = { 0 };
	if (take(news, &err) < 0)
		fail_msg("%s", err.message);
}

static void send_token(size_t token, long life)
{
	char text[256];
	struct svid_news *news = news_of(SVID_TOKEN);
	news->token = token;
	news->jwts.list = calloc(1, sizeof(*news->jwts.list));
	news->jwts.count = 1;
	news->jwts.list[0].id = strdup("spiffe://example.test/token");
	news->jwts.list[0].hint = strdup("");
	(void)snprintf(text, sizeof(text), "{\"exp\":%ld}", PKI_NOW + life);
	struct buf whole OWNED_BUF = BUF_INIT(512);
	assert_int_equal(buf_append_text(&whole, "e30.", NULL), 0);
	assert_int_equal(base64_encode(BASE64URL, bytes_of_text(text), &whole, NULL), 0);
	assert_int_equal(buf_append_text(&whole, ".x", NULL), 0);
	pki_secret(&whole, &news->jwts.list[0].token);
	take_well(news);
}

/* The names of the files, in their order. */
static void assert_files(const char *wanted)
{
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	struct buf names OWNED_BUF = BUF_INIT(4096);
	struct err err = { 0 };
	if (svid_make_files(&state, PKI_NOW, &files, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < files.count; i++)
		assert_int_equal(buf_printf(&names, NULL, "%s%s", i == 0 ? "" : " ", files.list[i].name), 0);
	assert_string_equal(buf_text(&names), wanted);
}

static void one_svid_is_delivered(void **unused)
{
	(void)unused;
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	struct svid_news *news = news_of(SVID_X509);
	send_svid(news, "a", 100, "");
	send_svid(news, "b", 100, "");
	take_well(news);
	assert_true(svid_state_complete(&state));
	assert_int_equal(svid_make_files(&state, PKI_NOW, &files, NULL), 0);
	assert_int_equal(files.count, 3);
	const struct svid_file *key = svid_files_find_kind(&files, SVID_KIND_KEY, 0);
	assert_true(key->mode == 0600 && key->expires == PKI_NOW + 100 && key->source == SVID_X509);
	const struct svid_file *bundle = svid_files_find_kind(&files, SVID_KIND_BUNDLE, 0);
	assert_true(bundle->mode == 0644 && bundle->expires == INT64_MAX);
	assert_string_equal(state.svids[0].svid.id, "spiffe://example.test/a");
}

static void hints_choose(void **unused)
{
	(void)unused;
	struct err err = { 0 };
	struct svid_news *news = news_of(SVID_X509);
	set(&settings.hint, "second");
	send_svid(news, "a", 100, "first");
	send_svid(news, "b", 100, "second");
	take_well(news);
	assert_string_equal(state.svids[0].svid.id, "spiffe://example.test/b");
	news = news_of(SVID_X509);
	send_svid(news, "a", 100, "first");
	assert_int_equal(take(news, &err), -1);
	assert_non_null(strstr(err.message, "none of the 1 SVIDs has the hint 'second'"));
	assert_files("bundle.pem svid.pem key.pem");
}

/* Each SVID keeps its index when another is bad or has expired. */
static void several_have_names_of_their_own(void **unused)
{
	(void)unused;
	struct svid_news *news = news_of(SVID_X509);
	set(&settings.svid_file, "{index}-{id}.pem");
	set(&settings.key_file, "{hint}.key");
	set(&settings.combined_file, "{id}");
	send_svid(news, "a/b", 100, "x");
	send_svid(news, "bad", -1, "y");
	send_svid(news, "c", 50, "z");
	take_well(news);
	assert_files("bundle.pem 0-a_b.pem x.key a_b 2-c.pem z.key c");
	struct svid_expired expired;
	assert_false(svid_state_expired(&state, PKI_NOW + 49, &expired));
	assert_int_equal(svid_state_next_expiry(&state), PKI_NOW + 50);
	assert_true(svid_state_expired(&state, PKI_NOW + 50, &expired));
	assert_int_equal(expired.source, SVID_X509);
	assert_non_null(strstr(expired.text, "spiffe://example.test/c"));
	assert_false(svid_state_expired(&state, PKI_NOW + 50, &expired));
	assert_int_equal(svid_state_next_expiry(&state), PKI_NOW + 100);
	assert_files("bundle.pem 0-a_b.pem x.key a_b 2-c.pem z.key c");
	svid_state_drop_expired(&state, PKI_NOW + 50);
	assert_files("bundle.pem 0-a_b.pem x.key a_b");
	svid_state_drop_expired(&state, PKI_NOW + 100);
	assert_files("");
	assert_false(state.x509.there);
	assert_int_equal(svid_state_next_expiry(&state), INT64_MAX);
}

/* The first goes, and those behind it move up. */
static void the_first_of_several_expires(void **unused)
{
	(void)unused;
	struct svid_news *news = news_of(SVID_X509);
	set(&settings.svid_file, "{index}.pem");
	set(&settings.key_file, "{index}.key");
	send_svid(news, "a", 50, "");
	send_svid(news, "b", 100, "");
	send_svid(news, "c", 100, "");
	take_well(news);
	svid_state_drop_expired(&state, PKI_NOW + 50);
	assert_files("bundle.pem 1.pem 1.key 2.pem 2.key");
}

/* A name that cannot be made leaves its SVID out, and not the others. */
static void names_must_be_fit(void **unused)
{
	(void)unused;
	struct svid_news *news = news_of(SVID_X509);
	struct err err = { 0 };
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	set(&settings.svid_file, "{hint}.pem");
	set(&settings.key_file, "{hint}.key");
	send_svid(news, "a", 100, "../x");
	send_svid(news, "b", 100, "");
	send_svid(news, "c", 100, "good");
	send_svid(news, "d", 100, "good");
	take_well(news);
	assert_files("bundle.pem good.pem good.key");
	news = news_of(SVID_X509);
	send_svid(news, "a", 100, "*");
	take_well(news);
	assert_int_equal(svid_make_files(&state, PKI_NOW, &files, &err), -1);
	assert_non_null(strstr(err.message, "nothing to make a file name of"));
}

static void tokens_end_by_themselves(void **unused)
{
	(void)unused;
	struct svid_expired expired;
	state.token_count = 2;
	struct svid_news *news = news_of(SVID_X509);
	send_svid(news, "a", 100, "");
	take_well(news);
	send_token(0, 20);
	assert_false(svid_state_complete(&state));
	send_token(1, 40);
	assert_true(svid_state_complete(&state));
	assert_true(svid_state_expired(&state, PKI_NOW + 30, &expired));
	assert_int_equal(expired.source, SVID_TOKEN);
	assert_int_equal(strncmp(expired.text, "'one'", 5), 0);
	svid_state_drop_expired(&state, PKI_NOW + 30);
	assert_files("two bundle.pem svid.pem key.pem");
	send_token(0, 90);
	assert_files("one two bundle.pem svid.pem key.pem");
	assert_int_equal(svid_state_next_expiry(&state), PKI_NOW + 40);
	svid_state_drop(&state, SVID_TOKEN, 1);
	assert_files("one bundle.pem svid.pem key.pem");
}

static void hold(const char *list)
{
	struct svid_files held = { .list = NULL };
	struct err err = { 0 };
	if (svid_files_parse_list(bytes_of_text(list), &held, &err) < 0)
		fail_msg("%s", err.message);
	svid_state_hold(&state, &held);
	assert_null(held.list);
}

static void earlier_files_stay_until_their_source_speaks(void **unused)
{
	(void)unused;
	state.token_count = 2;
	hold("x509 chain 0 1800000100 svid.pem\nx509 key 0 1800000100 old.key\nx509 bundle 0 - bundle.pem\n"
	     "jwt token 0 1800000100 one\njwt token 0 1800000100 unknown\njwt_bundles jwks 0 - jwks\n");
	assert_files("svid.pem old.key bundle.pem one");
	assert_true(svid_state_has(&state, SVID_X509, 0) && svid_state_has(&state, SVID_TOKEN, 0));
	assert_false(svid_state_has(&state, SVID_TOKEN, 1) || svid_state_has(&state, SVID_JWKS, 0));
	assert_false(svid_state_complete(&state));
	struct svid_news *news = news_of(SVID_X509);
	send_svid(news, "a", 100, "");
	take_well(news);
	assert_files("bundle.pem svid.pem key.pem one");
	send_token(1, 100);
	assert_files("two bundle.pem svid.pem key.pem one");
	svid_state_drop(&state, SVID_TOKEN, 0);
	assert_files("two bundle.pem svid.pem key.pem");
	/* A new file takes the place of an old one of its name. */
	hold("jwt token 0 - one\n");
	tokens[0].file = "svid.pem";
	hold("jwt token 0 - svid.pem\n");
	assert_files("two bundle.pem svid.pem key.pem");
}

static void earlier_files_expire(void **unused)
{
	(void)unused;
	struct svid_expired expired;
	state.token_count = 1;
	hold("x509 chain 0 1800000050 a.pem\nx509 key 0 1800000050 a.key\nx509 chain 1 1800000100 b.pem\n"
	     "x509 key 1 1800000100 b.key\nx509 bundle 0 - bundle.pem\njwt token 0 1800000200 one\n");
	assert_int_equal(svid_state_next_expiry(&state), PKI_NOW + 50);
	assert_true(svid_state_expired(&state, PKI_NOW + 50, &expired));
	assert_string_equal(expired.text, "left by an earlier run: a.pem a.key");
	assert_false(svid_state_expired(&state, PKI_NOW + 50, &expired));
	assert_int_equal(svid_state_next_expiry(&state), PKI_NOW + 100);
	svid_state_drop_expired(&state, PKI_NOW + 50);
	assert_files("b.pem b.key bundle.pem one");
	svid_state_drop_expired(&state, PKI_NOW + 100);
	assert_files("one");
	svid_state_drop_expired(&state, PKI_NOW + 200);
	assert_files("");
}

static void bundles_can_come_alone(void **unused)
{
	(void)unused;
	struct err err = { 0 };
	struct buf own OWNED_BUF = BUF_INIT(65536);
	struct buf foreign OWNED_BUF = BUF_INIT(65536);
	add_der(&root, &own);
	add_der(&middle, &foreign);
	settings.bundles_only = true;
	struct svid_news *news = news_of(SVID_BUNDLES);
	assert_int_equal(take(news, &err), -1);
	assert_non_null(strstr(err.message, "knows no trust domain's bundle"));
	news = news_of(SVID_BUNDLES);
	send_bundle(&news->bundles, "example.test", buf_bytes(&own));
	take_well(news);
	assert_true(svid_state_complete(&state));
	assert_files("bundle.pem");
	news = news_of(SVID_BUNDLES);
	send_bundle(&news->bundles, "example.test", bytes_of_text("x"));
	assert_int_equal(take(news, &err), -1);
	assert_non_null(strstr(err.message, "the bundle of 'example.test'"));
	news = news_of(SVID_BUNDLES);
	send_bundle(&news->bundles, "example.test", buf_bytes(&own));
	send_bundle(&news->bundles, "other.test", buf_bytes(&foreign));
	send_bundle(&news->bundles, "broken.test", bytes_of_text("x"));
	assert_int_equal(take(news, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	set(&settings.trust_domain, "example.test");
	set(&settings.federated_file, "{trust_domain}.pem");
	news = news_of(SVID_BUNDLES);
	send_bundle(&news->bundles, "other.test", buf_bytes(&foreign));
	send_bundle(&news->bundles, "broken.test", bytes_of_text("x"));
	send_bundle(&news->bundles, "example.test", buf_bytes(&own));
	take_well(news);
	assert_files("bundle.pem other.test.pem");
	svid_state_drop(&state, SVID_BUNDLES, 0);
	assert_files("");
}

static void key_sets_need_an_owner(void **unused)
{
	(void)unused;
	struct err err = { 0 };
	const struct bytes good = bytes_of_text("{\"keys\":[]}");
	set(&settings.jwt_bundle_file, "jwks");
	/* With an SVID to come, which of two is ours may still be known. */
	struct svid_news *news = news_of(SVID_JWKS);
	send_bundle(&news->bundles, "other.test", good);
	send_bundle(&news->bundles, "example.test", good);
	take_well(news);
	assert_files("");
	news = news_of(SVID_X509);
	send_svid(news, "a", 100, "");
	take_well(news);
	assert_true(svid_state_complete(&state));
	assert_files("jwks bundle.pem svid.pem key.pem");
	/* One that is broken does not make the other the only one. */
	news = news_of(SVID_JWKS);
	send_bundle(&news->bundles, "other.test", good);
	send_bundle(&news->bundles, "example.test", bytes_of_text("x"));
	take_well(news);
	assert_false(svid_state_complete(&state));
	assert_files("bundle.pem svid.pem key.pem");
	svid_state_drop(&state, SVID_X509, 0);
	settings.no_x509 = true;
	news = news_of(SVID_JWKS);
	send_bundle(&news->bundles, "other.test", good);
	send_bundle(&news->bundles, "example.test", good);
	assert_int_equal(take(news, &err), -1);
	assert_non_null(strstr(err.message, "set svid.trust_domain"));
	set(&settings.jwt_bundle_file, "{trust_domain}");
	news = news_of(SVID_JWKS);
	send_bundle(&news->bundles, "other.test", good);
	send_bundle(&news->bundles, "broken.test", bytes_of_text("x"));
	take_well(news);
	assert_true(svid_state_complete(&state));
	assert_files("other.test");
}

/* What a foreign trust domain is called must not keep the own SVID from being delivered. */
static void foreign_names_may_be_unfit(void **unused)
{
	(void)unused;
	struct buf foreign OWNED_BUF = BUF_INIT(65536);
	char endless[200];
	memset(endless, 'a', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = 0;
	add_der(&middle, &foreign);
	state.token_count = 1;
	tokens[0].file = "token.test.pem";
	set(&settings.svid_file, "svid.test.pem");
	set(&settings.federated_file, "{trust_domain}.pem");
	set(&settings.jwt_bundle_file, "{trust_domain}.jwks");
	send_token(0, 100);
	struct svid_news *news = news_of(SVID_X509);
	send_svid(news, "a", 100, "");
	send_bundle(&news->x509.federated, endless, buf_bytes(&foreign));
	send_bundle(&news->x509.federated, "svid.test", buf_bytes(&foreign));
	send_bundle(&news->x509.federated, "bundle", buf_bytes(&foreign));
	send_bundle(&news->x509.federated, "token.test", buf_bytes(&foreign));
	send_bundle(&news->x509.federated, "good.test", buf_bytes(&foreign));
	take_well(news);
	news = news_of(SVID_JWKS);
	send_bundle(&news->bundles, endless, bytes_of_text("{\"keys\":[]}"));
	send_bundle(&news->bundles, "good.test", bytes_of_text("{\"keys\":[]}"));
	send_bundle(&news->bundles, "example.test", bytes_of_text("{\"keys\":[]}"));
	take_well(news);
	assert_files("token.test.pem example.test.jwks bundle.pem svid.test.pem key.pem good.test.pem good.test.jwks");
}

/* An SVID whose hint makes a name that was given to something else is left out alone. */
static void hints_take_no_name_away(void **unused)
{
	(void)unused;
	struct svid_news *news = news_of(SVID_X509);
	set(&settings.svid_file, "{hint}.pem");
	set(&settings.key_file, "{hint}.key");
	send_svid(news, "a", 100, "bundle");
	send_svid(news, "b", 100, "b");
	take_well(news);
	assert_files("bundle.pem b.pem b.key");
}

/* An earlier run's files are written again as this configuration says, not as they were found. */
static void earlier_files_get_the_modes_that_are_configured(void **unused)
{
	(void)unused;
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	settings.cert_mode = 0640;
	hold("x509 chain 0 1800000100 svid.pem\nx509 key 0 1800000100 key.pem\nx509 combined 0 1800000100 both\n"
	     "x509 bundle 0 - bundle.pem\n");
	for (size_t i = 0; i < state.held.count; i++)
		state.held.list[i].mode = 0644;
	assert_int_equal(svid_make_files(&state, PKI_NOW, &files, NULL), 0);
	assert_int_equal(svid_files_find(&files, "svid.pem")->mode, 0640);
	assert_int_equal(svid_files_find(&files, "bundle.pem")->mode, 0640);
	assert_int_equal(svid_files_find(&files, "key.pem")->mode, 0600);
	assert_int_equal(svid_files_find(&files, "both")->mode, 0600);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_svid_is_delivered),
		TEST(hints_choose),
		TEST(several_have_names_of_their_own),
		TEST(the_first_of_several_expires),
		TEST(names_must_be_fit),
		TEST(tokens_end_by_themselves),
		TEST(earlier_files_stay_until_their_source_speaks),
		TEST(earlier_files_expire),
		TEST(bundles_can_come_alone),
		TEST(key_sets_need_an_owner),
		TEST(foreign_names_may_be_unfit),
		TEST(hints_take_no_name_away),
		TEST(earlier_files_get_the_modes_that_are_configured),
	};
	return cmocka_run_group_tests(tests, make_cas, drop_cas);
}
