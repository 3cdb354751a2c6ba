/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minting the agent's credential in the TEE.
 *
 * The issuer comes from the KBS, the names from measured configuration and the
 * hardware. Must never let the issuer's key out, nor make a leaf that outlives its
 * issuer or says a name that could be read as another one.
 */
#include "spire/mint.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "spire/chain.h"
#include "spire/key_pair.h"
#include "spire/make.h"

int spire_mint_name_check(const char *name, struct err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
	size_t len = strlen(name);
	if (len == 0 || len > 128 || strspn(name, allowed) != len || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(err, ERR_CONFIG,
			       "'%s' cannot be part of a SPIFFE ID: use letters, digits, '.', '-' and '_', at most 128",
			       name);
	return 0;
}

/* What the credential's own check would say about the issuer less clearly, or not at all. */
static void check_issuer(const struct spire_key_pair *issuer, struct spire_problems *problems)
{
	if (issuer->chain.count == 0 || !issuer->key)
		return; /* said already */
	X509 *cert = issuer->chain.list[0];
	if (!spire_cert_is_ca(cert))
		spire_problem(problems, ERR_CREDENTIAL,
			      "the issuer's certificate is no CA (basicConstraints CA:TRUE, KeyUsage keyCertSign): was "
			      "a leaf stored in its place?");
	if (EVP_PKEY_eq(issuer->key, X509_get0_pubkey(cert)) != 1)
		spire_problem(problems, ERR_CREDENTIAL,
			      "the issuer's key does not match its certificate, which must come first");
	ERR_clear_error();
}

/* A little in the past, and never longer than the issuer. */
static bool set_window(X509 *leaf, const X509 *issuer, const struct spire_mint *mint)
{
	time_t from = mint->now - SPIRE_MINT_SKEW;
	time_t until = mint->now + (time_t)mint->lifetime;
	time_t issuer_from, issuer_until;
	if (spire_cert_window(issuer, &issuer_from, &issuer_until) < 0)
		return false;
	from = from < issuer_from ? issuer_from : from;
	until = until > issuer_until ? issuer_until : until;
	return ASN1_TIME_set(X509_getm_notBefore(leaf), from) && ASN1_TIME_set(X509_getm_notAfter(leaf), until);
}

static bool set_names(X509 *leaf, const X509 *issuer, const struct spire_mint *mint)
{
	X509_NAME *subject = X509_get_subject_name(leaf);
	return X509_set_issuer_name(leaf, X509_get_subject_name(issuer)) == 1 &&
	       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)mint->instance, -1, -1,
					  0) == 1;
}

/* All names in it have passed their checks: no comma or colon can start another name. */
static bool add_extensions(X509 *leaf, const struct spire_mint *mint)
{
	struct buf sans OWNED_BUF = BUF_INIT(2048);
	if (buf_printf(&sans, NULL, "URI:x509pop://%s/class/%s,URI:x509pop://%s/instance/%s", mint->trust_domain,
		       mint->class_name, mint->trust_domain, mint->instance) < 0)
		return false;
	return spire_make_extension(leaf, leaf, NID_basic_constraints, "critical,CA:FALSE") &&
	       spire_make_extension(leaf, leaf, NID_key_usage, "critical,digitalSignature") &&
	       spire_make_extension(leaf, leaf, NID_subject_alt_name, buf_text(&sans));
}

static int make_leaf(const struct spire_key_pair *issuer, EVP_PKEY *key, const struct spire_mint *mint, struct buf *der,
		     struct err *err)
{
	CLEANUP(spire_cleanup_x509) X509 *leaf = X509_new();
	const X509 *cert = issuer->chain.list[0];
	if (!leaf || X509_set_version(leaf, X509_VERSION_3) != 1 || X509_set_pubkey(leaf, key) != 1 ||
	    !spire_make_serial(leaf) || !set_window(leaf, cert, mint) || !set_names(leaf, cert, mint) ||
	    !add_extensions(leaf, mint) || !spire_make_signature(leaf, issuer->key))
		return spire_openssl_failed("make the leaf certificate", err);
	return spire_cert_der(leaf, der, err);
}

/* Exactly, for lockable memory is short in a container. */
static size_t combined_size(const struct spire_key_pair *issuer, const struct secret *key_der, struct bytes leaf_der)
{
	const struct bytes label = bytes_of_text("CERTIFICATE");
	size_t size = spire_pem_size(bytes_of_text("PRIVATE KEY"), key_der->len) + spire_pem_size(label, leaf_der.len);
	for (size_t i = 0; i < issuer->chain.count; i++) {
		int len = i2d_X509(issuer->chain.list[i], NULL);
		size += spire_pem_size(label, len > 0 ? (size_t)len : 0);
	}
	return size;
}

/* New key, leaf, and the issuer's chain, as one PEM. */
static int write_combined(const struct spire_key_pair *issuer, const struct secret *key_der, struct bytes leaf_der,
			  struct secret *pem, struct err *err)
{
	const struct bytes label = bytes_of_text("CERTIFICATE");
	if (secret_alloc(pem, combined_size(issuer, key_der, leaf_der), err) < 0 ||
	    spire_pem_write_secret(pem, bytes_of_text("PRIVATE KEY"), secret_bytes(key_der), err) < 0 ||
	    spire_pem_write_secret(pem, label, leaf_der, err) < 0)
		return -1;
	for (size_t i = 0; i < issuer->chain.count; i++) {
		struct buf der OWNED_BUF = BUF_INIT(SPIRE_CREDENTIAL_MAX);
		if (spire_cert_der(issuer->chain.list[i], &der, err) < 0 ||
		    spire_pem_write_secret(pem, label, buf_bytes(&der), err) < 0)
			return -1;
	}
	return 0;
}

static int mint_pem(const struct spire_key_pair *issuer, const struct spire_mint *mint, struct secret *pem,
		    struct err *err)
{
	OWNED_PKEY EVP_PKEY *key = EVP_EC_gen("prime256v1");
	struct secret key_der OWNED_SECRET = SECRET_INIT;
	struct buf leaf_der OWNED_BUF = BUF_INIT(SPIRE_CREDENTIAL_MAX);
	if (!key)
		return spire_openssl_failed("make a key", err);
	if (make_leaf(issuer, key, mint, &leaf_der, err) < 0 || spire_make_pkcs8(key, &key_der, err) < 0)
		return -1;
	return write_combined(issuer, &key_der, buf_bytes(&leaf_der), pem, err);
}

int spire_mint_credential(const struct secret *issuer, struct bytes chain, const struct spire_mint *mint,
			  struct spire_credential *ret_credential, struct err *err)
{
	struct spire_problems problems = SPIRE_PROBLEMS_INIT;
	struct spire_key_pair pair OWNED_KEY_PAIR = SPIRE_KEY_PAIR_INIT;
	struct secret pem OWNED_SECRET = SECRET_INIT;
	if (spire_mint_name_check(mint->class_name, err) < 0 || spire_mint_name_check(mint->instance, err) < 0 ||
	    spire_key_pair_load(secret_bytes(issuer), chain, &pair, &problems, err) < 0)
		return -1;
	check_issuer(&pair, &problems);
	if (spire_problems_result(&problems, err) < 0)
		return err_wrap(err, "the issuer");
	if (mint_pem(&pair, mint, &pem, err) < 0)
		return -1;
	if (spire_credential_check(&pem, bytes_of("", 0), mint->now, ret_credential, err) < 0)
		return err_wrap(err, "the minted credential");
	return 0;
}
