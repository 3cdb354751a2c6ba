/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of the TEE `tdx`, as the KBS's verifier takes it.
 */
#ifndef SEALPOD_ATTEST_TDX_EVIDENCE_H
#define SEALPOD_ATTEST_TDX_EVIDENCE_H

#include "attest/evidence_note.h"
#include "attest/tdx_quote.h"
#include "base/json.h"

/* {"cc_eventlog":"<base64>" or null,"quote":"<base64>"}. `raw_quote` is what `quote` was read from;
 * trailing bytes are left out. `eventlog` is empty or a CCEL (with AAEL records or without): it is sent,
 * without its padding, if it replays to the quote's RTMRs; otherwise it is left out and the note says why. */
int tdx_evidence_build(struct bytes raw_quote, const struct tdx_quote *quote, struct bytes eventlog,
		       struct json **ret_evidence, struct evidence_note *ret_note, struct err *err) WARN_UNUSED;

/* The way back, for looking at evidence. The event log is empty where there is none. */
int tdx_evidence_open(const struct json *evidence, struct buf *ret_quote, struct buf *ret_eventlog,
		      struct err *err) WARN_UNUSED;

#endif
