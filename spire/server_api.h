/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the SPIRE server's API: registration entries, and which agents there are.
 *
 * Over the server's unix socket, whose permissions say who may; or over TCP with the SVID of an
 * administrator, where the server is known by its SPIFFE ID and not by its host's name. Each call is tried
 * again, until the deadline, while the server is away or in trouble: all of them may be repeated.
 */
#ifndef SEALPOD_SPIRE_SERVER_API_H
#define SEALPOD_SPIRE_SERVER_API_H

#include "base/clock.h"
#include "base/secret.h"
#include "spire/entry_proto.h"

struct spire_server;

/* Entries that one call carries, and that one page holds. */
#define SPIRE_SERVER_BATCH 200

struct spire_server_options {
	const char *address;	  /* "unix:///PATH" or "tcp://HOST:PORT" */
	const char *trust_domain; /* for tcp: whose server it must be */
	struct bytes bundle;	  /* for tcp: PEM of the trust domain's CAs */
	struct bytes certificate; /* for tcp: PEM, the administrator's SVID and its chain */
	const struct secret *key; /* for tcp: PEM */
	struct deadline deadline; /* of everything that is done through it */
};

/* Sends nothing. What the options point to must stay. http_setup() and secret_setup() must have been called. */
int spire_server_open(const struct spire_server_options *options, struct spire_server **ret_server,
		      struct err *err) WARN_UNUSED;
void spire_server_close(struct spire_server *server);
void spire_server_cleanup(struct spire_server **server);
#define OWNED_SERVER CLEANUP(spire_server_cleanup)

/* All entries, normalized. */
int spire_server_list(struct spire_server *server, struct spire_entries *ret_entries, struct err *err) WARN_UNUSED;

/* At most SPIRE_SERVER_BATCH entries. What became of each stands in its result (spire_results_done()); -1 is for the
 * call as a whole. */
int spire_server_batch(struct spire_server *server, enum spire_batch batch, const struct spire_entry *const *entries,
		       size_t count, struct spire_result *ret_results, struct err *err) WARN_UNUSED;
void spire_results_done(struct spire_result *results, size_t count);

/* Agents that attested with this selector among theirs. */
int spire_server_agents(struct spire_server *server, const char *selector, struct spire_agents *ret_agents,
			struct err *err) WARN_UNUSED;

/* The name of the trust domain that it serves, appended. */
int spire_server_trust_domain(struct spire_server *server, struct buf *ret_domain, struct err *err) WARN_UNUSED;

#endif
