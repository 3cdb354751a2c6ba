/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/eventlog: any bytes in. The walk must come to an end, lend out nothing outside the
 * log and not go back; the replay must count the same events.
 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void check_event(const struct eventlog *log, const struct eventlog_event *event)
{
	const uint8_t *start = log->all.data + event->offset;
	const uint8_t *end = log->all.data + log->at;
	struct bytes text;
	expect(event->digest_count <= log->alg_count, "more digests than algorithms");
	for (size_t i = 0; i < event->digest_count; i++) {
		struct bytes digest = event->digests[i].bytes;
		expect(digest.data >= start && digest.data + digest.len <= end && digest.len <= DIGEST_MAX,
		       "a digest elsewhere");
		expect(eventlog_digest_of(event, event->digests[i].alg).data == digest.data, "a digest is not found");
	}
	expect(event->data.len == 0 || (event->data.data >= start && event->data.data + event->data.len == end),
	       "data elsewhere");
	if (eventlog_aael_text(event, &text))
		expect(text.len + 8 == event->data.len, "an AAEL record of another length");
}

static bool walk(struct bytes all, size_t *ret_count, size_t *ret_extent)
{
	struct err err = { 0 };
	struct eventlog log;
	struct eventlog_event event;
	bool found = true;
	if (eventlog_open(all, &log, &err) < 0) {
		expect(err.code == ERR_PROTOCOL && err.message[0], "a failure without its message");
		return false;
	}
	size_t before = log.at;
	for (*ret_count = 0;; (*ret_count)++) {
		if (eventlog_next(&log, &event, &found, &err) < 0)
			return false;
		if (!found)
			break;
		expect(event.offset == before && log.at > before && log.at <= all.len, "the walk does not go on");
		before = log.at;
		check_event(&log, &event);
	}
	*ret_extent = log.at;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum digest_alg algs[] = { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };
	struct err err = { 0 };
	struct eventlog_ccel ccel;
	size_t count = 0;
	size_t extent = 0;
	bool whole = walk(bytes_of(data, size), &count, &extent);
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		struct eventlog_registers registers;
		if (eventlog_replay(bytes_of(data, size), algs[i], &registers, &err) < 0)
			continue;
		expect(whole && registers.events == count && registers.extent == extent, "the replay saw another log");
	}
	expect(eventlog_ccel_read(bytes_of(data, size), &ccel, &err) < 0 || size == 56,
	       "an ACPI table of another size");
	return 0;
}
