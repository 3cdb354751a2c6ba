/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of `sealpod svid`.
 *
 * What comes over the socket is decoded in spire/; here it only waits to be
 * fetched. Must never keep more than one update of a kind, however fast they come,
 * and never wait for the thread that fetches them.
 */
#include "agent/svid_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "spire/jwt.h"

#define STACK_SIZE (256 * 1024)
#define TOKEN_CALL_MS 30000
#define PAUSE_MAX_MS 3600000
#define THREADS_MAX 3

struct svid_watch {
	pthread_mutex_t lock;
	struct svid_news *first;
	int event_fd;
	int stop_fd; /* readable: the threads are to end */
	pthread_t threads[THREADS_MAX];
	size_t thread_count;
	const char *socket;
	const struct svid_token *tokens;
	size_t token_count;
};

void svid_news_free(struct svid_news *news)
{
	if (!news)
		return;
	workload_x509_done(&news->x509);
	workload_bundles_done(&news->bundles);
	workload_jwts_done(&news->jwts);
	free(news);
}

void svid_news_cleanup(struct svid_news **news)
{
	svid_news_free(*news);
	*news = NULL;
}

int svid_watch_fd(const struct svid_watch *watch)
{
	return watch->event_fd;
}

static bool is_same_kind(const struct svid_news *a, const struct svid_news *b)
{
	return a->source == b->source && a->token == b->token && a->trouble == b->trouble;
}

/* Appends, and takes an older one of the kind out: it returns that one. */
static struct svid_news *exchange(struct svid_watch *watch, struct svid_news *news)
{
	struct svid_news *old = NULL;
	struct svid_news **at = &watch->first;
	while (*at) {
		if (!old && is_same_kind(*at, news)) {
			old = *at;
			*at = old->next;
		} else {
			at = &(*at)->next;
		}
	}
	*at = news;
	return old;
}

static void post(struct svid_watch *watch, struct svid_news *news)
{
	const uint64_t one = 1;
	(void)pthread_mutex_lock(&watch->lock);
	struct svid_news *old = exchange(watch, news);
	(void)pthread_mutex_unlock(&watch->lock);
	svid_news_free(old);
	ssize_t ignored = write(watch->event_fd, &one, sizeof(one)); /* fails only when it is readable anyway */
	(void)ignored;
}

struct svid_news *svid_watch_next(struct svid_watch *watch)
{
	uint64_t count;
	(void)pthread_mutex_lock(&watch->lock);
	struct svid_news *news = watch->first;
	if (news)
		watch->first = news->next;
	else if (read(watch->event_fd, &count, sizeof(count)) < 0)
		count = 0; /* there was nothing to read */
	(void)pthread_mutex_unlock(&watch->lock);
	return news;
}

static struct svid_news *new_news(enum svid_source source, size_t token)
{
	struct svid_news *news = calloc(1, sizeof(*news));
	if (news) {
		news->source = source;
		news->token = token;
	}
	return news;
}

static void post_trouble(struct svid_watch *watch, enum svid_source source, size_t token, enum workload_next what_next,
			 const struct err *err)
{
	struct svid_news *news = new_news(source, token);
	if (!news)
		return;
	news->trouble = true;
	news->what_next = what_next;
	news->err = *err;
	post(watch, news);
}

/* Sleeps so long, or less. False: the thread is to end. */
static bool pause_ms(const struct svid_watch *watch, int64_t ms)
{
	struct pollfd stop = { .fd = watch->stop_fd, .events = POLLIN };
	int limit = ms < 0 ? 0 : ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : (int)ms;
	return poll(&stop, 1, limit) <= 0;
}

/* A stream and how it went so far. */
struct stream {
	struct svid_watch *watch;
	enum svid_source source;
	struct workload_pace pace;
};

static int on_x509(struct workload_x509 *update, void *arg, struct err *err)
{
	struct stream *stream = arg;
	struct svid_news *news = new_news(SVID_X509, 0);
	if (!news)
		return err_set(err, ERR_SYSTEM, "out of memory");
	news->x509 = *update;
	*update = (struct workload_x509){ 0 };
	stream->pace = (struct workload_pace){ 0 };
	post(stream->watch, news);
	return 0;
}

static int on_bundles(struct workload_bundles *update, void *arg, struct err *err)
{
	struct stream *stream = arg;
	struct svid_news *news = new_news(stream->source, 0);
	if (!news)
		return err_set(err, ERR_SYSTEM, "out of memory");
	news->bundles = *update;
	*update = (struct workload_bundles){ 0 };
	stream->pace = (struct workload_pace){ 0 };
	post(stream->watch, news);
	return 0;
}

static int one_stream(struct workload *workload, struct stream *stream, struct grpc_status *status, struct err *err)
{
	if (stream->source == SVID_X509)
		return workload_watch_x509(workload, on_x509, stream, NULL, status, err);
	return workload_watch_bundles(workload,
				      stream->source == SVID_JWKS ? WORKLOAD_JWT_BUNDLES : WORKLOAD_X509_BUNDLES,
				      on_bundles, stream, NULL, status, err);
}

static void run_stream(struct svid_watch *watch, enum svid_source source)
{
	struct stream stream = { .watch = watch, .source = source };
	int64_t pause = 0;
	while (pause_ms(watch, pause)) {
		OWNED_WORKLOAD struct workload *workload = NULL;
		struct grpc_status status = { .code = GRPC_INTERNAL };
		struct err err = { 0 };
		enum workload_next what_next = WORKLOAD_RETRY;
		if (workload_open(watch->socket, &watch->stop_fd, &workload, &err) == 0 &&
		    one_stream(workload, &stream, &status, &err) < 0)
			what_next = workload_next(&status, &err);
		post_trouble(watch, source, 0, what_next, &err);
		pause = workload_pause_ms(&stream.pace, what_next);
	}
}

static void *x509_thread(void *watch)
{
	run_stream(watch, SVID_X509);
	return NULL;
}

static void *bundles_thread(void *watch)
{
	run_stream(watch, SVID_BUNDLES);
	return NULL;
}

static void *jwks_thread(void *watch)
{
	run_stream(watch, SVID_JWKS);
	return NULL;
}

/* Half of the life that is left, and a second more: the agent renews its own at half. 0: nothing is left. */
static int64_t renew_in_ms(const struct workload_jwts *jwts)
{
	int64_t least = INT64_MAX;
	for (size_t i = 0; i < jwts->count; i++) {
		int64_t expires;
		struct err ignored;
		if (spire_jwt_expiry(&jwts->list[i].token, &expires, &ignored) == 0 && expires < least)
			least = expires;
	}
	int64_t left = least == INT64_MAX ? 60 : least - (int64_t)time(NULL);
	return left <= 0 ? 0 : (left > 86400 ? 86400 : left) * 500 + 1000;
}

/* When to fetch it next, and how that went so far. */
struct errand {
	int64_t due_ms;
	struct workload_pace pace;
};

/* A clock that is ahead makes every token one that has expired: the agent is not asked for another all the time. */
static void plan_renewal(struct errand *errand, int64_t ms)
{
	if (ms > 0)
		errand->pace = (struct workload_pace){ 0 };
	else
		ms = workload_pause_ms(&errand->pace, WORKLOAD_RETRY);
	errand->due_ms = clock_now_ms() + ms;
}

static void fetch_token(struct svid_watch *watch, size_t token, struct errand *errand)
{
	OWNED_WORKLOAD struct workload *workload = NULL;
	OWNED_NEWS struct svid_news *news = new_news(SVID_TOKEN, token);
	const struct svid_token *wanted = &watch->tokens[token];
	struct grpc_status status = { .code = GRPC_INTERNAL };
	struct err err = { 0 };
	struct deadline limit = deadline_in(TOKEN_CALL_MS);
	if (news && workload_open(watch->socket, &watch->stop_fd, &workload, &err) == 0 &&
	    workload_fetch_jwts(workload, wanted->audiences, wanted->audience_count, NULL, &limit, &news->jwts, &status,
				&err) == 0) {
		plan_renewal(errand, renew_in_ms(&news->jwts));
		post(watch, TAKE_PTR(news));
		return;
	}
	enum workload_next what_next = workload ? workload_next(&status, &err) : WORKLOAD_RETRY;
	post_trouble(watch, SVID_TOKEN, token, what_next, &err);
	errand->due_ms = clock_now_ms() + workload_pause_ms(&errand->pace, what_next);
}

static void *token_thread(void *arg)
{
	struct svid_watch *watch = arg;
	struct errand errands[SVID_TOKENS_MAX] = { { .due_ms = 0 } };
	int64_t first = 0;
	while (pause_ms(watch, first - clock_now_ms())) {
		first = INT64_MAX;
		for (size_t i = 0; i < watch->token_count; i++) {
			if (errands[i].due_ms <= clock_now_ms())
				fetch_token(watch, i, &errands[i]);
			if (errands[i].due_ms < first)
				first = errands[i].due_ms;
		}
	}
	return NULL;
}

static int start_thread(struct svid_watch *watch, void *(*run)(void *), struct err *err)
{
	pthread_attr_t attr;
	int why = pthread_attr_init(&attr);
	if (why == 0)
		why = pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (why == 0)
		why = pthread_create(&watch->threads[watch->thread_count], &attr, run, watch);
	if (why != 0)
		return err_set_errno(err, ERR_SYSTEM, why, "cannot start a thread");
	(void)pthread_attr_destroy(&attr);
	watch->thread_count++;
	return 0;
}

static void stop_threads(struct svid_watch *watch)
{
	const uint64_t one = 1;
	ssize_t ignored = write(watch->stop_fd, &one, sizeof(one)); /* it has room: nothing else writes to it */
	(void)ignored;
	for (size_t i = 0; i < watch->thread_count; i++)
		(void)pthread_join(watch->threads[i], NULL);
}

void svid_watch_free(struct svid_watch *watch)
{
	if (!watch)
		return;
	stop_threads(watch);
	for (struct svid_news *news; (news = svid_watch_next(watch));)
		svid_news_free(news);
	(void)pthread_mutex_destroy(&watch->lock);
	(void)close(watch->event_fd);
	(void)close(watch->stop_fd);
	free(watch);
}

/* NULL with err. */
static struct svid_watch *new_watch(struct err *err)
{
	int event_fd OWNED_FD = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int stop_fd OWNED_FD = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0 || stop_fd < 0) {
		(void)err_set_errno(err, ERR_SYSTEM, errno, "cannot make a channel for threads");
		return NULL;
	}
	struct svid_watch *watch = calloc(1, sizeof(*watch));
	if (!watch || pthread_mutex_init(&watch->lock, NULL) != 0) {
		free(watch);
		(void)err_set(err, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	watch->event_fd = TAKE_FD(event_fd);
	watch->stop_fd = TAKE_FD(stop_fd);
	return watch;
}

int svid_watch_start(const struct svid_settings *settings, const struct svid_token *tokens, size_t token_count,
		     const char *socket, struct svid_watch **ret_watch, struct err *err)
{
	struct svid_watch *watch = new_watch(err);
	if (!watch)
		return -1;
	watch->socket = socket;
	watch->tokens = tokens;
	watch->token_count = token_count;
	bool svids = !settings->no_x509 && !settings->bundles_only;
	if ((svids && start_thread(watch, x509_thread, err) < 0) ||
	    (settings->bundles_only && start_thread(watch, bundles_thread, err) < 0) ||
	    (settings->jwt_bundle_file && start_thread(watch, jwks_thread, err) < 0) ||
	    (token_count > 0 && start_thread(watch, token_thread, err) < 0)) {
		svid_watch_free(watch);
		return -1;
	}
	*ret_watch = watch;
	return 0;
}
