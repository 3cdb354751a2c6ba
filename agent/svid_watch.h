/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that talk to the Workload API: one a stream, one for all tokens. They
 * start again what ends until they are stopped, and hand everything that they learn over
 * as news; they touch nothing else.
 */
#ifndef SEALPOD_AGENT_SVID_WATCH_H
#define SEALPOD_AGENT_SVID_WATCH_H

#include "agent/svid_files.h"
#include "config/svid_settings.h"
#include "spire/workload.h"

struct svid_news {
	struct svid_news *next;
	enum svid_source source;
	size_t token; /* of SVID_TOKEN: which one */
	bool trouble; /* the call ended: `what_next` and `err`; otherwise an update */
	enum workload_next what_next;
	struct err err;
	struct workload_x509 x509;
	struct workload_bundles bundles;
	struct workload_jwts jwts;
};

void svid_news_free(struct svid_news *news);
void svid_news_cleanup(struct svid_news **news);
#define OWNED_NEWS CLEANUP(svid_news_cleanup)

struct svid_watch;

/* Starts the threads. `tokens` and `socket` must stay until svid_watch_free(). Signals that the
 * caller wants for itself must be blocked already. */
int svid_watch_start(const struct svid_settings *settings, const struct svid_token *tokens, size_t token_count,
		     const char *socket, struct svid_watch **ret_watch, struct err *err) WARN_UNUSED;

/* Ends the threads, whatever they wait for, and waits for their ends: at once, but for what is just
 * being decoded. Takes NULL. */
void svid_watch_free(struct svid_watch *watch);

/* Readable when there are news. */
int svid_watch_fd(const struct svid_watch *watch);

/* The oldest news, NULL if there are none. Of updates of one kind only the latest is kept. */
struct svid_news *svid_watch_next(struct svid_watch *watch);

#endif
