/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at delivered files as a workload would.
 *
 * The directory may be written to by others. All is read through one generation's
 * directory, so that an update in between cannot make good files look bad; what
 * there is the list that lies beside the files says, what there must be the
 * configuration. Must never say yes to something that it could not read.
 */
#include "agent/svid_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/svid_make.h"
#include "agent/svid_place_parts.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "spire/bundle.h"
#include "spire/jwt.h"

#define FILE_MAX (4u * 1024u * 1024u)

struct checker {
	const struct svid_settings *settings;
	int fd;
	int links; /* the directory of links to what is in fd, or -1 */
	time_t now;
	int64_t margin; /* seconds */
	struct svid_files files;
	struct buf bundle; /* of the own trust domain */
};

static int read_public(const struct checker *checker, const char *name, struct buf *out, struct err *err)
{
	if (file_read(checker->fd, name, out, err) == 0)
		return 0;
	if (err)
		err->code = ERR_MISSING;
	return -1;
}

static int read_secret(const struct checker *checker, const char *name, struct secret *out, struct err *err)
{
	struct stat st;
	int fd OWNED_FD = openat(checker->fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_MISSING, errno, "cannot open '%s'", name);
	if (!S_ISREG(st.st_mode) || st.st_size >= (off_t)SECRET_MAX)
		return err_set(err, ERR_CREDENTIAL, "'%s' is none of our files", name);
	if (secret_read_fd(out, fd, (size_t)st.st_size, err) < 0)
		return err_wrap(err, "'%s'", name);
	return 0;
}

static int check_pem(const struct checker *checker, struct bytes chain, const struct secret *key, const char *name,
		     struct err *err)
{
	time_t until = 0;
	if (spire_svid_verify_pem(chain, key, buf_bytes(&checker->bundle), checker->now, checker->margin, &until, err) <
	    0)
		return err_wrap(err, "'%s'", name);
	log_info("'%s' is valid for %lld s more", name, (long long)(until - checker->now));
	return 0;
}

static int no_file(const char *name, struct err *err)
{
	return err_set(err, ERR_MISSING, "'%s' is not there", name);
}

static int check_chain(const struct checker *checker, const struct svid_file *file, struct err *err)
{
	OWNED_BUF struct buf chain = BUF_INIT(FILE_MAX);
	OWNED_SECRET struct secret key = SECRET_INIT;
	const struct svid_file *key_file = svid_files_find_kind(&checker->files, SVID_KIND_KEY, file->index);
	if (!key_file)
		return no_file(checker->settings->key_file, err);
	if (read_public(checker, file->name, &chain, err) < 0 || read_secret(checker, key_file->name, &key, err) < 0)
		return -1;
	return check_pem(checker, buf_bytes(&chain), &key, file->name, err);
}

static int check_combined(const struct checker *checker, const struct svid_file *file, struct err *err)
{
	OWNED_SECRET struct secret both = SECRET_INIT;
	if (read_secret(checker, file->name, &both, err) < 0)
		return -1;
	return check_pem(checker, secret_bytes(&both), &both, file->name, err);
}

static int check_pkcs12(const struct checker *checker, const struct svid_file *file, struct err *err)
{
	OWNED_SECRET struct secret content = SECRET_INIT;
	OWNED_SECRET struct secret password = SECRET_INIT;
	if (!checker->settings->pkcs12_password_file)
		return 0; /* a later run was told of no such file, and will take it away */
	if (read_secret(checker, file->name, &content, err) < 0 ||
	    svid_make_password(checker->settings->pkcs12_password_file, &password, err) < 0)
		return -1;
	if (spire_svid_verify_pkcs12(&content, password.data, buf_bytes(&checker->bundle), checker->now,
				     checker->margin, err) < 0)
		return err_wrap(err, "'%s'", file->name);
	return 0;
}

static int check_bundle(const struct checker *checker, const struct svid_file *file, struct err *err)
{
	OWNED_BUF struct buf pem = BUF_INIT(FILE_MAX);
	OWNED_SPIRE_BUNDLE struct spire_bundle bundle = SPIRE_BUNDLE_INIT;
	if (read_public(checker, file->name, &pem, err) < 0)
		return -1;
	return spire_bundle_check(buf_bytes(&pem), checker->now, &bundle, err) < 0 ? err_wrap(err, "'%s'", file->name)
										   : 0;
}

/* A foreign trust domain may have no keys for tokens; where one file is asked for it is the own one's. */
static int check_jwks(const struct checker *checker, const struct svid_file *file, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(FILE_MAX);
	size_t keys = 0;
	if (read_public(checker, file->name, &text, err) < 0)
		return -1;
	if (spire_jwks_check(buf_bytes(&text), &keys, err) < 0)
		return err_wrap(err, "'%s'", file->name);
	if (keys == 0 && !strchr(checker->settings->jwt_bundle_file ? checker->settings->jwt_bundle_file : "", '{'))
		return err_set(err, ERR_CREDENTIAL, "'%s' holds no key", file->name);
	return 0;
}

static int check_content(const struct checker *checker, const struct secret *token, const char *name, struct err *err)
{
	struct bytes member;
	for (const char *at = checker->settings->jwt; svid_list_next(&at, &member);) {
		CLEANUP(svid_token_done) struct svid_token wanted = { .text = NULL };
		if (svid_token_parse(member, &wanted, err) < 0)
			return -1;
		if (strcmp(wanted.file, name) == 0)
			return spire_jwt_check_audiences(token, wanted.audiences, wanted.audience_count, err);
	}
	return 0;
}

static int check_token(const struct checker *checker, const struct svid_file *file, struct err *err)
{
	OWNED_SECRET struct secret token = SECRET_INIT;
	int64_t expires;
	if (read_secret(checker, file->name, &token, err) < 0)
		return -1;
	if (spire_jwt_expiry(&token, &expires, err) < 0 || check_content(checker, &token, file->name, err) < 0)
		return err_wrap(err, "'%s'", file->name);
	int64_t left = expires - checker->now;
	if (left <= 0)
		return err_set(err, ERR_CLOCK, "'%s' expired %lld s ago", file->name, (long long)-left);
	if (left < checker->margin)
		return err_set(err, ERR_CLOCK, "'%s' expires in %lld s, within the margin of %lld s", file->name,
			       (long long)left, (long long)checker->margin);
	return 0;
}

static int check_file(const struct checker *checker, const struct svid_file *file, struct err *err)
{
	static int (*const checks[])(const struct checker *, const struct svid_file *, struct err *) = {
		[SVID_KIND_CHAIN] = check_chain,       [SVID_KIND_KEY] = NULL,
		[SVID_KIND_COMBINED] = check_combined, [SVID_KIND_PKCS12] = check_pkcs12,
		[SVID_KIND_BUNDLE] = check_bundle,     [SVID_KIND_FEDERATED] = check_bundle,
		[SVID_KIND_JWKS] = check_jwks,	       [SVID_KIND_TOKEN] = check_token,
	};
	return checks[file->kind] ? checks[file->kind](checker, file, err) : 0;
}

/* A file of that name, or as many as there are where the name has braces. */
static int need(const struct checker *checker, enum svid_kind kind, const char *name, struct err *err)
{
	bool pattern = strchr(name, '{') != NULL;
	for (size_t i = 0; i < checker->files.count; i++) {
		const struct svid_file *file = &checker->files.list[i];
		if (file->kind == kind && (pattern || strcmp(file->name, name) == 0))
			return 0;
	}
	return no_file(name, err);
}

/* Each SVID has all of its files. */
static int need_each(const struct checker *checker, enum svid_kind kind, const char *name, struct err *err)
{
	for (size_t i = 0; i < checker->files.count; i++) {
		const struct svid_file *file = &checker->files.list[i];
		if (file->kind == SVID_KIND_CHAIN && !svid_files_find_kind(&checker->files, kind, file->index))
			return no_file(name, err);
	}
	return need(checker, kind, name, err);
}

static int need_tokens(const struct checker *checker, struct err *err)
{
	struct bytes member;
	for (const char *at = checker->settings->jwt; svid_list_next(&at, &member);) {
		CLEANUP(svid_token_done) struct svid_token token = { .text = NULL };
		if (svid_token_parse(member, &token, err) < 0 || need(checker, SVID_KIND_TOKEN, token.file, err) < 0)
			return -1;
	}
	return 0;
}

static int need_svids(const struct checker *checker, struct err *err)
{
	const struct svid_settings *settings = checker->settings;
	if (need(checker, SVID_KIND_CHAIN, settings->svid_file, err) < 0 ||
	    need_each(checker, SVID_KIND_KEY, settings->key_file, err) < 0 ||
	    (settings->combined_file && need_each(checker, SVID_KIND_COMBINED, settings->combined_file, err) < 0) ||
	    (settings->pkcs12_file && need_each(checker, SVID_KIND_PKCS12, settings->pkcs12_file, err) < 0))
		return -1;
	return 0;
}

static int need_all(const struct checker *checker, struct err *err)
{
	const struct svid_settings *settings = checker->settings;
	if (!settings->no_x509 && need(checker, SVID_KIND_BUNDLE, settings->bundle_file, err) < 0)
		return -1;
	if (!settings->no_x509 && !settings->bundles_only && need_svids(checker, err) < 0)
		return -1;
	if (settings->jwt_bundle_file && need(checker, SVID_KIND_JWKS, settings->jwt_bundle_file, err) < 0)
		return -1;
	return need_tokens(checker, err);
}

static int read_list(struct checker *checker, struct err *err)
{
	OWNED_BUF struct buf list = BUF_INIT(SECRET_MAX);
	if (faccessat(checker->fd, SVID_LIST, F_OK, 0) < 0)
		return err_set_errno(err, ERR_MISSING, errno, "nothing is delivered, not even '%s'",
				     checker->settings->no_x509 ? SVID_LIST : checker->settings->svid_file);
	if (read_public(checker, SVID_LIST, &list, err) < 0)
		return -1;
	return svid_files_parse_list(buf_bytes(&list), &checker->files, err) < 0 ? err_wrap(err, "'%s'", SVID_LIST) : 0;
}

static int read_bundle(struct checker *checker, struct err *err)
{
	return checker->settings->no_x509 ? 0
					  : read_public(checker, checker->settings->bundle_file, &checker->bundle, err);
}

/* What programs open is the name in the directory itself. */
static int check_links(const struct checker *checker, struct err *err)
{
	for (size_t i = 0; checker->links >= 0 && i < checker->files.count; i++)
		if (!svid_links_is_ours(checker->links, checker->files.list[i].name))
			return err_set(err, ERR_MISSING, "'%s' is not the link to what was delivered",
				       checker->files.list[i].name);
	return 0;
}

static int check_all(struct checker *checker, struct err *err)
{
	if (read_list(checker, err) < 0 || check_links(checker, err) < 0 || need_all(checker, err) < 0 ||
	    read_bundle(checker, err) < 0)
		return -1;
	for (size_t i = 0; i < checker->files.count; i++)
		if (check_file(checker, &checker->files.list[i], err) < 0)
			return -1;
	return 0;
}

int svid_check(const struct svid_settings *settings, struct err *err)
{
	int dir OWNED_FD = open(settings->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set_errno(err, ERR_MISSING, errno, "cannot open '%s'", settings->directory);
	int generation OWNED_FD = settings->replace == SVID_REPLACE_FILES
					  ? -1
					  : openat(dir, SVID_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct checker checker = { .settings = settings,
				   .fd = generation >= 0 ? generation : dir,
				   .links = generation >= 0 ? dir : -1,
				   .now = time(NULL),
				   .margin = settings->margin_ms / 1000,
				   .bundle = BUF_INIT(FILE_MAX) };
	int rc = check_all(&checker, err);
	svid_files_done(&checker.files);
	buf_done(&checker.bundle);
	return rc < 0 ? err_wrap(err, "'%s'", settings->directory) : 0;
}
