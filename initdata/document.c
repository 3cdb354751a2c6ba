/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The init-data document.
 *
 * Its bytes come from the host, and are the host's until the TEE has vouched for
 * their digest. They are copied once and kept as they came: the digest, what the
 * KBS is sent and what is read here are the same bytes. Must never digest, send or
 * read anything that was written anew from the parsed form.
 */
#include "initdata/document.h"

#include <string.h>

#include "base/toml.h"

struct initdata {
	struct buf text;
	struct toml_doc *toml;
	const struct toml_value *data; /* the table [data] */
	struct digest digest;
};

void initdata_free(struct initdata *doc)
{
	if (!doc)
		return;
	buf_done(&doc->text);
	toml_free(doc->toml);
	free(doc);
}

void initdata_cleanup(struct initdata **doc)
{
	initdata_free(*doc);
	*doc = NULL;
}

/* For messages: a string of the document may be long and hold anything. */
#define QUOTE(bytes)                                                                                                   \
	(int)((bytes).len < 64 ? (bytes).len : 64), (const char *)((bytes).len ? (bytes).data : (const uint8_t *)"")

static int required_string(const struct initdata *doc, const char *key, const char *example,
			   const struct toml_value **ret_value, struct err *err)
{
	const struct toml_value *value = toml_member(toml_root(doc->toml), bytes_of_text(key));
	if (!value)
		return err_set(err, ERR_CONFIG, "the key '%s' is missing at the top: write '%s = \"%s\"' above [data]",
			       key, key, example);
	if (toml_type(value) != TOML_STRING)
		return err_set(err, ERR_CONFIG, "line %u: key '%s': a string is wanted ('%s = \"%s\"'), not %s",
			       toml_line(value), key, key, example, toml_type_name(toml_type(value)));
	*ret_value = value;
	return 0;
}

static int check_version(const struct initdata *doc, struct err *err)
{
	const struct toml_value *value;
	if (required_string(doc, "version", INITDATA_VERSION, &value, err) < 0)
		return -1;
	struct bytes version = toml_string(value);
	if (!bytes_equal_text(version, INITDATA_VERSION))
		return err_set(err, ERR_CONFIG, "line %u: key 'version': '%.*s' is not known here; write '%s'",
			       toml_line(value), QUOTE(version), INITDATA_VERSION);
	return 0;
}

/* The names as the other readers of the format take them: no hyphen, lower case. */
static int read_algorithm(const struct initdata *doc, enum digest_alg *ret_alg, struct err *err)
{
	static const enum digest_alg known[] = { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };
	const struct toml_value *value;
	if (required_string(doc, "algorithm", "sha256", &value, err) < 0)
		return -1;
	struct bytes name = toml_string(value);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (bytes_equal_text(name, digest_alg_name(known[i]))) {
			*ret_alg = known[i];
			return 0;
		}
	}
	return err_set(err, ERR_CONFIG,
		       "line %u: key 'algorithm': '%.*s' is not known here; write 'sha256', 'sha384' or 'sha512'",
		       toml_line(value), QUOTE(name));
}

static int check_data(struct initdata *doc, struct err *err)
{
	doc->data = toml_member(toml_root(doc->toml), bytes_of_text("data"));
	if (!doc->data)
		return err_set(err, ERR_CONFIG, "the table [data] is missing");
	if (toml_type(doc->data) != TOML_TABLE)
		return err_set(err, ERR_CONFIG, "line %u: key 'data': a table is wanted, not %s", toml_line(doc->data),
			       toml_type_name(toml_type(doc->data)));
	for (const struct toml_value *c = toml_first(doc->data); c; c = toml_next(c)) {
		struct bytes key = toml_key(c);
		if (toml_type(c) == TOML_TABLE)
			return err_set(err, ERR_CONFIG,
				       "line %u: key 'data.%.*s': a string is wanted, not a table (a name with a dot "
				       "must be quoted: \"aa.toml\")",
				       toml_line(c), QUOTE(key));
		if (toml_type(c) != TOML_STRING)
			return err_set(err, ERR_CONFIG, "line %u: key 'data.%.*s': a string is wanted, not %s",
				       toml_line(c), QUOTE(key), toml_type_name(toml_type(c)));
	}
	return 0;
}

static int read_document(struct initdata *doc, struct err *err)
{
	enum digest_alg alg = DIGEST_SHA256; /* overwritten, or an error */
	if (toml_parse(buf_bytes(&doc->text), &doc->toml, err) < 0 || check_version(doc, err) < 0 ||
	    read_algorithm(doc, &alg, err) < 0 || check_data(doc, err) < 0)
		return -1;
	return digest_of(alg, buf_bytes(&doc->text), &doc->digest, err);
}

int initdata_parse(struct bytes toml, struct initdata **ret_doc, struct err *err)
{
	if (toml.len > INITDATA_MAX)
		return err_set(err, ERR_CONFIG, "init-data of %zu bytes: at most %u are taken", toml.len, INITDATA_MAX);
	struct initdata *doc CLEANUP(initdata_cleanup) = calloc(1, sizeof(*doc));
	if (!doc)
		return err_set(err, ERR_SYSTEM, "out of memory");
	doc->text.max = INITDATA_MAX;
	if (buf_append(&doc->text, toml, err) < 0)
		return -1;
	if (read_document(doc, err) < 0)
		return err_wrap(err, "init-data");
	*ret_doc = TAKE_PTR(doc);
	return 0;
}

struct bytes initdata_text(const struct initdata *doc)
{
	return buf_bytes(&doc->text);
}

const struct digest *initdata_digest(const struct initdata *doc)
{
	return &doc->digest;
}

static struct initdata_entry entry_of(const struct toml_value *value)
{
	return (struct initdata_entry){ .name = toml_key(value), .text = toml_string(value), .line = toml_line(value) };
}

bool initdata_find_entry(const struct initdata *doc, const char *name, struct initdata_entry *ret_entry)
{
	const struct toml_value *value = toml_member(doc->data, bytes_of_text(name));
	if (!value)
		return false;
	*ret_entry = entry_of(value);
	return true;
}

size_t initdata_entry_count(const struct initdata *doc)
{
	size_t count = 0;
	for (const struct toml_value *c = toml_first(doc->data); c; c = toml_next(c))
		count++;
	return count;
}

bool initdata_entry_at(const struct initdata *doc, size_t i, struct initdata_entry *ret_entry)
{
	const struct toml_value *c = toml_first(doc->data);
	while (c && i--)
		c = toml_next(c);
	if (!c)
		return false;
	*ret_entry = entry_of(c);
	return true;
}
