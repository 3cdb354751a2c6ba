/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report data into the vTPM, and the HCL report that carries them out of it.
 *
 * The index of report data is one for the whole VM, and so is the report: who writes last is served, and the others
 * wait for a report that cannot come. So the index is looked at as long as the report is stale. Where it holds
 * another program's, that one is let have its report first, and ours are put again after it:
 *
 *  - Not at once, or two programs that do so would overtake each other for ever. When the other's report is there,
 *    whoever was served last is not in the way any more: of any number one is served each time.
 *  - Not before some time has passed, a bit of it by chance: who asks in the simplest way (Confidential Containers'
 *    own agent) sleeps three seconds, reads once, and does not look at what it got.
 *  - Not for ever: AZ_TURNS times, and not past the deadline.
 *
 * The same holds before the first writing, but more cheaply: what stands there may be as old as the VM.
 *
 * What the TPM says may be the host's. Must never take a stale report for the one that was waited for.
 */
#include "attest/az_parts.h"

#include <string.h>

#include "base/cursor.h"
#include "base/log.h"
#include "base/random.h"

#define TOO "another program of this VM asks for an HCL report, too: it comes first"

#define PUT_TRIES 5
#define PUT_PAUSE_MS 20
#define POLL_FIRST_MS 50
#define POLL_MOST_MS 500

struct wait {
	struct tpm *tpm;
	struct bytes report_data;
	const struct az_patience *patience;
	const struct deadline *deadline;
	struct deadline until; /* the paravisor must have served whoever was last by then */
	struct deadline turn;  /* ours does not come before */
	int64_t began_ms;
	int64_t pause_ms;
	bool overtaken;
	bool served;	   /* whoever overtook us */
	bool any_served;   /* of all that did */
	struct buf theirs; /* what overtook us; empty where the index is gone */
	unsigned turns;	   /* how often we were overtaken */
};

/* 0 to most_ms: who was in step is not any more. */
static int64_t by_chance(int64_t most_ms)
{
	uint32_t chance;
	random_fill(&chance, sizeof(chance));
	return chance % (most_ms + 1);
}

static int64_t one_turn(const struct az_patience *patience)
{
	return patience->turn_ms + by_chance(patience->turn_ms / 2);
}

static void start_waiting(struct wait *wait)
{
	int64_t left = deadline_left(wait->deadline);
	wait->until = deadline_in(left < wait->patience->report_ms ? left : wait->patience->report_ms);
	wait->began_ms = clock_now_ms();
	wait->pause_ms = POLL_FIRST_MS;
	wait->served = false;
}

/* Nothing where the index is gone or was only defined: it is somebody's who is about to write it, or who died. False
 * where it cannot be told now. */
static bool look_into_index(struct tpm *tpm, struct buf *ret_content)
{
	struct err ignored = { 0 };
	bool there = false;
	size_t size = 0;
	if (tpm_nv_find(tpm, AZ_NV_REPORT_DATA, &there, &size, &ignored) < 0)
		return false;
	return !there || !tpm_nv_was_written(tpm, AZ_NV_REPORT_DATA) ||
	       tpm_nv_read(tpm, AZ_NV_REPORT_DATA, ret_content, &ignored) == 0;
}

/* Is there an HCL report, and of other report data? */
static bool is_awaited(struct tpm *tpm, struct bytes report_data)
{
	struct buf hcl OWNED_BUF = BUF_INIT(AZ_HCL_MAX);
	struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
	struct hcl_report report;
	struct err ignored = { 0 };
	return tpm_nv_read(tpm, AZ_NV_HCL, &hcl, &ignored) == 0 && hcl_read(buf_bytes(&hcl), &report, &ignored) == 0 &&
	       hcl_claims_read(report.claims, &claims, &ignored) == 0 && claims.has_user_data &&
	       !hcl_claims_carry(&claims, report_data);
}

/* Zeros are what nobody asked for. */
static bool is_anothers_turn(struct tpm *tpm, struct bytes report_data, struct bytes had_turn, struct buf *ret_theirs)
{
	if (!look_into_index(tpm, ret_theirs))
		return false;
	const struct bytes theirs = buf_bytes(ret_theirs);
	return !bytes_are_zero(theirs) && !bytes_equal(theirs, report_data) && !bytes_equal(theirs, had_turn) &&
	       is_awaited(tpm, theirs);
}

void az_let_others_first(struct tpm *tpm, struct bytes report_data, const struct az_patience *patience,
			 const struct deadline *deadline)
{
	struct buf had_turn OWNED_BUF = BUF_INIT(TPM_NV_MAX);
	struct buf theirs OWNED_BUF = BUF_INIT(TPM_NV_MAX);
	const struct deadline until = deadline_in(deadline_left(deadline) / 2);
	for (unsigned turns = 0; turns < AZ_TURNS; turns++) {
		int64_t turn_ms = one_turn(patience);
		if (!is_anothers_turn(tpm, report_data, buf_bytes(&had_turn), &theirs) ||
		    deadline_left(&until) < turn_ms)
			return;
		log_info(TOO);
		(void)clock_pause(turn_ms, &until);
		buf_move(&had_turn, &theirs);
	}
}

static int put_once(struct tpm *tpm, struct bytes report_data, struct err *err)
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

/* It takes up to four commands, between which another program may make the index anew, of another length. */
int az_put_report_data(struct tpm *tpm, struct bytes report_data, const struct deadline *deadline, struct err *err)
{
	struct err why = { 0 };
	for (unsigned tries = 1; put_once(tpm, report_data, &why) < 0; tries++) {
		if (tries == PUT_TRIES || !clock_pause(PUT_PAUSE_MS + by_chance(PUT_PAUSE_MS), deadline)) {
			*err = why;
			return -1;
		}
	}
	return 0;
}

/* One reading. -1 as long as it is not the report that is waited for; err says what it is instead. */
static int read_fresh(const struct wait *wait, struct az_gathered *gathered, struct err *err)
{
	if (tpm_nv_read(wait->tpm, AZ_NV_HCL, &gathered->hcl, err) < 0 ||
	    hcl_read(buf_bytes(&gathered->hcl), &gathered->report, err) < 0 ||
	    hcl_claims_read(gathered->report.claims, &gathered->claims, err) < 0)
		return -1;
	if (!gathered->claims.has_user_data)
		return err_set(err, ERR_NO_TEE,
			       "the HCL report's claims have no 'user-data': this VM's paravisor is too old to be "
			       "attested so");
	if (!hcl_claims_carry(&gathered->claims, wait->report_data))
		return err_set(err, ERR_DEVICE, "the HCL report is stale: its claims carry other report data");
	if ((gathered->report.type == HCL_SNP || gathered->report.type == HCL_TDX) &&
	    !hcl_claims_vouched(&gathered->report))
		return err_set(err, ERR_NO_TEE,
			       "the hardware report inside the HCL report does not carry the hash of its claims");
	return 0;
}

/* A report that is stale may be followed by another one. One that is wrong may be the halves of two, where it was
 * rewritten while it was read; nobody rewrites one that is read twice the same. */
static bool may_heal(const struct err *why, struct bytes before, struct bytes now)
{
	if (why->code == ERR_PROTOCOL || why->code == ERR_NO_TEE)
		return !bytes_equal(before, now);
	return err_may_retry(why);
}

/* Whose report data stand in the index? An empty one is another's, too. */
static bool is_foreign(const struct wait *wait, struct buf *ret_theirs)
{
	return look_into_index(wait->tpm, ret_theirs) && !bytes_equal(buf_bytes(ret_theirs), wait->report_data);
}

static int give_up(const struct wait *wait, struct err *err)
{
	return err_set(err, ERR_DEVICE, "another program of this VM has put other report data into NV index 0x%08x%s",
		       AZ_NV_REPORT_DATA, wait->served ? "" : ", and no HCL report carries them");
}

/* A neighbour that is busy is not a paravisor that is dead. */
static int yield_no_more(const struct wait *wait, struct err *err)
{
	return err_set(err, ERR_DEVICE,
		       "other programs of this VM have put their report data into NV index 0x%08x %u times while "
		       "sealpod waited for an HCL report%s",
		       AZ_NV_REPORT_DATA, wait->turns,
		       wait->any_served ? " of its own" : ", and no HCL report carried any of them");
}

static int be_overtaken(struct wait *wait, struct buf *theirs, struct err *err)
{
	log_info(TOO);
	buf_move(&wait->theirs, theirs);
	wait->overtaken = true;
	wait->turns++;
	start_waiting(wait);
	wait->turn = deadline_in(one_turn(wait->patience));
	return wait->turns < AZ_TURNS ? 0 : yield_no_more(wait, err);
}

static int put_again(struct wait *wait, struct err *err)
{
	wait->overtaken = false;
	start_waiting(wait);
	return az_put_report_data(wait->tpm, wait->report_data, wait->deadline, err);
}

static bool were_served(const struct hcl_claims *claims, const struct buf *theirs)
{
	return theirs->len > 0 && hcl_claims_carry(claims, buf_bytes(theirs));
}

/* The report is stale. Waits on for ours, or for our turn; or takes it. */
static int take_turns(struct wait *wait, const struct hcl_claims *stale, struct err *err)
{
	struct buf now OWNED_BUF = BUF_INIT(TPM_NV_MAX);
	wait->any_served = wait->any_served || were_served(stale, &wait->theirs);
	if (!is_foreign(wait, &now)) {
		wait->overtaken = false;
		return 0;
	}
	if (!wait->overtaken || !bytes_equal(buf_bytes(&now), buf_bytes(&wait->theirs)))
		return be_overtaken(wait, &now, err);
	wait->served = now.len == 0 || were_served(stale, &now);
	return wait->served && deadline_left(&wait->turn) == 0 ? put_again(wait, err) : 0;
}

static int wait_on(struct wait *wait, const struct err *why, struct err *err)
{
	if (clock_pause(wait->pause_ms, &wait->until)) {
		wait->pause_ms = wait->pause_ms * 2 < POLL_MOST_MS ? wait->pause_ms * 2 : POLL_MOST_MS;
		return 0;
	}
	if (wait->overtaken)
		return give_up(wait, err);
	*err = *why;
	return err_wrap(err, "after %lld s of waiting", (long long)((clock_now_ms() - wait->began_ms) / 1000));
}

static int await_hcl(struct wait *wait, struct az_gathered *gathered, struct err *err)
{
	struct buf before OWNED_BUF = BUF_INIT(AZ_HCL_MAX);
	struct err why = { 0 };
	start_waiting(wait);
	while (read_fresh(wait, gathered, &why) < 0) {
		if (!may_heal(&why, buf_bytes(&before), buf_bytes(&gathered->hcl))) {
			*err = why;
			return -1;
		}
		if ((why.code == ERR_DEVICE && take_turns(wait, &gathered->claims, err) < 0) ||
		    wait_on(wait, &why, err) < 0)
			return -1;
		buf_move(&before, &gathered->hcl);
	}
	return 0;
}

int az_await_hcl(struct tpm *tpm, struct bytes report_data, const struct az_patience *patience,
		 const struct deadline *deadline, struct az_gathered *gathered, struct err *err)
{
	struct wait wait = { .tpm = tpm,
			     .report_data = report_data,
			     .patience = patience,
			     .deadline = deadline,
			     .theirs = BUF_INIT(TPM_NV_MAX) };
	int result = await_hcl(&wait, gathered, err);
	buf_done(&wait.theirs);
	return result;
}
