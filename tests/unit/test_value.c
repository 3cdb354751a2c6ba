/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/value: each check with what it takes and what it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/cleanup.h"
#include "spire/value.h"

typedef int check_fn(const char *text, struct err *err);

static void takes(check_fn *check, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct err err = { 0 };
		if (check(texts[i], &err) < 0)
			fail_msg("refused: %s", err.message);
	}
}

static void refuses(check_fn *check, const char *const *texts, size_t count, const char *says)
{
	for (size_t i = 0; i < count; i++) {
		struct err err = { 0 };
		if (check(texts[i], &err) == 0)
			fail_msg("'%s' is taken", texts[i]);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.message, says))
			fail_msg("'%s' does not say '%s'", err.message, says);
	}
}

#define TAKES(check, ...)                                                                                              \
	do {                                                                                                           \
		const char *const texts_[] = { __VA_ARGS__ };                                                          \
		takes(check, texts_, ARRAY_LEN(texts_));                                                               \
	} while (0)
#define REFUSES(check, says, ...)                                                                                      \
	do {                                                                                                           \
		const char *const texts_[] = { __VA_ARGS__ };                                                          \
		refuses(check, texts_, ARRAY_LEN(texts_), says);                                                       \
	} while (0)

static const char *repeated(char *text, char c, size_t len)
{
	memset(text, c, len);
	text[len] = 0;
	return text;
}

static void trust_domains(void **state)
{
	(void)state;
	char text[512];
	TAKES(spire_trust_domain_check, "example.test", "a", "a-b_c.9", repeated(text, 'a', 255));
	REFUSES(spire_trust_domain_check, "must not be empty", "");
	REFUSES(spire_trust_domain_check, "256 characters", repeated(text, 'a', 256));
	REFUSES(spire_trust_domain_check, "without 'spiffe://'", "spiffe://example.test");
	REFUSES(spire_trust_domain_check, "consists of", "Example.test", "a b", "a/b", "a:1", "\xc3\xa9.test");
}

static void hosts(void **state)
{
	(void)state;
	char text[512];
	TAKES(spire_host_check, "localhost", "spire-server.spire.svc.cluster.local", "a.b.", "127.0.0.1", "::1",
	      "fe80::1", "2001:db8::7", "9to5.example", repeated(text, 'a', 63));
	REFUSES(spire_host_check, "neither a host name nor an IP address", "", "a..b", ".", ".a", "-a", "a-", "a_b",
		"[::1]", "host:8081", "https://host", "127.0.0.300", "1.2.3", "12", "a b", "::1%eth0", "a/b",
		"\xc3\xa9", repeated(text, 'a', 64));
	/* labels of one letter; 253 characters in all are the most */
	repeated(text, 'a', 255);
	for (size_t i = 1; i < 255; i += 2)
		text[i] = '.';
	REFUSES(spire_host_check, "neither a host name nor an IP address", text);
	text[253] = 0;
	TAKES(spire_host_check, text);
}

static void ports(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(spire_port_check(1, &err), 0);
	assert_int_equal(spire_port_check(65535, &err), 0);
	assert_int_equal(spire_port_check(0, &err), -1);
	assert_int_equal(spire_port_check(65536, &err), -1);
	assert_int_equal(spire_port_check(-1, &err), -1);
	assert_string_equal(err.message, "-1 is no port (1 to 65535)");
}

static void paths(void **state)
{
	(void)state;
	char text[2048];
	repeated(text, 'x', 1025);
	text[0] = '/';
	TAKES(spire_path_check, "/a", "/a/b.c", "/.hidden/..x/a b", "/run/\xc3\xa9", "/a$b{c}");
	REFUSES(spire_path_check, "no absolute path", "", "a", "./a", "unix:///a");
	REFUSES(spire_path_check, "without '//', '.', '..'", "/", "/a/", "//a", "/a//b", "/./a", "/a/..", "/a/../b",
		"/a/.");
	REFUSES(spire_path_check, "control character", "/a\nb", "/a\x7f");
	REFUSES(spire_path_check, "'${'", "/a/${HOME}");
	REFUSES(spire_path_check, "1025 bytes", text);
}

static void sockets(void **state)
{
	(void)state;
	char text[256];
	repeated(text, 'x', 107);
	text[0] = '/';
	TAKES(spire_socket_check, "/tmp/spire-agent/public/api.sock", text);
	repeated(text, 'x', 108);
	text[0] = '/';
	REFUSES(spire_socket_check, "has 108 bytes; a unix socket's path takes 107", text);
	REFUSES(spire_socket_check, "no absolute path", "api.sock");
}

static void admin_socket_stays_out_of_the_public_directory(void **state)
{
	(void)state;
	static const char pub[] = "/run/spire/public/api.sock";
	struct err err = { 0 };
	assert_int_equal(spire_admin_socket_check("/run/spire/admin.sock", pub, &err), 0);
	assert_int_equal(spire_admin_socket_check("/run/spire/public2/admin.sock", pub, &err), 0);
	assert_int_equal(spire_admin_socket_check("/run/spire/public/admin.sock", pub, &err), -1);
	assert_non_null(strstr(err.message, "in or under '/run/spire/public'"));
	assert_int_equal(spire_admin_socket_check("/run/spire/public/x/admin.sock", pub, &err), -1);
	assert_int_equal(spire_admin_socket_check("/x/admin.sock", "/api.sock", &err), -1);
	assert_non_null(strstr(err.message, "in or under '/'"));
}

static void versions(void **state)
{
	(void)state;
	struct err err = { 0 };
	unsigned version = 7;
	assert_int_equal(spire_version_parse("1.15.2", &version, &err), 0);
	assert_int_equal(version, SPIRE_VERSION(15, 2));
	assert_int_equal(spire_version_parse("1.9.0", &version, &err), 0);
	assert_int_equal(version, SPIRE_VERSION(9, 0));
	assert_true(SPIRE_VERSION(9, 6) < SPIRE_VERSION(10, 0));
	static const char *const odd[] = { "",	      "1",	 "1.15",    "v1.15.2", "1.15.2-dev", "1.15.02",
					   "1.15.2 ", " 1.15.2", "1.15.-2", "1.15.+2", "1.15.2.3",   "1.15.1000" };
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		assert_int_equal(spire_version_parse(odd[i], &version, &err), -1);
		assert_non_null(strstr(err.message, "is no version of spire-agent"));
	}
	static const char *const foreign[] = { "1.8.11", "1.16.0", "0.15.0", "2.15.0" };
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		assert_int_equal(spire_version_parse(foreign[i], &version, &err), -1);
		assert_non_null(strstr(err.message, "is not known (1.9 to 1.15 are)"));
	}
	assert_int_equal(version, SPIRE_VERSION(9, 0));
}

static void durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "1s", 1000000000 },	    { "10m", 600000000000 },
		{ "1h30m", 5400000000000 }, { "1.5s", 1500000000 },
		{ ".5s", 500000000 },	    { "2.s", 2000000000 },
		{ "250ms", 250000000 },	    { "1us1ns", 1001 },
		{ "3\xc2\xb5s", 3000 },	    { "0s", 0 },
		{ "0.25h", 900000000000 },  { "29s999ms", 29999000000 },
	};
	struct err err = { 0 };
	int64_t ns = 7;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(spire_duration_parse(good[i].text, &ns, &err), 0);
		assert_int_equal(ns, good[i].ns);
	}
	static const char *const odd[] = { "",
					   "5",
					   "s",
					   ".s",
					   "5 s",
					   "-5s",
					   "+5s",
					   "1d",
					   "5s ",
					   "1.2.3s",
					   "0x5s",
					   "9999999999s",
					   "999999999h999999999h" };
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		if (spire_duration_parse(odd[i], &ns, &err) == 0)
			fail_msg("'%s' is taken", odd[i]);
		assert_non_null(strstr(err.message, "is no duration"));
	}
	assert_int_equal(ns, 29999000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trust_domains), cmocka_unit_test(hosts),
		cmocka_unit_test(ports),	 cmocka_unit_test(paths),
		cmocka_unit_test(sockets),	 cmocka_unit_test(admin_socket_stays_out_of_the_public_directory),
		cmocka_unit_test(versions),	 cmocka_unit_test(durations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
