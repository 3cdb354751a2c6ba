/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measurement logs: TCG2 crypto-agile (TPM, CCEL, CCEL followed by the AAEL records of
 * Confidential Containers) and the older TCG 1.2 form with SHA-1 only.
 *
 * A log is hostile until it replays to registers that the hardware vouches for. Walking
 * borrows and allocates nothing.
 */
#ifndef SEALPOD_ATTEST_EVENTLOG_H
#define SEALPOD_ATTEST_EVENTLOG_H

#include "attest/td.h"
#include "base/digest.h"

#define EVENTLOG_MAX (4u << 20) /* bytes; real areas are 64 KiB to 1 MiB */
#define EVENTLOG_ALGS_MAX 8
#define EVENTLOG_REGISTERS 24 /* PCR 0 to 23, or MR 0 to 4 */

enum { EVENTLOG_SHA1 = 0x4, EVENTLOG_SHA256 = 0xB, EVENTLOG_SHA384 = 0xC, EVENTLOG_SHA512 = 0xD, EVENTLOG_SM3 = 0x12 };

enum { EV_NO_ACTION = 3, EV_SEPARATOR = 4, EV_EVENT_TAG = 6, EV_IPL = 0xD };

/* How the log ended; what lies behind it is padding. */
enum eventlog_end { EVENTLOG_END_OF_BYTES, EVENTLOG_END_FF, EVENTLOG_END_ZERO };

struct eventlog_alg {
	uint16_t id;
	uint16_t size;
};

struct eventlog {
	struct bytes all;
	bool legacy; /* TCG 1.2: no Spec ID event, SHA-1 only */
	bool is_cc;  /* as TDX firmware writes it: registers are MR 1 to 4 = RTMR 0 to 3 */
	uint32_t platform_class;
	uint8_t spec_major;
	uint8_t spec_minor;
	uint8_t spec_errata;
	uint8_t uintn_size;
	size_t alg_count;
	struct eventlog_alg algs[EVENTLOG_ALGS_MAX];
	struct bytes vendor;
	size_t at;     /* offset of the next event; where the log ended when the walk is over */
	size_t number; /* events read, the Spec ID event not counted */
	enum eventlog_end end;
};

struct eventlog_digest {
	uint16_t alg;
	struct bytes bytes;
};

struct eventlog_event {
	size_t offset;
	size_t number;	/* from 1 */
	uint32_t index; /* PCR or MR */
	uint32_t type;
	size_t digest_count;
	struct eventlog_digest digests[EVENTLOG_ALGS_MAX];
	struct bytes data;
};

/* Reads the Spec ID event, if there is one. ERR_PROTOCOL with the offset. */
int eventlog_open(struct bytes all, struct eventlog *ret_log, struct err *err) WARN_UNUSED;

/* ret_event is written only when *ret_found. */
int eventlog_next(struct eventlog *log, struct eventlog_event *ret_event, bool *ret_found, struct err *err) WARN_UNUSED;

/* The event's digest by that algorithm; no bytes if there is none. */
struct bytes eventlog_digest_of(const struct eventlog_event *event, uint16_t alg);

/* Is it extended into a register at all? */
bool eventlog_is_extended(const struct eventlog_event *event);

/* The text of an AAEL record ("domain operation content"); false for other events. */
bool eventlog_aael_text(const struct eventlog_event *event, struct bytes *ret_text);

const char *eventlog_type_name(uint32_t type); /* "EV_SEPARATOR", …; NULL where none is known */
const char *eventlog_alg_name(uint16_t alg);   /* "sha384", …; NULL where none is known */

/* The registers that a log replays to. */
struct eventlog_registers {
	enum digest_alg alg;
	bool used[EVENTLOG_REGISTERS]; /* something was extended into it */
	uint8_t values[EVENTLOG_REGISTERS][DIGEST_MAX];
	size_t events; /* in the log, the Spec ID event not counted */
	size_t extent; /* bytes of the log without end mark and padding */
};

/* SHA-1, SHA-256, SHA-384 or SHA-512, which the log must carry for each extended event. Recorded
 * digests are used as they are: many are not digests of the event's data. */
int eventlog_replay(struct bytes all, enum digest_alg alg, struct eventlog_registers *ret_registers,
		    struct err *err) WARN_UNUSED;

/* Does a CCEL replay to the RTMRs of this TD? *ret_differs is the number of the first one that
 * differs, -1 if all four are the same. */
int eventlog_check_rtmrs(struct bytes all, const struct td *td, int *ret_differs, struct err *err) WARN_UNUSED;

/* The ACPI table CCEL, 56 bytes: where the firmware keeps its log. */
struct eventlog_ccel {
	uint8_t cc_type; /* 1 SEV, 2 TDX */
	uint8_t cc_subtype;
	uint64_t area_len;
	uint64_t area_address;
};

int eventlog_ccel_read(struct bytes table, struct eventlog_ccel *ret_ccel, struct err *err) WARN_UNUSED;

#endif
