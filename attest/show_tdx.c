/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TDX quotes and TDREPORTs on a sheet. The bytes are anybody's; what is shown is what stands
 * there, and nothing of it is verified.
 */
#include <string.h>

#include "attest/tdreport.h"
#include "attest/tdx_quote.h"
#include "base/cursor.h"
#include "attest/show.h"

/* Versions and key types around those that are handled too, for a better message. */
bool is_tdx_quote(struct bytes content)
{
	if (content.len < 8)
		return false;
	uint16_t version = le16(content.data);
	uint16_t key_type = le16(content.data + 2);
	return version >= 3 && version <= 16 && key_type >= 1 && key_type <= 16;
}

bool is_tdreport(struct bytes content)
{
	return content.len == TDREPORT_LEN && content.data[0] == 0x81;
}

static void show_attributes(const struct td_attributes *attributes, struct sheet *sheet)
{
	const struct sheet_bit bits[] = {
		{ "debug", attributes->debug, "DEBUG", "no debug" },
		{ "untrusted", attributes->untrusted != 0, "UNTRUSTED", NULL },
		{ "lass", attributes->lass, "LASS", NULL },
		{ "sept_ve_disable", attributes->sept_ve_disable, "SEPT_VE_DISABLE", "SEPT_VE_DISABLE clear" },
		{ "migratable", attributes->migratable, "MIGRATABLE", NULL },
		{ "pks", attributes->pks, "PKS", NULL },
		{ "key_locker", attributes->key_locker, "KL", NULL },
		{ "perfmon", attributes->perfmon, "PERFMON", NULL },
	};
	sheet_bits(sheet, "attributes", "TDATTRIBUTES", attributes->raw, bits, ARRAY_LEN(bits), attributes->unknown);
}

#define HEX(key, label, array) sheet_hex(sheet, key, label, bytes_of(&(array), sizeof(array)))

/* XCR0 and IA32_XSS by their bits (Intel SDM volume 1, chapter 13). */
static void show_xfam(uint64_t xfam, struct sheet *sheet)
{
	static const struct {
		uint64_t mask; /* all of them */
		const char *key;
		const char *words;
	} names[] = {
		{ 0x1, "x87", "x87" },	       { 0x2, "sse", "SSE" },	 { 0x4, "avx", "AVX" },
		{ 0xE0, "avx512", "AVX-512" }, { 0x100, "pt", "PT" },	 { 0x200, "pku", "PKU" },
		{ 0x400, "pasid", "PASID" },   { 0x1800, "cet", "CET" }, { 0x2000, "hdc", "HDC" },
		{ 0x4000, "uintr", "UINTR" },  { 0x8000, "lbr", "LBR" }, { 0x10000, "hwp", "HWP" },
		{ 0x60000, "amx", "AMX" },
	};
	struct sheet_bit bits[ARRAY_LEN(names)];
	uint64_t known = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		bool whole = (xfam & names[i].mask) == names[i].mask;
		bits[i] = (struct sheet_bit){ names[i].key, whole, names[i].words, NULL };
		known |= whole ? names[i].mask : 0;
	}
	sheet_bits(sheet, "xfam", "XFAM", xfam, bits, ARRAY_LEN(bits), xfam & ~known);
}

static void show_td(const struct td *td, struct sheet *sheet)
{
	show_attributes(&td->attributes, sheet);
	show_xfam(td->xfam, sheet);
	HEX("mrtd", "MRTD", td->mrtd);
	HEX("mrconfigid", "MRCONFIGID", td->mrconfigid);
	HEX("mrowner", "MROWNER", td->mrowner);
	HEX("mrownerconfig", "MROWNERCONFIG", td->mrownerconfig);
	HEX("rtmr0", "RTMR0", td->rtmr[0]);
	HEX("rtmr1", "RTMR1", td->rtmr[1]);
	HEX("rtmr2", "RTMR2", td->rtmr[2]);
	HEX("rtmr3", "RTMR3", td->rtmr[3]);
}

static void show_body(const struct tdx_body *body, struct sheet *sheet)
{
	sheet_begin(sheet, "body", body->is_1_5 ? "TD (body of TDX 1.5)" : "TD (body of TDX 1.0)");
	HEX("report_data", "REPORTDATA", body->report_data);
	show_td(&body->td, sheet);
	HEX("tee_tcb_svn", "TEE_TCB_SVN", body->tee_tcb_svn);
	HEX("mrseam", "MRSEAM", body->mrseam);
	HEX("mrsignerseam", "MRSIGNERSEAM", body->mrsignerseam);
	sheet_text(sheet, "seam_attributes", "SEAMATTRIBUTES", "0x%llx", (unsigned long long)body->seam_attributes);
	if (body->is_1_5) {
		HEX("tee_tcb_svn2", "TEE_TCB_SVN2", body->tee_tcb_svn2);
		HEX("mrservicetd", "MRSERVICETD", body->mrservicetd);
	}
	sheet_end(sheet);
}

static void show_header(const struct tdx_quote *quote, struct sheet *sheet)
{
	sheet_begin(sheet, "header", "header");
	sheet_number(sheet, "version", "version", quote->version);
	sheet_number(sheet, "body_type", NULL, quote->body_type);
	sheet_number(sheet, "attestation_key_type", NULL, quote->key_type);
	sheet_text(sheet, NULL, "attestation key", "ECDSA P-256");
	sheet_text(sheet, "tee_type", "TEE type", "0x%x", quote->tee_type);
	HEX("reserved", NULL, quote->header_reserved);
	HEX("qe_vendor_id", "QE vendor id", quote->qe_vendor_id);
	HEX("user_data", "user data", quote->user_data);
	sheet_end(sheet);
}

/* The first half of ATTRIBUTES (Intel SDM volume 3D, 34.7.1); the other is an XFRM. */
static void show_qe_flags(const struct tdx_qe_report *report, struct sheet *sheet)
{
	uint64_t flags = le64(report->attributes);
	const struct sheet_bit bits[] = {
		{ "init", flags & 0x1, "INIT", "not INIT" },
		{ "debug", flags & 0x2, "DEBUG", "no debug" },
		{ "mode64bit", flags & 0x4, "64 bits", NULL },
		{ "provision_key", flags & 0x10, "provisioning key", NULL },
		{ "einittoken_key", flags & 0x20, "EINITTOKEN key", NULL },
		{ "kss", flags & 0x80, "KSS", NULL },
	};
	sheet_bits(sheet, "flags", "  flags", flags, bits, ARRAY_LEN(bits), flags & ~UINT64_C(0xB7));
}

static void show_qe_report(const struct tdx_quote *quote, struct sheet *sheet)
{
	const struct tdx_qe_report *report = &quote->qe_report;
	sheet_begin(sheet, "qe_report", "quoting enclave");
	HEX("mrsigner", "MRSIGNER", report->mrsigner);
	HEX("mrenclave", "MRENCLAVE", report->mrenclave);
	sheet_number(sheet, "isv_prod_id", "ISVPRODID", report->isv_prod_id);
	sheet_number(sheet, "isv_svn", "ISVSVN", report->isv_svn);
	HEX("cpu_svn", "CPUSVN", report->cpu_svn);
	sheet_text(sheet, "misc_select", "MISCSELECT", "0x%x", report->misc_select);
	HEX("attributes", "ATTRIBUTES", report->attributes);
	show_qe_flags(report, sheet);
	HEX("report_data", "report data", report->report_data);
	HEX("signature", NULL, quote->qe_report_signature);
	sheet_hex(sheet, "auth_data", "authentication data", quote->qe_auth);
	sheet_end(sheet);
}

static size_t count_certificates(struct bytes pem)
{
	static const char mark[] = "-----BEGIN CERTIFICATE-----";
	size_t count = 0;
	const uint8_t *at = pem.data;
	const uint8_t *end = pem.data + pem.len;
	while (at && (at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL) {
		count++;
		at += sizeof(mark) - 1;
	}
	return count;
}

static void show_certification(const struct tdx_quote *quote, struct sheet *sheet)
{
	bool chain = quote->cert_type == TDX_CERT_PCK_CHAIN;
	sheet_begin(sheet, "certification", "certification");
	sheet_number(sheet, "type", NULL, quote->cert_type);
	if (chain)
		sheet_text(sheet, NULL, "type", "5, PCK chain of %zu certificates (%zu bytes)",
			   count_certificates(quote->cert_data), quote->cert_data.len);
	else
		sheet_text(sheet, NULL, "type", "%u, no PCK chain (%zu bytes)", quote->cert_type, quote->cert_data.len);
	sheet_hex(sheet, "data", NULL, quote->cert_data);
	sheet_end(sheet);
}

int show_tdx_quote(struct bytes content, struct sheet *sheet, struct err *err)
{
	const struct look_expected nothing = { 0 };
	struct tdx_quote quote;
	struct look look;
	if (tdx_quote_read(content, &quote, err) < 0)
		return -1;
	sheet_begin(sheet, "quote", "quote");
	show_header(&quote, sheet);
	show_body(&quote.body, sheet);
	show_qe_report(&quote, sheet);
	show_certification(&quote, sheet);
	HEX("signature", NULL, quote.signature);
	HEX("attestation_key", NULL, quote.attestation_key);
	sheet_text(sheet, NULL, "signatures", "present (not verified)");
	sheet_number(sheet, "signature_data_len", "signature data, bytes", quote.signature_data_len);
	sheet_number(sheet, "trailing_bytes", "trailing bytes", quote.trailing.len);
	sheet_end(sheet);
	look_at_tdx(&quote, &nothing, &look);
	show_findings(&look, sheet);
	return 0;
}

int show_tdreport(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct tdreport report;
	if (tdreport_read(content, &report, err) < 0)
		return -1;
	sheet_begin(sheet, "tdreport", "report (only the machine that made it can check its MAC)");
	sheet_number(sheet, "subtype", "subtype", report.subtype);
	sheet_number(sheet, "version", "version", report.version);
	HEX("report_data", "REPORTDATA", report.report_data);
	show_td(&report.td, sheet);
	HEX("servtd_hash", "SERVTD_HASH", report.servtd_hash);
	HEX("cpu_svn", "CPUSVN", report.cpu_svn);
	sheet_text(sheet, "tcb_valid", "VALID", "0x%llx", (unsigned long long)report.tcb_valid);
	HEX("tee_tcb_svn", "TEE_TCB_SVN", report.tee_tcb_svn);
	HEX("tee_tcb_svn2", "TEE_TCB_SVN2", report.tee_tcb_svn2);
	HEX("mrseam", "MRSEAM", report.mrseam);
	HEX("mrsignerseam", "MRSIGNERSEAM", report.mrsignerseam);
	sheet_text(sheet, "seam_attributes", "SEAMATTRIBUTES", "0x%llx", (unsigned long long)report.seam_attributes);
	HEX("tee_tcb_info_hash", "TEE_TCB_INFO_HASH", report.tee_tcb_info_hash);
	HEX("tdinfo_hash", "TDINFO_HASH", report.tdinfo_hash);
	sheet_bool(sheet, "hashes_match", "hashes match", report.hashes_match);
	HEX("mac", "MAC", report.mac);
	sheet_end(sheet);
	return 0;
}
