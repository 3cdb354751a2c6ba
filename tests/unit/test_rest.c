/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/rest: the answers of api-server-rest as they are, what is made of each,
 * and what is no api-server-rest.
 */
#include "ttrpc_peer.h"

#include "base/wipe.h"
#include "cdh-client/rest.h"

/* What the server says to whatever it is asked, and what it was asked. */
struct script {
	int status;
	const char *body;
	size_t padding; /* bytes more of body */
	char path[512];
};

static void serve(struct peer_conn *conn)
{
	static struct peer_request request;
	static char padding[65536];
	struct script *script = conn->setup->shared;
	memset(padding, 'x', sizeof(padding));
	while (peer_read_request(conn, &request)) {
		char head[256];
		/* read once: the test may set the next answer as soon as it has this one */
		const struct script now = *script;
		size_t len = strlen(now.body) + now.padding;
		(void)snprintf(script->path, sizeof(script->path), "%.500s", request.path);
		(void)snprintf(head, sizeof(head), "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n\r\n", now.status, len);
		if (!peer_say(conn, head) || !peer_say(conn, now.body))
			return;
		for (size_t left = now.padding; left > 0;) {
			size_t piece = left < sizeof(padding) ? left : sizeof(padding);
			if (!peer_write(conn, padding, piece))
				return;
			left -= piece;
		}
	}
}

struct stage {
	struct script *script;
	struct peer_setup setup;
	struct peer peer;
	struct rest *rest;
};

static void start(struct stage *stage, int status, const char *body)
{
	stage->script = peer_shared(sizeof(*stage->script));
	*stage->script = (struct script){ .status = status, .body = body };
	stage->setup = (struct peer_setup){ .serve = serve, .shared = stage->script };
	stage->peer = peer_start(&stage->setup);
	assert_int_equal(rest_open(stage->peer.url, &stage->rest, NULL), 0);
}

static void stop(struct stage *stage)
{
	rest_close(stage->rest);
	if (stage->peer.pid > 0)
		peer_stop(&stage->peer);
}
#define OWNED_STAGE_OF_REST CLEANUP(stop)

static struct kbs_uri some_uri(void)
{
	struct kbs_uri uri;
	assert_int_equal(kbs_uri_parse(bytes_of_text("kbs:///default/x509pop/key"), &uri, NULL), 0);
	return uri;
}

static void a_resource_arrives(void **state)
{
	(void)state;
	struct stage stage OWNED_STAGE_OF_REST = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	const struct kbs_uri uri = some_uri();
	struct deadline deadline = deadline_in(10000);
	struct err err = { 0 };
	start(&stage, 200, "the key");
	assert_int_equal(rest_get(stage.rest, &uri, &deadline, &secret, NULL), 0);
	assert_true(bytes_equal_text(secret_bytes(&secret), "the key"));
	assert_string_equal(stage.script->path, "/cdh/resource/default/x509pop/key");
	/* a large one moves several times on its way */
	stage.script->padding = 256 * 1024 - strlen("the key");
	if (rest_get(stage.rest, &uri, &deadline, &secret, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(secret.len, 256 * 1024);
	assert_memory_equal(secret.data, "the keyxxxx", 11);
	assert_int_equal(((const char *)secret.data)[secret.len - 1], 'x');
	stage.script->padding++;
	assert_int_equal(rest_get(stage.rest, &uri, &deadline, &secret, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_non_null(strstr(err.message, "an answer of more than 262144 bytes"));
}

static const struct {
	int status;
	const char *body;
	enum err_code code;
	const char *message;
} refusals[] = {
	{ 500, "ttrpc request error", ERR_MISSING,
	  "could not get 'kbs:///default/x509pop/key' (500, 'ttrpc request error'): the data hub behind it attests "
	  "anew for "
	  "each resource and hides the cause" },
	{ 404, "Resource Feature Not Enabled", ERR_CONFIG,
	  "(404, 'Resource Feature Not Enabled'): start the guest with the kernel parameter "
	  "'agent.guest_components_rest_api=all'" },
	{ 404, "URL NOT FOUND", ERR_CONFIG, "(404, 'URL NOT FOUND')" },
	{ 403, "Forbidden", ERR_CONFIG, "serves loopback only" },
	{ 400, "BAD REQUEST", ERR_PROTOCOL, "answered 400 ('BAD REQUEST')" },
	{ 301, "", ERR_PROTOCOL, "answered 301" },
	{ 204, "", ERR_PROTOCOL, "answered 204" },
	{ 200, "", ERR_CREDENTIAL, "is empty" },
};

static void refusals_are_explained(void **state)
{
	(void)state;
	const struct kbs_uri uri = some_uri();
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct stage stage OWNED_STAGE_OF_REST = { 0 };
		struct secret secret OWNED_SECRET = SECRET_INIT;
		struct deadline deadline = deadline_in(10000);
		struct err err = { 0 };
		start(&stage, refusals[i].status, refusals[i].body);
		assert_int_equal(rest_get(stage.rest, &uri, &deadline, &secret, &err), -1);
		if (!strstr(err.message, refusals[i].message))
			fail_msg("'%s' does not say '%s'", err.message, refusals[i].message);
		assert_int_equal(err.code, refusals[i].code);
		assert_false(rest_is_nobody(&err));
		assert_null(secret.data);
	}
}

static void a_token_arrives(void **state)
{
	(void)state;
	struct stage stage OWNED_STAGE_OF_REST = { 0 };
	struct recording recording OWNED_RECORDING = recording_read("aa-gettoken-kbs");
	struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
	struct deadline deadline = deadline_in(10000);
	struct err err = { 0 };
	const char *json = memchr(recording.response.data, '{', recording.response.len);
	assert_non_null(json);
	start(&stage, 200, json);
	if (rest_get_token(stage.rest, &deadline, &token, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(stage.script->path, "/aa/token?token_type=kbs");
	assert_true(token.expires_at == 1795501990);
	stage.script->status = 500;
	assert_int_equal(rest_get_token(stage.rest, &deadline, &token, &err), -1);
	assert_int_equal(err.code, ERR_SERVER);
	assert_non_null(strstr(err.message, "the attestation agent behind it hides the cause"));
}

static void info_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		bool resources;
		bool attestation;
		const char *tee;
	} rows[] = {
		{ "{\"version\":\"v0.21.0\",\"tee\":\"snp\",\"feature\":\"all\"}", true, true, "snp" },
		{ "{\"version\":\"v0.21.0\",\"feature\":\"resource\"}", true, false, "" },
		{ "{\"version\":\"v0.21.0\",\"tee\":\"sample\",\"additional_tees\":[\"nvidia\"],\"feature\":"
		  "\"attestation\"}",
		  false, true, "sample" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stage stage OWNED_STAGE_OF_REST = { 0 };
		struct rest_info info;
		struct deadline deadline = deadline_in(10000);
		start(&stage, 200, rows[i].body);
		assert_int_equal(rest_get_info(stage.rest, &deadline, &info, NULL), 0);
		assert_int_equal(info.resources, rows[i].resources);
		assert_int_equal(info.attestation, rows[i].attestation);
		assert_string_equal(info.tee, rows[i].tee);
		assert_string_equal(info.version, "v0.21.0");
	}
	struct stage stage OWNED_STAGE_OF_REST = { 0 };
	struct rest_info info;
	struct err err = { 0 };
	struct deadline deadline = deadline_in(10000);
	start(&stage, 200, "<html>");
	assert_int_equal(rest_get_info(stage.rest, &deadline, &info, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
}

static void only_loopback_is_spoken_to(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		bool good;
	} rows[] = {
		{ "http://127.0.0.1:8006", true },   { "http://127.1.2.3", true },
		{ "http://[::1]:8006", true },	     { "http://[::1]", true },
		{ "http://localhost:8006", false },  { "http://10.0.0.1:8006", false },
		{ "https://127.0.0.1:8006", false }, { "http://[::2]", false },
		{ "http://127.0.0.1.evil", false },  { "http://128.0.0.1", false },
		{ "http://0x7f.1", false },	     { "http://127.0.0.1@evil:80", false },
		{ "http://[::1].evil", false },	     { "", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rest *rest OWNED_REST = NULL;
		struct err err = { 0 };
		int rc = rest_open(rows[i].url, &rest, &err);
		if ((rc == 0) != rows[i].good)
			fail_msg("'%s': %s", rows[i].url, rc == 0 ? "taken" : err.message);
		if (rc < 0)
			assert_int_equal(err.code, ERR_CONFIG);
	}
	struct rest *rest OWNED_REST = NULL;
	assert_int_equal(rest_open(NULL, &rest, NULL), 0);
}

static void nobody_there(void **state)
{
	(void)state;
	struct stage stage OWNED_STAGE_OF_REST = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	const struct kbs_uri uri = some_uri();
	struct deadline deadline = deadline_in(10000);
	start(&stage, 200, "");
	peer_stop(&stage.peer);
	stage.peer.pid = 0;
	assert_int_equal(rest_get(stage.rest, &uri, &deadline, &secret, &err), -1);
	assert_int_equal(err.code, ERR_NETWORK);
	assert_true(rest_is_nobody(&err));
}

static int set_up(void **state)
{
	(void)state;
	wipe_install();
	return secret_setup(NULL) < 0 || http_setup(NULL) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_resource_arrives),
		cmocka_unit_test(refusals_are_explained),
		cmocka_unit_test(a_token_arrives),
		cmocka_unit_test(info_is_read),
		cmocka_unit_test(only_loopback_is_spoken_to),
		cmocka_unit_test(nobody_there),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
