/* SPDX-License-Identifier: Apache-2.0 */
/* ctl/server_conf: what is changed in a server's configuration, and that nothing else is. */
#include "support.h"

#include "ctl/server_conf.h"

#define CA "/run/ca.pem"
#define TEMPLATE                                                                                                       \
	"/x509pop/{{ if index .URISanSelectors \\\"instance\\\" }}{{ .Issuer.CommonName }}/"                           \
	"{{ index .URISanSelectors \\\"instance\\\" }}{{ else }}{{ .Fingerprint }}{{ end }}"
#define OURS "{\"ca_bundle_path\":\"" CA "\",\"agent_path_template\":\"" TEMPLATE "\"}"
#define PLUGIN "\"x509pop\":{\"plugin_data\":" OURS "}"

static void merge(const char *from, struct buf *to, struct server_conf_note *note)
{
	struct err err = { 0 };
	if (server_conf_merge(bytes_of_text(from), CA, to, note, &err) < 0)
		fail_msg("%s: %s", from, err.message);
}

/* `from` becomes `to`, which stays as it is. */
static void must_become(const char *from, const char *to, bool replaced)
{
	OWNED_BUF struct buf once = BUF_INIT(65536);
	OWNED_BUF struct buf twice = BUF_INIT(65536);
	struct server_conf_note note;
	merge(from, &once, &note);
	assert_string_equal(buf_text(&once), to);
	assert_int_equal(note.changed, strcmp(from, to) != 0);
	assert_int_equal(note.replaced_template, replaced);
	merge(buf_text(&once), &twice, &note);
	assert_string_equal(buf_text(&twice), to);
	assert_false(note.changed);
	assert_false(note.replaced_template);
}

static void plugin_is_added(void **state)
{
	(void)state;
	/* As the operator of a cluster writes it: indented, in lists. */
	must_become("{\n  \"server\": { \"bind_port\": \"8081\" },\n  \"plugins\": {\n    \"NodeAttestor\": [\n      "
		    "{\n        "
		    "\"k8s_psat\": { \"a\": \"}],x509pop\" }\n      }\n    ],\n    \"KeyManager\": []\n  }\n}\n",
		    "{\n  \"server\": { \"bind_port\": \"8081\" },\n  \"plugins\": {\n    \"NodeAttestor\": [\n      "
		    "{\n        "
		    "\"k8s_psat\": { \"a\": \"}],x509pop\" }\n      },\n      {" PLUGIN
		    "}\n    ],\n    \"KeyManager\": []\n  }\n}\n",
		    false);
	must_become("{\"plugins\":{\"NodeAttestor\":[{\"a\":1},  {\"b\":[1,2]} ]}}",
		    "{\"plugins\":{\"NodeAttestor\":[{\"a\":1},  {\"b\":[1,2]},  {" PLUGIN "} ]}}", false);
	must_become("{\"plugins\":{\"NodeAttestor\":[]}}", "{\"plugins\":{\"NodeAttestor\":[{" PLUGIN "}]}}", false);
	must_become("{\"plugins\":{\"NodeAttestor\":{\"b\":{}}}}",
		    "{\"plugins\":{\"NodeAttestor\":{\"b\":{}," PLUGIN "}}}", false);
	must_become("{\"plugins\":{\"NodeAttestor\":{ }}}", "{\"plugins\":{\"NodeAttestor\":{" PLUGIN " }}}", false);
	must_become("{\"plugins\":{}}", "{\"plugins\":{\"NodeAttestor\":[{" PLUGIN "}]}}", false);
	must_become("{\"plugins\":[{\"KeyManager\":{}},{\"NodeAttestor\":[]}]}",
		    "{\"plugins\":[{\"KeyManager\":{}},{\"NodeAttestor\":[{" PLUGIN "}]}]}", false);
}

static void plugin_is_changed(void **state)
{
	(void)state;
#define CONF(x509pop) "{ \"plugins\": {\"NodeAttestor\": [{\"k\": {}}, {\"x509pop\": " x509pop "}]}, \"n\": 1.50 }"
	must_become(CONF("{}"), CONF("{\"plugin_data\":" OURS "}"), false);
	must_become(CONF("{\"plugin_data\": null}"), CONF("{\"plugin_data\": " OURS "}"), false);
	must_become(CONF("{\"enabled\": true, \"plugin_data\": {}}"),
		    CONF("{\"enabled\": true, \"plugin_data\": " OURS "}"), false);
	must_become(CONF("[{\"plugin_data\": [{ \"mode\": \"external_pki\" }]}]"),
		    CONF("[{\"plugin_data\": [{\"ca_bundle_path\":\"" CA "\",\"agent_path_template\":\"" TEMPLATE
			 "\",\"mode\": \"external_pki\"}]}]"),
		    false);
	/* What is trusted stays, and so does what we know nothing of. */
	must_become(CONF("{\"plugin_data\": {\"ca_bundle_path\": \"/a\", \"max_intermediates\": 3}}"),
		    CONF("{\"plugin_data\": {\"ca_bundle_paths\":[\"/a\",\"" CA
			 "\"],\"agent_path_template\":\"" TEMPLATE "\",\"max_intermediates\": 3}}"),
		    true);
	must_become(CONF("{\"plugin_data\": {\"ca_bundle_paths\": [\"/a\", \"/b\"], \"agent_path_template\": \"/x\"}}"),
		    CONF("{\"plugin_data\": {\"ca_bundle_paths\":[\"/a\",\"/b\",\"" CA
			 "\"],\"agent_path_template\":\"" TEMPLATE "\"}}"),
		    true);
	/* Ours in another order and spelling is ours. */
	must_become(CONF("{\"plugin_data\": {\"agent_path_template\": \"" TEMPLATE
			 "\", \"ca_bundle_paths\": [\"/run\\/ca.pem\"]}}"),
		    CONF("{\"plugin_data\": {\"agent_path_template\": \"" TEMPLATE
			 "\", \"ca_bundle_paths\": [\"/run\\/ca.pem\"]}}"),
		    false);
}

static void config_map_is_changed_inside(void **state)
{
	(void)state;
	OWNED_BUF struct buf out = BUF_INIT(65536);
	OWNED_BUF struct buf again = BUF_INIT(65536);
	struct server_conf_note note;
	merge("{\"kind\": \"ConfigMap\", \"data\": {\"other\": \"{}\", \"server.conf\": \"{\\n \\\"plugins\\\": "
	      "{\\\"NodeAttestor\\\": []}}\"}, \"x\": 1}",
	      &out, &note);
	assert_true(note.changed);
	assert_non_null(strstr(
		buf_text(&out),
		"{\"kind\": \"ConfigMap\", \"data\": {\"other\": \"{}\", \"server.conf\": \"{\\n \\\"plugins\\\": "
		"{\\\"NodeAttestor\\\": [{\\\"x509pop\\\":{\\\"plugin_data\\\":{\\\"ca_bundle_path\\\":"));
	assert_non_null(strstr(buf_text(&out), "}}}]}}\"}, \"x\": 1}"));
	merge(buf_text(&out), &again, &note);
	assert_false(note.changed);
	assert_string_equal(buf_text(&again), buf_text(&out));
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "server { }", "no JSON" },
		{ "{\"plugins\":{}} x", "no JSON" },
		{ "{}", "no 'plugins'" },
		{ "[]", "no 'plugins'" },
		{ "{\"plugins\":1}", "'plugins' is no object" },
		{ "{\"plugins\":{\"NodeAttestor\":[1]}}", "'NodeAttestor' is no list of objects" },
		{ "{\"plugins\":{\"NodeAttestor\":[{\"a\":1},\"x\"]}}", "'NodeAttestor' is no list of objects" },
		{ "{\"plugins\":{\"NodeAttestor\":\"x\"}}", "'NodeAttestor' is no object" },
		{ "{\"plugins\":{\"NodeAtt\\u0065stor\":[]}}", "with an escape" },
		{ "{\"plugins\":{\"NodeAttestor\":[{\"x509pop\":{}},{\"k8s_psat\":{}},{\"x509pop\":{}}]}}",
		  "'NodeAttestor' holds two elements with 'x509pop'" },
		{ CONF("[{\"plugin_data\":{}},{\"plugin_data\":{}}]"), "two elements with 'plugin_data'" },
		{ "apiVersion: v1\nkind: ConfigMap\n", "kubectl get configmap NAME -o json" },
		{ CONF("1"), "'x509pop' is no object" },
		{ CONF("{\"plugin_data\":7}"), "'plugin_data' is no object" },
		{ CONF("{\"plugin_data\":{\"mode\":\"spiffe\"}}"), "mode 'spiffe'" },
		{ CONF("{\"plugin_data_file\":\"/x\"}"), "in a file" },
		{ CONF("{\"plugin_cmd\":\"/x\"}"), "external plugin" },
		{ CONF("{\"enabled\":false}"), "disabled" },
		{ CONF("{\"enabled\":\"no\"}"), "no boolean" },
		{ CONF("{\"plugin_data\":{\"ca_bundle_path\":7}}"), "makes no sense" },
		{ CONF("{\"plugin_data\":{\"ca_bundle_paths\":[7]}}"), "something else than texts" },
		{ "{\"kind\":\"ConfigMap\",\"data\":{\"agent.conf\":\"{}\"}}", "holds no 'server.conf'" },
		{ "{\"kind\":\"ConfigMap\",\"data\":{\"server.conf\":\"server {}\"}}", "in the ConfigMap" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OWNED_BUF struct buf out = BUF_INIT(65536);
		struct server_conf_note note;
		struct err err = { 0 };
		assert_int_equal(server_conf_merge(bytes_of_text(rows[i].text), CA, &out, &note, &err), -1);
		if (err.code != ERR_CONFIG || !strstr(err.message, rows[i].words))
			fail_msg("%s: %d '%s' lacks '%s'", rows[i].text, (int)err.code, err.message, rows[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plugin_is_added),
		cmocka_unit_test(plugin_is_changed),
		cmocka_unit_test(config_map_is_changed_inside),
		cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
