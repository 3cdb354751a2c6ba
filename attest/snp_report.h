/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SEV-SNP attestation report (SEV-SNP Firmware ABI, ATTESTATION_REPORT),
 * versions 2 to 5, as fields. Reading checks the layout, not the signature and not
 * whether the values are good ones: that is attest/look.h's and the verifier's part.
 */
#ifndef SEALPOD_ATTEST_SNP_REPORT_H
#define SEALPOD_ATTEST_SNP_REPORT_H

#include "attest/report_data.h"

#define SNP_REPORT_LEN 1184 /* 0x4A0 */
#define SNP_SIGNED_LEN 672  /* 0x2A0: what the signature covers */
#define SNP_NEWEST_VERSION 5
#define SNP_VMPL_HOST 0xFFFFFFFFu /* the report was asked for by the host */
#define SNP_SIG_ALGO_ECDSA_P384 1u

enum snp_product { SNP_PRODUCT_UNKNOWN, SNP_MILAN, SNP_GENOA, SNP_TURIN, SNP_VENICE };

/* Values of the field SIGNING_KEY; 2 to 6 are reserved. */
enum snp_key { SNP_KEY_VCEK = 0, SNP_KEY_VLEK = 1, SNP_KEY_NONE = 7 };

/* A security patch level per component. Compare component by component: which byte is
 * which depends on the generation. */
struct snp_tcb {
	uint64_t raw;
	bool has_fmc; /* Turin and later */
	uint8_t fmc;
	uint8_t boot_loader;
	uint8_t tee;
	uint8_t snp;
	uint8_t microcode;
};

struct snp_firmware {
	uint8_t major;
	uint8_t minor;
	uint8_t build;
};

struct snp_policy {
	uint64_t raw;
	uint8_t abi_minor;
	uint8_t abi_major;
	bool smt;
	bool reserved_one; /* bit 17, which must be 1 */
	bool migrate_ma;
	bool debug;
	bool single_socket;
	bool cxl;
	bool mem_aes_256_xts;
	bool rapl_disabled;
	bool ciphertext_hiding;
	bool page_swap_disabled;
	uint64_t unknown; /* the bits that have no name here */
};

struct snp_platform {
	uint64_t raw;
	bool smt;
	bool tsme;
	bool ecc;
	bool rapl_disabled;
	bool ciphertext_hiding;
	bool alias_check_complete;
	bool tio;
	uint64_t unknown;
};

struct snp_report {
	uint32_t version;
	bool known; /* false: newer than SNP_NEWEST_VERSION; only what all versions share was read. Do not send. */
	uint32_t guest_svn;
	struct snp_policy policy;
	uint8_t family_id[16];
	uint8_t image_id[16];
	uint32_t vmpl;
	uint32_t signature_algo;
	struct snp_tcb current_tcb;
	struct snp_platform platform;
	uint32_t key_info;
	bool author_key_en;
	bool mask_chip_key;  /* the firmware did not sign */
	uint8_t signing_key; /* enum snp_key, or a reserved value */
	struct report_data report_data;
	uint8_t measurement[48];
	uint8_t host_data[32];
	uint8_t id_key_digest[48];
	uint8_t author_key_digest[48];
	uint8_t report_id[32];
	uint8_t report_id_ma[32];    /* all 0xFF: no migration agent */
	struct snp_tcb reported_tcb; /* the one that selects the VCEK or VLEK */
	bool has_cpuid;		     /* version 3 and later */
	uint8_t cpuid_family;
	uint8_t cpuid_model;
	uint8_t cpuid_stepping;
	enum snp_product product; /* by CPUID, hence unknown in version 2 */
	uint8_t chip_id[64];	  /* all zero when masked; Turin uses 8 bytes */
	struct snp_tcb committed_tcb;
	struct snp_firmware current;
	struct snp_firmware committed;
	struct snp_tcb launch_tcb;
	bool has_mit_vectors; /* version 5 and later */
	uint64_t launch_mit_vector;
	uint64_t current_mit_vector;
	bool has_signature;	 /* R or S is not zero */
	uint8_t signature_r[72]; /* little-endian */
	uint8_t signature_s[72];
};

/* `raw` is exactly SNP_REPORT_LEN bytes (a newer version may be longer). ERR_PROTOCOL with
 * the offset where a length, version or reserved field is wrong. Bits without a name in
 * POLICY, PLATFORM_INFO and key info are no error: genuine firmware sets such. */
int snp_report_read(struct bytes raw, struct snp_report *ret_report, struct err *err) WARN_UNUSED;

const char *snp_product_name(enum snp_product product); /* "Milan", …, "unknown" */
const char *snp_key_name(uint8_t signing_key);		/* "VCEK", "VLEK", "none", "reserved" */

/* Is there a migration agent (REPORT_ID_MA)? */
bool snp_has_migration_agent(const struct snp_report *report);

#endif
