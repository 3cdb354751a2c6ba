/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x509pop credential: check, write.
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
#include "spire/key_pair.h"

#define DAY 86400

void spire_credential_done(struct spire_credential *credential)
{
	if (credential)
		secret_done(&credential->pem);
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
static void report_mismatch(const struct spire_key_pair *pair, struct spire_problems *problems)
{
	for (size_t i = 1; i < pair->chain.count; i++) {
		if (EVP_PKEY_eq(pair->key, X509_get0_pubkey(pair->chain.list[i])) != 1)
			continue;
		spire_problem(problems, ERR_CREDENTIAL,
			      "the private key belongs to certificate %zu of %zu: the leaf must come first", i + 1,
			      pair->chain.count);
		return;
	}
	spire_problem(problems, ERR_CREDENTIAL, "the private key does not match the leaf certificate");
}

static void check_key(const struct spire_key_pair *pair, struct spire_problems *problems)
{
	EVP_PKEY *leaf = X509_get0_pubkey(pair->chain.list[0]);
	const char *leaf_refusal = spire_key_refusal(leaf, true);
	const char *refusal = spire_key_refusal(pair->key, true);
	if (refusal && !leaf_refusal)
		spire_problem(problems, ERR_CREDENTIAL, "the private key %s", refusal);
	if (!leaf)
		return; /* the chain's check names it */
	if (EVP_PKEY_eq(pair->key, leaf) != 1)
		report_mismatch(pair, problems);
	else if (!refusal && !leaf_refusal && !signs_for(pair->key, leaf))
		spire_problem(problems, ERR_CREDENTIAL,
			      "the private key is damaged: what it signs does not verify with the leaf certificate");
	ERR_clear_error();
}

static int write_pem(const struct spire_key_pair *pair, struct secret *ret_pem, struct buf *leaf_der, struct err *err)
{
	static const char certificate[] = "CERTIFICATE";
	const struct bytes label = bytes_of_text(certificate);
	struct secret pem OWNED_SECRET = SECRET_INIT;
	size_t cap = spire_pem_size(pair->key_label, pair->key_der.len);
	for (size_t i = 0; i < pair->chain.count; i++) {
		int len = i2d_X509(pair->chain.list[i], NULL);
		cap += spire_pem_size(label, len > 0 ? (size_t)len : 0);
	}
	if (secret_alloc(&pem, cap, err) < 0 ||
	    spire_pem_write_secret(&pem, pair->key_label, secret_bytes(&pair->key_der), err) < 0)
		return -1;
	for (size_t i = 0; i < pair->chain.count; i++) {
		OWNED_BUF struct buf der = BUF_INIT(SPIRE_CREDENTIAL_MAX);
		if (spire_cert_der(pair->chain.list[i], &der, err) < 0 ||
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

static void find_end(const struct spire_certs *chain, time_t now, struct spire_credential *out)
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
	out->ends = first_end;
	out->warning[0] = 0;
	if (first_end - now >= DAY)
		return;
	spire_chain_name(chain, first, name);
	(void)snprintf(out->warning, sizeof(out->warning), "%s ends in %s, at %s", name,
		       spire_span_text(span, first_end - now), spire_time_text(when, first_end));
}

static int describe(const struct spire_key_pair *pair, time_t now, struct spire_credential *out, struct err *err)
{
	X509 *leaf = pair->chain.list[0];
	if (spire_cert_window(leaf, &out->not_before, &out->not_after) < 0)
		return err_set(err, ERR_CREDENTIAL, "the leaf certificate's validity cannot be read");
	spire_cert_subject(leaf, out->subject, sizeof(out->subject));
	spire_cert_sans(leaf, out->sans, sizeof(out->sans));
	describe_key(pair->key, out->key_type, sizeof(out->key_type));
	out->intermediates = pair->chain.count - 1;
	find_end(&pair->chain, now, out);
	return 0;
}

int spire_credential_check(const struct secret *key, struct bytes chain, time_t now,
			   struct spire_credential *ret_credential, struct err *err)
{
	struct spire_problems problems = SPIRE_PROBLEMS_INIT;
	OWNED_KEY_PAIR struct spire_key_pair pair = SPIRE_KEY_PAIR_INIT;
	if (spire_key_pair_load(secret_bytes(key), chain, &pair, &problems, err) < 0)
		return -1;
	if (pair.chain.count > 0)
		spire_chain_check(&pair.chain, now, &problems);
	if (pair.chain.count > 0 && pair.key)
		check_key(&pair, &problems);
	if (spire_problems_result(&problems, err) < 0)
		return -1;

	struct spire_credential out OWNED_SPIRE_CREDENTIAL = SPIRE_CREDENTIAL_INIT;
	OWNED_BUF struct buf leaf_der = BUF_INIT(SPIRE_CREDENTIAL_MAX);
	if (write_pem(&pair, &out.pem, &leaf_der, err) < 0 ||
	    fingerprint(buf_bytes(&leaf_der), out.fingerprint, err) < 0 || describe(&pair, now, &out, err) < 0)
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
