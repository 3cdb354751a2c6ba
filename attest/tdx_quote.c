/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TDX quotes as fields: header, body of the TD, signature data.
 *
 * The quote is made on the host and comes through it. Its parts lie in each other like
 * boxes, each with a length of its own: a box must be filled exactly by what it holds,
 * only the outermost may have bytes behind it (buffers are padded, and real quotes have
 * them). Must never believe a length that the enclosing box does not cover.
 */
#include "attest/tdx_quote.h"

#include <string.h>

#include "base/cursor.h"

#define BODY_1_0_LEN 584
#define BODY_1_5_LEN 648
#define QE_REPORT_LEN 384

static int unhandled(struct err *err, const char *what, size_t offset, unsigned value, const char *handled)
{
	return err_set(err, ERR_PROTOCOL, "%s at offset %zu is %u, but only %s handled", what, offset, value, handled);
}

static int read_header(struct cursor *cursor, struct tdx_quote *quote, struct err *err)
{
	if (cursor_u16(cursor, "the version", &quote->version, err) < 0)
		return -1;
	if (quote->version != 4 && quote->version != 5)
		return unhandled(err, "the version", 0, quote->version, "TDX quotes of versions 4 and 5 are");
	if (cursor_u16(cursor, "the attestation key type", &quote->key_type, err) < 0 ||
	    cursor_u32(cursor, "the TEE type", &quote->tee_type, err) < 0 ||
	    cursor_copy(cursor, quote->header_reserved, sizeof(quote->header_reserved), "the reserved field", err) <
		    0 ||
	    cursor_copy(cursor, quote->qe_vendor_id, sizeof(quote->qe_vendor_id), "the QE vendor id", err) < 0 ||
	    cursor_copy(cursor, quote->user_data, sizeof(quote->user_data), "the user data", err) < 0)
		return -1;
	if (quote->key_type != TDX_KEY_ECDSA_P256)
		return unhandled(err, "the attestation key type", 2, quote->key_type, "2 (ECDSA P-256) is");
	if (quote->tee_type != TDX_TEE_TYPE)
		return unhandled(err, "the TEE type", 4, quote->tee_type, "129 (TDX) is");
	return 0;
}

/* Version 5 says of which kind and how long the body is, version 4 has but one. */
static int read_body_kind(struct cursor *cursor, struct tdx_quote *quote, size_t *ret_len, struct err *err)
{
	uint32_t len = BODY_1_0_LEN;
	quote->body_type = TDX_BODY_1_0;
	if (quote->version == 5) {
		size_t offset = cursor->at;
		if (cursor_u16(cursor, "the body type", &quote->body_type, err) < 0 ||
		    cursor_u32(cursor, "the body size", &len, err) < 0)
			return -1;
		if (quote->body_type != TDX_BODY_1_0 && quote->body_type != TDX_BODY_1_5)
			return unhandled(err, "the body type", offset, quote->body_type,
					 "2 (TD 1.0) and 3 (TD 1.5) are");
	}
	*ret_len = quote->body_type == TDX_BODY_1_5 ? BODY_1_5_LEN : BODY_1_0_LEN;
	if (len != *ret_len)
		return err_set(err, ERR_PROTOCOL,
			       "the body size at offset 50 is %u, but a body of type %u is %zu bytes long", len,
			       quote->body_type, *ret_len);
	return 0;
}

static int read_body(struct cursor *cursor, struct tdx_quote *quote, struct err *err)
{
	size_t len = 0;
	struct bytes raw;
	if (read_body_kind(cursor, quote, &len, err) < 0 || cursor_take(cursor, len, "the TD's body", &raw, err) < 0)
		return -1;
	struct tdx_body *body = &quote->body;
	memcpy(body->tee_tcb_svn, raw.data, sizeof(body->tee_tcb_svn));
	memcpy(body->mrseam, raw.data + 16, TD_MR_LEN);
	memcpy(body->mrsignerseam, raw.data + 64, TD_MR_LEN);
	body->seam_attributes = le64(raw.data + 112);
	body->td = td_of(raw.data + 120);
	memcpy(body->report_data.bytes, raw.data + 520, REPORT_DATA_LEN);
	body->is_1_5 = quote->body_type == TDX_BODY_1_5;
	if (body->is_1_5) {
		memcpy(body->tee_tcb_svn2, raw.data + 584, sizeof(body->tee_tcb_svn2));
		memcpy(body->mrservicetd, raw.data + 600, TD_MR_LEN);
	}
	quote->signed_part = bytes_of(cursor->all.data, cursor->at);
	return 0;
}

/* The length in front of a box; *ret_box covers its content, the cursor stands behind it. */
static int open_box(struct cursor *cursor, const char *what, bool exact, struct cursor *ret_box, struct err *err)
{
	uint32_t len;
	struct bytes content;
	size_t offset = cursor->at;
	if (cursor_u32(cursor, what, &len, err) < 0 || cursor_take(cursor, len, what, &content, err) < 0)
		return -1;
	if (exact && cursor_left(cursor) > 0)
		return err_set(err, ERR_PROTOCOL, "%s at offset %zu is %u bytes long, but %zu more lie behind it", what,
			       offset, len, cursor_left(cursor));
	/* Keeps counting from the start of the quote, for the errors. */
	*ret_box = (struct cursor){ .all = bytes_of(cursor->all.data, cursor->at), .at = cursor->at - len };
	return 0;
}

static void read_qe_report(struct bytes raw, struct tdx_qe_report *report)
{
	report->raw = raw;
	memcpy(report->cpu_svn, raw.data, sizeof(report->cpu_svn));
	report->misc_select = le32(raw.data + 16);
	memcpy(report->attributes, raw.data + 48, sizeof(report->attributes));
	memcpy(report->mrenclave, raw.data + 64, sizeof(report->mrenclave));
	memcpy(report->mrsigner, raw.data + 128, sizeof(report->mrsigner));
	report->isv_prod_id = le16(raw.data + 256);
	report->isv_svn = le16(raw.data + 258);
	memcpy(report->report_data, raw.data + 320, sizeof(report->report_data));
}

static int read_qe_certification(struct cursor *box, struct tdx_quote *quote, struct err *err)
{
	struct bytes report;
	struct cursor certs;
	uint16_t auth_len;
	if (cursor_take(box, QE_REPORT_LEN, "the QE report", &report, err) < 0 ||
	    cursor_copy(box, quote->qe_report_signature, sizeof(quote->qe_report_signature),
			"the QE report's signature", err) < 0 ||
	    cursor_u16(box, "the length of the QE authentication data", &auth_len, err) < 0 ||
	    cursor_take(box, auth_len, "the QE authentication data", &quote->qe_auth, err) < 0 ||
	    cursor_u16(box, "the inner certification data type", &quote->cert_type, err) < 0 ||
	    open_box(box, "the inner certification data", true, &certs, err) < 0)
		return -1;
	read_qe_report(report, &quote->qe_report);
	if (quote->cert_type < 1 || quote->cert_type > TDX_CERT_PCK_CHAIN)
		return unhandled(err, "the inner certification data type", certs.at - 6, quote->cert_type,
				 "1 to 5 (5: PCK chain) are");
	return cursor_take(&certs, cursor_left(&certs), "the inner certification data", &quote->cert_data, err);
}

static int read_signature_data(struct cursor *box, struct tdx_quote *quote, struct err *err)
{
	uint16_t type;
	struct cursor certification;
	if (cursor_copy(box, quote->signature, sizeof(quote->signature), "the signature", err) < 0 ||
	    cursor_copy(box, quote->attestation_key, sizeof(quote->attestation_key), "the attestation key", err) < 0 ||
	    cursor_u16(box, "the certification data type", &type, err) < 0)
		return -1;
	if (type != TDX_CERT_QE_REPORT)
		return unhandled(err, "the certification data type", box->at - 2, type, "6 (QE report) is");
	if (open_box(box, "the certification data", true, &certification, err) < 0)
		return -1;
	return read_qe_certification(&certification, quote, err);
}

static int read_quote(struct cursor *cursor, struct tdx_quote *quote, struct err *err)
{
	struct cursor signature_data;
	if (read_header(cursor, quote, err) < 0 || read_body(cursor, quote, err) < 0 ||
	    open_box(cursor, "the signature data", false, &signature_data, err) < 0)
		return -1;
	quote->signature_data_len = (uint32_t)cursor_left(&signature_data);
	if (read_signature_data(&signature_data, quote, err) < 0)
		return -1;
	return cursor_take(cursor, cursor_left(cursor), "the rest", &quote->trailing, err);
}

int tdx_quote_read(struct bytes raw, struct tdx_quote *ret_quote, struct err *err)
{
	struct tdx_quote quote = { 0 };
	struct cursor cursor = cursor_over(raw);
	if (raw.len == 0)
		return err_set(err, ERR_PROTOCOL, "the TDX quote is empty: the host's quoting service gave none");
	if (raw.len > TDX_QUOTE_MAX)
		return err_set(err, ERR_PROTOCOL, "a TDX quote of %zu bytes is over the limit of %u", raw.len,
			       TDX_QUOTE_MAX);
	if (read_quote(&cursor, &quote, err) < 0)
		return err_wrap(err, "TDX quote");
	*ret_quote = quote;
	return 0;
}
