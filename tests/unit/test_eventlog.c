/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/eventlog: genuine logs and what they replay to, padding of both kinds, every
 * truncation, bad counts and sizes, the older form, the ACPI table.
 */
#include "vectors.h"

#include "attest/eventlog.h"
#include "attest/tdx_quote.h"

struct value {
	size_t number;
	const char *hex;
};

static const struct genuine {
	const char *file;
	size_t events;
	enum digest_alg alg;
	struct value values[12];
} genuine[] = {
	{ "eventlog/ccel-aael-alibaba.bin",
	  87,
	  DIGEST_SHA384,
	  { { 1, "b796e1c11396c198ae88794def4cb8e24fa9b35468287c298087f00d4de7433e4e31a297a4e5a03d4300fa6f3a96d47c" },
	    { 2, "3b0b906140fcea689c8774ac1eafcf0fef8e22ba81a047fd750ebd7df3235c2704df6106a758e31e5645e9838ff37406" },
	    { 3, "35f2801338c1b5fce96518f058c37e0fe9ed247a12dcd5f50d9c18fe4b6c71311bb63fca2640c7915817b6aa412a8480" },
	    { 4,
	      "5e4ecd49d3c7983d6f9ca36755b5cee0b423d7fa8c5a88aeb0681bd4698772bc37b4463dc5f722efe352a66417257dad" } } },
	{ "eventlog/ccel-cos113.bin",
	  43,
	  DIGEST_SHA384,
	  { { 1, "3fa2f61f395b7f5feefb4ec2df61297f109ad8abcd6410c1b7df60f21f37b19297fc35e544039c7e1edece752afd17f6" },
	    { 2, "f62dbc072bd5d3f3438b7b35c39a727f5aea2ffc2473f43723953f530daf62504f0a7944aa62c41a86e8a878c2b122c1" },
	    { 3,
	      "4969684dc87381fc3b3134176c8d8806eaf0a901859f5f70cfae8d17714b46c10a8de219048c9fc09f11f381a6fbe7c1" } } },
	{ "eventlog/ccel-ovmf.bin",
	  20,
	  DIGEST_SHA384,
	  { { 1, "8566f998798db09443b244c62de9a3041fb02e2e6936c4396d784bba2e90177329ec5aba3bb484404f2ab9cc90abe193" },
	    { 2, "775b9f6bfe99f8a31396f0d0218e67ffa796d3b96ccf961cbb0deba48c79c00f082cda1a5567c1c16305f1fc210c13c6" },
	    { 3,
	      "94eaf7a7bf398ed8d888c91057ae0261802e4f3df084213a76ca7f0b5055ac9d2241de43cd58d9e8b49c503bbf25f34a" } } },
	{ "eventlog/tpm-ubuntu2404-snp.bin",
	  116,
	  DIGEST_SHA256,
	  { { 0, "50597a27846e91d025eef597abbc89f72bff9af849094db97b0684d8bc4c515e" },
	    { 1, "57344e1cc8c6619413df33013a7cd67915459f967395af41db21c1fa7ca9c307" },
	    { 2, "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969" },
	    { 3, "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969" },
	    { 4, "abe8b3fa6aecb36c2fd93c6f6edde661c21b353d007410a2739d69bfa7e1b9be" },
	    { 5, "0b0e1903aeb1bff649b82dba2cdcf5c4ffb75027e54f151ab00b3b989f16a300" },
	    { 6, "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969" },
	    { 7, "33ad69850fb2c7f30b4f8b4bc10ed93fc954dc07fa726e84f50f3d192dc1c140" },
	    { 8, "6932a3f71dc55ad3c1a6ac2196eeac26a1b7164b6bbfa106625d94088ec3ecc3" },
	    { 9, "ce08798b283c7a0ddc5e9ad1d602304b945b741fc60c20e254eafa0f4782512b" },
	    { 14, "306f9d8b94f17d93dc6e7cf8f5c79d652eb4c6c4d13de2dddc24af416e13ecaf" } } },
};

static void must_replay(struct bytes log, enum digest_alg alg, struct eventlog_registers *registers)
{
	struct err err = { 0 };
	if (eventlog_replay(log, alg, registers, &err) < 0)
		fail_msg("refused: %s", err.message);
}

static void assert_refused(struct bytes log, const char *part)
{
	struct err err = { 0 };
	struct eventlog_registers registers = { .events = 77 };
	assert_int_equal(eventlog_replay(log, DIGEST_SHA384, &registers, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(registers.events, 77);
	assert_message_has(err, part);
}

static void assert_genuine(const struct genuine *want)
{
	OWNED_BUF struct buf log = vector_read(want->file);
	struct eventlog_registers registers;
	size_t used = 0;
	must_replay(buf_bytes(&log), want->alg, &registers);
	assert_int_equal(registers.events, want->events);
	for (size_t i = 0; i < EVENTLOG_REGISTERS; i++)
		used += registers.used[i];
	for (size_t i = 0; i < ARRAY_LEN(want->values) && want->values[i].hex; i++, used--) {
		assert_true(registers.used[want->values[i].number]);
		assert_hex_padded(registers.values[want->values[i].number], digest_alg_len(want->alg),
				  want->values[i].hex);
	}
	assert_int_equal(used, 0);
}

static void replays_genuine_logs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(genuine); i++)
		assert_genuine(&genuine[i]);
}

static void assert_head(const char *file, bool is_cc, size_t algs, uint32_t platform_class)
{
	OWNED_BUF struct buf raw = vector_read(file);
	struct eventlog log;
	struct err err = { 0 };
	assert_int_equal(eventlog_open(buf_bytes(&raw), &log, &err), 0);
	assert_false(log.legacy);
	assert_int_equal(log.is_cc, is_cc);
	assert_int_equal(log.alg_count, algs);
	assert_int_equal(log.platform_class, platform_class);
	assert_int_equal(log.spec_major, 2);
	assert_int_equal(log.spec_minor, 0);
	assert_int_equal(log.uintn_size, 2);
	assert_int_equal(log.vendor.len, 0);
}

static void reads_the_heads(void **state)
{
	(void)state;
	assert_head("eventlog/ccel-ovmf.bin", true, 1, 0);
	assert_head("eventlog/ccel-cos113.bin", true, 1, 0);
	assert_head("eventlog/ccel-aael-alibaba.bin", true, 1, 0);
	assert_head("eventlog/tpm-ubuntu2404-snp.bin", false, 3, 0);
}

static void stops_where_padding_begins(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("eventlog/ccel-ovmf.bin");
	struct eventlog_registers whole;
	struct eventlog_registers other;
	must_replay(buf_bytes(&raw), DIGEST_SHA384, &whole);
	assert_int_equal(whole.extent, 2120);
	must_replay(bytes_of(raw.data, 2120), DIGEST_SHA384, &other);
	assert_memory_equal(whole.values, other.values, sizeof(whole.values));
	memset(raw.data + 2120, 0, raw.len - 2120);
	must_replay(buf_bytes(&raw), DIGEST_SHA384, &other);
	assert_memory_equal(whole.values, other.values, sizeof(whole.values));
	assert_int_equal(other.extent, 2120);
	/* Padding shorter than a mark, and a mark that is not whole. */
	assert_refused(bytes_of(raw.data, 2127), "event 21 at offset 2120");
	raw.data[2124] = 1;
	assert_refused(buf_bytes(&raw), "event 21 at offset 2120 has no sha384 digest");
}

/* A cut log is refused unless it is cut between two events. */
static void refuses_truncations_inside_events(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("eventlog/ccel-aael-alibaba.bin");
	size_t accepted = 0;
	for (size_t len = 0; len < raw.len; len++) {
		uint8_t *cut = exact_copy(buf_bytes(&raw), len);
		struct eventlog_registers registers;
		struct err err = { 0 };
		if (eventlog_replay(bytes_of(cut, len), DIGEST_SHA384, &registers, &err) == 0) {
			accepted++;
			assert_int_equal(registers.extent, len);
		} else {
			assert_message_has(err, "event log, ");
		}
		free(cut);
	}
	assert_int_equal(accepted, 88);
}

static void finds_the_aael_records(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("eventlog/ccel-aael-alibaba.bin");
	struct eventlog log;
	struct eventlog_event event;
	struct err err = { 0 };
	struct bytes text;
	bool found = true;
	size_t count = 0;
	assert_int_equal(eventlog_open(buf_bytes(&raw), &log, &err), 0);
	for (;;) {
		assert_int_equal(eventlog_next(&log, &event, &found, &err), 0);
		if (!found)
			break;
		if (!eventlog_aael_text(&event, &text))
			continue;
		assert_int_equal(event.index, 4);
		if (count++ == 0)
			assert_true(bytes_equal_text(text, "coco.com some-operation some-content"));
	}
	assert_int_equal(count, 2);
	assert_int_equal(log.end, EVENTLOG_END_FF);
	assert_int_equal(log.at, 11707);
}

static void matches_a_genuine_quote(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = vector_read("eventlog/ccel-cos113.bin");
	OWNED_BUF struct buf raw = vector_read("tdx/v4-cos113.dat");
	struct tdx_quote quote;
	struct err err = { 0 };
	int differs = 9;
	assert_int_equal(tdx_quote_read(buf_bytes(&raw), &quote, &err), 0);
	assert_int_equal(eventlog_check_rtmrs(buf_bytes(&log), &quote.body.td, &differs, &err), 0);
	assert_int_equal(differs, -1);
	for (int i = 0; i < TD_RTMRS; i++) {
		quote.body.td.rtmr[i][47] ^= 1;
		assert_int_equal(eventlog_check_rtmrs(buf_bytes(&log), &quote.body.td, &differs, &err), 0);
		assert_int_equal(differs, i);
		quote.body.td.rtmr[i][47] ^= 1;
	}
}

/* Logs made by hand: a head with SHA-384 alone, then what the test puts there. */
static void put_hex(struct buf *log, const char *hex)
{
	struct err err = { 0 };
	assert_int_equal(hex_decode(bytes_of_text(hex), log, &err), 0);
}

static void put_zeros(struct buf *log, size_t len)
{
	struct err err = { 0 };
	while (len-- > 0)
		assert_int_equal(buf_append_byte(log, 0, &err), 0);
}

static void put_head(struct buf *log, const char *algs)
{
	size_t len = 16 + 8 + strlen(algs) / 2 + 1;
	put_hex(log, "0100000003000000");
	put_zeros(log, 20);
	const uint8_t size[4] = { (uint8_t)len, 0, 0, 0 };
	struct err err = { 0 };
	assert_int_equal(buf_append(log, bytes_of(size, 4), &err), 0);
	assert_int_equal(buf_append(log, bytes_of("Spec ID Event03", 16), &err), 0);
	put_hex(log, "0000000000020002");
	put_hex(log, algs);
	put_zeros(log, 1);
}

static void assert_bad_head(const char *algs, const char *part)
{
	OWNED_BUF struct buf log = BUF_INIT(4096);
	put_head(&log, algs);
	assert_refused(buf_bytes(&log), part);
}

static void refuses_bad_heads(void **state)
{
	(void)state;
	assert_bad_head("00000000", "the number of algorithms at offset 56 is 0, 1 to 8 are expected");
	assert_bad_head("09000000", "the number of algorithms at offset 56 is 9");
	assert_bad_head("ffffffff", "the number of algorithms at offset 56 is 4294967295");
	assert_bad_head("010000000c002f00", "algorithm 0xc at offset 60 has digests of 47 bytes, which cannot be");
	assert_bad_head("01000000ff000000", "algorithm 0xff at offset 60 has digests of 0 bytes");
	assert_bad_head("01000000ff004100", "algorithm 0xff at offset 60 has digests of 65 bytes");
	assert_bad_head("020000000c003000", "wants");
	assert_refused(bytes_of("", 0), "event log, head: the register at offset 0 wants 4 bytes, but 0 are left");
}

static void assert_bad_event(const char *event, const char *part)
{
	OWNED_BUF struct buf log = BUF_INIT(4096);
	put_head(&log, "010000000c003000");
	put_hex(&log, event);
	put_zeros(&log, 52);
	assert_refused(buf_bytes(&log), part);
}

static void refuses_bad_events(void **state)
{
	(void)state;
	assert_bad_event("010000000400000002000000",
			 "the number of digests at offset 73 is 2, but the log has 1 algorithms");
	assert_bad_event("0100000004000000ffffffff", "the number of digests at offset 73 is 4294967295");
	assert_bad_event("0100000004000000010000000b00",
			 "the algorithm 0xb at offset 77 is not among those in the log's head");
	assert_bad_event("010000000400000000000000ffffffff", "the event's data at offset 81 wants 4294967295 bytes");
}

static void replays_registers_within_bounds(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	struct eventlog_registers registers;
	put_head(&log, "010000000c003000");
	put_hex(&log, "1700000004000000010000000c00"); /* register 23 */
	put_zeros(&log, 48 + 4);
	must_replay(buf_bytes(&log), DIGEST_SHA384, &registers);
	assert_true(registers.used[23] && !registers.used[1]);
	log.data[65] = 24;
	assert_refused(buf_bytes(&log), "event 1 at offset 65 goes to register 24, which there is not");
	log.data[65 + 4] = EV_NO_ACTION; /* is not extended, so its register does not matter */
	must_replay(buf_bytes(&log), DIGEST_SHA384, &registers);
	assert_false(registers.used[23]);
}

/* GRUB measures less than it logs, firmware more: what counts is the digest that was extended. */
static void replays_recorded_digests_not_hashes_of_data(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	struct eventlog_registers registers;
	struct digest digest;
	struct err err = { 0 };
	uint8_t both[96] = { 0 };
	put_head(&log, "010000000c003000");
	put_hex(&log, "080000000d000000010000000c00"); /* EV_IPL to register 8 */
	memset(both + 48, 0xAB, 48);
	assert_int_equal(buf_append(&log, bytes_of(both + 48, 48), &err), 0);
	put_hex(&log, "040000006c736d6f");
	must_replay(buf_bytes(&log), DIGEST_SHA384, &registers);
	assert_int_equal(digest_of(DIGEST_SHA384, bytes_of(both, sizeof(both)), &digest, &err), 0);
	assert_memory_equal(registers.values[8], digest.bytes, 48);
	log.data[log.len - 1] ^= 1;
	must_replay(buf_bytes(&log), DIGEST_SHA384, &registers);
	assert_memory_equal(registers.values[8], digest.bytes, 48);
}

static void extends_nothing_for_no_action(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	struct eventlog_registers registers;
	put_head(&log, "010000000c003000");
	put_hex(&log, "0100000003000000010000000c00"); /* EV_NO_ACTION to register 1 */
	put_zeros(&log, 48 + 4);
	must_replay(buf_bytes(&log), DIGEST_SHA384, &registers);
	assert_int_equal(registers.events, 1);
	assert_false(registers.used[1]);
}

static void refuses_registers_that_a_td_has_not(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	const struct td td = { .xfam = 0 };
	struct err err = { 0 };
	int differs = 9;
	put_head(&log, "010000000c003000");
	assert_int_equal(eventlog_check_rtmrs(buf_bytes(&log), &td, &differs, &err), 0);
	assert_int_equal(differs, -1);
	put_hex(&log, "0500000004000000010000000c00");
	put_zeros(&log, 48 + 4);
	assert_int_equal(eventlog_check_rtmrs(buf_bytes(&log), &td, &differs, &err), -1);
	assert_message_has(err, "it extends register 5, but a TD has 1 to 4");
}

/* TCG 1.2: no head, SHA-1 only. The value was computed with sha1sum. */
static void replays_the_older_form(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	struct eventlog_registers registers;
	struct eventlog head;
	struct err err = { 0 };
	put_hex(&log, "0400000004000000");
	put_hex(&log, "9069ca78e7450a285173431b3e52c5c25299e473"); /* of four zero bytes */
	put_hex(&log, "0400000000000000");
	must_replay(buf_bytes(&log), DIGEST_SHA1, &registers);
	assert_int_equal(registers.events, 1);
	assert_hex_padded(registers.values[4], 20, "b2a83b0ebf2f8374299a5b2bdfc31ea955ad7236");
	assert_int_equal(eventlog_open(buf_bytes(&log), &head, &err), 0);
	assert_true(head.legacy);
	assert_refused(buf_bytes(&log), "event 1 at offset 0 has no sha384 digest");
	for (size_t len = 1; len < log.len; len++)
		assert_refused(bytes_of(log.data, len), "event log, ");
}

/* The locality from which the TPM was started is where PCR 0 begins. */
static void starts_pcr_0_from_the_startup_locality(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	struct eventlog_registers registers;
	struct err err = { 0 };
	put_head(&log, "010000000c003000");
	put_hex(&log, "0000000003000000010000000c00");
	put_zeros(&log, 48);
	put_hex(&log, "11000000");
	assert_int_equal(buf_append(&log, bytes_of("StartupLocality\0\3", 17), &err), 0);
	must_replay(buf_bytes(&log), DIGEST_SHA384, &registers);
	assert_int_equal(registers.values[0][47], 3);
	assert_false(registers.used[0]);
}

/* Later it says nothing: the register has been extended. */
static void takes_no_startup_locality_after_an_extension(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	struct eventlog_registers before;
	struct eventlog_registers after;
	struct err err = { 0 };
	put_head(&log, "010000000c003000");
	put_hex(&log, "0000000004000000010000000c00");
	put_zeros(&log, 48 + 4);
	must_replay(buf_bytes(&log), DIGEST_SHA384, &before);
	put_hex(&log, "0000000003000000010000000c00");
	put_zeros(&log, 48);
	put_hex(&log, "11000000");
	assert_int_equal(buf_append(&log, bytes_of("StartupLocality\0\3", 17), &err), 0);
	must_replay(buf_bytes(&log), DIGEST_SHA384, &after);
	assert_memory_equal(before.values, after.values, sizeof(before.values));
}

/* Registers of a dynamic launch begin with ones; the value was computed with sha384sum. */
static void starts_pcr_17_with_ones(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	struct eventlog_registers registers;
	put_head(&log, "010000000c003000");
	put_hex(&log, "1100000004000000010000000c00");
	put_zeros(&log, 48 + 4);
	must_replay(buf_bytes(&log), DIGEST_SHA384, &registers);
	assert_hex_padded(
		registers.values[17], 48,
		"2b83d37859e3665d7c239964d769cf950ee6478c13e4ca2d6643c23b6c4eae035c88f654d22e0d65e7ca40bae4f3718f");
}

static void refuses_two_digests_of_one_algorithm(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	put_head(&log, "020000000c0030000b002000");
	put_hex(&log, "0100000004000000020000000b00");
	put_zeros(&log, 32);
	put_hex(&log, "0b00");
	put_zeros(&log, 32 + 4);
	assert_refused(buf_bytes(&log), "a second digest of algorithm 0xb at offset 115");
}

static void reads_the_acpi_table(void **state)
{
	(void)state;
	OWNED_BUF struct buf table = vector_read("eventlog/ccel-cos113-acpi.bin");
	struct eventlog_ccel ccel;
	struct err err = { 0 };
	assert_int_equal(eventlog_ccel_read(buf_bytes(&table), &ccel, &err), 0);
	assert_int_equal(ccel.cc_type, 2);
	assert_int_equal(ccel.cc_subtype, 0);
	assert_true(ccel.area_len == 0x40000);
	assert_true(ccel.area_address == 0xbedbf000);
	for (size_t len = 0; len < table.len; len++)
		assert_int_equal(eventlog_ccel_read(bytes_of(table.data, len), &ccel, &err), -1);
	for (size_t at = 0; at < table.len; at++) {
		table.data[at] ^= 0x10;
		assert_int_equal(eventlog_ccel_read(buf_bytes(&table), &ccel, &err), -1);
		table.data[at] ^= 0x10;
	}
}

static void names_types_and_algorithms(void **state)
{
	(void)state;
	assert_string_equal(eventlog_type_name(EV_SEPARATOR), "EV_SEPARATOR");
	assert_string_equal(eventlog_type_name(0x800000E0), "EV_EFI_VARIABLE_AUTHORITY");
	assert_null(eventlog_type_name(0x12345678));
	assert_string_equal(eventlog_alg_name(EVENTLOG_SHA384), "sha384");
	assert_null(eventlog_alg_name(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays_genuine_logs),
		cmocka_unit_test(reads_the_heads),
		cmocka_unit_test(stops_where_padding_begins),
		cmocka_unit_test(refuses_truncations_inside_events),
		cmocka_unit_test(finds_the_aael_records),
		cmocka_unit_test(matches_a_genuine_quote),
		cmocka_unit_test(refuses_bad_heads),
		cmocka_unit_test(refuses_bad_events),
		cmocka_unit_test(replays_registers_within_bounds),
		cmocka_unit_test(replays_recorded_digests_not_hashes_of_data),
		cmocka_unit_test(extends_nothing_for_no_action),
		cmocka_unit_test(refuses_registers_that_a_td_has_not),
		cmocka_unit_test(replays_the_older_form),
		cmocka_unit_test(starts_pcr_0_from_the_startup_locality),
		cmocka_unit_test(takes_no_startup_locality_after_an_extension),
		cmocka_unit_test(starts_pcr_17_with_ones),
		cmocka_unit_test(refuses_two_digests_of_one_algorithm),
		cmocka_unit_test(reads_the_acpi_table),
		cmocka_unit_test(names_types_and_algorithms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
