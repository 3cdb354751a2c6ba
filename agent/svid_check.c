/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at delivered files as a workload would.
 *
 * The directory may be written to by others. All is read through one generation's
 * directory, so that an update in between cannot make good files look bad. Must
 * never say yes to something that it could not read.
 */
#include "agent/svid_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "spire/svid.h"

#define FILE_MAX (4u * 1024u * 1024u)

struct checker {
	const struct svid_settings *settings;
	int fd;
	time_t now;
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
	int fd OWNED_FD = openat(checker->fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set_errno(err, ERR_MISSING, errno, "cannot open '%s'", name);
	if (secret_read_fd(out, fd, SECRET_MAX - 1, err) < 0)
		return err_wrap(err, "'%s'", name);
	return 0;
}

static int check_pair(const struct checker *checker, const char *chain_name, const char *key_name, struct err *err)
{
	struct buf chain OWNED_BUF = BUF_INIT(FILE_MAX);
	struct buf bundle OWNED_BUF = BUF_INIT(FILE_MAX);
	struct secret key OWNED_SECRET = SECRET_INIT;
	time_t until = 0;
	int64_t margin = checker->settings->margin_ms / 1000;
	if (read_public(checker, chain_name, &chain, err) < 0 || read_secret(checker, key_name, &key, err) < 0 ||
	    read_public(checker, checker->settings->bundle_file, &bundle, err) < 0)
		return -1;
	if (spire_svid_verify_pem(buf_bytes(&chain), &key, buf_bytes(&bundle), checker->now, margin, &until, err) < 0)
		return err_wrap(err, "'%s'", chain_name);
	log_info("'%s' is valid for %lld s more", chain_name, (long long)(until - checker->now));
	return 0;
}

/* "svid-{hint}.pem" as a pattern of fnmatch(3). */
static void pattern_of(const char *name, char *out, size_t size)
{
	size_t used = 0;
	while (*name && used + 2 < size) {
		if (*name == '{') {
			out[used++] = '*';
			name += strcspn(name, "}") + 1;
			continue;
		}
		if (strchr("*?[\\", *name))
			out[used++] = '\\';
		out[used++] = *name++;
	}
	out[used] = 0;
}

/* What stands in the braces of `from` for `name`, put into those of `to`. */
static int key_name_for(const char *from, const char *to, const char *name, char *out, size_t size)
{
	size_t head = strcspn(from, "{");
	const char *tail = from + head + strcspn(from + head, "}") + 1;
	size_t len = strlen(name);
	if (strchr(tail, '{') || len < head + strlen(tail))
		return -1;
	size_t to_head = strcspn(to, "{");
	const char *to_tail = to + to_head + strcspn(to + to_head, "}") + 1;
	int wanted = snprintf(out, size, "%.*s%.*s%s", (int)to_head, to, (int)(len - head - strlen(tail)), name + head,
			      to_tail);
	return wanted > 0 && (size_t)wanted < size && !strchr(to_tail, '{') ? 0 : -1;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int check_each(const struct checker *checker, struct err *err)
{
	const struct svid_settings *settings = checker->settings;
	char pattern[512];
	char key[512];
	unsigned found = 0;
	int again = openat(checker->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_dir) DIR *dir = again < 0 ? NULL : fdopendir(again);
	if (!dir)
		return err_set_errno(err, ERR_MISSING, errno, "cannot list '%s'", settings->directory);
	pattern_of(settings->svid_file, pattern, sizeof(pattern));
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0 ||
		    key_name_for(settings->svid_file, settings->key_file, entry->d_name, key, sizeof(key)) < 0 ||
		    faccessat(checker->fd, key, F_OK, 0) < 0)
			continue;
		found++;
		if (check_pair(checker, entry->d_name, key, err) < 0)
			return -1;
	}
	return found > 0 ? 0
			 : err_set(err, ERR_MISSING, "no file '%s' with its key in '%s'", settings->svid_file,
				   settings->directory);
}

static int check_token(const struct checker *checker, const char *name, struct err *err)
{
	struct secret token OWNED_SECRET = SECRET_INIT;
	int64_t issued;
	int64_t expires;
	if (read_secret(checker, name, &token, err) < 0)
		return -1;
	if (spire_jwt_window(&token, &issued, &expires, err) < 0)
		return err_wrap(err, "'%s'", name);
	int64_t left = expires - checker->now;
	if (left < checker->settings->margin_ms / 1000)
		return err_set(err, ERR_CLOCK, "'%s' expires in %lld s", name, (long long)left);
	return 0;
}

static int check_tokens(const struct checker *checker, struct err *err)
{
	struct bytes member;
	for (const char *at = checker->settings->jwt; svid_list_next(&at, &member);) {
		CLEANUP(svid_token_done) struct svid_token token = { .text = NULL };
		if (svid_token_parse(member, &token, err) < 0 || check_token(checker, token.file, err) < 0)
			return -1;
	}
	const char *jwks = checker->settings->jwt_bundle_file;
	if (jwks && !strchr(jwks, '{') && faccessat(checker->fd, jwks, R_OK, 0) < 0)
		return err_set_errno(err, ERR_MISSING, errno, "'%s'", jwks);
	return 0;
}

static int check_x509(const struct checker *checker, struct err *err)
{
	const struct svid_settings *settings = checker->settings;
	if (settings->no_x509)
		return 0;
	if (svid_settings_all(settings))
		return check_each(checker, err);
	if (check_pair(checker, settings->svid_file, settings->key_file, err) < 0)
		return -1;
	if (settings->combined_file && faccessat(checker->fd, settings->combined_file, R_OK, 0) < 0)
		return err_set_errno(err, ERR_MISSING, errno, "'%s'", settings->combined_file);
	return 0;
}

int svid_check(const struct svid_settings *settings, struct err *err)
{
	int dir OWNED_FD = open(settings->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set_errno(err, ERR_MISSING, errno, "cannot open '%s'", settings->directory);
	int generation OWNED_FD = settings->replace == SVID_REPLACE_FILES
					  ? -1
					  : openat(dir, "..data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct checker checker = { .settings = settings,
					 .fd = generation >= 0 ? generation : dir,
					 .now = time(NULL) };
	if (check_x509(&checker, err) < 0 || check_tokens(&checker, err) < 0)
		return err_wrap(err, "'%s'", settings->directory);
	return 0;
}
