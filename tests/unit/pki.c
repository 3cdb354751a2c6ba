/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates for tests, made with OpenSSL alone.
 */
#include "pki.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			(void)fprintf(stderr, "pki.c:%d: %s failed\n", __LINE__, #condition);                          \
			ERR_print_errors_fp(stderr);                                                                   \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

EVP_PKEY *pki_ec_key(const char *curve)
{
	EVP_PKEY *key = EVP_EC_gen(curve);
	MUST(key);
	return key;
}

EVP_PKEY *pki_ec_key_explicit(void)
{
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	MUST(ctx && EVP_PKEY_keygen_init(ctx) == 1);
	MUST(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) == 1);
	MUST(EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_EXPLICIT_CURVE) == 1);
	MUST(EVP_PKEY_generate(ctx, &key) == 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

EVP_PKEY *pki_rsa_key(unsigned bits)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);
	MUST(key);
	return key;
}

EVP_PKEY *pki_ed25519_key(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	MUST(key);
	return key;
}

EVP_PKEY *pki_rsa_public(unsigned bits)
{
	EVP_PKEY *key = NULL;
	BIGNUM *n = BN_new();
	BIGNUM *e = BN_new();
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	MUST(n && e && build && ctx && BN_rand(n, (int)bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) == 1);
	MUST(BN_set_word(e, 65537) == 1);
	MUST(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1);
	MUST(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	MUST(params && EVP_PKEY_fromdata_init(ctx) == 1);
	MUST(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(e);
	return key;
}

static void add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
	if (!value)
		return;
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	MUST(ext && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static void add_unknown(X509 *cert, const char *oid)
{
	if (!oid)
		return;
	static const unsigned char null_value[] = { 0x05, 0x00 };
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	MUST(object && value && ASN1_OCTET_STRING_set(value, null_value, sizeof(null_value)) == 1);
	X509_EXTENSION *ext = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value);
	MUST(ext && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(object);
}

static void set_frame(X509 *cert, const struct pki_profile *p)
{
	static long serial = 1000;
	serial++;
	long from = p->from || p->until ? p->from : -PKI_DAY;
	long until = p->from || p->until ? p->until : 30 * PKI_DAY;
	MUST(X509_set_version(cert, X509_VERSION_3) == 1);
	MUST(ASN1_INTEGER_set(X509_get_serialNumber(cert), p->negative_serial ? -serial : serial) == 1);
	MUST(ASN1_TIME_set(X509_getm_notBefore(cert), PKI_NOW + from));
	MUST(ASN1_TIME_set(X509_getm_notAfter(cert), PKI_NOW + until));
	if (p->cn)
		MUST(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
						(const unsigned char *)p->cn, -1, -1, 0) == 1);
}

struct pki_node pki_issue(EVP_PKEY *key, const struct pki_node *issuer, const struct pki_profile *p)
{
	X509 *cert = X509_new();
	X509 *parent = issuer ? issuer->cert : cert;
	EVP_PKEY *signer = issuer ? issuer->key : key;
	MUST(cert && X509_set_pubkey(cert, key) == 1);
	set_frame(cert, p);
	MUST(X509_set_issuer_name(cert, X509_get_subject_name(parent)) == 1);
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, parent, cert, NULL, NULL, 0);
	add_extension(cert, &ctx, NID_basic_constraints, p->basic_constraints);
	add_extension(cert, &ctx, NID_key_usage, p->key_usage);
	add_extension(cert, &ctx, NID_subject_alt_name, p->san);
	add_extension(cert, &ctx, NID_subject_alt_name, p->repeat_san ? p->san : NULL);
	add_extension(cert, &ctx, NID_name_constraints, p->name_constraints);
	add_unknown(cert, p->critical_oid);
	bool plain = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519;
	MUST(X509_sign(cert, signer, plain ? NULL : p->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
	return (struct pki_node){ .key = key, .cert = cert };
}

struct pki_node pki_ca(const char *cn, const struct pki_node *issuer)
{
	const struct pki_profile profile = {
		.cn = cn,
		.basic_constraints = "critical,CA:TRUE",
		.key_usage = "critical,keyCertSign,cRLSign",
	};
	return pki_issue(pki_ec_key("P-256"), issuer, &profile);
}

struct pki_node pki_leaf(const char *cn, const struct pki_node *issuer)
{
	const struct pki_profile profile = {
		.cn = cn,
		.basic_constraints = "critical,CA:FALSE",
		.key_usage = "critical,digitalSignature",
		.san = "URI:x509pop://example.test/class/alpha",
	};
	return pki_issue(pki_ec_key("P-256"), issuer, &profile);
}

void pki_node_done(struct pki_node *node)
{
	EVP_PKEY_free(node->key);
	X509_free(node->cert);
	*node = (struct pki_node){ 0 };
}

static void take_bio(BIO *bio, struct buf *out)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	MUST(len > 0 && buf_append(out, bytes_of(data, (size_t)len), NULL) == 0);
	BIO_free(bio);
}

void pki_key_pem(EVP_PKEY *key, enum pki_form form, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool encrypted = form == PKI_ENCRYPTED || form == PKI_TRADITIONAL_ENCRYPTED;
	bool traditional = form == PKI_TRADITIONAL || form == PKI_TRADITIONAL_ENCRYPTED;
	const EVP_CIPHER *cipher = encrypted ? EVP_aes_256_cbc() : NULL;
	static const unsigned char pass[] = "secret";
	int pass_len = encrypted ? (int)sizeof(pass) - 1 : 0;
	MUST(bio);
	if (traditional)
		MUST(PEM_write_bio_PrivateKey_traditional(bio, key, cipher, pass, pass_len, NULL, NULL) == 1);
	else
		MUST(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, (const char *)pass, pass_len, NULL, NULL) == 1);
	take_bio(bio, out);
}

void pki_cert_pem(const struct pki_node *node, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	MUST(bio && PEM_write_bio_X509(bio, node->cert) == 1);
	take_bio(bio, out);
}

void pki_text(const char *text, struct buf *out)
{
	MUST(buf_append_text(out, text, NULL) == 0);
}

void pki_secret(const struct buf *text, struct secret *out)
{
	secret_done(out);
	MUST(secret_alloc(out, text->len ? text->len : 1, NULL) == 0);
	MUST(secret_append(out, buf_bytes(text), NULL) == 0);
}
