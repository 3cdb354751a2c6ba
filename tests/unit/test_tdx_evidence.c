/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tdx_evidence: a genuine quote with its own event log, with another's and with
 * none; what is read back.
 */
#include "vectors.h"

#include "attest/eventlog.h"
#include "attest/tdx_evidence.h"

struct made {
	struct buf raw;
	struct tdx_quote quote;
	struct json *evidence;
	struct evidence_note note;
};

static void made_done(struct made *made)
{
	buf_done(&made->raw);
	json_free(made->evidence);
}

static void make(const char *quote_file, struct bytes log, struct made *made)
{
	struct err err = { 0 };
	*made = (struct made){ .raw = vector_read(quote_file) };
	if (tdx_quote_read(buf_bytes(&made->raw), &made->quote, &err) < 0 ||
	    tdx_evidence_build(buf_bytes(&made->raw), &made->quote, log, &made->evidence, &made->note, &err) < 0)
		fail_msg("%s", err.message);
}

static void sends_a_log_that_replays(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = vector_read("eventlog/ccel-cos113.bin");
	OWNED_BUF struct buf padded = BUF_INIT(1u << 18);
	OWNED_BUF struct buf sent_quote = BUF_INIT(0);
	OWNED_BUF struct buf sent_log = BUF_INIT(0);
	struct made made CLEANUP(made_done) = { 0 };
	struct err err = { 0 };
	assert_int_equal(buf_append(&padded, buf_bytes(&log), &err), 0);
	while (padded.len < 1u << 16)
		assert_int_equal(buf_append_byte(&padded, 0xFF, &err), 0);
	make("tdx/v4-cos113.dat", buf_bytes(&padded), &made);
	assert_string_equal(made.note.text, "");
	assert_string_equal(json_name(json_first(made.evidence)), "cc_eventlog");
	assert_int_equal(json_count(made.evidence), 2);
	assert_int_equal(tdx_evidence_open(made.evidence, &sent_quote, &sent_log, &err), 0);
	assert_true(bytes_equal(buf_bytes(&sent_quote), bytes_of(made.raw.data, 8000 - 3065)));
	/* The vector ends with its mark of eight FF, which is how it is to be sent. */
	assert_true(bytes_equal(buf_bytes(&sent_log), buf_bytes(&log)));
}

static void sends_no_log_where_there_is_none(void **state)
{
	(void)state;
	OWNED_BUF struct buf sent_quote = BUF_INIT(0);
	OWNED_BUF struct buf sent_log = BUF_INIT(0);
	struct made made CLEANUP(made_done) = { 0 };
	struct err err = { 0 };
	make("tdx/v5-go.dat", bytes_of("", 0), &made);
	assert_string_equal(made.note.text, "");
	assert_int_equal(json_type(json_member(made.evidence, "cc_eventlog")), JSON_NULL);
	assert_int_equal(tdx_evidence_open(made.evidence, &sent_quote, &sent_log, &err), 0);
	assert_true(bytes_equal(buf_bytes(&sent_quote), buf_bytes(&made.raw)));
	assert_int_equal(sent_log.len, 0);
}

static void leaves_out_a_log_that_does_not_fit(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = vector_read("eventlog/ccel-cos113.bin");
	struct made other CLEANUP(made_done) = { 0 };
	struct made cut CLEANUP(made_done) = { 0 };
	make("tdx/v4-qvl.dat", buf_bytes(&log), &other);
	assert_int_equal(json_type(json_member(other.evidence, "cc_eventlog")), JSON_NULL);
	assert_string_equal(other.note.text,
			    "the event log is left out, because it does not replay to RTMR0 of the quote (43 events)");
	make("tdx/v4-cos113.dat", bytes_of(log.data, log.len - 100), &cut);
	assert_int_equal(json_type(json_member(cut.evidence, "cc_eventlog")), JSON_NULL);
	assert_non_null(
		strstr(cut.note.text, "the event log is left out, because it cannot be read: event log, event "));
}

/* One event less replays well, but to another RTMR. */
static void names_the_register_that_differs(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("eventlog/ccel-cos113.bin");
	struct made made CLEANUP(made_done) = { 0 };
	struct eventlog log;
	struct eventlog_event event = { 0 };
	struct err err = { 0 };
	bool found = true;
	assert_int_equal(eventlog_open(buf_bytes(&raw), &log, &err), 0);
	for (size_t last = 0; found; last = log.at) {
		assert_int_equal(eventlog_next(&log, &event, &found, &err), 0);
		assert_true(!found || event.offset == last || last == 0);
	}
	make("tdx/v4-cos113.dat", bytes_of(raw.data, event.offset), &made);
	char part[32];
	(void)snprintf(part, sizeof(part), "to RTMR%u of the quote", event.index - 1);
	assert_non_null(strstr(made.note.text, part));
}

static void refuses_to_open(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "{}", "quote" },
		{ "{\"quote\":7}", "quote" },
		{ "{\"quote\":\"?\"}", "TDX evidence: 'quote': not base64 text" },
		{ "{\"quote\":\"AAAA\",\"cc_eventlog\":\"=\"}", "TDX evidence: 'cc_eventlog': not base64 text" },
		{ "{\"quote\":\"AAAA\",\"cc_eventlog\":[]}", "cc_eventlog" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWNED_JSON struct json *doc = NULL;
		OWNED_BUF struct buf quote = BUF_INIT(0);
		OWNED_BUF struct buf log = BUF_INIT(0);
		struct err err = { 0 };
		assert_int_equal(json_parse(bytes_of_text(cases[i][0]), 4096, &doc, &err), 0);
		assert_int_equal(tdx_evidence_open(doc, &quote, &log, &err), -1);
		assert_message_has(err, cases[i][1]);
		assert_int_equal(quote.len + log.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_a_log_that_replays),
		cmocka_unit_test(sends_no_log_where_there_is_none),
		cmocka_unit_test(leaves_out_a_log_that_does_not_fit),
		cmocka_unit_test(names_the_register_that_differs),
		cmocka_unit_test(refuses_to_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
