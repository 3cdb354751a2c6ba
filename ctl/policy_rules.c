/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables behind the policies: names of claims as Trustee's verifiers give them, names of reference
 * values as its own policies have them. A kind of TEE gets better than its default only by all of its lines.
 */
#include "ctl/policy_rules.h"

#include <stdio.h>
#include <string.h>

#include "ctl/measurements.h"

#define SHA256_DIGITS 64
#define SHA384_DIGITS 96
#define INIT_DATA_PCR 8

struct row {
	const char *tee, *claim, *value;
	enum policy_vector vector;
	size_t digits;
	bool required;
};

static const struct row rows[] = {
	{ "snp", "measurement", "snp_launch_measurement", POLICY_EXECUTABLES, SHA384_DIGITS, true },
	{ "tdx", "quote.body.mr_td", "mr_td", POLICY_EXECUTABLES, SHA384_DIGITS, true },
	{ "tdx", "quote.body.rtmr_0", "rtmr_0", POLICY_EXECUTABLES, SHA384_DIGITS, false },
	{ "tdx", "quote.body.rtmr_1", "rtmr_1", POLICY_EXECUTABLES, SHA384_DIGITS, true },
	{ "tdx", "quote.body.rtmr_2", "rtmr_2", POLICY_EXECUTABLES, SHA384_DIGITS, true },
	{ "tdx", "quote.body.rtmr_3", "rtmr_3", POLICY_EXECUTABLES, SHA384_DIGITS, false },
	{ "tdx", "quote.body.mr_seam", "mr_seam", POLICY_HARDWARE, SHA384_DIGITS, false },
	{ "tdx", "quote.body.tcb_svn", "tcb_svn", POLICY_HARDWARE, 32, false },
	{ "tdx", "quote.body.xfam", "xfam", POLICY_CONFIGURATION, 16, false },
};

/* Azure's hardware reports say little of the guest: its vTPM's registers do. */
static const struct {
	const char *tee, *prefix;
} vtpms[] = {
	{ "az-snp-vtpm", "snp" },
	{ "az-tdx-vtpm", "tdx" },
};

static bool pcr_is_required(size_t pcr)
{
	return pcr == 3 || pcr == INIT_DATA_PCR || pcr == 9 || pcr == 11 || pcr == 12;
}

static bool pcr_rule_at(const char *prefix, size_t pcr, struct policy_rule *ret_rule)
{
	if (pcr >= MEASUREMENTS_PCRS)
		return false;
	*ret_rule = (struct policy_rule){
		.vector = POLICY_EXECUTABLES,
		.digits = SHA256_DIGITS,
		.required = pcr_is_required(pcr),
		.made = pcr == INIT_DATA_PCR,
	};
	(void)snprintf(ret_rule->claim, sizeof(ret_rule->claim), "tpm.pcr%02zu", pcr);
	(void)snprintf(ret_rule->value, sizeof(ret_rule->value), "%s_pcr%02zu", prefix, pcr);
	return true;
}

static bool row_at(const char *tee, size_t i, struct policy_rule *ret_rule)
{
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		if (strcmp(rows[k].tee, tee) != 0 || i-- != 0)
			continue;
		*ret_rule = (struct policy_rule){ .vector = rows[k].vector,
						  .digits = rows[k].digits,
						  .required = rows[k].required };
		(void)snprintf(ret_rule->claim, sizeof(ret_rule->claim), "%s", rows[k].claim);
		(void)snprintf(ret_rule->value, sizeof(ret_rule->value), "%s", rows[k].value);
		return true;
	}
	return false;
}

bool policy_rule_at(const char *tee, size_t i, struct policy_rule *ret_rule)
{
	for (size_t k = 0; k < ARRAY_LEN(vtpms); k++)
		if (strcmp(vtpms[k].tee, tee) == 0)
			return pcr_rule_at(vtpms[k].prefix, i, ret_rule);
	return row_at(tee, i, ret_rule);
}

static const struct {
	const char *tee;
	enum policy_vector vector;
	const char *line;
} conditions[] = {
	{ "snp", POLICY_CONFIGURATION, "policy_debug_allowed == false" },
	{ "snp", POLICY_CONFIGURATION, "policy_migrate_ma == false" },
	/* This verifier's claims are texts. */
	{ "az-snp-vtpm", POLICY_CONFIGURATION, "policy_debug_allowed == \"false\"" },
	{ "az-snp-vtpm", POLICY_CONFIGURATION, "policy_migrate_ma == \"false\"" },
	{ "tdx", POLICY_HARDWARE, "quote.header.tee_type == \"81000000\"" },
	{ "tdx", POLICY_HARDWARE, "quote.header.vendor_id == \"939a7233f79c4ca9940a0db3957f0607\"" },
	{ "tdx", POLICY_HARDWARE, "tcb_status == \"UpToDate\"" },
	{ "tdx", POLICY_CONFIGURATION, "td_attributes.debug == false" },
	{ "az-tdx-vtpm", POLICY_HARDWARE, "quote.header.tee_type == \"81000000\"" },
	{ "az-tdx-vtpm", POLICY_HARDWARE, "quote.header.vendor_id == \"939a7233f79c4ca9940a0db3957f0607\"" },
	{ "az-tdx-vtpm", POLICY_HARDWARE, "tcb_status == \"UpToDate\"" },
	{ "az-tdx-vtpm", POLICY_CONFIGURATION, "td_attributes.debug == false" },
};

const char *policy_condition_at(const char *tee, enum policy_vector vector, size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(conditions); k++)
		if (strcmp(conditions[k].tee, tee) == 0 && conditions[k].vector == vector && i-- == 0)
			return conditions[k].line;
	return NULL;
}

const char *policy_vector_name(enum policy_vector vector)
{
	static const char *const names[] = { "executables", "hardware", "configuration" };
	return names[vector];
}

enum initdata_register policy_register(const char *tee)
{
	if (strcmp(tee, "snp") == 0)
		return INITDATA_HOST_DATA;
	return strcmp(tee, "tdx") == 0 ? INITDATA_MRCONFIGID : INITDATA_PCR8;
}

const char *policy_tee_name(enum deployment_generation generation, const char *tee)
{
	if (generation == TRUSTEE_1_0 && strcmp(tee, "az-snp-vtpm") == 0)
		return "azsnpvtpm";
	if (generation == TRUSTEE_1_0 && strcmp(tee, "az-tdx-vtpm") == 0)
		return "aztdxvtpm";
	return tee;
}
