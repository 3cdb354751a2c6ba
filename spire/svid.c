/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X509-SVIDs, checked before they are delivered.
 *
 * They come from the Workload API's socket. Must never deliver a key that does not belong to its certificate, nor
 * leave a copy of one outside of guarded memory (OpenSSL's allocator wipes).
 */
#include "spire/svid.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/cleanup.h"
#include "spire/cert.h"
#include "spire/id.h"
#include "spire/svid_parts.h"

#define TEXT_MAX (2u * SECRET_MAX)

void spire_svid_done(struct spire_svid *svid)
{
	free(svid->id);
	free(svid->hint);
	secret_done(&svid->key);
	secret_done(&svid->key_pem);
	buf_done(&svid->chain);
	buf_done(&svid->chain_pem);
	buf_done(&svid->bundle);
	buf_done(&svid->bundle_pem);
	*svid = (struct spire_svid){ .id = NULL };
}

int spire_svid_read_certs(struct bytes der, struct spire_certs *certs, struct err *err)
{
	const unsigned char *at = der.data;
	const unsigned char *end = at + der.len;
	while (at < end) {
		if (certs->count == SPIRE_CERTS_MAX)
			return err_set(err, ERR_CREDENTIAL, "more than %d certificates", SPIRE_CERTS_MAX);
		X509 *cert = d2i_X509(NULL, &at, end - at);
		ERR_clear_error();
		if (!cert)
			return err_set(err, ERR_CREDENTIAL, "certificate %zu cannot be read", certs->count + 1);
		certs->list[certs->count++] = cert;
	}
	return 0;
}

static int write_pem(const X509 *cert, struct buf *pem, struct err *err)
{
	OWNED_BUF struct buf der = BUF_INIT(SECRET_MAX);
	if (spire_cert_der(cert, &der, err) < 0)
		return -1;
	return spire_pem_write(pem, bytes_of_text("CERTIFICATE"), buf_bytes(&der), err);
}

EVP_PKEY *spire_svid_parse_key(struct bytes der)
{
	const unsigned char *at = der.data;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
	EVP_PKEY *key = info && at == der.data + der.len ? EVP_PKCS82PKEY(info) : NULL;
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return key;
}

int spire_svid_check_window(const X509 *cert, const char *what, time_t now, int64_t margin, time_t *ret_until,
			    struct err *err)
{
	time_t from = 0;
	time_t until = 0;
	char when[SPIRE_TIME_TEXT];
	char clock[SPIRE_TIME_TEXT];
	if (spire_cert_window(cert, &from, &until) < 0)
		return err_set(err, ERR_CREDENTIAL, "%s has a validity time that cannot be read", what);
	if (ret_until)
		*ret_until = until;
	if (now < from)
		return err_set(err, ERR_CLOCK, "%s is not valid before %s (the clock says %s)", what,
			       spire_time_text(when, from), spire_time_text(clock, now));
	if (now > until)
		return err_set(err, ERR_CLOCK, "%s expired at %s (the clock says %s)", what,
			       spire_time_text(when, until), spire_time_text(clock, now));
	if (now + margin > until)
		return err_set(err, ERR_CLOCK, "%s expires at %s, within the margin of %lld s (the clock says %s)",
			       what, spire_time_text(when, until), (long long)margin, spire_time_text(clock, now));
	return 0;
}

static void free_names(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
}

/* The standard allows one URI, and it is the SPIFFE ID. */
static int check_id(const X509 *leaf, const char *id, struct err *err)
{
	CLEANUP(free_names) GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	unsigned count = 0;
	bool same = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type = -1;
		const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if (type != GEN_URI)
			continue;
		count++;
		same = bytes_equal_text(bytes_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)), id);
	}
	ERR_clear_error();
	if (count == 1 && same)
		return 0;
	return err_set(err, ERR_CREDENTIAL, "the certificate of '%s' %s", id,
		       count == 1 ? "names another identity" : "has not exactly one URI among its names");
}

static int check_leaf(X509 *leaf, const struct spire_svid *svid, time_t now, time_t *ret_until, struct err *err)
{
	if (check_id(leaf, svid->id, err) < 0)
		return -1;
	if (X509_get_extension_flags(leaf) & EXFLAG_CA)
		return err_set(err, ERR_CREDENTIAL, "the certificate of '%s' is a CA", svid->id);
	if (!(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE))
		return err_set(err, ERR_CREDENTIAL, "the certificate of '%s' lacks digitalSignature", svid->id);
	char what[64];
	(void)snprintf(what, sizeof(what), "the certificate of '%.40s'", svid->id);
	return spire_svid_check_window(leaf, what, now, 0, ret_until, err);
}

static int check_key(X509 *leaf, const struct spire_svid *svid, struct err *err)
{
	OWNED_PKEY EVP_PKEY *key = spire_svid_parse_key(secret_bytes(&svid->key));
	if (!key)
		return err_set(err, ERR_CREDENTIAL, "the key of '%s' is no PKCS#8 key", svid->id);
	bool same = EVP_PKEY_eq(key, X509_get0_pubkey(leaf)) == 1;
	ERR_clear_error();
	return same ? 0 : err_set(err, ERR_CREDENTIAL, "the key of '%s' does not match its certificate", svid->id);
}

static int write_key(struct spire_svid *svid, struct err *err)
{
	const struct bytes label = bytes_of_text("PRIVATE KEY");
	if (secret_alloc(&svid->key_pem, spire_pem_size(label, svid->key.len), err) < 0)
		return -1;
	return spire_pem_write_secret(&svid->key_pem, label, secret_bytes(&svid->key), err);
}

static void describe_serial(const X509 *leaf, char *text, size_t size)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;
	(void)snprintf(text, size, "%.40s", hex ? hex : "?");
	OPENSSL_free(hex);
	BN_free(number);
}

static int load_chain(struct spire_svid *svid, time_t now, struct err *err)
{
	OWNED_CERTS struct spire_certs chain = SPIRE_CERTS_INIT;
	if (spire_svid_read_certs(buf_bytes(&svid->chain), &chain, err) < 0)
		return err_wrap(err, "the chain of '%s'", svid->id);
	if (chain.count == 0)
		return err_set(err, ERR_CREDENTIAL, "the chain of '%s' is empty", svid->id);
	X509 *leaf = chain.list[0];
	if (check_key(leaf, svid, err) < 0 || check_leaf(leaf, svid, now, &svid->not_after, err) < 0)
		return -1;
	time_t until = 0;
	(void)!spire_cert_window(leaf, &svid->not_before, &until);
	describe_serial(leaf, svid->serial, sizeof(svid->serial));
	for (size_t i = 0; i < chain.count; i++)
		if (write_pem(chain.list[i], &svid->chain_pem, err) < 0)
			return -1;
	return 0;
}

int spire_bundle_pem(struct bytes der, time_t now, struct buf *ret_pem, struct spire_bundle_count *ret_count,
		     struct err *err)
{
	OWNED_CERTS struct spire_certs certs = SPIRE_CERTS_INIT;
	struct spire_bundle_count count = { .good_until = INT64_MAX };
	if (spire_svid_read_certs(der, &certs, err) < 0)
		return -1;
	for (; count.all < certs.count; count.all++) {
		time_t from = 0;
		time_t until = 0;
		if (spire_cert_window(certs.list[count.all], &from, &until) < 0 || now > until) {
			count.expired++;
			continue;
		}
		if (write_pem(certs.list[count.all], ret_pem, err) < 0)
			return -1;
		if (until < count.good_until)
			count.good_until = until;
	}
	*ret_count = count;
	if (count.all == 0)
		return err_set(err, ERR_CREDENTIAL, "no authority in it");
	if (count.expired == count.all)
		return err_set(err, ERR_CLOCK, "all of its %zu authorities have expired, or the clock is wrong",
			       count.expired);
	return 0;
}

/* Reading a certificate is most of the work of an update, and bundles seldom change. */
static int load_bundle(struct spire_svid *svid, const struct spire_svid *previous, time_t now, struct err *err)
{
	if (previous && bytes_equal(buf_bytes(&svid->bundle), buf_bytes(&previous->bundle)) &&
	    now <= previous->authorities.good_until) {
		svid->authorities = previous->authorities;
		return buf_append(&svid->bundle_pem, buf_bytes(&previous->bundle_pem), err);
	}
	if (spire_bundle_pem(buf_bytes(&svid->bundle), now, &svid->bundle_pem, &svid->authorities, err) < 0)
		return err_wrap(err, "the bundle of '%s'", svid->trust_domain);
	return 0;
}

int spire_svid_take(struct workload_svid *from, const struct spire_svid *previous, time_t now,
		    struct spire_svid *ret_svid, struct err *err)
{
	OWNED_SVID struct spire_svid svid = {
		.id = TAKE_PTR(from->id),
		.hint = TAKE_PTR(from->hint),
		.chain_pem = BUF_INIT(TEXT_MAX),
		.bundle_pem = BUF_INIT(TEXT_MAX),
	};
	struct bytes domain;
	if (spire_id_parse(svid.id, &domain, NULL, err) < 0)
		return -1;
	(void)snprintf(svid.trust_domain, sizeof(svid.trust_domain), "%.*s", (int)domain.len,
		       (const char *)domain.data);
	secret_move(&svid.key, &from->key);
	buf_move(&svid.chain, &from->chain);
	buf_move(&svid.bundle, &from->bundle);
	if (load_chain(&svid, now, err) < 0 || write_key(&svid, err) < 0 || load_bundle(&svid, previous, now, err) < 0)
		return -1;
	*ret_svid = svid;
	svid = (struct spire_svid){ .id = NULL };
	return 0;
}
