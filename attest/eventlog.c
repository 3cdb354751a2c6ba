/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measurement logs: the walk.
 *
 * Firmware writes the log into memory that the host may see or change, and files of
 * operators come from anywhere: counts and sizes are limited, each is checked against the
 * bytes that are left. Sizes of digests come from the log's own head, as the specification
 * wants (TCG PC Client Platform Firmware Profile, section 10), but those of algorithms that
 * we know must be theirs. Must never read behind the log or walk without end.
 */
#include "attest/eventlog.h"

#include <string.h>

#include "base/cursor.h"

#define SPEC_ID "Spec ID Event03" /* with its NUL 16 bytes */
#define SPEC_ID_LEN 16
#define SHA1_LEN 20
#define END_LEN 8
#define AAEL_MAGIC 0x4141454Cu /* "LEAA" in the bytes */

static const struct {
	uint16_t id;
	uint16_t size;
	const char *name;
} known_algs[] = {
	{ EVENTLOG_SHA1, SHA1_LEN, "sha1" }, { EVENTLOG_SHA256, 32, "sha256" }, { EVENTLOG_SHA384, 48, "sha384" },
	{ EVENTLOG_SHA512, 64, "sha512" },   { EVENTLOG_SM3, 32, "sm3" },
};

static uint16_t known_size(uint16_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(known_algs); i++)
		if (known_algs[i].id == id)
			return known_algs[i].size;
	return 0;
}

static int read_alg(struct cursor *cursor, struct eventlog_alg *alg, struct err *err)
{
	size_t offset = cursor->at;
	if (cursor_u16(cursor, "an algorithm", &alg->id, err) < 0 ||
	    cursor_u16(cursor, "the size of a digest", &alg->size, err) < 0)
		return -1;
	uint16_t size = known_size(alg->id);
	if ((size && size != alg->size) || alg->size == 0 || alg->size > DIGEST_MAX)
		return err_set(err, ERR_PROTOCOL,
			       "algorithm 0x%x at offset %zu has digests of %u bytes, which cannot be", alg->id, offset,
			       alg->size);
	return 0;
}

static int read_algs(struct cursor *cursor, struct eventlog *log, struct err *err)
{
	uint32_t count;
	size_t offset = cursor->at;
	if (cursor_u32(cursor, "the number of algorithms", &count, err) < 0)
		return -1;
	if (count < 1 || count > EVENTLOG_ALGS_MAX)
		return err_set(err, ERR_PROTOCOL, "the number of algorithms at offset %zu is %u, 1 to %d are expected",
			       offset, count, EVENTLOG_ALGS_MAX);
	for (log->alg_count = 0; log->alg_count < count; log->alg_count++)
		if (read_alg(cursor, &log->algs[log->alg_count], err) < 0)
			return -1;
	return 0;
}

/* The data of the Spec ID event. Bytes behind the vendor's are left alone: some writers pad. */
static int read_spec_id(struct cursor *cursor, struct eventlog *log, struct err *err)
{
	uint8_t vendor_len;
	if (cursor_skip(cursor, SPEC_ID_LEN, "the Spec ID", err) < 0 ||
	    cursor_u32(cursor, "the platform class", &log->platform_class, err) < 0 ||
	    cursor_u8(cursor, "the minor version", &log->spec_minor, err) < 0 ||
	    cursor_u8(cursor, "the major version", &log->spec_major, err) < 0 ||
	    cursor_u8(cursor, "the errata level", &log->spec_errata, err) < 0 ||
	    cursor_u8(cursor, "the size of UINTN", &log->uintn_size, err) < 0 || read_algs(cursor, log, err) < 0 ||
	    cursor_u8(cursor, "the length of the vendor's data", &vendor_len, err) < 0)
		return -1;
	return cursor_take(cursor, vendor_len, "the vendor's data", &log->vendor, err);
}

/* A record of TCG 1.2: one SHA-1 digest. */
static int read_legacy_event(struct cursor *cursor, struct eventlog_event *event, struct err *err)
{
	uint32_t len;
	event->digest_count = 1;
	event->digests[0].alg = EVENTLOG_SHA1;
	if (cursor_u32(cursor, "the register", &event->index, err) < 0 ||
	    cursor_u32(cursor, "the event type", &event->type, err) < 0 ||
	    cursor_take(cursor, SHA1_LEN, "the digest", &event->digests[0].bytes, err) < 0 ||
	    cursor_u32(cursor, "the size of the event's data", &len, err) < 0)
		return -1;
	return cursor_take(cursor, len, "the event's data", &event->data, err);
}

static bool is_spec_id(const struct eventlog_event *event)
{
	return event->type == EV_NO_ACTION && event->data.len >= SPEC_ID_LEN &&
	       memcmp(event->data.data, SPEC_ID, SPEC_ID_LEN) == 0;
}

/* Only TDX firmware numbers the Spec ID event's register 1, its first measurement register, and
 * only there SHA-384 stands alone. */
static bool looks_like_cc(const struct eventlog *log, uint32_t index)
{
	return index == 1 && log->alg_count == 1 && log->algs[0].id == EVENTLOG_SHA384;
}

static int open_log(struct eventlog *log, struct err *err)
{
	struct eventlog_event first = { 0 };
	struct cursor cursor = cursor_over(log->all);
	if (read_legacy_event(&cursor, &first, err) < 0)
		return -1;
	log->legacy = !is_spec_id(&first);
	if (log->legacy) {
		log->alg_count = 1;
		log->algs[0] = (struct eventlog_alg){ EVENTLOG_SHA1, SHA1_LEN };
		return 0; /* the first record is an event like all others */
	}
	log->at = cursor.at;
	struct cursor spec = { .all = bytes_of(log->all.data, cursor.at), .at = cursor.at - first.data.len };
	if (read_spec_id(&spec, log, err) < 0)
		return -1;
	log->is_cc = looks_like_cc(log, first.index);
	return 0;
}

int eventlog_open(struct bytes all, struct eventlog *ret_log, struct err *err)
{
	struct eventlog log = { .all = all };
	if (all.len > EVENTLOG_MAX)
		return err_set(err, ERR_PROTOCOL, "an event log of %zu bytes is over the limit of %u", all.len,
			       EVENTLOG_MAX);
	if (open_log(&log, err) < 0)
		return err_wrap(err, "event log, head");
	*ret_log = log;
	return 0;
}

static bool all_are(const uint8_t *at, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] != value)
			return false;
	return true;
}

/* Eight bytes of FF or 00 end a log; so does its last byte. */
static bool at_end(struct eventlog *log)
{
	const uint8_t *at = log->all.data + log->at;
	size_t left = log->all.len - log->at;
	if (left == 0)
		log->end = EVENTLOG_END_OF_BYTES;
	else if (left >= END_LEN && all_are(at, END_LEN, 0xFF))
		log->end = EVENTLOG_END_FF;
	else if (left >= END_LEN && all_are(at, END_LEN, 0))
		log->end = EVENTLOG_END_ZERO;
	else
		return false;
	return true;
}

static uint16_t size_in(const struct eventlog *log, uint16_t alg)
{
	for (size_t i = 0; i < log->alg_count; i++)
		if (log->algs[i].id == alg)
			return log->algs[i].size;
	return 0;
}

static int read_digest(struct cursor *cursor, const struct eventlog *log, struct eventlog_event *event, struct err *err)
{
	struct eventlog_digest digest;
	size_t offset = cursor->at;
	if (cursor_u16(cursor, "the digest's algorithm", &digest.alg, err) < 0)
		return -1;
	uint16_t size = size_in(log, digest.alg);
	if (!size)
		return err_set(err, ERR_PROTOCOL,
			       "the algorithm 0x%x at offset %zu is not among those in the log's head", digest.alg,
			       offset);
	if (eventlog_digest_of(event, digest.alg).data)
		return err_set(err, ERR_PROTOCOL, "a second digest of algorithm 0x%x at offset %zu", digest.alg,
			       offset);
	if (cursor_take(cursor, size, "the digest", &digest.bytes, err) < 0)
		return -1;
	event->digests[event->digest_count++] = digest;
	return 0;
}

static int read_event(struct cursor *cursor, const struct eventlog *log, struct eventlog_event *event, struct err *err)
{
	uint32_t count;
	uint32_t len;
	if (cursor_u32(cursor, "the register", &event->index, err) < 0 ||
	    cursor_u32(cursor, "the event type", &event->type, err) < 0 ||
	    cursor_u32(cursor, "the number of digests", &count, err) < 0)
		return -1;
	if (count > log->alg_count)
		return err_set(err, ERR_PROTOCOL,
			       "the number of digests at offset %zu is %u, but the log has %zu algorithms",
			       cursor->at - 4, count, log->alg_count);
	while (event->digest_count < count)
		if (read_digest(cursor, log, event, err) < 0)
			return -1;
	if (cursor_u32(cursor, "the size of the event's data", &len, err) < 0)
		return -1;
	return cursor_take(cursor, len, "the event's data", &event->data, err);
}

int eventlog_next(struct eventlog *log, struct eventlog_event *ret_event, bool *ret_found, struct err *err)
{
	struct eventlog_event event = { .offset = log->at, .number = log->number + 1 };
	struct cursor cursor = { .all = log->all, .at = log->at };
	if (at_end(log)) {
		*ret_found = false;
		return 0;
	}
	if (log->legacy ? read_legacy_event(&cursor, &event, err) < 0 : read_event(&cursor, log, &event, err) < 0)
		return err_wrap(err, "event log, event %zu at offset %zu", event.number, event.offset);
	log->at = cursor.at;
	log->number++;
	*ret_event = event;
	*ret_found = true;
	return 0;
}

struct bytes eventlog_digest_of(const struct eventlog_event *event, uint16_t alg)
{
	for (size_t i = 0; i < event->digest_count; i++)
		if (event->digests[i].alg == alg)
			return event->digests[i].bytes;
	return (struct bytes){ 0 };
}

bool eventlog_is_extended(const struct eventlog_event *event)
{
	return event->type != EV_NO_ACTION;
}

/* EV_EVENT_TAG: tag id, size, data (guest-components: attestation-agent, AAEL). */
bool eventlog_aael_text(const struct eventlog_event *event, struct bytes *ret_text)
{
	const struct bytes *data = &event->data;
	if (event->type != EV_EVENT_TAG || data->len < 8 || le32(data->data) != AAEL_MAGIC ||
	    le32(data->data + 4) != data->len - 8)
		return false;
	*ret_text = bytes_of(data->data + 8, data->len - 8);
	return true;
}

const char *eventlog_alg_name(uint16_t alg)
{
	for (size_t i = 0; i < ARRAY_LEN(known_algs); i++)
		if (known_algs[i].id == alg)
			return known_algs[i].name;
	return NULL;
}
