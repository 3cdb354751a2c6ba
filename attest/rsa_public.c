/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA public keys, by OpenSSL.
 *
 * The numbers come out of a TPM, of claims, or of somebody's file. Must never take a key of another kind, nor one
 * with something behind it.
 */
#include "attest/rsa_public.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "base/cleanup.h"

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
static EVP_PKEY *key_of_numbers(struct bytes n, struct bytes e)
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

int rsa_public_spki(struct bytes n, struct bytes e, struct buf *ret_spki, struct err *err)
{
	EVP_PKEY *key CLEANUP(free_key) = n.len > 0 && e.len > 0 ? key_of_numbers(n, e) : NULL;
	unsigned char *der = NULL;
	int len = key ? i2d_PUBKEY(key, &der) : -1;
	if (len <= 0)
		return err_set(err, ERR_PROTOCOL, "modulus and exponent make no RSA key");
	int result = buf_append(ret_spki, bytes_of(der, (size_t)len), err);
	OPENSSL_free(der);
	return result;
}

enum rsa_verdict rsa_public_check(struct bytes spki, struct bytes message, struct bytes signature)
{
	const unsigned char *at = spki.data;
	EVP_PKEY *key CLEANUP(free_key) = d2i_PUBKEY(NULL, &at, (long)spki.len);
	if (!key || at != spki.data + spki.len || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return RSA_NO_KEY;
	EVP_MD_CTX *context CLEANUP(free_md_context) = EVP_MD_CTX_new();
	if (!context || EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestVerify(context, signature.data, signature.len, message.data, message.len) != 1)
		return RSA_NOT_SIGNED;
	return RSA_SIGNED;
}
