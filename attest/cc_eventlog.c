/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log of a TD, joined from its two places.
 *
 * Both are hostile until they replay to the quote's registers. A log is a help to
 * the verifier, not a condition: whatever is wrong with it is said and it is left out.
 */
#include "attest/cc_eventlog.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define CCEL_DATA "/sys/firmware/acpi/tables/data/CCEL"
#define AAEL_FILE "/run/attestation-agent/eventlog"

static const uint8_t end_mark[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* False where the file is absent; what else is wrong with it is logged. */
static bool read_optional(const char *path, struct buf *out)
{
	struct err why = { 0 };
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return false;
	if (file_read(AT_FDCWD, path, out, &why) == 0)
		return out->len > 0;
	log_warning("event log: %s", why.message);
	return false;
}

/* Behind the last record of the firmware's log, whose area is padded. */
static int join(const struct buf *ccel, const struct buf *aael, struct buf *out, struct err *err)
{
	struct eventlog_registers registers;
	if (eventlog_replay(buf_bytes(ccel), DIGEST_SHA384, &registers, err) < 0)
		return -1;
	if (buf_append(out, bytes_of(ccel->data, registers.extent), err) < 0 ||
	    buf_append(out, buf_bytes(aael), err) < 0)
		return -1;
	return buf_append(out, bytes_of(end_mark, sizeof(end_mark)), err);
}

void cc_eventlog_read(struct buf *ret_log)
{
	struct buf ccel OWNED_BUF = BUF_INIT(EVENTLOG_MAX);
	struct buf aael OWNED_BUF = BUF_INIT(EVENTLOG_MAX);
	struct buf joined OWNED_BUF = BUF_INIT(2 * EVENTLOG_MAX);
	struct err why = { 0 };
	if (!read_optional(CCEL_DATA, &ccel))
		return;
	if (!read_optional(AAEL_FILE, &aael)) {
		buf_move(ret_log, &ccel);
		return;
	}
	if (join(&ccel, &aael, &joined, &why) < 0)
		log_warning("event log: %s", why.message);
	else
		buf_move(ret_log, &joined);
}
