/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes SPIRE refuse an x509pop chain, found before SPIRE does.
 *
 * The chain comes from the KBS. Nothing is trusted because of these checks: the
 * server verifies again, with its own roots. They exist so that an operator
 * reads the reason here and not "PermissionDenied" there. Where OpenSSL is more
 * lenient than Go, Go's rule is checked by hand.
 */
#include "spire/chain.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

void spire_chain_name(const struct spire_certs *chain, size_t i, char name[SPIRE_CERT_NAME])
{
	char subject[128];
	spire_cert_subject(chain->list[i], subject, sizeof(subject));
	if (i == 0)
		(void)snprintf(name, SPIRE_CERT_NAME, "the leaf certificate ('%s')", subject);
	else
		(void)snprintf(name, SPIRE_CERT_NAME, "issuer %zu of %zu ('%s')", i, chain->count - 1, subject);
}

static const char *rsa_refusal(const EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);
	if (bits < SPIRE_MIN_RSA_BITS)
		return "is an RSA key of less than 2048 bits: too weak";
	if (bits > SPIRE_MAX_RSA_BITS)
		return "is an RSA key of more than 8192 bits: SPIRE refuses larger ones";
	return NULL;
}

static const char *ec_refusal(const EVP_PKEY *key)
{
	static const char *const curves[] = { "secp224r1", "prime256v1", "secp384r1", "secp521r1" };
	int is_explicit = 0;
	if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) == 1 &&
	    is_explicit)
		return "is an EC key with its curve spelled out: name the curve (openssl ... -param_enc named_curve)";
	char name[64] = "";
	if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) == 1)
		for (size_t i = 0; i < ARRAY_LEN(curves); i++)
			if (strcmp(name, curves[i]) == 0)
				return NULL;
	return "is an EC key on a curve that SPIRE does not know: use P-256 (or P-224, P-384, P-521)";
}

const char *spire_key_refusal(const EVP_PKEY *key, bool leaf)
{
	if (!key)
		return "cannot be read";
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return rsa_refusal(key);
	case EVP_PKEY_EC:
		return ec_refusal(key);
	case EVP_PKEY_ED25519:
		return leaf ? "is an Ed25519 key: SPIRE's x509pop takes ECDSA and RSA keys only" : NULL;
	default:
		return "is of a kind that SPIRE does not know: use ECDSA P-256";
	}
}

bool spire_cert_is_ca(X509 *cert)
{
	uint32_t flags = X509_get_extension_flags(cert);
	return (flags & EXFLAG_CA) && (X509_get_key_usage(cert) & KU_KEY_CERT_SIGN);
}

static void check_window(X509 *cert, const char *name, time_t now, struct spire_problems *problems)
{
	time_t from = 0;
	time_t until = 0;
	char when[SPIRE_TIME_TEXT];
	char clock[SPIRE_TIME_TEXT];
	char span[SPIRE_TIME_TEXT];
	(void)spire_time_text(clock, now);
	if (spire_cert_window(cert, &from, &until) < 0)
		spire_problem(problems, ERR_CREDENTIAL, "%s has a validity time that cannot be read", name);
	else if (now < from)
		spire_problem(problems, ERR_CLOCK,
			      "%s is not valid before %s, in %s (the clock says %s): set the clock, or wait", name,
			      spire_time_text(when, from), spire_span_text(span, from - now), clock);
	else if (now > until)
		spire_problem(problems, ERR_CREDENTIAL,
			      "%s expired at %s, %s ago (the clock says %s): issue it anew, or set the clock", name,
			      spire_time_text(when, until), spire_span_text(span, now - until), clock);
	else if (until - now < SPIRE_MIN_LIFE)
		spire_problem(problems, ERR_CREDENTIAL,
			      "%s ends at %s, in %s (the clock says %s): less than an hour is left, issue it anew",
			      name, spire_time_text(when, until), spire_span_text(span, until - now), clock);
}

/* Critical extensions that Go's parser handles. */
static bool critical_is_known(int nid)
{
	switch (nid) {
	case NID_key_usage:
	case NID_basic_constraints:
	case NID_subject_alt_name:
	case NID_name_constraints:
	case NID_crl_distribution_points:
	case NID_policy_constraints:
	case NID_ext_key_usage:
	case NID_certificate_policies:
	case NID_policy_mappings:
	case NID_inhibit_any_policy:
	case NID_authority_key_identifier:
		return true;
	default:
		return false;
	}
}

static void check_extensions(X509 *cert, const char *name, struct spire_problems *problems)
{
	if (X509_get_extension_flags(cert) & EXFLAG_INVALID)
		spire_problem(problems, ERR_CREDENTIAL, "%s has a malformed or repeated extension", name);
	for (int i = 0; i < X509_get_ext_count(cert); i++) {
		X509_EXTENSION *ext = X509_get_ext(cert, i);
		const ASN1_OBJECT *object = X509_EXTENSION_get_object(ext);
		if (!X509_EXTENSION_get_critical(ext) || critical_is_known(OBJ_obj2nid(object)))
			continue;
		char oid[80];
		(void)OBJ_obj2txt(oid, sizeof(oid), object, 0);
		spire_problem(problems, ERR_CREDENTIAL, "%s has the critical extension '%s', which SPIRE does not know",
			      name, oid);
	}
}

/* Go signs off neither MD5 nor SHA-1; a self-signed certificate's own
 * signature is not looked at. */
static void check_digest(X509 *cert, const char *name, struct spire_problems *problems)
{
	int digest = NID_undef;
	if (spire_cert_names_match(cert, cert) || X509_get_signature_info(cert, &digest, NULL, NULL, NULL) != 1)
		return;
	if (digest == NID_md5 || digest == NID_sha1)
		spire_problem(problems, ERR_CREDENTIAL, "%s is signed with %s, which SPIRE refuses: sign with SHA-256",
			      name, digest == NID_md5 ? "MD5" : "SHA-1");
}

static void check_any(const struct spire_certs *chain, size_t i, time_t now, struct spire_problems *problems)
{
	X509 *cert = chain->list[i];
	char name[SPIRE_CERT_NAME];
	spire_chain_name(chain, i, name);
	check_window(cert, name, now, problems);
	check_extensions(cert, name, problems);
	check_digest(cert, name, problems);
	const char *refusal = spire_key_refusal(X509_get0_pubkey(cert), i == 0);
	if (refusal)
		spire_problem(problems, ERR_CREDENTIAL, "the key of %s %s", name, refusal);
	if (X509_get0_serialNumber(cert)->type == V_ASN1_NEG_INTEGER)
		spire_problem(problems, ERR_CREDENTIAL, "%s has a negative serial number, which SPIRE refuses", name);
}

static void check_leaf(X509 *leaf, struct spire_problems *problems)
{
	if (!(X509_get_extension_flags(leaf) & EXFLAG_KUSAGE))
		spire_problem(problems, ERR_CREDENTIAL,
			      "the leaf certificate has no KeyUsage: SPIRE wants digitalSignature in it");
	else if (!(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE))
		spire_problem(problems, ERR_CREDENTIAL,
			      "the leaf certificate's KeyUsage lacks digitalSignature, which SPIRE wants");
}

static void check_issuer(const struct spire_certs *chain, size_t i, struct spire_problems *problems)
{
	X509 *issuer = chain->list[i];
	uint32_t flags = X509_get_extension_flags(issuer);
	char name[SPIRE_CERT_NAME];
	spire_chain_name(chain, i, name);
	if (!(flags & EXFLAG_CA))
		spire_problem(problems, ERR_CREDENTIAL, "%s is no CA certificate (basicConstraints CA:TRUE)", name);
	if (!(X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN))
		spire_problem(problems, ERR_CREDENTIAL, "%s may not sign certificates (KeyUsage lacks keyCertSign)",
			      name);
	long pathlen = X509_get_pathlen(issuer);
	if (pathlen >= 0 && i - 1 > (size_t)pathlen)
		spire_problem(problems, ERR_CREDENTIAL, "%s allows %ld CA certificates below it (pathlen), but has %zu",
			      name, pathlen, i - 1);
}

static void check_constraints(const struct spire_certs *chain, size_t i, struct spire_problems *problems)
{
	NAME_CONSTRAINTS *allowed = X509_get_ext_d2i(chain->list[i], NID_name_constraints, NULL, NULL);
	char name[SPIRE_CERT_NAME];
	spire_chain_name(chain, i, name);
	if (allowed && NAME_CONSTRAINTS_check(chain->list[0], allowed) != X509_V_OK)
		spire_problem(problems, ERR_CREDENTIAL, "%s does not allow the leaf's names (nameConstraints)", name);
	NAME_CONSTRAINTS_free(allowed);
}

/* Is certificate i issued and signed by the one behind it? */
static void check_link(const struct spire_certs *chain, size_t i, struct spire_problems *problems)
{
	X509 *cert = chain->list[i];
	X509 *issuer = chain->list[i + 1];
	char name[SPIRE_CERT_NAME];
	char issuer_name[SPIRE_CERT_NAME];
	spire_chain_name(chain, i, name);
	spire_chain_name(chain, i + 1, issuer_name);
	if (!spire_cert_names_match(cert, issuer))
		spire_problem(problems, ERR_CREDENTIAL,
			      "%s names another issuer than %s, which follows it: order the chain from leaf to root",
			      name, issuer_name);
	else if (X509_verify(cert, X509_get0_pubkey(issuer)) != 1)
		spire_problem(problems, ERR_CREDENTIAL, "%s is not signed by %s, though that bears its issuer's name",
			      name, issuer_name);
}

void spire_chain_check(const struct spire_certs *chain, time_t now, struct spire_problems *problems)
{
	if (chain->count - 1 > SPIRE_MAX_INTERMEDIATES)
		spire_problem(problems, ERR_CREDENTIAL,
			      "%zu certificates follow the leaf; SPIRE takes %d (leave the root away)",
			      chain->count - 1, SPIRE_MAX_INTERMEDIATES);
	check_leaf(chain->list[0], problems);
	for (size_t i = 0; i < chain->count; i++) {
		check_any(chain, i, now, problems);
		if (i > 0)
			check_issuer(chain, i, problems);
		if (i > 0)
			check_constraints(chain, i, problems);
		if (i + 1 < chain->count)
			check_link(chain, i, problems);
	}
	ERR_clear_error();
}
