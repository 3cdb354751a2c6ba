/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl keygen`, `sealpodctl issue root|issuer|leaf`: single keys and certificates. Private
 * keys go into 0600 files that are never overwritten, and nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/sheet.h"
#include "ctl/out.h"
#include "ctl/verbs.h"
#include "spire/issue.h"

#define PATH_SIZE 4096
#define PEM_MAX 65536

/* Neither file may be there: half a pair would be worse than none. */
static int write_pair(const char *key_path, const struct secret *key, const char *public_path, struct bytes public,
		      struct err *err)
{
	if (access(key_path, F_OK) == 0 || access(public_path, F_OK) == 0)
		return err_set(err, ERR_CONFIG, "'%s' or '%s' is there already; keys are not overwritten", key_path,
			       public_path);
	int fd = open(key_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot make '%s'", key_path);
	int rc = file_write_fd(fd, secret_bytes(key), err);
	if (fsync(fd) < 0 && rc == 0)
		rc = err_set_errno(err, ERR_SYSTEM, errno, "'%s'", key_path);
	(void)close(fd);
	fd = rc == 0 ? open(public_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
	if (rc == 0 && fd < 0)
		rc = err_set_errno(err, ERR_CONFIG, errno, "cannot make '%s'", public_path);
	else if (rc == 0)
		rc = file_write_fd(fd, public, err);
	if (fd >= 0)
		(void)close(fd);
	if (rc < 0) {
		(void)unlink(key_path);
		if (fd >= 0)
			(void)unlink(public_path);
	}
	return rc;
}

static int path_with(char path[PATH_SIZE], const char *stem, const char *ending, struct err *err)
{
	int len = snprintf(path, PATH_SIZE, "%s%s", stem, ending);
	if (len < 0 || len >= PATH_SIZE)
		return err_set(err, ERR_USAGE, "'%.40s...' is too long for a path", stem);
	return 0;
}

/* What was made. A certificate's fingerprint is what SPIRE's selectors know it by. */
static int tell(const struct cli_args *args, const char *key_path, const char *public_key, const char *public_path,
		const struct buf *chain, struct err *err)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	char fingerprint[41];
	if (chain && spire_issue_fingerprint(buf_bytes(chain), fingerprint, err) < 0)
		return -1;
	if (!cli_given(args, "--json")) {
		(void)printf("%s\n%s\n", key_path, public_path);
		return 0;
	}
	sheet_start(&sheet, true);
	sheet_text(&sheet, "key", NULL, "%s", key_path);
	sheet_text(&sheet, public_key, NULL, "%s", public_path);
	if (chain)
		sheet_text(&sheet, "fingerprint", NULL, "%s", fingerprint);
	return sheet_print(&sheet, err);
}

static int run_keygen(const struct cli_args *args, struct err *err)
{
	const char *path = cli_operand(args, 0);
	const char *type = cli_value(args, "--type", "p256");
	const char *kid = cli_value(args, "--jwk", NULL);
	struct secret key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf public = BUF_INIT(PEM_MAX);
	OWNED_BUF struct buf jwk = BUF_INIT(PEM_MAX);
	char public_path[PATH_SIZE];
	bool is_p256 = strcmp(type, "p256") == 0;
	if (!is_p256 && strcmp(type, "ed25519") != 0)
		return err_set(err, ERR_USAGE, "'%s' is no type of key; use 'p256' or 'ed25519'", type);
	if (kid && !is_p256)
		return err_set(err, ERR_USAGE, "'--jwk' is for ES256, so for '--type p256' alone");
	if (kid && strpbrk(kid, "\"\\"))
		return err_set(err, ERR_USAGE, "a kid with quotes or backslashes is not taken");
	if (path_with(public_path, path, kid ? ".jwk" : ".pub", err) < 0 ||
	    spire_key_generate(is_p256 ? SPIRE_KEY_P256 : SPIRE_KEY_ED25519, &key, &public, err) < 0 ||
	    (kid && spire_key_jwk(buf_bytes(&public), kid, &jwk, err) < 0) ||
	    write_pair(path, &key, public_path, buf_bytes(kid ? &jwk : &public), err) < 0)
		return -1;
	return tell(args, path, kid ? "jwk" : "public_key", public_path, NULL, err);
}

static int days_of(const struct cli_args *args, int64_t *ret_days, struct err *err)
{
	const char *text = cli_value(args, "--days", "0");
	char *end;
	long days = strtol(text, &end, 10);
	if (*end || end == text || days < 0 || (days == 0 && cli_given(args, "--days")))
		return err_set(err, ERR_USAGE, "option '--days': '%s' is no number of days", text);
	*ret_days = days;
	return 0;
}

static int read_ca(const struct cli_args *args, struct secret *key, struct buf *chain, struct err *err)
{
	char path[PATH_SIZE];
	const char *stem = cli_value(args, "--ca", NULL);
	if (!stem)
		return err_set(err, ERR_USAGE, "'%s' wants --ca, the stem of the CA's files",
			       cli_verb_name(args->verb).text);
	if (path_with(path, stem, ".key", err) < 0 || out_read_secret_file(path, key, err) < 0 ||
	    path_with(path, stem, ".pem", err) < 0)
		return -1;
	return file_read(AT_FDCWD, path, chain, err);
}

static int issue(const struct cli_args *args, struct spire_issue *wish, struct err *err)
{
	const char *stem = cli_operand(args, 0);
	struct secret ca_key OWNED_SECRET = SECRET_INIT;
	struct secret key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf ca_chain = BUF_INIT(PEM_MAX);
	OWNED_BUF struct buf chain = BUF_INIT(PEM_MAX);
	char key_path[PATH_SIZE], chain_path[PATH_SIZE];
	const char *slash = strrchr(stem, '/');
	wish->cn = cli_value(args, "--cn", slash ? slash + 1 : stem);
	wish->now = time(NULL);
	if (days_of(args, &wish->days, err) < 0 ||
	    (wish->kind != SPIRE_ISSUE_ROOT && read_ca(args, &ca_key, &ca_chain, err) < 0) ||
	    path_with(key_path, stem, ".key", err) < 0 || path_with(chain_path, stem, ".pem", err) < 0 ||
	    spire_issue(wish, &ca_key, buf_bytes(&ca_chain), &key, &chain, err) < 0 ||
	    write_pair(key_path, &key, chain_path, buf_bytes(&chain), err) < 0)
		return -1;
	return tell(args, key_path, "certificate", chain_path, &chain, err);
}

static int run_root(const struct cli_args *args, struct err *err)
{
	return issue(args, &(struct spire_issue){ .kind = SPIRE_ISSUE_ROOT }, err);
}

static int run_issuer(const struct cli_args *args, struct err *err)
{
	return issue(args, &(struct spire_issue){ .kind = SPIRE_ISSUE_ISSUER }, err);
}

static int run_leaf(const struct cli_args *args, struct err *err)
{
	struct spire_issue wish = {
		.kind = SPIRE_ISSUE_LEAF,
		.trust_domain = cli_value(args, "--trust-domain", NULL),
		.class_name = cli_value(args, "--class", NULL),
	};
	if (!wish.trust_domain || !wish.class_name)
		return err_set(err, ERR_USAGE, "'issue leaf' wants --trust-domain and --class");
	return issue(args, &wish, err);
}

#define JSON_OPTION                                                                                                    \
	{                                                                                                              \
		.name = "--json", .text = "print one JSON object"                                                      \
	}

static const struct cli_option keygen_options[] = {
	{ .name = "--type", .value = "TYPE", .text = "'p256' (default) or 'ed25519'", .values = "p256 ed25519" },
	{ .name = "--jwk", .value = "KID", .text = "write the public half as a JWK of this kid, to FILE.jwk" },
	JSON_OPTION,
	{ .name = NULL },
};

#define CN_OPTION                                                                                                      \
	{                                                                                                              \
		.name = "--cn", .value = "NAME", .text = "common name; default: the last part of STEM"                 \
	}
#define DAYS_OPTION                                                                                                    \
	{                                                                                                              \
		.name = "--days", .value = "N", .text = "days of life; default: root 3650, issuer 365, leaf 90"        \
	}
#define CA_OPTION                                                                                                      \
	{                                                                                                              \
		.name = "--ca", .value = "STEM", .text = "the CA that signs: STEM.key and STEM.pem"                    \
	}

static const struct cli_option root_options[] = { CN_OPTION, DAYS_OPTION, JSON_OPTION, { .name = NULL } };
static const struct cli_option issuer_options[] = { CN_OPTION, DAYS_OPTION, CA_OPTION, JSON_OPTION, { .name = NULL } };
static const struct cli_option leaf_options[] = {
	CN_OPTION,
	DAYS_OPTION,
	CA_OPTION,
	{ .name = "--trust-domain", .value = "TD", .text = "of the URI SANs" },
	{ .name = "--class", .value = "NAME", .text = "the workload class that the leaf stands for" },
	JSON_OPTION,
	{ .name = NULL },
};

const struct cli_verb verb_keygen = {
	.words = { "keygen" },
	.operands = "FILE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "make a key pair: FILE (0600) and FILE.pub",
	.options = keygen_options,
	.run = run_keygen,
};

const struct cli_verb verb_issue_root = {
	.words = { "issue", "root" },
	.operands = "STEM",
	.min_operands = 1,
	.max_operands = 1,
	.text = "make a root CA for x509pop: STEM.key (0600) and STEM.pem",
	.options = root_options,
	.run = run_root,
};

const struct cli_verb verb_issue_issuer = {
	.words = { "issue", "issuer" },
	.operands = "STEM",
	.min_operands = 1,
	.max_operands = 1,
	.text = "make an issuer below a root, for VMs that mint their credential",
	.options = issuer_options,
	.run = run_issuer,
};

const struct cli_verb verb_issue_leaf = {
	.words = { "issue", "leaf" },
	.operands = "STEM",
	.min_operands = 1,
	.max_operands = 1,
	.text = "make a leaf below an issuer or a root, for VMs that fetch their credential",
	.options = leaf_options,
	.run = run_leaf,
};
