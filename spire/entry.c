/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registration entries: keeping and comparing them. Some come from a server, where anybody may have
 * made them, so nothing is assumed of their texts.
 */
#include "spire/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "spire/id.h"

void spire_texts_done(struct spire_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->list[i]);
	free(texts->list);
	*texts = (struct spire_texts){ 0 };
}

void spire_entry_done(struct spire_entry *entry)
{
	free(entry->id);
	free(entry->spiffe_id);
	free(entry->parent_id);
	free(entry->hint);
	spire_texts_done(&entry->selectors);
	spire_texts_done(&entry->dns_names);
	spire_texts_done(&entry->federates_with);
	*entry = (struct spire_entry){ 0 };
}

void spire_entries_done(struct spire_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		spire_entry_done(&entries->list[i]);
	free(entries->list);
	*entries = (struct spire_entries){ 0 };
}

int spire_texts_add(struct spire_texts *texts, const char *text, size_t len, struct err *err)
{
	char **list = reallocarray(texts->list, texts->count + 1, sizeof(*list));
	if (!list)
		return err_set(err, ERR_SYSTEM, "out of memory");
	texts->list = list;
	list[texts->count] = strndup(text, len);
	if (!list[texts->count])
		return err_set(err, ERR_SYSTEM, "out of memory");
	texts->count++;
	return 0;
}

int spire_entries_add(struct spire_entries *entries, struct spire_entry *entry, struct err *err)
{
	if (entries->count == entries->room) {
		size_t room = entries->room ? 2 * entries->room : 64;
		struct spire_entry *list = reallocarray(entries->list, room, sizeof(*list));
		if (!list) {
			spire_entry_done(entry);
			return err_set(err, ERR_SYSTEM, "out of memory");
		}
		entries->list = list;
		entries->room = room;
	}
	entries->list[entries->count++] = *entry;
	*entry = (struct spire_entry){ 0 };
	return 0;
}

static int compare_text_pointers(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;
	return strcmp(*left, *right);
}

static void sort(struct spire_texts *texts)
{
	if (texts->count > 1)
		qsort(texts->list, texts->count, sizeof(*texts->list), compare_text_pointers);
}

void spire_entry_normalize(struct spire_entry *entry)
{
	sort(&entry->selectors);
	sort(&entry->dns_names);
	sort(&entry->federates_with);
}

static int compare_texts(const struct spire_texts *a, const struct spire_texts *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		int order = strcmp(a->list[i], b->list[i]);
		if (order != 0)
			return order;
	}
	return (a->count > b->count) - (a->count < b->count);
}

int spire_entry_compare_keys(const struct spire_entry *a, const struct spire_entry *b)
{
	int order = strcmp(a->parent_id, b->parent_id);
	if (order == 0)
		order = strcmp(a->spiffe_id, b->spiffe_id);
	return order != 0 ? order : compare_texts(&a->selectors, &b->selectors);
}

bool spire_entry_same(const struct spire_entry *a, const struct spire_entry *b)
{
	return spire_entry_compare_keys(a, b) == 0 && a->x509_ttl == b->x509_ttl && a->jwt_ttl == b->jwt_ttl &&
	       a->expires_at == b->expires_at && a->admin == b->admin && a->downstream == b->downstream &&
	       a->store_svid == b->store_svid && a->disable_x509_prefetch == b->disable_x509_prefetch &&
	       a->jwt_include_jti == b->jwt_include_jti && strcmp(a->hint, b->hint) == 0 &&
	       compare_texts(&a->dns_names, &b->dns_names) == 0 &&
	       compare_texts(&a->federates_with, &b->federates_with) == 0;
}

bool spire_entry_is_alias(const struct spire_entry *entry)
{
	struct bytes path;
	return spire_id_parse(entry->parent_id, NULL, &path, NULL) == 0 && bytes_equal_text(path, "/spire/server");
}
