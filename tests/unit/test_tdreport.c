/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tdreport: a genuine one field by field, every other length, its hashes.
 */
#include "vectors.h"

#include "attest/tdreport.h"
#include "base/cursor.h"

static void assert_refused(struct bytes raw, const char *part)
{
	struct err err = { 0 };
	struct tdreport report = { .version = 77 };
	assert_int_equal(tdreport_read(raw, &report, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(report.version, 77);
	assert_message_has(err, part);
}

static void must_read(const struct buf *raw, struct tdreport *report)
{
	struct err err = { 0 };
	if (tdreport_read(buf_bytes(raw), report, &err) < 0)
		fail_msg("refused: %s", err.message);
}

static void reads_a_genuine_report(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("tdx/tdreport-a.bin");
	struct tdreport report;
	must_read(&raw, &report);
	assert_hex_padded(
		report.td.rtmr[0], 48,
		"f4ec1a04670fe7926cd5de4aef9aaa7689ab4ceaa132d7c5242b47f67dfaaea64c372a17ad68fef9a6ac99aabbddabdc");
	assert_hex_padded(
		report.td.rtmr[1], 48,
		"4e5f8826653198ab4bc5156fbe4bc99db054c0b8239a16c4b59249fb427f4acc50eed1b46a85c7d526c4e1e47621b14c");
	assert_hex_padded(report.td.rtmr[2], 48, "");
	assert_hex_padded(report.td.rtmr[3], 48, "");
	assert_hex_padded(report.mrsignerseam, 48, "");
	assert_false(bytes_are_zero(bytes_of(report.mrseam, 48)));
	assert_false(bytes_are_zero(bytes_of(report.td.mrtd, 48)));
	assert_false(bytes_are_zero(bytes_of(report.mac, 32)));
	assert_true(report.hashes_match);
}

static void refuses_every_other_length(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("tdx/tdreport-a.bin");
	struct err err = { 0 };
	for (size_t len = 0; len < TDREPORT_LEN; len++) {
		uint8_t *cut = exact_copy(buf_bytes(&raw), len);
		assert_refused(bytes_of(cut, len), "a TDREPORT is 1024 bytes long");
		free(cut);
	}
	assert_int_equal(buf_append_byte(&raw, 0, &err), 0);
	assert_refused(buf_bytes(&raw), "a TDREPORT is 1024 bytes long, this is 1025");
}

static void refuses_another_type(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("tdx/tdreport-a.bin");
	raw.data[0] = 0;
	assert_refused(buf_bytes(&raw), "the type at offset 0 is 0x00, 0x81 is expected");
}

/* The two hashes cover 239 and 512 bytes: a change there shows, and nowhere else. */
static void sees_changed_parts(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("tdx/tdreport-a.bin");
	struct tdreport report;
	for (size_t at = 1; at < TDREPORT_LEN; at++) {
		raw.data[at] ^= 1;
		must_read(&raw, &report);
		raw.data[at] ^= 1;
		bool covered = (at >= 0x20 && at < 0x80) || (at >= 0x100 && at < 0x100 + 239) || at >= 0x200;
		assert_int_equal(report.hashes_match, !covered);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_genuine_report),
		cmocka_unit_test(refuses_every_other_length),
		cmocka_unit_test(refuses_another_type),
		cmocka_unit_test(sees_changed_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
