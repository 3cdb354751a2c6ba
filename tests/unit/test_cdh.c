/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/cdh against recorded conversations of the real data hub, and what a
 * secret must not be.
 */
#include "ttrpc_peer.h"

#include "base/wipe.h"
#include "cdh-client/cdh.h"

struct stage_with_hub {
	struct ttrpc_stage stage;
	struct recording recording;
	struct cdh *cdh;
};

static struct kbs_uri uri_of(const char *text)
{
	struct kbs_uri uri;
	assert_int_equal(kbs_uri_parse(bytes_of_text(text), &uri, NULL), 0);
	return uri;
}

static void start(struct stage_with_hub *all, const char *name)
{
	const struct kbs_uri other = uri_of("kbs:///a/b/c");
	all->recording = recording_read(name);
	stage_start(&all->stage, replay, &all->recording);
	assert_int_equal(cdh_open(all->stage.path, &all->cdh, NULL), 0);
	for (uint32_t id = 1; id < frame_u32(all->recording.request.data + 4); id += 2) {
		struct err err = { 0 };
		struct secret secret OWNED_SECRET = SECRET_INIT;
		assert_int_equal(cdh_get(all->cdh, &other, NULL, &secret, &err), -1);
		/* an answer without a secret is none */
		assert_string_equal(err.message, "resource 'kbs:///a/b/c': the answer of the data hub is empty");
		assert_int_equal(err.code, ERR_CREDENTIAL);
	}
}

static void stop(struct stage_with_hub *all)
{
	cdh_close(all->cdh);
	stage_stop(&all->stage);
	recording_done(&all->recording);
}
#define OWNED_ALL CLEANUP(stop)

static void assert_plaintext(const struct secret *secret)
{
	struct buf plain OWNED_BUF = BUF_INIT(4096);
	assert_int_equal(file_read(AT_FDCWD, VECTORS "/ttrpc/plaintext.txt", &plain, NULL), 0);
	assert_true(bytes_equal(secret_bytes(secret), buf_bytes(&plain)));
}

static void resource(void **state)
{
	(void)state;
	struct stage_with_hub all OWNED_ALL = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	const struct kbs_uri uri = uri_of("kbs:///default/x509pop/key");
	start(&all, "cdh-getresource-ok");
	assert_int_equal(cdh_get(all.cdh, &uri, NULL, &secret, NULL), 0);
	assert_plaintext(&secret);
}

static void sealed_secret(void **state)
{
	(void)state;
	struct stage_with_hub all OWNED_ALL = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	struct buf sealed OWNED_BUF = BUF_INIT(4096);
	assert_int_equal(file_read(AT_FDCWD, VECTORS "/ttrpc/sealed-secret.txt", &sealed, NULL), 0);
	start(&all, "cdh-unsealsecret-ok");
	assert_int_equal(cdh_unseal(all.cdh, buf_bytes(&sealed), NULL, &secret, NULL), 0);
	assert_plaintext(&secret);
}

static void failure_hides_its_cause_and_says_so(void **state)
{
	(void)state;
	struct stage_with_hub all OWNED_ALL = { 0 };
	struct secret secret OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	const struct kbs_uri uri = uri_of("kbs:///default/x509pop/nope");
	start(&all, "cdh-getresource-notfound");
	assert_int_equal(cdh_get(all.cdh, &uri, NULL, &secret, &err), -1);
	assert_int_equal(err.code, ERR_MISSING);
	assert_null(secret.data);
	assert_non_null(strstr(err.message, "'kbs:///default/x509pop/nope'"));
	assert_non_null(strstr(err.message, "'[CDH] [ERROR]: Get Resource failed'"));
	assert_non_null(strstr(err.message, "attests anew for each resource and hides the cause"));
}

/* Answers every request with the same resource. */
static void serve_text(struct peer_conn *conn)
{
	uint8_t frame[65536];
	uint8_t answer[256];
	const char *text = conn->setup->shared;
	size_t len = strlen(text);
	const uint8_t head[] = { 0x12, (uint8_t)(len + 2), 0x0a, (uint8_t)len };
	memcpy(answer, head, sizeof(head));
	memcpy(answer + sizeof(head), text, len);
	while (peer_read_frame(conn, frame, sizeof(frame)) > 0)
		peer_answer(conn, frame_u32(frame + 4), answer, sizeof(head) + len);
}

static void sealed_text_is_handed_on_but_no_plaintext(void **state)
{
	(void)state;
	static char text[] = "\n sealed.a.b.c";
	struct ttrpc_stage stage OWNED_STAGE = { 0 };
	struct cdh *cdh OWNED_CDH = NULL;
	struct secret secret OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	const struct kbs_uri uri = uri_of("kbs:///a/b/c");
	stage_start(&stage, serve_text, text);
	assert_int_equal(cdh_open(stage.path, &cdh, NULL), 0);
	assert_int_equal(cdh_get(cdh, &uri, NULL, &secret, &err), 0);
	assert_true(bytes_equal_text(secret_bytes(&secret), text));
	secret_done(&secret);
	assert_int_equal(cdh_unseal(cdh, bytes_of_text("sealed.a.b.c"), NULL, &secret, &err), -1);
	assert_int_equal(err.code, ERR_CREDENTIAL);
	assert_non_null(strstr(err.message, "is a sealed secret that nobody has unsealed"));
	assert_null(secret.data);
}

static int set_up(void **state)
{
	(void)state;
	wipe_install();
	return secret_setup(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resource),
		cmocka_unit_test(sealed_secret),
		cmocka_unit_test(failure_hides_its_cause_and_says_so),
		cmocka_unit_test(sealed_text_is_handed_on_but_no_plaintext),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
