/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a private key and a certificate chain, as Go's key-pair loader does.
 *
 * Both texts come from the KBS; whoever filled it controls them. The private key
 * stays in guarded memory except inside OpenSSL, whose allocator wipes. Must
 * never quote the key's text in a message.
 */
#include "spire/key_pair.h"

#include <openssl/err.h>

void spire_key_pair_done(struct spire_key_pair *pair)
{
	secret_done(&pair->key_der);
	EVP_PKEY_free(pair->key);
	spire_certs_done(&pair->chain);
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

static int take_key(struct spire_key_pair *pair, const struct spire_pem_block *block, struct spire_problems *problems,
		    struct err *err)
{
	pair->key_label = block->label;
	if (block->encrypted || spire_pem_is(block, "ENCRYPTED PRIVATE KEY")) {
		spire_problem(problems, ERR_CREDENTIAL,
			      "the private key is encrypted, and nobody is there to type a passphrase: store it plain");
		return 0;
	}
	struct err cause = { 0 };
	if (spire_pem_decode(block, &pair->key_der, &cause) < 0)
		return note(problems, &cause, "the private key", err);
	pair->key = parse_key(&pair->key_der);
	if (!pair->key)
		spire_problem(problems, ERR_CREDENTIAL, "the private key is no PKCS#8, PKCS#1 or SEC1 key");
	return 0;
}

static int load_key(struct bytes text, struct spire_key_pair *pair, struct spire_problems *problems, struct err *err)
{
	struct spire_pem walk = SPIRE_PEM_WALK(text);
	struct err cause = { 0 };
	for (bool found = true; found;) {
		struct spire_pem_block block;
		if (spire_pem_next(&walk, &block, &found, &cause) < 0)
			return note(problems, &cause, "the private key's text", err);
		if (found && spire_pem_is_key(&block))
			return take_key(pair, &block, problems, err);
	}
	spire_problem(problems, ERR_CREDENTIAL, "no private key (a PEM block 'PRIVATE KEY') is in the key's text");
	return 0;
}

static int load_chain(struct bytes text, struct spire_key_pair *pair, struct spire_problems *problems, struct err *err)
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
		if (spire_pem_is(&block, "CERTIFICATE") && spire_certs_add(&pair->chain, &block, &cause) < 0)
			return note(problems, &cause, "the certificate chain", err);
	}
	if (pair->chain.count == 0)
		spire_problem(problems, ERR_CREDENTIAL,
			      "no certificate (a PEM block 'CERTIFICATE') is in the chain's text");
	return 0;
}

int spire_key_pair_load(struct bytes key, struct bytes chain, struct spire_key_pair *pair,
			struct spire_problems *problems, struct err *err)
{
	if (key.len > SPIRE_CREDENTIAL_MAX || chain.len > SPIRE_CREDENTIAL_MAX)
		return err_set(err, ERR_CREDENTIAL, "larger than %u bytes", SPIRE_CREDENTIAL_MAX);
	if (load_key(key, pair, problems, err) < 0)
		return -1;
	return load_chain(chain.len > 0 ? chain : key, pair, problems, err);
}
