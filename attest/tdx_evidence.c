/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of the TEE `tdx`: quote and event log in base64 (trustee: deps/verifier/src/tdx).
 *
 * A log that does not replay to the quote's RTMRs makes the verifier refuse the whole, no log
 * at all only leaves the boot unmeasured for its policy: so a log that does not fit is left
 * out, and the note says why. Both log and quote come through the host.
 */
#include "attest/tdx_evidence.h"

#include <stdio.h>

#include "attest/eventlog.h"
#include "base/encode.h"

/* How the reference attester ends the log that it sends. */
static const uint8_t end_mark[8] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };

static int add_base64(struct json *object, const char *name, struct bytes bytes, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(bytes.len * 2 + 8);
	if (base64_encode(BASE64, bytes, &text, err) < 0)
		return -1;
	return json_add_string(object, name, buf_text(&text), err);
}

/* Does the log belong to this quote? If not, the note says why. */
static bool fits(struct bytes log, const struct tdx_quote *quote, size_t *ret_extent, struct evidence_note *note)
{
	struct err why = { 0 };
	struct eventlog_registers registers;
	int differs = -1;
	if (eventlog_check_rtmrs(log, &quote->body.td, &differs, &why) < 0 ||
	    eventlog_replay(log, DIGEST_SHA384, &registers, &why) < 0) {
		(void)snprintf(note->text, sizeof(note->text),
			       "the event log is left out, because it cannot be read: %.400s", why.message);
		return false;
	}
	if (differs >= 0) {
		(void)snprintf(
			note->text, sizeof(note->text),
			"the event log is left out, because it does not replay to RTMR%d of the quote (%zu events)",
			differs, registers.events);
		return false;
	}
	*ret_extent = registers.extent;
	return true;
}

static int add_eventlog(struct json *evidence, struct bytes log, const struct tdx_quote *quote,
			struct evidence_note *note, struct err *err)
{
	size_t extent;
	if (log.len == 0 || !fits(log, quote, &extent, note))
		return json_add_null(evidence, "cc_eventlog", err);
	OWNED_BUF struct buf sent = BUF_INIT(extent + sizeof(end_mark));
	if (buf_append(&sent, bytes_of(log.data, extent), err) < 0 ||
	    buf_append(&sent, bytes_of(end_mark, sizeof(end_mark)), err) < 0)
		return -1;
	return add_base64(evidence, "cc_eventlog", buf_bytes(&sent), err);
}

int tdx_evidence_build(struct bytes raw_quote, const struct tdx_quote *quote, struct bytes eventlog,
		       struct json **ret_evidence, struct evidence_note *ret_note, struct err *err)
{
	struct json *evidence OWNED_JSON = NULL;
	struct evidence_note note = { "" };
	struct bytes sent = bytes_of(raw_quote.data, raw_quote.len - quote->trailing.len);
	if (json_new_object(&evidence, err) < 0 || add_eventlog(evidence, eventlog, quote, &note, err) < 0 ||
	    add_base64(evidence, "quote", sent, err) < 0)
		return -1;
	*ret_evidence = TAKE_PTR(evidence);
	*ret_note = note;
	return 0;
}

static int get_base64(const struct json *evidence, const char *name, struct buf *out, struct err *err)
{
	const char *text;
	if (json_get_string(evidence, name, &text, err) < 0)
		return -1;
	if (base64_decode(BASE64, bytes_of_text(text), out, err) < 0)
		return err_wrap(err, "'%s'", name);
	return 0;
}

int tdx_evidence_open(const struct json *evidence, struct buf *ret_quote, struct buf *ret_eventlog, struct err *err)
{
	OWNED_BUF struct buf quote = BUF_INIT(TDX_QUOTE_MAX);
	OWNED_BUF struct buf eventlog = BUF_INIT(EVENTLOG_MAX);
	const struct json *log = json_member(evidence, "cc_eventlog");
	bool has_log = log && json_type(log) != JSON_NULL;
	if (get_base64(evidence, "quote", &quote, err) < 0 ||
	    (has_log && get_base64(evidence, "cc_eventlog", &eventlog, err) < 0))
		return err_wrap(err, "TDX evidence");
	buf_move(ret_quote, &quote);
	buf_move(ret_eventlog, &eventlog);
	return 0;
}
