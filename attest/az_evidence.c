/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the evidence JSON of the vTPM kinds.
 *
 * All that goes in has been looked at. Must never write another form than the verifiers
 * read: hexadecimal for what is the TPM's, padded URL-safe base64 for the rest, standard base64 in the
 * plain kind.
 */
#include "attest/az_evidence.h"

#include "base/encode.h"

/* Longest text of one member. */
#define TEXT_MAX (2u * AZ_ENDORSEMENT_MAX)

const char *az_kind_name(enum az_kind kind)
{
	return kind == AZ_SNP ? "az-snp-vtpm" : "az-tdx-vtpm";
}

static int add_hex(struct json *parent, const char *name, struct bytes value, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(TEXT_MAX);
	return hex_encode(value, &text, err) < 0 ? -1 : json_add_string(parent, name, buf_text(&text), err);
}

static int add_base64(struct json *parent, const char *name, enum base64_kind kind, struct bytes value, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(TEXT_MAX);
	return base64_encode(kind, value, &text, err) < 0 ? -1 : json_add_string(parent, name, buf_text(&text), err);
}

static int add_pcrs(struct json *quote, const struct tpm_pcrs *pcrs, struct err *err)
{
	struct json *array = NULL;
	if (json_add_array(quote, "pcrs", &array, err) < 0)
		return -1;
	for (size_t i = 0; i < TPM_PCRS; i++)
		if (add_hex(array, NULL, bytes_of(pcrs->values[i], TPM_PCR_LEN), err) < 0)
			return -1;
	return 0;
}

int az_evidence_build(enum az_kind kind, const struct tpm_quoted *quoted, struct bytes hcl, struct bytes endorsement,
		      struct json **ret_evidence, struct err *err)
{
	struct json *evidence OWNED_JSON = NULL;
	struct json *quote = NULL;
	if (json_new_object(&evidence, err) < 0 || json_add_u64(evidence, "version", AZ_EVIDENCE_VERSION, err) < 0 ||
	    json_add_object(evidence, "tpm_quote", &quote, err) < 0 ||
	    add_hex(quote, "signature", buf_bytes(&quoted->signature), err) < 0 ||
	    add_hex(quote, "message", buf_bytes(&quoted->message), err) < 0 ||
	    add_pcrs(quote, &quoted->pcrs, err) < 0 ||
	    add_base64(evidence, "hcl_report", BASE64URL_PADDED, hcl, err) < 0 ||
	    add_base64(evidence, kind == AZ_SNP ? "vcek" : "td_quote", BASE64URL_PADDED, endorsement, err) < 0)
		return -1;
	*ret_evidence = TAKE_PTR(evidence);
	return 0;
}

/* TPMT_SIGNATURE: scheme, hash, then the bytes with their length. */
static int marshal_signature(struct bytes raw, struct buf *out, struct err *err)
{
	const uint8_t head[] = { TPM_ALG_RSASSA_ID >> 8,   TPM_ALG_RSASSA_ID & 0xFF, TPM_ALG_SHA256_ID >> 8,
				 TPM_ALG_SHA256_ID & 0xFF, (uint8_t)(raw.len >> 8),  (uint8_t)raw.len };
	return buf_append(out, bytes_of(head, sizeof(head)), err) < 0 || buf_append(out, raw, err) < 0 ? -1 : 0;
}

int tpm_evidence_build(const struct tpm_quoted *quoted, struct bytes ak_spki, struct json **ret_evidence,
		       struct err *err)
{
	struct json *evidence OWNED_JSON = NULL;
	struct json *quote = NULL;
	struct buf signature OWNED_BUF = BUF_INIT(TPM_SIGNATURE_MAX + 6);
	if (marshal_signature(buf_bytes(&quoted->signature), &signature, err) < 0 ||
	    json_new_object(&evidence, err) < 0 || json_add_object(evidence, "tpm_quote", &quote, err) < 0 ||
	    add_base64(quote, "signature", BASE64, buf_bytes(&signature), err) < 0 ||
	    add_base64(quote, "message", BASE64, buf_bytes(&quoted->message), err) < 0 ||
	    add_pcrs(quote, &quoted->pcrs, err) < 0 || add_base64(evidence, "ak_public", BASE64, ak_spki, err) < 0)
		return -1;
	*ret_evidence = TAKE_PTR(evidence);
	return 0;
}
