/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One trial of a credential: the texts, and what came of them. For the tests of
 * spire/credential and of spire/chain, which is reached through it.
 */
#ifndef SEALPOD_TESTS_TRIAL_H
#define SEALPOD_TESTS_TRIAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/wipe.h"
#include "pki.h"
#include "spire/credential.h"

static struct pki_node root;
static struct pki_node middle; /* issued by root */

/* The texts of a trial, and what came of it. */
struct trial {
	struct buf key;
	struct buf chain;
	struct spire_credential got;
	struct err err;
	int rc;
};

#define TRIAL_INIT                                                                                                     \
	{                                                                                                              \
		.key = BUF_INIT(1 << 20), .chain = BUF_INIT(1 << 20), .rc = 1                                          \
	}

static inline void trial_done(struct trial *trial)
{
	buf_done(&trial->key);
	buf_done(&trial->chain);
	spire_credential_done(&trial->got);
}
#define OWNED_TRIAL CLEANUP(trial_done)

static inline void run_at(struct trial *trial, time_t now)
{
	struct secret key OWNED_SECRET = SECRET_INIT;
	pki_secret(&trial->key, &key);
	trial->rc = spire_credential_check(&key, buf_bytes(&trial->chain), now, &trial->got, &trial->err);
}

static inline void run(struct trial *trial)
{
	run_at(trial, PKI_NOW);
}

static inline void expect_good(const struct trial *trial)
{
	if (trial->rc != 0)
		fail_msg("refused: %s", trial->err.message);
}

static inline void expect_refused(const struct trial *trial, enum err_code code, const char *part)
{
	assert_int_equal(trial->rc, -1);
	if (!strstr(trial->err.message, part))
		fail_msg("'%s' does not say '%s'", trial->err.message, part);
	assert_int_equal(trial->err.code, code);
	assert_null(trial->got.pem.data);
}

/* The leaf with its key, and its issuer unless NULL. */
static inline void fill(struct trial *trial, const struct pki_node *leaf, const struct pki_node *issuer)
{
	pki_key_pem(leaf->key, PKI_PKCS8, &trial->key);
	pki_cert_pem(leaf, &trial->chain);
	if (issuer)
		pki_cert_pem(issuer, &trial->chain);
}

static inline int make_cas(void **state)
{
	(void)state;
	struct err err = { 0 };
	wipe_install();
	assert_int_equal(secret_setup(&err), 0);
	root = pki_ca("root", NULL);
	middle = pki_ca("middle", &root);
	return 0;
}

static inline int drop_cas(void **state)
{
	(void)state;
	pki_node_done(&root);
	pki_node_done(&middle);
	return 0;
}

#endif
