/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with the KBS.
 *
 * Answers come from the network; TLS makes that the pinned KBS, and JWE makes
 * the resources readable for this process alone. Must never attest again after
 * a denial, and never spend a report where asking again within the session does.
 */
#include "cdh-client/kbs.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cdh-client/jwe.h"
#include "cdh-client/kbs_answer.h"
#include "cdh-client/rcar.h"

#define ANSWER_MAX (512u * 1024u) /* challenge, token (with all claims of the evidence), problem document */
#define RESOURCE_ANSWER_MAX (2 * KBS_RESOURCE_MAX + 16384) /* base64 and the rest of the JWE */
#define ATTEST_BODY_MAX (2u * 1024u * 1024u)
#define REFUSED_PAUSE_MS 30000
#define REFUSED_JITTER_MS 5000

struct kbs {
	const struct kbs_options *options;
	struct http_client *http;
	struct tee_key *key;
	struct json *pubkey;
	char cookie[sizeof(RCAR_COOKIE_NAME) + 1 + RCAR_COOKIE_MAX]; /* "name=value", "" before /auth */
	struct buf bearer;					     /* "Bearer <token>", where a token was obtained */
	bool attested;
};

int kbs_open(const struct kbs_options *options, struct kbs **ret_kbs, struct err *err)
{
	struct kbs *kbs OWNED_KBS = calloc(1, sizeof(*kbs));
	if (!kbs)
		return err_set(err, ERR_SYSTEM, "out of memory");
	kbs->options = options;
	kbs->bearer.max = sizeof("Bearer ") + KBS_TOKEN_MAX;
	struct http_options http = {
		.base_url = options->url,
		.ca_pem = options->ca_pem,
		.user_agent = "sealpod/" SEALPOD_VERSION,
	};
	if (http_client_new(&http, &kbs->http, err) < 0)
		return -1;
	/* a token comes with its key */
	if (!options->token.obtain &&
	    (tee_key_new(options->tee_key, &kbs->key, err) < 0 || tee_key_jwk(kbs->key, &kbs->pubkey, err) < 0))
		return -1;
	*ret_kbs = TAKE_PTR(kbs);
	return 0;
}

void kbs_close(struct kbs *kbs)
{
	if (!kbs)
		return;
	http_client_free(kbs->http);
	tee_key_free(kbs->key);
	json_free(kbs->pubkey);
	buf_done(&kbs->bearer);
	free(kbs);
}

void kbs_cleanup(struct kbs **kbs)
{
	kbs_close(*kbs);
	*kbs = NULL;
}

static int try_exchange(struct kbs *kbs, const struct http_request *request, struct http_response *response,
			struct err *err)
{
	if (http_perform(kbs->http, request, &kbs->options->deadline, response, err) < 0)
		return -1;
	kbs_facts_answer(kbs->options->facts, response, request->path);
	return kbs_check_server(response->status, err);
}

/* One request, again with back-off for as long as trying again may help. */
static int exchange(struct kbs *kbs, const struct http_request *request, struct http_response *response,
		    struct err *err)
{
	struct backoff backoff = BACKOFF_INIT;
	struct err why = { 0 };
	while (try_exchange(kbs, request, response, &why) < 0) {
		int64_t pause = backoff_next(&backoff);
		bool again = err_may_retry(&why) && clock_pause_for_try(pause, &kbs->options->deadline);
		if (!again) {
			*err = why;
			if (err_may_retry(&why))
				(void)err_wrap(err, "gave up at the deadline after %u tries", backoff.tries);
			return err_wrap(err, "KBS at '%s': %s %s", kbs->options->url, request->method, request->path);
		}
		log_info("KBS at '%s': %s; trying again", kbs->options->url, why.message);
		http_response_done(response);
	}
	return 0;
}

static enum kbs_verdict judge(const struct kbs *kbs, const struct http_response *response, const char *what,
			      struct err *err)
{
	kbs_facts_answer(kbs->options->facts, response, what); /* by the name that people know */
	const struct kbs_asked asked = { .url = kbs->options->url, .tee = kbs->options->evidence.tee, .what = what };
	return kbs_judge(response, &asked, err);
}

static int take_cookie(struct kbs *kbs, const struct http_response *response, struct err *err)
{
	struct buf header OWNED_BUF = BUF_INIT(1024);
	char value[RCAR_COOKIE_MAX];
	if (!http_header_get(response, "set-cookie", &header))
		return err_set(err, ERR_PROTOCOL, "the KBS set no session cookie");
	if (rcar_parse_cookie(buf_text(&header), value, err) < 0)
		return -1;
	(void)snprintf(kbs->cookie, sizeof(kbs->cookie), "%s=%s", RCAR_COOKIE_NAME, value);
	return 0;
}

static int auth(struct kbs *kbs, struct rcar_challenge *challenge, struct err *err)
{
	static const struct http_header json = { "Content-Type", "application/json" };
	struct http_response response OWNED_RESPONSE = HTTP_RESPONSE_INIT(ANSWER_MAX);
	struct buf body OWNED_BUF = BUF_INIT(4096);
	if (rcar_auth_body(kbs->options->evidence.tee, &body, err) < 0)
		return -1;
	struct http_request request = {
		.method = "POST", .path = "/kbs/v0/auth", .headers = &json, .header_count = 1, .body = buf_bytes(&body)
	};
	if (exchange(kbs, &request, &response, err) < 0 || judge(kbs, &response, "/auth", err) != KBS_VERDICT_OK)
		return -1;
	if (take_cookie(kbs, &response, err) < 0 || rcar_parse_challenge(buf_bytes(&response.body), challenge, err) < 0)
		return err_wrap(err, "KBS at '%s': answer to /auth", kbs->options->url);
	return 0;
}

static int attest_body(struct kbs *kbs, const struct rcar_challenge *challenge, struct buf *body, struct err *err)
{
	struct digest runtime;
	struct json *evidence OWNED_JSON = NULL;
	const struct kbs_evidence *source = &kbs->options->evidence;
	if (rcar_runtime_digest(challenge, kbs->pubkey, &runtime, err) < 0 ||
	    source->collect(&runtime, &evidence, source->arg, err) < 0)
		return -1;
	return rcar_attest_body(challenge, kbs->pubkey, TAKE_PTR(evidence), kbs->options->initdata, body, err);
}

static int check_token(const struct kbs *kbs, const struct http_response *response, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	const char *token;
	if (json_parse(buf_bytes(&response->body), ANSWER_MAX, &doc, err) < 0 ||
	    json_get_string(doc, "token", &token, err) < 0)
		return err_wrap(err, "KBS at '%s': answer to /attest", kbs->options->url);
	kbs_facts_token(kbs->options->facts, bytes_of_text(token));
	return 0;
}

/* One handshake. *ret_verdict is KBS_VERDICT_REFUSED where /attest said no. */
static int handshake(struct kbs *kbs, enum kbs_verdict *ret_verdict, struct err *err)
{
	struct rcar_challenge challenge;
	struct buf body OWNED_BUF = BUF_INIT(ATTEST_BODY_MAX);
	struct http_response response OWNED_RESPONSE = HTTP_RESPONSE_INIT(ANSWER_MAX);
	*ret_verdict = KBS_VERDICT_FINAL;
	if (auth(kbs, &challenge, err) < 0 || attest_body(kbs, &challenge, &body, err) < 0)
		return -1;
	struct http_header headers[] = { { "Content-Type", "application/json" }, { "Cookie", kbs->cookie } };
	struct http_request request = { .method = "POST",
					.path = "/kbs/v0/attest",
					.headers = headers,
					.header_count = ARRAY_LEN(headers),
					.body = buf_bytes(&body) };
	kbs_facts_attestation(kbs->options->facts);
	if (exchange(kbs, &request, &response, err) < 0)
		return -1;
	*ret_verdict = judge(kbs, &response, "/attest", err);
	if (*ret_verdict != KBS_VERDICT_OK)
		return -1;
	*ret_verdict = KBS_VERDICT_FINAL;
	if (check_token(kbs, &response, err) < 0)
		return -1;
	kbs->attested = true;
	return 0;
}

/* A token instead of a handshake. A failure whose cause is hidden may be a refusal. */
static int obtain_token(struct kbs *kbs, enum kbs_verdict *ret_verdict, struct err *err)
{
	const struct kbs_token_source *source = &kbs->options->token;
	struct buf jwt OWNED_BUF = BUF_INIT(KBS_TOKEN_MAX);
	struct tee_key *key OWNED_TEE_KEY = NULL;
	struct err why = { 0 };
	kbs_facts_attestation(kbs->options->facts);
	if (source->obtain(&kbs->options->deadline, &jwt, &key, source->arg, &why) < 0) {
		*ret_verdict = why.code == ERR_SERVER ? KBS_VERDICT_REFUSED : KBS_VERDICT_FINAL;
		*err = why;
		return -1;
	}
	*ret_verdict = KBS_VERDICT_FINAL;
	kbs_facts_token(kbs->options->facts, buf_bytes(&jwt));
	buf_done(&kbs->bearer);
	if (buf_append_text(&kbs->bearer, "Bearer ", err) < 0 || buf_append(&kbs->bearer, buf_bytes(&jwt), err) < 0)
		return -1;
	tee_key_free(kbs->key);
	kbs->key = TAKE_PTR(key);
	kbs->attested = true;
	return 0;
}

static int begin(struct kbs *kbs, enum kbs_verdict *ret_verdict, struct err *err)
{
	return kbs->options->token.obtain ? obtain_token(kbs, ret_verdict, err) : handshake(kbs, ret_verdict, err);
}

static int attest(struct kbs *kbs, struct err *err)
{
	enum kbs_verdict verdict;
	if (begin(kbs, &verdict, err) == 0)
		return 0;
	if (verdict != KBS_VERDICT_REFUSED)
		return -1;
	struct backoff jitter = { .base_ms = REFUSED_JITTER_MS, .cap_ms = REFUSED_JITTER_MS };
	int64_t pause = REFUSED_PAUSE_MS + backoff_next(&jitter);
	if (deadline_left(&kbs->options->deadline) <= pause)
		return err_wrap(err, "either the evidence is not accepted (see the KBS's log and its reference values) "
				     "or its verifier is broken; no time is left for the second try after 30 s");
	log_warning("%s; trying once more in %lld s, as a broken verifier looks the same", err->message,
		    (long long)(pause / 1000));
	(void)clock_pause(pause, &kbs->options->deadline);
	if (begin(kbs, &verdict, err) == 0)
		return 0;
	if (verdict != KBS_VERDICT_REFUSED)
		return -1;
	return err_wrap(err, "refused twice: either the evidence is not accepted (see the KBS's log and its reference "
			     "values) or its verifier is broken");
}

int kbs_attest(struct kbs *kbs, struct err *err)
{
	return kbs->attested ? 0 : attest(kbs, err);
}

/* One GET within the session. */
static enum kbs_verdict get_once(struct kbs *kbs, const struct kbs_uri *uri, struct secret *secret, struct err *err)
{
	struct http_response response OWNED_RESPONSE = HTTP_RESPONSE_INIT(RESOURCE_ANSWER_MAX);
	struct http_header session = { "Cookie", kbs->cookie };
	if (kbs->options->token.obtain)
		session = (struct http_header){ "Authorization", buf_text(&kbs->bearer) };
	struct http_request request = { .method = "GET", .path = uri->path, .headers = &session, .header_count = 1 };
	if (exchange(kbs, &request, &response, err) < 0)
		return KBS_VERDICT_FINAL;
	enum kbs_verdict verdict = judge(kbs, &response, uri->text, err);
	if (verdict != KBS_VERDICT_OK)
		return verdict;
	if (jwe_decrypt(buf_bytes(&response.body), kbs->key, KBS_RESOURCE_MAX, secret, err) < 0) {
		(void)err_wrap(err, "KBS at '%s': resource '%s'", kbs->options->url, uri->text);
		return KBS_VERDICT_FINAL;
	}
	return KBS_VERDICT_OK;
}

int kbs_probe(struct kbs *kbs, struct err *err)
{
	struct rcar_challenge challenge;
	return auth(kbs, &challenge, err);
}

int kbs_get(struct kbs *kbs, const struct kbs_uri *uri, struct secret *ret_secret, struct err *err)
{
	struct backoff backoff = BACKOFF_INIT;
	bool renewed = false;
	for (;;) {
		if (kbs_attest(kbs, err) < 0)
			return -1;
		switch (get_once(kbs, uri, ret_secret, err)) {
		case KBS_VERDICT_OK:
			return 0;
		case KBS_VERDICT_UNREADABLE:
			if (!clock_pause_for_try(backoff_next(&backoff), &kbs->options->deadline))
				return err_wrap(err, "asked %u times until the deadline", backoff.tries);
			break;
		case KBS_VERDICT_SESSION_LOST:
			kbs->attested = false;
			if (renewed)
				return err_wrap(err, "resource '%s', after a new session", uri->text);
			renewed = true;
			break;
		case KBS_VERDICT_REFUSED:
		case KBS_VERDICT_FINAL:
			return -1;
		}
	}
}
