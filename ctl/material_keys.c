/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key pairs without a certificate: the KBS administrator's, and that of sealed secrets. The public half is what can be
 * read out of the key. Must never make a key anew, nor take a public half that is another key's.
 */
#include <string.h>

#include "ctl/material_parts.h"
#include "ctl/resources.h"

#define PUBLIC_MAX 65536
#define SEALED_KEY "sealed-secret.key"
#define SEALED_PUBLIC "sealed-secret.jwk"

static int look_for_key(const struct out *out, const char *key, const char *public, bool *ret_there, struct err *err)
{
	*ret_there = out_has(out, key);
	if (*ret_there || !out_has(out, public))
		return 0;
	return err_set(err, ERR_CONFIG, "'%s/%s' is there without '%s': put the key back, or move this away, too",
		       out->path, public, key);
}

static int read_public(const struct out *out, const char *key_name, struct buf *ret_public, struct err *err)
{
	struct secret key OWNED_SECRET = SECRET_INIT;
	if (out_read_private(out, key_name, &key, err) < 0)
		return -1;
	if (spire_key_public(&key, ret_public, err) < 0)
		return err_wrap(err, "'%s/%s'", out->path, key_name);
	return 0;
}

static int is_another(const struct out *out, const char *key, const char *public, struct err *err)
{
	return err_set(err, ERR_CREDENTIAL,
		       "'%s/%s' is not the public half of '%s': put the files back that belong together; without the "
		       "public half, build writes it anew",
		       out->path, public, key);
}

/* --- the KBS administrator's --- */

/* It is missing where the build that made the key was cut off. */
static int look_at_admin_public(struct out *out, const char *key_name, const char *public_name, struct err *err)
{
	OWNED_BUF struct buf public = BUF_INIT(PUBLIC_MAX);
	OWNED_BUF struct buf found = BUF_INIT(PUBLIC_MAX);
	if (read_public(out, key_name, &public, err) < 0)
		return -1;
	if (!out_has(out, public_name))
		return out_write(out, public_name, buf_bytes(&public), err);
	if (out_read(out, public_name, &found, err) < 0)
		return -1;
	if (strcmp(buf_text(&public), buf_text(&found)) != 0)
		return is_another(out, key_name, public_name, err);
	return 0;
}

int material_make_admin_key(struct out *out, const char *key_name, const char *public_name, struct err *err)
{
	bool there;
	struct secret key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf public = BUF_INIT(PUBLIC_MAX);
	if (look_for_key(out, key_name, public_name, &there, err) < 0)
		return -1;
	if (there)
		return look_at_admin_public(out, key_name, public_name, err);
	if (spire_key_generate(SPIRE_KEY_ED25519, &key, &public, err) < 0 ||
	    out_write_private(out, key_name, secret_bytes(&key), err) < 0)
		return -1;
	return out_write(out, public_name, buf_bytes(&public), err);
}

/* --- that of sealed secrets --- */

/* What is behind the kid. */
static const char *coordinates(const struct buf *jwk)
{
	return strstr(buf_text(jwk), ",\"x\":\"");
}

/* The kid is where the public half is at the KBS, so it follows the repository's name. */
static int write_jwk(const struct deployment *d, struct out *out, struct bytes public, struct err *err)
{
	OWNED_BUF struct buf kid = BUF_INIT(PUBLIC_MAX);
	OWNED_BUF struct buf jwk = BUF_INIT(PUBLIC_MAX);
	OWNED_BUF struct buf found = BUF_INIT(PUBLIC_MAX);
	if (buf_printf(&kid, err, "kbs:///%s/%s", d->repository, RESOURCES_SIGNING_KEY) < 0)
		return -1;
	if (spire_key_jwk(public, buf_text(&kid), &jwk, err) < 0)
		return err_wrap(err, "'%s/" SEALED_KEY "'", out->path);
	if (out_has(out, SEALED_PUBLIC)) {
		if (out_read(out, SEALED_PUBLIC, &found, err) < 0)
			return -1;
		if (strcmp(buf_text(&found), buf_text(&jwk)) == 0)
			return 0;
		const char *there = coordinates(&found);
		if (!there || strcmp(there, coordinates(&jwk)) != 0)
			return is_another(out, SEALED_KEY, SEALED_PUBLIC, err);
	}
	return out_write(out, SEALED_PUBLIC, buf_bytes(&jwk), err);
}

int material_make_sealed_key(const struct deployment *d, struct out *out, struct err *err)
{
	bool there;
	struct secret key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf public = BUF_INIT(PUBLIC_MAX);
	if (look_for_key(out, SEALED_KEY, SEALED_PUBLIC, &there, err) < 0)
		return -1;
	if (there) {
		if (read_public(out, SEALED_KEY, &public, err) < 0)
			return -1;
	} else if (spire_key_generate(SPIRE_KEY_P256, &key, &public, err) < 0 ||
		   out_write_private(out, SEALED_KEY, secret_bytes(&key), err) < 0) {
		return -1;
	}
	return write_jwk(d, out, buf_bytes(&public), err);
}
