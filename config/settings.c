/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extra settings of the SPIRE agent, from TOML.
 *
 * The file may be the host's as long as nothing measures it. What a key means is
 * spire/'s knowledge; here values only change their form. Must never pass on a
 * value that was not checked.
 */
#include "config/settings.h"

#include <stdio.h>
#include <string.h>

static void *own(struct settings *settings, void *p)
{
	if (p && settings->owned_count < ARRAY_LEN(settings->owned)) {
		settings->owned[settings->owned_count++] = p;
		return p;
	}
	free(p);
	return NULL;
}

/* A C string of the text; NULL if it holds a NUL, or when there are too many. */
static const char *copy_text(struct settings *settings, struct bytes text)
{
	if (memchr(text.data ? text.data : (const uint8_t *)"", 0, text.len))
		return NULL;
	char *copy = calloc(1, text.len + 1);
	if (copy && text.len > 0)
		memcpy(copy, text.data, text.len);
	return own(settings, copy);
}

static bool all_strings(const struct toml_value *array)
{
	for (const struct toml_value *v = toml_first(array); v; v = toml_next(v))
		if (toml_type(v) != TOML_STRING)
			return false;
	return true;
}

static enum spire_setting_type type_of(const struct toml_value *value)
{
	switch (toml_type(value)) {
	case TOML_STRING:
		return SPIRE_STRING;
	case TOML_INTEGER:
		return SPIRE_INTEGER;
	case TOML_BOOL:
		return SPIRE_BOOL;
	case TOML_TABLE:
		return SPIRE_TABLE;
	case TOML_ARRAY:
		return all_strings(value) ? SPIRE_STRINGS : SPIRE_OTHER;
	case TOML_FLOAT:
	case TOML_DATETIME:
	case TOML_DATETIME_LOCAL:
	case TOML_DATE_LOCAL:
	case TOML_TIME_LOCAL:
		break;
	}
	return SPIRE_OTHER;
}

static int copy_texts(struct settings *settings, const struct toml_value *array, struct spire_setting *item,
		      struct err *err)
{
	size_t count = 0;
	for (const struct toml_value *v = toml_first(array); v; v = toml_next(v))
		count++;
	const char **texts = own(settings, calloc(count + 1, sizeof(*texts)));
	if (!texts)
		return err_set(err, ERR_CONFIG, "there are too many settings");
	item->texts = texts;
	for (const struct toml_value *v = toml_first(array); v; v = toml_next(v)) {
		texts[item->text_count] = copy_text(settings, toml_string(v));
		if (!texts[item->text_count++])
			return err_set(err, ERR_CONFIG, "holds a NUL character, or there are too many texts");
	}
	return 0;
}

static int convert(struct settings *settings, const struct toml_value *value, struct spire_setting *item,
		   struct err *err)
{
	item->type = type_of(value);
	if (item->type == SPIRE_INTEGER)
		item->integer = toml_integer(value);
	if (item->type == SPIRE_BOOL)
		item->boolean = toml_bool(value);
	if (item->type == SPIRE_STRINGS)
		return copy_texts(settings, value, item, err);
	if (item->type != SPIRE_STRING)
		return 0;
	item->text = copy_text(settings, toml_string(value));
	return item->text ? 0 : err_set(err, ERR_CONFIG, "holds a NUL character, or there are too many texts");
}

static int read_one(struct settings *settings, const struct toml_value *value, const char *section, const char *version,
		    const char **ret_subsection, struct err *err)
{
	struct spire_setting item = { .section = section };
	item.name = copy_text(settings, toml_key(value));
	if (!item.name || settings->count == SETTINGS_MAX)
		return err_set(err, ERR_CONFIG, "has a NUL in its name, or there are too many settings");
	if (convert(settings, value, &item, err) < 0 || spire_agent_setting_check_value(&item, version, err) < 0)
		return -1;
	*ret_subsection = item.type == SPIRE_TABLE ? spire_agent_subsection(section, item.name) : NULL;
	settings->items[settings->count++] = item; /* a table stands before its members */
	return 0;
}

void settings_read(struct settings *settings, const struct toml_value *table, const char *section, const char *key,
		   const char *version, struct problems *problems)
{
	if (!table)
		return;
	if (toml_type(table) != TOML_TABLE) {
		problems_add(problems, toml_line(table), key, "is of type %s, not table",
			     toml_type_name(toml_type(table)));
		return;
	}
	for (const struct toml_value *value = toml_first(table); value; value = toml_next(value)) {
		const char *subsection = NULL;
		struct bytes name = toml_key(value);
		struct err why = { 0 };
		char full[256];
		(void)snprintf(full, sizeof(full), "%s.%.*s", key, (int)(name.len > 64 ? 64 : name.len),
			       name.data ? (const char *)name.data : "");
		if (read_one(settings, value, section, version, &subsection, &why) < 0)
			problems_add(problems, toml_line(value), full, "%s", why.message);
		else if (subsection)
			settings_read(settings, value, subsection, full, version, problems);
	}
}

void settings_done(struct settings *settings)
{
	for (size_t i = 0; i < settings->owned_count; i++)
		free(settings->owned[i]);
	settings->owned_count = 0;
	settings->count = 0;
}
