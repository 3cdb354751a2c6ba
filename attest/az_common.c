/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering on Azure: report data into the vTPM, quote and HCL report out of it.
 *
 * The vTPM belongs to the paravisor on Azure; elsewhere somebody may pose as one. An
 * HCL report is told by what it says: one that was read too early carries what was asked for before. Must
 * never take a stale report for the one that was waited for.
 */
#include "attest/az_common.h"

#include <string.h>

#include "base/log.h"

#define POLL_FIRST_MS 50
#define POLL_MOST_MS 500

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

/* The index is exactly as long as the report data: the paravisor takes all of it. */
static int put_report_data(struct tpm *tpm, struct bytes report_data, struct err *err)
{
	bool there = false;
	size_t size = 0;
	if (tpm_nv_find(tpm, AZ_NV_REPORT_DATA, &there, &size, err) < 0)
		return -1;
	if (there && size != report_data.len) {
		if (tpm_nv_undefine(tpm, AZ_NV_REPORT_DATA, err) < 0)
			return -1;
		there = false;
	}
	if (!there && tpm_nv_define(tpm, AZ_NV_REPORT_DATA, report_data.len, err) < 0)
		return -1;
	return tpm_nv_write(tpm, AZ_NV_REPORT_DATA, report_data, err);
}

/* One reading. -1 as long as it is not the report that is waited for; err says what it is instead. */
static int read_fresh(struct tpm *tpm, struct bytes report_data, struct az_gathered *gathered, struct err *err)
{
	if (tpm_nv_read(tpm, AZ_NV_HCL, &gathered->hcl, err) < 0 ||
	    hcl_read(buf_bytes(&gathered->hcl), &gathered->report, err) < 0 ||
	    hcl_claims_read(gathered->report.claims, &gathered->claims, err) < 0)
		return -1;
	if (!gathered->claims.has_user_data)
		return err_set(err, ERR_NO_TEE,
			       "the HCL report's claims have no 'user-data': this VM's paravisor is too old to be "
			       "attested so");
	if (!hcl_claims_carry(&gathered->claims, report_data))
		return err_set(err, ERR_DEVICE, "the HCL report is stale: its claims carry other report data");
	if ((gathered->report.type == HCL_SNP || gathered->report.type == HCL_TDX) &&
	    !hcl_claims_vouched(&gathered->report))
		return err_set(err, ERR_NO_TEE,
			       "the hardware report inside the HCL report does not carry the hash of its claims");
	return 0;
}

/* Why does no HCL report carry it? Perhaps another program of this guest wanted one, too. */
static int explain(struct tpm *tpm, struct bytes report_data, int64_t began_ms, struct err *err)
{
	struct buf now OWNED_BUF = BUF_INIT(TPM_NV_MAX);
	struct err ignored = { 0 };
	bool there = false;
	size_t size = 0;
	if (tpm_nv_find(tpm, AZ_NV_REPORT_DATA, &there, &size, &ignored) == 0 && there &&
	    tpm_nv_read(tpm, AZ_NV_REPORT_DATA, &now, &ignored) == 0 && !bytes_equal(buf_bytes(&now), report_data))
		return err_set(err, ERR_DEVICE,
			       "another program of this VM has put other report data into NV index 0x%08x",
			       AZ_NV_REPORT_DATA);
	return err_wrap(err, "after %lld s of waiting", (long long)((clock_now_ms() - began_ms) / 1000));
}

/* A report that is stale may be followed by another one. One that is wrong may be the halves of two, where it was
 * rewritten while it was read; nobody rewrites one that is read twice the same. */
static bool may_heal(const struct err *why, struct bytes before, struct bytes now)
{
	if (why->code == ERR_PROTOCOL || why->code == ERR_NO_TEE)
		return !bytes_equal(before, now);
	return err_may_retry(why);
}

static int await_hcl(struct tpm *tpm, struct bytes report_data, int64_t patience_ms, const struct deadline *deadline,
		     struct az_gathered *gathered, struct err *err)
{
	int64_t left = deadline_left(deadline);
	int64_t began = clock_now_ms();
	const struct deadline until = deadline_in(left < patience_ms ? left : patience_ms);
	int64_t pause = POLL_FIRST_MS;
	struct buf before OWNED_BUF = BUF_INIT(AZ_HCL_MAX);
	struct err why = { 0 };
	while (read_fresh(tpm, report_data, gathered, &why) < 0) {
		bool heals = may_heal(&why, buf_bytes(&before), buf_bytes(&gathered->hcl));
		if (!heals || !clock_pause(pause, &until)) {
			*err = why;
			return heals ? explain(tpm, report_data, began, err) : -1;
		}
		buf_move(&before, &gathered->hcl);
		pause = pause * 2 < POLL_MOST_MS ? pause * 2 : POLL_MOST_MS;
	}
	return 0;
}

int az_gather(struct tpm *tpm, struct bytes report_data, int64_t patience_ms, const struct deadline *deadline,
	      struct az_gathered *ret_gathered, struct err *err)
{
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	if (report_data.len == 0 || report_data.len > REPORT_DATA_LEN)
		return err_set(err, ERR_USAGE, "report data of %zu bytes; 1 to %d are taken", report_data.len,
			       REPORT_DATA_LEN);
	/* The paravisor makes its report while the TPM makes the quote. */
	if (put_report_data(tpm, report_data, err) < 0 ||
	    tpm_quote_all(tpm, AZ_AK, report_data, &gathered.quoted, err) < 0 ||
	    await_hcl(tpm, report_data, patience_ms, deadline, &gathered, err) < 0)
		return err_wrap(err, "vTPM");
	az_gathered_done(ret_gathered);
	*ret_gathered = gathered;
	gathered = (struct az_gathered)AZ_GATHERED_INIT;
	return 0;
}
