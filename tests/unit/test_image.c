/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/image: names, manifests, challenges, pull secrets.
 */
#include "support.h"

#include "ctl/image.h"

#define D32 "abababababababababababababababababababababababababababababababab"
#define A "io.github.confidential-containers.measurements."

static void takes_names(void **state)
{
	(void)state;
	struct image_name name;
	struct err err = { 0 };
	assert_int_equal(image_name_parse("registry.test:5000/a/b-c:1.11.1", &name, &err), 0);
	assert_string_equal(name.host, "registry.test:5000");
	assert_string_equal(name.name, "a/b-c");
	assert_string_equal(name.reference, "1.11.1");
	assert_false(name.by_digest);
	assert_int_equal(image_name_parse("registry.test/a", &name, &err), 0);
	assert_string_equal(name.reference, "latest");
	assert_int_equal(image_name_parse("registry.test/a:t@sha256:" D32, &name, &err), 0);
	assert_string_equal(name.reference, "sha256:" D32);
	assert_true(name.by_digest);
}

static void refuses_other_names(void **state)
{
	(void)state;
	static const char *const bad[] = { "",
					   "a",
					   "host/a",
					   "registry.test/",
					   "registry.test/A",
					   "registry.test/a b",
					   "registry.test/../x",
					   "registry.test/a:",
					   "registry.test/a@sha256:ab",
					   "registry.test/a?x",
					   "registry.test/a:b:c" };
	struct image_name name;
	struct err err = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (image_name_parse(bad[i], &name, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
}

static void reads_measurements_and_keeps_leading_zeros(void **state)
{
	(void)state;
	struct image_manifest manifest OWNED_MANIFEST = { .pcrs = NULL };
	struct err err = { 0 };
	const char *value;
	static const char text[] = "{\"annotations\":{\"" A "algorithm\":\"sha256\",\"other\":1,\"" A
				   "pcr03\":\"0x00AB0000000000000000000000000000000000000000000000000000000000ab\",\"" A
				   "pcr12\":\"" D32 "\"}}";
	if (image_manifest_parse(bytes_of_text(text), &manifest, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(json_count(manifest.pcrs), 2);
	assert_int_equal(json_get_string(manifest.pcrs, "pcr03", &value, &err), 0);
	assert_string_equal(value, "00ab0000000000000000000000000000000000000000000000000000000000ab");
}

static void finds_the_platform_in_an_index(void **state)
{
	(void)state;
	struct image_manifest manifest OWNED_MANIFEST = { .pcrs = NULL };
	struct err err = { 0 };
	static const char text[] =
		"{\"manifests\":[{\"digest\":\"x\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}},"
		"{\"digest\":\"sha256:" D32 "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}]}";
	assert_int_equal(image_manifest_parse(bytes_of_text(text), &manifest, &err), 0);
	assert_null(manifest.pcrs);
	assert_string_equal(manifest.platform_digest, "sha256:" D32);
}

static void refuses_other_manifests(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"[]",
		"{\"annotations\":{\"" A "algorithm\":\"sha384\"}}",
		"{\"annotations\":{\"" A "pcr03\":\"0xab\"}}",
		"{\"annotations\":{\"" A "pcr03\":3}}",
		"{\"manifests\":{}}",
		"{\"manifests\":[{\"digest\":\"sha512:x\"}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct image_manifest manifest OWNED_MANIFEST = { .pcrs = NULL };
		struct err err = { 0 };
		if (image_manifest_parse(bytes_of_text(bad[i]), &manifest, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void reads_challenges(void **state)
{
	(void)state;
	struct image_challenge challenge;
	struct err err = { 0 };
	assert_int_equal(image_challenge_parse(
				 "Bearer realm=\"https://auth.test/token\",service=\"r\",scope=\"repository:a:pull\"",
				 &challenge, &err),
			 0);
	assert_string_equal(challenge.host, "https://auth.test");
	assert_string_equal(challenge.path, "/token");
	assert_string_equal(challenge.scope, "repository:a:pull");
	static const char *const bad[] = { "Digest realm=\"x\"", "Bearer x", "Bearer realm=\"ftp://x/\"",
					   "Bearer realm=\"https://x/\",scope=\"a b\"",
					   "Bearer realm=\"https://x/#\"" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (image_challenge_parse(bad[i], &challenge, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
}

static void reads_pull_secrets(void **state)
{
	(void)state;
	OWNED_BUF struct buf auth = BUF_INIT(256);
	struct err err = { 0 };
	const struct bytes text = bytes_of_text("{\"auths\":{\"r.test\":{\"auth\":\"dTpw\"},\"b.test\":1}}");
	assert_int_equal(image_pull_secret(text, "other.test", &auth, &err), 0);
	assert_int_equal(auth.len, 0);
	assert_int_equal(image_pull_secret(text, "r.test", &auth, &err), 0);
	assert_string_equal(buf_text(&auth), "dTpw");
	assert_int_equal(image_pull_secret(text, "b.test", &auth, &err), -1);
	assert_int_equal(image_pull_secret(bytes_of_text("{}"), "b.test", &auth, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_names),
		cmocka_unit_test(refuses_other_names),
		cmocka_unit_test(reads_measurements_and_keeps_leading_zeros),
		cmocka_unit_test(finds_the_platform_in_an_index),
		cmocka_unit_test(refuses_other_manifests),
		cmocka_unit_test(reads_challenges),
		cmocka_unit_test(reads_pull_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
