/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registration entries of a SPIRE server: who (a SPIFFE ID) is whoever has these selectors on
 * an agent that the parent stands for. Everything is owned.
 *
 * The server knows an entry by parent, SPIFFE ID and set of selectors (its key), whatever its id.
 */
#ifndef SEALPOD_SPIRE_ENTRY_H
#define SEALPOD_SPIRE_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define SPIRE_ENTRY_ID_MAX 255
#define SPIRE_ENTRY_HINT_MAX 1024

struct spire_texts {
	char **list;
	size_t count;
};

struct spire_entry {
	char *id; /* "": the server chooses one */
	char *spiffe_id;
	char *parent_id;
	struct spire_texts selectors; /* "type:value" */
	int32_t x509_ttl;	      /* seconds; 0: the server's default */
	int32_t jwt_ttl;
	struct spire_texts dns_names;
	struct spire_texts federates_with; /* names of trust domains */
	char *hint;			   /* "": none */
	bool admin;
	bool downstream;
	bool store_svid;
	bool disable_x509_prefetch;
	bool jwt_include_jti;
	int64_t expires_at; /* 0: never */
};

struct spire_entries {
	struct spire_entry *list;
	size_t count;
	size_t room;
};

void spire_texts_done(struct spire_texts *texts);
void spire_entry_done(struct spire_entry *entry);
void spire_entries_done(struct spire_entries *entries);
#define OWNED_ENTRY CLEANUP(spire_entry_done)
#define OWNED_ENTRIES CLEANUP(spire_entries_done)

/* Copies `len` bytes of text behind the others. */
int spire_texts_add(struct spire_texts *texts, const char *text, size_t len, struct err *err) WARN_UNUSED;

/* Moves the entry, which is empty afterwards, also when it fails. */
int spire_entries_add(struct spire_entries *entries, struct spire_entry *entry, struct err *err) WARN_UNUSED;

/* Puts selectors, DNS names and trust domains in order: for sets, order says nothing. Entries from the server and
 * those that are compared with them must have been through this. */
void spire_entry_normalize(struct spire_entry *entry);

/* By parent, SPIFFE ID and selectors. */
int spire_entry_compare_keys(const struct spire_entry *a, const struct spire_entry *b);

/* Do key and all that an entry says agree (the id apart)? */
bool spire_entry_same(const struct spire_entry *a, const struct spire_entry *b);

/* Does it stand for agents: is the server itself its parent? */
bool spire_entry_is_alias(const struct spire_entry *entry);

#endif
