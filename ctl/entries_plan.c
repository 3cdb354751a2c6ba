/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a SPIRE server has against what a deployment wants, and making it so.
 *
 * The server's entries may be anybody's. Must never change or delete one that does not carry the
 * deployment's prefix, nor delete before what takes its place is there.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/grpc.h"
#include "base/log.h"
#include "ctl/entries.h"
#include "ctl/progress.h"
#include "spire/server_api.h"

void entries_plan_done(struct entries_plan *plan)
{
	free(plan->changes);
	*plan = (struct entries_plan){ 0 };
}

/* --- comparing --- */

static int by_id(const void *a, const void *b)
{
	const struct spire_entry *left = a;
	const struct spire_entry *right = b;
	return strcmp(left->id, right->id);
}

static int by_key(const void *a, const void *b)
{
	const struct spire_entry *const *left = a;
	const struct spire_entry *const *right = b;
	return spire_entry_compare_keys(*left, *right);
}

/* The server's entries, in order of their ids and of their keys. */
struct index {
	const struct spire_entries *entries;
	const struct spire_entry **keys;
	bool *used; /* in order of the ids: it is one that is wanted */
};

static void index_done(struct index *index)
{
	free(index->keys);
	free(index->used);
}

static int make_index(struct spire_entries *found, struct index *index, struct err *err)
{
	index->entries = found;
	index->keys = calloc(found->count + 1, sizeof(struct spire_entry *));
	index->used = calloc(found->count + 1, sizeof(bool));
	if (!index->keys || !index->used)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (found->count == 0)
		return 0;
	qsort(found->list, found->count, sizeof(*found->list), by_id);
	for (size_t i = 0; i < found->count; i++)
		index->keys[i] = &found->list[i];
	qsort(index->keys, found->count, sizeof(*index->keys), by_key);
	return 0;
}

static const struct spire_entry *find(const struct index *index, const struct spire_entry *wanted)
{
	const struct spire_entries *all = index->entries;
	if (all->count == 0)
		return NULL;
	const struct spire_entry *entry = bsearch(wanted, all->list, all->count, sizeof(*all->list), by_id);
	if (entry)
		return entry;
	const struct spire_entry **key = bsearch(&wanted, index->keys, all->count, sizeof(*index->keys), by_key);
	return key ? *key : NULL;
}

static void add_change(struct entries_plan *plan, enum entries_what what, const struct spire_entry *wanted,
		       const struct spire_entry *found)
{
	plan->changes[plan->count++] = (struct entries_change){ what, wanted, found }; /* room was made for all */
	plan->counts[what]++;
}

static void place_wanted(const char *name, const struct spire_entry *wanted, const struct index *index,
			 struct entries_plan *plan)
{
	const struct spire_entry *found = find(index, wanted);
	if (!found) {
		add_change(plan, ENTRIES_CREATE, wanted, NULL);
		return;
	}
	index->used[found - index->entries->list] = true;
	if (spire_entry_same(wanted, found))
		plan->same++;
	else
		add_change(plan, entries_is_ours(name, found->id) ? ENTRIES_UPDATE : ENTRIES_CONFLICT, wanted, found);
}

int entries_compare(const char *name, struct spire_entries *wanted, struct spire_entries *found,
		    struct entries_plan *ret_plan, struct err *err)
{
	CLEANUP(index_done) struct index index = { 0 };
	OWNED_PLAN struct entries_plan plan = { 0 };
	plan.changes = calloc(wanted->count + found->count + 1, sizeof(*plan.changes));
	if (!plan.changes)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (make_index(found, &index, err) < 0)
		return -1;
	if (wanted->count > 0)
		qsort(wanted->list, wanted->count, sizeof(*wanted->list), by_id);
	for (size_t i = 0; i < wanted->count; i++)
		place_wanted(name, &wanted->list[i], &index, &plan);
	for (size_t i = 0; i < found->count; i++) {
		bool ours = entries_is_ours(name, found->list[i].id);
		if (ours && !index.used[i])
			add_change(&plan, ENTRIES_LEFT, NULL, &found->list[i]);
		plan.foreign += ours ? 0 : 1;
	}
	*ret_plan = plan;
	plan = (struct entries_plan){ 0 };
	return 0;
}

/* --- showing --- */

static void show_texts(struct sheet *sheet, const char *key, const char *label, const struct spire_texts *texts)
{
	sheet_texts(sheet, key, label, texts->list, texts->count);
}

static void show_text(struct sheet *sheet, const char *key, const char *label, const char *text)
{
	if (*text)
		sheet_foreign(sheet, key, label, bytes_of_text(text));
}

void entries_show(const struct spire_entry *entry, struct sheet *sheet)
{
	show_text(sheet, "id", "id", entry->id);
	show_text(sheet, "spiffe_id", "SPIFFE ID", entry->spiffe_id);
	show_text(sheet, "parent_id", "parent", entry->parent_id);
	show_texts(sheet, "selectors", "selectors", &entry->selectors);
	if (entry->x509_ttl)
		sheet_number(sheet, "x509_ttl", "X.509 TTL", (uint64_t)entry->x509_ttl);
	if (entry->jwt_ttl)
		sheet_number(sheet, "jwt_ttl", "JWT TTL", (uint64_t)entry->jwt_ttl);
	show_texts(sheet, "dns_names", "DNS names", &entry->dns_names);
	show_texts(sheet, "federates_with", "federates with", &entry->federates_with);
	show_text(sheet, "hint", "hint", entry->hint);
	if (entry->admin)
		sheet_bool(sheet, "admin", "admin", true);
	if (entry->downstream)
		sheet_bool(sheet, "downstream", "downstream", true);
	if (entry->store_svid)
		sheet_bool(sheet, "store_svid", "store SVID", true);
	if (entry->disable_x509_prefetch)
		sheet_bool(sheet, "disable_x509_prefetch", "no X.509 prefetch", true);
	if (entry->jwt_include_jti)
		sheet_bool(sheet, "jwt_include_jti", "JWT with jti", true);
	if (entry->expires_at)
		sheet_number(sheet, "expires_at", "expires at", (uint64_t)entry->expires_at);
}

static const struct {
	const char *name;
	const char *heading;
} words[] = {
	[ENTRIES_CREATE] = { "create", "+ create" },
	[ENTRIES_UPDATE] = { "update", "~ update" },
	[ENTRIES_LEFT] = { "left", "- not wanted any more (--prune deletes it)" },
	[ENTRIES_CONFLICT] = { "conflict", "! somebody else's entry with the same key differs" },
};

static void show_change(const struct entries_change *change, struct sheet *sheet)
{
	sheet_begin(sheet, NULL, words[change->what].heading);
	sheet_text(sheet, "change", NULL, "%s", words[change->what].name);
	if (change->found && change->wanted) {
		sheet_begin(sheet, "found", "there is");
		entries_show(change->found, sheet);
		sheet_end(sheet);
		sheet_begin(sheet, "wanted", "wanted");
		entries_show(change->wanted, sheet);
		sheet_end(sheet);
	} else if (change->found) {
		sheet_begin(sheet, "found", NULL);
		entries_show(change->found, sheet);
		sheet_end(sheet);
	} else {
		sheet_begin(sheet, "wanted", NULL);
		entries_show(change->wanted, sheet);
		sheet_end(sheet);
	}
	sheet_end(sheet);
}

bool entries_plan_differs(const struct entries_plan *plan, bool prune)
{
	return plan->count > (prune ? 0 : plan->counts[ENTRIES_LEFT]);
}

void entries_plan_show(const struct entries_plan *plan, struct sheet *sheet)
{
	sheet_begin(sheet, "entries", "registration entries");
	sheet_begin_list(sheet, "changes", NULL);
	for (size_t i = 0; i < plan->count; i++)
		show_change(&plan->changes[i], sheet);
	sheet_end(sheet);
	sheet_number(sheet, "same", "as wanted", plan->same);
	sheet_number(sheet, "create", "to create", plan->counts[ENTRIES_CREATE]);
	sheet_number(sheet, "update", "to update", plan->counts[ENTRIES_UPDATE]);
	sheet_number(sheet, "left", "not wanted any more", plan->counts[ENTRIES_LEFT]);
	sheet_number(sheet, "conflict", "in conflict", plan->counts[ENTRIES_CONFLICT]);
	sheet_number(sheet, "foreign", "of others", plan->foreign);
	sheet_end(sheet);
}

/* --- making it so --- */

struct work {
	struct spire_server *server;
	const struct entries_plan *plan;
	size_t done, all, failed;
};

/* Doing again what was done before is no failure. */
static bool is_done(enum spire_batch batch, const struct spire_entry *entry, const struct spire_result *result)
{
	if (result->code == GRPC_OK)
		return true;
	if (batch == SPIRE_DELETE)
		return result->code == GRPC_NOT_FOUND;
	return batch == SPIRE_CREATE && result->code == GRPC_ALREADY_EXISTS && result->entry.id &&
	       spire_entry_same(&result->entry, entry);
}

static const char *const verbs[] = {
	[SPIRE_CREATE] = "created",
	[SPIRE_UPDATE] = "updated",
	[SPIRE_DELETE] = "deleted",
};

static int send_batch(struct work *work, enum spire_batch batch, const struct spire_entry *const *entries, size_t count,
		      struct err *err)
{
	struct spire_result *results OWNED_MEM = calloc(count, sizeof(*results));
	if (!results)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (spire_server_batch(work->server, batch, entries, count, results, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		work->done++;
		if (is_done(batch, entries[i], &results[i]))
			continue;
		work->failed++;
		log_error("entry '%s' ('%s') was not %s: %s: %s", entries[i]->id, entries[i]->spiffe_id, verbs[batch],
			  grpc_code_name((enum grpc_code)results[i].code), results[i].message);
	}
	spire_results_done(results, count);
	progress_say("entries: %zu of %zu", work->done, work->all);
	return 0;
}

/* What goes over the wire: an update is told by the id that the server has for it. */
static struct spire_entry message_of(const struct entries_change *change)
{
	struct spire_entry entry = change->wanted ? *change->wanted : *change->found;
	if (change->found)
		entry.id = change->found->id;
	return entry;
}

static int send_all(struct work *work, enum entries_what what, enum spire_batch batch, struct err *err)
{
	struct spire_entry copies[SPIRE_SERVER_BATCH]; /* borrowed content */
	const struct spire_entry *list[SPIRE_SERVER_BATCH];
	size_t count = 0;
	for (size_t i = 0; i < work->plan->count; i++) {
		if (work->plan->changes[i].what != what)
			continue;
		copies[count] = message_of(&work->plan->changes[i]);
		list[count] = &copies[count];
		if (++count < SPIRE_SERVER_BATCH)
			continue;
		if (send_batch(work, batch, list, count, err) < 0)
			return -1;
		count = 0;
	}
	return count > 0 ? send_batch(work, batch, list, count, err) : 0;
}

static void tell_conflicts(struct work *work)
{
	for (size_t i = 0; i < work->plan->count; i++) {
		const struct entries_change *change = &work->plan->changes[i];
		if (change->what != ENTRIES_CONFLICT)
			continue;
		work->failed++;
		log_error("entry '%s' of somebody else has parent, SPIFFE ID '%s' and selectors of '%s' and says "
			  "something else; it is left alone: delete it, or let deployment.toml say the same",
			  change->found->id, change->found->spiffe_id, change->wanted->id);
	}
}

int entries_apply(struct spire_server *server, const struct entries_plan *plan, bool prune, struct err *err)
{
	struct work work = { .server = server, .plan = plan };
	work.all =
		plan->counts[ENTRIES_CREATE] + plan->counts[ENTRIES_UPDATE] + (prune ? plan->counts[ENTRIES_LEFT] : 0);
	tell_conflicts(&work);
	if (send_all(&work, ENTRIES_CREATE, SPIRE_CREATE, err) < 0 ||
	    send_all(&work, ENTRIES_UPDATE, SPIRE_UPDATE, err) < 0)
		return err_wrap(err, "after %zu of %zu changes to entries", work.done, work.all);
	if (work.failed == 0 && prune && send_all(&work, ENTRIES_LEFT, SPIRE_DELETE, err) < 0)
		return err_wrap(err, "after %zu of %zu changes to entries", work.done, work.all);
	if (work.failed > 0)
		return err_set(err, ERR_CONFIG, "%zu entries could not be made as they are wanted%s", work.failed,
			       prune ? "; nothing was deleted" : "");
	return 0;
}
