/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of agents out of the certificates that they attest with. The PEM is the operator's own. Must
 * never give what more agents answer to than those of one class.
 */
#include "spire/issuer.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"
#include "spire/cert.h"
#include "spire/chain.h"
#include "spire/id.h"

#define FINGERPRINT_LEN 40

static int read_certificates(struct bytes pem, struct spire_certs *certs, struct err *err)
{
	struct spire_pem walk = SPIRE_PEM_WALK(pem);
	for (;;) {
		struct spire_pem_block block;
		bool found;
		if (spire_pem_next(&walk, &block, &found, err) < 0)
			return -1;
		if (!found)
			break;
		if (spire_pem_is(&block, "CERTIFICATE") && spire_certs_add(certs, &block, err) < 0)
			return -1;
	}
	return certs->count > 0 ? 0 : err_set(err, ERR_CREDENTIAL, "holds no certificate");
}

static int fingerprint(const X509 *cert, struct buf *ret_hex, struct err *err)
{
	OWNED_BUF struct buf der = BUF_INIT(65536);
	struct digest digest;
	if (spire_cert_der(cert, &der, err) < 0 || digest_of(DIGEST_SHA1, buf_bytes(&der), &digest, err) < 0)
		return -1;
	return hex_encode(digest_bytes(&digest), ret_hex, err);
}

static int take_issuer(X509 *cert, struct spire_issuer *ret_issuer, struct err *err)
{
	OWNED_BUF struct buf hex = BUF_INIT(FINGERPRINT_LEN);
	if (!spire_cert_is_ca(cert))
		return err_set(err, ERR_CREDENTIAL, "the certificate behind the leaf is no CA");
	if (spire_cert_names_match(cert, cert))
		return err_set(err, ERR_CREDENTIAL,
			       "the issuer is a root: a node alias on it would stand for the agents of all classes");
	if (fingerprint(cert, &hex, err) < 0)
		return -1;
	*ret_issuer = (struct spire_issuer){ .selector = "" };
	(void)snprintf(ret_issuer->selector, sizeof(ret_issuer->selector), "x509pop:ca:fingerprint:%s", buf_text(&hex));
	memcpy(ret_issuer->mark, ret_issuer->selector, sizeof(ret_issuer->mark));
	return 0;
}

/* The value behind `prefix` of the last URI SAN that begins so, as the server takes it; "" if there is none. */
static int find_instance(const X509 *cert, const char *prefix, struct buf *ret_value, struct err *err)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int rc = 0;
	for (int i = 0; names && rc == 0 && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		const char *text = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
		size_t len = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
		if (len <= strlen(prefix) || memcmp(text, prefix, strlen(prefix)) != 0)
			continue;
		buf_done(ret_value);
		rc = buf_append(ret_value, bytes_of(text + strlen(prefix), len - strlen(prefix)), err);
	}
	GENERAL_NAMES_free(names);
	return rc;
}

/* As the server writes it: whole bytes in lower case. */
static int serial(const X509 *cert, struct buf *ret_hex, struct err *err)
{
	const ASN1_INTEGER *number = X509_get0_serialNumber(cert);
	return hex_encode(bytes_of(ASN1_STRING_get0_data(number), (size_t)ASN1_STRING_length(number)), ret_hex, err);
}

static int take_leaf(const X509 *cert, const char *trust_domain, struct spire_issuer *ret_issuer, struct err *err)
{
	OWNED_BUF struct buf hex = BUF_INIT(FINGERPRINT_LEN);
	OWNED_BUF struct buf instance = BUF_INIT(SPIRE_ISSUER_TEXT_MAX);
	OWNED_BUF struct buf id = BUF_INIT(SPIRE_ID_MAX);
	OWNED_BUF struct buf number = BUF_INIT(SPIRE_ISSUER_TEXT_MAX / 2);
	char prefix[SPIRE_TRUST_DOMAIN_MAX + 64];
	char cn[128] = "";
	struct bytes path;
	(void)snprintf(prefix, sizeof(prefix), "x509pop://%s/instance/", trust_domain);
	if (find_instance(cert, prefix, &instance, err) < 0 || fingerprint(cert, &hex, err) < 0 ||
	    serial(cert, &number, err) < 0)
		return -1;
	(void)X509_NAME_get_text_by_NID(X509_get_issuer_name(cert), NID_commonName, cn, sizeof(cn));
	int rc = instance.len > 0
			 ? buf_printf(&id, err, "spiffe://%s/spire/agent/x509pop/%s/%s", trust_domain, cn,
				      buf_text(&instance))
			 : buf_printf(&id, err, "spiffe://%s/spire/agent/x509pop/%s", trust_domain, buf_text(&hex));
	if (rc < 0 || spire_id_parse(buf_text(&id), NULL, &path, err) < 0 || path.len >= SPIRE_ISSUER_TEXT_MAX)
		return err_set(err, ERR_CREDENTIAL,
			       "the leaf's issuer CN '%s' and instance '%s' make no SPIFFE ID for its agent", cn,
			       buf_text(&instance));
	*ret_issuer = (struct spire_issuer){ .selector = "" };
	memcpy(ret_issuer->agent_path, path.data, path.len);
	(void)snprintf(ret_issuer->mark, sizeof(ret_issuer->mark), "x509pop:serialnumber:%s", buf_text(&number));
	return 0;
}

int spire_issuer_read(struct bytes pem, const char *trust_domain, struct spire_issuer *ret_issuer, struct err *err)
{
	OWNED_CERTS struct spire_certs certs = SPIRE_CERTS_INIT;
	if (read_certificates(pem, &certs, err) < 0)
		return -1;
	if (spire_cert_is_ca(certs.list[0]))
		return take_issuer(certs.list[0], ret_issuer, err);
	if (certs.count > 1)
		return take_issuer(certs.list[1], ret_issuer, err);
	return take_leaf(certs.list[0], trust_domain, ret_issuer, err);
}
