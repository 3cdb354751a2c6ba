/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of api-server-rest.
 *
 * Whoever listens on that port of the pod's loopback address answers: the real server,
 * or any other container of the pod, which shares the address. Bodies may be secrets:
 * each goes into guarded memory, those of errors too. Must never speak to an
 * address outside of the pod.
 */
#include "cdh-client/rest.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/http.h"
#include "base/json.h"
#include "cdh-client/sealed.h"

#define INFO_MAX 4096
#define RESOURCE_MAX (256u * 1024u)
#define BODY_FIRST 4096
/* The server itself waits 50 s for the data hub. */
#define REQUEST_MS 60000
#define HIDES_RESOURCE                                                                                                 \
	"the data hub behind it attests anew for each resource and hides the cause: a policy's refusal, a missing "    \
	"resource, a KBS out of reach and a wrong clock look the same; look into the log of the data hub and the "     \
	"KBS's"
#define HIDES_TOKEN "the attestation agent behind it hides the cause: look into its log and the KBS's"

struct rest {
	char *url;
	struct http_client *http;
};

/* What a call is about, for messages. */
struct subject {
	const char *what;
	enum err_code failed; /* what 500 means */
	const char *advice;
};

/* "http://127.x.y.z[:port]" or "http://[::1][:port]". */
static bool is_loopback(const char *url)
{
	static const char scheme[] = "http://";
	char host[64] = "";
	struct in_addr v4;
	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return false;
	const char *at = url + strlen(scheme);
	if (strncmp(at, "[::1]", 5) == 0)
		return at[5] == 0 || at[5] == ':';
	size_t len = strcspn(at, ":/");
	if (len >= sizeof(host))
		return false;
	memcpy(host, at, len);
	return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

int rest_open(const char *url, struct rest **ret_rest, struct err *err)
{
	struct rest *rest OWNED_REST = calloc(1, sizeof(*rest));
	if (!url)
		url = REST_URL;
	if (!is_loopback(url))
		return err_set(err, ERR_CONFIG,
			       "'%s': api-server-rest is spoken to without TLS, so only on a loopback address, written "
			       "as a number, such as '%s'",
			       url, REST_URL);
	if (!rest || !(rest->url = strdup(url)))
		return err_set(err, ERR_SYSTEM, "out of memory");
	const struct http_options options = {
		.base_url = rest->url,
		.user_agent = "sealpod/" SEALPOD_VERSION,
		.request_timeout_ms = REQUEST_MS,
	};
	if (http_client_new(&options, &rest->http, err) < 0)
		return -1;
	*ret_rest = TAKE_PTR(rest);
	return 0;
}

void rest_close(struct rest *rest)
{
	if (!rest)
		return;
	http_client_free(rest->http);
	free(rest->url);
	free(rest);
}

void rest_cleanup(struct rest **rest)
{
	rest_close(*rest);
	*rest = NULL;
}

bool rest_is_nobody(const struct err *err)
{
	return err->code == ERR_NETWORK && err->sys_errno != 0; /* connect(2)'s; a connection that breaks has none */
}

/* The server's own short words, where it has some. */
static void quote_body(const struct secret *body, char ret_text[static 80])
{
	(void)snprintf(ret_text, 80, "%.*s", body->len < 79 ? (int)body->len : 79,
		       body->len ? (const char *)body->data : "");
}

static int judge(const struct rest *rest, int status, const struct secret *body, const struct subject *subject,
		 struct err *err)
{
	char text[80];
	if (status == 200)
		return 0;
	quote_body(body, text);
	if (status == 404)
		return err_set(err, ERR_CONFIG,
			       "api-server-rest at '%s' does not serve '%s' (404, '%s'): start the guest with the "
			       "kernel parameter 'agent.guest_components_rest_api=all'",
			       rest->url, subject->what, text);
	if (status == 403)
		return err_set(err, ERR_CONFIG,
			       "api-server-rest at '%s' serves loopback only and took us for somebody else (403, '%s')",
			       rest->url, text);
	if (status >= 500)
		return err_set(err, subject->failed, "api-server-rest at '%s' could not get '%s' (%d, '%s'): %s",
			       rest->url, subject->what, status, text, subject->advice);
	return err_set(err, ERR_PROTOCOL,
		       "api-server-rest at '%s' answered %d ('%s') to '%s': is something else at this address?",
		       rest->url, status, text, subject->what);
}

/* A body of unknown length. It grows by moving, from little to `max`: lockable memory is
 * scarce (64 KiB in an ordinary container). */
struct body {
	struct secret secret;
	size_t max;
};

static void drop_body(struct body *body)
{
	secret_done(&body->secret);
}

static int grow(struct body *body, size_t least, struct err *err)
{
	struct secret bigger OWNED_SECRET = SECRET_INIT;
	size_t cap = body->secret.cap ? 2 * body->secret.cap : BODY_FIRST;
	while (cap < least)
		cap *= 2;
	if (secret_alloc(&bigger, cap < body->max ? cap : body->max, err) < 0 ||
	    secret_append(&bigger, secret_bytes(&body->secret), err) < 0)
		return -1;
	secret_move(&body->secret, &bigger);
	return 0;
}

static int take(struct bytes piece, void *arg, struct err *err)
{
	struct body *body = arg;
	size_t len = body->secret.len + piece.len;
	if (len > body->max)
		return err_set(err, ERR_PROTOCOL, "an answer of more than %zu bytes", body->max);
	if (len > body->secret.cap && grow(body, len, err) < 0)
		return -1;
	return secret_append(&body->secret, piece, err);
}

static int fetch(struct rest *rest, const char *path, size_t max, const struct deadline *deadline,
		 const struct subject *subject, struct secret *ret_body, struct err *err)
{
	struct body body CLEANUP(drop_body) = { .secret = SECRET_INIT, .max = max };
	struct http_response response OWNED_RESPONSE = HTTP_RESPONSE_INIT(0);
	const struct http_request request = { .method = "GET", .path = path, .on_data = take, .on_data_arg = &body };
	if (http_perform(rest->http, &request, deadline, &response, err) < 0)
		return err_wrap(err, "api-server-rest at '%s': %s", rest->url, subject->what);
	if (judge(rest, response.status, &body.secret, subject, err) < 0)
		return -1;
	secret_move(ret_body, &body.secret);
	return 0;
}

int rest_get(struct rest *rest, const struct kbs_uri *uri, const struct deadline *deadline, struct secret *ret_secret,
	     struct err *err)
{
	static const char kbs_prefix[] = "/kbs/v0/resource";
	const struct subject subject = { uri->text, ERR_MISSING, HIDES_RESOURCE };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	char path[KBS_URI_MAX];
	(void)snprintf(path, sizeof(path), "/cdh/resource%s", uri->path + strlen(kbs_prefix));
	if (fetch(rest, path, RESOURCE_MAX, deadline, &subject, &secret, err) < 0)
		return -1;
	if (secret.len == 0)
		return err_set(err, ERR_CREDENTIAL, "resource '%s': the answer of api-server-rest is empty", uri->text);
	secret_move(ret_secret, &secret);
	return 0;
}

int rest_get_token(struct rest *rest, const struct deadline *deadline, struct aa_token *ret_token, struct err *err)
{
	const struct subject subject = { "/aa/token", ERR_SERVER, HIDES_TOKEN };
	struct secret json OWNED_SECRET = SECRET_INIT;
	if (fetch(rest, "/aa/token?token_type=kbs", AA_TOKEN_MAX, deadline, &subject, &json, err) < 0)
		return -1;
	if (aa_token_parse(&json, ret_token, err) < 0)
		return err_wrap(err, "api-server-rest at '%s': answer to '/aa/token'", rest->url);
	return 0;
}

static bool has_feature(const char *feature, const char *name)
{
	return strcasecmp(feature, "all") == 0 || strcasecmp(feature, name) == 0;
}

/* "feature": "resource", "attestation" or "all". */
static int read_info(struct bytes text, struct rest_info *ret_info, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	const char *version;
	const char *feature;
	const char *tee;
	struct rest_info info = { 0 };
	if (json_parse(text, INFO_MAX, &doc, err) < 0 || json_get_string(doc, "version", &version, err) < 0 ||
	    json_get_string(doc, "feature", &feature, err) < 0)
		return -1;
	tee = json_text(json_member(doc, "tee"));
	(void)snprintf(info.version, sizeof(info.version), "%s", version);
	(void)snprintf(info.tee, sizeof(info.tee), "%s", tee ? tee : "");
	info.resources = has_feature(feature, "resource");
	info.attestation = has_feature(feature, "attestation");
	*ret_info = info;
	return 0;
}

int rest_get_info(struct rest *rest, const struct deadline *deadline, struct rest_info *ret_info, struct err *err)
{
	const struct subject subject = { "/info", ERR_SERVER, "look into its log" };
	struct secret body OWNED_SECRET = SECRET_INIT;
	if (fetch(rest, "/info", INFO_MAX, deadline, &subject, &body, err) < 0)
		return -1;
	if (read_info(secret_bytes(&body), ret_info, err) < 0)
		return err_wrap(err, "api-server-rest at '%s': answer to '/info'", rest->url);
	return 0;
}
