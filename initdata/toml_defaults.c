/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KBS out of init-data's own aa.toml or cdh.toml.
 *
 * The texts are the document's, as measured as the rest of it; other programs'
 * configuration, so that keys unknown here are none of our business. Must never look
 * at a file, nor join the URL of one entry with the CA of another.
 */
#include "initdata/toml_defaults.h"

#include <string.h>

#include "base/toml.h"

/* Where an entry keeps its KBS. */
struct layout {
	const char *entry;
	const char *path[2]; /* tables, outermost first; the second may be NULL */
	const char *cert;
};

static const struct layout layouts[] = {
	{ "aa.toml", { "token_configs", "kbs" }, "cert" },
	{ "cdh.toml", { "kbc", NULL }, "kbs_cert" },
};

void initdata_kbs_done(struct initdata_kbs *kbs)
{
	if (!kbs)
		return;
	free(kbs->url);
	free(kbs->ca_pem);
	*kbs = (struct initdata_kbs){ 0 };
}

/* A member of the wanted type; absent: *ret_value is NULL. */
static int member_of_type(const struct toml_value *table, const char *key, enum toml_type type,
			  const struct toml_value **ret_value, struct err *err)
{
	const struct toml_value *value = toml_member(table, bytes_of_text(key));
	if (value && toml_type(value) != type)
		return err_set(err, ERR_CONFIG, "line %u: key '%s': a %s is wanted, not %s", toml_line(value), key,
			       toml_type_name(type), toml_type_name(toml_type(value)));
	*ret_value = value;
	return 0;
}

/* A copy as text; NULL if the key is absent or its text empty. */
static int optional_text(const struct toml_value *table, const char *key, char **ret_text, struct err *err)
{
	const struct toml_value *value;
	if (member_of_type(table, key, TOML_STRING, &value, err) < 0)
		return -1;
	struct bytes text = value ? toml_string(value) : bytes_of(NULL, 0);
	if (text.len == 0) {
		*ret_text = NULL;
		return 0;
	}
	if (memchr(text.data, 0, text.len))
		return err_set(err, ERR_CONFIG, "line %u: key '%s' holds a NUL", toml_line(value), key);
	*ret_text = strndup((const char *)text.data, text.len);
	return *ret_text ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static int find_table(const struct toml_value *root, const struct layout *layout, const struct toml_value **ret_table,
		      struct err *err)
{
	const struct toml_value *table = root;
	for (size_t i = 0; table && i < ARRAY_LEN(layout->path) && layout->path[i]; i++)
		if (member_of_type(table, layout->path[i], TOML_TABLE, &table, err) < 0)
			return -1;
	*ret_table = table;
	return 0;
}

/* The data hub has other sources than a KBS; then its URL means something else. */
static int names_other_broker(const struct toml_value *table, const struct layout *layout, bool *ret_other,
			      struct err *err)
{
	char *name OWNED_MEM = NULL;
	*ret_other = false;
	if (layout->path[1])
		return 0;
	if (optional_text(table, "name", &name, err) < 0)
		return -1;
	*ret_other = !name || strcmp(name, "cc_kbc") != 0;
	return 0;
}

/* As the attestation agent does before it appends paths. */
static void cut_slashes(char *url)
{
	size_t len = strlen(url);
	while (len > 0 && url[len - 1] == '/')
		url[--len] = 0;
}

static int read_kbs(const struct toml_value *root, const struct layout *layout, struct initdata_kbs *kbs,
		    struct err *err)
{
	const struct toml_value *table;
	bool other;
	if (find_table(root, layout, &table, err) < 0)
		return -1;
	if (!table)
		return 0;
	if (names_other_broker(table, layout, &other, err) < 0)
		return -1;
	if (other)
		return 0;
	if (optional_text(table, "url", &kbs->url, err) < 0 ||
	    optional_text(table, layout->cert, &kbs->ca_pem, err) < 0)
		return -1;
	if (!kbs->url) {
		initdata_kbs_done(kbs);
		return 0;
	}
	cut_slashes(kbs->url);
	kbs->entry = layout->entry;
	return 0;
}

int initdata_kbs_defaults(const struct initdata *doc, struct initdata_kbs *ret_kbs, struct err *err)
{
	struct initdata_kbs kbs OWNED_INITDATA_KBS = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(layouts) && !kbs.entry; i++) {
		struct initdata_entry entry;
		struct toml_doc *toml OWNED_TOML = NULL;
		if (!initdata_find_entry(doc, layouts[i].entry, &entry))
			continue;
		if (toml_parse(entry.text, &toml, err) < 0 || read_kbs(toml_root(toml), &layouts[i], &kbs, err) < 0)
			return err_wrap(err, "init-data, entry '%s' (from line %u)", layouts[i].entry, entry.line);
	}
	initdata_kbs_done(ret_kbs);
	*ret_kbs = kbs;
	kbs = (struct initdata_kbs){ 0 };
	return 0;
}
