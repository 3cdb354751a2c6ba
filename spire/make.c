/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all makers of certificates share.
 */
#include "spire/make.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define SERIAL_LEN 16

static void free_pkcs8(PKCS8_PRIV_KEY_INFO **info)
{
	PKCS8_PRIV_KEY_INFO_free(*info);
}

int spire_openssl_failed(const char *what, struct err *err)
{
	ERR_clear_error();
	return err_set(err, ERR_SYSTEM, "OpenSSL cannot %s", what);
}

bool spire_make_serial(X509 *cert)
{
	unsigned char serial[SERIAL_LEN];
	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return false;
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive, of full length */
	BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
	bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return good;
}

bool spire_make_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool good = extension && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

bool spire_make_signature(X509 *cert, EVP_PKEY *issuer)
{
	bool plain = EVP_PKEY_get_base_id(issuer) == EVP_PKEY_ED25519;
	const EVP_MD *md = plain ? NULL : EVP_PKEY_get_bits(issuer) == 384 ? EVP_sha384() : EVP_sha256();
	return X509_sign(cert, issuer, md) > 0;
}

int spire_make_pkcs8(const EVP_PKEY *key, struct secret *der, struct err *err)
{
	CLEANUP(free_pkcs8) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : -1;
	if (len <= 0 || secret_alloc(der, (size_t)len, err) < 0)
		return len <= 0 ? spire_openssl_failed("write the new key", err) : -1;
	unsigned char *at = der->data;
	if (i2d_PKCS8_PRIV_KEY_INFO(info, &at) != len)
		return spire_openssl_failed("write the new key", err);
	der->len = (size_t)len;
	return 0;
}
