/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HCL report as fields.
 *
 * Who wrote it is what is to be found out: Azure's paravisor, which is part of the TEE, or a host
 * that poses as Azure. So lengths are checked against what is there, and the claims
 * are kept byte for byte: their hash is what the hardware signs. Must never take the unsigned header's word
 * for anything but where things lie.
 */
#include "attest/hcl.h"

#include <string.h>

#include "attest/snp_report.h"
#include "attest/tdreport.h"
#include "base/cursor.h"

#define HARDWARE_AT 32
#define HARDWARE_LEN 1184
#define DATA_AT (HARDWARE_AT + HARDWARE_LEN)
#define DATA_HEAD_LEN 20u
#define TYPE_AT (DATA_AT + 8)
#define SNP_REPORT_DATA_AT 0x50
#define TDREPORT_REPORT_DATA_AT 0x80

static const char *const type_names[] = {
	[HCL_VBS] = "VBS",
	[HCL_SNP] = "SNP",
	[HCL_TVM] = "TVM",
	[HCL_TDX] = "TDX",
};

const char *hcl_type_name(uint32_t type)
{
	return type < ARRAY_LEN(type_names) && type_names[type] ? type_names[type] : "unknown";
}

static int check_signature(struct bytes raw, struct err *err)
{
	if (raw.len < HCL_HEAD_LEN)
		return err_set(err, ERR_PROTOCOL, "HCL report: %zu bytes; its head alone is %d bytes long", raw.len,
			       HCL_HEAD_LEN);
	if (memcmp(raw.data, "HCLA", 4) != 0)
		return err_set(err, ERR_PROTOCOL, "no HCL report: it does not begin with 'HCLA'");
	return 0;
}

int hcl_type_of(struct bytes raw, uint32_t *ret_type, struct err *err)
{
	if (check_signature(raw, err) < 0)
		return -1;
	*ret_type = le32(raw.data + TYPE_AT);
	return 0;
}

static int hash_of(uint32_t hash_type, enum digest_alg *ret_alg, struct err *err)
{
	static const enum digest_alg algs[] = { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };
	if (hash_type < 1 || hash_type > ARRAY_LEN(algs))
		return err_set(err, ERR_PROTOCOL, "HCL report: the hash type at offset %d is %u; 1 to 3 are handled",
			       DATA_AT + 12, hash_type);
	*ret_alg = algs[hash_type - 1];
	return 0;
}

static int read_head(struct cursor *cursor, struct hcl_report *report, struct err *err)
{
	if (cursor_skip(cursor, 4, "the signature", err) < 0 ||
	    cursor_u32(cursor, "the version", &report->version, err) < 0 ||
	    cursor_u32(cursor, "the report size", &report->used_len, err) < 0 ||
	    cursor_u32(cursor, "the request type", &report->request_type, err) < 0 ||
	    cursor_u32(cursor, "the status", &report->status, err) < 0 ||
	    cursor_skip(cursor, 12, "a reserved field", err) < 0 ||
	    cursor_take(cursor, HARDWARE_LEN, "the hardware report", &report->hardware, err) < 0)
		return -1;
	if (report->version != 1 && report->version != 2)
		return err_set(err, ERR_PROTOCOL, "the version at offset 4 is %u; 1 and 2 are handled",
			       report->version);
	if (report->status != 0)
		return err_set(err, ERR_DEVICE, "the paravisor made no report: the status at offset 16 is %u",
			       report->status);
	return 0;
}

/* The sizes of the data and of the claims in it must agree: which of them counts is nobody's to choose. */
static int read_claims(struct cursor *cursor, struct hcl_report *report, uint32_t data_len, uint32_t claims_len,
		       struct err *err)
{
	uint32_t head = DATA_HEAD_LEN;
	if (report->data_version == 2) {
		head += 4;
		if (cursor_u32(cursor, "the capabilities", &report->capabilities, err) < 0)
			return -1;
	} else if (report->data_version != 1) {
		return err_set(err, ERR_PROTOCOL, "the data version at offset %d is %u; 1 and 2 are handled",
			       DATA_AT + 4, report->data_version);
	}
	if (data_len < head || data_len - head != claims_len)
		return err_set(err, ERR_PROTOCOL,
			       "the data size at offset %d is %u, but the claims and their head are %llu bytes",
			       DATA_AT, data_len, (unsigned long long)claims_len + head);
	return cursor_take(cursor, claims_len, "the runtime claims", &report->claims, err);
}

static int read_data(struct cursor *cursor, struct hcl_report *report, struct err *err)
{
	uint32_t data_len;
	uint32_t claims_len;
	uint32_t hash_type;
	enum digest_alg alg = DIGEST_SHA256;
	if (cursor_u32(cursor, "the data size", &data_len, err) < 0 ||
	    cursor_u32(cursor, "the data version", &report->data_version, err) < 0 ||
	    cursor_u32(cursor, "the report type", &report->type, err) < 0 ||
	    cursor_u32(cursor, "the hash type", &hash_type, err) < 0 ||
	    cursor_u32(cursor, "the claims size", &claims_len, err) < 0 || hash_of(hash_type, &alg, err) < 0 ||
	    read_claims(cursor, report, data_len, claims_len, err) < 0)
		return -1;
	return digest_of(alg, report->claims, &report->claims_digest, err);
}

int hcl_read(struct bytes raw, struct hcl_report *ret_report, struct err *err)
{
	struct hcl_report report = { 0 };
	struct cursor cursor = cursor_over(raw);
	if (check_signature(raw, err) < 0)
		return -1;
	if (read_head(&cursor, &report, err) < 0 || read_data(&cursor, &report, err) < 0)
		return err_wrap(err, "HCL report");
	if (report.type == HCL_TDX)
		report.hardware.len = TDREPORT_LEN;
	*ret_report = report;
	return 0;
}

bool hcl_claims_vouched(const struct hcl_report *report)
{
	struct report_data want = report_data_of(&report->claims_digest);
	if (report->type == HCL_SNP)
		return memcmp(report->hardware.data + SNP_REPORT_DATA_AT, want.bytes, REPORT_DATA_LEN) == 0;
	if (report->type == HCL_TDX)
		return memcmp(report->hardware.data + TDREPORT_REPORT_DATA_AT, want.bytes, REPORT_DATA_LEN) == 0;
	return false;
}
