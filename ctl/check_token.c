/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attests once and judges the token. The token comes by TLS from the pinned KBS; its signature is that KBS's
 * affair. Must take nothing for good that is not said to be.
 */
#include "ctl/check_token.h"

#include <string.h>

#include "attest/attester.h"
#include "base/log.h"

static int collect(const struct digest *runtime, struct json **ret_evidence, void *arg, struct err *err)
{
	const struct check_token_source *source = arg;
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct attester_request request = { .report_data = digest_bytes(runtime),
					    .instance = "sealpodctl",
					    .deadline = source->deadline };
	if (attester_collect(source->attester, &request, &evidence, err) < 0)
		return -1;
	*ret_evidence = TAKE_PTR(evidence.json);
	return 0;
}

static int judge_submod(const struct appraisal_submod *submod, struct err *err)
{
	if (strcmp(submod->status, "affirming") == 0)
		return 0;
	if (strcmp(submod->status, "none") == 0)
		return err_set(err, ERR_DENIED,
			       "the KBS rates '%s' as 'none': the attestation policy that is in force defines no "
			       "trust_claims, "
			       "or the KBS asks another than the one that was set",
			       submod->name);
	struct buf claims OWNED_BUF = BUF_INIT(1024);
	for (size_t i = 0; i < submod->claim_count; i++)
		if (strcmp(appraisal_tier(submod->claims[i].value), submod->status) == 0 &&
		    buf_printf(&claims, err, " %s %d", submod->claims[i].name, submod->claims[i].value) < 0)
			return -1;
	return err_set(err, ERR_DENIED,
		       "the KBS rates '%s' as '%s' (%s ): compare reference values and policy with what this TEE is",
		       submod->name, submod->status, buf_text(&claims));
}

int check_token_judge(const struct appraisal *appraisal, struct err *err)
{
	if (appraisal->submod_count == 0)
		return err_set(err, ERR_DENIED, "the KBS's token rates nothing");
	for (size_t i = 0; i < appraisal->submod_count; i++)
		if (judge_submod(&appraisal->submods[i], err) < 0)
			return -1;
	return 0;
}

int check_token_source(const char *tee, const struct deadline *deadline, struct check_token_source *source,
		       struct kbs_evidence *ret_evidence, struct err *err)
{
	const char *forced = strcmp(tee, "auto") == 0 ? NULL : tee;
	if (attester_detect("sealpodctl", forced, &source->attester, err) < 0)
		return -1;
	if (source->attester->warning)
		log_warning("%s", source->attester->warning);
	source->deadline = *deadline;
	*ret_evidence = (struct kbs_evidence){ .tee = source->attester->tee, .collect = collect, .arg = source };
	return 0;
}

int check_token_attest(const struct check_token *check, struct appraisal *ret_appraisal, struct err *err)
{
	struct kbs_facts facts = { 0 };
	struct check_token_source source;
	struct kbs_options options = { .url = check->url,
				       .ca_pem = check->ca_pem,
				       .tee_key = TEE_KEY_EC_P256,
				       .deadline = check->deadline,
				       .facts = &facts };
	struct kbs *kbs OWNED_KBS = NULL;
	if (check_token_source(check->tee, &check->deadline, &source, &options.evidence, err) < 0 ||
	    kbs_open(&options, &kbs, err) < 0 || kbs_attest(kbs, err) < 0)
		return -1;
	if (!facts.appraised)
		return err_set(err, ERR_PROTOCOL, "the KBS's token holds no appraisal");
	*ret_appraisal = facts.appraisal;
	return check_token_judge(ret_appraisal, err);
}
