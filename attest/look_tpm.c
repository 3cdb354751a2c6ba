/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at a TPM's quote before it is sent: who signed it, what it covers, and what was measured.
 *
 * All of it came out of the TPM. A link that is broken means a TPM that is broken or not the one that it poses as;
 * the verifier would refuse it without saying which. Must never drop a broken link.
 */
#include "attest/look_tpm.h"

#include <string.h>

#include "attest/look_parts.h"
#include "attest/rsa_public.h"
#include "base/cursor.h"

#define HEX_SIZE (2 * DIGEST_MAX + 1)

static void look_at_signature(struct look *look, const struct tpm_quoted *quoted, const struct tpm_signer *signer)
{
	switch (rsa_public_check(signer->spki, buf_bytes(&quoted->message), buf_bytes(&quoted->signature))) {
	case RSA_SIGNED:
		return;
	case RSA_NO_KEY:
		look_refuse(look, "ak", "%s is no RSA key", signer->name);
		return;
	case RSA_NOT_SIGNED:
		look_refuse(look, "quote-signature", "the TPM's quote is not signed by %s: %s", signer->name,
			    signer->else_what);
		return;
	}
}

static void look_at_quote(struct look *look, const struct tpm_quoted *quoted, struct bytes report_data)
{
	struct tpm_quote quote;
	struct digest digest;
	struct err why = { 0 };
	if (tpm_quote_read(buf_bytes(&quoted->message), &quote, &why) < 0 ||
	    tpm_pcrs_digest(&quoted->pcrs, &digest, &why) < 0) {
		look_refuse(look, "quote", "%s", why.message);
		return;
	}
	if (!bytes_equal(quote.extra_data, report_data))
		look_add(look, LOOK_FATAL, ERR_BINDING, "extra-data",
			 "the TPM's quote carries other extra data than the report data");
	if (!tpm_quote_covers_all(&quote))
		look_refuse(look, "pcr-selection",
			    "the TPM's quote does not cover exactly PCR 0 to 23 of the SHA-256 bank");
	if (!bytes_equal(quote.pcr_digest, digest_bytes(&digest)))
		look_add(look, LOOK_FATAL, ERR_DEVICE, "pcr-digest",
			 "the PCRs that were read are not those that the TPM quoted");
}

int tpm_pcr8_of(const struct digest *init_data, struct digest *ret_pcr, struct err *err)
{
	uint8_t both[2 * TPM_PCR_LEN] = { 0 };
	if (init_data->alg != DIGEST_SHA256)
		return err_set(
			err, ERR_CONFIG,
			"the init-data's algorithm is %s: in a VM with a vTPM it must be sha256, the length of a PCR",
			digest_alg_name(init_data->alg));
	memcpy(both + TPM_PCR_LEN, init_data->bytes, TPM_PCR_LEN);
	return digest_of(DIGEST_SHA256, bytes_of(both, sizeof(both)), ret_pcr, err);
}

static void look_at_pcr8(struct look *look, const struct tpm_pcrs *pcrs, const struct digest *init_data)
{
	const struct bytes found = bytes_of(pcrs->values[TPM_INIT_DATA_PCR], TPM_PCR_LEN);
	struct digest wanted;
	struct err why = { 0 };
	char found_hex[HEX_SIZE];
	char wanted_hex[HEX_SIZE];
	if (tpm_pcr8_of(init_data, &wanted, &why) < 0) {
		look_add(look, LOOK_FATAL, why.code, "init-data", "%s", why.message);
		return;
	}
	if (bytes_equal(found, digest_bytes(&wanted)))
		return;
	look_hex(found, found_hex, sizeof(found_hex));
	look_hex(digest_bytes(&wanted), wanted_hex, sizeof(wanted_hex));
	look_add(look, LOOK_FATAL, ERR_BINDING, "init-data", "PCR 8 is %s, but the init-data at hand makes it %s: %s",
		 found_hex, wanted_hex,
		 bytes_are_zero(found)
			 ? "nothing measured it; 'sealpod measure-initdata' must run early in the boot of this image"
			 : "this VM was started with another init-data, or something else was measured into PCR 8");
}

void look_at_tpm(const struct tpm_quoted *quoted, const struct tpm_signer *signer, struct bytes extra_data,
		 const struct digest *init_data, struct look *look)
{
	if (signer)
		look_at_signature(look, quoted, signer);
	look_at_quote(look, quoted, extra_data);
	if (init_data)
		look_at_pcr8(look, &quoted->pcrs, init_data);
}
