/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's certificate table of an extended SNP report.
 *
 * All of it is the host's: offsets and lengths are checked against the table in 64 bits
 * before anything is borrowed, and the number of entries is limited. Whether a certificate
 * is what its GUID says is for whoever parses it. Must never look behind the table.
 */
#include "attest/snp_certs.h"

#include "base/cursor.h"

#define ENTRY_LEN 24 /* GUID, offset, length */

static const struct {
	enum snp_cert_kind kind;
	struct guid guid;
	const char *name;
} kinds[] = {
	{ SNP_CERT_VCEK,
	  { { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd } },
	  "VCEK" },
	{ SNP_CERT_VLEK,
	  { { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 } },
	  "VLEK" },
	{ SNP_CERT_ASK,
	  { { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 } },
	  "ASK" },
	{ SNP_CERT_ARK,
	  { { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae } },
	  "ARK" },
	{ SNP_CERT_CRL,
	  { { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea } },
	  "CRL" },
	{ SNP_CERT_GCE_FIRMWARE,
	  { { 0x9f, 0x41, 0x16, 0xcd, 0xc5, 0x03, 0x4f, 0x5a, 0x8f, 0x6f, 0xfb, 0x68, 0x88, 0x2f, 0x4c, 0xe2 } },
	  "GCE firmware endorsement" },
};

static enum snp_cert_kind kind_of(const struct guid *guid)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (guid_equal(&kinds[i].guid, guid))
			return kinds[i].kind;
	return SNP_CERT_OTHER;
}

/* How many entries stand before the all-zero one that ends the header? */
static int count_entries(struct bytes table, size_t *ret_count, struct err *err)
{
	struct cursor cursor = cursor_over(table);
	struct bytes entry;
	for (size_t count = 0; count <= SNP_CERTS_MAX; count++) {
		if (cursor_take(&cursor, ENTRY_LEN, "the next entry", &entry, err) < 0)
			return err_wrap(err, "certificate table without an all-zero entry at the end of its header");
		if (bytes_are_zero(entry)) {
			*ret_count = count;
			return 0;
		}
	}
	return err_set(err, ERR_PROTOCOL, "a certificate table with more than %d entries", SNP_CERTS_MAX);
}

static int check_entry(const struct snp_certs *certs, size_t number, struct err *err)
{
	const uint8_t *entry = certs->table.data + number * ENTRY_LEN;
	uint64_t offset = le32(entry + 16);
	uint64_t len = le32(entry + 20);
	size_t header = (certs->count + 1) * ENTRY_LEN;
	if (offset < header)
		return err_set(
			err, ERR_PROTOCOL,
			"entry %zu of the certificate table points to offset %llu, into the table's header of %zu "
			"bytes",
			number, (unsigned long long)offset, header);
	if (offset + len > certs->table.len)
		return err_set(err, ERR_PROTOCOL,
			       "entry %zu of the certificate table spans the bytes %llu to %llu of a table of %zu",
			       number, (unsigned long long)offset, (unsigned long long)(offset + len),
			       certs->table.len);
	return 0;
}

int snp_certs_open(struct bytes table, struct snp_certs *ret_certs, struct err *err)
{
	struct snp_certs certs = { .table = table };
	if (table.len > SNP_CERT_TABLE_MAX)
		return err_set(err, ERR_PROTOCOL, "a certificate table of %zu bytes is over the limit of %u", table.len,
			       SNP_CERT_TABLE_MAX);
	if (table.len > 0 && count_entries(table, &certs.count, err) < 0)
		return -1;
	for (size_t i = 0; i < certs.count; i++)
		if (check_entry(&certs, i, err) < 0)
			return -1;
	*ret_certs = certs;
	return 0;
}

bool snp_certs_next(struct snp_certs *certs, struct snp_cert *ret_cert)
{
	if (certs->next >= certs->count)
		return false;
	const uint8_t *entry = certs->table.data + certs->next * ENTRY_LEN;
	certs->next++;
	ret_cert->guid = guid_of_written(entry);
	ret_cert->kind = kind_of(&ret_cert->guid);
	ret_cert->offset = le32(entry + 16);
	ret_cert->data = bytes_of(certs->table.data + ret_cert->offset, le32(entry + 20));
	return true;
}

bool snp_certs_find(const struct snp_certs *certs, enum snp_cert_kind kind, struct snp_cert *ret_cert)
{
	struct snp_certs walk = { .table = certs->table, .count = certs->count };
	struct snp_cert cert;
	while (snp_certs_next(&walk, &cert)) {
		if (cert.kind != kind || cert.data.len == 0)
			continue;
		*ret_cert = cert;
		return true;
	}
	return false;
}

const char *snp_cert_kind_name(enum snp_cert_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "other";
}
