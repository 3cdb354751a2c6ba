/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at certificates that were made earlier. They lay in the operator's directory meanwhile, where steps are cut
 * off and files are put back by hand: must never take for a pair what is none.
 */
#include "spire/issue.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "spire/chain.h"
#include "spire/key_pair.h"

static bool has_cn(const X509 *cert, const char *cn)
{
	char found[128];
	int len = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, found, sizeof(found));
	return len > 0 && (size_t)len == strlen(cn) && memcmp(found, cn, (size_t)len) == 0;
}

static void free_names(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
}

static bool has_class(const X509 *cert, const struct spire_issue *issue)
{
	CLEANUP(free_names) GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char wanted[1024];
	bool found = false;
	int len = snprintf(wanted, sizeof(wanted), "x509pop://%s/class/%s", issue->trust_domain, issue->class_name);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI || ASN1_STRING_length(name->d.uniformResourceIdentifier) != len)
			continue;
		found = found ||
			memcmp(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier), wanted, (size_t)len) == 0;
	}
	ERR_clear_error();
	return found;
}

static int check_kind(X509 *cert, const struct spire_issue *issue, struct err *err)
{
	bool ca = issue->kind != SPIRE_ISSUE_LEAF;
	char subject[256];
	if (spire_cert_is_ca(cert) != ca)
		return err_set(err, ERR_CONFIG, "is %s, not %s", ca ? "a leaf" : "a CA", ca ? "a CA" : "a leaf");
	spire_cert_subject(cert, subject, sizeof(subject));
	if (!has_cn(cert, issue->cn))
		return err_set(err, ERR_CONFIG, "is of '%s', not of 'CN=%s'", subject, issue->cn);
	if (!ca && !has_class(cert, issue))
		return err_set(err, ERR_CONFIG, "is not for class '%s' in trust domain '%s'", issue->class_name,
			       issue->trust_domain);
	return 0;
}

static bool is_signed_by(X509 *cert, X509 *signer)
{
	bool good = spire_cert_names_match(cert, signer) && X509_verify(cert, X509_get0_pubkey(signer)) == 1;
	ERR_clear_error();
	return good;
}

/* Each by the next one, the last by the root, which may stand there itself. */
static int check_signatures(const struct spire_certs *chain, X509 *root, struct err *err)
{
	char subject[256], signer_subject[256];
	for (size_t i = 0; i < chain->count; i++) {
		X509 *signer = i + 1 < chain->count ? chain->list[i + 1] : root;
		if (is_signed_by(chain->list[i], signer))
			continue;
		spire_cert_subject(chain->list[i], subject, sizeof(subject));
		spire_cert_subject(signer, signer_subject, sizeof(signer_subject));
		return err_set(err, ERR_CREDENTIAL, "'%s' is not signed by the key of '%s' that stands above it",
			       subject, signer_subject);
	}
	return 0;
}

static int check_above(const struct spire_issue *issue, const struct spire_certs *chain, struct bytes root_pem,
		       struct err *err)
{
	struct spire_problems problems = SPIRE_PROBLEMS_INIT;
	struct spire_key_pair root OWNED_KEY_PAIR = SPIRE_KEY_PAIR_INIT;
	if (issue->kind == SPIRE_ISSUE_ROOT)
		return check_signatures(chain, chain->list[0], err);
	if (spire_key_pair_load(bytes_of("", 0), root_pem, &root, &problems, err) < 0)
		return -1;
	if (root.chain.count == 0)
		return err_set(err, ERR_CREDENTIAL, "there is no root to compare it with");
	return check_signatures(chain, root.chain.list[0], err);
}

static int load_issued(const struct spire_issued *issued, struct spire_key_pair *ret_pair, struct err *err)
{
	struct spire_problems problems = SPIRE_PROBLEMS_INIT;
	struct bytes key = issued->key ? secret_bytes(issued->key) : bytes_of("", 0);
	if (spire_key_pair_load(key, issued->chain, ret_pair, &problems, err) < 0)
		return -1;
	if (ret_pair->chain.count == 0)
		return err_set(err, ERR_CREDENTIAL, "there is no certificate");
	if (issued->key && !ret_pair->key)
		return err_set(err, ERR_CREDENTIAL, "its key is none that can be read");
	return 0;
}

static int check_key(const struct spire_key_pair *pair, struct err *err)
{
	bool matches = !pair->key || EVP_PKEY_eq(pair->key, X509_get0_pubkey(pair->chain.list[0])) == 1;
	ERR_clear_error();
	return matches ? 0 : err_set(err, ERR_CREDENTIAL, "is not the certificate of the key beside it");
}

int spire_issue_check(const struct spire_issue *issue, const struct spire_issued *issued, time_t *ret_until,
		      struct err *err)
{
	struct spire_key_pair pair OWNED_KEY_PAIR = SPIRE_KEY_PAIR_INIT;
	char when[SPIRE_TIME_TEXT];
	time_t from, until;
	if (load_issued(issued, &pair, err) < 0)
		return -1;
	if (spire_cert_window(pair.chain.list[0], &from, &until) < 0)
		return err_set(err, ERR_CREDENTIAL, "its validity makes no sense");
	if (check_kind(pair.chain.list[0], issue, err) < 0 || check_key(&pair, err) < 0 ||
	    check_above(issue, &pair.chain, issued->root, err) < 0)
		return -1;
	*ret_until = until;
	return until > issue->now ? 0 : err_set(err, ERR_CREDENTIAL, "ended at %s", spire_time_text(when, until));
}
