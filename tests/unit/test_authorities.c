/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/authorities: which certificates are told of, and how they are counted.
 */
#include "support.h"

#include "pki.h"
#include "spire/authorities.h"

static struct buf told = BUF_INIT(4096);

static void tell(void *arg, const char *text)
{
	assert_ptr_equal(arg, &told);
	assert_int_equal(buf_printf(&told, NULL, "%s\n", text), 0);
}

static void add_ca(struct buf *pem, const char *cn, int64_t from_days, int64_t until_days)
{
	struct pki_profile profile = { .cn = cn,
				       .from = from_days * PKI_DAY,
				       .until = until_days * PKI_DAY,
				       .basic_constraints = "critical,CA:TRUE",
				       .key_usage = "critical,keyCertSign" };
	struct pki_node node OWNED_NODE = pki_issue(pki_ec_key("P-256"), NULL, &profile);
	pki_cert_pem(&node, pem);
}

static void tells_of_what_ends(void **state)
{
	(void)state;
	OWNED_BUF struct buf pem = BUF_INIT(65536);
	struct pki_profile server = { .cn = "server", .from = -9 * PKI_DAY, .until = -8 * PKI_DAY };
	struct pki_node leaf OWNED_NODE = pki_issue(pki_ec_key("P-256"), NULL, &server);
	add_ca(&pem, "long", -1, 31);
	add_ca(&pem, "soon", -1, 29);
	add_ca(&pem, "over", -9, -2);
	add_ca(&pem, "coming", 5, 400);
	pki_cert_pem(&leaf, &pem);
	struct spire_authorities found = spire_authorities_look(buf_bytes(&pem), false, PKI_NOW, tell, &told);
	assert_int_equal(found.count, 4);
	assert_int_equal(found.ended, 1);
	assert_string_equal(buf_text(&told), "'CN=soon' ends at 2027-02-13T08:00:00Z, 29 days ahead\n"
					     "'CN=over' ended at 2027-01-13T08:00:00Z, 2 days ago\n");
	found = spire_authorities_look(buf_bytes(&pem), true, PKI_NOW, NULL, NULL);
	assert_int_equal(found.count, 5);
	assert_int_equal(found.ended, 2);
}

static void stops_at_what_cannot_be_read(void **state)
{
	(void)state;
	OWNED_BUF struct buf pem = BUF_INIT(65536);
	add_ca(&pem, "first", -1, 300);
	pki_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &pem);
	add_ca(&pem, "second", -1, 300);
	assert_int_equal(spire_authorities_look(buf_bytes(&pem), true, PKI_NOW, NULL, NULL).count, 1);
	assert_int_equal(spire_authorities_look(bytes_of_text("hi"), true, PKI_NOW, NULL, NULL).count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_of_what_ends),
		cmocka_unit_test(stops_at_what_cannot_be_read),
	};
	struct err err = { 0 };
	if (secret_setup(&err) < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_done(&told);
	return failed;
}
