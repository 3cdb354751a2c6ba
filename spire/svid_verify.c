/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X509-SVIDs as they lie in files, and the files that hold all of one.
 *
 * Others may have written to them. Must never say of a key that it belongs to a
 * certificate, nor of a chain that it verifies, without having seen it.
 */
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <string.h>

#include "base/cleanup.h"
#include "spire/cert.h"
#include "spire/svid.h"
#include "spire/svid_parts.h"

static void free_stack(STACK_OF(X509) * *stack)
{
	sk_X509_free(*stack); /* the certificates are their list's */
}

static int add_to_stack(STACK_OF(X509) * stack, const struct spire_certs *certs, size_t first, struct err *err)
{
	for (size_t i = first; i < certs->count; i++)
		if (!stack || sk_X509_push(stack, certs->list[i]) <= 0)
			return err_set(err, ERR_SYSTEM, "out of memory");
	return stack ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static void free_pkcs12(PKCS12 **file)
{
	PKCS12_free(*file);
}

static int read_pem_certs(struct bytes pem, struct spire_certs *certs, struct err *err)
{
	struct spire_pem walk = SPIRE_PEM_WALK(pem);
	for (;;) {
		struct spire_pem_block block;
		bool found = false;
		if (spire_pem_next(&walk, &block, &found, err) < 0)
			return -1;
		if (!found)
			return 0;
		if (spire_pem_is(&block, "CERTIFICATE") && spire_certs_add(certs, &block, err) < 0)
			return -1;
	}
}

int spire_svid_pkcs12(const struct spire_svid *svid, const char *password, struct secret *ret_file, struct err *err)
{
	OWNED_CERTS struct spire_certs chain = SPIRE_CERTS_INIT;
	OWNED_CERTS struct spire_certs roots = SPIRE_CERTS_INIT;
	CLEANUP(free_stack) STACK_OF(X509) *others = sk_X509_new_null();
	OWNED_PKEY EVP_PKEY *key = spire_svid_parse_key(secret_bytes(&svid->key));
	if (spire_svid_read_certs(buf_bytes(&svid->chain), &chain, err) < 0 ||
	    read_pem_certs(buf_bytes(&svid->bundle_pem), &roots, err) < 0 || add_to_stack(others, &chain, 1, err) < 0 ||
	    add_to_stack(others, &roots, 0, err) < 0)
		return -1;
	CLEANUP(free_pkcs12)
	PKCS12 *file = PKCS12_create(password, svid->id, key, chain.list[0], others, NID_aes_256_cbc, NID_aes_256_cbc,
				     PKCS12_DEFAULT_ITER, PKCS12_DEFAULT_ITER, 0);
	int len = file ? i2d_PKCS12(file, NULL) : -1;
	ERR_clear_error();
	if (len <= 0)
		return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a PKCS#12 file of '%s'", svid->id);
	if (secret_alloc(ret_file, (size_t)len, err) < 0)
		return -1;
	unsigned char *at = ret_file->data;
	ret_file->len = (size_t)i2d_PKCS12(file, &at);
	return 0;
}

static int check_pem_key(X509 *leaf, const struct secret *pem, struct err *err)
{
	struct spire_pem walk = SPIRE_PEM_WALK(secret_bytes(pem));
	struct secret der OWNED_SECRET = SECRET_INIT;
	for (bool found = true; found;) {
		struct spire_pem_block block;
		if (spire_pem_next(&walk, &block, &found, err) < 0)
			return -1;
		if (!found || !spire_pem_is_key(&block))
			continue;
		if (spire_pem_decode(&block, &der, err) < 0)
			return -1;
		OWNED_PKEY EVP_PKEY *key = spire_svid_parse_key(secret_bytes(&der));
		bool same = key && EVP_PKEY_eq(key, X509_get0_pubkey(leaf)) == 1;
		ERR_clear_error();
		return same ? 0 : err_set(err, ERR_CREDENTIAL, "the key does not match the certificate");
	}
	return err_set(err, ERR_CREDENTIAL, "no private key in it");
}

static void free_store(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static void free_store_ctx(X509_STORE_CTX **ctx)
{
	X509_STORE_CTX_free(*ctx);
}

/* Each certificate of the bundle is an authority by itself, self-signed or not. */
static int verify_chain(const struct spire_certs *chain, const struct spire_certs *roots, time_t now, struct err *err)
{
	CLEANUP(free_store) X509_STORE *store = X509_STORE_new();
	CLEANUP(free_stack) STACK_OF(X509) *others = sk_X509_new_null();
	CLEANUP(free_store_ctx) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	if (add_to_stack(others, chain, 1, err) < 0)
		return -1;
	for (size_t i = 0; store && i < roots->count; i++)
		(void)X509_STORE_add_cert(store, roots->list[i]);
	if (!store || !ctx || X509_STORE_CTX_init(ctx, store, chain->list[0], others) != 1)
		return err_set(err, ERR_SYSTEM, "out of memory");
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), now);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
	int good = X509_verify_cert(ctx);
	int why = X509_STORE_CTX_get_error(ctx);
	ERR_clear_error();
	if (good == 1)
		return 0;
	bool time = why == X509_V_ERR_CERT_HAS_EXPIRED || why == X509_V_ERR_CERT_NOT_YET_VALID;
	return err_set(err, time ? ERR_CLOCK : ERR_CREDENTIAL, "the chain does not verify with the bundle: %s",
		       X509_verify_cert_error_string(why));
}

int spire_svid_verify_pem(struct bytes chain_pem, const struct secret *key_pem, struct bytes bundle_pem, time_t now,
			  int64_t margin, time_t *ret_not_after, struct err *err)
{
	OWNED_CERTS struct spire_certs chain = SPIRE_CERTS_INIT;
	OWNED_CERTS struct spire_certs roots = SPIRE_CERTS_INIT;
	if (read_pem_certs(chain_pem, &chain, err) < 0 || read_pem_certs(bundle_pem, &roots, err) < 0)
		return -1;
	if (chain.count == 0 || roots.count == 0)
		return err_set(err, ERR_CREDENTIAL, "no certificate in the %s", chain.count == 0 ? "chain" : "bundle");
	if (key_pem && check_pem_key(chain.list[0], key_pem, err) < 0)
		return -1;
	if (spire_svid_check_window(chain.list[0], "the certificate", now, margin, ret_not_after, err) < 0)
		return -1;
	return verify_chain(&chain, &roots, now, err);
}

/* Leaf first, as in a chain of PEM; all of it is freed with the list. */
static int unpack(PKCS12 *file, const char *password, struct spire_certs *chain, EVP_PKEY **ret_key, struct err *err)
{
	STACK_OF(X509) *others = NULL;
	X509 *leaf = NULL;
	int good = PKCS12_parse(file, password, ret_key, &leaf, &others);
	if (leaf)
		chain->list[chain->count++] = leaf;
	for (int i = 0; i < sk_X509_num(others); i++) {
		X509 *cert = sk_X509_value(others, i);
		if (chain->count < SPIRE_CERTS_MAX)
			chain->list[chain->count++] = cert;
		else
			X509_free(cert);
	}
	sk_X509_free(others);
	ERR_clear_error();
	if (good == 1 && leaf && *ret_key)
		return 0;
	return err_set(err, ERR_CREDENTIAL, "%s",
		       good == 1 ? "no certificate with its key in it"
				 : "the password does not open it, or it is damaged");
}

int spire_svid_verify_pkcs12(const struct secret *content, const char *password, struct bytes bundle_pem, time_t now,
			     int64_t margin, struct err *err)
{
	OWNED_CERTS struct spire_certs chain = SPIRE_CERTS_INIT;
	OWNED_CERTS struct spire_certs roots = SPIRE_CERTS_INIT;
	OWNED_PKEY EVP_PKEY *key = NULL;
	const unsigned char *at = content->data;
	CLEANUP(free_pkcs12) PKCS12 *file = at ? d2i_PKCS12(NULL, &at, (long)content->len) : NULL;
	ERR_clear_error();
	if (!file)
		return err_set(err, ERR_CREDENTIAL, "no PKCS#12 file");
	if (unpack(file, password, &chain, &key, err) < 0 || read_pem_certs(bundle_pem, &roots, err) < 0)
		return -1;
	if (EVP_PKEY_eq(key, X509_get0_pubkey(chain.list[0])) != 1) {
		ERR_clear_error();
		return err_set(err, ERR_CREDENTIAL, "the key does not match the certificate");
	}
	if (spire_svid_check_window(chain.list[0], "the certificate", now, margin, NULL, err) < 0)
		return -1;
	return verify_chain(&chain, &roots, now, err);
}
