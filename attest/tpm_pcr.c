/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCRs: read, extend, and quote together with their values.
 *
 * A quote has a digest only; the values are read by other commands, and anybody in the guest
 * may extend a PCR in between. Must never hand out values that are not those of the
 * quote, nor a quote that covers anything else than was asked for.
 */
#include "attest/tpm.h"

#include <string.h>

#include "attest/tpm_parts.h"

#define QUOTE_TRIES 5

static const TPML_PCR_SELECTION all_pcrs = {
	.count = 1,
	.pcrSelections = { { .hash = TPM2_ALG_SHA256, .sizeofSelect = 3, .pcrSelect = { 0xFF, 0xFF, 0xFF } } },
};

static bool selected(const TPMS_PCR_SELECTION *selection, size_t pcr)
{
	return selection->pcrSelect[pcr / 8] >> pcr % 8 & 1;
}

/* What one command gave, which is less than was asked for: takes it off `wanted`. */
static int take_values(const TPML_PCR_SELECTION *given, const TPML_DIGEST *values, TPMS_PCR_SELECTION *wanted,
		       struct tpm_pcrs *pcrs, struct err *err)
{
	size_t used = 0;
	if (given->count != 1 || given->pcrSelections[0].hash != TPM2_ALG_SHA256 ||
	    given->pcrSelections[0].sizeofSelect != 3)
		return err_set(err, ERR_SYSTEM, "the TPM has no SHA-256 bank of PCRs, or an odd one");
	for (size_t i = 0; i < TPM_PCRS; i++) {
		if (!selected(&given->pcrSelections[0], i))
			continue;
		if (!selected(wanted, i) || used >= values->count || values->digests[used].size != TPM_PCR_LEN)
			return err_set(err, ERR_SYSTEM, "the TPM gave PCRs that were not asked for, or none");
		memcpy(pcrs->values[i], values->digests[used++].buffer, TPM_PCR_LEN);
		wanted->pcrSelect[i / 8] &= (BYTE) ~(1u << i % 8);
	}
	return used > 0 ? 0 : err_set(err, ERR_SYSTEM, "the TPM gives no values of its SHA-256 PCRs");
}

int tpm_pcr_read(struct tpm *tpm, struct tpm_pcrs *ret_pcrs, struct err *err)
{
	struct tpm_pcrs pcrs;
	TPML_PCR_SELECTION wanted = all_pcrs;
	while (wanted.pcrSelections[0].pcrSelect[0] | wanted.pcrSelections[0].pcrSelect[1] |
	       wanted.pcrSelections[0].pcrSelect[2]) {
		UINT32 counter;
		TPML_PCR_SELECTION *given OWNED_ESYS = NULL;
		TPML_DIGEST *values OWNED_ESYS = NULL;
		TSS2_RC rc = Esys_PCR_Read(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted, &counter,
					   &given, &values);
		if (rc != TSS2_RC_SUCCESS)
			return tpm_fail(rc, err, "cannot read the PCRs");
		if (take_values(given, values, &wanted.pcrSelections[0], &pcrs, err) < 0)
			return -1;
	}
	*ret_pcrs = pcrs;
	return 0;
}

int tpm_init_data_pcr(struct buf *ret_pcr, struct err *err)
{
	struct tpm *tpm OWNED_TPM = NULL;
	struct tpm_pcrs pcrs;
	if (tpm_open_device(&tpm, err) < 0 || tpm_pcr_read(tpm, &pcrs, err) < 0)
		return -1;
	return buf_append(ret_pcr, bytes_of(pcrs.values[TPM_INIT_DATA_PCR], TPM_PCR_LEN), err);
}

int tpm_pcr_extend(struct tpm *tpm, unsigned pcr, struct bytes digest, struct err *err)
{
	TPML_DIGEST_VALUES values = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256 } } };
	if (pcr >= TPM_PCRS || digest.len != TPM_PCR_LEN)
		return err_set(err, ERR_USAGE, "PCR %u cannot be extended by %zu bytes", pcr, digest.len);
	memcpy(values.digests[0].digest.sha256, digest.data, TPM_PCR_LEN);
	TSS2_RC rc =
		Esys_PCR_Extend(tpm->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &values);
	return rc == TSS2_RC_SUCCESS ? 0 : tpm_fail(rc, err, "cannot extend a PCR");
}

static int quote_once(struct tpm *tpm, const struct tpm_handle *key, const TPM2B_DATA *extra, struct tpm_quoted *quoted,
		      struct err *err)
{
	const TPMT_SIG_SCHEME as_the_key = { .scheme = TPM2_ALG_NULL };
	TPM2B_ATTEST *message OWNED_ESYS = NULL;
	TPMT_SIGNATURE *signature OWNED_ESYS = NULL;
	TSS2_RC rc = Esys_Quote(tpm->esys, key->tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, extra, &as_the_key,
				&all_pcrs, &message, &signature);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot make a quote");
	if (signature->sigAlg != TPM2_ALG_RSASSA || signature->signature.rsassa.hash != TPM2_ALG_SHA256)
		return err_set(err, ERR_SYSTEM,
			       "the attestation key signs by scheme 0x%04x, not by RSASSA with SHA-256",
			       signature->sigAlg);
	buf_done(&quoted->message);
	buf_done(&quoted->signature);
	const TPM2B_PUBLIC_KEY_RSA *raw = &signature->signature.rsassa.sig;
	return buf_append(&quoted->message, bytes_of(message->attestationData, message->size), err) < 0 ||
			       buf_append(&quoted->signature, bytes_of(raw->buffer, raw->size), err) < 0
		       ? -1
		       : 0;
}

/* Is the quote what was asked for? *ret_same: are the values its values? */
static int check_quote(const struct tpm_quoted *quoted, struct bytes extra_data, bool *ret_same, struct err *err)
{
	struct tpm_quote quote;
	struct digest digest;
	if (tpm_quote_read(buf_bytes(&quoted->message), &quote, err) < 0 ||
	    tpm_pcrs_digest(&quoted->pcrs, &digest, err) < 0)
		return -1;
	if (!tpm_quote_covers_all(&quote))
		return err_set(err, ERR_SYSTEM, "the TPM quoted other PCRs than 0 to 23 of its SHA-256 bank");
	if (!bytes_equal(quote.extra_data, extra_data))
		return err_set(err, ERR_BINDING, "the TPM's quote does not carry the report data that was given to it");
	*ret_same = bytes_equal(quote.pcr_digest, digest_bytes(&digest));
	return 0;
}

int tpm_quote_all(struct tpm *tpm, uint32_t key_handle, struct bytes extra_data, struct tpm_quoted *ret_quoted,
		  struct err *err)
{
	struct tpm_handle key OWNED_HANDLE = { .tpm = NULL };
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	TPM2B_DATA extra = { .size = (UINT16)extra_data.len };
	bool same = false;
	if (extra_data.len > TPM_EXTRA_DATA_MAX)
		return err_set(err, ERR_USAGE, "report data of %zu bytes; a quote takes at most %d", extra_data.len,
			       TPM_EXTRA_DATA_MAX);
	memcpy(extra.buffer, extra_data.data, extra_data.len);
	if (tpm_handle_open(tpm, key_handle, &key, NULL, err) < 0)
		return -1;
	for (int i = 0; i < QUOTE_TRIES && !same; i++)
		if (quote_once(tpm, &key, &extra, &quoted, err) < 0 || tpm_pcr_read(tpm, &quoted.pcrs, err) < 0 ||
		    check_quote(&quoted, extra_data, &same, err) < 0)
			return -1;
	if (!same)
		return err_set(err, ERR_DEVICE,
			       "the PCRs changed between quote and reading, %d times in a row: something extends them "
			       "all the time",
			       QUOTE_TRIES);
	tpm_quoted_done(ret_quoted);
	*ret_quoted = quoted;
	quoted = (struct tpm_quoted)TPM_QUOTED_INIT;
	return 0;
}

int tpm_rsa_public(struct tpm *tpm, uint32_t key_handle, bool *ret_there, struct buf *ret_n, struct buf *ret_e,
		   struct err *err)
{
	struct tpm_handle key OWNED_HANDLE = { .tpm = NULL };
	TPM2B_PUBLIC *public OWNED_ESYS = NULL;
	TPM2B_NAME *name OWNED_ESYS = NULL;
	TPM2B_NAME *qualified OWNED_ESYS = NULL;
	bool there = false;
	if (tpm_handle_open(tpm, key_handle, &key, &there, err) < 0)
		return -1;
	if (!there) {
		*ret_there = false;
		return 0;
	}
	TSS2_RC rc = Esys_ReadPublic(tpm->esys, key.tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, &name,
				     &qualified);
	if (rc != TSS2_RC_SUCCESS)
		return tpm_fail(rc, err, "cannot read a key's public part");
	if (public->publicArea.type != TPM2_ALG_RSA)
		return err_set(err, ERR_SYSTEM, "key 0x%08x of the TPM is no RSA key", key_handle);
	UINT32 exponent = public->publicArea.parameters.rsaDetail.exponent;
	if (exponent == 0)
		exponent = 65537; /* what zero stands for */
	const uint8_t e[] = { (uint8_t)(exponent >> 24), (uint8_t)(exponent >> 16), (uint8_t)(exponent >> 8),
			      (uint8_t)exponent };
	size_t zeros = 0;
	while (e[zeros] == 0)
		zeros++;
	const TPM2B_PUBLIC_KEY_RSA *n = &public->publicArea.unique.rsa;
	if (buf_append(ret_n, bytes_of(n->buffer, n->size), err) < 0 ||
	    buf_append(ret_e, bytes_of(e + zeros, sizeof(e) - zeros), err) < 0)
		return -1;
	*ret_there = true;
	return 0;
}
