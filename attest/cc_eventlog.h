/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log of a TD: the firmware's (ACPI table CCEL), followed by the
 * attestation agent's own records (AAEL) where one runs and measures.
 */
#ifndef SEALPOD_ATTEST_CC_EVENTLOG_H
#define SEALPOD_ATTEST_CC_EVENTLOG_H

#include "attest/eventlog.h"
#include "base/buf.h"

/* Whatever is there, joined; empty where there is none or it cannot be read (said in the log). */
void cc_eventlog_read(struct buf *ret_log);

#endif
