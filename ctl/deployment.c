/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading deployment.toml: tables of keys, one for each kind of table in the file, and then what
 * the values mean together. Whatever is found wrong is said and reading goes on.
 */
#include "ctl/deployment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/http.h"
#include "config/config.h"
#include "config/problems.h"
#include "ctl/resources.h"
#include "ctl/users.h"
#include "spire/id.h"
#include "spire/issue.h"
#include "spire/mint.h"
#include "spire/value.h"

#define TEXT_MAX 4096
#define RANDOM_MAX 4096

struct reader {
	struct deployment *deployment;
	struct problems problems;
	bool no_memory;
};

/* A key of a table: what it must be and where it goes. */
struct field {
	const char *key;
	enum toml_type type;
	bool required;
	/* Stores at `place`; ERR_CONFIG with what is wrong with the value. */
	int (*set)(struct reader *reader, const struct toml_value *value, void *place, struct err *err);
	size_t offset;
};

/* --- memory: everything lives as long as the deployment --- */

static void *take(struct reader *reader, size_t count, size_t size)
{
	struct deployment *d = reader->deployment;
	if (d->pool_count == d->pool_size) {
		size_t wanted = d->pool_size ? d->pool_size * 2 : 64;
		void **pool = reallocarray(d->pool, wanted, sizeof(*pool));
		if (pool) {
			d->pool = pool;
			d->pool_size = wanted;
		}
	}
	void *block = d->pool_count < d->pool_size ? calloc(count ? count : 1, size) : NULL;
	if (block)
		d->pool[d->pool_count++] = block;
	else
		reader->no_memory = true;
	return block;
}

static int copy_text(struct reader *reader, struct bytes text, const char **ret, struct err *err)
{
	if (text.len == 0)
		return err_set(err, ERR_CONFIG, "is empty");
	if (text.len > TEXT_MAX)
		return err_set(err, ERR_CONFIG, "is %zu bytes long; at most %d are taken", text.len, TEXT_MAX);
	if (memchr(text.data, 0, text.len))
		return err_set(err, ERR_CONFIG, "holds a NUL character");
	char *copy = take(reader, text.len + 1, 1);
	if (!copy)
		return err_set(err, ERR_SYSTEM, "out of memory");
	memcpy(copy, text.data, text.len);
	*ret = copy;
	return 0;
}

/* --- values --- */

static int set_text(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	return copy_text(reader, toml_string(value), place, err);
}

static int set_name(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **name = place;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	return spire_mint_name_check(*name, err);
}

/* RFC 1123: a label, or labels with dots between them. */
static bool is_object_name(const char *name, size_t max)
{
	static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len = strlen(name);
	if (len == 0 || len > max)
		return false;
	for (;;) {
		size_t label = strspn(name, allowed);
		if (label == 0 || label > 63 || !strchr(ends, name[0]) || !strchr(ends, name[label - 1]))
			return false;
		if (!name[label])
			return true;
		if (name[label] != '.')
			return false;
		name += label + 1;
	}
}

int deployment_object_name_check(const char *name, struct err *err)
{
	if (is_object_name(name, 253))
		return 0;
	return err_set(
		err, ERR_CONFIG,
		"'%s' cannot name a Kubernetes object: use small letters, digits, '-' and '.', a letter or digit "
		"at either end and beside each '.', at most 253",
		name);
}

/* The CN of a certificate is "NAME.CLASS": with a dot in NAME two deployments could come to the same
 * CN, and one of them to the other's agent ids. Both are part of names of Kubernetes objects. */
int deployment_name_check(const char *name, struct err *err)
{
	if (is_object_name(name, 63) && !strchr(name, '.'))
		return 0;
	return err_set(err, ERR_CONFIG,
		       "'%s' cannot be part of certificates' and Kubernetes objects' names: use small letters, digits "
		       "and '-', a letter or digit at either end, at most 63",
		       name);
}

static int set_label(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **name = place;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	return deployment_name_check(*name, err);
}

static int set_object_name(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **name = place;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	return deployment_object_name_check(*name, err);
}

static int set_trust_domain(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **name = place;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	return spire_trust_domain_check(*name, err);
}

static int set_version(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **version = place;
	unsigned number;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	return spire_version_parse(*version, &number, err);
}

static int set_host(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **host = place;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	return spire_host_check(*host, err);
}

static int set_url(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **url = place;
	bool tls;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	return http_check_url(*url, &tls, err);
}

static int set_path(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **path = place;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	return spire_path_check(*path, err);
}

static int set_api(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **api = place;
	if (set_text(reader, value, place, err) < 0)
		return -1;
	if (strncmp(*api, "unix:///", 8) == 0)
		return spire_socket_check(*api + 7, err);
	const char *port = strrchr(*api, ':');
	if (strncmp(*api, "tcp://", 6) == 0 && port > *api + 6 && port[1])
		return 0;
	return err_set(err, ERR_CONFIG, "'%s' is neither 'unix:///PATH' nor 'tcp://HOST:PORT'", *api);
}

static int set_port(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	(void)reader;
	if (spire_port_check(toml_integer(value), err) < 0)
		return -1;
	*(uint16_t *)place = (uint16_t)toml_integer(value);
	return 0;
}

static int set_uid(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	(void)reader;
	int64_t number = toml_integer(value);
	if (number < 0 || number >= UINT32_MAX)
		return err_set(err, ERR_CONFIG, "%lld is no user id", (long long)number);
	*(int64_t *)place = number;
	return 0;
}

static int set_svn(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	(void)reader;
	int64_t number = toml_integer(value);
	if (number < 0 || number > UINT8_MAX)
		return err_set(err, ERR_CONFIG, "%lld is no security version: use 0 to 255", (long long)number);
	*(int64_t *)place = number;
	return 0;
}

static int set_random(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	(void)reader;
	int64_t number = toml_integer(value);
	if (number < 16 || number > RANDOM_MAX)
		return err_set(err, ERR_CONFIG, "%lld is no number of bytes from 16 to %d", (long long)number,
			       RANDOM_MAX);
	*(size_t *)place = (size_t)number;
	return 0;
}

/* A duration in whole seconds. */
static int set_ttl(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char *text = NULL;
	int64_t ns;
	if (set_text(reader, value, &text, err) < 0 || spire_duration_parse(text, &ns, err) < 0)
		return -1;
	if (ns % 1000000000 != 0 || ns == 0 || ns / 1000000000 > INT32_MAX)
		return err_set(err, ERR_CONFIG, "'%s' is no whole number of seconds from 1", text);
	*(int64_t *)place = ns / 1000000000;
	return 0;
}

static int set_generation(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	(void)reader;
	struct bytes name = toml_string(value);
	enum deployment_generation *generation = place;
	if (bytes_equal_text(name, "trustee-1.1"))
		*generation = TRUSTEE_1_1;
	else if (bytes_equal_text(name, "trustee-1.0"))
		*generation = TRUSTEE_1_0;
	else
		return err_set(err, ERR_CONFIG, "'%.*s' is unknown; use 'trustee-1.1' or 'trustee-1.0'", (int)name.len,
			       (const char *)name.data);
	return 0;
}

static int set_bundle_from(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	(void)reader;
	struct bytes name = toml_string(value);
	if (!bytes_equal_text(name, "kbs") && !bytes_equal_text(name, "init-data"))
		return err_set(err, ERR_CONFIG, "'%.*s' is unknown; use 'kbs' or 'init-data'", (int)name.len,
			       (const char *)name.data);
	*(bool *)place = bytes_equal_text(name, "init-data");
	return 0;
}

static int set_credential(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	(void)reader;
	struct bytes name = toml_string(value);
	if (!bytes_equal_text(name, "mint") && !bytes_equal_text(name, "fetch"))
		return err_set(err, ERR_CONFIG, "'%.*s' is unknown; use 'mint' or 'fetch'", (int)name.len,
			       (const char *)name.data);
	*(bool *)place = bytes_equal_text(name, "mint");
	return 0;
}

static size_t length_of(const struct toml_value *list)
{
	size_t count = 0;
	for (const struct toml_value *item = toml_first(list); item; item = toml_next(item))
		count++;
	return count;
}

static int set_texts(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	struct deployment_texts texts = { .count = length_of(value) };
	if (texts.count == 0 || texts.count > DEPLOYMENT_MAX_ITEMS)
		return err_set(err, ERR_CONFIG, "has %zu elements; 1 to %d are taken", texts.count,
			       DEPLOYMENT_MAX_ITEMS);
	texts.items = take(reader, texts.count, sizeof(*texts.items));
	if (!texts.items)
		return err_set(err, ERR_SYSTEM, "out of memory");
	size_t i = 0;
	for (const struct toml_value *item = toml_first(value); item; item = toml_next(item), i++) {
		if (toml_type(item) != TOML_STRING)
			return err_set(err, ERR_CONFIG, "element %zu is of type %s, not string", i + 1,
				       toml_type_name(toml_type(item)));
		if (copy_text(reader, toml_string(item), &texts.items[i], err) < 0)
			return err_wrap(err, "element %zu", i + 1);
		for (size_t k = 0; k < i; k++)
			if (strcmp(texts.items[k], texts.items[i]) == 0)
				return err_set(err, ERR_CONFIG, "names '%s' twice", texts.items[i]);
	}
	*(struct deployment_texts *)place = texts;
	return 0;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int deployment_tee_check(const char *name, struct err *err)
{
	static const char *const names[] = { "snp", "tdx", "az-snp-vtpm", "az-tdx-vtpm" };
	if (is_among(name, names, ARRAY_LEN(names)))
		return 0;
	return err_set(err, ERR_CONFIG, "'%s' is unknown; use 'snp', 'tdx', 'az-snp-vtpm' or 'az-tdx-vtpm'", name);
}

int deployment_processor_check(const char *name, struct err *err)
{
	static const char *const names[] = { "milan", "genoa", "turin" };
	if (is_among(name, names, ARRAY_LEN(names)))
		return 0;
	return err_set(err, ERR_CONFIG, "'%s' is unknown; use 'milan', 'genoa' or 'turin'", name);
}

static int set_choices(struct reader *reader, const struct toml_value *value,
		       int (*check)(const char *name, struct err *err), struct deployment_texts *ret, struct err *err)
{
	if (set_texts(reader, value, ret, err) < 0)
		return -1;
	for (size_t i = 0; i < ret->count; i++)
		if (check(ret->items[i], err) < 0)
			return -1;
	return 0;
}

static int set_tees(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	return set_choices(reader, value, deployment_tee_check, place, err);
}

static int set_processors(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	return set_choices(reader, value, deployment_processor_check, place, err);
}

static int set_selectors(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	struct deployment_texts *selectors = place;
	if (set_texts(reader, value, place, err) < 0)
		return -1;
	for (size_t i = 0; i < selectors->count; i++) {
		const char *colon = strchr(selectors->items[i], ':');
		if (!colon || colon == selectors->items[i] || !colon[1])
			return err_set(err, ERR_CONFIG, "'%s' is no selector; write 'TYPE:VALUE', as 'unix:uid:1000'",
				       selectors->items[i]);
		if (users_check_selector(selectors->items[i], err) < 0)
			return -1;
	}
	return 0;
}

static int set_dns_names(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	struct deployment_texts *names = place;
	if (toml_first(value) == NULL)
		return 0;
	if (set_texts(reader, value, place, err) < 0)
		return -1;
	for (size_t i = 0; i < names->count; i++)
		if (spire_host_check(names->items[i], err) < 0)
			return -1;
	return 0;
}

/* The path alone, or the whole ID in this trust domain, which is looked at later. */
static int set_spiffe_id(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **id = place;
	char whole[SPIRE_ID_MAX + 32];
	if (set_text(reader, value, place, err) < 0)
		return -1;
	if (**id == '/') {
		(void)snprintf(whole, sizeof(whole), "spiffe://domain%s", *id);
		if (spire_id_parse(whole, NULL, NULL, err) == 0)
			return 0;
	} else if (spire_id_parse(*id, NULL, NULL, err) == 0) {
		return 0;
	}
	if (err)
		err->code = ERR_CONFIG;
	return -1;
}

/* "type/tag" of the KBS's resource paths: two segments that no one has to escape. */
static int set_resource(struct reader *reader, const struct toml_value *value, void *place, struct err *err)
{
	const char **path = place;
	char segment[TEXT_MAX + 1];
	if (set_text(reader, value, place, err) < 0)
		return -1;
	const char *slash = strchr(*path, '/');
	if (!slash || strchr(slash + 1, '/'))
		return err_set(err, ERR_CONFIG, "'%s' is not of the form 'type/tag'", *path);
	if (**path == '.' || slash[1] == '.')
		return err_set(err, ERR_CONFIG, "'%s' has a name that begins with a dot", *path);
	(void)snprintf(segment, sizeof(segment), "%.*s", (int)(slash - *path), *path);
	if (spire_mint_name_check(segment, err) < 0)
		return -1;
	return spire_mint_name_check(slash + 1, err);
}

/* --- the tables --- */

#define ROOT(member) offsetof(struct deployment, member)

static const struct field root_fields[] = {
	{ "name", TOML_STRING, true, set_label, ROOT(name) },
	{ "trust_domain", TOML_STRING, true, set_trust_domain, ROOT(trust_domain) },
	{ "tees", TOML_ARRAY, true, set_tees, ROOT(tees) },
	{ "processors", TOML_ARRAY, false, set_processors, ROOT(processors) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

static const struct field snp_minimum_tcb_fields[] = {
	{ "bootloader", TOML_INTEGER, false, set_svn, ROOT(minimum_tcb[TCB_BOOTLOADER]) },
	{ "tee", TOML_INTEGER, false, set_svn, ROOT(minimum_tcb[TCB_TEE]) },
	{ "snp", TOML_INTEGER, false, set_svn, ROOT(minimum_tcb[TCB_SNP]) },
	{ "microcode", TOML_INTEGER, false, set_svn, ROOT(minimum_tcb[TCB_MICROCODE]) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

static const struct field spire_fields[] = {
	{ "version", TOML_STRING, true, set_version, ROOT(spire_version) },
	{ "server_address", TOML_STRING, true, set_host, ROOT(server_address) },
	{ "server_port", TOML_INTEGER, false, set_port, ROOT(server_port) },
	{ "trust_bundle_file", TOML_STRING, true, set_text, ROOT(trust_bundle_file) },
	{ "trust_bundle_from", TOML_STRING, false, set_bundle_from, ROOT(trust_bundle_measured) },
	{ "api", TOML_STRING, false, set_api, ROOT(api) },
	{ "api_certificate", TOML_STRING, false, set_text, ROOT(api_certificate) },
	{ "api_key", TOML_STRING, false, set_text, ROOT(api_key) },
	{ "api_bundle", TOML_STRING, false, set_text, ROOT(api_bundle) },
	{ "class_name", TOML_STRING, false, set_name, ROOT(class_name) },
	{ "agent_path", TOML_STRING, false, set_path, ROOT(agent_path) },
	{ "agent_uid", TOML_INTEGER, false, set_uid, ROOT(agent_uid) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

static const struct field kbs_fields[] = {
	{ "url", TOML_STRING, true, set_url, ROOT(kbs_url) },
	{ "ca_file", TOML_STRING, false, set_text, ROOT(kbs_ca_file) },
	{ "admin_url", TOML_STRING, false, set_url, ROOT(kbs_admin_url) },
	{ "admin_key_file", TOML_STRING, false, set_text, ROOT(kbs_admin_key_file) },
	{ "generation", TOML_STRING, false, set_generation, ROOT(generation) },
	{ "repository", TOML_STRING, false, set_name, ROOT(repository) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

static const struct field image_fields[] = {
	{ "measurements_file", TOML_STRING, false, set_text, ROOT(measurements_file) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

static const struct field pod_fields[] = {
	{ "namespace", TOML_STRING, false, set_label, ROOT(pod_namespace) },
	{ "runtime_class", TOML_STRING, false, set_object_name, ROOT(runtime_class) },
	{ "sealpod_image", TOML_STRING, false, set_text, ROOT(sealpod_image) },
	{ "agent_image", TOML_STRING, false, set_text, ROOT(agent_image) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

#define CLASS(member) offsetof(struct deployment_class, member)

static const struct field class_fields[] = {
	{ "name", TOML_STRING, true, set_label, CLASS(name) },
	{ "credential", TOML_STRING, false, set_credential, CLASS(mint) },
	{ "image", TOML_STRING, false, set_text, CLASS(image) },
	{ "agent_policy_file", TOML_STRING, false, set_text, CLASS(agent_policy_file) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

#define WORKLOAD(member) offsetof(struct deployment_workload, member)

static const struct field workload_fields[] = {
	{ "spiffe_id", TOML_STRING, true, set_spiffe_id, WORKLOAD(spiffe_id) },
	{ "selectors", TOML_ARRAY, true, set_selectors, WORKLOAD(selectors) },
	{ "ttl", TOML_STRING, false, set_ttl, WORKLOAD(ttl_s) },
	{ "dns_names", TOML_ARRAY, false, set_dns_names, WORKLOAD(dns_names) },
	{ "hint", TOML_STRING, false, set_text, WORKLOAD(hint) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

#define SECRET(member) offsetof(struct deployment_secret, member)

static const struct field secret_fields[] = {
	{ "path", TOML_STRING, true, set_resource, SECRET(path) },
	{ "value", TOML_STRING, false, set_text, SECRET(value) },
	{ "file", TOML_STRING, false, set_text, SECRET(file) },
	{ "random", TOML_INTEGER, false, set_random, SECRET(random_bytes) },
	{ "classes", TOML_ARRAY, false, set_texts, SECRET(classes) },
	{ NULL, TOML_STRING, false, NULL, 0 },
};

/* "spire.version"; a key longer than any of ours is cut. */
struct dotted {
	char text[160];
};

static struct dotted dotted(const char *table, struct bytes key)
{
	struct dotted name;
	(void)snprintf(name.text, sizeof(name.text), "%.64s%s%.*s", table, *table ? "." : "",
		       (int)(key.len > 64 ? 64 : key.len), key.data ? (const char *)key.data : "");
	return name;
}

static void bad(struct reader *reader, unsigned line, const char *table, const char *key, const char *text)
{
	problems_add(&reader->problems, line, dotted(table, bytes_of_text(key)).text, "%s", text);
}

static const struct field *find_field(const struct field *fields, struct bytes key)
{
	for (; fields->key; fields++)
		if (bytes_equal_text(key, fields->key))
			return fields;
	return NULL;
}

static bool has_type(struct reader *reader, const struct toml_value *value, const char *table, enum toml_type type)
{
	if (toml_type(value) == type)
		return true;
	problems_add(&reader->problems, toml_line(value), dotted(table, toml_key(value)).text, "is of type %s, not %s",
		     toml_type_name(toml_type(value)), toml_type_name(type));
	return false;
}

static void read_value(struct reader *reader, const struct field *field, const struct toml_value *value,
		       const char *table, void *target)
{
	struct err why = { 0 };
	if (has_type(reader, value, table, field->type) &&
	    field->set(reader, value, (char *)target + field->offset, &why) < 0)
		bad(reader, toml_line(value), table, field->key, why.message);
}

/* Walks through a table; `others` are the keys of tables in it that are read elsewhere. */
static void read_fields(struct reader *reader, const struct toml_value *table, const char *name,
			const struct field *fields, const char *const *others, void *target)
{
	for (const struct toml_value *value = toml_first(table); value; value = toml_next(value)) {
		const struct field *field = find_field(fields, toml_key(value));
		bool elsewhere = false;
		for (size_t i = 0; others && others[i]; i++)
			elsewhere = elsewhere || bytes_equal_text(toml_key(value), others[i]);
		if (field)
			read_value(reader, field, value, name, target);
		else if (!elsewhere)
			problems_add(&reader->problems, toml_line(value), dotted(name, toml_key(value)).text,
				     "is unknown (see deployment.toml(5))");
	}
	for (; fields->key; fields++)
		if (fields->required && !toml_member(table, bytes_of_text(fields->key)))
			bad(reader, toml_line(table), name, fields->key, "is missing");
}

static void read_table(struct reader *reader, const struct toml_value *root, const char *name,
		       const struct field *fields, const char *const *others)
{
	const struct toml_value *table = toml_member(root, bytes_of_text(name));
	if (table && has_type(reader, table, "", TOML_TABLE))
		read_fields(reader, table, name, fields, others, reader->deployment);
	for (; !table && fields->key; fields++)
		if (fields->required)
			bad(reader, 0, name, fields->key, "is missing");
}

/* An array of tables: allocates `size` bytes each; 0 where there is none. */
static size_t start_list(struct reader *reader, const struct toml_value *parent, const char *table, const char *name,
			 size_t max, size_t size, void **ret_items)
{
	const struct toml_value *list = toml_member(parent, bytes_of_text(name));
	*ret_items = NULL;
	if (!list || !has_type(reader, list, table, TOML_ARRAY))
		return 0;
	for (const struct toml_value *item = toml_first(list); item; item = toml_next(item))
		if (toml_type(item) != TOML_TABLE) {
			problems_add(&reader->problems, toml_line(item), dotted(table, bytes_of_text(name)).text,
				     "is not written as [[%s]]", dotted(table, bytes_of_text(name)).text);
			return 0;
		}
	size_t count = length_of(list);
	if (count > max) {
		problems_add(&reader->problems, toml_line(list), dotted(table, bytes_of_text(name)).text,
			     "stands there %zu times; at most %zu are taken", count, max);
		return 0;
	}
	*ret_items = take(reader, count, size);
	return *ret_items ? count : 0;
}

static const struct toml_value *items_of(const struct toml_value *parent, const char *name)
{
	return toml_first(toml_member(parent, bytes_of_text(name)));
}

static void read_workloads(struct reader *reader, const struct toml_value *table, struct deployment_class *class)
{
	void *items;
	size_t i = 0;
	class->workload_count =
		start_list(reader, table, "class", "workload", DEPLOYMENT_MAX_ITEMS, sizeof(*class->workloads), &items);
	class->workloads = items;
	if (class->workload_count == 0) {
		bad(reader, class->line, "class", "workload",
		    "is missing: a class has at least one [[class.workload]]");
		return;
	}
	for (const struct toml_value *item = items_of(table, "workload"); item; item = toml_next(item), i++) {
		class->workloads[i].line = toml_line(item);
		read_fields(reader, item, "class.workload", workload_fields, NULL, &class->workloads[i]);
	}
}

static void read_classes(struct reader *reader, const struct toml_value *root)
{
	static const char *const others[] = { "workload", NULL };
	struct deployment *d = reader->deployment;
	void *items;
	size_t i = 0;
	d->class_count = start_list(reader, root, "", "class", DEPLOYMENT_MAX_CLASSES, sizeof(*d->classes), &items);
	d->classes = items;
	if (d->class_count == 0) {
		bad(reader, 0, "", "class", "is missing: there is at least one [[class]]");
		return;
	}
	for (const struct toml_value *item = items_of(root, "class"); item; item = toml_next(item), i++) {
		d->classes[i].line = toml_line(item);
		d->classes[i].mint = true;
		read_fields(reader, item, "class", class_fields, others, &d->classes[i]);
		read_workloads(reader, item, &d->classes[i]);
	}
}

static void read_secrets(struct reader *reader, const struct toml_value *root)
{
	struct deployment *d = reader->deployment;
	void *items;
	size_t i = 0;
	d->secret_count = start_list(reader, root, "", "secret", DEPLOYMENT_MAX_ITEMS, sizeof(*d->secrets), &items);
	d->secrets = items;
	if (d->secret_count == 0)
		return;
	for (const struct toml_value *item = items_of(root, "secret"); item; item = toml_next(item), i++) {
		d->secrets[i].line = toml_line(item);
		read_fields(reader, item, "secret", secret_fields, NULL, &d->secrets[i]);
	}
}

static bool is_hex(const char *text)
{
	size_t len = strlen(text);
	return len >= 2 && len % 2 == 0 && strspn(text, "0123456789abcdef") == len;
}

static void read_reference(struct reader *reader, const struct toml_value *value,
			   struct deployment_reference *reference)
{
	struct err why = { 0 };
	struct dotted name = dotted("image.reference_values", toml_key(value));
	if (!has_type(reader, value, "image.reference_values", TOML_ARRAY))
		return;
	if (copy_text(reader, toml_key(value), &reference->name, &why) < 0 ||
	    set_texts(reader, value, &reference->values, &why) < 0) {
		problems_add(&reader->problems, toml_line(value), name.text, "%s", why.message);
		return;
	}
	for (size_t i = 0; i < reference->values.count; i++)
		if (!is_hex(reference->values.items[i]))
			problems_add(&reader->problems, toml_line(value), name.text, "'%.80s' is no lower-case hex",
				     reference->values.items[i]);
}

static void read_references(struct reader *reader, const struct toml_value *root)
{
	struct deployment *d = reader->deployment;
	const struct toml_value *image = toml_member(root, bytes_of_text("image"));
	if (!image || toml_type(image) != TOML_TABLE)
		return;
	const struct toml_value *table = toml_member(image, bytes_of_text("reference_values"));
	if (!table || !has_type(reader, table, "image", TOML_TABLE))
		return;
	size_t count = length_of(table);
	d->references = count <= DEPLOYMENT_MAX_ITEMS ? take(reader, count, sizeof(*d->references)) : NULL;
	if (!d->references)
		return;
	for (const struct toml_value *value = toml_first(table); value; value = toml_next(value))
		read_reference(reader, value, &d->references[d->reference_count++]);
}

/* --- what values mean together --- */

static void check_api(struct reader *reader)
{
	const struct deployment *d = reader->deployment;
	bool tcp = d->api && strncmp(d->api, "tcp://", 6) == 0;
	size_t files = (size_t)(d->api_certificate != NULL) + (d->api_key != NULL) + (d->api_bundle != NULL);
	if (tcp && files != 3)
		bad(reader, 0, "spire", "api",
		    "over TCP wants an administrator's SVID: api_certificate, api_key and api_bundle");
	if (!tcp && files != 0)
		bad(reader, 0, "spire", "api_certificate", "and its like are for an api of 'tcp://HOST:PORT' alone");
}

static void check_kbs(struct reader *reader)
{
	const struct deployment *d = reader->deployment;
	if (d->kbs_url && strncmp(d->kbs_url, "https:", 6) == 0 && !d->kbs_ca_file)
		bad(reader, 0, "kbs", "ca_file",
		    "is missing: without it the guest could not tell the KBS from the host");
	if (d->kbs_url && strncmp(d->kbs_url, "http:", 5) == 0 && d->kbs_ca_file)
		bad(reader, 0, "kbs", "ca_file", "has no meaning for an URL without TLS");
}

static const struct deployment_class *find_class(const struct deployment *d, const char *name)
{
	for (size_t i = 0; i < d->class_count; i++)
		if (d->classes[i].name && strcmp(d->classes[i].name, name) == 0)
			return &d->classes[i];
	return NULL;
}

/* What stands for a class's agents: who had such an ID could not be told from them. */
static bool is_alias(const struct deployment *d, const char *path)
{
	static const char prefix[] = "/sealpod/";
	size_t len = d->name ? strlen(d->name) : 0;
	if (len == 0 || strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return false;
	const char *name = path + sizeof(prefix) - 1;
	return strncmp(name, d->name, len) == 0 && (name[len] == 0 || name[len] == '/');
}

/* A whole ID must be of this trust domain, and becomes its path. */
static void check_workload(struct reader *reader, struct deployment_workload *workload)
{
	const char *domain = reader->deployment->trust_domain;
	struct bytes found, path;
	if (!workload->spiffe_id || !domain)
		return;
	if (*workload->spiffe_id != '/' && spire_id_parse(workload->spiffe_id, &found, &path, NULL) == 0) {
		if (!bytes_equal_text(found, domain))
			bad(reader, workload->line, "class.workload", "spiffe_id", "is of another trust domain");
		workload->spiffe_id += strlen(workload->spiffe_id) - path.len;
	}
	if (strcmp(workload->spiffe_id, "/spire") == 0 || strncmp(workload->spiffe_id, "/spire/", 7) == 0)
		bad(reader, workload->line, "class.workload", "spiffe_id",
		    "is '/spire' or below it, which is SPIRE's own");
	if (is_alias(reader->deployment, workload->spiffe_id))
		bad(reader, workload->line, "class.workload", "spiffe_id",
		    "is below '/sealpod/NAME', where the aliases of the deployment's agents are");
	if (*workload->spiffe_id == 0)
		bad(reader, workload->line, "class.workload", "spiffe_id", "has no path");
}

/* "NAME.CLASS" (ctl/material.c) */
static void check_common_name(struct reader *reader, const struct deployment_class *class)
{
	const char *name = reader->deployment->name;
	size_t len = name && class->name ? strlen(name) + 1 + strlen(class->name) : 0;
	if (len > SPIRE_ISSUE_CN_MAX)
		problems_add(&reader->problems, class->line, "class.name",
			     "makes a common name '%s.%s' of %zu characters; certificates take %d", name, class->name,
			     len, SPIRE_ISSUE_CN_MAX);
}

/* The processes of a pod see each other. */
static void check_users(struct reader *reader, const struct deployment_class *class)
{
	struct users users;
	users_of(reader->deployment, class, &users);
	for (size_t i = 0; i < class->workload_count; i++)
		if (users_clash(&users, &class->workloads[i]))
			problems_add(&reader->problems, class->workloads[i].line, "class.workload.selectors",
				     "let the workload run as %u, which is the agent's user: it could read the agent's "
				     "credential; give the agent one of its own (spire.agent_uid)",
				     users.agent);
}

static void check_classes(struct reader *reader)
{
	struct deployment *d = reader->deployment;
	for (size_t i = 0; i < d->class_count; i++) {
		struct deployment_class *class = &d->classes[i];
		if (class->name && find_class(d, class->name) != class)
			bad(reader, class->line, "class", "name", "is that of another class");
		check_common_name(reader, class);
		if (class->name && strcmp(class->name, "root") == 0)
			bad(reader, class->line, "class", "name", "is 'root', which the root CA's files are called");
		for (size_t k = 0; k < class->workload_count; k++)
			check_workload(reader, &class->workloads[k]);
		check_users(reader, class);
	}
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Types of resources that build makes. */
static bool is_kept(const char *path)
{
	static const char *const kept[] = { "x509pop-", RESOURCES_KEY, RESOURCES_CERTIFICATE, RESOURCES_CONFIG,
					    RESOURCES_BUNDLE };
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (starts(path, kept[i]))
			return true;
	return false;
}

static void check_secret(struct reader *reader, const struct deployment_secret *secret, size_t i)
{
	const struct deployment *d = reader->deployment;
	if ((secret->value != NULL) + (secret->file != NULL) + (secret->random_bytes != 0) != 1)
		bad(reader, secret->line, "secret", "value",
		    "stands for one of 'value', 'file' and 'random': give one");
	for (size_t k = 0; k < i && secret->path; k++)
		if (d->secrets[k].path && strcmp(d->secrets[k].path, secret->path) == 0)
			bad(reader, secret->line, "secret", "path", "is that of another secret");
	if (secret->path && is_kept(secret->path))
		bad(reader, secret->line, "secret", "path",
		    "begins with 'x509pop-', '" RESOURCES_KEY "', '" RESOURCES_CERTIFICATE "' or '" RESOURCES_CONFIG
		    "', which are kept for what build makes");
	if (secret->path && strcmp(secret->path, RESOURCES_SIGNING_KEY) == 0)
		bad(reader, secret->line, "secret", "path", "is that of the sealed secrets' signing key");
	for (size_t k = 0; k < secret->classes.count; k++)
		if (!find_class(d, secret->classes.items[k]))
			problems_add(&reader->problems, secret->line, "secret.classes", "'%s' is no class",
				     secret->classes.items[k]);
}

static void check_together(struct reader *reader)
{
	const struct deployment *d = reader->deployment;
	check_api(reader);
	check_kbs(reader);
	check_classes(reader);
	for (size_t i = 0; i < d->secret_count; i++)
		check_secret(reader, &d->secrets[i], i);
}

static int set_places(struct reader *reader, const char *path)
{
	struct deployment *d = reader->deployment;
	const char *slash = strrchr(path, '/');
	char *copy = take(reader, strlen(path) + 1, 1);
	char *directory = take(reader, strlen(path) + 2, 1);
	if (!copy || !directory)
		return -1;
	memcpy(copy, path, strlen(path));
	if (slash)
		memcpy(directory, path, (size_t)(slash - path) + (slash == path));
	else
		*directory = '.';
	d->path = copy;
	d->directory = directory;
	return 0;
}

static void read_all(struct reader *reader, const struct toml_value *root)
{
	static const char *const tables[] = {
		"snp_minimum_tcb", "spire", "kbs", "image", "pod", "class", "secret", NULL
	};
	static const char *const in_image[] = { "reference_values", NULL };
	read_fields(reader, root, "", root_fields, tables, reader->deployment);
	read_table(reader, root, "snp_minimum_tcb", snp_minimum_tcb_fields, NULL);
	read_table(reader, root, "spire", spire_fields, NULL);
	read_table(reader, root, "kbs", kbs_fields, NULL);
	read_table(reader, root, "image", image_fields, in_image);
	read_table(reader, root, "pod", pod_fields, NULL);
	read_references(reader, root);
	read_classes(reader, root);
	read_secrets(reader, root);
	check_together(reader);
}

int deployment_parse(struct bytes text, const char *path, struct deployment *ret_deployment, struct err *err)
{
	struct deployment deployment OWNED_DEPLOYMENT = {
		.server_port = 8081,
		.agent_path = CONFIG_AGENT_PATH,
		.agent_uid = -1,
		.minimum_tcb = { -1, -1, -1, -1 },
		.repository = "default",
		.pod_namespace = "default",
		.runtime_class = "kata-remote",
		.sealpod_image = "sealpod:" SEALPOD_VERSION,
	};
	struct reader reader = { .deployment = &deployment, .problems = { .file = path } };
	if (toml_parse(text, &deployment.doc, err) < 0)
		return err_wrap(err, "'%s'", path);
	if (set_places(&reader, path) == 0)
		read_all(&reader, toml_root(deployment.doc));
	if (reader.no_memory)
		return err_set(err, ERR_SYSTEM, "'%s': out of memory", path);
	if (problems_result(&reader.problems, err) < 0)
		return -1;
	*ret_deployment = deployment;
	deployment = (struct deployment){ 0 };
	return 0;
}

int deployment_read(const char *path, struct deployment *ret_deployment, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
	if (file_read(AT_FDCWD, path, &text, err) < 0)
		return -1;
	return deployment_parse(buf_bytes(&text), path, ret_deployment, err);
}

void deployment_done(struct deployment *deployment)
{
	toml_free(deployment->doc);
	for (size_t i = 0; i < deployment->pool_count; i++)
		free(deployment->pool[i]);
	free(deployment->pool);
	*deployment = (struct deployment){ 0 };
}

int deployment_path(const struct deployment *deployment, const char *path, struct buf *out, struct err *err)
{
	if (*path == '/')
		return buf_append(out, bytes_of_text(path), err);
	return buf_printf(out, err, "%s/%s", deployment->directory, path);
}

bool deployment_secret_is_for(const struct deployment_secret *secret, const char *class_name)
{
	for (size_t i = 0; i < secret->classes.count; i++)
		if (strcmp(secret->classes.items[i], class_name) == 0)
			return true;
	return secret->classes.count == 0;
}
