/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the policies. All that goes into their text was checked before: names are of SPIFFE path
 * characters, values are hexadecimal; nothing here needs escaping, and nothing that would may come in.
 */
#include "ctl/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "ctl/policy_rules.h"
#include "ctl/resources.h"

/* The older form demands an end; this is as good as none. */
#define EXPIRATION "2099-12-31T00:00:00Z"

static int head(const struct deployment *deployment, const char *what, struct buf *text, struct err *err)
{
	return buf_printf(text, err,
			  "# %s of deployment \"%s\".\n# Written by sealpodctl: change deployment.toml, then build and "
			  "apply.\npackage policy\n\nimport rego.v1\n\n",
			  what, deployment->name);
}

/* --- the resource policy --- */

static int released(const struct deployment *deployment, struct buf *text, struct err *err)
{
	struct resource resource;
	if (buf_append_text(text, "# Who may have what. What is not here nobody may have.\nreleased := {\n", err) < 0)
		return -1;
	for (size_t i = 0; resource_at(deployment, i, &resource); i++) {
		const char *comma = "";
		if (buf_printf(text, err, "\t\"%s\": [", resource.path) < 0)
			return -1;
		for (size_t k = 0; k < deployment->class_count; k++) {
			if (!resource_is_for(&resource, deployment->classes[k].name))
				continue;
			if (buf_printf(text, err, "%s\"%s\"", comma, deployment->classes[k].name) < 0)
				return -1;
			comma = ", ";
		}
		if (buf_append_text(text, "],\n", err) < 0)
			return -1;
	}
	return buf_append_text(text, "}\n\n", err);
}

/* The texts by which a class is known on this kind of TEE, as a list. */
static int bound_hexes(const struct policy_init_data *init_data, const char *tee, struct buf *text, struct err *err)
{
	for (size_t i = 0; i < init_data->count; i++) {
		struct initdata_binding binding;
		if (buf_append_text(text, i == 0 ? "[\"" : ", \"", err) < 0 ||
		    initdata_expect(&init_data->digests[i], policy_register(tee), &binding, err) < 0 ||
		    hex_encode(bytes_of(binding.bytes, binding.len), text, err) < 0 ||
		    buf_append_byte(text, '"', err) < 0)
			return -1;
	}
	return buf_append_byte(text, ']', err);
}

static int class_line(const struct deployment *deployment, const char *class_name,
		      const struct policy_init_data *init_data, struct buf *text, struct err *err)
{
	if (buf_printf(text, err, "\t\"%s\": {", class_name) < 0)
		return -1;
	for (size_t i = 0; i < deployment->tees.count; i++) {
		const char *tee = deployment->tees.items[i];
		if (buf_printf(text, err, "%s\"%s\": ", i > 0 ? ", " : "",
			       policy_tee_name(deployment->generation, tee)) < 0 ||
		    bound_hexes(init_data, tee, text, err) < 0)
			return -1;
	}
	return buf_append_text(text, "},\n", err);
}

static int classes(const struct deployment *deployment, const struct policy_material *material, struct buf *text,
		   struct err *err)
{
	if (buf_append_text(text,
			    "# What a TEE of a class carries as its init-data, by the kind of TEE.\nclasses := {\n",
			    err) < 0)
		return -1;
	for (size_t i = 0; i < deployment->class_count; i++)
		if (class_line(deployment, deployment->classes[i].name, &material->init_data[i], text, err) < 0)
			return err_wrap(err, "init-data of class '%s'", deployment->classes[i].name);
	return buf_append_text(text, "}\n\n", err);
}

static const char resource_rules[] = "default allow := false\n"
				     "\n"
				     "allow if {\n"
				     "\tdata.plugin == \"resource\"\n"
				     "\taffirmed\n"
				     "\tcount(kinds) == 1\n"
				     "\tsome name in released[path]\n"
				     "\tevidence.init_data in classes[name][kinds[0]]\n"
				     "}\n"
				     "\n"
				     "evidence := input.submods.cpu0[\"ear.veraison.annotated-evidence\"]\n"
				     "\n"
				     "# The kinds of TEE that are allowed and that the evidence is of.\n"
				     "kinds := [kind | some kind in tees; is_object(evidence[kind])]\n"
				     "\n"
				     "# No part of the evidence was found wanting, and there is a processor's.\n"
				     "affirmed if {\n"
				     "\tinput.submods.cpu0\n"
				     "\tevery _, part in input.submods {\n"
				     "\t\tpart[\"ear.status\"] == \"affirming\"\n"
				     "\t}\n"
				     "}\n"
				     "\n"
				     "path := concat(\"/\", data[\"resource-path\"]) if {\n"
				     "\tis_array(data[\"resource-path\"])\n"
				     "\tcount(data[\"resource-path\"]) == 3\n"
				     "}\n";

/* Earlier brokers hand the path over in one piece. */
static const char path_in_one[] =
	"\npath := trim_prefix(data[\"resource-path\"], \"/\") if is_string(data[\"resource-path\"])\n";

static int tees(const struct deployment *deployment, struct buf *text, struct err *err)
{
	if (buf_append_text(text, "tees := [", err) < 0)
		return -1;
	for (size_t i = 0; i < deployment->tees.count; i++)
		if (buf_printf(text, err, "%s\"%s\"", i > 0 ? ", " : "",
			       policy_tee_name(deployment->generation, deployment->tees.items[i])) < 0)
			return -1;
	return buf_append_text(text, "]\n\n", err);
}

int policy_resource(const struct deployment *deployment, const struct policy_material *material, struct buf *text,
		    struct err *err)
{
	if (head(deployment, "Resource policy", text, err) < 0 || released(deployment, text, err) < 0 ||
	    classes(deployment, material, text, err) < 0 || tees(deployment, text, err) < 0)
		return -1;
	if (buf_append_text(text, resource_rules, err) < 0)
		return -1;
	return deployment->generation == TRUSTEE_1_0 ? buf_append_text(text, path_in_one, err) : 0;
}

/* --- the attestation policy --- */

static const char trust_claims[] = "# Without these a KBS takes the policy, and every TEE has the status \"none\".\n"
				   "trust_claims := {\n"
				   "\t\"executables\": executables,\n"
				   "\t\"hardware\": hardware,\n"
				   "\t\"configuration\": configuration,\n"
				   "\t\"file-system\": 0,\n"
				   "\t\"instance-identity\": 0,\n"
				   "\t\"runtime-opaque\": 0,\n"
				   "\t\"storage-opaque\": 0,\n"
				   "\t\"sourced-data\": 0,\n"
				   "}\n"
				   "\n"
				   "# Evidence that no rule below knows is contraindicated.\n"
				   "default executables := 33\n"
				   "\n"
				   "default hardware := 97\n"
				   "\n"
				   "default configuration := 36\n";

static int compare(enum deployment_generation generation, const char *claim, const char *value, struct buf *text,
		   struct err *err)
{
	if (generation == TRUSTEE_1_0)
		return buf_printf(text, err, "\t%s in data.reference.%s\n", claim, value);
	return buf_printf(text, err, "\t%s in query_reference_value(\"%s\")\n", claim, value);
}

static int rule_lines(const struct deployment *deployment, const struct json *values, const char *tee,
		      enum policy_vector vector, struct buf *text, struct err *err)
{
	struct policy_rule rule;
	for (size_t i = 0; policy_rule_at(tee, i, &rule); i++) {
		char claim[sizeof(rule.claim) + 4];
		if (rule.vector != vector || !json_member(values, rule.value))
			continue;
		(void)snprintf(claim, sizeof(claim), "tee.%s", rule.claim);
		if (compare(deployment->generation, claim, rule.value, text, err) < 0)
			return -1;
	}
	/* A vTPM's init-data is its PCR 8, of which there is a rule among the others. */
	if (vector != POLICY_CONFIGURATION || policy_register(tee) == INITDATA_PCR8)
		return 0;
	return compare(deployment->generation, "input.init_data", POLICY_INIT_DATA, text, err);
}

/* This is a bound and not a list, which no reference value is. Claims of Azure's verifier are texts. */
static int tcb_lines(const struct deployment *deployment, const char *tee, struct buf *text, struct err *err)
{
	static const char *const names[TCB_PARTS] = { "bootloader", "tee", "snp", "microcode" };
	bool texts = strcmp(tee, "az-snp-vtpm") == 0;
	if (!texts && strcmp(tee, "snp") != 0)
		return 0;
	for (size_t i = 0; i < TCB_PARTS; i++)
		if (deployment->minimum_tcb[i] >= 0 &&
		    buf_printf(text, err, "\t%stee.reported_tcb_%s%s >= %lld\n", texts ? "to_number(" : "", names[i],
			       texts ? ")" : "", (long long)deployment->minimum_tcb[i]) < 0)
			return -1;
	return 0;
}

static int vector_of_tee(const struct deployment *deployment, const struct json *values, const char *tee,
			 enum policy_vector vector, struct buf *text, struct err *err)
{
	const char *condition;
	if (buf_printf(text, err, "\n%s := %d if {\n\ttee := input[\"%s\"]\n\tis_object(tee)\n",
		       policy_vector_name(vector), vector == POLICY_EXECUTABLES ? 3 : 2,
		       policy_tee_name(deployment->generation, tee)) < 0)
		return -1;
	for (size_t i = 0; (condition = policy_condition_at(tee, vector, i)) != NULL; i++)
		if (buf_printf(text, err, "\ttee.%s\n", condition) < 0)
			return -1;
	if ((vector == POLICY_HARDWARE && tcb_lines(deployment, tee, text, err) < 0) ||
	    rule_lines(deployment, values, tee, vector, text, err) < 0)
		return -1;
	return buf_append_text(text, "}\n", err);
}

int policy_attestation(const struct deployment *deployment, const struct policy_material *material, struct buf *text,
		       struct err *err)
{
	if (head(deployment, "Attestation policy", text, err) < 0 || buf_append_text(text, trust_claims, err) < 0)
		return -1;
	for (size_t i = 0; i < deployment->tees.count; i++)
		for (int vector = 0; vector < POLICY_VECTORS; vector++)
			if (vector_of_tee(deployment, material->values, deployment->tees.items[i],
					  (enum policy_vector)vector, text, err) < 0)
				return -1;
	return 0;
}

/* --- the reference values --- */

static int add_dated(const struct json *values, struct json *list, struct err *err)
{
	for (const struct json *value = json_first(values); value; value = json_next(value)) {
		struct json *item, *texts;
		if (json_add_object(list, NULL, &item, err) < 0 ||
		    json_add_string(item, "name", json_name(value), err) < 0 ||
		    json_add_string(item, "expiration", EXPIRATION, err) < 0 ||
		    json_add_array(item, "value", &texts, err) < 0)
			return -1;
		for (const struct json *text = json_first(value); text; text = json_next(text))
			if (json_add_string(texts, NULL, json_text(text), err) < 0)
				return -1;
	}
	return 0;
}

int policy_reference_values(const struct deployment *deployment, const struct policy_material *material,
			    struct buf *text, struct err *err)
{
	struct json *list OWNED_JSON = NULL;
	const struct json *doc = material->values;
	if (deployment->generation == TRUSTEE_1_0) {
		if (json_new_array(&list, err) < 0 || add_dated(material->values, list, err) < 0)
			return -1;
		doc = list;
	}
	if (json_print(doc, text, err) < 0)
		return -1;
	return buf_append_byte(text, '\n', err);
}
