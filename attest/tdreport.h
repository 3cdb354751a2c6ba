/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TDREPORT: what the TDX module says of a TD, authenticated by a MAC that only the same
 * machine can check. No evidence for a remote party; the quoting enclave makes a quote of it.
 */
#ifndef SEALPOD_ATTEST_TDREPORT_H
#define SEALPOD_ATTEST_TDREPORT_H

#include "attest/report_data.h"
#include "attest/td.h"

#define TDREPORT_LEN 1024

struct tdreport {
	uint8_t subtype;
	uint8_t version;
	uint8_t cpu_svn[16];
	uint8_t tee_tcb_info_hash[48];
	uint8_t tdinfo_hash[48];
	struct report_data report_data;
	uint8_t mac[32];
	uint64_t tcb_valid; /* which fields of TEE_TCB_INFO hold */
	uint8_t tee_tcb_svn[16];
	uint8_t mrseam[TD_MR_LEN];
	uint8_t mrsignerseam[TD_MR_LEN];
	uint64_t seam_attributes;
	uint8_t tee_tcb_svn2[16]; /* TDX 1.5, zero before */
	struct td td;
	uint8_t servtd_hash[TD_MR_LEN]; /* TDX 1.5, zero before; seen set in a TD that cannot be migrated */
	bool hashes_match;		/* the two hashes are those of the two parts */
};

/* Exactly TDREPORT_LEN bytes of type 0x81. */
int tdreport_read(struct bytes raw, struct tdreport *ret_report, struct err *err) WARN_UNUSED;

#endif
