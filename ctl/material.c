/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the material of a deployment. Must never make a key anew that somebody may be using, nor
 * print one.
 */
#include "ctl/material.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/random.h"
#include "cdh-client/kbs.h"
#include "ctl/material_parts.h"
#include "ctl/resources.h"

#define PEM_MAX 65536
#define MATERIAL_NAME 512

static int make_certificate(const struct deployment_class *class, struct out *out, const char *dir, const char *ca_dir,
			    const struct spire_issue *issue, struct err *err)
{
	const char *stem = class ? class->name : MATERIAL_ROOT;
	struct material_name key_name = material_name(dir, stem, "key"), pem_name = material_name(dir, stem, "pem");
	struct secret key OWNED_SECRET = SECRET_INIT;
	struct secret ca_key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf chain = BUF_INIT(PEM_MAX);
	OWNED_BUF struct buf ca_chain = BUF_INIT(PEM_MAX);
	if (out_has(out, key_name.text) || out_has(out, pem_name.text))
		return material_look_at_certificate(class, out, dir, ca_dir, issue, err);
	if (ca_dir && (out_read_private(out, material_name(ca_dir, MATERIAL_ROOT, "key").text, &ca_key, err) < 0 ||
		       out_read(out, material_name(ca_dir, MATERIAL_ROOT, "pem").text, &ca_chain, err) < 0))
		return -1;
	if (spire_issue(issue, &ca_key, buf_bytes(&ca_chain), &key, &chain, err) < 0)
		return err_wrap(err, "certificate '%s'", stem);
	if (out_write_private(out, key_name.text, secret_bytes(&key), err) < 0)
		return -1;
	return out_write(out, pem_name.text, buf_bytes(&chain), err);
}

/* CNs are unique over deployments, whose names have no dot: they are part of agent ids. A certificate that takes
 * another's place has its CN, so that agents keep their ids. */
int material_make_certificate(const struct deployment *d, struct out *out, const struct deployment_class *class,
			      const char *dir, const char *ca_dir, time_t now, struct err *err)
{
	char cn[MATERIAL_NAME];
	struct spire_issue issue = { .kind = SPIRE_ISSUE_ROOT, .cn = cn, .now = now };
	(void)snprintf(cn, sizeof(cn), "%s.%s", d->name, class ? class->name : "root");
	if (!class)
		return make_certificate(NULL, out, dir, NULL, &issue, err);
	issue.kind = class->mint ? SPIRE_ISSUE_ISSUER : SPIRE_ISSUE_LEAF;
	issue.trust_domain = d->trust_domain;
	issue.class_name = class->name;
	return make_certificate(class, out, dir, ca_dir, &issue, err);
}

static int make_certificates(const struct deployment *d, struct out *out, time_t now, struct err *err)
{
	if (material_make_certificate(d, out, NULL, MATERIAL_NOW, NULL, now, err) < 0)
		return -1;
	/* The next root is what the SPIRE server is told to trust, too. */
	if (out_has(out, material_name(MATERIAL_NEXT, MATERIAL_ROOT, "pem").text) &&
	    material_make_certificate(d, out, NULL, MATERIAL_NEXT, NULL, now, err) < 0)
		return -1;
	for (size_t i = 0; i < d->class_count; i++)
		if (material_make_certificate(d, out, &d->classes[i], MATERIAL_NOW, MATERIAL_NOW, now, err) < 0)
			return -1;
	return 0;
}

/* One that is there already is in use. */
static int look_at_random(const struct out *out, const char *name, const struct deployment_secret *wish,
			  struct err *err)
{
	struct secret found OWNED_SECRET = SECRET_INIT;
	size_t letters = (4 * wish->random_bytes + 2) / 3;
	if (out_read_private(out, name, &found, err) < 0)
		return -1;
	if (found.len != letters && !out->look_only)
		log_warning("'%s/%s' has %zu letters, where %zu random bytes are %zu: it stays as it is; to have "
			    "another made, move it away",
			    out->path, name, found.len, wish->random_bytes, letters);
	return 0;
}

/* Text, so that it can be used wherever a password can. */
static int make_random(struct out *out, const struct deployment_secret *wish, struct err *err)
{
	char name[MATERIAL_NAME];
	struct secret raw OWNED_SECRET = SECRET_INIT;
	struct secret text OWNED_SECRET = SECRET_INIT;
	(void)snprintf(name, sizeof(name), "secrets/%s", wish->path);
	if (out_has(out, name))
		return look_at_random(out, name, wish, err);
	if (secret_alloc(&raw, wish->random_bytes, err) < 0 || secret_alloc(&text, 2 * wish->random_bytes + 4, err) < 0)
		return -1;
	random_fill(raw.data, wish->random_bytes);
	raw.len = wish->random_bytes;
	if (base64_encode_secret(BASE64URL, secret_bytes(&raw), &text, err) < 0)
		return -1;
	return out_write_private(out, name, secret_bytes(&text), err);
}

int material_make(const struct deployment *deployment, struct out *out, time_t now, struct err *err)
{
	if (material_check_no_step_is_cut_off(deployment, out, err) < 0)
		return -1;
	if (!deployment->kbs_admin_key_file &&
	    material_make_admin_key(out, MATERIAL_ADMIN_KEY, MATERIAL_ADMIN_PUBLIC, err) < 0)
		return -1;
	if (material_make_sealed_key(deployment, out, err) < 0 || make_certificates(deployment, out, now, err) < 0)
		return -1;
	for (size_t i = 0; i < deployment->secret_count; i++)
		if (deployment->secrets[i].random_bytes && make_random(out, &deployment->secrets[i], err) < 0)
			return -1;
	return 0;
}

/* Key and chain in one, as the guest takes them. */
static int credential_content(const struct out *out, const struct resource *resource, struct secret *content,
			      struct err *err)
{
	char name[MATERIAL_NAME];
	struct secret key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf chain = BUF_INIT(PEM_MAX);
	(void)snprintf(name, sizeof(name), "x509pop/%s.key", resource->class->name);
	if (resource->kind != RESOURCE_CERTIFICATE && out_read_private(out, name, &key, err) < 0)
		return -1;
	(void)snprintf(name, sizeof(name), "x509pop/%s.pem", resource->class->name);
	if (resource->kind != RESOURCE_KEY && out_read(out, name, &chain, err) < 0)
		return -1;
	if (secret_alloc(content, key.len + chain.len, err) < 0 || secret_append(content, secret_bytes(&key), err) < 0)
		return -1;
	return secret_append(content, buf_bytes(&chain), err);
}

static int secret_content(const struct deployment *d, const struct out *out, const struct deployment_secret *wish,
			  struct secret *content, struct err *err)
{
	char name[MATERIAL_NAME + KBS_URI_MAX];
	OWNED_BUF struct buf path = BUF_INIT(8192);
	if (wish->random_bytes) {
		(void)snprintf(name, sizeof(name), "secrets/%s", wish->path);
		return out_read_private(out, name, content, err);
	}
	if (wish->file) {
		if (deployment_path(d, wish->file, &path, err) < 0)
			return -1;
		return out_read_secret_file(buf_text(&path), content, err);
	}
	if (secret_alloc(content, strlen(wish->value), err) < 0)
		return -1;
	return secret_append(content, bytes_of_text(wish->value), err);
}

static int public_content(const struct out *out, struct secret *content, struct err *err)
{
	OWNED_BUF struct buf jwk = BUF_INIT(PEM_MAX);
	if (out_read(out, "sealed-secret.jwk", &jwk, err) < 0 || secret_alloc(content, jwk.len, err) < 0)
		return -1;
	return secret_append(content, buf_bytes(&jwk), err);
}

/* Not secret, but nobody's business. */
static int config_content(const struct deployment *d, const struct guest_material *material,
			  const struct resource *resource, struct secret *content, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(PEM_MAX);
	if (guest_container_config(d, resource->class, material, &text, err) < 0 ||
	    secret_alloc(content, text.len, err) < 0)
		return -1;
	return secret_append(content, buf_bytes(&text), err);
}

static int content_of(const struct deployment *d, const struct guest_material *material, const struct out *out,
		      const struct resource *resource, struct secret *content, struct err *err)
{
	if (resource->kind == RESOURCE_CONFIG)
		return config_content(d, material, resource, content, err);
	if (resource->kind == RESOURCE_SECRET)
		return secret_content(d, out, resource->secret, content, err);
	if (resource->kind == RESOURCE_SIGNING_KEY)
		return public_content(out, content, err);
	if (resource->kind == RESOURCE_TRUST_BUNDLE)
		return secret_alloc(content, material->trust_bundle.len, err) < 0
			       ? -1
			       : secret_append(content, material->trust_bundle, err);
	return credential_content(out, resource, content, err);
}

static int write_resource(struct out *out, const struct resource *resource, const struct secret *content,
			  struct err *err)
{
	char name[MATERIAL_NAME + KBS_URI_MAX];
	(void)snprintf(name, sizeof(name), "kbs/resources/%s", resource->path);
	if (content->len == 0 || content->len > KBS_RESOURCE_MAX)
		return err_set(err, ERR_CONFIG, "has %zu bytes; a KBS takes 1 to %u", content->len, KBS_RESOURCE_MAX);
	return out_replace_private(out, name, secret_bytes(content), err);
}

int material_write_resources(const struct deployment *deployment, const struct guest_material *material,
			     struct out *out, struct err *err)
{
	struct resource resource;
	for (size_t i = 0; resource_at(deployment, i, &resource); i++) {
		struct secret content OWNED_SECRET = SECRET_INIT;
		if (content_of(deployment, material, out, &resource, &content, err) < 0 ||
		    write_resource(out, &resource, &content, err) < 0)
			return err_wrap(err, "KBS resource '%s'", resource.path);
	}
	return 0;
}
