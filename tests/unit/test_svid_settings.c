/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_settings: the table [svid], from a file and from a command line over it.
 */
#include "support.h"

#include "config/config.h"
#include "base/cleanup.h"

static int read_text(const char *file, const char *flags, struct config *config, struct err *err)
{
	char path[256];
	char dir[256];
	make_directory(dir);
	(void)snprintf(path, sizeof(path), "%.200s/sealpod.toml", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, file, strlen(file)) == (ssize_t)strlen(file));
	(void)close(fd);
	int rc = config_read_svid(*file ? path : NULL, bytes_of_text(flags), config, err);
	(void)unlink(path);
	(void)rmdir(dir);
	return rc;
}

static void defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	const char *path;
	if (read_text("", "[svid]\ndirectory = '/d'\n", &config, &err) < 0)
		fail_msg("%s", err.message);
	const struct svid_settings *svid = &config.svid;
	assert_string_equal(svid->svid_file, "svid.pem");
	assert_string_equal(svid->key_file, "svid_key.pem");
	assert_string_equal(svid->bundle_file, "svid_bundle.pem");
	assert_int_equal(svid->cert_mode, 0644);
	assert_int_equal(svid->key_mode, 0600);
	assert_int_equal(svid->deletion_grace_ms, 30000);
	assert_int_equal(svid->margin_ms, 10000);
	assert_int_equal(svid->on_deletion, SVID_WITHDRAW);
	assert_int_equal(svid->replace, SVID_REPLACE_DIRECTORY);
	assert_int_equal(svid->restart, SVID_RESTART_NEVER);
	assert_int_equal(svid_settings_socket(svid, NULL, &path, NULL), 0);
	assert_string_equal(path, "/tmp/spire-agent/public/api.sock");
	assert_int_equal(svid_settings_socket(svid, "", &path, NULL), 0);
	assert_string_equal(path, "/tmp/spire-agent/public/api.sock");
	assert_int_equal(svid_settings_socket(svid, "unix:///run/x", &path, NULL), 0);
	assert_string_equal(path, "/run/x");
	assert_int_equal(svid_settings_socket(svid, "x", &path, NULL), -1);
	assert_int_equal(svid_settings_owner(svid).uid, geteuid());
}

static void the_command_line_goes_over_the_file(void **state)
{
	(void)state;
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	struct bytes member;
	if (read_text(
		    "[svid]\ndirectory = '/d'\nhint = 'a'\nkey_mode = '0640'\nsignal = 'USR1'\ncommand = ['x', 'y z']\n"
		    "[kbs]\nurl = 'https://k'\n",
		    "[svid]\nhint = 'b'\nsignal = 'SIGUSR2'\n", &config, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(config.svid.hint, "b");
	assert_int_equal(config.svid.key_mode, 0640);
	assert_int_equal(config.svid.signal, SIGUSR2);
	const char *at = config.svid.command;
	assert_true(svid_list_next(&at, &member) && bytes_equal_text(member, "x"));
	assert_true(svid_list_next(&at, &member) && bytes_equal_text(member, "y z"));
	assert_false(svid_list_next(&at, &member));
}

static void refused(const char *lines)
{
	struct config config = { 0 };
	struct err err = { 0 };
	struct buf text OWNED_BUF = BUF_INIT(4096);
	assert_int_equal(buf_printf(&text, NULL, "[svid]\ndirectory = '/d'\n%s\n", lines), 0);
	if (read_text("", buf_text(&text), &config, &err) == 0)
		fail_msg("'%s' was taken", lines);
	assert_int_equal(err.code, ERR_CONFIG);
}

static void wrong_values_are_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"x = 1",
		"replace = 'x'",
		"on_deletion = ''",
		"restart = 'on_failure'",
		"signal = 'KILL'",
		"signal = 'SIG'",
		"key_mode = '640'\nkey_mode = '0640'",
		"key_mode = '0644'",
		"key_mode = '0604'",
		"key_mode = '0620'",
		"key_mode = '0700'",
		"key_mode = '0040'",
		"key_mode = '8'",
		"key_mode = '00600'",
		"key_mode = 600",
		"cert_mode = '0666'",
		"cert_mode = '0755'",
		"uid = -1",
		"uid = 4294967295",
		"deletion_grace = '0s'",
		"command = []",
		"command = ['']",
		"command = [1]",
		"command = [\"a\\nb\"]",
		"command = 'x'",
		"pid_file = 'rel'",
		"pid_file = '/x'",
		"socket = 'rel'",
		"socket = 'tcp://x:1'",
		"svid_file = 'a/b'",
		"svid_file = '.a'",
		"svid_file = '..data'",
		"svid_file = '{x}'",
		"svid_file = 'a{hint'",
		"svid_file = 'a}b'",
		"svid_file = '{hint}'",
		"svid_file = '{hint}.c'\nkey_file = 'k'",
		"key_file = '{hint}'",
		"svid_file = '{hint}.c'\nkey_file = '{hint}.k'\nhint = 'x'",
		"key_file = 'svid.pem'",
		"bundle_file = '{trust_domain}'",
		"federated_file = 'f'",
		"federated_file = '{hint}'",
		"combined_file = 'svid.pem'",
		"pkcs12_file = 'x'",
		"pkcs12_password_file = '/x'",
		"no_x509 = true",
		"no_x509 = true\njwt = ['a=b']\ncombined_file = 'x'",
		"jwt = ['a']",
		"jwt = ['a=']",
		"jwt = ['a/b=c']",
		"jwt = ['=c']",
		"jwt = ['a=1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17']",
		"jwt_bundle_file = '{hint}'",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		refused(rows[i]);
	struct config config = { 0 };
	assert_int_equal(read_text("", "", &config, NULL), -1); /* no directory */
}

static void right_values_are_taken(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"key_mode = '400'",
		"key_mode = '0440'",
		"cert_mode = '0444'",
		"svid_file = '{id}-{index}.c'\nkey_file = '{hint}.k'",
		"no_x509 = true\njwt_bundle_file = '{trust_domain}.json'",
		"jwt = ['a=b c', 'd=https://x/?y=z']",
		"pid_file = '/x'\nsignal = 'HUP'",
		"pkcs12_file = 'x'\npkcs12_password_file = '/x'",
		"federated_file = 'b-{trust_domain}.pem'\ninclude_federated = true",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct config config OWNED_CONFIG = { 0 };
		struct err err = { 0 };
		struct buf text OWNED_BUF = BUF_INIT(4096);
		assert_int_equal(buf_printf(&text, NULL, "[svid]\ndirectory = '/d'\n%s\n", rows[i]), 0);
		if (read_text("", buf_text(&text), &config, &err) < 0)
			fail_msg("'%s': %s", rows[i], err.message);
	}
}

static void tokens_are_taken_apart(void **state)
{
	(void)state;
	CLEANUP(svid_token_done) struct svid_token token = { .text = NULL };
	assert_int_equal(svid_token_parse(bytes_of_text("f=one  two=2"), &token, NULL), 0);
	assert_string_equal(token.file, "f");
	assert_int_equal(token.audience_count, 2);
	assert_string_equal(token.audiences[0], "one");
	assert_string_equal(token.audiences[1], "two=2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(the_command_line_goes_over_the_file),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(right_values_are_taken),
		cmocka_unit_test(tokens_are_taken_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
