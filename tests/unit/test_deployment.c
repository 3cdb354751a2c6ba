/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/deployment: a whole file becomes what it says, and every kind of mistake is refused with
 * its line and key.
 */
#include "support.h"

#include <stdio.h>
#include <sys/mman.h>

#include "ctl/deployment.h"
#include "ctl/users.h"

#define GOOD                                                                                                           \
	"name = \"hello\"\ntrust_domain = \"example.test\"\ntees = [\"snp\", \"az-snp-vtpm\"]\n"                       \
	"[spire]\nversion = \"1.15.2\"\nserver_address = \"spire.example.test\"\n"                                     \
	"trust_bundle_file = \"bundle.pem\"\n"                                                                         \
	"[kbs]\nurl = \"https://kbs.example.test\"\nca_file = \"ca.pem\"\n"                                            \
	"[image.reference_values]\nsnp_launch_measurement = [\"00ff\"]\n"                                              \
	"[[class]]\nname = \"web\"\n[[class.workload]]\nspiffe_id = \"/ns/web/sa/web\"\n"                              \
	"selectors = [\"unix:uid:1000\"]\nttl = \"1h\"\ndns_names = [\"web.test\"]\n"

static void reads_a_whole_file(void **state)
{
	(void)state;
	struct deployment d CLEANUP(deployment_done) = { 0 };
	struct err err = { 0 };
	OWNED_BUF struct buf path = BUF_INIT(256);
	if (deployment_parse(
		    bytes_of_text(GOOD "[[secret]]\npath = \"attestation-status/status\"\nvalue = \"attested\"\n"),
		    "dir/deployment.toml", &d, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(d.name, "hello");
	assert_string_equal(d.directory, "dir");
	assert_int_equal(d.tees.count, 2);
	assert_int_equal(d.server_port, 8081);
	assert_int_equal(d.generation, TRUSTEE_1_1);
	assert_string_equal(d.repository, "default");
	assert_int_equal(d.reference_count, 1);
	assert_string_equal(d.references[0].values.items[0], "00ff");
	assert_int_equal(d.class_count, 1);
	assert_true(d.classes[0].mint);
	assert_string_equal(d.classes[0].workloads[0].spiffe_id, "/ns/web/sa/web");
	assert_int_equal(d.classes[0].workloads[0].ttl_s, 3600);
	assert_true(deployment_secret_is_for(&d.secrets[0], "web"));
	assert_int_equal(deployment_path(&d, "bundle.pem", &path, &err), 0);
	assert_string_equal(buf_text(&path), "dir/bundle.pem");
}

static char log_text[16384];

/* Parses with standard error caught in log_text. */
static int parse(const char *text, struct deployment *deployment, struct err *err)
{
	int memory = memfd_create("log", MFD_CLOEXEC);
	int saved = dup(STDERR_FILENO);
	assert_true(memory >= 0 && saved >= 0 && dup2(memory, STDERR_FILENO) >= 0);
	int rc = deployment_parse(bytes_of_text(text), "d.toml", deployment, err);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	ssize_t n = pread(memory, log_text, sizeof(log_text) - 1, 0);
	assert_true(n >= 0);
	log_text[n] = 0;
	(void)close(memory);
	(void)close(saved);
	return rc;
}

static void assert_refused(const char *text, const char *part)
{
	struct deployment d CLEANUP(deployment_done) = { 0 };
	struct err err = { 0 };
	if (parse(text, &d, &err) == 0)
		fail_msg("taken, although '%s'", part);
	if (!strstr(log_text, part))
		fail_msg("'%s' is not in: %s", part, log_text);
	assert_int_equal(err_exit_status(&err), EXIT_CONFIG);
}

static void refuses_each_mistake(void **state)
{
	(void)state;
	assert_refused("", "key 'name': is missing");
	assert_refused("name = \"a.b\"\n", "'a.b' cannot be part of certificates'");
	assert_refused("name = \"Shop\"\n", "'Shop' cannot be part of certificates'");
	assert_refused("name = \"shop-\"\n", "'shop-' cannot be part of certificates'");
	assert_refused("name = \"a_b\"\n", "'a_b' cannot be part of certificates'");
	assert_refused("[pod]\nruntime_class = \"a..b\"\n", "'a..b' cannot name a Kubernetes object");
	assert_refused("[pod]\nruntime_class = \"a.-b\"\n", "'a.-b' cannot name a Kubernetes object");
	assert_refused("nonsense = 1\n" GOOD, "key 'nonsense': is unknown");
	assert_refused(GOOD
		       "[[class]]\nname = \"web\"\n[[class.workload]]\nspiffe_id = \"/a\"\nselectors = [\"a:b\"]\n",
		       "is that of another class");
	assert_refused(GOOD
		       "[[class]]\nname = \"root\"\n[[class.workload]]\nspiffe_id = \"/a\"\nselectors = [\"a:b\"]\n",
		       "root CA's files");
	assert_refused(GOOD "[[class]]\nname = \"b\"\n", "has at least one [[class.workload]]");
	assert_refused(GOOD "[[secret]]\npath = \"a/b\"\n", "give one");
	assert_refused(GOOD "[[secret]]\npath = \"a\"\nvalue = \"x\"\n", "is not of the form");
	assert_refused(GOOD "[[secret]]\npath = \"x509pop-a/b\"\nvalue = \"x\"\n", "kept for what build makes");
	assert_refused(GOOD "[[secret]]\npath = \"sealpod-config-a/b\"\nvalue = \"x\"\n", "kept for what build makes");
	assert_refused("[snp_minimum_tcb]\nsnp = 256\n", "256 is no security version");
	assert_refused("[snp_minimum_tcb]\nfmc = 1\n", "key 'snp_minimum_tcb.fmc': is unknown");
	assert_refused("[spire]\ntrust_bundle_from = \"etcd\"\n", "'etcd' is unknown; use 'kbs' or 'init-data'");
	assert_refused(GOOD "[[secret]]\npath = \"spire-key-a/b\"\nvalue = \"x\"\n", "kept for what build makes");
	assert_refused(GOOD "[[secret]]\npath = \"signing-key/sealed-secret\"\nvalue = \"x\"\n", "signing key");
	assert_refused(GOOD "[[secret]]\npath = \"a/b\"\nvalue = \"x\"\nclasses = [\"no\"]\n", "'no' is no class");
	assert_refused(GOOD "[[class.workload]]\nspiffe_id = \"spiffe://other.test/a\"\nselectors = [\"a:b\"]\n",
		       "is of another trust domain");
	assert_refused(GOOD "[[class.workload]]\nspiffe_id = \"/spire/server\"\nselectors = [\"a:b\"]\n",
		       "SPIRE's own");
	assert_refused(GOOD "[[class.workload]]\nspiffe_id = \"/spire\"\nselectors = [\"a:b\"]\n", "SPIRE's own");
	assert_refused(GOOD "[[class.workload]]\nspiffe_id = \"/a\"\nselectors = [\"ab\"]\n", "is no selector");
	assert_refused(GOOD "[[class.workload]]\nspiffe_id = \"/a\"\nselectors = [\"a:b\"]\nttl = \"1ms\"\n",
		       "seconds");
}

/* Selectors become users of a pod, and what is no number matches nobody. */
static void users_are_numbers(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"unix:uid:abc",		"unix:uid:1\\n    privileged: true",
		"unix:uid:4294967295",	"unix:uid:-1",
		"unix:uid:01",		"unix:gid:1000 ",
		"unix:gid:99999999999", "unix:supplementary_gid:x",
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char text[4096];
		(void)snprintf(text, sizeof(text),
			       GOOD "[[class.workload]]\nspiffe_id = \"/a\"\nselectors = [\"%s\"]\n", wrong[i]);
		assert_refused(text, "matches nobody");
	}
}

#define CLASS(selectors)                                                                                               \
	"[[class]]\nname = \"b\"\n[[class.workload]]\nspiffe_id = \"/a\"\nselectors = [" selectors "]\n"

static void assert_users(const char *selectors, uint32_t workload, uint32_t group)
{
	struct deployment d CLEANUP(deployment_done) = { 0 };
	struct users users;
	struct err err = { 0 };
	char text[4096];
	(void)snprintf(text, sizeof(text),
		       GOOD "[[class]]\nname = \"b\"\n[[class.workload]]\nspiffe_id = \"/a\"\nselectors = [%s]\n",
		       selectors);
	if (parse(text, &d, &err) < 0)
		fail_msg("%s", log_text);
	users_of(&d, &d.classes[1], &users);
	assert_int_equal(users.agent, USERS_AGENT);
	assert_int_equal(users.workload, workload);
	assert_int_equal(users.group, group);
}

static void a_pods_users_are_those_of_its_selectors(void **state)
{
	(void)state;
	assert_users("\"unix:uid:7\"", 7, 7);
	assert_users("\"unix:uid:7\", \"unix:gid:8\"", 7, 8);
	assert_users("\"unix:gid:8\"", USERS_WORKLOAD, 8);
	assert_users("\"a:b\"", USERS_WORKLOAD, USERS_WORKLOAD);
	assert_users("\"unix:uid:0\"", 0, 0);
	assert_users("\"unix:uid:4294967294\"", 4294967294, 4294967294);
	assert_users("\"unix:gid:8\"]\n[[class.workload]]\nspiffe_id = \"/b\"\nselectors = [\"unix:uid:9\"", 9, 9);
}

/* It could read the agent's credential. */
static void no_workload_has_the_agents_user(void **state)
{
	(void)state;
	assert_refused(GOOD CLASS("\"unix:uid:64000\""), "run as 64000, which is the agent's user");
	assert_refused(GOOD CLASS("\"unix:uid:7\"") "[[class.workload]]\nspiffe_id = \"/b\"\nselectors = "
						    "[\"unix:uid:64000\"]\n",
		       "run as 64000, which is the agent's user");
#define WITH_AGENT(uid)                                                                                                \
	"name = \"hello\"\ntrust_domain = \"example.test\"\ntees = [\"snp\"]\n"                                        \
	"[spire]\nversion = \"1.15.2\"\nserver_address = \"s.test\"\ntrust_bundle_file = \"b\"\nagent_uid = " uid      \
	"\n[kbs]\nurl = \"http://k.test\"\n"
	struct deployment d CLEANUP(deployment_done) = { 0 };
	struct err err = { 0 };
	assert_refused(WITH_AGENT("7") CLASS("\"unix:uid:7\""), "run as 7, which is the agent's user");
	assert_refused(WITH_AGENT("1000") CLASS("\"a:b\""), "run as 1000, which is the agent's user");
	assert_refused(WITH_AGENT("0") CLASS("\"unix:uid:0\""), "run as 0, which is the agent's user");
	if (parse(WITH_AGENT("7") CLASS("\"unix:uid:64000\""), &d, &err) < 0)
		fail_msg("%s", log_text);
}

#define X20 "xxxxxxxxxxxxxxxxxxxx"

static void names_of_ours_are_kept(void **state)
{
	(void)state;
	struct deployment d CLEANUP(deployment_done) = { 0 };
	struct err err = { 0 };
	assert_refused(GOOD "[[class.workload]]\nspiffe_id = \"/sealpod/hello/web\"\nselectors = [\"a:b\"]\n",
		       "is below '/sealpod/NAME'");
	assert_refused(GOOD "[[class.workload]]\nspiffe_id = \"spiffe://example.test/sealpod/hello\"\nselectors = "
			    "[\"a:b\"]\n",
		       "is below '/sealpod/NAME'");
	assert_refused(GOOD "[[secret]]\npath = \"a/.key.0123abcd\"\nvalue = \"x\"\n", "begins with a dot");
	assert_refused(GOOD "[[secret]]\npath = \".a/key\"\nvalue = \"x\"\n", "begins with a dot");
	if (parse(GOOD "[[class.workload]]\nspiffe_id = \"/sealpod/hello2/web\"\nselectors = [\"a:b\"]\n", &d, &err) <
	    0)
		fail_msg("%s", log_text);
}

/* Each with its line. */
static void certificates_have_room_for_names(void **state)
{
	(void)state;
	struct deployment d CLEANUP(deployment_done) = { 0 };
	struct err err = { 0 };
#define CLASS_NAMED(name)                                                                                              \
	"[[class]]\nname = \"" name "\"\n[[class.workload]]\nspiffe_id = \"/a\"\nselectors = [\"a:b\"]\n"
	assert_refused(GOOD CLASS_NAMED(X20 X20 "xxxxxxxxxxxxxxxxxxx"),
		       "d.toml:20: key 'class.name': makes a common name");
	assert_non_null(strstr(log_text, "of 65 characters; certificates take 64"));
	if (parse(GOOD CLASS_NAMED(X20 X20 "xxxxxxxxxxxxxxxxxx"), &d, &err) < 0)
		fail_msg("%s", log_text);
}

/* It is required here: the guest's advice to leave it away would be none. */
static void an_unknown_version_is_told_alone(void **state)
{
	(void)state;
	assert_refused("[spire]\nversion = \"1.99.0\"\n", "spire-agent 1.99.0 is not known (1.9 to 1.15 are)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_whole_file),
		cmocka_unit_test(refuses_each_mistake),
		cmocka_unit_test(names_of_ours_are_kept),
		cmocka_unit_test(certificates_have_room_for_names),
		cmocka_unit_test(an_unknown_version_is_told_alone),
		cmocka_unit_test(users_are_numbers),
		cmocka_unit_test(a_pods_users_are_those_of_its_selectors),
		cmocka_unit_test(no_workload_has_the_agents_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
