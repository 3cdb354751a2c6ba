/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which TEE is this, and its evidence.
 *
 * The host decides what devices a guest sees, so detection proves nothing: it
 * only chooses whom to ask. The KBS's verifier judges the answer. Must never
 * fall back from a TEE that is absent to a weaker one, and never guess between two.
 */
#include "attest/attester.h"

#include <string.h>

#include "attest/az_common.h"
#include "attest/az_snp.h"
#include "attest/az_tdx.h"
#include "attest/sample.h"
#include "attest/sev_guest.h"
#include "attest/snp.h"
#include "attest/tdx.h"
#include "base/log.h"

static const struct attester *const attesters[] = {
	&snp_attester,	  &tdx_attester, &az_snp_attester, &az_tdx_attester,
#ifdef SEALPOD_SAMPLE_ATTESTER
	&sample_attester, /* last: chosen only where nothing real is there */
#endif
};

#define RETRY_MS 2000

void attester_evidence_done(struct attester_evidence *evidence)
{
	json_free(evidence->json);
	evidence->json = NULL;
	buf_done(&evidence->raw);
	buf_done(&evidence->certs);
}

static struct attester_signs look_around(const char *instance, struct err *why_no_tsm, struct err *tpm_trouble)
{
	struct attester_signs signs = { .sev_guest = sev_guest_present(),
					.tdx_guest = access("/dev/tdx_guest", F_OK) == 0,
					.hcl_type = az_probe(tpm_trouble) };
	if (tsm_probe(instance, signs.tsm_provider, why_no_tsm) < 0)
		signs.tsm_provider[0] = 0;
	signs.foreign_provider = signs.tsm_provider[0] && strcmp(signs.tsm_provider, "sev_guest") != 0 &&
				 strcmp(signs.tsm_provider, "tdx_guest") != 0;
	return signs;
}

static int no_tee(const struct attester_signs *signs, const char *what, const struct err *why_no_tsm, struct err *err)
{
	return err_set(err, ERR_NO_TEE,
		       "%s; looked for configfs-tsm (%s), '/dev/sev-guest' (%s), '/dev/tdx_guest' (%s), '" TPM_DEVICE
		       "' (%s, HCL report: %s)",
		       what, signs->tsm_provider[0] ? signs->tsm_provider : why_no_tsm->message,
		       signs->sev_guest ? "there" : "absent", signs->tdx_guest ? "there" : "absent",
		       tpm_present() ? "there" : "absent", signs->hcl_type ? hcl_type_name(signs->hcl_type) : "none");
}

static const struct attester *by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(attesters); i++)
		if (strcmp(attesters[i]->tee, name) == 0)
			return attesters[i];
	return NULL;
}

static int take_forced(const char *name, const struct attester_signs *signs, const struct err *why_no_tsm,
		       const struct attester **ret_attester, struct err *err)
{
	char what[128];
	const struct attester *attester = by_name(name);
	if (!attester)
		return err_set(err, ERR_USAGE, "this build of sealpod knows no TEE '%s'", name);
	(void)snprintf(what, sizeof(what), "this is no TEE '%s'", attester->tee);
	if (!attester->probe(signs))
		return no_tee(signs, what, why_no_tsm, err);
	*ret_attester = attester;
	return 0;
}

int attester_detect(const char *instance, const char *forced, const struct attester **ret_attester, struct err *err)
{
	struct err why_no_tsm = { .message = "absent" };
	struct err tpm_trouble = { 0 };
	struct attester_signs signs = look_around(instance, &why_no_tsm, &tpm_trouble);
	const struct attester *found = NULL;
	if (forced)
		return take_forced(forced, &signs, &why_no_tsm, ret_attester, err);
	for (size_t i = 0; i < ARRAY_LEN(attesters); i++) {
		const struct attester *attester = attesters[i];
		if (!attester->probe(&signs) || (found && attester->warning))
			continue;
		if (found)
			return no_tee(&signs, "more than one TEE is there: say which with '--tee'", &why_no_tsm, err);
		found = attester;
	}
	if (!found && tpm_trouble.code != ERR_NONE) {
		*err = tpm_trouble;
		return err_wrap(err, "whether this is a confidential VM of Azure's cannot be told, for its vTPM fails");
	}
	if (!found)
		return no_tee(&signs, "no TEE that this build of sealpod can attest", &why_no_tsm, err);
	*ret_attester = found;
	return 0;
}

int attester_collect(const struct attester *attester, const struct attester_request *request,
		     struct attester_evidence *ret_evidence, struct err *err)
{
	struct backoff backoff = { .base_ms = RETRY_MS, .cap_ms = 30000 };
	struct err why = { 0 };
	while (attester->collect(request, ret_evidence, &why) < 0) {
		int64_t pause = RETRY_MS + backoff_next(&backoff);
		bool again = err_may_retry(&why) && clock_pause(pause, &request->deadline);
		if (!again) {
			*err = why;
			if (err_may_retry(&why))
				(void)err_wrap(err, "gave up at the deadline after %u tries", backoff.tries);
			return err_wrap(err, "evidence of TEE '%s'", attester->tee);
		}
		log_info("evidence of TEE '%s': %s; trying again", attester->tee, why.message);
	}
	return 0;
}
