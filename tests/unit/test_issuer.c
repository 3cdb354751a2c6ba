/* SPDX-License-Identifier: Apache-2.0 */
/* spire/issuer: who a class's agents are, out of its PEM. */
#include "support.h"

#include "pki.h"
#include "spire/issuer.h"

static struct {
	struct pki_node root, issuer;
} lab;

static struct pki_node leaf(const struct pki_node *issuer, const char *san)
{
	const struct pki_profile profile = { .cn = "node",
					     .basic_constraints = "critical,CA:FALSE",
					     .key_usage = "critical,digitalSignature",
					     .san = san };
	return pki_issue(pki_ec_key("P-256"), issuer, &profile);
}

static void add(struct buf *pem, const struct pki_node *node)
{
	pki_cert_pem(node, pem);
}

static struct spire_issuer must_read(const struct buf *pem)
{
	struct spire_issuer issuer;
	struct err err = { 0 };
	if (spire_issuer_read(buf_bytes(pem), "example.test", &issuer, &err) < 0)
		fail_msg("%s", err.message);
	return issuer;
}

static void must_refuse(const struct buf *pem, const char *words)
{
	struct spire_issuer issuer;
	struct err err = { 0 };
	assert_int_equal(spire_issuer_read(buf_bytes(pem), "example.test", &issuer, &err), -1);
	assert_int_equal(err.code, ERR_CREDENTIAL);
	if (!strstr(err.message, words))
		fail_msg("'%s' lacks '%s'", err.message, words);
}

static void issuers_are_selected(void **state)
{
	(void)state;
	OWNED_BUF struct buf alone = BUF_INIT(65536);
	OWNED_BUF struct buf behind = BUF_INIT(65536);
	struct pki_node node = leaf(&lab.issuer, NULL);
	add(&alone, &lab.issuer);
	add(&behind, &node);
	add(&behind, &lab.issuer);
	struct spire_issuer first = must_read(&alone);
	struct spire_issuer second = must_read(&behind);
	assert_int_equal(strncmp(first.selector, "x509pop:ca:fingerprint:", 23), 0);
	assert_int_equal(strlen(first.selector), 23 + 40);
	assert_string_equal(first.selector, second.selector);
	assert_string_equal(first.selector, first.mark);
	assert_string_equal(first.agent_path, "");
	pki_node_done(&node);
}

static void leaves_are_agents(void **state)
{
	(void)state;
	static const struct {
		const char *san, *path;
	} rows[] = {
		{ "URI:x509pop://example.test/class/a,URI:x509pop://example.test/instance/i-1",
		  "/spire/agent/x509pop/root/i-1" },
		{ "URI:x509pop://example.test/instance/i-1,URI:x509pop://example.test/instance/i-2",
		  "/spire/agent/x509pop/root/i-2" },
		{ "URI:x509pop://other.test/instance/i-1,DNS:x", "/spire/agent/x509pop/" },
		{ "URI:x509pop://example.test/instance/", "/spire/agent/x509pop/" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OWNED_BUF struct buf pem = BUF_INIT(65536);
		struct pki_node node = leaf(&lab.root, rows[i].san);
		add(&pem, &node);
		struct spire_issuer issuer = must_read(&pem);
		assert_string_equal(issuer.selector, "");
		assert_int_equal(strncmp(issuer.mark, "x509pop:serialnumber:", 21), 0);
		size_t len = strlen(rows[i].path);
		if (rows[i].path[len - 1] == '/') /* and the fingerprint */
			assert_true(strncmp(issuer.agent_path, rows[i].path, len) == 0 &&
				    strlen(issuer.agent_path) == len + 40);
		else
			assert_string_equal(issuer.agent_path, rows[i].path);
		pki_node_done(&node);
	}
}

static void too_much_is_refused(void **state)
{
	(void)state;
	OWNED_BUF struct buf none = BUF_INIT(65536);
	OWNED_BUF struct buf root = BUF_INIT(65536);
	OWNED_BUF struct buf below_root = BUF_INIT(65536);
	OWNED_BUF struct buf below_leaf = BUF_INIT(65536);
	OWNED_BUF struct buf broken = BUF_INIT(65536);
	OWNED_BUF struct buf odd = BUF_INIT(65536);
	struct pki_node node = leaf(&lab.root, NULL);
	struct pki_node blank = leaf(&lab.root, "URI:x509pop://example.test/instance/a/%20b");
	add(&root, &lab.root);
	add(&below_root, &node);
	add(&below_root, &lab.root);
	add(&below_leaf, &node);
	add(&below_leaf, &node);
	add(&odd, &blank);
	pki_text("-----BEGIN CERTIFICATE-----\nAA\n", &broken);
	must_refuse(&none, "no certificate");
	must_refuse(&root, "is a root");
	must_refuse(&below_root, "is a root");
	must_refuse(&below_leaf, "is no CA");
	must_refuse(&odd, "no SPIFFE ID");
	must_refuse(&broken, "");
	pki_node_done(&node);
	pki_node_done(&blank);
}

static int setup(void **state)
{
	(void)state;
	lab.root = pki_ca("root", NULL);
	lab.issuer = pki_ca("issuer", &lab.root);
	return secret_setup(NULL);
}

static int teardown(void **state)
{
	(void)state;
	pki_node_done(&lab.issuer);
	pki_node_done(&lab.root);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(issuers_are_selected),
		cmocka_unit_test(leaves_are_agents),
		cmocka_unit_test(too_much_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
