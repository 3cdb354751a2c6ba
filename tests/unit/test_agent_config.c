/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/agent_config: the whole text of agent.json, and what is refused.
 * (agent_json_validate.sh shows the real agent a larger one.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/json.h"
#include "spire/agent_config.h"

static struct spire_agent_config plain(void)
{
	return (struct spire_agent_config){
		.server_address = "127.0.0.1",
		.server_port = 8081,
		.trust_domain = "example.test",
		.socket_path = "/tmp/spire-agent/public/api.sock",
		.data_dir = "/run/sealpod/agent/data",
		.bundle_path = "/run/sealpod/agent/bundle.pem",
		.credential_path = "/proc/self/fd/3",
	};
}

#define PLUGINS(unix_data)                                                                                             \
	"\"plugins\":{\"KeyManager\":{\"memory\":{\"plugin_data\":{}}},"                                               \
	"\"NodeAttestor\":{\"x509pop\":{\"plugin_data\":{\"private_key_path\":\"/proc/self/fd/3\","                    \
	"\"certificate_path\":\"/proc/self/fd/3\"}}},"                                                                 \
	"\"WorkloadAttestor\":{\"unix\":{\"plugin_data\":{" unix_data "}}}}}\n"

#define AGENT                                                                                                          \
	"{\"agent\":{\"data_dir\":\"/run/sealpod/agent/data\",\"server_address\":\"127.0.0.1\","                       \
	"\"trust_bundle_path\":\"/run/sealpod/agent/bundle.pem\",\"trust_domain\":\"example.test\","                   \
	"\"socket_path\":\"/tmp/spire-agent/public/api.sock\","

static void renders(const struct spire_agent_config *config, const char *want)
{
	OWNED_BUF struct buf out = BUF_INIT(65536);
	struct err err = { 0 };
	if (spire_agent_config_render(config, &out, &err) < 0)
		fail_msg("refused: %s", err.message);
	assert_string_equal(buf_text(&out), want);
	OWNED_JSON struct json *doc = NULL;
	assert_int_equal(json_parse(buf_bytes(&out), 65536, &doc, &err), 0);
	assert_string_equal(json_name(json_first(doc)), "agent");
}

static void refuses(const struct spire_agent_config *config, const char *part)
{
	OWNED_BUF struct buf out = BUF_INIT(65536);
	struct err err = { 0 };
	assert_int_equal(spire_agent_config_render(config, &out, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_int_equal(out.len, 0);
	if (!strstr(err.message, part))
		fail_msg("'%s' does not say '%s'", err.message, part);
	assert_int_equal(spire_agent_config_check(config, &err), -1);
}

static void plain_one_suits_all_versions(void **state)
{
	(void)state;
	struct spire_agent_config config = plain();
	renders(&config, AGENT "\"server_port\":8081}," PLUGINS(""));
	config.version = "1.12.6";
	renders(&config, AGENT "\"server_port\":8081}," PLUGINS(""));
}

static void rebootstrap_never_where_it_exists(void **state)
{
	(void)state;
	struct spire_agent_config config = plain();
	config.version = "1.13.0";
	config.admin_socket_path = "/run/sealpod/admin.sock";
	renders(&config, AGENT "\"admin_socket_path\":\"/run/sealpod/admin.sock\",\"rebootstrap_mode\":\"never\","
			       "\"server_port\":8081}," PLUGINS(""));
}

static void settings_go_into_their_sections(void **state)
{
	(void)state;
	static const char *const claims[] = { "aud", "sub/\xc3\xa9" };
	const struct spire_setting settings[] = {
		{ .section = "unix", .name = "workload_size_limit", .type = SPIRE_INTEGER, .integer = -1 },
		{ .section = "health_checks", .name = "listener_enabled", .type = SPIRE_BOOL, .boolean = true },
		{ .section = "agent", .name = "experimental", .type = SPIRE_TABLE },
		{ .section = "agent.experimental.ratelimit",
		  .name = "fetch_jwt_svid",
		  .type = SPIRE_INTEGER,
		  .integer = 5 },
		{ .section = "agent.experimental", .name = "ratelimit", .type = SPIRE_TABLE },
		{ .section = "agent", .name = "log_level", .type = SPIRE_STRING, .text = "DEBUG" },
		{ .section = "agent",
		  .name = "allowed_foreign_jwt_claims",
		  .type = SPIRE_STRINGS,
		  .texts = claims,
		  .text_count = 2 },
		{ .section = "agent.experimental", .name = "sync_interval", .type = SPIRE_STRING, .text = "1s" },
		{ .section = "unix", .name = "discover_workload_path", .type = SPIRE_BOOL },
	};
	struct spire_agent_config config = plain();
	config.version = "1.15.2";
	config.settings = settings;
	config.setting_count = sizeof(settings) / sizeof(settings[0]);
	renders(&config, AGENT "\"rebootstrap_mode\":\"never\",\"server_port\":8081,"
			       "\"experimental\":{\"ratelimit\":{\"fetch_jwt_svid\":5},\"sync_interval\":\"1s\"},"
			       "\"log_level\":\"DEBUG\",\"allowed_foreign_jwt_claims\":[\"aud\",\"sub/\xc3\xa9\"]},"
			       "\"health_checks\":{\"listener_enabled\":true}," PLUGINS(
				       "\"workload_size_limit\":\"-1\",\"discover_workload_path\":false"));
}

static void every_value_is_checked(void **state)
{
	(void)state;
	struct spire_agent_config config = plain();
	config.server_address = "https://x";
	refuses(&config, "server_address: 'https://x' is neither");
	config = plain();
	config.server_port = 0;
	refuses(&config, "server_port: 0 is no port");
	config = plain();
	config.trust_domain = "Example";
	refuses(&config, "trust_domain: 'Example'");
	config = plain();
	config.version = "1.2";
	refuses(&config, "version: '1.2' is no version");
	config = plain();
	config.data_dir = "data";
	refuses(&config, "data_dir: 'data' is no absolute path");
	config = plain();
	config.bundle_path = "/a/../b";
	refuses(&config, "trust_bundle_path: '/a/../b'");
	config = plain();
	config.credential_path = "/a/${x}";
	refuses(&config, "private_key_path: '/a/${x}'");
	config = plain();
	config.socket_path = "api.sock";
	refuses(&config, "socket_path: 'api.sock'");
	config = plain();
	config.admin_socket_path = "/tmp/spire-agent/public/admin.sock";
	refuses(&config, "admin_socket_path: '/tmp/spire-agent/public/admin.sock' lies in or under");
}

static void settings_are_checked(void **state)
{
	(void)state;
	static const char *const foreign[] = { "spiffe://example.testy/a" };
	struct spire_setting settings[2] = {
		{ .section = "agent", .name = "log_level", .type = SPIRE_STRING, .text = "loud" },
	};
	struct spire_agent_config config = plain();
	config.settings = settings;
	config.setting_count = 1;
	refuses(&config, "'loud' is none of");
	settings[0].name = "insecure_bootstrap";
	refuses(&config, "cannot be set here");
	settings[0] = (struct spire_setting){ .section = "agent",
					      .name = "authorized_delegates",
					      .type = SPIRE_STRINGS,
					      .texts = foreign,
					      .text_count = 1 };
	refuses(&config, "'spiffe://example.testy/a' is not in the trust domain 'example.test'");
	settings[0] = (struct spire_setting){
		.section = "agent.sds", .name = "default_svid_name", .type = SPIRE_STRING, .text = "x"
	};
	refuses(&config, "table 'agent.sds' is not among the settings");
	settings[0] = (struct spire_setting){ .section = "agent", .name = "log_source_location", .type = SPIRE_BOOL };
	settings[1] = settings[0];
	config.setting_count = 2;
	refuses(&config, "'agent.log_source_location' is set twice");
}

static void a_full_buffer_is_an_error(void **state)
{
	(void)state;
	const struct spire_agent_config config = plain();
	struct err err = { 0 };
	OWNED_BUF struct buf out = BUF_INIT(100);
	assert_int_equal(spire_agent_config_render(&config, &out, &err), -1);
	assert_true(err.message[0] != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_one_suits_all_versions),
		cmocka_unit_test(rebootstrap_never_where_it_exists),
		cmocka_unit_test(settings_go_into_their_sections),
		cmocka_unit_test(every_value_is_checked),
		cmocka_unit_test(settings_are_checked),
		cmocka_unit_test(a_full_buffer_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
