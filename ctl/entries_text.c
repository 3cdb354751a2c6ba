/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries as others read them: `spire-server entry create -data`, and spire-controller-manager. The texts
 * in them are the operator's own and may hold what either form has to be kept from reading.
 */
#include <string.h>

#include "base/json.h"
#include "ctl/entries.h"
#include "ctl/yaml.h"

static int add_text_list(struct json *object, const char *name, const struct spire_texts *texts, struct err *err)
{
	struct json *list;
	if (texts->count == 0)
		return 0;
	if (json_add_array(object, name, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < texts->count; i++)
		if (json_add_string(list, NULL, texts->list[i], err) < 0)
			return -1;
	return 0;
}

static int add_selector(struct json *list, const char *text, struct err *err)
{
	OWNED_BUF struct buf type = BUF_INIT(4096);
	struct json *selector;
	const char *colon = strchr(text, ':');
	if (buf_append(&type, bytes_of(text, (size_t)(colon - text)), err) < 0 ||
	    json_add_object(list, NULL, &selector, err) < 0 ||
	    json_add_string(selector, "type", buf_text(&type), err) < 0)
		return -1;
	return json_add_string(selector, "value", colon + 1, err);
}

static int add_selectors(struct json *object, const struct spire_texts *selectors, struct err *err)
{
	struct json *list;
	if (json_add_array(object, "selectors", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < selectors->count; i++)
		if (add_selector(list, selectors->list[i], err) < 0)
			return -1;
	return 0;
}

static int put_entry(const struct spire_entry *entry, struct buf *text, struct err *err)
{
	OWNED_JSON struct json *object = NULL;
	if (json_new_object(&object, err) < 0 || json_add_string(object, "entry_id", entry->id, err) < 0 ||
	    json_add_string(object, "spiffe_id", entry->spiffe_id, err) < 0 ||
	    json_add_string(object, "parent_id", entry->parent_id, err) < 0 ||
	    add_selectors(object, &entry->selectors, err) < 0 ||
	    (entry->x509_ttl && json_add_u64(object, "x509_svid_ttl", (uint64_t)entry->x509_ttl, err) < 0) ||
	    add_text_list(object, "dns_names", &entry->dns_names, err) < 0 ||
	    (*entry->hint && json_add_string(object, "hint", entry->hint, err) < 0))
		return -1;
	return json_print(object, text, err);
}

int entries_data(const struct spire_entries *entries, struct buf *text, struct err *err)
{
	if (buf_append_text(text, "{\"entries\":[\n", err) < 0)
		return -1;
	for (size_t i = 0; i < entries->count; i++)
		if ((i > 0 && buf_append_text(text, ",\n", err) < 0) || put_entry(&entries->list[i], text, err) < 0)
			return -1;
	return buf_append_text(text, "\n]}\n", err);
}

static int put_list(struct buf *out, const char *key, const struct spire_texts *texts, struct err *err)
{
	if (texts->count == 0)
		return 0;
	if (buf_printf(out, err, "  %s:\n", key) < 0)
		return -1;
	for (size_t i = 0; i < texts->count; i++)
		if (yaml_line(out, "  - ", texts->list[i], err) < 0)
			return -1;
	return 0;
}

/* A name of Kubernetes' objects: the id with what is not allowed there replaced. Its hash keeps it unique. */
static int put_name(struct buf *out, const char *id, struct err *err)
{
	OWNED_BUF struct buf name = BUF_INIT(SPIRE_ENTRY_ID_MAX);
	for (const char *at = id; *at; at++) {
		bool upper = *at >= 'A' && *at <= 'Z';
		bool fits = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
		bool first = at == id;
		char c = upper ? (char)(*at - 'A' + 'a') : fits ? *at : first ? 'x' : '-';
		if (buf_append_byte(&name, (uint8_t)c, err) < 0)
			return -1;
	}
	/* 253 at most, of which the hash at the end must stay. */
	const char *kept = buf_text(&name) + (name.len > 253 ? name.len - 253 : 0);
	return yaml_line(out, "  name: ", kept[0] == '-' ? kept + 1 : kept, err);
}

static int put_manifest(const struct deployment *deployment, const struct spire_entry *entry, struct buf *out,
			struct err *err)
{
	if (buf_append_text(out, "---\napiVersion: spire.spiffe.io/v1alpha1\nkind: ClusterStaticEntry\nmetadata:\n",
			    err) < 0 ||
	    put_name(out, entry->id, err) < 0 || buf_append_text(out, "spec:\n", err) < 0)
		return -1;
	if (deployment->class_name && yaml_line(out, "  className: ", deployment->class_name, err) < 0)
		return -1;
	if (yaml_line(out, "  parentID: ", entry->parent_id, err) < 0 ||
	    yaml_line(out, "  spiffeID: ", entry->spiffe_id, err) < 0 ||
	    put_list(out, "selectors", &entry->selectors, err) < 0 ||
	    put_list(out, "dnsNames", &entry->dns_names, err) < 0)
		return -1;
	if (entry->x509_ttl && buf_printf(out, err, "  x509SVIDTTL: %ds\n", (int)entry->x509_ttl) < 0)
		return -1;
	return *entry->hint ? yaml_line(out, "  hint: ", entry->hint, err) : 0;
}

int entries_manifests(const struct deployment *deployment, const struct spire_entries *entries, struct buf *text,
		      struct err *err)
{
	for (size_t i = 0; i < entries->count; i++)
		if (put_manifest(deployment, &entries->list[i], text, err) < 0)
			return -1;
	return 0;
}
