/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values over cJSON: parsing, looking, building.
 *
 * The text is a server's or the host's. cJSON by itself ignores case, takes
 * trailing bytes and lets duplicate names pass; it is reached only behind
 * json_scan() and followed by the check for duplicates, and no caller sees a
 * cJSON type. Documents may hold keys and tokens: cJSON must have the wiping
 * allocator before its first allocation.
 */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/json_parts.h"
#include "base/utf8.h"
#include "base/wipe.h"

static void install_hooks(void)
{
	cJSON_Hooks hooks = { .malloc_fn = wipe_malloc, .free_fn = wipe_free };
	cJSON_InitHooks(&hooks);
}

static void prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, install_hooks);
}

static const cJSON *node(const struct json *value)
{
	return (const cJSON *)(const void *)value;
}

static cJSON *own_node(struct json *value)
{
	return (cJSON *)(void *)value;
}

static struct json *value_of(cJSON *item)
{
	return (struct json *)(void *)item;
}

static int no_memory(struct err *err)
{
	return err_set(err, ERR_SYSTEM, "out of memory for a JSON value");
}

/* ---- documents ---- */

/* A wide integer is a number whose digits are kept beside the double, which rounds it. */
static int keep_digits(cJSON *number, struct bytes digits, struct err *err)
{
	number->valuestring = cJSON_malloc(digits.len + 1);
	if (!number->valuestring)
		return no_memory(err);
	memcpy(number->valuestring, digits.data, digits.len);
	number->valuestring[digits.len] = 0;
	return 0;
}

/* The numbers below `value` stand in the same order as their literals in the text. */
static int keep_wide(cJSON *value, struct bytes *text, struct err *err)
{
	if (cJSON_IsNumber(value)) {
		struct bytes literal = json_take_number(text);
		return json_is_wide(literal) ? keep_digits(value, literal, err) : 0;
	}
	for (cJSON *child = value->child; child; child = child->next)
		if (keep_wide(child, text, err))
			return -1;
	return 0;
}

int json_parse(struct bytes text, size_t max_len, struct json **ret_doc, struct err *err)
{
	if (text.len > max_len)
		return err_set(err, ERR_PROTOCOL, "the JSON text has %zu bytes, more than the %zu that are allowed",
			       text.len, max_len);
	bool wide = false;
	if (json_scan(text, &wide, err))
		return -1;
	prepare();
	OWNED_JSON struct json *doc =
		value_of(cJSON_ParseWithLengthOpts((const char *)text.data, text.len, NULL, false));
	if (!doc)
		return no_memory(err);
	if (json_check_duplicates(doc, err) || (wide && keep_wide(own_node(doc), &text, err)))
		return -1;
	*ret_doc = TAKE_PTR(doc);
	return 0;
}

void json_free(struct json *doc)
{
	cJSON_Delete(own_node(doc));
}

void json_cleanup(struct json **doc)
{
	json_free(TAKE_PTR(*doc));
}

/* ---- looking ---- */

enum json_type json_type(const struct json *value)
{
	switch (node(value)->type & 0xff) {
	case cJSON_True:
	case cJSON_False:
		return JSON_BOOL;
	case cJSON_Number:
		return JSON_NUMBER;
	case cJSON_String:
		return JSON_STRING;
	case cJSON_Array:
		return JSON_ARRAY;
	case cJSON_Object:
		return JSON_OBJECT;
	default:
		return JSON_NULL;
	}
}

double json_number_of(const struct json *value)
{
	return node(value)->valuedouble;
}

const char *json_wide_of(const struct json *value)
{
	return node(value)->valuestring;
}

bool json_bool_of(const struct json *value)
{
	return cJSON_IsTrue(node(value));
}

const struct json *json_member(const struct json *object, const char *name)
{
	if (!object || json_type(object) != JSON_OBJECT)
		return NULL;
	return value_of(cJSON_GetObjectItemCaseSensitive(node(object), name));
}

static const char *type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",	    [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
	};
	return names[type];
}

static int get(const struct json *object, const char *name, enum json_type type, const struct json **ret_value,
	       struct err *err)
{
	const struct json *value = json_member(object, name);
	if (!value)
		return err_set(err, ERR_PROTOCOL, "the member '%s' is missing", name);
	if (json_type(value) != type)
		return err_set(err, ERR_PROTOCOL, "the member '%s' is %s, but must be %s", name,
			       type_name(json_type(value)), type_name(type));
	*ret_value = value;
	return 0;
}

int json_get_string(const struct json *object, const char *name, const char **ret_text, struct err *err)
{
	const struct json *value = NULL;
	if (get(object, name, JSON_STRING, &value, err))
		return -1;
	*ret_text = json_text(value);
	return 0;
}

int json_get_bool(const struct json *object, const char *name, bool *ret_value, struct err *err)
{
	const struct json *value = NULL;
	if (get(object, name, JSON_BOOL, &value, err))
		return -1;
	*ret_value = json_bool_of(value);
	return 0;
}

int json_get_u64(const struct json *object, const char *name, uint64_t *ret_value, struct err *err)
{
	const struct json *value = NULL;
	if (get(object, name, JSON_NUMBER, &value, err))
		return -1;
	double number = json_number_of(value);
	if (number < 0 || number > JSON_MAX_INTEGER || trunc(number) != number)
		return err_set(err, ERR_PROTOCOL, "the member '%s' must be a whole number from 0 to 2^53 - 1", name);
	*ret_value = (uint64_t)number;
	return 0;
}

int json_get_wide(const struct json *object, const char *name, uint64_t *ret_value, struct err *err)
{
	const struct json *value = NULL;
	if (get(object, name, JSON_NUMBER, &value, err))
		return -1;
	const char *digits = json_wide_of(value);
	if (!digits)
		return json_get_u64(object, name, ret_value, err);
	*ret_value = strtoull(digits, NULL, 10); /* at most 2^64 - 1: json_scan() saw to it */
	return 0;
}

int json_get_object(const struct json *object, const char *name, const struct json **ret_value, struct err *err)
{
	return get(object, name, JSON_OBJECT, ret_value, err);
}

int json_get_array(const struct json *object, const char *name, const struct json **ret_value, struct err *err)
{
	return get(object, name, JSON_ARRAY, ret_value, err);
}

const char *json_text(const struct json *value)
{
	return value ? cJSON_GetStringValue(node(value)) : NULL;
}

const struct json *json_first(const struct json *value)
{
	return value ? value_of(node(value)->child) : NULL;
}

const struct json *json_next(const struct json *value)
{
	return value_of(node(value)->next);
}

const char *json_name(const struct json *value)
{
	return node(value)->string;
}

size_t json_count(const struct json *value)
{
	size_t count = 0;
	for (const struct json *child = json_first(value); child; child = json_next(child))
		count++;
	return count;
}

/* ---- building ---- */

static int new_value(cJSON *item, struct json **ret_value, struct err *err)
{
	if (!item)
		return no_memory(err);
	*ret_value = value_of(item);
	return 0;
}

int json_new_object(struct json **ret_doc, struct err *err)
{
	prepare();
	return new_value(cJSON_CreateObject(), ret_doc, err);
}

int json_new_array(struct json **ret_doc, struct err *err)
{
	prepare();
	return new_value(cJSON_CreateArray(), ret_doc, err);
}

/* May `name` (NULL: an element) be added to `parent`? */
static int check_place(const struct json *parent, const char *name, struct err *err)
{
	enum json_type type = json_type(parent);
	if (!name && type != JSON_ARRAY)
		return err_set(err, ERR_PROTOCOL, "cannot append an element: the parent is %s, not an array",
			       type_name(type));
	if (!name)
		return 0;
	if (type != JSON_OBJECT)
		return err_set(err, ERR_PROTOCOL, "cannot add the member '%s': the parent is %s, not an object", name,
			       type_name(type));
	if (!utf8_valid(bytes_of_text(name)))
		return err_set(err, ERR_PROTOCOL, "cannot add the member '%.100s': its name is not valid UTF-8", name);
	if (json_member(parent, name))
		return err_set(err, ERR_PROTOCOL, "cannot add the member '%s': it is there already", name);
	return 0;
}

int json_add(struct json *parent, const char *name, struct json *value, struct err *err)
{
	OWNED_JSON struct json *owned = value;
	if (check_place(parent, name, err))
		return -1;
	cJSON_bool added = name ? cJSON_AddItemToObject(own_node(parent), name, own_node(owned))
				: cJSON_AddItemToArray(own_node(parent), own_node(owned));
	if (!added)
		return no_memory(err);
	owned = NULL;
	return 0;
}

static int add_new(struct json *parent, const char *name, cJSON *item, struct json **ret_child, struct err *err)
{
	struct json *child = NULL;
	if (new_value(item, &child, err) || json_add(parent, name, child, err))
		return -1;
	if (ret_child)
		*ret_child = child;
	return 0;
}

int json_add_object(struct json *parent, const char *name, struct json **ret_child, struct err *err)
{
	return add_new(parent, name, cJSON_CreateObject(), ret_child, err);
}

int json_add_array(struct json *parent, const char *name, struct json **ret_child, struct err *err)
{
	return add_new(parent, name, cJSON_CreateArray(), ret_child, err);
}

int json_add_string(struct json *parent, const char *name, const char *text, struct err *err)
{
	if (!utf8_valid(bytes_of_text(text)))
		return err_set(err, ERR_PROTOCOL, "the text for the member '%s' is not valid UTF-8",
			       name ? name : "[]");
	return add_new(parent, name, cJSON_CreateString(text), NULL, err);
}

int json_add_bool(struct json *parent, const char *name, bool value, struct err *err)
{
	return add_new(parent, name, cJSON_CreateBool(value), NULL, err);
}

int json_add_u64(struct json *parent, const char *name, uint64_t value, struct err *err)
{
	if (value > (uint64_t)JSON_MAX_INTEGER)
		return err_set(err, ERR_PROTOCOL, "the number for the member '%s' is beyond 2^53 - 1",
			       name ? name : "[]");
	return add_new(parent, name, cJSON_CreateNumber((double)value), NULL, err);
}

int json_add_wide(struct json *parent, const char *name, uint64_t value, struct err *err)
{
	char digits[24];
	if (value <= (uint64_t)JSON_MAX_INTEGER)
		return json_add_u64(parent, name, value, err);
	(void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	cJSON *number = cJSON_CreateNumber((double)value);
	if (!number || keep_digits(number, bytes_of_text(digits), err)) {
		cJSON_Delete(number);
		return no_memory(err);
	}
	return add_new(parent, name, number, NULL, err);
}

int json_add_null(struct json *parent, const char *name, struct err *err)
{
	return add_new(parent, name, cJSON_CreateNull(), NULL, err);
}
