/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering on Azure: report data into the vTPM, quote and HCL report out of it.
 *
 * The vTPM belongs to the paravisor on Azure; elsewhere somebody may pose as one. Must never attest a TPM that has no
 * HCL report as Azure's.
 */
#include "attest/az_parts.h"

#include "base/log.h"

static const struct az_patience usual = { .report_ms = AZ_REPORT_MS, .turn_ms = AZ_TURN_MS };

uint32_t az_probe(struct err *ret_trouble)
{
	struct tpm *tpm OWNED_TPM = NULL;
	struct buf head OWNED_BUF = BUF_INIT(HCL_HEAD_LEN);
	struct err why = { 0 };
	uint32_t type = HCL_NONE;
	bool there = false;
	if (!tpm_present())
		return HCL_NONE;
	if (tpm_open_device(&tpm, &why) < 0 ||
	    tpm_nv_read_head(tpm, AZ_NV_HCL, HCL_HEAD_LEN, &there, &head, &why) < 0 ||
	    (there && hcl_type_of(buf_bytes(&head), &type, &why) < 0))
		log_info("no HCL report in '" TPM_DEVICE "': %s", why.message);
	if (why.code == ERR_DEVICE || why.code == ERR_SYSTEM)
		*ret_trouble = why; /* of the TPM itself: it may hold one all the same */
	return type;
}

void az_gathered_done(struct az_gathered *gathered)
{
	tpm_quoted_done(&gathered->quoted);
	buf_done(&gathered->hcl);
	hcl_claims_done(&gathered->claims);
}

struct bytes az_report_data(struct bytes asked)
{
	static const uint8_t zeros[REPORT_DATA_LEN];
	return asked.len > 0 ? asked : bytes_of(zeros, sizeof(zeros));
}

int az_gather(struct tpm *tpm, struct bytes report_data, const struct az_patience *patience,
	      const struct deadline *deadline, struct az_gathered *ret_gathered, struct err *err)
{
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	if (report_data.len == 0 || report_data.len > REPORT_DATA_LEN)
		return err_set(err, ERR_USAGE, "report data of %zu bytes; 1 to %d are taken", report_data.len,
			       REPORT_DATA_LEN);
	az_let_others_first(tpm, report_data, patience, deadline);
	/* The paravisor makes its report while the TPM makes the quote. */
	if (az_put_report_data(tpm, report_data, deadline, err) < 0 ||
	    tpm_quote_all(tpm, AZ_AK, report_data, &gathered.quoted, err) < 0 ||
	    az_await_hcl(tpm, report_data, patience, deadline, &gathered, err) < 0)
		return err_wrap(err, "vTPM");
	az_gathered_done(ret_gathered);
	*ret_gathered = gathered;
	gathered = (struct az_gathered)AZ_GATHERED_INIT;
	return 0;
}

/* Several of us go one after the other, which spares each of them being overtaken. No more than a courtesy: a program
 * that does not ask is not kept out, nor one that sees another node of the device, as containers do. */
static void await_lock(const struct deadline *deadline, int *ret_lock)
{
	int64_t half = deadline_left(deadline) / 2;
	const struct deadline until = deadline_in(half < AZ_REPORT_MS ? half : AZ_REPORT_MS);
	struct err why = { 0 };
	if (tpm_lock_device(&until, ret_lock, &why) < 0)
		log_info("%s; going on without", why.message);
}

int az_gather_from_device(struct bytes report_data, const struct deadline *deadline, struct az_gathered *ret_gathered,
			  struct err *err)
{
	struct tpm *tpm OWNED_TPM = NULL;
	int lock OWNED_FD = -1;
	if (tpm_open_device(&tpm, err) < 0)
		return -1;
	await_lock(deadline, &lock);
	return az_gather(tpm, report_data, &usual, deadline, ret_gathered, err);
}
