/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x509pop credential: load, check, write.
 *
 * Both texts come from the KBS; whoever filled it controls them. The private
 * key stays in guarded memory except inside OpenSSL, whose allocator wipes.
 * Must never accept what SPIRE refuses, and never quote the key's text in a
 * message.
 */
#include "spire/credential.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"
#include "spire/chain.h"

#define DAY 86400

/* What was found in the two texts. */
struct parts {
	struct secret key_der;
	struct bytes key_label; /* borrowed from the key's text; empty if no key was taken */
	EVP_PKEY *key;
	struct spire_certs chain;
};

static void parts_done(struct parts *parts)
{
	secret_done(&parts->key_der);
	EVP_PKEY_free(parts->key);
	spire_certs_done(&parts->chain);
}
#define OWNED_PARTS CLEANUP(parts_done)

void spire_credential_done(struct spire_credential *credential)
{
	if (credential)
		secret_done(&credential->pem);
}

/* A failure to decode is a violation like others; want of memory is not. */
static int note(struct spire_problems *problems, const struct err *cause, const char *what, struct err *err)
{
	if (cause->code != ERR_CREDENTIAL) {
		if (err)
			*err = *cause;
		return err_wrap(err, "%s", what);
	}
	spire_problem(problems, ERR_CREDENTIAL, "%s: %s", what, cause->message);
	return 0;
}

static EVP_PKEY *parse_key(const struct secret *der)
{
	const unsigned char *at = der->data;
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)der->len);
	ERR_clear_error();
	if (key && at == (const unsigned char *)der->data + der->len)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static int take_key(struct parts *parts, const struct spire_pem_block *block, struct spire_problems *problems,
		    struct err *err)
{
	parts->key_label = block->label;
	if (block->encrypted || spire_pem_is(block, "ENCRYPTED PRIVATE KEY")) {
		spire_problem(problems, ERR_CREDENTIAL,
			      "the private key is encrypted, and nobody is there to type a passphrase: store it plain");
		return 0;
	}
	struct err cause = { 0 };
	if (spire_pem_decode(block, &parts->key_der, &cause) < 0)
		return note(problems, &cause, "the private key", err);
	parts->key = parse_key(&parts->key_der);
	if (!parts->key)
		spire_problem(problems, ERR_CREDENTIAL, "the private key is no PKCS#8, PKCS#1 or SEC1 key");
	return 0;
}

static int load_key(struct bytes text, struct parts *parts, struct spire_problems *problems, struct err *err)
{
	struct spire_pem walk = SPIRE_PEM_WALK(text);
	struct err cause = { 0 };
	for (bool found = true; found;) {
		struct spire_pem_block block;
		if (spire_pem_next(&walk, &block, &found, &cause) < 0)
			return note(problems, &cause, "the private key's text", err);
		if (found && spire_pem_is_key(&block))
			return take_key(parts, &block, problems, err);
	}
	spire_problem(problems, ERR_CREDENTIAL, "no private key (a PEM block 'PRIVATE KEY') is in the key's text");
	return 0;
}

static int load_chain(struct bytes text, struct parts *parts, struct spire_problems *problems, struct err *err)
{
	struct spire_pem walk = SPIRE_PEM_WALK(text);
	struct err cause = { 0 };
	for (;;) {
		struct spire_pem_block block;
		bool found = false;
		if (spire_pem_next(&walk, &block, &found, &cause) < 0)
			return note(problems, &cause, "the certificate chain", err);
		if (!found)
			break;
		if (spire_pem_is(&block, "CERTIFICATE") && spire_certs_add(&parts->chain, &block, &cause) < 0)
			return note(problems, &cause, "the certificate chain", err);
	}
	if (parts->chain.count == 0)
		spire_problem(problems, ERR_CREDENTIAL,
			      "no certificate (a PEM block 'CERTIFICATE') is in the chain's text");
	return 0;
}

static int load(struct bytes key, struct bytes chain, struct parts *parts, struct spire_problems *problems,
		struct err *err)
{
	if (key.len > SPIRE_CREDENTIAL_MAX || chain.len > SPIRE_CREDENTIAL_MAX)
		return err_set(err, ERR_CREDENTIAL, "larger than %u bytes", SPIRE_CREDENTIAL_MAX);
	if (load_key(key, parts, problems, err) < 0)
		return -1;
	return load_chain(chain.len > 0 ? chain : key, parts, problems, err);
}

/* What the agent will do at the server's challenge: sign with the key (PSS for
 * RSA), and what the server will do: verify with the leaf. Comparing public
 * halves alone would let a damaged private half pass. */
static bool signs_for(EVP_PKEY *key, EVP_PKEY *leaf)
{
	static const unsigned char challenge[64] = "sealpod tries the key before the agent does";
	unsigned char signature[SPIRE_MAX_RSA_BITS / 8];
	size_t len = sizeof(signature);
	EVP_PKEY_CTX *sign_pkey = NULL;
	EVP_PKEY_CTX *verify_pkey = NULL;
	EVP_MD_CTX *sign = EVP_MD_CTX_new();
	EVP_MD_CTX *verify = EVP_MD_CTX_new();
	bool pss = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
	bool good = sign && verify && EVP_DigestSignInit(sign, &sign_pkey, EVP_sha256(), NULL, key) == 1 &&
		    EVP_DigestVerifyInit(verify, &verify_pkey, EVP_sha256(), NULL, leaf) == 1 &&
		    (!pss || (EVP_PKEY_CTX_set_rsa_padding(sign_pkey, RSA_PKCS1_PSS_PADDING) == 1 &&
			      EVP_PKEY_CTX_set_rsa_padding(verify_pkey, RSA_PKCS1_PSS_PADDING) == 1)) &&
		    EVP_DigestSign(sign, signature, &len, challenge, sizeof(challenge)) == 1 &&
		    EVP_DigestVerify(verify, signature, len, challenge, sizeof(challenge)) == 1;
	EVP_MD_CTX_free(sign);
	EVP_MD_CTX_free(verify);
	ERR_clear_error();
	return good;
}

/* Operators swap leaf and issuer now and then: say so. */
static void report_mismatch(const struct parts *parts, struct spire_problems *problems)
{
	for (size_t i = 1; i < parts->chain.count; i++) {
		if (EVP_PKEY_eq(parts->key, X509_get0_pubkey(parts->chain.list[i])) != 1)
			continue;
		spire_problem(problems, ERR_CREDENTIAL,
			      "the private key belongs to certificate %zu of %zu: the leaf must come first", i + 1,
			      parts->chain.count);
		return;
	}
	spire_problem(problems, ERR_CREDENTIAL, "the private key does not match the leaf certificate");
}

static void check_key(const struct parts *parts, struct spire_problems *problems)
{
	EVP_PKEY *leaf = X509_get0_pubkey(parts->chain.list[0]);
	const char *leaf_refusal = spire_key_refusal(leaf, true);
	const char *refusal = spire_key_refusal(parts->key, true);
	if (refusal && !leaf_refusal)
		spire_problem(problems, ERR_CREDENTIAL, "the private key %s", refusal);
	if (!leaf)
		return; /* the chain's check names it */
	if (EVP_PKEY_eq(parts->key, leaf) != 1)
		report_mismatch(parts, problems);
	else if (!refusal && !leaf_refusal && !signs_for(parts->key, leaf))
		spire_problem(problems, ERR_CREDENTIAL,
			      "the private key is damaged: what it signs does not verify with the leaf certificate");
	ERR_clear_error();
}

static int write_pem(const struct parts *parts, struct secret *ret_pem, struct buf *leaf_der, struct err *err)
{
	static const char certificate[] = "CERTIFICATE";
	const struct bytes label = bytes_of_text(certificate);
	struct secret pem OWNED_SECRET = SECRET_INIT;
	size_t cap = spire_pem_size(parts->key_label, parts->key_der.len);
	for (size_t i = 0; i < parts->chain.count; i++) {
		int len = i2d_X509(parts->chain.list[i], NULL);
		cap += spire_pem_size(label, len > 0 ? (size_t)len : 0);
	}
	if (secret_alloc(&pem, cap, err) < 0 ||
	    spire_pem_write_secret(&pem, parts->key_label, secret_bytes(&parts->key_der), err) < 0)
		return -1;
	for (size_t i = 0; i < parts->chain.count; i++) {
		OWNED_BUF struct buf der = BUF_INIT(SPIRE_CREDENTIAL_MAX);
		if (spire_cert_der(parts->chain.list[i], &der, err) < 0 ||
		    spire_pem_write_secret(&pem, label, buf_bytes(&der), err) < 0)
			return -1;
		if (i == 0)
			buf_move(leaf_der, &der);
	}
	secret_move(ret_pem, &pem);
	return 0;
}

static int fingerprint(struct bytes leaf_der, char text[41], struct err *err)
{
	struct digest sha1;
	OWNED_BUF struct buf hex = BUF_INIT(40);
	if (digest_of(DIGEST_SHA1, leaf_der, &sha1, err) < 0 || hex_encode(digest_bytes(&sha1), &hex, err) < 0)
		return -1;
	(void)snprintf(text, 41, "%s", buf_text(&hex));
	return 0;
}

static void describe_key(const EVP_PKEY *key, char *text, size_t size)
{
	bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
	(void)snprintf(text, size, rsa ? "RSA %d" : "EC P-%d", EVP_PKEY_get_bits(key));
}

static void warn_of_end(const struct spire_certs *chain, time_t now, char *text, size_t size)
{
	size_t first = 0;
	time_t first_end = 0;
	for (size_t i = 0; i < chain->count; i++) {
		time_t from = 0;
		time_t until = 0;
		if (spire_cert_window(chain->list[i], &from, &until) == 0 && (i == 0 || until < first_end)) {
			first = i;
			first_end = until;
		}
	}
	char name[SPIRE_CERT_NAME];
	char when[SPIRE_TIME_TEXT];
	char span[SPIRE_TIME_TEXT];
	text[0] = 0;
	if (first_end - now >= DAY)
		return;
	spire_chain_name(chain, first, name);
	(void)snprintf(text, size, "%s ends in %s, at %s", name, spire_span_text(span, first_end - now),
		       spire_time_text(when, first_end));
}

static int describe(const struct parts *parts, time_t now, struct spire_credential *out, struct err *err)
{
	X509 *leaf = parts->chain.list[0];
	if (spire_cert_window(leaf, &out->not_before, &out->not_after) < 0)
		return err_set(err, ERR_CREDENTIAL, "the leaf certificate's validity cannot be read");
	spire_cert_subject(leaf, out->subject, sizeof(out->subject));
	spire_cert_sans(leaf, out->sans, sizeof(out->sans));
	describe_key(parts->key, out->key_type, sizeof(out->key_type));
	out->intermediates = parts->chain.count - 1;
	warn_of_end(&parts->chain, now, out->warning, sizeof(out->warning));
	return 0;
}

int spire_credential_check(const struct secret *key, struct bytes chain, time_t now,
			   struct spire_credential *ret_credential, struct err *err)
{
	struct spire_problems problems = SPIRE_PROBLEMS_INIT;
	OWNED_PARTS struct parts parts = { .key_der = SECRET_INIT };
	if (load(secret_bytes(key), chain, &parts, &problems, err) < 0)
		return -1;
	if (parts.chain.count > 0)
		spire_chain_check(&parts.chain, now, &problems);
	if (parts.chain.count > 0 && parts.key)
		check_key(&parts, &problems);
	if (spire_problems_result(&problems, err) < 0)
		return -1;

	struct spire_credential out OWNED_SPIRE_CREDENTIAL = SPIRE_CREDENTIAL_INIT;
	OWNED_BUF struct buf leaf_der = BUF_INIT(SPIRE_CREDENTIAL_MAX);
	if (write_pem(&parts, &out.pem, &leaf_der, err) < 0 ||
	    fingerprint(buf_bytes(&leaf_der), out.fingerprint, err) < 0 || describe(&parts, now, &out, err) < 0)
		return -1;
	*ret_credential = out;
	out.pem = (struct secret)SECRET_INIT; /* handed over */
	return 0;
}

int spire_credential_agent_id(const struct spire_credential *credential, const char *trust_domain, struct buf *out,
			      struct err *err)
{
	return buf_printf(out, err, "spiffe://%s/spire/agent/x509pop/%s", trust_domain, credential->fingerprint);
}
