/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at what was gathered on Azure: every link from the report data to the hardware report.
 *
 * All of it came out of the vTPM. A link that is broken means a vTPM that is broken or not the paravisor's;
 * the verifier would refuse it without saying which. Must never drop a broken link.
 */
#include "attest/az_common.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "attest/look_parts.h"
#include "base/cursor.h"

#define HEX_SIZE (2 * DIGEST_MAX + 1)

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void free_context(EVP_PKEY_CTX **context)
{
	EVP_PKEY_CTX_free(*context);
}

static void free_md_context(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}

static void free_builder(OSSL_PARAM_BLD **builder)
{
	OSSL_PARAM_BLD_free(*builder);
}

static void free_params(OSSL_PARAM **params)
{
	OSSL_PARAM_free(*params);
}

static void free_number(BIGNUM **number)
{
	BN_free(*number);
}

/* NULL if the numbers make no key. */
static EVP_PKEY *rsa_key(struct bytes n, struct bytes e)
{
	BIGNUM *n_number CLEANUP(free_number) = BN_bin2bn(n.data, (int)n.len, NULL);
	BIGNUM *e_number CLEANUP(free_number) = BN_bin2bn(e.data, (int)e.len, NULL);
	OSSL_PARAM_BLD *builder CLEANUP(free_builder) = OSSL_PARAM_BLD_new();
	if (!n_number || !e_number || !builder || !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n_number) ||
	    !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e_number))
		return NULL;
	OSSL_PARAM *params CLEANUP(free_params) = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context CLEANUP(free_context) = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;
	if (!params || !context || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return key;
}

static bool signed_by(EVP_PKEY *key, struct bytes message, struct bytes signature)
{
	EVP_MD_CTX *context CLEANUP(free_md_context) = EVP_MD_CTX_new();
	return context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	       EVP_DigestVerify(context, signature.data, signature.len, message.data, message.len) == 1;
}

static void look_at_signature(struct look *look, const struct az_gathered *gathered)
{
	EVP_PKEY *key CLEANUP(free_key) = rsa_key(buf_bytes(&gathered->claims.ak_n), buf_bytes(&gathered->claims.ak_e));
	if (!key)
		look_refuse(look, "ak", "the key 'HCLAkPub' in the HCL report's claims is no RSA key");
	else if (!signed_by(key, buf_bytes(&gathered->quoted.message), buf_bytes(&gathered->quoted.signature)))
		look_refuse(look, "quote-signature",
			    "the TPM's quote is not signed by the key 'HCLAkPub' that the HCL report names: this is "
			    "not the vTPM of the "
			    "paravisor, or its key was replaced");
}

static void look_at_claims(struct look *look, const struct az_gathered *gathered, struct bytes report_data)
{
	if (!hcl_claims_vouched(&gathered->report))
		look_refuse(look, "claims-hash",
			    "the %s report inside the HCL report does not carry the hash of the claims: the claims are "
			    "forged, or torn",
			    hcl_type_name(gathered->report.type));
	if (!hcl_claims_carry(&gathered->claims, report_data))
		look_add(look, LOOK_FATAL, ERR_BINDING, "user-data",
			 gathered->claims.has_user_data ? "the HCL report is stale: its claims carry other report data"
							: "the HCL report's claims have no 'user-data'");
	const struct json *secure_boot = json_member(gathered->claims.vm_configuration, "secure-boot");
	if (!secure_boot)
		secure_boot = json_member(gathered->claims.vm_configuration, "secure_boot");
	bool on = true;
	if (secure_boot && json_type(secure_boot) == JSON_BOOL &&
	    json_get_bool(gathered->claims.vm_configuration, json_name(secure_boot), &on, NULL) == 0 && !on)
		look_warn(look, "secure-boot", "secure boot is off in this VM");
}

static void look_at_quote(struct look *look, const struct az_gathered *gathered, struct bytes report_data)
{
	struct tpm_quote quote;
	struct digest digest;
	struct err why = { 0 };
	if (tpm_quote_read(buf_bytes(&gathered->quoted.message), &quote, &why) < 0 ||
	    tpm_pcrs_digest(&gathered->quoted.pcrs, &digest, &why) < 0) {
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

int az_pcr8_of(const struct digest *init_data, struct digest *ret_pcr, struct err *err)
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
	const struct bytes found = bytes_of(pcrs->values[AZ_INIT_DATA_PCR], TPM_PCR_LEN);
	struct digest wanted;
	struct err why = { 0 };
	char found_hex[HEX_SIZE];
	char wanted_hex[HEX_SIZE];
	if (az_pcr8_of(init_data, &wanted, &why) < 0) {
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

void look_at_az(const struct az_gathered *gathered, struct bytes report_data, const struct digest *init_data,
		struct look *look)
{
	look_at_claims(look, gathered, report_data);
	look_at_signature(look, gathered);
	look_at_quote(look, gathered, report_data);
	if (init_data)
		look_at_pcr8(look, &gathered->quoted.pcrs, init_data);
}
