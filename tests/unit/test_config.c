/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/config: what a sealpod.toml leads to, and that each problem is named with
 * its line and key, all of them in one run. The log goes to a memory file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "base/wipe.h"

static char log_text[65536];

/* Parses with standard error caught in log_text. */
static int parse(const char *text, enum config_need need, struct config *config, struct err *err)
{
	int memory = memfd_create("log", MFD_CLOEXEC);
	int saved = dup(STDERR_FILENO);
	assert_true(memory >= 0 && saved >= 0 && dup2(memory, STDERR_FILENO) >= 0);
	int rc = config_parse(bytes_of_text(text), "f.toml", need, NULL, config, err);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_int_equal(lseek(memory, 0, SEEK_SET), 0);
	ssize_t n = read(memory, log_text, sizeof(log_text) - 1);
	assert_true(n >= 0);
	log_text[n] = 0;
	(void)close(memory);
	(void)close(saved);
	return rc;
}

#define KBS "[kbs]\nurl = \"http://127.0.0.1:8080\"\nallow_http = true\n"
#define CREDENTIAL "[credential]\npem = \"kbs:///a/b/c\"\n"
#define SPIRE                                                                                                          \
	"[spire]\ntrust_domain = \"example.test\"\nserver_address = \"127.0.0.1\"\ntrust_bundle = \"kbs:///a/b/d\"\n"

/* The operator's program checks what a guest will read: it has neither the guest's files nor its users. */
static void a_configuration_for_elsewhere_touches_nothing_here(void **state)
{
	(void)state;
	static const char text[] =
		"[kbs]\nurl = \"https://kbs.test\"\nca_file = \"/nonexistent/ca.pem\"\n" CREDENTIAL SPIRE
		"[agent]\nuid = 12345\n";
	const struct config_context elsewhere = { .elsewhere = true };
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	pid_t child = fork(); /* an ordinary user, who cannot become 12345 */
	assert_true(child >= 0);
	if (child == 0) {
		int ok = geteuid() != 0 || setresuid(65534, 65534, 65534) == 0;
		if (ok && config_parse(bytes_of_text(text), "f.toml", CONFIG_ALL, &elsewhere, &config, &err) == 0)
			_exit(0);
		_exit(1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(parse(text, CONFIG_ALL, &config, &err), -1);
	assert_non_null(strstr(log_text, "/nonexistent/ca.pem"));
}

static void defaults_are_filled_in(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	assert_int_equal(parse(KBS CREDENTIAL SPIRE, CONFIG_ALL, &config, &err), 0);
	assert_string_equal(log_text, "");
	assert_int_equal(config.server_port, 8081);
	assert_int_equal(config.deadline_ms, 300000);
	assert_int_equal(config.kbs_tee_key, TEE_KEY_EC_P256);
	assert_string_equal(config.agent_path, "/opt/spire/bin/spire-agent");
	assert_string_equal(config.runtime_dir, "/run/sealpod");
	assert_string_equal(config.socket_path, "/tmp/spire-agent/public/api.sock");
	assert_int_equal(config.run_mode, RUN_DEFAULT);
	assert_null(config.admin_socket_path);
	assert_null(config.agent_version);
	assert_false(config.agent_uid_set);
	assert_int_equal(config.settings->count, 0);
}

static void everything_can_be_said(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	assert_int_equal(parse(KBS "tee_key = \"RSA-OAEP-256\"\n"
				   "[credential]\nkey = \"kbs:///a/b/k\"\ncertificate = \"kbs:///a/b/c\"\n"
				   "[spire]\ntrust_domain = \"t\"\nserver_address = \"::1\"\nserver_port = 1\n"
				   "trust_bundle_pem = \"x\"\n"
				   "[agent]\npath = \"/a\"\nversion = \"1.15.2\"\nuid = 0\nruntime_dir = \"/r\"\n"
				   "allow_disk = true\nsocket_path = \"/s/p/api\"\nadmin_socket_path = \"/s/a/admin\"\n"
				   "[agent.settings]\nlog_level = \"DEBUG\"\n"
				   "[agent.settings.experimental]\nsync_interval = \"1s\"\n"
				   "[agent.health_checks]\nlistener_enabled = true\n"
				   "[run]\ndeadline = \"1h\"\nmode = \"supervise\"\n",
			       CONFIG_ALL, &config, &err),
			 0);
	assert_string_equal(log_text, "");
	assert_int_equal(config.kbs_tee_key, TEE_KEY_RSA_2048);
	assert_string_equal(config.credential_key.uri.path, "/kbs/v0/resource/a/b/k");
	assert_string_equal(config.credential_pem.uri.path, "");
	assert_int_equal(config.server_port, 1);
	assert_true(config.agent_uid_set && config.allow_disk);
	assert_int_equal(config.agent_gid, 0);
	assert_int_equal(config.deadline_ms, 3600000);
	assert_int_equal(config.run_mode, RUN_SUPERVISE);
	assert_int_equal(config.settings->count, 4); /* two keys, a table, its key */
	assert_string_equal(config.settings->items[0].name, "log_level");
	assert_string_equal(config.settings->items[0].text, "DEBUG");
}

static void get_needs_the_kbs_alone(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	assert_int_equal(parse(KBS, CONFIG_KBS, &config, &err), 0);
	assert_int_equal(parse(CREDENTIAL, CONFIG_KBS, &config, &err), -1);
	assert_non_null(strstr(log_text, "f.toml: key 'kbs.url': is missing"));
}

static void pinned_ca_is_checked(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	static const char *const rows[][2] = {
		{ "[kbs]\nurl = \"https://h\"\n", "f.toml:1: key 'kbs.ca': is missing" },
		{ "[kbs]\nurl = \"https://h\"\nca = \"x\"\n", "f.toml:3: key 'kbs.ca': " },
		{ "[kbs]\nurl = \"https://h\"\nca_file = \"/nonexistent\"\n",
		  "f.toml:3: key 'kbs.ca_file': cannot open '/nonexistent'" },
		{ "[kbs]\nurl = \"https://h\"\nca_file = \"/dev/null\"\n",
		  "f.toml:3: key 'kbs.ca_file': '/dev/null' is not a regular file" },
		{ "[kbs]\nurl = \"https://h\"\nca = \"x\"\nca_file = \"/x\"\n",
		  "and 'kbs.ca_file' are given: use one of them" },
		{ "[kbs]\nurl = \"http://h\"\n", "f.toml:2: key 'kbs.url': is plain http" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(parse(rows[i][0], CONFIG_KBS, &config, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(log_text, rows[i][1]))
			fail_msg("expected '%s' in '%s'", rows[i][1], log_text);
	}
}

static void each_problem_has_its_line_and_key(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	assert_int_equal(parse("x = 1\n"		    /* 1 */
			       "[kbs]\n"		    /* 2 */
			       "url = \"ftp://h\"\n"	    /* 3 */
			       "tee_key = \"P-384\"\n"	    /* 4 */
			       "uri = 1\n"		    /* 5 */
			       "[credential]\n"		    /* 6 */
			       "key = \"default/x/y\"\n"    /* 7 */
			       "[spire]\n"		    /* 8 */
			       "server_port = 65536\n"	    /* 9 */
			       "trust_domain = \"UPPER\"\n" /* 10 */
			       "server_address = 1\n"	    /* 11 */
			       "[agent]\n"		    /* 12 */
			       "path = \"relative\"\n"	    /* 13 */
			       "uid = -1\n"		    /* 14 */
			       "allow_disk = \"yes\"\n"	    /* 15 */
			       "version = \"2.0\"\n"	    /* 16 */
			       "socket_path = \"\"\n"	    /* 17 */
			       "[agent.settings]\n"	    /* 18 */
			       "data_dir = \"/d\"\n"	    /* 19 */
			       "unknown_key = 1\n"	    /* 20 */
			       "log_level = 3\n"	    /* 21 */
			       "[run]\n"		    /* 22 */
			       "deadline = \"5\"\n"	    /* 23 */
			       "[[more]]\n",		    /* 24 */
			       CONFIG_ALL, &config, &err),
			 -1);
	static const char *const expected[] = {
		"f.toml:1: key 'x': is unknown",
		"f.toml:3: key 'kbs.url': ",
		"f.toml:4: key 'kbs.tee_key': 'P-384' is unknown",
		"f.toml:5: key 'kbs.uri': is unknown",
		"f.toml:6: key 'credential.certificate': is missing beside 'key'",
		"f.toml:7: key 'credential.key': 'default/x/y' is not a KBS resource URI",
		"f.toml:8: key 'spire.trust_bundle': is missing",
		"f.toml:9: key 'spire.server_port': 65536 is no port",
		"f.toml:10: key 'spire.trust_domain': ",
		"f.toml:11: key 'spire.server_address': is of type integer, not string",
		"f.toml:13: key 'agent.path': 'relative' is not an absolute path",
		"f.toml:14: key 'agent.uid': -1 is no user or group id",
		"f.toml:15: key 'agent.allow_disk': is of type string, not boolean",
		"f.toml:16: key 'agent.version': ",
		"f.toml:17: key 'agent.socket_path': is empty",
		"f.toml:19: key 'agent.settings.data_dir': ",
		"f.toml:20: key 'agent.settings.unknown_key': ",
		"f.toml:21: key 'agent.settings.log_level': ",
		"f.toml:23: key 'run.deadline': '5' is no duration",
		"f.toml:24: key 'more': is unknown",
	};
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		if (!strstr(log_text, expected[i]))
			fail_msg("expected '%s' in '%s'", expected[i], log_text);
	assert_non_null(strstr(err.message, "'f.toml' has 20 problems; nothing was sent"));
}

static void keys_that_exclude_each_other_are_named(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	static const char *const rows[][2] = {
		{ "[credential]\npem = \"kbs:///a/b/c\"\nkey = \"kbs:///a/b/c\"\n",
		  "stands beside 'key' or 'certificate'" },
		{ "[credential]\n", "key 'credential.pem': is missing" },
		{ "[credential]\ncertificate = \"kbs:///a/b/c\"\n",
		  "key 'credential.key': is missing beside 'certificate'" },
		{ "[spire]\ntrust_bundle = \"kbs:///a/b/c\"\ntrust_bundle_pem = \"x\"\n",
		  "and 'spire.trust_bundle_pem' are given" },
		{ "[agent]\ngid = 1\n", "key 'agent.gid': needs 'uid' beside it" },
		{ "[agent]\nsocket_path = \"/s/api\"\nadmin_socket_path = \"/s/admin\"\n",
		  "key 'agent.admin_socket_path': " },
		{ "[agent]\nsettings = 1\n", "key 'agent.settings': is of type integer, not table" },
		{ "[run]\nmode = \"daemon\"\n", "key 'run.mode': 'daemon' is unknown; use 'exec' or 'supervise'" },
		{ "kbs = 1\n", "key 'kbs': is of type integer, not table" },
		{ "[spire]\ntrust_domain = \"a\\u0000b\"\n", "holds a NUL character" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(parse(rows[i][0], CONFIG_ALL, &config, &err), -1);
		if (!strstr(log_text, rows[i][1]))
			fail_msg("expected '%s' in '%s'", rows[i][1], log_text);
	}
}

static void broken_toml_is_one_error_with_its_line(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	assert_int_equal(parse("[kbs]\nurl = \n", CONFIG_ALL, &config, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.message, "'f.toml': line 2"));
	assert_string_equal(log_text, "");
}

static void absent_file_is_a_configuration_error(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	assert_int_equal(config_read("/nonexistent/sealpod.toml", CONFIG_ALL, &config, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.message, "'/nonexistent/sealpod.toml': No such file"));
}

static void durations_are_strict(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "1s", 1000 }, { "90s", 90000 }, { "5m", 300000 }, { "24h", 86400000 }, { "86400s", 86400000 } };
	static const char *const bad[] = { "",	  "5",	"s",   "0s",	"25h", "86401s", "1000000s",
					   "5 m", "5M", "-5m", "1h30m", "5ms", "1.5h" };
	int64_t ms = 7;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(config_parse_duration(bytes_of_text(good[i].text), &ms, NULL), 0);
		assert_int_equal(ms, good[i].ms);
	}
	ms = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(config_parse_duration(bytes_of_text(bad[i]), &ms, NULL), -1);
	assert_int_equal(ms, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(a_configuration_for_elsewhere_touches_nothing_here),
		cmocka_unit_test(everything_can_be_said),
		cmocka_unit_test(get_needs_the_kbs_alone),
		cmocka_unit_test(pinned_ca_is_checked),
		cmocka_unit_test(each_problem_has_its_line_and_key),
		cmocka_unit_test(keys_that_exclude_each_other_are_named),
		cmocka_unit_test(broken_toml_is_one_error_with_its_line),
		cmocka_unit_test(absent_file_is_a_configuration_error),
		cmocka_unit_test(durations_are_strict),
	};
	wipe_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
