/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_check: what must be there by the configuration, and what is there by the
 * list beside the files.
 */
#include "support.h"

#include <time.h>

#include "agent/svid_check.h"
#include "agent/svid_place.h"
#include "base/cleanup.h"
#include "base/wipe.h"
#include "pki.h"

static char root[256];
static struct svid_settings settings;
static struct pki_node ca, leaf, other;
static struct svid_files files;

time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
	if (out)
		*out = PKI_NOW;
	return PKI_NOW;
}

static int make_pki(void **state)
{
	(void)state;
	wipe_install();
	if (secret_setup(NULL) < 0)
		return -1;
	ca = pki_ca("ca", NULL);
	leaf = pki_leaf("leaf", &ca);
	other = pki_leaf("other", &ca);
	return 0;
}

static int drop_pki(void **state)
{
	(void)state;
	pki_node_done(&ca);
	pki_node_done(&leaf);
	pki_node_done(&other);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	make_directory(root);
	settings = (struct svid_settings){
		.directory = root,
		.allow_disk = true,
		.svid_file = (char *)(uintptr_t) "svid.pem",
		.key_file = (char *)(uintptr_t) "key.pem",
		.bundle_file = (char *)(uintptr_t) "bundle.pem",
	};
	return 0;
}

static int end(void **state)
{
	(void)state;
	svid_files_done(&files);
	char *slash = strrchr(root, '/');
	*slash = 0;
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_remove_tree(fd, slash + 1, NULL), 0);
	return close(fd);
}

static struct buf *add(const char *name, enum svid_kind kind, unsigned index)
{
	struct svid_file *file;
	assert_int_equal(svid_files_add(&files, name, 0600, &file, NULL), 0);
	file->kind = kind;
	file->index = index;
	return &file->text;
}

static void add_pair(const char *chain, const char *key, const struct pki_node *node, unsigned index)
{
	pki_cert_pem(node, add(chain, SVID_KIND_CHAIN, index));
	pki_key_pem(node->key, PKI_PKCS8, add(key, SVID_KIND_KEY, index));
}

static void deliver(void)
{
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files held = { .list = NULL };
	struct err err = { 0 };
	if (svid_place_open(&settings, &place, &held, &err) < 0 || svid_place_publish(&place, &files, &err) < 0)
		fail_msg("%s", err.message);
}

static void good(void)
{
	struct err err = { 0 };
	if (svid_check(&settings, &err) < 0)
		fail_msg("%s", err.message);
}

static void bad(enum err_code code, const char *words)
{
	struct err err = { 0 };
	assert_int_equal(svid_check(&settings, &err), -1);
	if (err.code != code || !strstr(err.message, words))
		fail_msg("code %d: '%s' does not say '%s'", (int)err.code, err.message, words);
}

static void nothing_is_no_delivery(void **state)
{
	(void)state;
	bad(ERR_MISSING, "nothing is delivered");
	settings.replace = SVID_REPLACE_FILES;
	bad(ERR_MISSING, "nothing is delivered");
	settings.directory = (char *)(uintptr_t) "/nowhere";
	bad(ERR_MISSING, "cannot open '/nowhere'");
}

static void both_ways_of_replacing_are_read(void **state)
{
	(void)state;
	add_pair("svid.pem", "key.pem", &leaf, 0);
	pki_cert_pem(&ca, add("bundle.pem", SVID_KIND_BUNDLE, 0));
	for (int i = 0; i < 2; i++) {
		settings.replace = i == 0 ? SVID_REPLACE_DIRECTORY : SVID_REPLACE_FILES;
		deliver();
		good();
		settings.margin_ms = 40 * PKI_DAY * 1000;
		bad(ERR_CLOCK, "within the margin");
		settings.margin_ms = 0;
	}
}

static void each_svid_needs_all_of_its_files(void **state)
{
	(void)state;
	settings.svid_file = (char *)(uintptr_t) "{index}.pem";
	settings.key_file = (char *)(uintptr_t) "{index}.key";
	add_pair("0.pem", "0.key", &leaf, 0);
	pki_cert_pem(&ca, add("bundle.pem", SVID_KIND_BUNDLE, 0));
	pki_cert_pem(&other, add("3.pem", SVID_KIND_CHAIN, 3));
	deliver();
	bad(ERR_MISSING, "'{index}.key' is not there");
	pki_key_pem(leaf.key, PKI_PKCS8, add("3.key", SVID_KIND_KEY, 3));
	deliver();
	bad(ERR_CREDENTIAL, "'3.pem': the key does not match");
	svid_files_cut(&files, files.count - 1);
	pki_key_pem(other.key, PKI_PKCS8, add("3.key", SVID_KIND_KEY, 3));
	deliver();
	good();
	settings.combined_file = (char *)(uintptr_t) "{index}.all";
	bad(ERR_MISSING, "'{index}.all' is not there");
}

static void bundles_and_tokens_are_asked_for(void **state)
{
	(void)state;
	settings.bundles_only = true;
	settings.jwt = (char *)(uintptr_t) "one=a\ntwo=b";
	bad(ERR_MISSING, "nothing is delivered");
	pki_cert_pem(&ca, add("bundle.pem", SVID_KIND_BUNDLE, 0));
	/* {"exp":1800000010,"aud":"a"} */
	pki_text("e30.eyJleHAiOjE4MDAwMDAwMTAsImF1ZCI6ImEifQ.x", add("one", SVID_KIND_TOKEN, 0));
	deliver();
	bad(ERR_MISSING, "'two' is not there");
	settings.jwt = (char *)(uintptr_t) "one=a";
	good();
	settings.margin_ms = 11000;
	bad(ERR_CLOCK, "'one' expires in 10 s");
	settings.jwt = (char *)(uintptr_t) "one=b";
	bad(ERR_CREDENTIAL, "'one': the token is not for the audience 'b'");
	settings.no_x509 = true;
	settings.bundles_only = false;
	settings.jwt = NULL;
	settings.margin_ms = 0;
	settings.jwt_bundle_file = (char *)(uintptr_t) "jwks";
	bad(ERR_MISSING, "'jwks' is not there");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_no_delivery),
		TEST(both_ways_of_replacing_are_read),
		TEST(each_svid_needs_all_of_its_files),
		TEST(bundles_and_tokens_are_asked_for),
	};
	return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
