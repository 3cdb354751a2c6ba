/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl measure IMAGE`: the PCR values of a published peer-pod image, out of its manifest's
 * annotations: some kilobytes instead of a disk image. Prints what [image] measurements_file takes.
 * Whoever can write to the registry can write there too: name images by digest, and get the digest
 * from whom you trust.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/http.h"
#include "base/log.h"
#include "ctl/image.h"
#include "ctl/out.h"
#include "ctl/policy_rules.h"
#include "ctl/progress.h"
#include "ctl/verbs.h"

#define TIMEOUT_MS 60000
#define CA_MAX (4u << 20)
#define TOKEN_MAX (64u * 1024u)
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

struct pull {
	struct image_name image;
	bool plain_http;
	struct buf ca;
	struct buf auth;	  /* of the pull secret; empty: none */
	struct buf authorization; /* the header's value; empty: none */
	struct deadline deadline;
};

static void pull_done(struct pull *pull)
{
	buf_done(&pull->ca);
	buf_done(&pull->auth);
	buf_done(&pull->authorization);
}

static int get(const struct pull *pull, const char *base, const char *path, const char *authorization,
	       struct http_response *response, struct err *err)
{
	struct http_client *client OWNED_HTTP = NULL;
	bool tls;
	if (http_check_url(base, &tls, err) < 0)
		return -1;
	const struct http_options options = {
		.base_url = base,
		.ca_pem = tls ? buf_bytes(&pull->ca) : bytes_of("", 0),
		.user_agent = "sealpodctl/" SEALPOD_VERSION,
	};
	const struct http_header headers[] = {
		{ "Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
			    "application/vnd.docker.distribution.manifest.v2+json, "
			    "application/vnd.docker.distribution.manifest.list.v2+json" },
		{ "Authorization", authorization },
	};
	const struct http_request request = {
		.method = "GET", .path = path, .headers = headers, .header_count = *authorization ? 2 : 1
	};
	if (http_client_new(&options, &client, err) < 0 ||
	    http_perform(client, &request, &pull->deadline, response, err) < 0)
		return err_wrap(err, "%s", base);
	return 0;
}

/* --- the token that a registry wants, of the realm that it names --- */

/* A password goes nowhere but to the registry's own host, or over TLS to its realm. */
static int basic_for(const struct pull *pull, const char *host, struct buf *out, struct err *err)
{
	if (pull->auth.len == 0)
		return 0;
	if (strncmp(host, "https://", 8) != 0 && !pull->plain_http)
		return err_set(err, ERR_CONFIG, "the registry sends the pull secret to '%s', without TLS", host);
	return buf_printf(out, err, "Basic %s", buf_text(&pull->auth));
}

static int read_token(struct bytes body, struct buf *authorization, struct err *err)
{
	OWNED_JSON struct json *root = NULL;
	const char *token;
	if (json_parse(body, TOKEN_MAX, &root, err) < 0)
		return -1;
	if (json_type(root) != JSON_OBJECT || (json_get_string(root, "token", &token, NULL) < 0 &&
					       json_get_string(root, "access_token", &token, NULL) < 0))
		return err_set(err, ERR_PROTOCOL, "its answer has no token");
	return buf_printf(authorization, err, "Bearer %s", token);
}

static int fetch_token(struct pull *pull, const struct image_challenge *challenge, struct err *err)
{
	struct http_response response OWNED_RESPONSE = HTTP_RESPONSE_INIT(TOKEN_MAX);
	OWNED_BUF struct buf basic = BUF_INIT(TOKEN_MAX);
	OWNED_BUF struct buf path = BUF_INIT(HTTP_MAX_PATH);
	if (basic_for(pull, challenge->host, &basic, err) < 0 ||
	    buf_printf(&path, err, "%s%cservice=%s&scope=%s", challenge->path, strchr(challenge->path, '?') ? '&' : '?',
		       challenge->service, challenge->scope) < 0 ||
	    get(pull, challenge->host, buf_text(&path), buf_text(&basic), &response, err) < 0)
		return -1;
	if (response.status != 200)
		return err_set(err, ERR_DENIED, "'%s' gives no token (HTTP status %d); see --pull-secret",
			       challenge->host, response.status);
	if (read_token(buf_bytes(&response.body), &pull->authorization, err) < 0)
		return err_wrap(err, "%s", challenge->host);
	return 0;
}

static int authenticate(struct pull *pull, const struct http_response *response, const char *base, struct err *err)
{
	OWNED_BUF struct buf header = BUF_INIT(4096);
	struct image_challenge challenge;
	if (!http_header_get(response, "www-authenticate", &header))
		return err_set(err, ERR_PROTOCOL, "the registry wants authentication and does not say which");
	if (strncasecmp(buf_text(&header), "Basic ", 6) == 0) {
		if (pull->auth.len == 0)
			return err_set(err, ERR_DENIED, "the registry wants a password; see --pull-secret");
		return basic_for(pull, base, &pull->authorization, err);
	}
	if (image_challenge_parse(buf_text(&header), &challenge, err) < 0)
		return -1;
	return fetch_token(pull, &challenge, err);
}

/* --- the manifest --- */

static int check_digest(struct bytes body, const char *wanted, struct err *err)
{
	struct digest digest;
	OWNED_BUF struct buf hex = BUF_INIT(128);
	if (digest_of(DIGEST_SHA256, body, &digest, err) < 0 || hex_encode(digest_bytes(&digest), &hex, err) < 0)
		return -1;
	if (strcmp(wanted + strlen("sha256:"), buf_text(&hex)) == 0)
		return 0;
	return err_set(err, ERR_PROTOCOL, "the manifest that came is not '%s' but 'sha256:%s'", wanted, buf_text(&hex));
}

static int fetch(struct pull *pull, const char *reference, bool by_digest, struct http_response *response,
		 struct err *err)
{
	OWNED_BUF struct buf base = BUF_INIT(1024);
	OWNED_BUF struct buf path = BUF_INIT(HTTP_MAX_PATH);
	if (buf_printf(&base, err, "%s://%s", pull->plain_http ? "http" : "https", pull->image.host) < 0 ||
	    buf_printf(&path, err, "/v2/%s/manifests/%s", pull->image.name, reference) < 0)
		return -1;
	for (int try = 0; try < 2; try++) {
		if (get(pull, buf_text(&base), buf_text(&path), buf_text(&pull->authorization), response, err) < 0)
			return -1;
		if (response->status != 401 || pull->authorization.len > 0)
			break;
		if (authenticate(pull, response, buf_text(&base), err) < 0)
			return -1;
	}
	if (response->status == 401 || response->status == 403)
		return err_set(err, ERR_DENIED, "the registry refuses '%s' (HTTP status %d)", pull->image.name,
			       response->status);
	if (response->status == 404)
		return err_set(err, ERR_CONFIG, "the registry has no '%s' of '%s'", reference, pull->image.name);
	if (response->status != 200)
		return err_set(err, response->status >= 500 ? ERR_SERVER : ERR_PROTOCOL,
			       "the registry answers with HTTP status %d", response->status);
	return by_digest ? check_digest(buf_bytes(&response->body), reference, err) : 0;
}

static int fetch_manifest(struct pull *pull, const char *reference, bool by_digest, struct image_manifest *manifest,
			  struct err *err)
{
	struct http_response response OWNED_RESPONSE = HTTP_RESPONSE_INIT(IMAGE_MANIFEST_MAX);
	if (fetch(pull, reference, by_digest, &response, err) < 0)
		return -1;
	if (image_manifest_parse(buf_bytes(&response.body), manifest, err) < 0)
		return err_wrap(err, "the manifest");
	return 0;
}

/* The manifest itself, or of an index that says nothing the one for linux/amd64. */
static int find_pcrs(struct pull *pull, struct image_manifest *manifest, struct err *err)
{
	struct image_manifest index OWNED_MANIFEST = { .pcrs = NULL };
	if (fetch_manifest(pull, pull->image.reference, pull->image.by_digest, &index, err) < 0)
		return -1;
	if (index.pcrs || !*index.platform_digest) {
		*manifest = index;
		index.pcrs = NULL;
		return 0;
	}
	return fetch_manifest(pull, index.platform_digest, true, manifest, err);
}

/* The attestation policy compares some registers of a vTPM in any case. */
static void warn_of_absent(const struct json *pcrs)
{
	struct policy_rule rule;
	for (size_t i = 0; policy_rule_at("az-snp-vtpm", i, &rule); i++) {
		const char *name = strrchr(rule.claim, '.');
		if (rule.required && !rule.made && name && !json_member(pcrs, name + 1))
			log_warning("the manifest names no '%s', which the attestation policy compares: get it from "
				    "who publishes the image",
				    name + 1);
	}
}

static int print_pcrs(const struct json *pcrs, struct err *err)
{
	OWNED_JSON struct json *root = NULL;
	OWNED_BUF struct buf text = BUF_INIT(65536);
	struct json *measurements, *bank;
	if (json_new_object(&root, err) < 0 || json_add_object(root, "measurements", &measurements, err) < 0 ||
	    json_add_object(measurements, "sha256", &bank, err) < 0)
		return -1;
	for (const struct json *pcr = json_first(pcrs); pcr; pcr = json_next(pcr))
		if (json_add_string(bank, json_name(pcr), json_text(pcr), err) < 0)
			return -1;
	if (json_print(root, &text, err) < 0)
		return -1;
	progress_clear();
	(void)printf("%s\n", buf_text(&text));
	return 0;
}

static int read_options(const struct cli_args *args, struct pull *pull, struct err *err)
{
	const char *pull_secret = cli_value(args, "--pull-secret", NULL);
	struct secret content OWNED_SECRET = SECRET_INIT;
	pull->plain_http = cli_given(args, "--plain-http");
	if (image_name_parse(cli_operand(args, 0), &pull->image, err) < 0)
		return -1;
	if (!pull->plain_http && file_read(AT_FDCWD, cli_value(args, "--ca", SYSTEM_CA), &pull->ca, err) < 0)
		return -1;
	if (!pull_secret)
		return 0;
	if (out_read_secret_file(pull_secret, &content, err) < 0)
		return -1;
	if (image_pull_secret(secret_bytes(&content), pull->image.host, &pull->auth, err) < 0)
		return err_wrap(err, "'%s'", pull_secret);
	return 0;
}

static int run_measure(const struct cli_args *args, struct err *err)
{
	CLEANUP(pull_done)
	struct pull pull = { .ca = BUF_INIT(CA_MAX),
			     .auth = BUF_INIT(TOKEN_MAX),
			     .authorization = BUF_INIT(TOKEN_MAX) };
	struct image_manifest manifest OWNED_MANIFEST = { .pcrs = NULL };
	if (http_setup(err) < 0 || read_options(args, &pull, err) < 0)
		return -1;
	progress_say("asking the registry");
	pull.deadline = deadline_in(TIMEOUT_MS);
	if (find_pcrs(&pull, &manifest, err) < 0)
		return err_wrap(err, "'%s'", cli_operand(args, 0));
	if (!manifest.pcrs)
		return err_set(err, ERR_CONFIG,
			       "'%s' has no measurements in its manifest's annotations: get them from who "
			       "publishes it, as a file",
			       cli_operand(args, 0));
	if (!pull.image.by_digest)
		log_warning("'%s' is a tag, which may be another image tomorrow; name it by its digest",
			    pull.image.reference);
	warn_of_absent(manifest.pcrs);
	return print_pcrs(manifest.pcrs, err);
}

static const struct cli_option options[] = {
	{ .name = "--ca",
	  .value = "FILE",
	  .text = "PEM of the CAs that may sign the registry's certificate; default: the system's" },
	{ .name = "--pull-secret", .value = "FILE", .text = "{\"auths\":{\"HOST\":{\"auth\":\"...\"}}}, 0600" },
	{ .name = "--plain-http", .text = "a registry without TLS, for one on this machine" },
	{ .name = NULL },
};

const struct cli_verb verb_measure = {
	.words = { "measure" },
	.operands = "IMAGE",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print the PCR values that a peer-pod image's manifest names",
	.options = options,
	.run = run_measure,
};
