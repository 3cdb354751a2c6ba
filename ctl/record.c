/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of what was applied. The operator's own file, in a directory that is closed to others. Must never
 * hold a secret, nor a digest that a list of likely passwords could be compared with across records.
 */
#include "ctl/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/random.h"

#define VERSION 1

void record_done(struct record *record)
{
	free(record->items);
	record->items = NULL;
	record->count = 0;
}

const struct record_item *record_find(const struct record *record, const char *kind, const char *name)
{
	for (size_t i = 0; i < record->count; i++)
		if (strcmp(record->items[i].kind, kind) == 0 && strcmp(record->items[i].name, name) == 0)
			return &record->items[i];
	return NULL;
}

static int new_item(struct record *record, struct record_item **ret_item, struct err *err)
{
	if (record->count == RECORD_ITEMS_MAX)
		return err_set(err, ERR_CONFIG, "more than %d items", RECORD_ITEMS_MAX);
	struct record_item *items = reallocarray(record->items, record->count + 1, sizeof(*items));
	if (!items)
		return err_set(err, ERR_SYSTEM, "out of memory");
	record->items = items;
	*ret_item = &items[record->count++];
	**ret_item = (struct record_item){ .kind = "" };
	return 0;
}

int record_set(struct record *record, const char *kind, const char *name, const struct record_digest *digest,
	       time_t now, struct err *err)
{
	struct record_item *item = (struct record_item *)(uintptr_t)record_find(record, kind, name);
	struct tm parts;
	if (!item && new_item(record, &item, err) < 0)
		return -1;
	(void)snprintf(item->kind, sizeof(item->kind), "%s", kind);
	(void)snprintf(item->name, sizeof(item->name), "%s", name);
	item->digest = *digest;
	if (!gmtime_r(&now, &parts) ||
	    strftime(item->applied, sizeof(item->applied), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		item->applied[0] = 0;
	return 0;
}

void record_remove(struct record *record, const char *kind, const char *name)
{
	const struct record_item *item = record_find(record, kind, name);
	if (!item)
		return;
	size_t at = (size_t)(item - record->items);
	memmove(&record->items[at], &record->items[at + 1], (record->count - at - 1) * sizeof(*record->items));
	record->count--;
}

int record_digest_of(const struct record *record, const char *kind, const char *name, struct bytes content,
		     struct record_digest *ret_digest, struct err *err)
{
	struct digest inner, outer;
	struct buf text OWNED_BUF = BUF_INIT(4096);
	struct buf hex OWNED_BUF = BUF_INIT(64);
	if (digest_of(DIGEST_SHA256, content, &inner, err) < 0 ||
	    buf_printf(&text, err, "%s\n%s\n%s\n", record->salt, kind, name) < 0 ||
	    buf_append(&text, digest_bytes(&inner), err) < 0 ||
	    digest_of(DIGEST_SHA256, buf_bytes(&text), &outer, err) < 0 ||
	    hex_encode(digest_bytes(&outer), &hex, err) < 0)
		return -1;
	(void)snprintf(ret_digest->hex, sizeof(ret_digest->hex), "%s", buf_text(&hex));
	return 0;
}

/* --- reading --- */

/* A text member that fits, of at least one byte. */
static int take_text(const struct json *object, const char *name, char *out, size_t size, struct err *err)
{
	const char *text;
	if (json_get_string(object, name, &text, err) < 0)
		return -1;
	if (!*text || strlen(text) >= size)
		return err_set(err, ERR_CONFIG, "member '%s' is empty or longer than %zu bytes", name, size - 1);
	(void)snprintf(out, size, "%s", text);
	return 0;
}

static int take_hex(const struct json *object, const char *name, char out[65], struct err *err)
{
	if (take_text(object, name, out, 65, err) < 0)
		return -1;
	if (strlen(out) != 64 || strspn(out, "0123456789abcdef") != 64)
		return err_set(err, ERR_CONFIG, "member '%s' is not 64 hexadecimal digits", name);
	return 0;
}

static int take_item(const struct json *object, struct record *record, struct err *err)
{
	struct record_item *item;
	if (new_item(record, &item, err) < 0 || take_text(object, "kind", item->kind, sizeof(item->kind), err) < 0 ||
	    take_text(object, "name", item->name, sizeof(item->name), err) < 0 ||
	    take_hex(object, "digest", item->digest.hex, err) < 0)
		return -1;
	return take_text(object, "applied", item->applied, sizeof(item->applied), err);
}

static int take_all(const struct json *doc, struct record *record, struct err *err)
{
	uint64_t version;
	const struct json *items;
	if (json_get_u64(doc, "version", &version, err) < 0)
		return -1;
	if (version != VERSION)
		return err_set(err, ERR_CONFIG, "version %llu; this sealpodctl knows %d", (unsigned long long)version,
			       VERSION);
	if (take_text(doc, "kbs", record->kbs, sizeof(record->kbs), err) < 0 ||
	    take_hex(doc, "salt", record->salt, err) < 0 || json_get_array(doc, "items", &items, err) < 0)
		return -1;
	for (const struct json *item = json_first(items); item; item = json_next(item))
		if (take_item(item, record, err) < 0)
			return -1;
	return 0;
}

int record_parse(struct bytes text, struct record *ret_record, struct err *err)
{
	struct record record OWNED_RECORD = RECORD_INIT;
	struct json *doc OWNED_JSON = NULL;
	if (json_parse(text, RECORD_MAX, &doc, err) < 0 || take_all(doc, &record, err) < 0) {
		if (err && err->code == ERR_PROTOCOL)
			err->code = ERR_CONFIG;
		return -1;
	}
	*ret_record = record;
	record = (struct record)RECORD_INIT;
	return 0;
}

static void start_anew(struct record *record, const char *kbs)
{
	record_done(record);
	(void)snprintf(record->kbs, sizeof(record->kbs), "%s", kbs);
	random_name(record->salt, sizeof(record->salt));
}

int record_read(const struct out *out, const char *kbs, struct record *ret_record, bool *ret_other, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(RECORD_MAX);
	*ret_other = false;
	if (!out_has(out, RECORD_FILE)) {
		start_anew(ret_record, kbs);
		return 0;
	}
	if (out_read(out, RECORD_FILE, &text, err) < 0)
		return -1;
	if (record_parse(buf_bytes(&text), ret_record, err) < 0)
		return err_wrap(err, "'%s/%s' (without it all is applied again)", out->path, RECORD_FILE);
	*ret_other = strcmp(ret_record->kbs, kbs) != 0;
	if (*ret_other)
		start_anew(ret_record, kbs);
	return 0;
}

/* --- writing --- */

static int add_item(const struct record_item *item, struct json *items, struct err *err)
{
	struct json *object;
	if (json_add_object(items, NULL, &object, err) < 0 || json_add_string(object, "kind", item->kind, err) < 0 ||
	    json_add_string(object, "name", item->name, err) < 0 ||
	    json_add_string(object, "digest", item->digest.hex, err) < 0)
		return -1;
	return json_add_string(object, "applied", item->applied, err);
}

static int print_record(const struct record *record, struct buf *text, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct json *items;
	if (json_new_object(&doc, err) < 0 || json_add_u64(doc, "version", VERSION, err) < 0 ||
	    json_add_string(doc, "kbs", record->kbs, err) < 0 || json_add_string(doc, "salt", record->salt, err) < 0 ||
	    json_add_array(doc, "items", &items, err) < 0)
		return -1;
	for (size_t i = 0; i < record->count; i++)
		if (add_item(&record->items[i], items, err) < 0)
			return -1;
	if (json_print(doc, text, err) < 0)
		return -1;
	return buf_append_byte(text, '\n', err);
}

int record_write(const struct record *record, struct out *out, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(RECORD_MAX);
	if (print_record(record, &text, err) < 0)
		return -1;
	return out_replace_private(out, RECORD_FILE, buf_bytes(&text), err);
}
