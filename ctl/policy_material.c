/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects what the policies are made of. The operator's files; a value that would never be compared, or
 * never match, is an error here, for as a denial it would be found much later.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "ctl/measurements.h"
#include "ctl/policy_rules.h"
#include "initdata/document.h"

void policy_material_done(struct policy_material *material)
{
	free(material->init_data);
	json_free(material->values);
	*material = (struct policy_material)POLICY_MATERIAL_INIT;
}

/* The rule of a kind that is allowed which reads this value. */
static bool find_rule(const struct deployment *deployment, const char *value, struct policy_rule *ret_rule)
{
	for (size_t i = 0; i < deployment->tees.count; i++)
		for (size_t k = 0; policy_rule_at(deployment->tees.items[i], k, ret_rule); k++)
			if (strcmp(ret_rule->value, value) == 0)
				return true;
	return false;
}

static int check_reference(const struct deployment *deployment, const struct deployment_reference *reference,
			   struct err *err)
{
	struct policy_rule rule;
	bool found = find_rule(deployment, reference->name, &rule);
	if (strcmp(reference->name, POLICY_INIT_DATA) == 0 || (found && rule.made))
		return err_set(err, ERR_CONFIG, "is made out of the init-data, and not given");
	if (!found)
		return err_set(err, ERR_CONFIG, "would be read by no rule for these 'tees'");
	for (size_t i = 0; i < reference->values.count; i++)
		if (strlen(reference->values.items[i]) != rule.digits)
			return err_set(err, ERR_CONFIG, "'%.100s' has %zu digits; this value has %zu",
				       reference->values.items[i], strlen(reference->values.items[i]), rule.digits);
	return 0;
}

static int add_references(const struct deployment *deployment, struct json *values, struct err *err)
{
	for (size_t i = 0; i < deployment->reference_count; i++) {
		const struct deployment_reference *reference = &deployment->references[i];
		struct json *list;
		if (check_reference(deployment, reference, err) < 0)
			return err_wrap(err, "'%s': image.reference_values.%s", deployment->path, reference->name);
		if (json_add_array(values, reference->name, &list, err) < 0)
			return -1;
		for (size_t k = 0; k < reference->values.count; k++)
			if (json_add_string(list, NULL, reference->values.items[k], err) < 0)
				return -1;
	}
	return 0;
}

static int add_list(struct json *values, const char *name, const struct json *from, struct err *err)
{
	struct json *list;
	if (json_member(values, name))
		return err_set(err, ERR_CONFIG, "'%s' stands in image.reference_values too", name);
	if (json_add_array(values, name, &list, err) < 0)
		return -1;
	for (const struct json *item = json_first(from); item; item = json_next(item))
		if (json_add_string(list, NULL, json_text(item), err) < 0)
			return -1;
	return 0;
}

/* Those registers that a vTPM's rules read: the claim is the member's name behind "tpm.". */
static int add_registers(const char *tee, const struct json *pcrs, struct json *values, struct err *err)
{
	struct policy_rule rule;
	for (size_t i = 0; policy_rule_at(tee, i, &rule); i++) {
		const char *dot = strrchr(rule.claim, '.');
		const struct json *from = dot ? json_member(pcrs, dot + 1) : NULL;
		if (from && !rule.made && add_list(values, rule.value, from, err) < 0)
			return -1;
	}
	return 0;
}

static int read_measurements(const struct deployment *deployment, struct json **ret_pcrs, struct buf *path,
			     struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(MEASUREMENTS_MAX);
	if (deployment_path(deployment, deployment->measurements_file, path, err) < 0 ||
	    file_read(AT_FDCWD, buf_text(path), &text, err) < 0)
		return -1;
	if (measurements_parse(buf_bytes(&text), ret_pcrs, err) < 0)
		return err_wrap(err, "'%s'", buf_text(path));
	return 0;
}

static int add_measurements(const struct deployment *deployment, struct json *values, struct err *err)
{
	struct json *pcrs OWNED_JSON = NULL;
	struct buf path OWNED_BUF = BUF_INIT(8192);
	if (!deployment->measurements_file)
		return 0;
	if (read_measurements(deployment, &pcrs, &path, err) < 0)
		return -1;
	size_t before = json_count(values);
	for (size_t i = 0; i < deployment->tees.count; i++)
		if (policy_register(deployment->tees.items[i]) == INITDATA_PCR8 &&
		    add_registers(deployment->tees.items[i], pcrs, values, err) < 0)
			return err_wrap(err, "'%s'", buf_text(&path));
	if (json_count(values) == before)
		return err_set(err, ERR_CONFIG, "'%s' holds PCR values, and none of the 'tees' has a vTPM",
			       buf_text(&path));
	return 0;
}

static int read_digest(const char *path, struct digest *ret_digest, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(INITDATA_MAX);
	struct initdata *doc OWNED_INITDATA = NULL;
	if (file_read(AT_FDCWD, path, &text, err) < 0)
		return -1;
	if (initdata_parse(buf_bytes(&text), &doc, err) < 0)
		return err_wrap(err, "'%s'", path);
	*ret_digest = *initdata_digest(doc);
	return 0;
}

static int path_of(const char *out, const char *dir, const struct deployment_class *class, char path[PATH_MAX],
		   struct err *err)
{
	if ((size_t)snprintf(path, PATH_MAX, "%s/%s/%s.toml", out, dir, class->name) >= PATH_MAX)
		return err_set(err, ERR_CONFIG, "the path of the output directory is too long");
	return 0;
}

static int read_init_data(const char *out, const struct deployment_class *class, struct policy_init_data *ret,
			  struct err *err)
{
	char path[PATH_MAX];
	if (path_of(out, POLICY_INIT_DATA_NOW, class, path, err) < 0 || read_digest(path, &ret->digests[0], err) < 0)
		return -1;
	ret->count = 1;
	if (path_of(out, POLICY_INIT_DATA_PREVIOUS, class, path, err) < 0)
		return -1;
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* it is not being rotated */
	if (read_digest(path, &ret->digests[1], err) < 0)
		return -1;
	if (!bytes_equal(digest_bytes(&ret->digests[0]), digest_bytes(&ret->digests[1])))
		ret->count = 2;
	return 0;
}

static bool share(const struct policy_init_data *a, const struct policy_init_data *b)
{
	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++)
			if (bytes_equal(digest_bytes(&a->digests[i]), digest_bytes(&b->digests[k])))
				return true;
	return false;
}

/* Init-data is all that tells classes apart. */
static int check_distinct(const struct deployment *deployment, const struct policy_init_data *init_data,
			  struct err *err)
{
	for (size_t i = 0; i < deployment->class_count; i++)
		for (size_t k = 0; k < i; k++)
			if (share(&init_data[i], &init_data[k]))
				return err_set(
					err, ERR_CONFIG,
					"classes '%s' and '%s' have the same init-data: each would get what is for "
					"the other",
					deployment->classes[k].name, deployment->classes[i].name);
	return 0;
}

static int hex_of(const struct digest *digest, const char *tee, struct buf *out, struct err *err)
{
	struct initdata_binding binding;
	if (initdata_expect(digest, policy_register(tee), &binding, err) < 0)
		return -1;
	return hex_encode(bytes_of(binding.bytes, binding.len), out, err);
}

static bool holds(const struct json *list, const char *text)
{
	for (const struct json *item = json_first(list); item; item = json_next(item))
		if (strcmp(json_text(item), text) == 0)
			return true;
	return false;
}

static int add_hex(const struct digest *digest, const char *tee, struct json *list, struct err *err)
{
	struct buf hex OWNED_BUF = BUF_INIT(2 * INITDATA_REGISTER_MAX);
	if (hex_of(digest, tee, &hex, err) < 0)
		return -1;
	return holds(list, buf_text(&hex)) ? 0 : json_add_string(list, NULL, buf_text(&hex), err);
}

/* The texts of one kind, in the order of the classes; what two kinds or classes share stands once. */
static int add_hexes(const struct deployment *deployment, const struct policy_material *material, const char *tee,
		     struct json *list, struct err *err)
{
	for (size_t i = 0; i < deployment->class_count; i++)
		for (size_t k = 0; k < material->init_data[i].count; k++)
			if (add_hex(&material->init_data[i].digests[k], tee, list, err) < 0)
				return err_wrap(err, "init-data of class '%s', for TEE '%s'",
						deployment->classes[i].name, tee);
	return 0;
}

/* PCR 8 has a value of its own beside that which all kinds share. */
static int add_made(const struct deployment *deployment, const struct policy_material *material, const char *tee,
		    struct json *values, struct err *err)
{
	struct policy_rule rule;
	struct json *list;
	for (size_t i = 0; policy_rule_at(tee, i, &rule); i++)
		if (rule.made && (json_add_array(values, rule.value, &list, err) < 0 ||
				  add_hexes(deployment, material, tee, list, err) < 0))
			return -1;
	return 0;
}

static int add_init_data(const struct deployment *deployment, const struct policy_material *material,
			 struct json *values, struct err *err)
{
	struct json *list = NULL;
	for (size_t i = 0; i < deployment->tees.count; i++) {
		const char *tee = deployment->tees.items[i];
		if (add_made(deployment, material, tee, values, err) < 0)
			return -1;
		if (policy_register(tee) == INITDATA_PCR8)
			continue;
		if ((!list && json_add_array(values, POLICY_INIT_DATA, &list, err) < 0) ||
		    add_hexes(deployment, material, tee, list, err) < 0)
			return -1;
	}
	return 0;
}

static int check_required(const struct deployment *deployment, const struct json *values, struct err *err)
{
	for (size_t i = 0; i < deployment->tees.count; i++) {
		const char *tee = deployment->tees.items[i];
		struct policy_rule rule;
		for (size_t k = 0; policy_rule_at(tee, k, &rule); k++)
			if (rule.required && !json_member(values, rule.value))
				return err_set(
					err, ERR_CONFIG,
					"'%s': TEE '%s' is allowed, and there is no reference value '%s' to know "
					"its image by: give [image] 'measurements_file' or 'reference_values'",
					deployment->path, tee, rule.value);
	}
	return 0;
}

static int fill(const struct deployment *deployment, const char *out, struct policy_material *material, struct err *err)
{
	material->init_data = calloc(deployment->class_count, sizeof(*material->init_data));
	if (!material->init_data)
		return err_set(err, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < deployment->class_count; i++)
		if (read_init_data(out, &deployment->classes[i], &material->init_data[i], err) < 0)
			return -1;
	if (check_distinct(deployment, material->init_data, err) < 0 || json_new_object(&material->values, err) < 0 ||
	    add_references(deployment, material->values, err) < 0 ||
	    add_measurements(deployment, material->values, err) < 0 ||
	    add_init_data(deployment, material, material->values, err) < 0)
		return -1;
	return check_required(deployment, material->values, err);
}

int policy_material_read(const struct deployment *deployment, const char *out, struct policy_material *ret_material,
			 struct err *err)
{
	struct policy_material material OWNED_POLICY_MATERIAL = POLICY_MATERIAL_INIT;
	if (fill(deployment, out, &material, err) < 0)
		return -1;
	*ret_material = material;
	material = (struct policy_material)POLICY_MATERIAL_INIT;
	return 0;
}
