/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the TOML reader: "line N: key 'a.b': what is wrong", or "table"
 * where no key is known yet.
 *
 * Keys are quoted from the text, which may be hostile: long ones are cut and
 * NULs replaced here, control bytes by err_set(). Must cost no more than the path
 * to the root.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/toml_parts.h"

#define PATH_MAX_LEN 240

struct path {
	char text[PATH_MAX_LEN];
	size_t len;
};

static void add_char(struct path *path, char c)
{
	if (path->len + 1 < sizeof(path->text))
		path->text[path->len++] = c;
}

static void add_text(struct path *path, const char *text)
{
	while (*text)
		add_char(path, *text++);
}

static bool is_bare(struct bytes key)
{
	static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	for (size_t i = 0; i < key.len; i++)
		if (!key.data[i] || !strchr(bare, key.data[i]))
			return false;
	return key.len > 0;
}

/* Where to cut a long text: not inside a letter. */
static size_t cut_len(struct bytes text)
{
	if (text.len <= TOML_QUOTE_MAX)
		return text.len;
	size_t len = TOML_QUOTE_MAX;
	while (len && (text.data[len] & 0xc0) == 0x80)
		len--;
	return len;
}

struct toml_quote toml_quote(struct bytes text)
{
	struct toml_quote quote = { .text = "" };
	size_t len = cut_len(text);
	for (size_t i = 0; i < len; i++)
		quote.text[i] = text.data[i] ? (char)text.data[i] : '?';
	if (len < text.len)
		memcpy(quote.text + len, "...", 3);
	return quote;
}

static void add_key(struct path *path, struct bytes key)
{
	bool bare = is_bare(key);
	if (!bare)
		add_char(path, '"');
	add_text(path, toml_quote(key).text);
	if (!bare)
		add_char(path, '"');
}

static void add_index(struct path *path, const struct toml_value *element)
{
	size_t index = 0;
	for (const struct toml_value *v = element->parent->children.first; v != element; v = v->next)
		index++;
	char text[32];
	(void)snprintf(text, sizeof(text), "[%zu]", index);
	add_text(path, text);
}

static void add_path(struct path *path, const struct toml_value *value)
{
	if (!value->parent)
		return;
	add_path(path, value->parent);
	if (!value->key.data) {
		add_index(path, value);
		return;
	}
	if (path->len)
		add_char(path, '.');
	add_key(path, value->key);
}

int toml_fail(struct toml_parser *p, const char *format, ...)
{
	struct path path = { .len = 0 };
	char text[640];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	const struct toml_value *where = p->where ? p->where : p->table;
	if (where)
		add_path(&path, where);
	path.text[path.len] = '\0';
	if (!path.len)
		return err_set(p->err, ERR_CONFIG, "line %u: %s", p->line, text);
	return err_set(p->err, ERR_CONFIG, "line %u: %s '%s': %s", p->line, p->where ? "key" : "table", path.text,
		       text);
}

int toml_no_memory(struct toml_parser *p)
{
	return err_set(p->err, ERR_SYSTEM, "out of memory for the TOML document");
}
