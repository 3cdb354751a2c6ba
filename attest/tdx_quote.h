/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TDX quotes, versions 4 and 5, as fields. Reading checks the layout, not the
 * signatures and not whether the values are good ones.
 */
#ifndef SEALPOD_ATTEST_TDX_QUOTE_H
#define SEALPOD_ATTEST_TDX_QUOTE_H

#include "attest/report_data.h"
#include "attest/td.h"

#define TDX_QUOTE_MAX (1u << 20)
#define TDX_TEE_TYPE 0x81u

enum { TDX_BODY_1_0 = 2, TDX_BODY_1_5 = 3 };		 /* body type, written in version 5 only */
enum { TDX_KEY_ECDSA_P256 = 2 };			 /* attestation key type */
enum { TDX_CERT_PCK_CHAIN = 5, TDX_CERT_QE_REPORT = 6 }; /* certification data type */

struct tdx_body {
	uint8_t tee_tcb_svn[16];
	uint8_t mrseam[TD_MR_LEN];
	uint8_t mrsignerseam[TD_MR_LEN]; /* all zero: Intel's module */
	uint64_t seam_attributes;
	struct td td;
	struct report_data report_data;
	bool is_1_5; /* the two below are there */
	uint8_t tee_tcb_svn2[16];
	uint8_t mrservicetd[TD_MR_LEN];
};

/* The report of the quoting enclave: an SGX report body, 384 bytes. */
struct tdx_qe_report {
	struct bytes raw; /* what its signature covers */
	uint8_t cpu_svn[16];
	uint32_t misc_select;
	uint8_t attributes[16];
	uint8_t mrenclave[32];
	uint8_t mrsigner[32];
	uint16_t isv_prod_id;
	uint16_t isv_svn;
	uint8_t report_data[64];
};

/* struct bytes members are borrowed from the quote. */
struct tdx_quote {
	uint16_t version;
	uint16_t key_type;
	uint32_t tee_type;
	uint8_t header_reserved[4]; /* QE and PCE SVN in some documents, zero in what is seen */
	uint8_t qe_vendor_id[16];
	uint8_t user_data[20]; /* the first 16: QE id */
	uint16_t body_type;    /* TDX_BODY_1_0 for version 4 */
	struct tdx_body body;
	struct bytes signed_part; /* header and body, with type and size in version 5 */
	uint32_t signature_data_len;
	uint8_t signature[64];	     /* r, s, big-endian */
	uint8_t attestation_key[64]; /* x, y, big-endian */
	struct tdx_qe_report qe_report;
	uint8_t qe_report_signature[64];
	struct bytes qe_auth;
	uint16_t cert_type;	/* TDX_CERT_PCK_CHAIN where the chain is in the quote */
	struct bytes cert_data; /* then: PEM, leaf first, often with a NUL or line end behind */
	struct bytes trailing;	/* what follows the quote: normal, ignored */
};

/* ERR_PROTOCOL with the offset where something is missing or of a kind that is not
 * handled. An empty quote (the kernel's answer when the host's quoting service is away) has
 * a text of its own. */
int tdx_quote_read(struct bytes raw, struct tdx_quote *ret_quote, struct err *err) WARN_UNUSED;

#endif
