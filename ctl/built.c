/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes away what is not made any more. Must never remove a key, nor a file that build did not make.
 */
#include "ctl/built.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define NAME_SIZE 1024

static bool begins(struct bytes name, const char *with)
{
	return name.len > strlen(with) && memcmp(name.data, with, strlen(with)) == 0;
}

static bool has_no_dots(struct bytes name)
{
	char text[NAME_SIZE + 2];
	(void)snprintf(text, sizeof(text), "/%.*s/", (int)name.len, (const char *)name.data);
	return !strstr(text, "/../") && !strstr(text, "/./") && !strstr(text, "//");
}

bool built_is_ours(struct bytes name)
{
	static const char *const places[] = { "initdata/", "kbs/", "layout/", "pods/", "spire/" };
	if (name.len >= NAME_SIZE || memchr(name.data, 0, name.len) || !has_no_dots(name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (begins(name, places[i]))
			return true;
	return false;
}

/* The next line of *text, without its end. */
static bool next_name(struct bytes *text, struct bytes *ret_name)
{
	const uint8_t *end;
	if (text->len == 0)
		return false;
	end = memchr(text->data, '\n', text->len);
	*ret_name = bytes_of(text->data, end ? (size_t)(end - text->data) : text->len);
	*text = bytes_of(text->data + ret_name->len + (end ? 1 : 0), text->len - ret_name->len - (end ? 1 : 0));
	return true;
}

static bool lists(struct bytes text, struct bytes name)
{
	struct bytes line;
	while (next_name(&text, &line))
		if (line.len == name.len && memcmp(line.data, name.data, name.len) == 0)
			return true;
	return false;
}

static int check_all(struct bytes text, struct err *err)
{
	struct bytes name;
	while (next_name(&text, &name))
		if (!built_is_ours(name))
			return err_set(err, ERR_CONFIG, "'%.*s' is nothing that build makes", (int)(name.len % 256),
				       (const char *)name.data);
	return 0;
}

static bool is_others(const char *const *others, struct bytes name)
{
	for (; *others; others++)
		if (begins(name, *others))
			return true;
	return false;
}

static int sweep(struct out *out, struct bytes before, const char *const *others, struct err *err)
{
	struct bytes line;
	char name[NAME_SIZE];
	while (next_name(&before, &line)) {
		if (lists(buf_bytes(&out->made), line))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)line.len, (const char *)line.data);
		if (is_others(others, line)) {
			if (out_keep(out, name, err) < 0)
				return -1;
			continue;
		}
		if (out_remove(out, name, err) < 0)
			return -1;
		log_info("'%s/%s' is not made any more: removed", out->path, name);
	}
	return 0;
}

/* Keys and certificates, which are made once, are not listed. */
static int list_made(struct bytes made, struct buf *list, struct err *err)
{
	struct bytes name;
	while (next_name(&made, &name))
		if (built_is_ours(name) && buf_printf(list, err, "%.*s\n", (int)name.len, (const char *)name.data) < 0)
			return -1;
	return 0;
}

int built_sweep(struct out *out, const char *const *others, struct err *err)
{
	OWNED_BUF struct buf before = BUF_INIT(OUT_NAMES_MAX);
	OWNED_BUF struct buf now = BUF_INIT(OUT_NAMES_MAX);
	if (out_has(out, BUILT_FILE) && out_read(out, BUILT_FILE, &before, err) < 0)
		return -1;
	if (check_all(buf_bytes(&before), err) < 0)
		return err_wrap(err, "'%s/%s' (without it nothing is removed)", out->path, BUILT_FILE);
	if (sweep(out, buf_bytes(&before), others, err) < 0 || list_made(buf_bytes(&out->made), &now, err) < 0)
		return -1;
	return out_write(out, BUILT_FILE, buf_bytes(&now), err);
}
