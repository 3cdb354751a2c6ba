/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/az_common against a software TPM whose host plays the paravisor between two commands: fresh,
 * late and stale HCL reports, somebody else's report data, indices of other sizes.
 */
#include "soft_tpm.h"
#include "vectors.h"

#include "attest/az_common.h"

#define SHORT_MS 300 /* where nothing comes */
#define LONG_MS 30000
/* Half of it at most is added by chance: one that is chance alone would be over at the first look at the index, 50 ms
 * after the writing, and a whole one is not before the second, after 150. */
#define TURN_MS 100
#define HEAD 1236

static struct soft_tpm soft;
static struct buf ak_n = BUF_INIT(512);
static bool there;

/* What the paravisor does when report data are written. */
static struct paravisor {
	unsigned lag; /* readings of the HCL index before the new report is there */
	bool dead;
	bool mute;	  /* claims without user-data */
	bool unvouched;	  /* the hardware report carries another hash */
	bool overwritten; /* another program puts its own report data, and no report ever carries them */
	bool torn;	  /* the first reading begins in the old report and ends in the new one */
	bool due;
	unsigned written;
	unsigned chunks; /* read of an index since the writing; two make a reading of the HCL report */
	unsigned before; /* chunks read before it */
} paravisor;

static int start(void **state)
{
	(void)state;
	there = soft_tpm_start(&soft);
	if (there)
		soft_tpm_make_ak(&soft, SOFT_TPM_AK, &ak_n);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (there)
		soft_tpm_stop(&soft);
	buf_done(&ak_n);
	return 0;
}

static void must(int result)
{
	assert_int_equal(result, 0);
}

static void claims_for(struct bytes report_data, struct buf *claims)
{
	struct buf n OWNED_BUF = BUF_INIT(1024);
	struct buf hex OWNED_BUF = BUF_INIT(256);
	uint8_t padded[REPORT_DATA_LEN] = { 0 };
	memcpy(padded, report_data.data, report_data.len);
	must(base64_encode(BASE64URL, buf_bytes(&ak_n), &n, NULL));
	must(hex_encode(bytes_of(padded, sizeof(padded)), &hex, NULL));
	must(buf_printf(claims, NULL, "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%s\"}]",
			buf_text(&n)));
	if (!paravisor.mute)
		must(buf_printf(claims, NULL, ",\"user-data\":\"%s\"", buf_text(&hex)));
	must(buf_append_text(claims, "}", NULL));
}

static void put32(uint8_t *at, size_t value)
{
	for (size_t i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* A new HCL report for what stands in the index of report data; its hardware report is not signed anew. */
static void make_hcl(struct bytes report_data)
{
	struct buf old OWNED_BUF = vector_read("azure/hcl-snp-2048.bin");
	struct buf hcl OWNED_BUF = BUF_INIT(2048);
	struct buf claims OWNED_BUF = BUF_INIT(2048);
	struct digest digest;
	claims_for(report_data, &claims);
	must(digest_of(DIGEST_SHA256, buf_bytes(&claims), &digest, NULL));
	must(buf_append(&hcl, bytes_of(old.data, HEAD), NULL));
	must(buf_append(&hcl, buf_bytes(&claims), NULL));
	memcpy(hcl.data + 32 + 0x50, digest.bytes, 32);
	hcl.data[32 + 0x50] ^= paravisor.unvouched;
	put32(hcl.data + 1216, 20 + claims.len);
	put32(hcl.data + 1232, claims.len);
	soft_tpm_put(&soft, AZ_NV_HCL, buf_bytes(&hcl), true);
	paravisor.written++;
}

static struct bytes asked_for;

static void play(struct soft_tpm *tpm, TPM2_CC code, void *arg)
{
	(void)tpm;
	(void)arg;
	if (code == TPM2_CC_NV_Write) {
		paravisor.due = !paravisor.dead;
		paravisor.before = paravisor.chunks;
		paravisor.chunks = 0;
	}
	if (code != TPM2_CC_NV_Read)
		return;
	paravisor.chunks++;
	if (!paravisor.due || (paravisor.torn && paravisor.chunks == 1))
		return;
	if (paravisor.lag > 0) {
		paravisor.lag--;
		return;
	}
	paravisor.due = false;
	make_hcl(asked_for);
	if (paravisor.overwritten)
		soft_tpm_put(&soft, AZ_NV_REPORT_DATA,
			     bytes_of_text("somebody else's report data of 48 bytes........."), false);
}

/* As it is when nobody has asked for anything. */
static void forget_report_data(struct tpm *tpm)
{
	struct err err = { 0 };
	bool found = false;
	size_t size = 0;
	must(tpm_nv_find(tpm, AZ_NV_REPORT_DATA, &found, &size, &err));
	if (found)
		must(tpm_nv_undefine(tpm, AZ_NV_REPORT_DATA, &err));
}

static struct tpm *open_soft(struct paravisor how)
{
	struct tpm *tpm = NULL;
	struct err err = { 0 };
	if (!there)
		skip();
	soft.hook = NULL;
	if (tpm_open(soft_tpm_transport(&soft), &tpm, &err) < 0)
		fail_msg("%s", err.message);
	forget_report_data(tpm);
	paravisor = how;
	soft.hook = play;
	return tpm;
}

static int gather(struct tpm *tpm, struct bytes report_data, int64_t patience_ms, struct az_gathered *gathered,
		  struct err *err)
{
	const struct deadline deadline = deadline_in(60000);
	const struct az_patience patience = { .report_ms = patience_ms, .turn_ms = TURN_MS };
	asked_for = report_data;
	return az_gather(tpm, report_data, &patience, &deadline, gathered, err);
}

static void assert_gathers(struct tpm *tpm, struct bytes report_data)
{
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	struct look findings = { .count = 0 };
	struct err err = { 0 };
	if (gather(tpm, report_data, LONG_MS, &gathered, &err) < 0)
		fail_msg("%s", err.message);
	look_at_az(&gathered, report_data, NULL, &findings);
	if (findings.count > 0)
		fail_msg("%s", findings.findings[0].text);
	assert_int_equal(gathered.report.type, HCL_SNP);
	assert_int_equal(gathered.hcl.len, 2048);
}

#define A48 "the report data of the first request, 48 bytes.."
#define B48 "the report data of another request, 48 bytes...."

static void fresh_reports(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .lag = 0 });
	struct err err = { 0 };
	size_t size = 0;
	bool found = false;
	make_hcl(bytes_of_text("before"));
	assert_gathers(tpm, bytes_of_text(A48));
	assert_gathers(tpm, bytes_of_text(B48));
	/* Other lengths: the index is made anew. */
	assert_gathers(tpm, bytes_of_text("x"));
	must(tpm_nv_find(tpm, AZ_NV_REPORT_DATA, &found, &size, &err));
	assert_int_equal(size, 1);
	assert_gathers(tpm, bytes_of_text(A48 "0123456789abcdef"));
	must(tpm_nv_find(tpm, AZ_NV_REPORT_DATA, &found, &size, &err));
	assert_int_equal(size, 64);
	assert_int_equal(paravisor.written, 5);
}

static void a_late_report(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .lag = 5 });
	make_hcl(bytes_of_text(B48));
	assert_gathers(tpm, bytes_of_text(A48));
}

/* What waiting cannot heal is not waited for: it is read twice, and that was all. */
static void assert_refused_at_once(struct tpm *tpm, enum err_code code, const char *part)
{
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	struct err err = { 0 };
	assert_int_equal(gather(tpm, bytes_of_text(A48), LONG_MS, &gathered, &err), -1);
	assert_int_equal(err.code, code);
	assert_message_has(err, part);
	assert_int_equal(paravisor.chunks, 4);
	assert_int_equal(gathered.hcl.len, 0);
}

static void assert_gives_up(struct tpm *tpm, enum err_code code, const char *part)
{
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	struct err err = { 0 };
	int64_t began = clock_now_ms();
	assert_int_equal(gather(tpm, bytes_of_text(A48), SHORT_MS, &gathered, &err), -1);
	assert_true(clock_now_ms() - began < SHORT_MS + 5000);
	assert_int_equal(err.code, code);
	assert_message_has(err, part);
	assert_int_equal(gathered.hcl.len, 0);
}

static void a_stale_report(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .dead = true });
	make_hcl(bytes_of_text(B48));
	assert_gives_up(tpm, ERR_DEVICE, "stale");
}

static void a_report_that_is_torn(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .torn = true });
	make_hcl(bytes_of_text(B48));
	assert_gathers(tpm, bytes_of_text(A48));
	assert_int_equal(paravisor.chunks, 4);
}

static void claims_without_user_data(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .mute = true });
	assert_refused_at_once(tpm, ERR_NO_TEE, "too old");
}

static void a_hash_that_is_not_theirs(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .unvouched = true });
	assert_refused_at_once(tpm, ERR_NO_TEE, "does not carry the hash");
}

static void somebody_else_asks(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .overwritten = true });
	asked_for = bytes_of_text(B48);
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	struct err err = { 0 };
	const struct deadline deadline = deadline_in(60000);
	const struct az_patience patience = { .report_ms = SHORT_MS, .turn_ms = TURN_MS };
	assert_int_equal(az_gather(tpm, bytes_of_text(A48), &patience, &deadline, &gathered, &err), -1);
	assert_int_equal(err.code, ERR_DEVICE);
	assert_message_has(err, "another program of this VM has put other report data into NV index 0x01400002");
	assert_message_has(err, "no HCL report carries them");
}

/*
 * Other programs of this VM that want a report, and a paravisor that makes it of what stands in the index then.
 */
static struct rivals {
	unsigned overtake;   /* how often one writes right after us */
	size_t len;	     /* of what it writes; 0: it takes the index away */
	unsigned follow;     /* how many more write while theirs is awaited, one after the other */
	bool defines;	     /* it makes the index, and dies before it writes */
	bool first;	     /* one has written before us */
	unsigned slow;	     /* readings of the TPM until the paravisor has made the report */
	bool due;	     /* the next command finds theirs in the index */
	unsigned lag;	     /* readings until it is there */
	unsigned written;    /* by us */
	unsigned made;	     /* reports */
	uint8_t number;	     /* what is written is another one's each time */
	bool served;	     /* a report was made of what stands in the index */
	bool discourteous;   /* we wrote before the other was served */
	int64_t overtook_ms; /* when */
	int64_t soonest_ms;  /* that we wrote after it */
} rivals;

static uint8_t in_index[64];
static size_t in_index_len;

static void rival_writes(struct soft_tpm *tpm)
{
	if (rivals.number > 0 || !rivals.first)
		soft_tpm_remove(tpm, AZ_NV_REPORT_DATA);
	in_index_len = rivals.len;
	memset(in_index, ++rivals.number, sizeof(in_index));
	if (rivals.defines)
		soft_tpm_define(tpm, AZ_NV_REPORT_DATA, in_index_len);
	else if (in_index_len > 0)
		soft_tpm_put(tpm, AZ_NV_REPORT_DATA, bytes_of(in_index, in_index_len), false);
	rivals.served = rivals.len == 0 || rivals.defines;
	rivals.lag = rivals.slow;
	rivals.overtook_ms = clock_now_ms();
}

/* Ours comes with this very command. */
static void we_write(void)
{
	int64_t since = clock_now_ms() - rivals.overtook_ms;
	if (rivals.written++ > 0 || rivals.first) {
		rivals.discourteous = rivals.discourteous || !rivals.served;
		rivals.soonest_ms = since < rivals.soonest_ms ? since : rivals.soonest_ms;
	}
	memcpy(in_index, asked_for.data, asked_for.len);
	in_index_len = asked_for.len;
	rivals.served = false;
	rivals.lag = rivals.slow;
	rivals.due = rivals.overtake > 0;
	rivals.overtake -= rivals.due;
}

static void play_rivals(struct soft_tpm *tpm, TPM2_CC code, void *arg)
{
	(void)arg;
	if (code == TPM2_CC_NV_Write) {
		we_write();
		return;
	}
	if (rivals.due) {
		rivals.due = false;
		rival_writes(tpm);
	}
	if (code != TPM2_CC_NV_Read || rivals.served)
		return;
	if (rivals.lag > 0) {
		rivals.lag--;
		return;
	}
	if (rivals.follow > 0 && rivals.number > 0) {
		rivals.follow--;
		rival_writes(tpm);
		return;
	}
	make_hcl(bytes_of(in_index, in_index_len));
	rivals.served = true;
	rivals.made++;
}

static struct tpm *open_among(struct rivals how)
{
	struct tpm *tpm = open_soft((struct paravisor){ .lag = 0 });
	rivals = how;
	rivals.soonest_ms = LONG_MS;
	make_hcl(bytes_of_text("before"));
	soft.hook = NULL;
	if (how.first)
		rival_writes(&soft);
	soft.hook = play_rivals;
	return tpm;
}

/* Ours comes when the others' turns are over, at the first try that nobody overtakes. */
static void assert_comes_after_them(struct rivals how, unsigned written)
{
	struct tpm *tpm OWNED_TPM = open_among(how);
	assert_gathers(tpm, bytes_of_text(A48));
	assert_int_equal(rivals.written, written);
	assert_int_equal(rivals.overtake, 0);
	assert_int_equal(rivals.follow, 0);
	assert_false(rivals.discourteous);
	assert_true(rivals.soonest_ms >= TURN_MS);
}

static void overtaken_by_another(void **state)
{
	(void)state;
	assert_comes_after_them((struct rivals){ .overtake = 1, .len = 48 }, 2);
}

static void overtaken_where_reports_are_late(void **state)
{
	(void)state;
	assert_comes_after_them((struct rivals){ .overtake = 1, .len = 48, .slow = 9 }, 2);
}

static void overtaken_with_other_lengths(void **state)
{
	(void)state;
	assert_comes_after_them((struct rivals){ .overtake = 1, .len = 64 }, 2);
	assert_comes_after_them((struct rivals){ .overtake = 1, .len = 1 }, 2);
}

static void overtaken_by_several(void **state)
{
	(void)state;
	assert_comes_after_them((struct rivals){ .overtake = 1, .len = 48, .follow = 4 }, 2);
	assert_comes_after_them((struct rivals){ .overtake = 3, .len = 48 }, 4);
}

static void an_index_that_is_taken_away(void **state)
{
	(void)state;
	assert_comes_after_them((struct rivals){ .overtake = 1, .len = 0 }, 2);
}

static void an_index_that_was_never_written(void **state)
{
	(void)state;
	assert_comes_after_them((struct rivals){ .overtake = 1, .len = 48, .defines = true }, 2);
	assert_comes_after_them((struct rivals){ .overtake = 1, .len = 64, .defines = true }, 2);
}

/* Theirs is there at the first reading after the turn. */
static void another_that_waits_already(void **state)
{
	(void)state;
	assert_comes_after_them((struct rivals){ .first = true, .len = 48, .slow = 3 }, 1);
	assert_comes_after_them((struct rivals){ .first = true, .len = 64, .slow = 3, .overtake = 1 }, 2);
}

static void several_that_wait_already(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_among((struct rivals){ .first = true, .len = 48, .slow = 3, .follow = 1 });
	assert_gathers(tpm, bytes_of_text(A48));
	assert_int_equal(rivals.written, 1);
	assert_int_equal(rivals.follow, 0);
	assert_true(rivals.soonest_ms >= TURN_MS);
}

/* What is read before ours are written, and what time that takes at least. */
static void assert_costs(struct tpm *tpm, unsigned chunks, int64_t ms)
{
	int64_t began = clock_now_ms();
	assert_gathers(tpm, bytes_of_text(A48));
	assert_int_equal(paravisor.before, chunks);
	assert_true(clock_now_ms() - began >= ms);
}

/* Its report never comes: one turn, after which the index is read once more. */
static void another_that_died(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .lag = 0 });
	make_hcl(bytes_of_text("before"));
	soft_tpm_put(&soft, AZ_NV_REPORT_DATA, bytes_of_text(B48), false);
	assert_costs(tpm, 4, TURN_MS);
}

/* The index alone is looked at, or the report once. */
static void nobody_to_wait_for(void **state)
{
	(void)state;
	static const uint8_t zeros[64];
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .lag = 0 });
	make_hcl(bytes_of_text("before"));
	assert_costs(tpm, 0, 0);
	paravisor.chunks = 0;
	soft_tpm_put(&soft, AZ_NV_REPORT_DATA, bytes_of(zeros, 48), false);
	assert_costs(tpm, 1, 0);
	paravisor.chunks = 0;
	make_hcl(bytes_of_text("before"));
	assert_costs(tpm, 1, 0); /* ours, of an earlier try */
	paravisor.chunks = 0;
	soft_tpm_put(&soft, AZ_NV_REPORT_DATA, bytes_of_text(B48), false);
	make_hcl(bytes_of_text(B48));
	assert_costs(tpm, 3, 0);
	paravisor.chunks = 0;
	soft_tpm_remove(&soft, AZ_NV_REPORT_DATA);
	soft_tpm_define(&soft, AZ_NV_REPORT_DATA, 48);
	assert_costs(tpm, 0, 0);
}

/* A turn that takes more than half of the time that is left is not given. */
static void no_time_to_let_others_first(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .lag = 0 });
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	const struct deadline deadline = deadline_in(LONG_MS);
	const struct az_patience patience = { .report_ms = LONG_MS, .turn_ms = LONG_MS / 2 };
	struct err err = { 0 };
	make_hcl(bytes_of_text("before"));
	soft_tpm_put(&soft, AZ_NV_REPORT_DATA, bytes_of_text(B48), false);
	asked_for = bytes_of_text(A48);
	must(az_gather(tpm, asked_for, &patience, &deadline, &gathered, &err));
	assert_int_equal(paravisor.before, 3);
}

/* Another program makes the index anew, too short for ours, right before we write; `arg` says how often. */
static void play_shortener(struct soft_tpm *tpm, TPM2_CC code, void *arg)
{
	unsigned *times = arg;
	if (code == TPM2_CC_NV_Write && *times > 0) {
		--*times;
		soft_tpm_remove(tpm, AZ_NV_REPORT_DATA);
		soft_tpm_put(tpm, AZ_NV_REPORT_DATA, bytes_of_text("x"), false);
	}
	play(tpm, code, NULL);
}

static void an_index_that_becomes_shorter(void **state)
{
	(void)state;
	unsigned times = 2;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .lag = 0 });
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	struct err err = { 0 };
	soft.hook = play_shortener;
	soft.arg = &times;
	make_hcl(bytes_of_text("before"));
	assert_gathers(tpm, bytes_of_text(A48));
	assert_int_equal(times, 0);
	times = 1000;
	assert_int_equal(gather(tpm, bytes_of_text(A48), LONG_MS, &gathered, &err), -1);
	assert_message_has(err, "NV index 0x01400002: cannot write it");
	assert_int_equal(times, 995);
	soft.arg = NULL;
}

static void assert_yields_no_more(struct rivals how, const char *message)
{
	struct tpm *tpm OWNED_TPM = open_among(how);
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	const struct deadline deadline = deadline_in(2 * LONG_MS);
	const struct az_patience patience = { .report_ms = LONG_MS, .turn_ms = 1 };
	struct err err = { 0 };
	asked_for = bytes_of_text(A48);
	assert_int_equal(az_gather(tpm, asked_for, &patience, &deadline, &gathered, &err), -1);
	assert_int_equal(err.code, ERR_DEVICE);
	assert_string_equal(err.message, message);
}

static void overtaken_for_ever(void **state)
{
	(void)state;
	assert_yields_no_more((struct rivals){ .overtake = 1000, .len = 48 },
			      "vTPM: other programs of this VM have put their report data into NV index 0x01400002 8 "
			      "times while sealpod waited for an HCL report of its own");
	assert_int_equal(rivals.written, AZ_TURNS);
	assert_false(rivals.discourteous);
}

static void overtaken_where_nobody_is_served(void **state)
{
	(void)state;
	assert_yields_no_more((struct rivals){ .overtake = 1, .len = 48, .follow = 1000 },
			      "vTPM: other programs of this VM have put their report data into NV index 0x01400002 8 "
			      "times while sealpod waited for an HCL report, and no HCL report carried any of them");
	assert_int_equal(rivals.written, 1);
}

/* The deadline bounds all of it. */
static void overtaken_at_the_deadline(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_among((struct rivals){ .overtake = 1000, .len = 48 });
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	const struct deadline deadline = deadline_in(SHORT_MS);
	const struct az_patience patience = { .report_ms = LONG_MS, .turn_ms = LONG_MS };
	struct err err = { 0 };
	int64_t began = clock_now_ms();
	asked_for = bytes_of_text(A48);
	assert_int_equal(az_gather(tpm, asked_for, &patience, &deadline, &gathered, &err), -1);
	assert_true(clock_now_ms() - began < SHORT_MS + 5000);
	assert_int_equal(err.code, ERR_DEVICE);
	assert_message_has(err, "another program of this VM has put other report data");
	assert_int_equal(rivals.written, 1);
}

static void nonsense_in_the_index(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .dead = true });
	static const uint8_t zeros[2048];
	soft_tpm_put(&soft, AZ_NV_HCL, bytes_of(zeros, sizeof(zeros)), true);
	assert_refused_at_once(tpm, ERR_PROTOCOL, "no HCL report");
}

static void lengths_that_are_refused(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .dead = true });
	static const uint8_t zeros[65];
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	struct err err = { 0 };
	assert_int_equal(gather(tpm, bytes_of(zeros, 65), SHORT_MS, &gathered, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(gather(tpm, bytes_of(zeros, 0), SHORT_MS, &gathered, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
}

/* How many commands one gathering takes, where nothing is late. */
static void number_of_commands(void **state)
{
	(void)state;
	struct tpm *tpm OWNED_TPM = open_soft((struct paravisor){ .lag = 0 });
	assert_gathers(tpm, bytes_of_text(A48));
	soft.commands = 0;
	assert_gathers(tpm, bytes_of_text(B48));
	/* Two look the index of report data up, one reads it, and two chunks are the HCL report, which carries them.
	 * Two look the index up again, one writes it; three are for quote and key, three for the PCRs, and two chunks
	 * are the new HCL report. */
	assert_int_equal(soft.commands, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_reports),
		cmocka_unit_test(a_late_report),
		cmocka_unit_test(a_stale_report),
		cmocka_unit_test(a_report_that_is_torn),
		cmocka_unit_test(claims_without_user_data),
		cmocka_unit_test(a_hash_that_is_not_theirs),
		cmocka_unit_test(somebody_else_asks),
		cmocka_unit_test(overtaken_by_another),
		cmocka_unit_test(overtaken_where_reports_are_late),
		cmocka_unit_test(overtaken_with_other_lengths),
		cmocka_unit_test(overtaken_by_several),
		cmocka_unit_test(an_index_that_is_taken_away),
		cmocka_unit_test(an_index_that_was_never_written),
		cmocka_unit_test(another_that_waits_already),
		cmocka_unit_test(several_that_wait_already),
		cmocka_unit_test(another_that_died),
		cmocka_unit_test(nobody_to_wait_for),
		cmocka_unit_test(no_time_to_let_others_first),
		cmocka_unit_test(an_index_that_becomes_shorter),
		cmocka_unit_test(overtaken_for_ever),
		cmocka_unit_test(overtaken_where_nobody_is_served),
		cmocka_unit_test(overtaken_at_the_deadline),
		cmocka_unit_test(nonsense_in_the_index),
		cmocka_unit_test(lengths_that_are_refused),
		cmocka_unit_test(number_of_commands),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
