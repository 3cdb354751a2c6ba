/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HCL report of Azure's paravisor: a hardware report, and the runtime claims that it
 * vouches for by their hash. It lies in an NV index of the vTPM; its header is not signed.
 */
#ifndef SEALPOD_ATTEST_HCL_H
#define SEALPOD_ATTEST_HCL_H

#include "attest/report_data.h"
#include "base/json.h"

#define HCL_HEAD_LEN 1236 /* all that stands before the claims (data version 1) */
#define HCL_MAX 16384	  /* bytes; real ones are 2048 and 2600 */
#define HCL_RSA_MAX 512	  /* bytes of an RSA modulus */

enum hcl_type { HCL_NONE = 0, HCL_VBS = 1, HCL_SNP = 2, HCL_TVM = 3, HCL_TDX = 4 };

/* struct bytes members are borrowed. */
struct hcl_report {
	uint32_t version;  /* of the header: 1, 2 */
	uint32_t used_len; /* as the header says: of all in real ones, of the hardware report in documents */
	uint32_t request_type;
	uint32_t status;
	struct bytes hardware;	     /* SNP report or TDREPORT; all 1184 bytes of the field for other types */
	uint32_t data_version;	     /* 1, 2 */
	uint32_t type;		     /* enum hcl_type, or one without a name here */
	uint32_t capabilities;	     /* data version 2; otherwise 0 */
	struct bytes claims;	     /* the JSON, byte for byte */
	struct digest claims_digest; /* by the hash that the report names */
};

/* Bytes behind the claims are padding and ignored. ERR_PROTOCOL with the offset; ERR_DEVICE where the paravisor says
 * that it made none. */
int hcl_read(struct bytes raw, struct hcl_report *ret_report, struct err *err) WARN_UNUSED;

/* The type alone, from the first HCL_HEAD_LEN bytes or more. */
int hcl_type_of(struct bytes raw, uint32_t *ret_type, struct err *err) WARN_UNUSED;

const char *hcl_type_name(uint32_t type); /* "SNP", "TDX", …, "unknown" */

/* Does the hardware report, of SNP or TDX, carry the digest of the claims and zeros behind it? */
bool hcl_claims_vouched(const struct hcl_report *report);

/* What the claims say, in either spelling (kebab-case as found, underscores as documented). */
struct hcl_claims {
	struct json *json; /* all of it */
	struct buf ak_n;   /* the attestation key HCLAkPub: modulus and exponent, big-endian */
	struct buf ak_e;
	bool has_user_data; /* old paravisors have none */
	uint8_t user_data[REPORT_DATA_LEN];
	const struct json *vm_configuration; /* borrowed from json; NULL where there is none */
};

#define HCL_CLAIMS_INIT                                                                                                \
	{                                                                                                              \
		.json = NULL, .ak_n = BUF_INIT(HCL_RSA_MAX), .ak_e = BUF_INIT(8), .has_user_data = false               \
	}
#define OWNED_CLAIMS CLEANUP(hcl_claims_done)
void hcl_claims_done(struct hcl_claims *claims);

/* ERR_PROTOCOL naming the member. *ret_claims must be HCL_CLAIMS_INIT or is freed first. */
int hcl_claims_read(struct bytes text, struct hcl_claims *ret_claims, struct err *err) WARN_UNUSED;

/* Do the claims carry this report data, filled up with zeros? False where there is no user-data. */
bool hcl_claims_carry(const struct hcl_claims *claims, struct bytes report_data);

#endif
