/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TDREPORT as fields (TDX module: TDREPORT_STRUCT).
 *
 * It comes from the TDX module through our own kernel, or from a file. The MAC can only be
 * checked by the processor that made it, so what is read here is a claim.
 */
#include "attest/tdreport.h"

#include <string.h>

#include "base/cursor.h"

#define TYPE_TDX 0x81
#define TCB_INFO 0x100
#define TCB_INFO_LEN 239
#define TDINFO 0x200
#define TDINFO_LEN 512

static bool is_digest_of(const uint8_t *expected, const uint8_t *data, size_t len)
{
	struct digest digest;
	return digest_of(DIGEST_SHA384, bytes_of(data, len), &digest, NULL) == 0 &&
	       memcmp(digest.bytes, expected, digest.len) == 0;
}

static void read_tcb_info(const uint8_t *at, struct tdreport *report)
{
	report->tcb_valid = le64(at);
	memcpy(report->tee_tcb_svn, at + 8, sizeof(report->tee_tcb_svn));
	memcpy(report->mrseam, at + 24, TD_MR_LEN);
	memcpy(report->mrsignerseam, at + 72, TD_MR_LEN);
	report->seam_attributes = le64(at + 120);
	memcpy(report->tee_tcb_svn2, at + 128, sizeof(report->tee_tcb_svn2));
}

static void read_mac_struct(const uint8_t *at, struct tdreport *report)
{
	report->subtype = at[1];
	report->version = at[2];
	memcpy(report->cpu_svn, at + 0x10, sizeof(report->cpu_svn));
	memcpy(report->tee_tcb_info_hash, at + 0x20, sizeof(report->tee_tcb_info_hash));
	memcpy(report->tdinfo_hash, at + 0x50, sizeof(report->tdinfo_hash));
	memcpy(report->report_data.bytes, at + 0x80, REPORT_DATA_LEN);
	memcpy(report->mac, at + 0xE0, sizeof(report->mac));
}

int tdreport_read(struct bytes raw, struct tdreport *ret_report, struct err *err)
{
	struct tdreport report = { 0 };
	if (raw.len != TDREPORT_LEN)
		return err_set(err, ERR_PROTOCOL, "a TDREPORT is %d bytes long, this is %zu", TDREPORT_LEN, raw.len);
	if (raw.data[0] != TYPE_TDX)
		return err_set(err, ERR_PROTOCOL, "no TDREPORT: the type at offset 0 is 0x%02x, 0x%02x is expected",
			       raw.data[0], TYPE_TDX);
	read_mac_struct(raw.data, &report);
	read_tcb_info(raw.data + TCB_INFO, &report);
	report.td = td_of(raw.data + TDINFO);
	memcpy(report.servtd_hash, raw.data + TDINFO + TD_LEN, TD_MR_LEN);
	report.hashes_match = is_digest_of(report.tee_tcb_info_hash, raw.data + TCB_INFO, TCB_INFO_LEN) &&
			      is_digest_of(report.tdinfo_hash, raw.data + TDINFO, TDINFO_LEN);
	*ret_report = report;
	return 0;
}
