/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/setting: the table of the agent's keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/cleanup.h"
#include "spire/setting.h"

static void says(const struct err *err, const char *part)
{
	assert_int_equal(err->code, ERR_CONFIG);
	if (!strstr(err->message, part))
		fail_msg("'%s' does not say '%s'", err->message, part);
}

static int check(const char *section, const char *name, enum spire_setting_type type, const char *version,
		 struct err *err)
{
	*err = (struct err){ 0 };
	return spire_agent_setting_check(section, name, type, version, err);
}

static void unknown_keys_are_refused(void **state)
{
	(void)state;
	struct err err;
	static const char *const sections[] = {
		"agent",	 "agent.sds", "agent.experimental", "agent.experimental.ratelimit",
		"health_checks", "unix",      "telemetry"
	};
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		assert_int_equal(check(sections[i], "nope", SPIRE_STRING, "1.15.2", &err), -1);
		says(&err, "is not known (in spire-agent 1.9 to 1.15)");
		says(&err, sections[i]);
	}
	/* names are not looked for in other sections, nor in any case */
	assert_int_equal(check("agent.sds", "log_level", SPIRE_STRING, NULL, &err), -1);
	assert_int_equal(check("agent", "LOG_LEVEL", SPIRE_STRING, NULL, &err), -1);
	assert_int_equal(check("agent", "log_level", SPIRE_STRING, NULL, &err), 0);
}

static void keys_that_sealpod_writes_are_refused_with_the_reason(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *reason;
	} rows[] = {
		{ "data_dir", "a fresh one" },
		{ "server_address", "set spire.server_address" },
		{ "server_port", "set spire.server_port" },
		{ "trust_domain", "set spire.trust_domain" },
		{ "socket_path", "set agent.socket_path" },
		{ "admin_socket_path", "set agent.admin_socket_path" },
		{ "trust_bundle_path", "set spire.trust_bundle" },
		{ "trust_bundle_format", "as PEM" },
		{ "trust_bundle_url", "attested or measured" },
		{ "trust_bundle_unix_socket", "attested or measured" },
		{ "trust_bundle_spiffe_workload_api", "attested or measured" },
		{ "insecure_bootstrap", "believe the first server" },
		{ "rebootstrap_mode", "'never'" },
		{ "rebootstrap_delay", "no effect" },
		{ "retry_bootstrap", "1.14.0 removed it" },
		{ "join_token", "replace the attestation" },
		{ "join_token_file", "replace the attestation" },
		{ "disable_lru_cache", "1.11.0 removed it" },
		{ "disable_reattest_to_renew", "1.10.0 removed it" },
	};
	static const enum spire_setting_type types[] = { SPIRE_STRING, SPIRE_INTEGER, SPIRE_BOOL };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t t = 0; t < ARRAY_LEN(types); t++) {
			struct err err;
			assert_int_equal(check("agent", rows[i].name, types[t], "1.15.2", &err), -1);
			says(&err, "cannot be set here");
			says(&err, rows[i].reason);
		}
	}
	struct err err;
	assert_int_equal(check("agent.experimental", "broker", SPIRE_TABLE, "1.15.2", &err), -1);
	assert_int_equal(check("agent.experimental", "named_pipe_name", SPIRE_STRING, NULL, &err), -1);
	says(&err, "Windows only");
}

static void types_are_checked(void **state)
{
	(void)state;
	struct err err;
	assert_int_equal(check("agent", "log_level", SPIRE_INTEGER, NULL, &err), -1);
	says(&err, "'agent.log_level' must be a string");
	assert_int_equal(check("agent", "x509_svid_cache_max_size", SPIRE_STRING, NULL, &err), -1);
	says(&err, "must be an integer");
	assert_int_equal(check("agent", "log_source_location", SPIRE_STRING, NULL, &err), -1);
	says(&err, "must be true or false, without quotes");
	assert_int_equal(check("agent", "authorized_delegates", SPIRE_STRING, NULL, &err), -1);
	says(&err, "must be an array of strings");
	assert_int_equal(check("agent", "sds", SPIRE_STRING, NULL, &err), -1);
	says(&err, "must be a table");
	assert_int_equal(check("agent", "log_level", SPIRE_OTHER, NULL, &err), -1);
	assert_int_equal(check("health_checks", "bind_port", SPIRE_BOOL, NULL, &err), -1);
	says(&err, "must be an integer or a string");
	assert_int_equal(check("health_checks", "bind_port", SPIRE_STRING, NULL, &err), 0);
	assert_int_equal(check("health_checks", "bind_port", SPIRE_INTEGER, NULL, &err), 0);
}

static void later_keys_need_a_known_version(void **state)
{
	(void)state;
	static const struct {
		const char *section;
		const char *name;
		enum spire_setting_type type;
		const char *before;
		const char *from;
	} rows[] = {
		{ "agent", "jwt_svid_cache_max_size", SPIRE_INTEGER, "1.11.0", "1.11.1" },
		{ "agent", "log_selectors", SPIRE_STRINGS, "1.15.1", "1.15.2" },
		{ "agent", "disable_workload_api", SPIRE_BOOL, "1.15.2", "1.15.3" },
		{ "agent", "disable_sds_api", SPIRE_BOOL, "1.15.2", "1.15.3" },
		{ "agent.experimental", "require_pq_kem", SPIRE_BOOL, "1.11.3", "1.12.0" },
		{ "agent.experimental", "ratelimit", SPIRE_TABLE, "1.15.1", "1.15.2" },
		{ "agent.experimental.ratelimit", "fetch_secrets", SPIRE_INTEGER, "1.14.9", "1.15.2" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err;
		char needs[64];
		(void)snprintf(needs, sizeof(needs), "needs spire-agent %s or later", rows[i].from);
		assert_int_equal(check(rows[i].section, rows[i].name, rows[i].type, NULL, &err), -1);
		says(&err, needs);
		says(&err, "set agent.version");
		assert_int_equal(check(rows[i].section, rows[i].name, rows[i].type, rows[i].before, &err), -1);
		says(&err, needs);
		says(&err, rows[i].before);
		assert_int_equal(check(rows[i].section, rows[i].name, rows[i].type, rows[i].from, &err), 0);
	}
	struct err err;
	assert_int_equal(check("agent", "log_selectors", SPIRE_STRINGS, "latest", &err), -1);
	says(&err, "'latest' is no version");
}

static int check_value(struct spire_setting setting, const char *version, struct err *err)
{
	*err = (struct err){ 0 };
	return spire_agent_setting_check_value(&setting, version, err);
}

static int check_text(const char *section, const char *name, const char *text, struct err *err)
{
	const struct spire_setting setting = { .section = section, .name = name, .type = SPIRE_STRING, .text = text };
	return check_value(setting, "1.15.2", err);
}

static void texts_that_spire_takes(void **state)
{
	(void)state;
	static const char *const rows[][3] = {
		{ "agent", "log_level", "INFO" },
		{ "agent", "log_level", "warning" },
		{ "agent", "log_format", "JSON" },
		{ "agent", "workload_x509_svid_key_type", "EC-P384" },
		{ "agent", "availability_target", "24h" },
		{ "agent", "log_file", "/var/log/agent.log" },
		{ "agent.sds", "default_svid_name", "\xf0\x9f\x94\x91 \"x\"\\ /$" },
		{ "agent.experimental", "sync_interval", "250ms" },
		{ "agent.experimental", "jwt_svid_cache_hit_timeout", "5s" },
		{ "health_checks", "bind_port", "80" },
		{ "health_checks", "bind_address", "::1" },
		{ "health_checks", "live_path", "/live" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err;
		if (check_text(rows[i][0], rows[i][1], rows[i][2], &err) < 0)
			fail_msg("refused: %s", err.message);
	}
}

static void texts_that_spire_refuses(void **state)
{
	(void)state;
	static const char *const rows[][4] = {
		{ "agent", "log_level", "loud", "'loud' is none of panic|fatal|error" },
		{ "agent", "log_level", "", "is none of" },
		{ "agent", "log_level", "info|debug", "is none of" },
		{ "agent", "log_format", "xml", "is none of text|json" },
		{ "agent", "workload_x509_svid_key_type", "ec-p521", "is none of" },
		{ "agent", "availability_target", "23h59m", "24h or more" },
		{ "agent", "availability_target", "2 days", "is no duration" },
		{ "agent", "log_file", "agent.log", "no absolute path" },
		{ "agent.sds", "default_svid_name", "a\nb", "control character" },
		{ "agent.sds", "default_svid_name", "a\x7f", "control character" },
		{ "agent.sds", "default_svid_name", "${file(\"x\")}", "'${'" },
		{ "agent.sds", "default_svid_name", "\xff", "not valid UTF-8" },
		{ "agent.sds", "default_svid_name", "\xed\xa0\xbd", "not valid UTF-8" },
		{ "agent.experimental", "sync_interval", "soon", "is no duration" },
		{ "agent.experimental", "jwt_svid_cache_hit_timeout", "4s", "5s or more" },
		{ "agent.experimental", "jwt_svid_cache_hit_timeout", "30s", "below 30s" },
		{ "health_checks", "bind_port", "0", "no port" },
		{ "health_checks", "bind_port", "http", "no port" },
		{ "health_checks", "bind_port", "80x", "no port" },
		{ "health_checks", "bind_address", "a:80", "neither a host name" },
		{ "health_checks", "live_path", "live", "no absolute path" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err;
		if (check_text(rows[i][0], rows[i][1], rows[i][2], &err) == 0)
			fail_msg("'%s' is taken for %s", rows[i][2], rows[i][1]);
		says(&err, rows[i][3]);
		says(&err, rows[i][1]);
	}
}

static void texts_have_a_limit(void **state)
{
	(void)state;
	char text[1026];
	struct err err;
	memset(text, 'x', 1025);
	text[1025] = 0;
	assert_int_equal(check_text("agent.sds", "default_svid_name", text, &err), -1);
	says(&err, "a string of 1025 bytes (1024 at most)");
	text[1024] = 0;
	assert_int_equal(check_text("agent.sds", "default_svid_name", text, &err), 0);
}

static void a_later_value_of_an_old_key(void **state)
{
	(void)state;
	struct spire_setting setting = {
		.section = "agent", .name = "workload_x509_svid_key_type", .type = SPIRE_STRING, .text = "ec-p384"
	};
	struct err err;
	assert_int_equal(check_value(setting, "1.14.0", &err), 0);
	assert_int_equal(check_value(setting, "1.13.4", &err), -1);
	says(&err, "the value 'ec-p384' needs spire-agent 1.14.0");
	assert_int_equal(check_value(setting, NULL, &err), -1);
	setting.text = "ec-p256";
	assert_int_equal(check_value(setting, NULL, &err), 0);
}

static void integers_have_a_range(void **state)
{
	(void)state;
	static const struct {
		const char *section;
		const char *name;
		int64_t value;
		bool good;
	} rows[] = {
		{ "agent", "x509_svid_cache_max_size", 0, true },
		{ "agent", "x509_svid_cache_max_size", -1, false },
		{ "agent", "x509_svid_cache_max_size", 2147483647, true },
		{ "agent", "x509_svid_cache_max_size", 2147483648, false },
		{ "agent", "profiling_port", 65536, false },
		{ "health_checks", "bind_port", 0, false },
		{ "health_checks", "bind_port", 65535, true },
		{ "unix", "workload_size_limit", -1, true },
		{ "unix", "workload_size_limit", -2, false },
		{ "agent.experimental.ratelimit", "fetch_jwt_svid", -1, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct spire_setting setting = { .section = rows[i].section,
						       .name = rows[i].name,
						       .type = SPIRE_INTEGER,
						       .integer = rows[i].value };
		struct err err;
		int rc = check_value(setting, "1.15.2", &err);
		if (rc != (rows[i].good ? 0 : -1))
			fail_msg("%s = %lld: %d %s", rows[i].name, (long long)rows[i].value, rc, err.message);
		if (!rows[i].good)
			says(&err, "out of range");
	}
}

static void each_string_of_an_array_is_checked(void **state)
{
	(void)state;
	const char *texts[65] = { "spiffe://example.test/a", "spiffe://example.test/b" };
	struct spire_setting setting = { .section = "agent",
					 .name = "authorized_delegates",
					 .type = SPIRE_STRINGS,
					 .texts = texts,
					 .text_count = 2 };
	static const char *const odd[] = { "example.test/a", "spiffe://example.test", "spiffe://example.test/",
					   "spiffe:///a" };
	struct err err;
	assert_int_equal(check_value(setting, NULL, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		texts[1] = odd[i];
		assert_int_equal(check_value(setting, NULL, &err), -1);
		says(&err, "is no SPIFFE ID");
	}
	for (size_t i = 0; i < 65; i++)
		texts[i] = "x";
	setting.name = "allowed_foreign_jwt_claims";
	setting.text_count = 64;
	assert_int_equal(check_value(setting, NULL, &err), 0);
	setting.text_count = 65;
	assert_int_equal(check_value(setting, NULL, &err), -1);
	says(&err, "65 strings (64 at most)");
	texts[1] = "\xff";
	setting.text_count = 2;
	assert_int_equal(check_value(setting, NULL, &err), -1);
	says(&err, "not valid UTF-8");
}

static void tables_open_sections(void **state)
{
	(void)state;
	assert_string_equal(spire_agent_subsection("agent", "sds"), "agent.sds");
	assert_string_equal(spire_agent_subsection("agent", "experimental"), "agent.experimental");
	assert_string_equal(spire_agent_subsection("agent.experimental", "ratelimit"), "agent.experimental.ratelimit");
	assert_null(spire_agent_subsection("agent", "log_level"));
	assert_null(spire_agent_subsection("agent", "nope"));
}

static void keys_of_our_own_follow_the_version(void **state)
{
	(void)state;
	assert_true(spire_agent_has_key("rebootstrap_mode", "1.13.0"));
	assert_true(spire_agent_has_key("rebootstrap_mode", "1.15.3"));
	assert_false(spire_agent_has_key("rebootstrap_mode", "1.12.6"));
	assert_false(spire_agent_has_key("rebootstrap_mode", NULL));
	assert_true(spire_agent_has_key("data_dir", NULL));
	assert_false(spire_agent_has_key("nope", "1.15.2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_keys_are_refused),
		cmocka_unit_test(keys_that_sealpod_writes_are_refused_with_the_reason),
		cmocka_unit_test(types_are_checked),
		cmocka_unit_test(later_keys_need_a_known_version),
		cmocka_unit_test(texts_that_spire_takes),
		cmocka_unit_test(texts_that_spire_refuses),
		cmocka_unit_test(texts_have_a_limit),
		cmocka_unit_test(a_later_value_of_an_old_key),
		cmocka_unit_test(integers_have_a_range),
		cmocka_unit_test(each_string_of_an_array_is_checked),
		cmocka_unit_test(tables_open_sections),
		cmocka_unit_test(keys_of_our_own_follow_the_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
