/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML documents: the tree, its memory and its look-up.
 *
 * The text is the operator's, or the host's who poses as him. A document owns
 * all its values and bytes in a few large blocks, so that freeing neither
 * recurses nor forgets; the blocks are wiped, as a configuration may be released
 * by a KBS. While a text is read, the keys of all its tables stand in one balanced
 * tree: a hash could be flooded, and a list takes minutes for a megabyte of keys.
 */
#include "base/toml.h"

#include <assert.h>
#include <search.h>
#include <stdalign.h>
#include <string.h>

#include "base/toml_parts.h"
#include "base/wipe.h"

#define BLOCK_SIZE 16384

struct block {
	struct block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) uint8_t data[];
};

struct toml_doc {
	struct block *blocks; /* the newest first */
	void *index;	      /* tsearch() tree of all values that have a key; gone after reading */
	struct toml_value root;
};

struct toml_doc *toml_new_doc(void)
{
	struct toml_doc *doc = wipe_calloc(1, sizeof(*doc));
	if (!doc)
		return NULL;
	doc->root = (struct toml_value){ .type = TOML_TABLE, .made = TOML_BY_HEADER, .line = 1 };
	return doc;
}

static struct block *new_block(struct toml_doc *doc, size_t size)
{
	if (size < BLOCK_SIZE)
		size = BLOCK_SIZE;
	struct block *block = wipe_malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	*block = (struct block){ .next = doc->blocks, .size = size };
	doc->blocks = block;
	return block;
}

static void *allocate(struct toml_doc *doc, size_t size)
{
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct block *block = doc->blocks;
	if (!block || block->size - block->used < size)
		block = new_block(doc, size);
	if (!block)
		return NULL;
	void *memory = block->data + block->used;
	block->used += size;
	return memory;
}

struct bytes toml_copy(struct toml_doc *doc, struct bytes text)
{
	uint8_t *copy = allocate(doc, text.len + 1);
	if (!copy)
		return bytes_of(NULL, 0);
	if (text.len)
		memcpy(copy, text.data, text.len);
	copy[text.len] = 0;
	return bytes_of(copy, text.len);
}

/* Any total order will do: by table, length, bytes. */
static int compare_keys(const void *a, const void *b)
{
	const struct toml_value *left = a;
	const struct toml_value *right = b;
	if (left->parent != right->parent)
		return (uintptr_t)left->parent < (uintptr_t)right->parent ? -1 : 1;
	if (left->key.len != right->key.len)
		return left->key.len < right->key.len ? -1 : 1;
	return left->key.len ? memcmp(left->key.data, right->key.data, left->key.len) : 0;
}

struct toml_value *toml_append(struct toml_doc *doc, struct toml_value *parent, struct bytes key)
{
	struct toml_value *value = allocate(doc, sizeof(*value));
	if (!value)
		return NULL;
	*value = (struct toml_value){ .key = key, .parent = parent, .depth = (parent->depth + 1u) & 0xffff };
	if (key.data && !tsearch(value, &doc->index, compare_keys))
		return NULL;
	if (parent->children.last)
		parent->children.last->next = value;
	else
		parent->children.first = value;
	parent->children.last = value;
	return value;
}

struct toml_value *toml_find(const struct toml_doc *doc, const struct toml_value *table, struct bytes key)
{
	/* Only compared, never written: the cast leaves no door open. */
	struct toml_value probe = { .parent = (struct toml_value *)(uintptr_t)table, .key = key };
	void *found = tfind(&probe, &doc->index, compare_keys);
	return found ? *(struct toml_value **)found : NULL;
}

static void keep(void *value)
{
	(void)value; /* lives in a block */
}

void toml_drop_index(struct toml_doc *doc)
{
	tdestroy(doc->index, keep);
	doc->index = NULL;
}

void toml_free(struct toml_doc *doc)
{
	if (!doc)
		return;
	toml_drop_index(doc);
	while (doc->blocks) {
		struct block *block = doc->blocks;
		doc->blocks = block->next;
		wipe_free(block);
	}
	wipe_free(doc);
}

void toml_cleanup(struct toml_doc **doc)
{
	toml_free(TAKE_PTR(*doc));
}

const struct toml_value *toml_root(const struct toml_doc *doc)
{
	return &doc->root;
}

struct toml_value *toml_own_root(struct toml_doc *doc)
{
	return &doc->root;
}

enum toml_type toml_type(const struct toml_value *value)
{
	return value->type;
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_STRING] = "string",
		[TOML_INTEGER] = "integer",
		[TOML_FLOAT] = "float",
		[TOML_BOOL] = "boolean",
		[TOML_DATETIME] = "offset date-time",
		[TOML_DATETIME_LOCAL] = "local date-time",
		[TOML_DATE_LOCAL] = "local date",
		[TOML_TIME_LOCAL] = "local time",
		[TOML_ARRAY] = "array",
		[TOML_TABLE] = "table",
	};
	return names[type];
}

unsigned toml_line(const struct toml_value *value)
{
	return value->line;
}

/* The asserts below guard the union: a wrong type is a defect of the caller, and a
 * pointer must not be taken for a port number. */

struct bytes toml_string(const struct toml_value *value)
{
	assert(value->type == TOML_STRING);
	return value->text;
}

int64_t toml_integer(const struct toml_value *value)
{
	assert(value->type == TOML_INTEGER);
	return value->integer;
}

double toml_float(const struct toml_value *value)
{
	assert(value->type == TOML_FLOAT);
	return value->real;
}

bool toml_bool(const struct toml_value *value)
{
	assert(value->type == TOML_BOOL);
	return value->truth;
}

struct bytes toml_datetime(const struct toml_value *value)
{
	assert(value->type >= TOML_DATETIME && value->type <= TOML_TIME_LOCAL);
	return value->text;
}

const struct toml_value *toml_member(const struct toml_value *table, struct bytes key)
{
	if (table->type != TOML_TABLE)
		return NULL;
	for (const struct toml_value *v = table->children.first; v; v = v->next)
		if (bytes_equal(v->key, key))
			return v;
	return NULL;
}

const struct toml_value *toml_first(const struct toml_value *value)
{
	return value->type == TOML_TABLE || value->type == TOML_ARRAY ? value->children.first : NULL;
}

const struct toml_value *toml_next(const struct toml_value *value)
{
	return value->next;
}

struct bytes toml_key(const struct toml_value *value)
{
	return value->key;
}
