/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TDX quote and a TDREPORT share: the 400 bytes that describe the trust domain
 * (ATTRIBUTES to RTMR3).
 */
#ifndef SEALPOD_ATTEST_TD_H
#define SEALPOD_ATTEST_TD_H

#include "base/buf.h"

#define TD_LEN 400
#define TD_MR_LEN 48
#define TD_RTMRS 4

/* TDATTRIBUTES. Bits 7:0 are the group that makes a TD untrusted. */
struct td_attributes {
	uint64_t raw;
	bool debug;
	uint8_t untrusted; /* bits 7:0, debug included */
	bool lass;
	bool sept_ve_disable;
	bool migratable;
	bool pks;
	bool key_locker;
	bool perfmon;
	uint64_t unknown; /* the bits that have no name here */
};

struct td {
	struct td_attributes attributes;
	uint64_t xfam;
	uint8_t mrtd[TD_MR_LEN];
	uint8_t mrconfigid[TD_MR_LEN];
	uint8_t mrowner[TD_MR_LEN];
	uint8_t mrownerconfig[TD_MR_LEN];
	uint8_t rtmr[TD_RTMRS][TD_MR_LEN];
};

/* Reads exactly TD_LEN bytes. */
struct td td_of(const uint8_t *at);

#endif
