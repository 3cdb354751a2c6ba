/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaching the SPIRE server that a deployment names. All paths are the operator's own. Must not ask a
 * server of another trust domain for anything but its name.
 */
#include <fcntl.h>

#include "base/file.h"
#include "base/http.h"
#include "ctl/entries.h"
#include "ctl/input.h"
#include "spire/server_api.h"

#define PEM_MAX (1u << 20)

static int read_text(const struct deployment *deployment, const char *path, struct buf *ret_text, struct err *err)
{
	OWNED_BUF struct buf whole = BUF_INIT(8192);
	if (deployment_path(deployment, path, &whole, err) < 0)
		return -1;
	return file_read(AT_FDCWD, buf_text(&whole), ret_text, err);
}

static int read_key(const struct deployment *deployment, const char *path, struct secret *ret_key, struct err *err)
{
	OWNED_BUF struct buf whole = BUF_INIT(8192);
	if (deployment_path(deployment, path, &whole, err) < 0)
		return -1;
	return input_read_secret(buf_text(&whole), 65536, ret_key, err);
}

static int check_domain(struct spire_server *server, const char *wanted, struct err *err)
{
	OWNED_BUF struct buf domain = BUF_INIT(4096);
	if (spire_server_trust_domain(server, &domain, err) < 0)
		return -1;
	if (bytes_equal_text(buf_bytes(&domain), wanted))
		return 0;
	return err_set(err, ERR_CONFIG, "the SPIRE server serves the trust domain '%s', not '%s'", buf_text(&domain),
		       wanted);
}

int entries_server_open(const struct deployment *deployment, const struct deadline *deadline,
			struct spire_server **ret_server, struct err *err)
{
	OWNED_BUF struct buf bundle = BUF_INIT(PEM_MAX);
	OWNED_BUF struct buf certificate = BUF_INIT(PEM_MAX);
	OWNED_SECRET struct secret key = SECRET_INIT;
	OWNED_SERVER struct spire_server *server = NULL;
	if (!deployment->api)
		return err_set(err, ERR_CONFIG,
			       "'%s' names no 'spire.api': which SPIRE server? (or take the entries to it by "
			       "'spire-server entry create -data')",
			       deployment->path);
	if (secret_setup(err) < 0 || http_setup(err) < 0)
		return -1;
	if ((deployment->api_bundle && read_text(deployment, deployment->api_bundle, &bundle, err) < 0) ||
	    (deployment->api_certificate &&
	     read_text(deployment, deployment->api_certificate, &certificate, err) < 0) ||
	    (deployment->api_key && read_key(deployment, deployment->api_key, &key, err) < 0))
		return -1;
	const struct spire_server_options options = {
		.address = deployment->api,
		.trust_domain = deployment->trust_domain,
		.bundle = buf_bytes(&bundle),
		.certificate = buf_bytes(&certificate),
		.key = &key,
		.deadline = *deadline,
	};
	if (spire_server_open(&options, &server, err) < 0 || check_domain(server, deployment->trust_domain, err) < 0)
		return err_wrap(err, "'%s'", deployment->api);
	*ret_server = TAKE_PTR(server);
	return 0;
}
