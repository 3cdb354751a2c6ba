/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence as Confidential Containers sends it, on a sheet: unpacked, and its parts shown as
 * what they are. The text is anybody's.
 */
#include <string.h>

#include "attest/eventlog.h"
#include "attest/snp_evidence.h"
#include "attest/tdx_evidence.h"
#include "attest/show.h"

#define JSON_MAX (8u << 20)

bool show_has_member(struct bytes content, const char *name, enum json_type type)
{
	OWNED_JSON struct json *doc = NULL;
	size_t at = 0;
	while (at < content.len && content.data[at] && strchr(" \t\r\n", content.data[at]))
		at++;
	if (at == content.len || content.data[at] != '{')
		return false;
	if (json_parse(content, JSON_MAX, &doc, NULL) < 0)
		return memmem(content.data, content.len, name, strlen(name)) != NULL;
	const struct json *member = json_member(doc, name);
	return member && json_type(member) == type;
}

bool is_snp_evidence(struct bytes content)
{
	return show_has_member(content, "attestation_report", JSON_OBJECT);
}

/* Evidence of other TEEs has a quote too, but not as text. */
bool is_tdx_evidence(struct bytes content)
{
	return show_has_member(content, "quote", JSON_STRING);
}

/* "VCEK", or {"OTHER":"<GUID>"}. */
static const char *type_of(const struct json *cert)
{
	const struct json *type = json_member(cert, "cert_type");
	const char *name = json_text(type);
	const char *other = json_text(json_member(type, "OTHER"));
	return name ? name : other ? other : "unknown";
}

static int show_cert(const struct json *cert, struct sheet *sheet, struct err *err)
{
	OWNED_BUF struct buf data = BUF_INIT(JSON_MAX);
	struct digest digest;
	if (snp_evidence_cert(cert, &data, err) < 0 || digest_of(DIGEST_SHA256, buf_bytes(&data), &digest, err) < 0)
		return -1;
	sheet_begin(sheet, NULL, NULL);
	sheet_foreign(sheet, "type", NULL, bytes_of_text(type_of(cert)));
	sheet_foreign(sheet, NULL, "type", bytes_of_text(type_of(cert)));
	sheet_number(sheet, "length", "  bytes", data.len);
	sheet_hex(sheet, "sha256", "  SHA-256", digest_bytes(&digest));
	sheet_hex(sheet, "data", NULL, buf_bytes(&data));
	sheet_end(sheet);
	return 0;
}

static int show_chain(const struct json *evidence, struct sheet *sheet, struct err *err)
{
	const struct json *chain = json_member(evidence, "cert_chain");
	bool none = !chain || json_type(chain) == JSON_NULL;
	sheet_begin_list(sheet, "cert_chain", none ? "no certificates: the verifier fetches the VCEK" : "certificates");
	for (const struct json *cert = json_first(chain); cert; cert = json_next(cert))
		if (show_cert(cert, sheet, err) < 0)
			return err_wrap(err, "SNP evidence, 'cert_chain'");
	sheet_end(sheet);
	return 0;
}

int show_snp_evidence(struct bytes content, struct sheet *sheet, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	uint8_t raw[SNP_REPORT_LEN];
	if (json_parse(content, JSON_MAX, &doc, err) < 0 || snp_evidence_report(doc, raw, err) < 0 ||
	    show_snp_report(bytes_of(raw, sizeof(raw)), sheet, err) < 0)
		return -1;
	return show_chain(doc, sheet, err);
}

static void show_replay(struct bytes log, struct bytes raw_quote, struct sheet *sheet)
{
	struct tdx_quote quote;
	struct err why = { 0 };
	int differs = -1;
	if (tdx_quote_read(raw_quote, &quote, &why) < 0 ||
	    eventlog_check_rtmrs(log, &quote.body.td, &differs, &why) < 0)
		sheet_text(sheet, "replay", "replay", "%s", why.message);
	else if (differs >= 0)
		sheet_text(sheet, "replay", "replay", "the log does NOT replay to RTMR%d of the quote", differs);
	else
		sheet_text(sheet, "replay", "replay", "the log replays to the RTMRs of the quote");
}

int show_tdx_evidence(struct bytes content, struct sheet *sheet, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	OWNED_BUF struct buf quote = BUF_INIT(0);
	OWNED_BUF struct buf log = BUF_INIT(0);
	if (json_parse(content, JSON_MAX, &doc, err) < 0 || tdx_evidence_open(doc, &quote, &log, err) < 0 ||
	    show_tdx_quote(buf_bytes(&quote), sheet, err) < 0)
		return -1;
	if (log.len == 0) {
		sheet_text(sheet, NULL, "event log", "none");
		return 0;
	}
	show_replay(buf_bytes(&log), buf_bytes(&quote), sheet);
	return show_eventlog(buf_bytes(&log), sheet, err);
}
