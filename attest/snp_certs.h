/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate table that the host hands out with an extended SNP report (GHCB
 * specification 4.1.8.1; configfs: auxblob). The host is free to put anything in it:
 * entries in any order, overlapping, of unknown kinds. Only the bounds are checked here.
 */
#ifndef SEALPOD_ATTEST_SNP_CERTS_H
#define SEALPOD_ATTEST_SNP_CERTS_H

#include "attest/guid.h"

#define SNP_CERTS_MAX 64	      /* entries */
#define SNP_CERT_TABLE_MAX (1u << 16) /* bytes; the kernel takes 16 KiB */

enum snp_cert_kind {
	SNP_CERT_VCEK,
	SNP_CERT_VLEK,
	SNP_CERT_ASK,
	SNP_CERT_ARK,
	SNP_CERT_CRL,
	SNP_CERT_GCE_FIRMWARE,
	SNP_CERT_OTHER
};

struct snp_cert {
	struct guid guid;
	enum snp_cert_kind kind;
	uint32_t offset;   /* from the start of the table */
	struct bytes data; /* borrowed from the table; DER as a rule, PEM and emptiness occur */
};

/* All of it was checked by snp_certs_open(). Copy it to walk twice. */
struct snp_certs {
	struct bytes table;
	size_t count;
	size_t next;
};

/* An empty or all-zero table has no entries and is no error: the host gives none.
 * ERR_PROTOCOL with the entry's number otherwise. */
int snp_certs_open(struct bytes table, struct snp_certs *ret_certs, struct err *err) WARN_UNUSED;

/* The next entry in table order; false at the end. */
bool snp_certs_next(struct snp_certs *certs, struct snp_cert *ret_cert);

/* The first entry of that kind that is not empty. */
bool snp_certs_find(const struct snp_certs *certs, enum snp_cert_kind kind, struct snp_cert *ret_cert);

/* "VCEK", "VLEK", "ASK", "ARK", "CRL" as the KBS's verifier names them; "GCE firmware endorsement", "other". */
const char *snp_cert_kind_name(enum snp_cert_kind kind);

#endif
