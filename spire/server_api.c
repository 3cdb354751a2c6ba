/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the SPIRE server's API.
 *
 * The operator names the server. Over TCP somebody else may answer: the certificate must be of the
 * trust domain's CAs and name the server's SPIFFE ID. Must never hand the administrator's key to anything but
 * TLS, nor take a refusal for a failure that another try could heal.
 */
#include "spire/server_api.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grpc.h"
#include "spire/id.h"
#include "spire/key_pair.h"
#include "spire/value.h"

/* So that a server which hangs is found out before everybody's time is up. */
#define CALL_MS 30000
#define PAGES_MAX 100000

struct spire_server {
	struct http_client *http;
	struct spire_key_pair admin;
	struct deadline deadline;
	char url[512];
	char name[sizeof("spiffe:///spire/server") + SPIRE_TRUST_DOMAIN_MAX];
};

void spire_server_close(struct spire_server *server)
{
	if (!server)
		return;
	http_client_free(server->http);
	spire_key_pair_done(&server->admin);
	free(server);
}

void spire_server_cleanup(struct spire_server **server)
{
	spire_server_close(*server);
	*server = NULL;
}

static int show_certificate(void *ssl_ctx, void *arg, struct err *err)
{
	const struct spire_server *server = arg;
	const struct spire_certs *chain = &server->admin.chain;
	bool ok = SSL_CTX_use_certificate(ssl_ctx, chain->list[0]) == 1 &&
		  SSL_CTX_use_PrivateKey(ssl_ctx, server->admin.key) == 1;
	for (size_t i = 1; ok && i < chain->count; i++)
		ok = SSL_CTX_add1_chain_cert(ssl_ctx, chain->list[i]) == 1;
	return ok ? 0 : err_set(err, ERR_CREDENTIAL, "the administrator's certificate and key do not go together");
}

static int load_admin(const struct spire_server_options *options, struct spire_server *server, struct err *err)
{
	struct spire_problems problems = SPIRE_PROBLEMS_INIT;
	if (!options->key || options->certificate.len == 0 || options->bundle.len == 0)
		return err_set(err, ERR_CONFIG,
			       "over TCP the server wants an administrator's SVID: certificate, key and the bundle");
	if (spire_key_pair_load(secret_bytes(options->key), options->certificate, &server->admin, &problems, err) < 0 ||
	    spire_problems_result(&problems, err) < 0)
		return err_wrap(err, "the administrator's SVID");
	return 0;
}

static int open_tcp(const struct spire_server_options *options, struct spire_server *server, struct err *err)
{
	if (load_admin(options, server, err) < 0)
		return -1;
	(void)snprintf(server->url, sizeof(server->url), "https://%.500s", options->address + strlen("tcp://"));
	(void)snprintf(server->name, sizeof(server->name), "spiffe://%.255s/spire/server", options->trust_domain);
	const struct http_options http = {
		.base_url = server->url,
		.ca_pem = options->bundle,
		.server_uri = server->name,
		.user_agent = "sealpodctl/" SEALPOD_VERSION,
		.request_timeout_ms = CALL_MS,
		.client_certificate = show_certificate,
		.client_certificate_arg = server,
	};
	return http_client_new(&http, &server->http, err);
}

static int open_unix(const struct spire_server_options *options, struct spire_server *server, struct err *err)
{
	const char *path = options->address + strlen("unix://");
	const struct http_options http = {
		.base_url = "http://localhost",
		.unix_socket = path,
		.user_agent = "sealpodctl/" SEALPOD_VERSION,
		.http2_prior_knowledge = true,
		.request_timeout_ms = CALL_MS,
	};
	if (spire_socket_check(path, err) < 0)
		return -1;
	return http_client_new(&http, &server->http, err);
}

int spire_server_open(const struct spire_server_options *options, struct spire_server **ret_server, struct err *err)
{
	OWNED_SERVER struct spire_server *server = calloc(1, sizeof(*server));
	int rc;
	if (!server)
		return err_set(err, ERR_SYSTEM, "out of memory");
	server->deadline = options->deadline;
	if (strncmp(options->address, "unix:///", 8) == 0)
		rc = open_unix(options, server, err);
	else if (strncmp(options->address, "tcp://", 6) == 0)
		rc = open_tcp(options, server, err);
	else
		rc = err_set(err, ERR_CONFIG, "'%s' is neither 'unix:///PATH' nor 'tcp://HOST:PORT'", options->address);
	if (rc < 0)
		return -1;
	*ret_server = TAKE_PTR(server);
	return 0;
}

/* Two codes mean other things here than to a workload. */
static enum err_code code_of(const struct grpc_status *status, enum err_code code)
{
	if (status->from_server && status->code == GRPC_DEADLINE_EXCEEDED)
		return ERR_TIMEOUT;
	return code == ERR_MISSING ? ERR_PROTOCOL : code; /* no call of ours asks for one thing by its name */
}

static int call(struct spire_server *server, const char *method, struct bytes message, struct secret *ret_reply,
		struct err *err)
{
	struct backoff backoff = { .base_ms = 100, .cap_ms = 5000 };
	const struct grpc_call request = { .method = method, .message = message };
	for (;;) {
		struct grpc_status status;
		struct err why = { 0 };
		if (grpc_unary(server->http, &request, &server->deadline, ret_reply, &status, &why) == 0)
			return 0;
		why.code = code_of(&status, why.code);
		if (err)
			*err = why;
		if (!err_may_retry(&why) || !clock_pause_for_try(backoff_next(&backoff), &server->deadline))
			return err_wrap(err, "SPIRE server");
	}
}

static int list_page(struct spire_server *server, struct spire_entries *entries, struct buf *token, struct err *err)
{
	OWNED_BUF struct buf message = BUF_INIT(SECRET_MAX);
	OWNED_BUF struct buf next = BUF_INIT(65536);
	OWNED_SECRET struct secret reply = SECRET_INIT;
	if (spire_entry_encode_list(SPIRE_SERVER_BATCH, buf_text(token), &message, err) < 0 ||
	    call(server, "/spire.api.server.entry.v1.Entry/ListEntries", buf_bytes(&message), &reply, err) < 0)
		return -1;
	if (spire_entry_decode_page(secret_bytes(&reply), entries, &next, err) < 0)
		return err_wrap(err, "the server's entries");
	buf_move(token, &next);
	return 0;
}

int spire_server_list(struct spire_server *server, struct spire_entries *ret_entries, struct err *err)
{
	OWNED_ENTRIES struct spire_entries entries = { 0 };
	OWNED_BUF struct buf token = BUF_INIT(65536);
	unsigned pages = 0;
	do {
		if (pages++ == PAGES_MAX)
			return err_set(err, ERR_PROTOCOL, "the server's list of entries does not end");
		if (list_page(server, &entries, &token, err) < 0)
			return -1;
	} while (token.len > 0);
	*ret_entries = entries;
	entries = (struct spire_entries){ 0 };
	return 0;
}

void spire_results_done(struct spire_result *results, size_t count)
{
	for (size_t i = 0; i < count; i++)
		spire_entry_done(&results[i].entry);
}

int spire_server_batch(struct spire_server *server, enum spire_batch batch, const struct spire_entry *const *entries,
		       size_t count, struct spire_result *ret_results, struct err *err)
{
	static const char *const methods[] = {
		[SPIRE_CREATE] = "/spire.api.server.entry.v1.Entry/BatchCreateEntry",
		[SPIRE_UPDATE] = "/spire.api.server.entry.v1.Entry/BatchUpdateEntry",
		[SPIRE_DELETE] = "/spire.api.server.entry.v1.Entry/BatchDeleteEntry",
	};
	OWNED_BUF struct buf message = BUF_INIT(SECRET_MAX);
	OWNED_SECRET struct secret reply = SECRET_INIT;
	for (size_t i = 0; i < count; i++)
		ret_results[i] = (struct spire_result){ 0 };
	if (spire_entry_encode_batch(batch, entries, count, &message, err) < 0 ||
	    call(server, methods[batch], buf_bytes(&message), &reply, err) < 0)
		return -1;
	if (spire_entry_decode_results(batch, secret_bytes(&reply), ret_results, count, err) == 0)
		return 0;
	spire_results_done(ret_results, count);
	return err_wrap(err, "the server's answer to '%s'", methods[batch]);
}

static int agents_page(struct spire_server *server, const char *selector, struct spire_agents *agents,
		       struct buf *token, struct err *err)
{
	OWNED_BUF struct buf message = BUF_INIT(SECRET_MAX);
	OWNED_BUF struct buf next = BUF_INIT(65536);
	OWNED_SECRET struct secret reply = SECRET_INIT;
	if (spire_agent_encode_list(selector, SPIRE_SERVER_BATCH, buf_text(token), &message, err) < 0 ||
	    call(server, "/spire.api.server.agent.v1.Agent/ListAgents", buf_bytes(&message), &reply, err) < 0)
		return -1;
	if (spire_agent_decode_page(secret_bytes(&reply), agents, &next, err) < 0)
		return err_wrap(err, "the server's agents");
	buf_move(token, &next);
	return 0;
}

int spire_server_agents(struct spire_server *server, const char *selector, struct spire_agents *ret_agents,
			struct err *err)
{
	OWNED_AGENTS struct spire_agents agents = { 0 };
	OWNED_BUF struct buf token = BUF_INIT(65536);
	unsigned pages = 0;
	do {
		if (pages++ == PAGES_MAX)
			return err_set(err, ERR_PROTOCOL, "the server's list of agents does not end");
		if (agents_page(server, selector, &agents, &token, err) < 0)
			return -1;
	} while (token.len > 0);
	*ret_agents = agents;
	agents = (struct spire_agents){ 0 };
	return 0;
}

int spire_server_trust_domain(struct spire_server *server, struct buf *ret_domain, struct err *err)
{
	OWNED_SECRET struct secret reply = SECRET_INIT;
	if (call(server, "/spire.api.server.bundle.v1.Bundle/GetBundle", bytes_of(NULL, 0), &reply, err) < 0)
		return -1;
	return spire_bundle_decode_domain(secret_bytes(&reply), ret_domain, err);
}
