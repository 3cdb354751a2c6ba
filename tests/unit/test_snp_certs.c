/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/snp_certs: tables as hosts make them and as a hostile host would.
 */
#include "vectors.h"

#include "attest/snp_certs.h"

#define VCEK "63da758de6644564adc5f4b93be8accd"
#define VLEK "a8074bc2a25a483eaae639c045a0b8a1"
#define ASK "4ab7b379bbac4fe4a02f05aef327c782"
#define OTHER "00112233445566778899aabbccddeeff"

static void put32(struct buf *out, uint32_t value)
{
	struct err err = { 0 };
	const uint8_t raw[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
				 (uint8_t)(value >> 24) };
	assert_int_equal(buf_append(out, bytes_of(raw, 4), &err), 0);
}

static void put_entry(struct buf *out, const char *guid, uint32_t offset, uint32_t len)
{
	struct err err = { 0 };
	assert_int_equal(hex_decode(bytes_of_text(guid), out, &err), 0);
	put32(out, offset);
	put32(out, len);
}

static void put_zeros(struct buf *out, size_t len)
{
	struct err err = { 0 };
	while (len-- > 0)
		assert_int_equal(buf_append_byte(out, 0, &err), 0);
}

static void put_text(struct buf *out, const char *text)
{
	struct err err = { 0 };
	assert_int_equal(buf_append_text(out, text, &err), 0);
}

static void must_open(const struct buf *table, struct snp_certs *certs)
{
	struct err err = { 0 };
	if (snp_certs_open(buf_bytes(table), certs, &err) < 0)
		fail_msg("refused: %s", err.message);
}

static void assert_refused(struct bytes table, const char *part)
{
	struct err err = { 0 };
	struct snp_certs certs = { .count = 77 };
	assert_int_equal(snp_certs_open(table, &certs, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(certs.count, 77);
	assert_message_has(err, part);
}

/* Entries out of order, two that overlap, an empty one, an unknown one. */
static void make_odd_table(struct buf *table)
{
	put_entry(table, OTHER, 149, 3);
	put_entry(table, VCEK, 145, 0);
	put_entry(table, VCEK, 147, 4);
	put_entry(table, ASK, 144, 4);
	put_entry(table, VLEK, 152, 0);
	put_zeros(table, 24);
	put_text(table, "abcdefgh");
}

static void walks_an_odd_table(void **state)
{
	(void)state;
	static const struct {
		enum snp_cert_kind kind;
		uint32_t offset;
		const char *data;
	} want[] = { { SNP_CERT_OTHER, 149, "fgh" },
		     { SNP_CERT_VCEK, 145, "" },
		     { SNP_CERT_VCEK, 147, "defg" },
		     { SNP_CERT_ASK, 144, "abcd" },
		     { SNP_CERT_VLEK, 152, "" } };
	OWNED_BUF struct buf table = BUF_INIT(4096);
	struct snp_certs certs;
	struct snp_cert cert;
	make_odd_table(&table);
	must_open(&table, &certs);
	assert_int_equal(certs.count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_true(snp_certs_next(&certs, &cert));
		assert_int_equal(cert.kind, want[i].kind);
		assert_int_equal(cert.offset, want[i].offset);
		assert_true(bytes_equal_text(cert.data, want[i].data));
	}
	assert_false(snp_certs_next(&certs, &cert));
	assert_true(snp_certs_find(&certs, SNP_CERT_VCEK, &cert));
	assert_true(bytes_equal_text(cert.data, "defg"));
	assert_false(snp_certs_find(&certs, SNP_CERT_VLEK, &cert));
	assert_false(snp_certs_find(&certs, SNP_CERT_ARK, &cert));
	must_open(&table, &certs);
	assert_true(snp_certs_next(&certs, &cert));
	assert_string_equal(guid_print(&cert.guid).text, "00112233-4455-6677-8899-aabbccddeeff");
}

/* A table as a host would make it, with genuine certificates, padded to a page. */
static void reads_a_table_of_genuine_certificates(void **state)
{
	(void)state;
	OWNED_BUF struct buf vcek = vector_read("snp/genoa-v5-vcek.der");
	OWNED_BUF struct buf vlek = vector_read("snp/milan-vlek.der");
	OWNED_BUF struct buf table = BUF_INIT(8192);
	struct err err = { 0 };
	struct snp_certs certs;
	struct snp_cert cert;
	put_entry(&table, VCEK, 72, (uint32_t)vcek.len);
	put_entry(&table, VLEK, 72 + (uint32_t)vcek.len, (uint32_t)vlek.len);
	put_zeros(&table, 24);
	assert_int_equal(buf_append(&table, buf_bytes(&vcek), &err), 0);
	assert_int_equal(buf_append(&table, buf_bytes(&vlek), &err), 0);
	put_zeros(&table, 4096 - table.len);
	must_open(&table, &certs);
	assert_true(snp_certs_find(&certs, SNP_CERT_VCEK, &cert));
	assert_true(bytes_equal(cert.data, buf_bytes(&vcek)));
	assert_true(snp_certs_find(&certs, SNP_CERT_VLEK, &cert));
	assert_true(bytes_equal(cert.data, buf_bytes(&vlek)));
}

static void takes_nothing_for_no_certificates(void **state)
{
	(void)state;
	OWNED_BUF struct buf table = BUF_INIT(8192);
	struct snp_certs certs = { .count = 9 };
	struct snp_cert cert;
	must_open(&table, &certs);
	assert_int_equal(certs.count, 0);
	assert_false(snp_certs_next(&certs, &cert));
	put_zeros(&table, 4096);
	must_open(&table, &certs);
	assert_int_equal(certs.count, 0);
}

static void refuses_every_cut_header_and_blob(void **state)
{
	(void)state;
	OWNED_BUF struct buf table = BUF_INIT(4096);
	make_odd_table(&table);
	for (size_t len = 1; len < table.len; len++) {
		uint8_t *cut = exact_copy(buf_bytes(&table), len);
		assert_refused(bytes_of(cut, len), "table");
		free(cut);
	}
}

static void assert_bad_entry(uint32_t offset, uint32_t len, const char *part)
{
	OWNED_BUF struct buf table = BUF_INIT(4096);
	put_entry(&table, VCEK, offset, len);
	put_zeros(&table, 24);
	put_text(&table, "0123456789");
	assert_refused(buf_bytes(&table), part);
}

static void refuses_entries_that_point_elsewhere(void **state)
{
	(void)state;
	assert_bad_entry(0, 4, "points to offset 0, into the table's header of 48 bytes");
	assert_bad_entry(47, 1, "into the table's header");
	assert_bad_entry(48, 11, "entry 0 of the certificate table spans the bytes 48 to 59 of a table of 58");
	assert_bad_entry(59, 0, "spans the bytes 59 to 59 of a table of 58");
	assert_bad_entry(48, UINT32_MAX, "spans the bytes 48 to 4294967343");
	assert_bad_entry(UINT32_MAX, UINT32_MAX, "spans the bytes 4294967295 to 8589934590");
	assert_bad_entry(UINT32_MAX - 3, 8, "spans the bytes 4294967292 to 4294967300");
}

static void limits_size_and_count(void **state)
{
	(void)state;
	OWNED_BUF struct buf table = BUF_INIT(1u << 17);
	struct snp_certs certs;
	for (unsigned i = 0; i < SNP_CERTS_MAX; i++)
		put_entry(&table, OTHER, 4096, 0);
	put_zeros(&table, 4096 - table.len);
	must_open(&table, &certs);
	assert_int_equal(certs.count, SNP_CERTS_MAX);
	memcpy(table.data + (size_t)SNP_CERTS_MAX * 24, table.data, 24);
	assert_refused(buf_bytes(&table), "more than 64 entries");
	put_zeros(&table, SNP_CERT_TABLE_MAX + 1 - table.len);
	assert_refused(buf_bytes(&table), "over the limit of 65536");
}

static void spells_guids_in_both_orders(void **state)
{
	(void)state;
	const uint8_t raw[16] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
				  0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
	struct guid mixed = guid_of_mixed(raw);
	struct guid written = guid_of_written(raw);
	assert_string_equal(guid_print(&mixed).text, "8be4df61-93ca-11d2-aa0d-00e098032b8c");
	assert_string_equal(guid_print(&written).text, "61dfe48b-ca93-d211-aa0d-00e098032b8c");
	assert_false(guid_equal(&mixed, &written));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_an_odd_table),
		cmocka_unit_test(reads_a_table_of_genuine_certificates),
		cmocka_unit_test(takes_nothing_for_no_certificates),
		cmocka_unit_test(refuses_every_cut_header_and_blob),
		cmocka_unit_test(refuses_entries_that_point_elsewhere),
		cmocka_unit_test(limits_size_and_count),
		cmocka_unit_test(spells_guids_in_both_orders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
