/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A KBS session with a token that another component obtained: what goes over the
 * wire, and how often a token is asked for. The resource is a recorded one of the real
 * KBS, the key to it comes with the token.
 */
#include "ttrpc_peer.h"

#include "base/wipe.h"
#include "cdh-client/kbs.h"

#define PROBLEM(type)                                                                                                  \
	"{\"type\":\"https://github.com/confidential-containers/kbs/errors/" type                                      \
	"\",\"detail\":\"as the test has it\"}"

static struct buf recorded_key; /* PEM */
static struct buf recorded_jwe;

/* Seen by server and test. */
struct shared {
	const char *first; /* problem for each request with the first token, NULL: none */
	const char *later; /* the same for all other tokens */
	unsigned requests;
	unsigned with_cookie;
	unsigned of_tokens[4]; /* requests with the token of this number */
};

static void serve(struct peer_conn *conn)
{
	static struct peer_request request;
	struct shared *shared = conn->setup->shared;
	while (peer_read_request(conn, &request)) {
		char head[128];
		const char *bearer = strstr(request.head, "Authorization: Bearer token-");
		unsigned number = bearer ? (unsigned)(bearer[28] - '0') : 0;
		const char *problem = number == 1 ? shared->first : shared->later;
		const char *body = problem ? problem : buf_text(&recorded_jwe);
		CHECK(number < ARRAY_LEN(shared->of_tokens));
		shared->requests++;
		shared->of_tokens[number]++;
		shared->with_cookie += strstr(request.head, "Cookie:") != NULL;
		CHECK(strcmp(request.path, "/kbs/v0/resource/default/x509pop/key") == 0);
		(void)snprintf(head, sizeof(head), "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n\r\n", problem ? 401 : 200,
			       strlen(body));
		if (!peer_say(conn, head) || !peer_say(conn, body))
			return;
	}
}

struct obtained {
	unsigned times;
	enum err_code failure;
};

static int obtain(const struct deadline *deadline, struct buf *ret_jwt, struct tee_key **ret_key, void *arg,
		  struct err *err)
{
	struct obtained *obtained = arg;
	(void)deadline;
	obtained->times++;
	if (obtained->failure)
		return err_set(err, obtained->failure, "as the test has it");
	if (buf_printf(ret_jwt, err, "token-%u", obtained->times) < 0)
		return -1;
	return tee_key_from_pem(buf_bytes(&recorded_key), ret_key, err);
}

struct stage {
	struct shared *shared;
	struct obtained obtained;
	struct peer_setup setup;
	struct peer peer;
	struct kbs_options options;
	struct kbs *kbs;
	struct kbs_uri uri;
};

static void start(struct stage *stage, const char *first, const char *later)
{
	stage->shared = peer_shared(sizeof(*stage->shared));
	*stage->shared = (struct shared){ .first = first, .later = later };
	stage->setup = (struct peer_setup){ .serve = serve, .shared = stage->shared };
	stage->peer = peer_start(&stage->setup);
	stage->options = (struct kbs_options){
		.url = stage->peer.url,
		.evidence = { .tee = "sample" },
		.token = { .obtain = obtain, .arg = &stage->obtained },
		/* Less than the 30 s before a second try, and enough for a slow machine. */
		.deadline = deadline_in(20000),
	};
	assert_int_equal(kbs_open(&stage->options, &stage->kbs, NULL), 0);
	assert_int_equal(kbs_uri_parse(bytes_of_text("kbs:///default/x509pop/key"), &stage->uri, NULL), 0);
}

static void stop(struct stage *stage)
{
	kbs_close(stage->kbs);
	peer_stop(&stage->peer);
}
#define OWNED_STAGE_OF_KBS CLEANUP(stop)

static void one_token_serves_all_resources(void **state)
{
	(void)state;
	struct stage stage OWNED_STAGE_OF_KBS = { 0 };
	struct err err = { 0 };
	start(&stage, NULL, NULL);
	assert_int_equal(stage.obtained.times, 0);
	for (unsigned i = 1; i <= 3; i++) {
		struct secret secret OWNED_SECRET = SECRET_INIT;
		if (kbs_get(stage.kbs, &stage.uri, &secret, &err) < 0)
			fail_msg("%s", err.message);
		assert_memory_equal(secret.data, "-----BEGIN", 10);
		assert_int_equal(stage.obtained.times, 1);
		assert_int_equal(stage.shared->of_tokens[1], i);
	}
	assert_int_equal(stage.shared->with_cookie, 0);
}

static void a_refused_token_is_replaced_once(void **state)
{
	(void)state;
	static const char *const types[] = { PROBLEM("TokenVerifierError"), PROBLEM("TokenNotFound") };
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct stage stage OWNED_STAGE_OF_KBS = { 0 };
		struct secret secret OWNED_SECRET = SECRET_INIT;
		struct err err = { 0 };
		start(&stage, types[i], NULL);
		if (kbs_get(stage.kbs, &stage.uri, &secret, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(stage.obtained.times, 2);
		assert_int_equal(stage.shared->of_tokens[2], 1);
		struct stage other OWNED_STAGE_OF_KBS = { 0 };
		start(&other, types[i], types[i]);
		assert_int_equal(kbs_get(other.kbs, &other.uri, &secret, &err), -1);
		assert_int_equal(err.code, ERR_SERVER);
		assert_int_equal(other.obtained.times, 2);
		assert_int_equal(other.shared->requests, 2);
	}
}

static void a_denial_costs_no_second_token(void **state)
{
	(void)state;
	struct stage stage OWNED_STAGE_OF_KBS = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	start(&stage, PROBLEM("PolicyDeny"), NULL);
	assert_int_equal(kbs_get(stage.kbs, &stage.uri, &secret, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(stage.obtained.times, 1);
	assert_int_equal(stage.shared->requests, 1);
}

static void a_source_that_fails_is_heard(void **state)
{
	(void)state;
	static const struct {
		enum err_code failure;
		const char *message;
	} rows[] = {
		{ ERR_NETWORK, "as the test has it" },
		{ ERR_TIMEOUT, "as the test has it" },
		/* the cause is hidden: worth a second try, for which this deadline is too short */
		{ ERR_SERVER, "no time is left for the second try after 30 s" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stage stage OWNED_STAGE_OF_KBS = { 0 };
		struct secret secret OWNED_SECRET = SECRET_INIT;
		struct err err = { 0 };
		start(&stage, NULL, NULL);
		stage.obtained.failure = rows[i].failure;
		assert_int_equal(kbs_get(stage.kbs, &stage.uri, &secret, &err), -1);
		assert_int_equal(err.code, rows[i].failure);
		assert_non_null(strstr(err.message, rows[i].message));
		assert_int_equal(strstr(err.message, "second try") != NULL, rows[i].failure == ERR_SERVER);
		assert_int_equal(stage.obtained.times, 1);
		assert_int_equal(stage.shared->requests, 0);
	}
}

static void take(const struct json *doc, const char *name, struct buf *out)
{
	const char *text = json_text(json_member(doc, name));
	assert_non_null(text);
	*out = (struct buf)BUF_INIT(65536);
	assert_int_equal(buf_append_text(out, text, NULL), 0);
}

/* The last line of the recording is the GET that succeeded. */
static int set_up(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(1 << 20);
	struct json *doc OWNED_JSON = NULL;
	wipe_install();
	if (secret_setup(NULL) < 0 || http_setup(NULL) < 0)
		return -1;
	assert_int_equal(file_read(AT_FDCWD, RECORDED "/success-p256.jsonl", &text, NULL), 0);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	const uint8_t *line = memrchr(text.data, '\n', text.len);
	line = line ? line + 1 : text.data;
	assert_int_equal(json_parse(bytes_of(line, text.len - (size_t)(line - text.data)), 1 << 20, &doc, NULL), 0);
	take(doc, "tee_private_key_pem", &recorded_key);
	take(doc, "resp_body", &recorded_jwe);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buf_done(&recorded_key);
	buf_done(&recorded_jwe);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_token_serves_all_resources),
		cmocka_unit_test(a_refused_token_is_replaced_once),
		cmocka_unit_test(a_denial_costs_no_second_token),
		cmocka_unit_test(a_source_that_fails_is_heard),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
