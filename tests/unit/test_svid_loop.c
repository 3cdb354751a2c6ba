/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_loop: what is delivered when news come one after the other, and what is
 * said of it. The watch and the clock are the test's.
 */
#include "support.h"

#include <sys/eventfd.h>
#include <time.h>

#include "agent/svid_loop.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/file.h"

static char root[256];
static char log_path[300];
static int fd_of_watch;
static int saved_stderr;
static time_t now;
static struct svid_settings settings;
static struct svid_token tokens[2];
static struct svid_loop loop;

/* News that are to come one at a time, and what is looked at between them. */
static struct svid_news *queue[16];
static size_t queued, taken;

time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
	if (out)
		*out = now;
	return now;
}

int __wrap_svid_watch_fd(const struct svid_watch *watch);
int __wrap_svid_watch_fd(const struct svid_watch *watch)
{
	(void)watch;
	return fd_of_watch;
}

/* One a turn of the loop; after the last it is to end. */
struct svid_news *__wrap_svid_watch_next(struct svid_watch *watch);
struct svid_news *__wrap_svid_watch_next(struct svid_watch *watch)
{
	static bool turn;
	(void)watch;
	turn = !turn;
	if (!turn)
		return NULL;
	if (taken == queued) {
		loop.done = !loop.dirty;
		return NULL;
	}
	return queue[taken++];
}

static struct svid_news *news_of(enum svid_source source, size_t token)
{
	struct svid_news *news = calloc(1, sizeof(*news));
	assert_non_null(news);
	news->source = source;
	news->token = token;
	queue[queued++] = news;
	return news;
}

static void send_token(size_t token, const char *claims)
{
	struct svid_news *news = news_of(SVID_TOKEN, token);
	struct buf text OWNED_BUF = BUF_INIT(4096);
	news->jwts.list = calloc(1, sizeof(*news->jwts.list));
	news->jwts.count = 1;
	struct workload_jwt *jwt = &news->jwts.list[0];
	jwt->id = strdup("spiffe://example.test/w");
	jwt->hint = strdup("");
	assert_int_equal(buf_append_text(&text, "e30.", NULL), 0);
	assert_int_equal(base64_encode(BASE64URL, bytes_of_text(claims), &text, NULL), 0);
	assert_int_equal(buf_append_text(&text, ".x", NULL), 0);
	assert_int_equal(secret_alloc(&jwt->token, text.len, NULL), 0);
	assert_int_equal(secret_append(&jwt->token, buf_bytes(&text), NULL), 0);
}

static void send_trouble(enum svid_source source, size_t token, enum workload_next what_next, const char *words)
{
	struct svid_news *news = news_of(source, token);
	news->trouble = true;
	news->what_next = what_next;
	(void)err_set(&news->err, ERR_DENIED, "%s", words);
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(secret_setup(NULL), 0);
	make_directory(root);
	(void)snprintf(log_path, sizeof(log_path), "%s.log", root);
	settings = (struct svid_settings){
		.directory = root, .allow_disk = true, .no_x509 = true, .key_mode = 0600, .cert_mode = 0644
	};
	tokens[0] = (struct svid_token){ .file = "token" };
	tokens[1] = (struct svid_token){ .file = "other" };
	loop = (struct svid_loop){ .settings = &settings, .place = SVID_PLACE_INIT, .writer = { .fd = -1 } };
	loop.state = (struct svid_state){ .settings = &settings, .tokens = tokens, .token_count = 1 };
	loop.backoff = (struct backoff){ .base_ms = 1, .cap_ms = 1 };
	loop.signal_fd = -1;
	queued = taken = 0;
	now = 1000;
	fd_of_watch = eventfd(1, EFD_CLOEXEC);
	assert_true(fd_of_watch >= 0);
	saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int log = open(log_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(log >= 0 && dup2(log, STDERR_FILENO) >= 0);
	(void)close(log);
	return 0;
}

static int end(void **state)
{
	(void)state;
	(void)dup2(saved_stderr, STDERR_FILENO);
	(void)close(saved_stderr);
	(void)close(fd_of_watch);
	(void)unlink(log_path);
	svid_state_done(&loop.state);
	svid_tell_close(&loop.tell);
	svid_writer_close(&loop.writer);
	svid_place_close(&loop.place);
	char *slash = strrchr(root, '/');
	*slash = 0;
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_remove_tree(fd, slash + 1, NULL), 0);
	return close(fd);
}

/* Lets it run until all news are taken and nothing is left to be written. */
static void run_loop(void)
{
	OWNED_SVID_FILES struct svid_files held = { .list = NULL };
	struct err err = { 0 };
	if (svid_place_open(&settings, &loop.place, &held, &err) < 0 ||
	    svid_writer_open(&loop.place, &loop.writer, &err) < 0 || svid_tell_open(&settings, &loop.tell, &err) < 0)
		fail_msg("%s", err.message);
	svid_state_hold(&loop.state, &held);
	if (svid_loop_run(&loop, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(taken, queued);
}

static unsigned count_in_log(const char *words)
{
	struct buf text OWNED_BUF = BUF_INIT(1u << 20);
	unsigned count = 0;
	assert_int_equal(file_read(AT_FDCWD, log_path, &text, NULL), 0);
	for (const char *at = buf_text(&text); (at = strstr(at, words)); at++)
		count++;
	return count;
}

static void assert_file(const char *name, const char *part)
{
	char path[600];
	struct buf text OWNED_BUF = BUF_INIT(4096);
	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(file_read(AT_FDCWD, path, &text, NULL), 0);
	if (!strstr(buf_text(&text), part))
		fail_msg("'%s' holds '%s'", name, buf_text(&text));
}

/* "token" begins as the names of PKCS#12 files do, and is none of them. */
static void tokens_are_renewed_whatever_their_names(void **state)
{
	(void)state;
	settings.pkcs12_file = (char *)(uintptr_t) "t{hint}.p12";
	send_token(0, "{\"exp\":2000}");
	send_token(0, "{\"exp\":2001}");
	run_loop();
	assert_int_equal(loop.generation, 2);
	assert_file("token", "e30.eyJleHAiOjIwMDF9.x");
	assert_int_equal(count_in_log("\"event\":\"delivered\""), 2);
}

static void same_state_is_no_update(void **state)
{
	(void)state;
	send_token(0, "{\"exp\":2000}");
	send_token(0, "{\"exp\":2000}");
	send_token(0, "{\"exp\":2000}");
	run_loop();
	assert_int_equal(loop.generation, 1);
}

static void bad_updates_are_refused(void **state)
{
	(void)state;
	send_token(0, "{\"exp\":2000}");
	send_token(0, "{\"exp\":999}");
	send_token(0, "{}");
	run_loop();
	assert_int_equal(loop.generation, 1);
	assert_file("token", "eyJleHAiOjIwMDB9");
	assert_int_equal(count_in_log("\"event\":\"refused\""), 2);
}

static void kept_files_are_said_once(void **state)
{
	(void)state;
	settings.on_deletion = SVID_KEEP;
	send_token(0, "{\"exp\":2000}");
	for (int i = 0; i < 5; i++)
		send_trouble(SVID_TOKEN, 0, WORKLOAD_NO_IDENTITY, "no identity");
	run_loop();
	assert_int_equal(count_in_log("\"event\":\"kept\""), 1);
	assert_file("token", "e30.");
}

/* … and again only when there was something in between. */
static void a_second_loss_is_said_again(void **state)
{
	(void)state;
	settings.on_deletion = SVID_KEEP;
	for (int i = 0; i < 2; i++) {
		send_token(0, "{\"exp\":2000}");
		send_trouble(SVID_TOKEN, 0, WORKLOAD_NO_IDENTITY, "no identity");
	}
	send_trouble(SVID_TOKEN, 0, WORKLOAD_RETRY, "something else");
	run_loop();
	assert_int_equal(count_in_log("\"event\":\"kept\""), 2);
}

static void lost_files_are_withdrawn(void **state)
{
	(void)state;
	send_token(0, "{\"exp\":2000}");
	send_trouble(SVID_TOKEN, 0, WORKLOAD_RETRY, "in trouble");
	send_trouble(SVID_TOKEN, 0, WORKLOAD_NO_IDENTITY, "no identity");
	send_trouble(SVID_TOKEN, 0, WORKLOAD_NO_IDENTITY, "no identity");
	run_loop();
	assert_int_equal(count_in_log("\"event\":\"withdrawn\""), 1);
	assert_int_equal(loop.generation, 2);
}

/* Two sources in trouble speak by turns: each says its own once. */
static void the_same_trouble_is_said_once_a_source(void **state)
{
	(void)state;
	loop.state.token_count = 2;
	for (int i = 0; i < 4; i++) {
		send_trouble(SVID_TOKEN, 0, WORKLOAD_RETRY, "trouble of the first");
		send_trouble(SVID_TOKEN, 1, WORKLOAD_RETRY, "trouble of the second");
	}
	run_loop();
	assert_int_equal(count_in_log("trouble of the first"), 1);
	assert_int_equal(count_in_log("trouble of the second"), 1);
}

/* An earlier run's token has expired, another one's has not. */
static void earlier_files_are_flagged(void **state)
{
	(void)state;
	loop.state.token_count = 2;
	send_token(0, "{\"exp\":1500}");
	send_token(1, "{\"exp\":2000}");
	run_loop();
	svid_state_done(&loop.state);
	svid_tell_close(&loop.tell);
	svid_writer_close(&loop.writer);
	svid_place_close(&loop.place);
	loop = (struct svid_loop){ .settings = &settings, .signal_fd = -1 };
	loop.state = (struct svid_state){ .settings = &settings, .tokens = tokens, .token_count = 2 };
	now = 1600;
	send_trouble(SVID_TOKEN, 0, WORKLOAD_RETRY, "in trouble");
	run_loop();
	assert_int_equal(count_in_log("\"event\":\"expired\""), 1);
	assert_int_equal(count_in_log("left by an earlier run: token\""), 1);
	assert_file("other", "e30.");
	char path[600];
	(void)snprintf(path, sizeof(path), "%s/token", root);
	assert_int_equal(access(path, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tokens_are_renewed_whatever_their_names),
		TEST(same_state_is_no_update),
		TEST(bad_updates_are_refused),
		TEST(kept_files_are_said_once),
		TEST(a_second_loss_is_said_again),
		TEST(lost_files_are_withdrawn),
		TEST(the_same_trouble_is_said_once_a_source),
		TEST(earlier_files_are_flagged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
