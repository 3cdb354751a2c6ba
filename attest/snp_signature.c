/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signature of an SNP report: ECDSA P-384 with SHA-384 over the first 672 bytes, R and S as
 * 72 bytes each, little-endian.
 *
 * Report and certificate come from the host. Must never be taken for a verification: anybody can
 * make a certificate that fits.
 */
#include "attest/snp_signature.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "attest/snp_report.h"

#define R_AT 0x2A0
#define S_AT 0x2E8
#define NUMBER_LEN 72
#define DER_MAX 128
#define CERT_MAX (64u * 1024u)

static void free_x509(X509 **cert)
{
	X509_free(*cert);
}

static void free_signature(ECDSA_SIG **signature)
{
	ECDSA_SIG_free(*signature);
}

static void free_context(EVP_MD_CTX **context)
{
	EVP_MD_CTX_free(*context);
}

static void free_bio(BIO **bio)
{
	BIO_free_all(*bio);
}

static int der_of(X509 *cert, struct buf *ret_der, struct err *err)
{
	struct buf der OWNED_BUF = BUF_INIT(CERT_MAX);
	unsigned char *raw = NULL;
	int len = i2d_X509(cert, &raw);
	if (len <= 0)
		return err_set(err, ERR_PROTOCOL, "it cannot be written as DER");
	int result = buf_append(&der, bytes_of(raw, (size_t)len), err);
	OPENSSL_free(raw);
	if (result == 0)
		buf_move(ret_der, &der);
	return result;
}

int snp_cert_of_pem(const char *pem, struct buf *ret_der, struct err *err)
{
	/* Or OpenSSL would ask the terminal for one, where the PEM says that it is encrypted. */
	char no_password[] = "";
	BIO *bio CLEANUP(free_bio) = BIO_new_mem_buf(pem, (int)strlen(pem));
	X509 *cert CLEANUP(free_x509) = bio ? PEM_read_bio_X509(bio, NULL, NULL, no_password) : NULL;
	return cert ? der_of(cert, ret_der, err) : err_set(err, ERR_PROTOCOL, "it is no certificate in PEM");
}

/* As OpenSSL takes it; 0 if it cannot be made. */
static size_t signature_der(const uint8_t *report, unsigned char der[DER_MAX])
{
	ECDSA_SIG *signature CLEANUP(free_signature) = ECDSA_SIG_new();
	BIGNUM *r = BN_lebin2bn(report + R_AT, NUMBER_LEN, NULL);
	BIGNUM *s = BN_lebin2bn(report + S_AT, NUMBER_LEN, NULL);
	if (!signature || !r || !s || ECDSA_SIG_set0(signature, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return 0;
	}
	int len = i2d_ECDSA_SIG(signature, NULL);
	if (len <= 0 || len > DER_MAX)
		return 0;
	return (size_t)i2d_ECDSA_SIG(signature, &der);
}

int snp_signature_check(struct bytes report, struct bytes cert, struct err *err)
{
	const unsigned char *at = cert.data;
	unsigned char der[DER_MAX];
	X509 *read CLEANUP(free_x509) = d2i_X509(NULL, &at, (long)cert.len);
	EVP_PKEY *key = read ? X509_get0_pubkey(read) : NULL;
	if (!key || at != cert.data + cert.len)
		return err_set(err, ERR_PROTOCOL, "the certificate for the SNP report cannot be read");
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || EVP_PKEY_get_bits(key) != 384)
		return err_set(err, ERR_PROTOCOL, "the certificate for the SNP report has no P-384 key");
	if (report.len != SNP_REPORT_LEN)
		return err_set(err, ERR_PROTOCOL, "an SNP report is %d bytes long, this is %zu", SNP_REPORT_LEN,
			       report.len);
	size_t len = signature_der(report.data, der);
	EVP_MD_CTX *context CLEANUP(free_context) = EVP_MD_CTX_new();
	if (len == 0 || !context || EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, key) != 1 ||
	    EVP_DigestVerify(context, der, len, report.data, SNP_SIGNED_LEN) != 1)
		return err_set(err, ERR_SERVER,
			       "the SNP report is not signed by the key in the certificate that the host gave for it: "
			       "the host's "
			       "firmware may have been updated since");
	return 0;
}
