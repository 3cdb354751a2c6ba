/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of a deployment, made out of its file and its issuers' certificates. Both are the
 * operator's own. Must give the same ids for the same material, for ever: they say whose an entry is.
 */
#include "ctl/entries.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/file.h"
#include "ctl/material.h"
#include "spire/issuer.h"
#include "spire/id.h"

#define PEM_MAX (1u << 20)
#define HASH_BYTES 8

static const char node_kind[] = "node";
static const char work_kind[] = "work";

/* "NAME.": a deployment's name holds no dot, so no prefix begins another. */
bool entries_is_ours(const char *name, const char *id)
{
	size_t len = strlen(name);
	return strncmp(id, name, len) == 0 && id[len] == '.';
}

/* Each text with its end, so that no two lists of texts give the same bytes. */
static int add_part(struct buf *all, const char *text, struct err *err)
{
	return buf_append(all, bytes_of(text, strlen(text) + 1), err);
}

static int hash_key(const struct spire_entry *entry, struct buf *ret_hex, struct err *err)
{
	OWNED_BUF struct buf all = BUF_INIT(ENTRIES_TEXT_MAX);
	struct digest digest;
	if (add_part(&all, entry->parent_id, err) < 0 || add_part(&all, entry->spiffe_id, err) < 0)
		return -1;
	for (size_t i = 0; i < entry->selectors.count; i++)
		if (add_part(&all, entry->selectors.list[i], err) < 0)
			return -1;
	if (digest_of(DIGEST_SHA256, buf_bytes(&all), &digest, err) < 0)
		return -1;
	return hex_encode(bytes_of(digest.bytes, HASH_BYTES), ret_hex, err);
}

static int keep_text(char **place, const struct buf *text, struct err *err)
{
	*place = strdup(buf_text(text));
	return *place ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static int set_id(const char *name, const char *class_name, const char *kind, struct spire_entry *entry,
		  struct err *err)
{
	OWNED_BUF struct buf hex = BUF_INIT(2 * HASH_BYTES);
	OWNED_BUF struct buf id = BUF_INIT(1024);
	if (hash_key(entry, &hex, err) < 0 ||
	    buf_printf(&id, err, "%s.%s.%s.%s", name, class_name, kind, buf_text(&hex)) < 0)
		return -1;
	if (id.len > SPIRE_ENTRY_ID_MAX)
		return err_set(err, ERR_CONFIG,
			       "the names of deployment and class make an entry's id of %zu bytes; SPIRE takes %d",
			       id.len, SPIRE_ENTRY_ID_MAX);
	return keep_text(&entry->id, &id, err);
}

/* `parts` end with NULL. */
static int join(char **place, const char *const *parts, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(ENTRIES_TEXT_MAX);
	for (; *parts; parts++)
		if (buf_append_text(&text, *parts, err) < 0)
			return -1;
	return keep_text(place, &text, err);
}

#define JOIN(place, err, ...) join(place, (const char *const[]){ __VA_ARGS__, NULL }, err)

/* The SPIFFE ID that stands for the agents of a class. */
static int set_alias_id(const struct deployment *deployment, const char *class_name, char **place, struct err *err)
{
	return JOIN(place, err, "spiffe://", deployment->trust_domain, "/sealpod/", deployment->name, "/", class_name);
}

/* Who a class's agents are for the server. */
struct agents {
	struct spire_issuer now;
	struct spire_issuer before; /* while a rotation is under way */
	bool rotating;
};

static int add_alias(const struct deployment *deployment, const char *class_name, const char *selector,
		     struct spire_entries *entries, struct err *err)
{
	OWNED_ENTRY struct spire_entry entry = { 0 };
	if (set_alias_id(deployment, class_name, &entry.spiffe_id, err) < 0 ||
	    JOIN(&entry.parent_id, err, "spiffe://", deployment->trust_domain, "/spire/server") < 0 ||
	    spire_texts_add(&entry.selectors, selector, strlen(selector), err) < 0 || JOIN(&entry.hint, err, "") < 0 ||
	    set_id(deployment->name, class_name, node_kind, &entry, err) < 0)
		return -1;
	return spire_entries_add(entries, &entry, err);
}

static int copy_texts(const struct deployment_texts *from, struct spire_texts *to, struct err *err)
{
	for (size_t i = 0; i < from->count; i++)
		if (spire_texts_add(to, from->items[i], strlen(from->items[i]), err) < 0)
			return -1;
	return 0;
}

/* Below the alias, or below the one agent that there is. */
static int set_parent(const struct deployment *deployment, const char *class_name, const char *agent_path, char **place,
		      struct err *err)
{
	if (*agent_path)
		return JOIN(place, err, "spiffe://", deployment->trust_domain, agent_path);
	return set_alias_id(deployment, class_name, place, err);
}

static int add_workload(const struct deployment *deployment, const char *class_name, const char *agent_path,
			const struct deployment_workload *workload, struct spire_entries *entries, struct err *err)
{
	OWNED_ENTRY struct spire_entry entry = { .x509_ttl = (int32_t)workload->ttl_s };
	bool whole = workload->spiffe_id[0] != '/';
	if (JOIN(&entry.spiffe_id, err, whole ? "" : "spiffe://", whole ? "" : deployment->trust_domain,
		 workload->spiffe_id) < 0 ||
	    set_parent(deployment, class_name, agent_path, &entry.parent_id, err) < 0 ||
	    JOIN(&entry.hint, err, workload->hint ? workload->hint : "") < 0 ||
	    copy_texts(&workload->selectors, &entry.selectors, err) < 0 ||
	    copy_texts(&workload->dns_names, &entry.dns_names, err) < 0)
		return -1;
	spire_entry_normalize(&entry);
	if (set_id(deployment->name, class_name, work_kind, &entry, err) < 0)
		return -1;
	return spire_entries_add(entries, &entry, err);
}

/* *ret_found is false where there is no such file and that may be. */
static int read_issuer(const struct deployment *deployment, const char *out, const char *class_name, bool previous,
		       struct spire_issuer *ret_issuer, bool *ret_found, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT(8192);
	OWNED_BUF struct buf pem = BUF_INIT(PEM_MAX);
	struct stat st;
	if (buf_printf(&path, err, "%s/%s/%s.pem", out, previous ? MATERIAL_PREVIOUS : MATERIAL_NOW, class_name) < 0)
		return -1;
	*ret_found = !previous || lstat(buf_text(&path), &st) == 0;
	if (!*ret_found)
		return 0;
	if (file_read(AT_FDCWD, buf_text(&path), &pem, err) < 0)
		return -1;
	if (spire_issuer_read(buf_bytes(&pem), deployment->trust_domain, ret_issuer, err) < 0)
		return err_wrap(err, "'%s'", buf_text(&path));
	return 0;
}

static int read_agents(const struct deployment *deployment, const char *out, const char *class_name,
		       struct agents *ret_agents, struct err *err)
{
	bool found;
	if (read_issuer(deployment, out, class_name, false, &ret_agents->now, &found, err) < 0)
		return -1;
	return read_issuer(deployment, out, class_name, true, &ret_agents->before, &ret_agents->rotating, err);
}

static int add_aliases(const struct deployment *deployment, const char *class_name, const struct agents *agents,
		       struct spire_entries *entries, struct err *err)
{
	const char *now = agents->now.selector;
	const char *before = agents->rotating ? agents->before.selector : "";
	if (*before && strcmp(now, before) != 0 && add_alias(deployment, class_name, before, entries, err) < 0)
		return -1;
	return *now ? add_alias(deployment, class_name, now, entries, err) : 0;
}

static int add_workloads(const struct deployment *deployment, const struct deployment_class *class,
			 const char *agent_path, struct spire_entries *entries, struct err *err)
{
	for (size_t i = 0; i < class->workload_count; i++)
		if (add_workload(deployment, class->name, agent_path, &class->workloads[i], entries, err) < 0)
			return -1;
	return 0;
}

/* A leaf that was fetched before may have made an agent of another id. */
static int add_class(const struct deployment *deployment, const char *out, const struct deployment_class *class,
		     struct spire_entries *entries, struct err *err)
{
	struct agents agents = { .rotating = false };
	if (read_agents(deployment, out, class->name, &agents, err) < 0 ||
	    add_aliases(deployment, class->name, &agents, entries, err) < 0 ||
	    add_workloads(deployment, class, agents.now.agent_path, entries, err) < 0)
		return -1;
	bool moved = agents.rotating && strcmp(agents.now.agent_path, agents.before.agent_path) != 0;
	return moved ? add_workloads(deployment, class, agents.before.agent_path, entries, err) : 0;
}

static int by_id(const void *a, const void *b)
{
	const struct spire_entry *left = a;
	const struct spire_entry *right = b;
	return strcmp(left->id, right->id);
}

/* One id twice: one key twice, and what differs beside the key cannot both hold. */
static int check_unique(const struct spire_entries *entries, struct err *err)
{
	for (size_t i = 1; i < entries->count; i++)
		if (strcmp(entries->list[i - 1].id, entries->list[i].id) == 0)
			return err_set(err, ERR_CONFIG, "'%s' with the same selectors stands twice below one class",
				       entries->list[i].spiffe_id);
	return 0;
}

int entries_generate(const struct deployment *deployment, const char *out, struct spire_entries *ret_entries,
		     struct err *err)
{
	OWNED_ENTRIES struct spire_entries entries = { 0 };
	for (size_t i = 0; i < deployment->class_count; i++)
		if (add_class(deployment, out, &deployment->classes[i], &entries, err) < 0)
			return err_wrap(err, "class '%s'", deployment->classes[i].name);
	qsort(entries.list, entries.count, sizeof(*entries.list), by_id);
	if (check_unique(&entries, err) < 0)
		return err_wrap(err, "'%s'", deployment->path);
	*ret_entries = entries;
	entries = (struct spire_entries){ 0 };
	return 0;
}
