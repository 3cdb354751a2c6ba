/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which KBS, and as whom. All of it is the operator's own word. Must not ask the KBS anything before
 * the key could be read.
 */
#include "ctl/kbs_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/http.h"
#include "base/log.h"
#include "ctl/input.h"
#include "ctl/material.h"
#include "ctl/progress.h"

#define TIMEOUT_SECONDS 60
#define TIMEOUT_MOST 86400

void kbs_target_done(struct kbs_target *target)
{
	kbs_admin_close(target->admin);
	admin_key_free(target->key);
	buf_done(&target->url);
	buf_done(&target->ca);
}

int kbs_target_timeout(const struct cli_args *args, struct deadline *ret_deadline, struct err *err)
{
	const char *text = cli_value(args, "--timeout", NULL);
	char *end = NULL;
	long seconds = text ? strtol(text, &end, 10) : TIMEOUT_SECONDS;
	if (text && (*end || seconds < 1 || seconds > TIMEOUT_MOST))
		return err_set(err, ERR_USAGE, "option '--timeout': '%s' is not a number from 1 to %d", text,
			       TIMEOUT_MOST);
	*ret_deadline = deadline_in(seconds * 1000);
	return 0;
}

static int read_ca(const char *path, bool tls, struct buf *ret_ca, struct err *err)
{
	if (!tls)
		return path ? err_set(err, ERR_USAGE, "'--ca' is for https; the URL says http") : 0;
	if (!path)
		return err_set(err, ERR_USAGE,
			       "https wants '--ca FILE': the system's CAs are not asked, whoever one of them certifies "
			       "could receive what is sent");
	if (input_read(path, ret_ca, err) < 0 || http_check_ca(buf_bytes(ret_ca), err) < 0)
		return err_wrap(err, "option '--ca'");
	return 0;
}

/* "localhost", or a number of the loopback net: nobody is in between. */
static bool is_loopback(const char *url)
{
	static const char *const hosts[] = { "http://localhost", "http://[::1]" };
	const char *digits = url + strlen("http://127.");
	if (strncmp(url, "http://127.", strlen("http://127.")) == 0) {
		digits += strspn(digits, "0123456789.");
		return strchr(":/", *digits) != NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (strncmp(url, hosts[i], strlen(hosts[i])) == 0 && strchr(":/", url[strlen(hosts[i])]))
			return true;
	return false;
}

static void warn_of_plain(const char *url)
{
	log_warning("'%s' has no TLS: whoever is in between sees and changes what is sent", url);
}

static int read_url(const char *url, const char *ca, struct kbs_target *ret_target, struct err *err)
{
	bool tls = false;
	if (http_check_url(url, &tls, err) < 0)
		return err_wrap(err, "option '--url'");
	if (read_ca(ca, tls, &ret_target->ca, err) < 0)
		return -1;
	if (!tls && !is_loopback(url))
		warn_of_plain(url);
	return buf_append_text(&ret_target->url, url, err);
}

/* The URL at which guests, or administrators, find the deployment's KBS, and its CA. */
static int read_deployment(const struct deployment *deployment, bool admin, struct kbs_target *ret_target,
			   struct err *err)
{
	struct buf path OWNED_BUF = BUF_INIT(8192);
	const char *url = admin && deployment->kbs_admin_url ? deployment->kbs_admin_url : deployment->kbs_url;
	if (buf_append_text(&ret_target->url, url, err) < 0)
		return -1;
	if (strncmp(url, "https:", strlen("https:")) != 0) {
		warn_of_plain(url);
		return 0;
	}
	if (!deployment->kbs_ca_file)
		return err_set(err, ERR_CONFIG, "'%s': kbs.ca_file: is missing, and '%s' wants one", deployment->path,
			       url);
	if (deployment_path(deployment, deployment->kbs_ca_file, &path, err) < 0 ||
	    input_read(buf_text(&path), &ret_target->ca, err) < 0)
		return -1;
	if (http_check_ca(buf_bytes(&ret_target->ca), err) < 0)
		return err_wrap(err, "'%s'", buf_text(&path));
	return 0;
}

/* Either '--url' and what goes with it, or a deployment, which is the one of this directory where none is named. */
static int check_target(const struct cli_args *args, const char *with_url, struct err *err)
{
	bool deployment = cli_given(args, "--deployment") || cli_given(args, "--out");
	if (cli_given(args, "--url") && deployment)
		return err_set(err, ERR_USAGE,
			       "'--url' and '--deployment' (or '--out') exclude each other: give '--url' with %s, or a "
			       "deployment, which has its own",
			       with_url);
	if (cli_given(args, "--url"))
		return 0;
	if (cli_given(args, "--ca"))
		return err_set(err, ERR_USAGE, "'--ca' goes with '--url': the deployment has its own");
	if (!cli_given(args, "--deployment") && access("deployment.toml", F_OK) < 0)
		return err_set(err, ERR_USAGE,
			       "which KBS? There is no 'deployment.toml' here; give '--deployment', or '--url' with %s",
			       with_url);
	return 0;
}

int kbs_target_read(const struct cli_args *args, struct kbs_target *ret_target, struct err *err)
{
	struct workspace workspace OWNED_WORKSPACE = WORKSPACE_INIT;
	const char *url = cli_value(args, "--url", NULL);
	if (check_target(args, "'--ca'", err) < 0)
		return -1;
	if (http_setup(err) < 0 || kbs_target_timeout(args, &ret_target->deadline, err) < 0)
		return -1;
	if (url)
		return read_url(url, cli_value(args, "--ca", NULL), ret_target, err);
	if (workspace_read(args, &workspace, err) < 0)
		return -1;
	return read_deployment(&workspace.deployment, false, ret_target, err);
}

/* Whoever can read it administrates the KBS. */
static void warn_if_open(const char *path)
{
	struct stat st;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		log_warning("others can read the admin key '%s': chmod 600", path);
}

static int read_key(const char *path, struct admin_key **ret_key, struct err *err)
{
	struct secret pem OWNED_SECRET = SECRET_INIT;
	if (!path)
		return err_set(err, ERR_USAGE, "'--admin-key' is missing, which '--url' wants beside it");
	if (input_read_secret(path, 65536, &pem, err) < 0)
		return err_wrap(err, "admin key");
	warn_if_open(path);
	if (admin_key_read(secret_bytes(&pem), ret_key, err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}

static int open_admin(struct kbs_target *target, const char *role, struct err *err)
{
	target->options = (struct kbs_admin_options){ .url = buf_text(&target->url),
						      .ca_pem = buf_bytes(&target->ca),
						      .key = target->key,
						      .role = role,
						      .deadline = target->deadline };
	progress_say("asking the KBS");
	return kbs_admin_open(&target->options, &target->admin, err);
}

static int read_out_key(const struct out *out, const char *name, struct admin_key **ret_key, struct err *err)
{
	struct secret pem OWNED_SECRET = SECRET_INIT;
	if (out_read_private(out, name, &pem, err) < 0)
		return err_wrap(err, "run 'sealpodctl build' first");
	return admin_key_read(secret_bytes(&pem), ret_key, err);
}

static int open_as(const struct cli_args *args, const struct deployment *deployment, struct kbs_target *ret_target,
		   struct err *err)
{
	if (http_setup(err) < 0 || kbs_target_timeout(args, &ret_target->deadline, err) < 0 ||
	    read_deployment(deployment, true, ret_target, err) < 0)
		return -1;
	if (deployment->generation == TRUSTEE_1_0 && strcmp(admin_key_alg(ret_target->key), "EdDSA") != 0)
		return err_set(err, ERR_CONFIG, "a KBS of generation 'trustee-1.0' takes an Ed25519 admin key only");
	return open_admin(ret_target, NULL, err);
}

int kbs_target_open_with_key(const struct cli_args *args, const struct deployment *deployment, const struct out *out,
			     const char *key, struct kbs_target *ret_target, struct err *err)
{
	if (read_out_key(out, key, &ret_target->key, err) < 0)
		return -1;
	return open_as(args, deployment, ret_target, err);
}

/* The key that deployment.toml names, or the one that build made. */
int kbs_target_open_deployment(const struct cli_args *args, const struct deployment *deployment, const struct out *out,
			       struct kbs_target *ret_target, struct err *err)
{
	struct buf path OWNED_BUF = BUF_INIT(8192);
	if (!deployment->kbs_admin_key_file)
		return kbs_target_open_with_key(args, deployment, out, MATERIAL_ADMIN_KEY, ret_target, err);
	if (deployment_path(deployment, deployment->kbs_admin_key_file, &path, err) < 0 ||
	    read_key(buf_text(&path), &ret_target->key, err) < 0)
		return -1;
	return open_as(args, deployment, ret_target, err);
}

static int open_by_deployment(const struct cli_args *args, struct kbs_target *ret_target, struct err *err)
{
	struct workspace workspace OWNED_WORKSPACE = WORKSPACE_INIT;
	struct out out OWNED_OUT = OUT_INIT;
	if (cli_given(args, "--admin-key") || cli_given(args, "--role"))
		return err_set(err, ERR_USAGE,
			       "'--admin-key' and '--role' go with '--url': the deployment has its own");
	if (workspace_read(args, &workspace, err) < 0 || out_open(buf_text(&workspace.out), &out, err) < 0)
		return -1;
	return kbs_target_open_deployment(args, &workspace.deployment, &out, ret_target, err);
}

int kbs_target_open_admin(const struct cli_args *args, struct kbs_target *ret_target, struct err *err)
{
	if (check_target(args, "'--admin-key' (and '--ca' for https)", err) < 0)
		return -1;
	if (!cli_given(args, "--url"))
		return open_by_deployment(args, ret_target, err);
	if (kbs_target_read(args, ret_target, err) < 0 ||
	    read_key(cli_value(args, "--admin-key", NULL), &ret_target->key, err) < 0)
		return -1;
	return open_admin(ret_target, cli_value(args, "--role", NULL), err);
}
