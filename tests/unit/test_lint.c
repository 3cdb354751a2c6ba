/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/lint and ctl/guest: each trap is found and said, and what we write ourselves has none.
 */
#include "support.h"

#include <stdio.h>

#include "ctl/guest.h"
#include "ctl/lint.h"
#include "initdata/compose.h"
#include "spire/issue.h"

static struct buf ca = BUF_INIT(65536);
static struct buf jwk = BUF_INIT(4096);

/* A CA that was made 30 days ago, for so many days. */
static void make_old_ca(int64_t days, struct secret *key, struct buf *pem)
{
	const struct spire_issue issue = {
		.kind = SPIRE_ISSUE_ROOT, .cn = "old", .days = days, .now = time(NULL) - 30 * 86400
	};
	assert_int_equal(spire_issue(&issue, NULL, bytes_of("", 0), key, pem, NULL), 0);
}

static int make_material(void **state)
{
	(void)state;
	struct secret key OWNED_SECRET = SECRET_INIT;
	struct secret signer OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf public = BUF_INIT(4096);
	const struct spire_issue issue = { .kind = SPIRE_ISSUE_ROOT, .cn = "ca", .now = time(NULL) };
	if (spire_key_generate(SPIRE_KEY_P256, &signer, &public, NULL) < 0 ||
	    spire_key_jwk(buf_bytes(&public), "k", &jwk, NULL) < 0)
		return -1;
	return spire_issue(&issue, NULL, bytes_of("", 0), &key, &ca, NULL);
}

static void lint_text(struct bytes toml, const struct lint_target *target, struct lint *lint, struct buf *out)
{
	OWNED_INITDATA struct initdata *doc = NULL;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	if (initdata_parse(toml, &doc, &err) < 0)
		fail_msg("%s", err.message);
	sheet_start(&sheet, false);
	*lint = (struct lint){ .sheet = &sheet };
	sheet_begin_list(&sheet, "findings", NULL);
	lint_initdata(lint, doc, target);
	sheet_end(&sheet);
	assert_int_equal(sheet_write(&sheet, out, &err), 0);
	lint->sheet = NULL;
}

static void assert_found(const char *entry, const char *text, const struct lint_target *target, bool is_error,
			 const char *part)
{
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	OWNED_BUF struct buf out = BUF_INIT(65536);
	struct err err = { 0 };
	struct lint lint;
	const struct initdata_part parts[] = { { entry, bytes_of_text(text) } };
	assert_int_equal(initdata_compose(parts, 1, &toml, &err), 0);
	lint_text(buf_bytes(&toml), target, &lint, &out);
	if (!strstr(buf_text(&out), part))
		fail_msg("'%s' is not in: %s", part, buf_text(&out));
	assert_true(is_error ? lint.errors > 0 : lint.errors == 0 && lint.warnings > 0);
}

static const struct lint_target no_target = { 0 };

static void finds_holes_in_the_agent_policy(void **state)
{
	(void)state;
#define POLICY "package agent_policy\n"
	assert_found("policy.rego", POLICY "default SetPolicyRequest := true\n", &no_target, true, "SetPolicyRequest");
	assert_found("policy.rego", POLICY "default  ExecProcessRequest  =  true # x\n", &no_target, true, "line 2");
	assert_found("policy.rego", POLICY "WriteStreamRequest := true\n", &no_target, true, "WriteStreamRequest");
	assert_found("policy.rego", POLICY "CopyFileRequest\n", &no_target, true, "CopyFileRequest");
	assert_found("policy.rego", POLICY "ReadStreamRequest if true\n", &no_target, false, "ReadStreamRequest");
	assert_found("policy.rego", POLICY "default SetGuestDateTimeRequest:=true\n", &no_target, false, "clock");
	assert_found("policy.rego", POLICY "SetPolicyRequest if {\n  input.x == 1\n}\n", &no_target, true, "may be");
	assert_found("policy.rego", POLICY "SetPolicyRequest := input.ok\n", &no_target, true, "line 2");
	assert_found("policy.rego", POLICY "ExecProcessRequest if {\n\n# x\n\ttrue\n}\n", &no_target, true, "line 2");
	assert_found("policy.rego", POLICY "default AllowRequestsFailingPolicy := true\n", &no_target, true, "Failing");
	assert_found("policy.rego", "package other\n", &no_target, true, "package agent_policy");
	assert_found("other", "", &no_target, false, "policy.rego: is missing");
}

/* A rule may begin anywhere, and says the same in many spellings. */
static void finds_rules_wherever_they_begin(void **state)
{
	(void)state;
	static const struct {
		const char *text, *part;
		bool is_error;
	} rows[] = {
		{ "default A := false default SetPolicyRequest := true", "line 2: SetPolicyRequest is allowed", true },
		{ "A if { false } SetPolicyRequest if { true }", "line 2: SetPolicyRequest is allowed", true },
		{ "A := false; SetPolicyRequest := true", "line 2: SetPolicyRequest is allowed", true },
		{ "A := [1] SetPolicyRequest := input.x", "SetPolicyRequest may be allowed", true },
		{ "A := 1. SetPolicyRequest := true", "SetPolicyRequest is allowed", true },
		{ "A := 1.SetPolicyRequest := true", "SetPolicyRequest is allowed", true },
		{ "A := \"# { \\\" {\" SetPolicyRequest := true", "SetPolicyRequest is allowed", true },
		{ "A := `\n\" {\n` SetPolicyRequest := true", "line 4: SetPolicyRequest is allowed", true },
		{ "import future.keywords.if\nSetPolicyRequest", "line 3: SetPolicyRequest is allowed", true },
		{ "A := if SetPolicyRequest := true", "SetPolicyRequest is allowed", true },
		{ "SetPolicyRequest := false else := true", "SetPolicyRequest may be allowed", true },
		{ "SetPolicyRequest := false { input.x } else = true", "SetPolicyRequest may be allowed", true },
		{ "SetPolicyRequest := false == false", "SetPolicyRequest may be allowed", true },
		{ "SetPolicyRequest { false }", "SetPolicyRequest may be allowed", true },
		{ "SetPolicyRequest[x] { x := 1 }", "SetPolicyRequest may be allowed", true },
		{ "SetPolicyRequest(x) := true", "SetPolicyRequest may be allowed", true },
		{ "default SetPolicyRequest :=false SetPolicyRequest if input.x", "may be allowed", true },
		{ "default ExecProcessRequest :=true", "ExecProcessRequest is allowed", true },
		{ "default ExecProcessRequest =true", "ExecProcessRequest is allowed", true },
		{ "default ExecProcessRequest :=\ntrue", "line 2: ExecProcessRequest is allowed", true },
		{ "default\nExecProcessRequest := true", "line 3: ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest{true}", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest := true { true }", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest = true { true }", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest := true if true", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest { 1 == 1 }", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest if 1 == 1 A := input.x", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest { input.x } { true }", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest { print(\"x\", input) }", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest if not false", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest { _ = 1 }", "ExecProcessRequest is allowed", true },
		{ "ExecProcessRequest := {\"allowed\": true}", "cannot be told", false },
		{ "ExecProcessRequest := false if { input.x } else := true", "cannot be told", false },
		{ "ExecProcessRequest { input.x with input as {\"x\": 1} }", "cannot be told", false },
		{ "ExecProcessRequest := true == true", "cannot be told", false },
		{ "ExecProcessRequest contains 1", "cannot be told", false },
		{ "ExecProcessRequest if {1} == {2}", "ExecProcessRequest is allowed", true },
		{ "A := \"x\nB := 1", "no Rego, or a text without its end", false },
		{ "A := `x\nB := 1", "line 2: has what is no Rego", false },
		{ "A := $\"x\"", "no Rego", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OWNED_BUF struct buf text = BUF_INIT(4096);
		assert_int_equal(buf_printf(&text, NULL, POLICY "%s\n", rows[i].text), 0);
		assert_found("policy.rego", buf_text(&text), &no_target, rows[i].is_error, rows[i].part);
	}
	assert_found("policy.rego", "package agent_policy.more\n", &no_target, true, "package agent_policy");
	assert_found("policy.rego", "package agent_policy SetPolicyRequest := true", &no_target, true, "line 1");
}

/* What costs much or says much ends all the same. */
static void long_policies_end(void **state)
{
	(void)state;
	static const char *const pieces[] = { "CopyFileRequest ", "\\\"", "{", "print(", "a if SetPolicyRequest " };
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		OWNED_BUF struct buf text = BUF_INIT(INITDATA_MAX), toml = BUF_INIT(INITDATA_MAX);
		OWNED_BUF struct buf out = BUF_INIT(65536);
		struct lint lint;
		assert_int_equal(buf_append_text(&text, POLICY "A if {", NULL), 0);
		if (i == 0)
			assert_int_equal(buf_append_text(&text, "x }", NULL), 0);
		while (text.len < 200000)
			assert_int_equal(buf_append_text(&text, pieces[i], NULL), 0);
		const struct initdata_part part = { "policy.rego", buf_bytes(&text) };
		assert_int_equal(initdata_compose(&part, 1, &toml, NULL), 0);
		lint_text(buf_bytes(&toml), &no_target, &lint, &out);
		assert_true(lint.errors + lint.warnings <= 101);
		assert_int_equal(strstr(buf_text(&out), "no more are looked for") != NULL, i == 0);
	}
}

/* A condition is the operator's business, a denial is none; other names are others. */
static void is_quiet_about_conditions_and_denials(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"ExecProcessRequest if {\n  input.process.Args == [\"x\"]\n}\n",
		"default SetPolicyRequest := false\ndefault ExecProcessRequest=false\n",
		"default SetPolicyRequestMore := true\n# SetPolicyRequest := true\n",
		"CopyFileRequest if {\n  startswith(input.path, \"/run/x\")\n}\n",
		"default SetPolicyRequest :=false\ndefault SetPolicyRequest =\nfalse SetPolicyRequest := false { "
		"input.x }\n",
		"A if SetPolicyRequest\nB if not SetPolicyRequest\nC := data.agent_policy.SetPolicyRequest == true\n",
		"A := {\n\"x\": 1,\n}\nB if {\nSetPolicyRequest == true\n}\nC := [\nExecProcessRequest,\n]\n",
		"A := \"x\" # SetPolicyRequest := true\nB := `\nSetPolicyRequest := true\n`\n",
		"ExecProcessRequest { false }\nExecProcessRequest if input.x\nA := true\n",
		"ExecProcessRequest if every x in input.xs {\n true\n}\n",
		"WriteStreamRequest { policy_data.request_defaults.WriteStreamRequest == true }\n",
		"CreateContainerRequest := {\"ops\": ops, \"allowed\": true} { ops := input.x }\n",
		"ExecProcessRequest := input.ok\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX), text = BUF_INIT(4096), out = BUF_INIT(65536);
		struct lint lint;
		struct err err = { 0 };
		assert_int_equal(buf_printf(&text, &err, POLICY "%s", texts[i]), 0);
		const struct initdata_part part = { "policy.rego", buf_bytes(&text) };
		assert_int_equal(initdata_compose(&part, 1, &toml, &err), 0);
		lint_text(buf_bytes(&toml), &no_target, &lint, &out);
		if (lint.errors + lint.warnings > 0)
			fail_msg("%s", buf_text(&out));
	}
}

static void finds_traps_of_the_guest_components(void **state)
{
	(void)state;
	assert_found("aa.toml", "[token_configs.kbs]\nurl = \"https://k\"\n", &no_target, true, "without its CA");
	assert_found("cdh.toml", "[kbc]\nurl = \"https://k\"\nkbs_cert = \"\"\n", &no_target, true, "without its CA");
	assert_found("aa.toml", "[token_configs.kbs]\nurl = \"http://k\"\n", &no_target, false, "without TLS");
	assert_found("aa.toml", "aa_kbc_params = \"cc_kbc::http://[::1]\"\n", &no_target, true, "one '::'");
	assert_found("cdh.toml", "skip_sealed_secret_verification = true\n", &no_target, true, "sealed secrets");
	assert_found("cdh.toml", "= 1\n", &no_target, true, "cdh.toml");
	assert_found("sealpod.toml", "[kbs]\nwrong = 1\n", &no_target, true, "sealpod.toml");
	assert_found("aa.toml", "[token_configs.kbs]\nurl = \"https://k\"\ncert = \" \"\n", &no_target, true,
		     "aa.toml: the KBS's CA ('cert') is none");
	assert_found("cdh.toml", "[kbc]\nurl = \"https://k\"\nkbs_cert = \"x\"\n", &no_target, true,
		     "cdh.toml: the KBS's CA ('kbs_cert') is none");
	assert_found("aa.toml", "[a]\nb = [{ aa_kbc_params = \"cc_kbc\" }]\n", &no_target, true, "one '::'");
	assert_found("aa.toml", "k = \"x agent.aa_kbc_params=cc_kbc::http://[::1] y\"\n", &no_target, true, "one '::'");
}

static unsigned errors_of(const char *entry, const char *text, struct buf *out)
{
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	struct lint lint;
	const struct initdata_part part = { entry, bytes_of_text(text) };
	assert_int_equal(initdata_compose(&part, 1, &toml, NULL), 0);
	lint_text(buf_bytes(&toml), &no_target, &lint, out);
	return lint.errors;
}

static void is_quiet_about_what_only_looks_like_a_trap(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"# aa_kbc_params\n",
		"aa_kbc_params = \"cc_kbc::https://k\" # :: ::\n",
		"k = \"agent.aa_kbc_params=cc_kbc::http://k b=::\"\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		OWNED_BUF struct buf out = BUF_INIT(65536);
		if (errors_of("aa.toml", texts[i], &out) > 0)
			fail_msg("%s", buf_text(&out));
	}
}

static size_t times(const char *text, const char *part)
{
	size_t count = 0;
	for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
		count++;
	return count;
}

/* Of its own, with key and line; no sum of them, unless there are too many. */
static void each_problem_is_a_finding(void **state)
{
	(void)state;
	OWNED_BUF struct buf out = BUF_INIT(65536), many = BUF_INIT(65536), more = BUF_INIT(65536);
	unsigned errors = errors_of("sealpod.toml", "[kbs]\nwrong = 1\n[spire]\ntrust_domain = 7\n", &out);
	const char *text = buf_text(&out);
	assert_non_null(strstr(text, "sealpod.toml line 2: key 'kbs.wrong': is unknown"));
	assert_non_null(strstr(text, "sealpod.toml line 4: key 'spire.trust_domain': is of type integer"));
	assert_null(strstr(text, "problem"));
	assert_null(strstr(text, "nothing was sent"));
	assert_int_equal(errors, times(text, "error   "));
	assert_int_equal(buf_append_text(&many, "[kbs]\n", NULL), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(buf_printf(&many, NULL, "wrong%u = 1\n", i), 0);
	assert_int_equal(errors_of("sealpod.toml", buf_text(&many), &more), PROBLEMS_TOLD_MAX + 1);
	assert_non_null(strstr(buf_text(&more), "'sealpod.toml' has 2"));
	assert_int_equal(errors_of("sealpod.toml", "= 1\n", &out), 1);
}

/* A whole sealpod.toml for an agent of this version, with one of SPIRE's own settings. */
static void assert_found_for_version(const char *version, const char *setting, bool is_error, const char *part)
{
	OWNED_BUF struct buf text = BUF_INIT(65536);
	struct err err = { 0 };
	assert_int_equal(buf_printf(&text, &err,
				    "[kbs]\nurl = \"https://k.test\"\nca = \"\"\"\n%s\"\"\"\n"
				    "[credential]\npem = \"kbs:///a/b/c\"\n"
				    "[spire]\ntrust_domain = \"t.test\"\nserver_address = \"s.test\"\n"
				    "trust_bundle_pem = \"\"\"\n%s\"\"\"\n"
				    "[agent]\npath = \"/bin/agent\"\nuid = 1\nversion = \"%s\"\n%s",
				    buf_text(&ca), buf_text(&ca), version, setting),
			 0);
	assert_found("sealpod.toml", buf_text(&text), &no_target, is_error, part);
}

/* A whole one with these texts in it. */
static void assert_found_in_texts(const char *kbs_ca, const char *bundle, const char *sealed_key, bool is_error,
				  const char *part)
{
	OWNED_BUF struct buf text = BUF_INIT(65536);
	struct err err = { 0 };
	assert_int_equal(buf_printf(&text, &err,
				    "[kbs]\nurl = \"https://k.test\"\nca = \"\"\"\n%s\"\"\"\n"
				    "[credential]\npem = \"kbs:///a/b/c\"\n"
				    "[secrets]\nsealed_key_pem = '%s'\n"
				    "[spire]\ntrust_domain = \"t.test\"\nserver_address = \"s.test\"\n"
				    "trust_bundle_pem = \"\"\"\n%s\"\"\"\n"
				    "[agent]\npath = \"/bin/agent\"\nuid = 1\n",
				    kbs_ca, sealed_key, bundle),
			 0);
	assert_found("sealpod.toml", buf_text(&text), &no_target, is_error, part);
}

static void reads_the_texts_in_it_as_the_guest_does(void **state)
{
	(void)state;
	OWNED_BUF struct buf over = BUF_INIT(65536), soon = BUF_INIT(65536), with_key = BUF_INIT(65536);
	struct secret key OWNED_SECRET = SECRET_INIT;
	struct secret over_key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf line = BUF_INIT(4096);
	assert_int_equal(buf_append(&line, bytes_of(jwk.data, jwk.len - 1), NULL), 0);
	const char *good = buf_text(&ca), *signer = buf_text(&line);
	make_old_ca(20, &over_key, &over);
	make_old_ca(35, &key, &soon);
	assert_int_equal(buf_printf(&with_key, NULL, "%s%.*s", good, (int)key.len, (const char *)key.data), 0);
	assert_found_in_texts(good, buf_text(&with_key), signer, true, "spire.trust_bundle_pem': a private key begins");
	assert_found_in_texts(good, buf_text(&with_key), signer, true, "document: holds a private key");
	assert_found_in_texts(good, "hi\n", signer, true, "spire.trust_bundle_pem': no PEM block");
	assert_found_in_texts(good, buf_text(&over), signer, true, "none of its CA certificates is valid now");
	assert_found_in_texts(good, buf_text(&soon), signer, false, "trust bundle: 'CN=old' ends at");
	assert_found_in_texts(buf_text(&over), good, signer, true, "kbs.ca': its certificate has ended");
	assert_found_in_texts(buf_text(&soon), good, signer, false, "the KBS's CA: 'CN=old' ends at");
	assert_found_in_texts(good, good, "{}", true, "secrets.sealed_key_pem'");
	assert_found_in_texts(good, "hi\n", "{}", true, "spire.trust_bundle_pem'");
	assert_found_in_texts(good, "hi\n", "{}", true, "secrets.sealed_key_pem'");
	assert_int_equal(buf_append(&over, buf_bytes(&ca), NULL), 0);
	assert_found_in_texts(buf_text(&over), good, signer, false, "the KBS's CA: 'CN=old' ended at");
	assert_found_in_texts(good, buf_text(&over), signer, false, "trust bundle: 'CN=old' ended at");
}

static void finds_what_the_spire_version_lacks(void **state)
{
	(void)state;
	assert_found_for_version("1.14.1", "", false, "1.14.1 lacks the limits");
	assert_found_for_version("1.13.3", "", false, "1.13.3 lacks the limits");
	assert_found_for_version("1.15.2", "allow_disk = true\n[run]\nmode = \"supervise\"\n", false, "without --exec");
	assert_found_for_version("1.15.2", "[agent.settings]\ndisable_sds_api = true\n", true,
				 "key 'agent.settings.disable_sds_api'");
	assert_found_for_version("1.15.2", "[agent.settings]\nno_such_key = 1\n", true,
				 "key 'agent.settings.no_such_key'");
}

static void finds_traps_of_the_document(void **state)
{
	(void)state;
	static const char *const azure[] = { "az-snp-vtpm" };
	static const char *const tdx[] = { "tdx" };
	static const char *const snp[] = { "snp" };
	const struct lint_target on_azure = { .tees = azure, .tee_count = 1 };
	const struct lint_target on_tdx = { .tees = tdx, .tee_count = 1 };
	const struct lint_target on_snp = { .tees = snp, .tee_count = 1 };
	OWNED_BUF struct buf out = BUF_INIT(65536);
	struct lint lint;
#define HEAD(alg) "version = \"0.1.0\"\r\nalgorithm = \"" alg "\"\r\n[data]\r\n"
	lint_text(bytes_of_text(HEAD("sha512")), &on_azure, &lint, &out);
	assert_non_null(strstr(buf_text(&out), "is not sha256"));
	assert_non_null(strstr(buf_text(&out), "CRLF"));
	assert_non_null(strstr(buf_text(&out), "ends with a newline"));
	lint_text(bytes_of_text(HEAD("sha512")), &on_tdx, &lint, &out);
	assert_int_equal(lint.errors, 1);
	lint_text(bytes_of_text(HEAD("sha384")), &on_tdx, &lint, &out);
	assert_int_equal(lint.errors, 0);
	buf_done(&out);
	lint_text(bytes_of_text(HEAD("sha512")), &on_snp, &lint, &out);
	assert_non_null(strstr(buf_text(&out), "cut to 32 bytes"));
	assert_null(strstr(buf_text(&out), "Azure"));
	buf_done(&out);
	lint_text(bytes_of_text(HEAD("sha512")), &no_target, &lint, &out);
	assert_int_equal(lint.errors, 0);
	assert_non_null(strstr(buf_text(&out), "VMs on Azure take no other, TDX none longer"));
	buf_done(&out);
	lint_text(bytes_of_text(HEAD("sha384")), &no_target, &lint, &out);
	assert_non_null(strstr(buf_text(&out), "VMs on Azure take no other, and SNP"));
	buf_done(&out);
	lint_text(bytes_of_text(HEAD("sha256")), &no_target, &lint, &out);
	assert_null(strstr(buf_text(&out), "Azure"));
}

static void warns_of_the_target_itself(void **state)
{
	(void)state;
	static const char *const milan[] = { "milan" };
	const struct lint_target target = { .processors = milan, .processor_count = 1, .spire_version = "1.13.3" };
	const struct lint_target fixed = { .spire_version = "1.13.4" };
	OWNED_BUF struct buf out = BUF_INIT(65536);
	struct lint lint;
	assert_found("policy.rego", POLICY, &target, false, "Milan is the only one");
	assert_found("policy.rego", POLICY, &target, false, "1.13.3 lacks");
	lint_text(bytes_of_text("version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n\"policy.rego\" = \"package "
				"agent_policy\""),
		  &fixed, &lint, &out);
	assert_int_equal(lint.warnings, 0);
}

static struct deployment_workload workload = { .spiffe_id = "/w" };
static struct deployment_class classes[] = {
	{ .name = "web", .mint = true, .workloads = &workload, .workload_count = 1 },
	{ .name = "db", .mint = false, .workloads = &workload, .workload_count = 1 },
};

static struct deployment deployment_of(const char *url)
{
	return (struct deployment){ .trust_domain = "example.test",
				    .spire_version = "1.15.2",
				    .server_address = "spire.example.test",
				    .server_port = 8081,
				    .agent_path = "/opt/spire/bin/spire-agent",
				    .agent_uid = 1000,
				    .kbs_url = url,
				    .repository = "default" };
}

static void our_own_has_no_errors(void **state)
{
	(void)state;
	const struct deployment with_tls = deployment_of("https://kbs.example.test");
	const struct deployment without = deployment_of("http://kbs.example.test");
	const struct guest_material material = { .kbs_ca = buf_bytes(&ca),
						 .trust_bundle = buf_bytes(&ca),
						 .sealed_key = buf_bytes(&jwk) };
	const struct guest_material plain = { .kbs_ca = bytes_of_text(""),
					      .trust_bundle = buf_bytes(&ca),
					      .sealed_key = bytes_of_text("") };
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
		OWNED_BUF struct buf out = BUF_INIT(65536);
		struct err err = { 0 };
		struct lint lint;
		if (guest_initdata(&with_tls, &classes[i], &material, &toml, &err) < 0)
			fail_msg("%s", err.message);
		lint_text(buf_bytes(&toml), &no_target, &lint, &out);
		if (lint.errors > 0)
			fail_msg("%s", buf_text(&out));
		assert_non_null(strstr(buf_text(&toml), classes[i].mint
								? "issuer = \"kbs:///default/x509pop-issuer-web/pem\""
								: "key = \"kbs:///default/spire-key-db/key\""));
		assert_non_null(strstr(buf_text(&toml), "trust_bundle = \"kbs:///default/spire-trust-bundle/pem\""));
		if (guest_initdata(&without, &classes[i], &plain, &toml, &err) < 0)
			fail_msg("%s", err.message);
	}
}

static void material_that_cannot_stand_in_it_is_refused(void **state)
{
	(void)state;
	struct deployment d = deployment_of("https://kbs.example.test");
	d.trust_bundle_measured = true;
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	struct err err = { 0 };
	const struct guest_material crlf = { .kbs_ca = bytes_of_text("a\r\n"),
					     .trust_bundle = buf_bytes(&ca),
					     .sealed_key = bytes_of_text("") };
	const struct guest_material empty = { .kbs_ca = buf_bytes(&ca),
					      .trust_bundle = bytes_of_text(""),
					      .sealed_key = bytes_of_text("") };
	assert_int_equal(guest_initdata(&d, &classes[0], &crlf, &toml, &err), -1);
	assert_non_null(strstr(err.message, "the KBS's CA: byte 1"));
	assert_int_equal(guest_initdata(&d, &classes[0], &empty, &toml, &err), -1);
	assert_non_null(strstr(err.message, "the trust bundle: is empty"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_holes_in_the_agent_policy),
		cmocka_unit_test(finds_rules_wherever_they_begin),
		cmocka_unit_test(long_policies_end),
		cmocka_unit_test(is_quiet_about_conditions_and_denials),
		cmocka_unit_test(finds_what_the_spire_version_lacks),
		cmocka_unit_test(reads_the_texts_in_it_as_the_guest_does),
		cmocka_unit_test(finds_traps_of_the_guest_components),
		cmocka_unit_test(is_quiet_about_what_only_looks_like_a_trap),
		cmocka_unit_test(each_problem_is_a_finding),
		cmocka_unit_test(finds_traps_of_the_document),
		cmocka_unit_test(warns_of_the_target_itself),
		cmocka_unit_test(our_own_has_no_errors),
		cmocka_unit_test(material_that_cannot_stand_in_it_is_refused),
	};
	struct err err = { 0 };
	if (secret_setup(&err) < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, make_material, NULL);
	buf_done(&ca);
	buf_done(&jwk);
	return failed;
}
