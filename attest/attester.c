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
#include "attest/plain_tpm.h"
#include "attest/sample.h"
#include "attest/sev_guest.h"
#include "attest/snp.h"
#include "attest/tdx.h"
#include "base/log.h"

static const struct attester *const attesters[] = {
	&snp_attester,	  &tdx_attester, &az_snp_attester, &az_tdx_attester, &plain_tpm_attester,
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

/* What was seen, and why not more. */
struct surroundings {
	struct attester_signs signs;
	struct err why_no_tsm;	/* ERR_NO_TEE: there is none; another code: there is one, and it fails */
	struct err tpm_trouble; /* ERR_NONE: none */
};

static void look_around(const char *instance, struct surroundings *ret_seen)
{
	struct surroundings seen = { .signs = { .sev_guest = sev_guest_present(),
						.tdx_guest = access("/dev/tdx_guest", F_OK) == 0 } };
	struct attester_signs *signs = &seen.signs;
	signs->hcl_type = az_probe(&seen.tpm_trouble);
	if (tsm_probe(instance, signs->tsm_provider, &seen.why_no_tsm) < 0)
		signs->tsm_provider[0] = 0;
	signs->foreign_provider = signs->tsm_provider[0] && strcmp(signs->tsm_provider, "sev_guest") != 0 &&
				  strcmp(signs->tsm_provider, "tdx_guest") != 0;
	*ret_seen = seen;
}

static int no_tee(const struct surroundings *seen, const char *what, struct err *err)
{
	const struct attester_signs *signs = &seen->signs;
	return err_set(err, ERR_NO_TEE,
		       "%s; looked for configfs-tsm (%s), '/dev/sev-guest' (%s), '/dev/tdx_guest' (%s), '" TPM_DEVICE
		       "' (%s, HCL report: %s)",
		       what, signs->tsm_provider[0] ? signs->tsm_provider : seen->why_no_tsm.message,
		       signs->sev_guest ? "there" : "absent", signs->tdx_guest ? "there" : "absent",
		       tpm_present() ? "there" : "absent", signs->hcl_type ? hcl_type_name(signs->hcl_type) : "none");
}

static bool tsm_fails(const struct surroundings *seen)
{
	return seen->why_no_tsm.code != ERR_NONE && seen->why_no_tsm.code != ERR_NO_TEE;
}

/* Something that fails is not something that is absent: what it would say is unknown. */
static int cannot_tell(const struct err *trouble, const char *what, const char *failing, struct err *err)
{
	*err = *trouble;
	return err_wrap(err, "whether this is %s cannot be told, for its %s fails", what, failing);
}

static const struct attester *by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(attesters); i++)
		if (strcmp(attesters[i]->tee, name) == 0)
			return attesters[i];
	return NULL;
}

static int unknown_name(const char *name, struct err *err)
{
	char known[256] = "";
	for (size_t i = 0; i < ARRAY_LEN(attesters); i++) {
		size_t used = strlen(known);
		(void)snprintf(known + used, sizeof(known) - used, "%s'%s'", i ? ", " : "", attesters[i]->tee);
	}
	return err_set(err, ERR_USAGE, "this build of sealpod knows no TEE '%s', but %s", name, known);
}

static int take_forced(const char *name, const struct surroundings *seen, const struct attester **ret_attester,
		       struct err *err)
{
	char what[128];
	const struct attester *attester = by_name(name);
	if (!attester)
		return unknown_name(name, err);
	if (attester->probe(&seen->signs)) {
		*ret_attester = attester;
		return 0;
	}
	(void)snprintf(what, sizeof(what), "a TEE '%s'", attester->tee);
	if (attester->found_by == ATTESTER_BY_CONFIGFS && tsm_fails(seen))
		return cannot_tell(&seen->why_no_tsm, what, "configfs-tsm", err);
	if (attester->found_by == ATTESTER_BY_VTPM && seen->tpm_trouble.code != ERR_NONE)
		return cannot_tell(&seen->tpm_trouble, what, "vTPM", err);
	(void)snprintf(what, sizeof(what), "this is no TEE '%s'", attester->tee);
	return no_tee(seen, what, err);
}

/* The one that is there; NULL if none is. The sample attester counts only where nothing else does. */
static int find_one(const struct surroundings *seen, const struct attester **ret_found, struct err *err)
{
	const struct attester *found = NULL;
	for (size_t i = 0; i < ARRAY_LEN(attesters); i++) {
		const struct attester *attester = attesters[i];
		if (attester->by_name_only || !attester->probe(&seen->signs) || (found && attester->warning))
			continue;
		if (found)
			return no_tee(seen, "more than one TEE is there: say which with '--tee'", err);
		found = attester;
	}
	*ret_found = found;
	return 0;
}

int attester_detect(const char *instance, const char *forced, const struct attester **ret_attester, struct err *err)
{
	struct surroundings seen;
	const struct attester *found = NULL;
	look_around(instance, &seen);
	if (forced)
		return take_forced(forced, &seen, ret_attester, err);
	if (find_one(&seen, &found, err) < 0)
		return -1;
	bool real = found && !found->warning;
	if (!real && tsm_fails(&seen))
		return cannot_tell(&seen.why_no_tsm, "a TEE", "configfs-tsm", err);
	if (!real && seen.tpm_trouble.code != ERR_NONE)
		return cannot_tell(&seen.tpm_trouble, "a confidential VM of Azure's", "vTPM", err);
	if (!found)
		return no_tee(&seen, "no TEE that this build of sealpod can attest", err);
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
