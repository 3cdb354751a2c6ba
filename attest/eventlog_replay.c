/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measurement logs: the replay. Register = H(register || recorded digest), in order.
 *
 * What a log replays to means something only beside registers that the hardware signed.
 * Digests are taken as recorded, because many are not digests of the data beside them
 * (boot variables, GRUB commands, Authenticode). Must never skip an event that the hardware
 * would have extended: then two different logs would look the same.
 */
#include "attest/eventlog.h"

#include <string.h>

#define STARTUP_LOCALITY "StartupLocality" /* with its NUL 16 bytes, then the locality */

static uint16_t tcg_id(enum digest_alg alg)
{
	static const uint16_t ids[] = { [DIGEST_SHA1] = EVENTLOG_SHA1,
					[DIGEST_SHA256] = EVENTLOG_SHA256,
					[DIGEST_SHA384] = EVENTLOG_SHA384,
					[DIGEST_SHA512] = EVENTLOG_SHA512 };
	return ids[alg];
}

/* PCR 17 to 22 belong to a dynamic launch, which sets them; until then they are all ones. */
static void start(struct eventlog_registers *registers)
{
	size_t len = digest_alg_len(registers->alg);
	for (size_t i = 17; i <= 22; i++)
		memset(registers->values[i], 0xFF, len);
}

/* A TPM started from another locality begins with its number in PCR 0. */
static void note_startup_locality(const struct eventlog_event *event, struct eventlog_registers *registers)
{
	size_t name = sizeof(STARTUP_LOCALITY);
	if (event->type != EV_NO_ACTION || event->data.len != name + 1 ||
	    memcmp(event->data.data, STARTUP_LOCALITY, name) != 0 || event->index != 0 || registers->used[0])
		return;
	registers->values[0][digest_alg_len(registers->alg) - 1] = event->data.data[name];
}

static int extend(struct eventlog_registers *registers, size_t number, struct bytes digest, struct err *err)
{
	uint8_t both[2 * DIGEST_MAX];
	struct digest next;
	size_t len = digest_alg_len(registers->alg);
	memcpy(both, registers->values[number], len);
	memcpy(both + len, digest.data, len);
	if (digest_of(registers->alg, bytes_of(both, 2 * len), &next, err) < 0)
		return -1;
	memcpy(registers->values[number], next.bytes, len);
	registers->used[number] = true;
	return 0;
}

static int replay_event(const struct eventlog_event *event, struct eventlog_registers *registers, struct err *err)
{
	note_startup_locality(event, registers);
	if (!eventlog_is_extended(event))
		return 0;
	struct bytes digest = eventlog_digest_of(event, tcg_id(registers->alg));
	if (event->index >= EVENTLOG_REGISTERS)
		return err_set(err, ERR_PROTOCOL,
			       "event log: event %zu at offset %zu goes to register %u, which there is not",
			       event->number, event->offset, event->index);
	if (!digest.data)
		return err_set(err, ERR_PROTOCOL, "event log: event %zu at offset %zu has no %s digest", event->number,
			       event->offset, digest_alg_name(registers->alg));
	return extend(registers, event->index, digest, err);
}

int eventlog_replay(struct bytes all, enum digest_alg alg, struct eventlog_registers *ret_registers, struct err *err)
{
	struct eventlog log;
	struct eventlog_event event;
	struct eventlog_registers registers = { .alg = alg };
	bool found = true;
	if (eventlog_open(all, &log, err) < 0)
		return -1;
	start(&registers);
	while (found) {
		if (eventlog_next(&log, &event, &found, err) < 0 ||
		    (found && replay_event(&event, &registers, err) < 0))
			return -1;
	}
	registers.events = log.number;
	registers.extent = log.at;
	*ret_registers = registers;
	return 0;
}

/* Measurement register 0 is MRTD, which the TDX module computes; 1 to 4 are RTMR 0 to 3. */
int eventlog_check_rtmrs(struct bytes all, const struct td *td, int *ret_differs, struct err *err)
{
	struct eventlog_registers registers;
	if (eventlog_replay(all, DIGEST_SHA384, &registers, err) < 0)
		return -1;
	for (size_t i = TD_RTMRS + 1; i < EVENTLOG_REGISTERS; i++)
		if (registers.used[i])
			return err_set(err, ERR_PROTOCOL, "event log: it extends register %zu, but a TD has 1 to %d", i,
				       TD_RTMRS);
	int differs = -1;
	for (int i = TD_RTMRS - 1; i >= 0; i--)
		if (memcmp(registers.values[i + 1], td->rtmr[i], TD_MR_LEN) != 0)
			differs = i;
	*ret_differs = differs;
	return 0;
}
