/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the evidence JSON of the vTPM kinds, for people who look at it.
 *
 * It comes out of a file or a broker's log: anybody's. Each length is capped by its buffer before a byte
 * is kept. Must never take one version's spelling for another's.
 */
#include "attest/az_evidence.h"

#include <string.h>

#include "base/encode.h"

#define HEX_DIGITS "0123456789abcdefABCDEF"

/* How one version spells its bytes. */
typedef int decode_fn(const struct json *value, struct buf *out, struct err *err);

void az_evidence_done(struct az_evidence *evidence)
{
	tpm_quoted_done(&evidence->quoted);
	buf_done(&evidence->hcl);
	buf_done(&evidence->endorsement);
}

/* An array's elements have no names, hence through the text. */
static int decode_element(const struct json *element, struct buf *out, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(8);
	char *end = NULL;
	if (json_type(element) != JSON_NUMBER || json_print(element, &text, NULL) < 0)
		return err_set(err, ERR_PROTOCOL, "it holds something that is no byte");
	long value = strtol(buf_text(&text), &end, 10);
	if (*end || value < 0 || value > UINT8_MAX)
		return err_set(err, ERR_PROTOCOL, "it holds %s, which is no byte", buf_text(&text));
	return buf_append_byte(out, (uint8_t)value, err);
}

static int decode_numbers(const struct json *value, struct buf *out, struct err *err)
{
	if (json_type(value) != JSON_ARRAY)
		return err_set(err, ERR_PROTOCOL, "it is no array of bytes");
	for (const struct json *item = json_first(value); item; item = json_next(item))
		if (decode_element(item, out, err) < 0)
			return -1;
	return 0;
}

static int decode_hex(const struct json *value, struct buf *out, struct err *err)
{
	const char *text = json_text(value);
	return text ? hex_decode(bytes_of_text(text), out, err) : err_set(err, ERR_PROTOCOL, "it is no text");
}

static int decode_base64url(const struct json *value, struct buf *out, struct err *err)
{
	const char *text = json_text(value);
	return text ? base64_decode(BASE64URL_PADDED, bytes_of_text(text), out, err)
		    : err_set(err, ERR_PROTOCOL, "it is no text");
}

static int decode_base64(const struct json *value, struct buf *out, struct err *err)
{
	const char *text = json_text(value);
	return text ? base64_decode(BASE64, bytes_of_text(text), out, err)
		    : err_set(err, ERR_PROTOCOL, "it is no text");
}

static int decode_text(const struct json *value, struct buf *out, struct err *err)
{
	const char *text = json_text(value);
	return text ? buf_append_text(out, text, err) : err_set(err, ERR_PROTOCOL, "it is no text");
}

static int take(const struct json *object, const char *name, decode_fn *decode, struct buf *out, struct err *err)
{
	const struct json *value = json_member(object, name);
	if (!value)
		return err_set(err, ERR_PROTOCOL, "there is no member '%s'", name);
	return decode(value, out, err) < 0 ? err_wrap(err, "member '%s'", name) : 0;
}

static int take_pcrs(const struct json *object, decode_fn *decode, struct tpm_pcrs *pcrs, struct err *err)
{
	const struct json *array = NULL;
	size_t i = 0;
	if (json_get_array(object, "pcrs", &array, err) < 0)
		return -1;
	if (json_count(array) != TPM_PCRS)
		return err_set(err, ERR_PROTOCOL, "member 'pcrs' has %zu values, not %d", json_count(array), TPM_PCRS);
	for (const struct json *item = json_first(array); item; item = json_next(item), i++) {
		struct buf value OWNED_BUF = BUF_INIT(TPM_PCR_LEN);
		if (decode(item, &value, err) < 0)
			return err_wrap(err, "member 'pcrs', value %zu", i);
		if (value.len != TPM_PCR_LEN)
			return err_set(err, ERR_PROTOCOL, "member 'pcrs', value %zu: %zu bytes, not %d", i, value.len,
				       TPM_PCR_LEN);
		memcpy(pcrs->values[i], value.data, TPM_PCR_LEN);
	}
	return 0;
}

static int take_quoted(const struct json *quote, decode_fn *bytes, decode_fn *pcrs, struct tpm_quoted *quoted,
		       struct err *err)
{
	return take(quote, "signature", bytes, &quoted->signature, err) < 0 ||
			       take(quote, "message", bytes, &quoted->message, err) < 0 ||
			       take_pcrs(quote, pcrs, &quoted->pcrs, err) < 0
		       ? -1
		       : 0;
}

static int take_quote(const struct json *evidence, const char *name, decode_fn *bytes, decode_fn *pcrs,
		      struct tpm_quoted *quoted, struct err *err)
{
	const struct json *quote = NULL;
	if (json_get_object(evidence, name, &quote, err) < 0)
		return -1;
	return take_quoted(quote, bytes, pcrs, quoted, err) < 0 ? err_wrap(err, "member '%s'", name) : 0;
}

/* Version 0 names its members differently for the two kinds. */
static int open_oldest(const struct json *json, struct az_evidence *evidence, struct err *err)
{
	bool snp = evidence->kind == AZ_SNP;
	if (take_quote(json, snp ? "quote" : "tpm_quote", decode_numbers, decode_numbers, &evidence->quoted, err) < 0 ||
	    take(json, snp ? "report" : "hcl_report", decode_numbers, &evidence->hcl, err) < 0)
		return -1;
	return snp ? take(json, "vcek", decode_text, &evidence->endorsement, err)
		   : take(json, "td_quote", decode_numbers, &evidence->endorsement, err);
}

static int open_versioned(const struct json *json, struct az_evidence *evidence, struct err *err)
{
	uint64_t version;
	if (json_get_u64(json, "version", &version, err) < 0)
		return -1;
	if (version != 1 && version != AZ_EVIDENCE_VERSION)
		return err_set(err, ERR_PROTOCOL, "version %llu; those without a version, 1 and %d are handled",
			       (unsigned long long)version, AZ_EVIDENCE_VERSION);
	evidence->version = (unsigned)version;
	if (take_quote(json, "tpm_quote", decode_hex, decode_hex, &evidence->quoted, err) < 0 ||
	    take(json, "hcl_report", decode_base64url, &evidence->hcl, err) < 0)
		return -1;
	return take(json, evidence->kind == AZ_SNP ? "vcek" : "td_quote", decode_base64url, &evidence->endorsement,
		    err);
}

int az_evidence_open(const struct json *evidence, struct az_evidence *ret_evidence, struct err *err)
{
	struct az_evidence read OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	bool snp = json_member(evidence, "vcek") != NULL;
	bool tdx = json_member(evidence, "td_quote") != NULL;
	if (snp == tdx)
		return err_set(err, ERR_PROTOCOL, "no evidence of an Azure VM: %s",
			       snp ? "both 'vcek' and 'td_quote' are there" : "neither 'vcek' nor 'td_quote' is there");
	read.kind = snp ? AZ_SNP : AZ_TDX;
	if ((json_member(evidence, "version") ? open_versioned(evidence, &read, err)
					      : open_oldest(evidence, &read, err)) < 0)
		return err_wrap(err, "evidence of TEE '%s'", az_kind_name(read.kind));
	az_evidence_done(ret_evidence);
	*ret_evidence = read;
	read = (struct az_evidence)AZ_EVIDENCE_INIT;
	return 0;
}

/* A TPMT_SIGNATURE becomes the raw one. */
static int unwrap_signature(struct tpm_quoted *quoted, struct err *err)
{
	struct buf marshalled OWNED_BUF = BUF_INIT(TPM_SIGNATURE_MAX + 6);
	struct bytes raw;
	buf_move(&marshalled, &quoted->signature);
	return tpm_signature_read(buf_bytes(&marshalled), &raw, err) < 0 || buf_append(&quoted->signature, raw, err) < 0
		       ? -1
		       : 0;
}

int tpm_evidence_open(const struct json *evidence, struct tpm_quoted *ret_quoted, struct buf *ret_ak_spki,
		      struct err *err)
{
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	if (take_quote(evidence, "tpm_quote", decode_base64, decode_hex, &quoted, err) < 0 ||
	    take(evidence, "ak_public", decode_base64, &spki, err) < 0 || unwrap_signature(&quoted, err) < 0)
		return err_wrap(err, "evidence of TEE 'tpm'");
	tpm_quoted_done(ret_quoted);
	*ret_quoted = quoted;
	quoted = (struct tpm_quoted)TPM_QUOTED_INIT;
	buf_move(ret_ak_spki, &spki);
	return 0;
}

/* Each message begins with the same bytes, which base64 spells with a '/'. No evidence has a third spelling. */
static int take_any_spelling(const struct json *quote, struct tpm_quoted *quoted, struct err *err)
{
	const struct json *message = json_member(quote, "message");
	const char *text = json_text(message);
	if (!text)
		return take_quoted(quote, decode_numbers, decode_numbers, quoted, err);
	if (text[strspn(text, HEX_DIGITS)] == 0)
		return take_quoted(quote, decode_hex, decode_hex, quoted, err);
	if (text[0] != '/')
		return err_set(err, ERR_PROTOCOL,
			       "member 'message': neither hexadecimal text nor base64 of a TPM's quote, which begins "
			       "with '/'");
	return take_quoted(quote, decode_base64, decode_hex, quoted, err) < 0 ? -1 : unwrap_signature(quoted, err);
}

int tpm_quoted_open(const struct json *quote, struct tpm_quoted *ret_quoted, struct err *err)
{
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	if (take_any_spelling(quote, &quoted, err) < 0)
		return err_wrap(err, "TPM quote");
	tpm_quoted_done(ret_quoted);
	*ret_quoted = quoted;
	quoted = (struct tpm_quoted)TPM_QUOTED_INIT;
	return 0;
}
