/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at an SNP report before it is sent. The rules are those of the verifiers that
 * are in use and of AMD's own advice; each has its own text. Must never let a report pass
 * whose layout is not known.
 */
#include "attest/look_parts.h"
#include "base/cursor.h"

static void look_at_form(const struct snp_report *report, struct look *look)
{
	if (!report->known)
		look_refuse(
			look, "unknown-version",
			"the SNP report has version %u; %d is the newest that this program knows, so it cannot be sent",
			report->version, SNP_NEWEST_VERSION);
	if (report->version == 2)
		look_warn(look, "old-version",
			  "the SNP report has version 2, which names no processor; current KBSs want 3 or later: "
			  "update the "
			  "host's SEV firmware");
	if (report->mask_chip_key || report->signing_key == SNP_KEY_NONE || !report->has_signature)
		look_refuse(look, "unsigned",
			    "the SNP report is not signed (MASK_CHIP_KEY is %s, the signing key is '%s'): nobody can "
			    "verify it",
			    report->mask_chip_key ? "set" : "not set", snp_key_name(report->signing_key));
	else if (report->signing_key > SNP_KEY_VLEK)
		look_refuse(look, "signing-key", "the SNP report names the reserved signing key %u",
			    report->signing_key);
	if (report->signature_algo != SNP_SIG_ALGO_ECDSA_P384)
		look_refuse(look, "signature-algorithm",
			    "the SNP report names the signature algorithm %u, not 1 (ECDSA P-384)",
			    report->signature_algo);
}

static void look_at_vmpl(const struct snp_report *report, struct look *look)
{
	if (report->vmpl == SNP_VMPL_HOST)
		look_refuse(look, "vmpl", "the SNP report was asked for by the host, not by this VM");
	else if (report->vmpl != 0)
		look_refuse(look, "vmpl", "the SNP report is of VMPL %u; verifiers take VMPL 0 alone", report->vmpl);
}

static void look_at_policy(const struct snp_report *report, struct look *look)
{
	const struct snp_policy *policy = &report->policy;
	if (policy->debug)
		look_refuse(look, "debug",
			    "the VM's policy 0x%llx allows debugging: the host can read and change its memory",
			    (unsigned long long)policy->raw);
	if (!policy->reserved_one)
		look_refuse(look, "policy", "bit 17 of the VM's policy 0x%llx is 0, which no firmware would accept",
			    (unsigned long long)policy->raw);
	if (snp_has_migration_agent(report))
		look_refuse(look, "migration-agent",
			    "a migration agent is bound to this VM: it can read the VM's memory");
	if (policy->migrate_ma)
		look_warn(look, "migration-allowed", "the VM's policy 0x%llx lets the host bind a migration agent",
			  (unsigned long long)policy->raw);
	if (policy->unknown)
		look_warn(look, "policy-bits",
			  "the VM's policy 0x%llx has bits that this program does not know: 0x%llx",
			  (unsigned long long)policy->raw, (unsigned long long)policy->unknown);
}

static void look_at_platform(const struct snp_report *report, struct look *look)
{
	if (report->product == SNP_MILAN)
		look_warn(
			look, "weak-generation",
			"the processor is of the Milan generation, against whose memory encryption attacks are known");
	if (report->has_cpuid && report->product == SNP_PRODUCT_UNKNOWN)
		look_warn(look, "unknown-product",
			  "the processor of family 0x%02x, model 0x%02x is of no known product", report->cpuid_family,
			  report->cpuid_model);
	if (!report->platform.alias_check_complete)
		look_warn(look, "alias-check",
			  "the platform has not checked its memory for aliases (ALIAS_CHECK_COMPLETE is 0): modules "
			  "with false "
			  "size data could be in use");
	bool masked = bytes_are_zero(bytes_of(report->chip_id, sizeof(report->chip_id)));
	if (masked && report->signing_key == SNP_KEY_VCEK)
		look_warn(look, "masked-chip-id",
			  "the chip id is masked: the VCEK can only come from the host, and nothing binds it to the "
			  "chip");
}

void look_at_snp(const struct snp_report *report, const struct look_expected *expected, struct look *ret_look)
{
	*ret_look = (struct look){ .count = 0 };
	look_at_report_data(ret_look, &report->report_data, expected->report_data);
	look_at_init_data(ret_look, "HOST_DATA", bytes_of(report->host_data, sizeof(report->host_data)),
			  expected->init_data);
	look_at_form(report, ret_look);
	look_at_policy(report, ret_look);
	look_at_vmpl(report, ret_look);
	look_at_platform(report, ret_look);
}
