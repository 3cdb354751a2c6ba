/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making keys and certificates for the operator. Must never sign for a CA that could not: the
 * mistake would be found by a SPIRE server, weeks later.
 */
#include "spire/issue.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/encode.h"
#include "spire/chain.h"
#include "spire/key_pair.h"
#include "spire/make.h"
#include "spire/mint.h"
#include "spire/value.h"

#define DAY 86400

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

/* No prompt: what is encrypted is not taken. */
static int no_password(char *text, int size, int for_writing, void *arg)
{
	(void)text;
	(void)size;
	(void)for_writing;
	(void)arg;
	return -1;
}

static int64_t days_of(const struct spire_issue *issue)
{
	static const int64_t days[] = { SPIRE_ISSUE_ROOT_DAYS, SPIRE_ISSUE_ISSUER_DAYS, SPIRE_ISSUE_LEAF_DAYS };
	return issue->days ? issue->days : days[issue->kind];
}

static int check_wish(const struct spire_issue *issue, struct err *err)
{
	if (spire_mint_name_check(issue->cn, err) < 0)
		return -1;
	if (strlen(issue->cn) > SPIRE_ISSUE_CN_MAX)
		return err_set(err, ERR_CONFIG, "'%s' is longer than the %d characters of a common name", issue->cn,
			       SPIRE_ISSUE_CN_MAX);
	if (issue->days < 0 || issue->days > SPIRE_ISSUE_MAX_DAYS)
		return err_set(err, ERR_CONFIG, "%lld is no number of days from 1 to %d", (long long)issue->days,
			       SPIRE_ISSUE_MAX_DAYS);
	if (issue->kind != SPIRE_ISSUE_LEAF)
		return 0;
	if (spire_trust_domain_check(issue->trust_domain, err) < 0)
		return -1;
	return spire_mint_name_check(issue->class_name, err);
}

/* An issuer wants a CA that may have CAs below it, a leaf any CA. */
static void check_ca(const struct spire_key_pair *ca, enum spire_issue_kind kind, struct spire_problems *problems)
{
	if (ca->chain.count == 0 || !ca->key)
		return; /* said already */
	X509 *cert = ca->chain.list[0];
	if (!spire_cert_is_ca(cert))
		spire_problem(problems, ERR_CREDENTIAL,
			      "the certificate is no CA (basicConstraints CA:TRUE, KeyUsage keyCertSign)");
	if (EVP_PKEY_eq(ca->key, X509_get0_pubkey(cert)) != 1)
		spire_problem(problems, ERR_CREDENTIAL, "the key does not match the certificate");
	if (kind == SPIRE_ISSUE_ISSUER && X509_get_pathlen(cert) == 0)
		spire_problem(problems, ERR_CREDENTIAL, "the certificate's pathlen is 0: no CA can stand below it");
	ERR_clear_error();
}

static int set_window(X509 *cert, const X509 *ca, const struct spire_issue *issue, struct err *err)
{
	time_t from = issue->now - SPIRE_MINT_SKEW;
	time_t until = issue->now + (time_t)(days_of(issue) * DAY);
	time_t ca_from, ca_until;
	if (ca && spire_cert_window(ca, &ca_from, &ca_until) < 0)
		return err_set(err, ERR_CREDENTIAL, "the CA's validity makes no sense");
	if (ca && (ca_until <= issue->now || ca_from > issue->now))
		return err_set(err, ERR_CREDENTIAL, "the CA is not valid now: make a new one");
	if (ca && from < ca_from)
		from = ca_from;
	if (ca && until > ca_until)
		until = ca_until;
	if (!ASN1_TIME_set(X509_getm_notBefore(cert), from) || !ASN1_TIME_set(X509_getm_notAfter(cert), until))
		return spire_openssl_failed("set the validity", err);
	return 0;
}

static bool set_names(X509 *cert, const X509 *ca, const char *cn)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, ca ? X509_get_subject_name(ca) : subject) == 1;
}

static bool add_ca_extensions(X509 *cert, X509 *ca, bool is_root)
{
	return spire_make_extension(cert, ca, NID_basic_constraints,
				    is_root ? "critical,CA:TRUE" : "critical,CA:TRUE,pathlen:0") &&
	       spire_make_extension(cert, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       spire_make_extension(cert, ca, NID_subject_key_identifier, "hash") &&
	       (is_root || spire_make_extension(cert, ca, NID_authority_key_identifier, "keyid:always"));
}

static bool add_leaf_extensions(X509 *cert, X509 *ca, const struct spire_issue *issue)
{
	struct buf sans OWNED_BUF = BUF_INIT(2048);
	return buf_printf(&sans, NULL, "URI:x509pop://%s/class/%s,URI:x509pop://%s/instance/%s", issue->trust_domain,
			  issue->class_name, issue->trust_domain, issue->cn) == 0 &&
	       spire_make_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	       spire_make_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
	       spire_make_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
	       spire_make_extension(cert, ca, NID_subject_alt_name, buf_text(&sans));
}

static int fill(X509 *cert, X509 *ca, EVP_PKEY *key, EVP_PKEY *ca_key, const struct spire_issue *issue, struct err *err)
{
	X509 *signer = ca ? ca : cert;
	if (X509_set_version(cert, X509_VERSION_3) != 1 || X509_set_pubkey(cert, key) != 1 ||
	    !spire_make_serial(cert) || !set_names(cert, ca, issue->cn))
		return spire_openssl_failed("make the certificate", err);
	if (set_window(cert, ca, issue, err) < 0)
		return -1;
	bool good = issue->kind == SPIRE_ISSUE_LEAF ? add_leaf_extensions(cert, signer, issue)
						    : add_ca_extensions(cert, signer, !ca);
	if (!good || !spire_make_signature(cert, ca_key))
		return spire_openssl_failed("make the certificate", err);
	return 0;
}

static bool is_root(const X509 *cert)
{
	return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

static int write_cert(const X509 *cert, struct buf *pem, struct err *err)
{
	struct buf der OWNED_BUF = BUF_INIT(SPIRE_CREDENTIAL_MAX);
	if (spire_cert_der(cert, &der, err) < 0)
		return -1;
	return spire_pem_write(pem, bytes_of_text("CERTIFICATE"), buf_bytes(&der), err);
}

static int write_key(const EVP_PKEY *key, struct secret *ret_pem, struct err *err)
{
	struct secret der OWNED_SECRET = SECRET_INIT;
	const struct bytes label = bytes_of_text("PRIVATE KEY");
	if (spire_make_pkcs8(key, &der, err) < 0 || secret_alloc(ret_pem, spire_pem_size(label, der.len), err) < 0)
		return -1;
	return spire_pem_write_secret(ret_pem, label, secret_bytes(&der), err);
}

static int issue_below(const struct spire_issue *issue, const struct spire_key_pair *ca, struct secret *ret_key,
		       struct buf *ret_chain, struct err *err)
{
	X509 *ca_cert = ca->chain.count > 0 ? ca->chain.list[0] : NULL;
	OWNED_PKEY EVP_PKEY *key = EVP_EC_gen("prime256v1");
	CLEANUP(spire_cleanup_x509) X509 *cert = X509_new();
	if (!key || !cert)
		return spire_openssl_failed("make a key", err);
	if (fill(cert, ca_cert, key, ca_cert ? ca->key : key, issue, err) < 0 || write_cert(cert, ret_chain, err) < 0)
		return -1;
	for (size_t i = 0; i < ca->chain.count; i++)
		if (!is_root(ca->chain.list[i]) && write_cert(ca->chain.list[i], ret_chain, err) < 0)
			return -1;
	return write_key(key, ret_key, err);
}

int spire_issue(const struct spire_issue *issue, const struct secret *ca_key, struct bytes ca_chain,
		struct secret *ret_key, struct buf *ret_chain, struct err *err)
{
	struct spire_problems problems = SPIRE_PROBLEMS_INIT;
	struct spire_key_pair ca OWNED_KEY_PAIR = SPIRE_KEY_PAIR_INIT;
	if (check_wish(issue, err) < 0)
		return -1;
	if (issue->kind == SPIRE_ISSUE_ROOT)
		return issue_below(issue, &ca, ret_key, ret_chain, err);
	if (spire_key_pair_load(secret_bytes(ca_key), ca_chain, &ca, &problems, err) < 0)
		return -1;
	check_ca(&ca, issue->kind, &problems);
	if (spire_problems_result(&problems, err) < 0)
		return err_wrap(err, "the CA");
	return issue_below(issue, &ca, ret_key, ret_chain, err);
}

int spire_issue_fingerprint(struct bytes pem, char ret_hex[41], struct err *err)
{
	struct spire_problems problems = SPIRE_PROBLEMS_INIT;
	struct spire_key_pair pair OWNED_KEY_PAIR = SPIRE_KEY_PAIR_INIT;
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	if (spire_key_pair_load(bytes_of("", 0), pem, &pair, &problems, err) < 0)
		return -1;
	if (pair.chain.count == 0)
		return err_set(err, ERR_CREDENTIAL, "there is no certificate");
	if (X509_digest(pair.chain.list[0], EVP_sha1(), sum, &len) != 1 || len != 20)
		return spire_openssl_failed("take a certificate's fingerprint", err);
	for (size_t i = 0; i < 20; i++)
		(void)snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

static int write_public(EVP_PKEY *key, struct buf *ret_public, struct err *err)
{
	CLEANUP(free_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!bio || PEM_write_bio_PUBKEY(bio, key) != 1)
		return spire_openssl_failed("write the public key", err);
	long len = BIO_get_mem_data(bio, &text);
	return buf_append(ret_public, bytes_of(text, (size_t)len), err);
}

int spire_key_generate(enum spire_key_kind kind, struct secret *ret_key, struct buf *ret_public, struct err *err)
{
	OWNED_PKEY EVP_PKEY *key =
		kind == SPIRE_KEY_P256 ? EVP_EC_gen("prime256v1") : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!key)
		return spire_openssl_failed("make a key", err);
	if (write_public(key, ret_public, err) < 0)
		return -1;
	return write_key(key, ret_key, err);
}

int spire_key_public(const struct secret *key, struct buf *ret_public, struct err *err)
{
	CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(key->data, (int)key->len);
	OWNED_PKEY EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	ERR_clear_error();
	if (!pkey)
		return err_set(err, ERR_CREDENTIAL, "there is no private key in PEM, or it is encrypted");
	return write_public(pkey, ret_public, err);
}

static int write_coordinate(EVP_PKEY *key, const char *name, const char *member, struct buf *out, struct err *err)
{
	unsigned char bytes[32];
	BIGNUM *number = NULL;
	bool good = EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_bn2binpad(number, bytes, 32) == 32;
	BN_free(number);
	ERR_clear_error();
	if (!good)
		return err_set(err, ERR_CREDENTIAL, "the key is not a P-256 key");
	if (buf_printf(out, err, ",\"%s\":\"", member) < 0 ||
	    base64_encode(BASE64URL, bytes_of(bytes, sizeof(bytes)), out, err) < 0)
		return -1;
	return buf_append_text(out, "\"", err);
}

int spire_key_jwk(struct bytes public_pem, const char *kid, struct buf *ret_jwk, struct err *err)
{
	CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(public_pem.data, (int)public_pem.len);
	OWNED_PKEY EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;
	ERR_clear_error();
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || EVP_PKEY_get_bits(key) != 256)
		return err_set(err, ERR_CREDENTIAL, "the key is not a P-256 key");
	if (buf_printf(ret_jwk, err,
		       "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"%s\"", kid) < 0 ||
	    write_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, "x", ret_jwk, err) < 0 ||
	    write_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", ret_jwk, err) < 0)
		return -1;
	return buf_append_text(ret_jwk, "}\n", err);
}
