/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the SPIRE server's API: from and to the wire. What is decoded owns its content. An
 * entry or agent may be anybody's: only its form is checked, its texts may hold anything but NUL.
 */
#ifndef SEALPOD_SPIRE_ENTRY_PROTO_H
#define SEALPOD_SPIRE_ENTRY_PROTO_H

#include "spire/entry.h"

/* What the server did about one item of a batch. */
struct spire_result {
	unsigned code; /* of enum grpc_code; what is none of it stands as it came */
	char message[256];
	struct spire_entry entry; /* of create and update: as it is stored now; .id NULL where the server sent none */
};

struct spire_agent {
	char *id;
	int64_t expires_at; /* of its SVID */
	bool banned;
	struct spire_texts selectors;
};

struct spire_agents {
	struct spire_agent *list;
	size_t count;
};

void spire_agents_done(struct spire_agents *agents);
#define OWNED_AGENTS CLEANUP(spire_agents_done)

enum spire_batch { SPIRE_CREATE, SPIRE_UPDATE, SPIRE_DELETE };

/* Appended to `out`. Of entries to delete only the id counts. ERR_CONFIG for a text that is no SPIFFE ID or selector.
 */
int spire_entry_encode_batch(enum spire_batch batch, const struct spire_entry *const *entries, size_t count,
			     struct buf *out, struct err *err) WARN_UNUSED;
int spire_entry_encode_list(unsigned page_size, const char *page_token, struct buf *out, struct err *err) WARN_UNUSED;
int spire_agent_encode_list(const char *selector, unsigned page_size, const char *page_token, struct buf *out,
			    struct err *err) WARN_UNUSED;

/* Exactly `count` results. ERR_PROTOCOL as all decoders. */
int spire_entry_decode_results(enum spire_batch batch, struct bytes message, struct spire_result *ret_results,
			       size_t count, struct err *err) WARN_UNUSED;

/* Adds to the list what the page holds. An empty token ends the list. */
int spire_entry_decode_page(struct bytes message, struct spire_entries *entries, struct buf *ret_token,
			    struct err *err) WARN_UNUSED;
int spire_agent_decode_page(struct bytes message, struct spire_agents *agents, struct buf *ret_token,
			    struct err *err) WARN_UNUSED;

/* The trust domain's name. */
int spire_bundle_decode_domain(struct bytes message, struct buf *ret_domain, struct err *err) WARN_UNUSED;

#endif
