/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of `attestation_report` in SNP evidence: names, and where each stands in the
 * report and in struct snp_report. Names and order are the reference attester's
 * (guest-components and virtee/sev), which the verifier's deserialiser wants to the letter.
 */
#include "attest/snp_members.h"

#include <stddef.h>

#include "base/cleanup.h"

#define PLACE(field) (uint16_t) offsetof(struct snp_report, field)
#define BYTES(name, offset, field)                                                                                     \
	{                                                                                                              \
		name, SNP_MEMBER_BYTES, offset, PLACE(field), sizeof(((struct snp_report *)0)->field), 2, false        \
	}

const struct snp_member snp_members[] = {
	{ "version", SNP_MEMBER_U32, 0x000, PLACE(version), 0, 2, false },
	{ "guest_svn", SNP_MEMBER_U32, 0x004, PLACE(guest_svn), 0, 2, false },
	{ "policy", SNP_MEMBER_U64, 0x008, PLACE(policy.raw), 0, 2, false },
	BYTES("family_id", 0x010, family_id),
	BYTES("image_id", 0x020, image_id),
	{ "vmpl", SNP_MEMBER_U32, 0x030, PLACE(vmpl), 0, 2, false },
	{ "sig_algo", SNP_MEMBER_U32, 0x034, PLACE(signature_algo), 0, 2, false },
	{ "current_tcb", SNP_MEMBER_TCB, 0x038, PLACE(current_tcb), 0, 2, false },
	{ "plat_info", SNP_MEMBER_U64, 0x040, PLACE(platform.raw), 0, 2, false },
	{ "key_info", SNP_MEMBER_U32, 0x048, PLACE(key_info), 0, 2, false },
	BYTES("report_data", 0x050, report_data),
	BYTES("measurement", 0x090, measurement),
	BYTES("host_data", 0x0C0, host_data),
	BYTES("id_key_digest", 0x0E0, id_key_digest),
	BYTES("author_key_digest", 0x110, author_key_digest),
	BYTES("report_id", 0x140, report_id),
	BYTES("report_id_ma", 0x160, report_id_ma),
	{ "reported_tcb", SNP_MEMBER_TCB, 0x180, PLACE(reported_tcb), 0, 2, false },
	{ "cpuid_fam_id", SNP_MEMBER_U8, 0x188, PLACE(cpuid_family), 0, 3, false },
	{ "cpuid_mod_id", SNP_MEMBER_U8, 0x189, PLACE(cpuid_model), 0, 3, false },
	{ "cpuid_step", SNP_MEMBER_U8, 0x18A, PLACE(cpuid_stepping), 0, 3, false },
	BYTES("chip_id", 0x1A0, chip_id),
	{ "committed_tcb", SNP_MEMBER_TCB, 0x1E0, PLACE(committed_tcb), 0, 2, false },
	{ "current", SNP_MEMBER_FIRMWARE, 0x1E8, PLACE(current), 0, 2, false },
	{ "committed", SNP_MEMBER_FIRMWARE, 0x1EC, PLACE(committed), 0, 2, false },
	{ "launch_tcb", SNP_MEMBER_TCB, 0x1F0, PLACE(launch_tcb), 0, 2, false },
	{ "launch_mit_vector", SNP_MEMBER_U64, 0x1F8, PLACE(launch_mit_vector), 0, 5, true },
	{ "current_mit_vector", SNP_MEMBER_U64, 0x200, PLACE(current_mit_vector), 0, 5, true },
};

const size_t snp_member_count = ARRAY_LEN(snp_members);
