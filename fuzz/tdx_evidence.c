/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tdx_evidence: any text in. What is read back is looked at, built anew with its own
 * log and read back again: the quote stays, and a log that was sent replays.
 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/eventlog.h"
#include "attest/look.h"
#include "attest/tdx_evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LEN (1u << 18)

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void check_again(const struct buf *raw, const struct tdx_quote *quote, const struct buf *log)
{
	OWNED_JSON struct json *again = NULL;
	OWNED_BUF struct buf raw_again = BUF_INIT(0);
	OWNED_BUF struct buf log_again = BUF_INIT(0);
	struct evidence_note note;
	struct err err = { 0 };
	int differs = 9;
	expect(tdx_evidence_build(buf_bytes(raw), quote, buf_bytes(log), &again, &note, &err) == 0, err.message);
	expect(tdx_evidence_open(again, &raw_again, &log_again, &err) == 0, err.message);
	expect(raw_again.len + quote->trailing.len == raw->len, "another quote comes back");
	if (log_again.len == 0) {
		expect((log->len == 0) == (note.text[0] == 0), "a log is left out without a note");
		return;
	}
	expect(eventlog_check_rtmrs(buf_bytes(&log_again), &quote->body.td, &differs, &err) == 0 && differs == -1,
	       "a log was sent that does not replay");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED_JSON struct json *doc = NULL;
	OWNED_BUF struct buf raw = BUF_INIT(0);
	OWNED_BUF struct buf log = BUF_INIT(0);
	const struct look_expected nothing = { 0 };
	struct tdx_quote quote;
	struct look look;
	struct err err = { 0 };
	if (json_parse(bytes_of(data, size), MAX_LEN, &doc, &err) < 0 || tdx_evidence_open(doc, &raw, &log, &err) < 0 ||
	    tdx_quote_read(buf_bytes(&raw), &quote, &err) < 0)
		return 0;
	look_at_tdx(&quote, &nothing, &look);
	expect(look.count < LOOK_MAX, "more findings than there are kinds");
	check_again(&raw, &quote, &log);
	return 0;
}
