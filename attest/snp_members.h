/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of `attestation_report` in SNP evidence: one table for building and for
 * reading back. Only attest/snp_evidence*.c include this.
 */
#ifndef SEALPOD_ATTEST_SNP_MEMBERS_H
#define SEALPOD_ATTEST_SNP_MEMBERS_H

#include "attest/snp_report.h"

enum snp_member_kind {
	SNP_MEMBER_U8,
	SNP_MEMBER_U32,
	SNP_MEMBER_U64,
	SNP_MEMBER_BYTES,
	SNP_MEMBER_TCB,
	SNP_MEMBER_FIRMWARE
};

struct snp_member {
	const char *name;
	enum snp_member_kind kind;
	uint16_t offset; /* in the report */
	uint16_t place;	 /* in struct snp_report */
	uint16_t len;	 /* of SNP_MEMBER_BYTES */
	uint8_t since;	 /* the version that brought it */
	bool may_lack;	 /* before that version: absent; otherwise null */
};

/* In the order in which the reference attester writes them; the signature stands behind. */
extern const struct snp_member snp_members[];
extern const size_t snp_member_count;

#endif
