/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/http_url: what is a base URL, a path, a redirect on the same server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/http_internal.h"

static void good_urls_are_taken_apart(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		struct http_url url;
	} good[] = {
		{ "http://localhost", { .host = "localhost", .port = 80 } },
		{ "https://kbs.example.org", { .tls = true, .host = "kbs.example.org", .port = 443 } },
		{ "https://KBS.example.org:8080", { .tls = true, .host = "KBS.example.org", .port = 8080 } },
		{ "http://10.0.0.255:65535", { .host = "10.0.0.255", .port = 65535 } },
		{ "http://a_b-c.1d:1", { .host = "a_b-c.1d", .port = 1 } },
		{ "https://[fd00::1]", { .tls = true, .ipv6 = true, .host = "fd00::1", .port = 443 } },
		{ "http://[::ffff:1.2.3.4]:8443", { .ipv6 = true, .host = "::ffff:1.2.3.4", .port = 8443 } },
		{ "http://xn--bcher-kva.example", { .host = "xn--bcher-kva.example", .port = 80 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct http_url url;
		struct err err = { 0 };
		if (http_url_parse(good[i].text, &url, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(url.tls, good[i].url.tls);
		assert_int_equal(url.ipv6, good[i].url.ipv6);
		assert_string_equal(url.host, good[i].url.host);
		assert_int_equal(url.port, good[i].url.port);
		struct http_host host;
		assert_int_equal(http_split_url(good[i].text, &host, &err), 0);
		assert_string_equal(host.name, good[i].url.host);
		assert_int_equal(host.port, good[i].url.port);
		bool tls = !good[i].url.tls;
		assert_int_equal(http_check_url(good[i].text, &tls, &err), 0);
		assert_int_equal(tls, good[i].url.tls);
	}
}

static void bad_urls_are_refused_with_the_reason(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} bad[] = {
		{ "", "must begin with" },
		{ "kbs.example.org", "must begin with" },
		{ "HTTPS://kbs", "must begin with" },
		{ "ftp://kbs", "must begin with" },
		{ "https:/kbs", "must begin with" },
		{ "https://", "host must be" },
		{ "https://:8080", "host must be" },
		{ "https://.kbs", "host must be" },
		{ "https://kbs.", "host must be" },
		{ "https://a..b", "host must be" },
		{ "https://-a", "host must be" },
		{ "https://a-.b", "host must be" },
		{ "https://a*b", "host must be" },
		{ "https://a%41", "host must be" },
		{ "https://a\\b", "host must be" },
		{ "https://127.1", "host must be" },
		{ "https://2130706433", "host must be" },
		{ "https://0x7f000001", "host must be" },
		{ "https://0x", "host must be" },
		{ "https://1.2.3.256", "host must be" },
		{ "https://1.2.3.04", "host must be" },
		{ "https://a.0X7f", "host must be" },
		{ "https://[::1", "host must be" },
		{ "https://[]", "host must be" },
		{ "https://[::1%25lo]", "host must be" },
		{ "https://[1.2.3.4]", "host must be" },
		{ "https://::1", "host must be" },
		{ "https://kbs:", "port must be" },
		{ "https://kbs:0", "port must be" },
		{ "https://kbs:080", "port must be" },
		{ "https://kbs:65536", "port must be" },
		{ "https://kbs:4294967376", "port must be" },
		{ "https://kbs:+1", "port must be" },
		{ "https://kbs:80a", "must end after" },
		{ "https://kbs/", "must end after" },
		{ "https://kbs:80/kbs/v0", "must end after" },
		{ "https://kbs?a", "must end after" },
		{ "https://kbs#a", "must end after" },
		{ "https://[::1]a", "must end after" },
		{ "https://user:word@kbs", "user name or password" },
		{ "https://kbs ", "space" },
		{ "https://kbs\n", "space" },
		{ "https://b\xc3\xbc"
		  "cher",
		  "punycode" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { 0 };
		bool tls = true;
		if (http_check_url(bad[i].text, &tls, &err) == 0)
			fail_msg("'%s' was taken", bad[i].text);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.message, bad[i].words))
			fail_msg("'%s' lacks '%s'", err.message, bad[i].words);
		assert_null(strstr(err.message, "word@"));
		assert_true(tls);
	}
	bool tls;
	assert_int_equal(http_check_url(NULL, &tls, NULL), -1);
}

static void lengths_are_limited(void **state)
{
	(void)state;
	char url[4096] = "https://";
	struct http_url parsed;
	for (int i = 0; i < 4; i++) { /* labels of 63, 63, 63, 61: 253 in all */
		memset(url + strlen(url), 'a', i < 3 ? 63 : 61);
		if (i < 3)
			url[strlen(url)] = '.';
	}
	assert_int_equal(strlen(url), 8 + HTTP_HOST_MAX);
	assert_int_equal(http_url_parse(url, &parsed, NULL), 0);
	url[strlen(url)] = 'a';
	assert_int_equal(http_url_parse(url, &parsed, NULL), -1);
	memset(url + 8, 'a', 64);
	url[8 + 63] = '\0';
	assert_int_equal(http_url_parse(url, &parsed, NULL), 0);
	url[8 + 63] = 'a';
	url[8 + 64] = '\0';
	assert_int_equal(http_url_parse(url, &parsed, NULL), -1);
	memset(url + 8, '1', sizeof(url) - 9);
	struct err err = { 0 };
	assert_int_equal(http_url_parse(url, &parsed, &err), -1);
	assert_true(strlen(err.message) < 100);
}

static void redirects_are_resolved_or_refused(void **state)
{
	(void)state;
	const struct http_url from = { .tls = true, .host = "kbs.example", .port = 8443 };
	static const struct {
		const char *location, *path; /* NULL: refused */
	} rows[] = {
		{ "/a?b=c", "/a?b=c" },
		{ "/a#part", "/a" },
		{ "https://kbs.example:8443/x", "/x" },
		{ "https://KBS.example:8443", "/" },
		{ "https://kbs.example:8443#x", "/" },
		{ "http://kbs.example:8443/x", NULL },
		{ "https://kbs.example/x", NULL },
		{ "https://kbs.example:8443?x", NULL },
		{ "https://kbs.example:8443@evil/x", NULL },
		{ "https://kbs.example:8443.evil/x", NULL },
		{ "https://kbs.example.evil:8443/x", NULL },
		{ "https://evil:8443/kbs.example", NULL },
		{ "//kbs.example:8443/x", NULL },
		{ "\\/x", NULL },
		{ "/a b", NULL },
		{ "x", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OWNED_BUF struct buf path = BUF_INIT(HTTP_MAX_PATH);
		struct err err = { 0 };
		int rc = http_url_redirect(&from, rows[i].location, &path, &err);
		if (rc != (rows[i].path ? 0 : -1))
			fail_msg("'%s': %d", rows[i].location, rc);
		assert_string_equal(buf_text(&path), rows[i].path ? rows[i].path : "");
		assert_int_equal(err.code, rows[i].path ? ERR_NONE : ERR_PROTOCOL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_urls_are_taken_apart),
		cmocka_unit_test(bad_urls_are_refused_with_the_reason),
		cmocka_unit_test(lengths_are_limited),
		cmocka_unit_test(redirects_are_resolved_or_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
