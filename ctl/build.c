/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl build`: everything that a deployment needs, into one directory. Steps in a row, each
 * of which reads what those before it wrote; nothing leaves the machine. Building again with the
 * same file and the same keys writes nothing.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "ctl/build.h"
#include "ctl/built.h"
#include "ctl/entries.h"
#include "ctl/guest.h"
#include "ctl/input.h"
#include "ctl/layout.h"
#include "ctl/lint.h"
#include "ctl/material.h"
#include "ctl/new.h"
#include "ctl/pod.h"
#include "ctl/policy.h"
#include "ctl/resources.h"
#include "ctl/spire_config.h"
#include "ctl/progress.h"
#include "ctl/verbs.h"
#include "ctl/workspace.h"
#include "initdata/binding.h"
#include "initdata/compose.h"
#include "spire/authorities.h"
#include "spire/bundle.h"

#define PEM_MAX (256u * 1024u)
#define NAME_SIZE 256

struct build {
	const struct deployment *deployment;
	struct out *out;
};

/* --- init-data --- */

static int read_named(const struct deployment *d, const char *name, struct buf *content, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT(8192);
	if (!name)
		return 0;
	if (deployment_path(d, name, &path, err) < 0)
		return -1;
	return input_read(buf_text(&path), content, err);
}

/* The blocks of certificates alone, with plain line ends: the texts go to every VM, and to the host, so nothing else
 * may come along, be it a comment or what is left of a key. */
static int keep_certificates(struct buf *content, struct err *err)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
	OWNED_BUF struct buf kept = BUF_INIT(PEM_MAX);
	bool inside = false;
	for (char *rest = content->len > 0 ? (char *)(uintptr_t)buf_text(content) : NULL, *line;
	     (line = strsep(&rest, "\n")) != NULL;) {
		line[strcspn(line, "\r")] = 0;
		inside = inside || strcmp(line, begin) == 0;
		if (inside && buf_printf(&kept, err, "%s\n", line) < 0)
			return -1;
		inside = inside && strcmp(line, end) != 0;
	}
	buf_done(content);
	buf_move(content, &kept);
	return 0;
}

static int read_ca(const struct deployment *d, struct buf *content, struct err *err)
{
	if (!d->kbs_ca_file)
		return 0;
	if (read_named(d, d->kbs_ca_file, content, err) < 0 || keep_certificates(content, err) < 0)
		return -1;
	return content->len > 0 ? 0
				: err_set(err, ERR_CONFIG, "the KBS's CA '%s' holds no certificate", d->kbs_ca_file);
}

static int read_bundle(const struct deployment *d, struct buf *content, struct err *err)
{
	OWNED_SPIRE_BUNDLE struct spire_bundle bundle = SPIRE_BUNDLE_INIT;
	if (read_named(d, d->trust_bundle_file, content, err) < 0)
		return -1;
	if (spire_bundle_check(buf_bytes(content), time(NULL), &bundle, err) < 0)
		return err_wrap(err, "trust bundle '%s'", d->trust_bundle_file);
	return keep_certificates(content, err);
}

/* What the guest's texts are made of. */
struct texts {
	struct buf ca, bundle, sealed;
};
#define TEXTS_INIT                                                                                                     \
	{                                                                                                              \
		BUF_INIT(PEM_MAX), BUF_INIT(PEM_MAX), BUF_INIT(PEM_MAX)                                                \
	}

static void texts_done(struct texts *texts)
{
	buf_done(&texts->ca);
	buf_done(&texts->bundle);
	buf_done(&texts->sealed);
}

static int read_texts(const struct build *build, struct texts *texts, struct guest_material *ret_material,
		      struct err *err)
{
	const struct deployment *d = build->deployment;
	if (read_ca(d, &texts->ca, err) < 0 || read_bundle(d, &texts->bundle, err) < 0 ||
	    out_read(build->out, "sealed-secret.jwk", &texts->sealed, err) < 0)
		return -1;
	*ret_material = (struct guest_material){ .kbs_ca = buf_bytes(&texts->ca),
						 .trust_bundle = buf_bytes(&texts->bundle),
						 .sealed_key = buf_bytes(&texts->sealed) };
	return 0;
}

/* The digest and what each kind of TEE must hold, for people who check by hand. */
static int write_digests(const struct build *build, const char *class_name, const struct initdata *doc, struct err *err)
{
	static const struct {
		enum initdata_register where;
		const char *key;
	} registers[] = { { INITDATA_HOST_DATA, "host_data" },
			  { INITDATA_MRCONFIGID, "mrconfigid" },
			  { INITDATA_PCR8, "pcr8" } };
	char name[NAME_SIZE];
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(65536);
	sheet_start(&sheet, true);
	sheet_hex(&sheet, "digest", NULL, digest_bytes(initdata_digest(doc)));
	for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
		struct initdata_binding binding;
		if (initdata_expect(initdata_digest(doc), registers[i].where, &binding, err) < 0)
			return -1;
		sheet_hex(&sheet, registers[i].key, NULL, bytes_of(binding.bytes, binding.len));
	}
	(void)snprintf(name, sizeof(name), "initdata/%s.digests.json", class_name);
	if (sheet_write(&sheet, &text, err) < 0)
		return -1;
	return out_write(build->out, name, buf_bytes(&text), err);
}

static int write_annotation(const struct build *build, const char *class_name, struct bytes toml, struct err *err)
{
	char name[NAME_SIZE];
	OWNED_BUF struct buf text = BUF_INIT(INITDATA_ENVELOPE_MAX);
	(void)snprintf(name, sizeof(name), "initdata/%s.annotation", class_name);
	if (initdata_wrap(INITDATA_ANNOTATION, toml, &text, err) < 0)
		return -1;
	return out_write(build->out, name, buf_bytes(&text), err);
}

static void tell_of_finding(void *arg, bool is_error, const char *where, const char *text)
{
	const struct deployment_class *class = arg;
	log_line(is_error ? LOG_ERROR : LOG_WARNING, "init-data of class '%s': %s: %s", class->name, where, text);
}

/* Ours must have no error; what is a warning was decided by the operator, who hears of it. */
static int lint_ours(const struct build *build, const struct deployment_class *class, const struct initdata *doc,
		     struct err *err)
{
	const struct deployment *d = build->deployment;
	struct deployment_class copy = *class;
	struct lint lint = { .tell = tell_of_finding, .arg = &copy };
	const struct lint_target target = { .tees = d->tees.items,
					    .tee_count = d->tees.count,
					    .processors = d->processors.items,
					    .processor_count = d->processors.count,
					    .spire_version = d->spire_version };
	if (build->out->look_only)
		return 0; /* it was said when it was made */
	lint_initdata(&lint, doc, &target);
	return lint.errors == 0 ? 0 : err_set(err, ERR_CONFIG, "init-data of class '%s' is not safe", class->name);
}

static void tell_of_bundle(void *arg, const char *text)
{
	const struct deployment *d = arg;
	log_warning("trust bundle '%s': %s: get the server's next one before that, build and apply",
		    d->trust_bundle_file, text);
}

/* Of one that stands in init-data, lint tells. */
static void look_at_bundle(const struct build *build, struct bytes bundle)
{
	struct deployment copy = *build->deployment;
	if (!build->out->look_only && !copy.trust_bundle_measured)
		(void)spire_authorities_look(bundle, false, time(NULL), tell_of_bundle, &copy);
}

static bool is_released(const struct deployment *d, const char *class_name, struct bytes path)
{
	struct resource resource;
	for (size_t i = 0; resource_at(d, i, &resource); i++)
		if (bytes_equal_text(path, resource.path) && resource_is_for(&resource, class_name))
			return true;
	return false;
}

/* Every "kbs:///…" of a text that a class's VMs fetch by. */
static int check_released(const struct deployment *d, const char *class_name, struct bytes text, struct err *err)
{
	static const char scheme[] = "kbs:///";
	const uint8_t *at = text.data, *end = text.data + text.len;
	while ((at = memmem(at, (size_t)(end - at), scheme, sizeof(scheme) - 1)) != NULL) {
		at += sizeof(scheme) - 1;
		size_t len = 0;
		while (at + len < end && at[len] != '"' && at[len] != '\'' && at[len] != '\\' && at[len] > ' ')
			len++;
		if (!is_released(d, class_name, bytes_of(at, len)))
			return err_set(err, ERR_CONFIG,
				       "VMs of class '%s' that run with the init-data of before fetch 'kbs:///%.*s', "
				       "which this deployment has no more: put off what takes it away until "
				       "'sealpodctl rotate init-data %s --finish'",
				       class_name, (int)len, (const char *)at, class_name);
		at += len;
	}
	return 0;
}

/* While init-data is rotated, what VMs with that of before ask for must go on being released to them. */
static int check_overlap(const struct build *build, const char *class_name, struct err *err)
{
	char name[NAME_SIZE];
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	OWNED_INITDATA struct initdata *doc = NULL;
	struct initdata_entry entry;
	(void)snprintf(name, sizeof(name), POLICY_INIT_DATA_PREVIOUS "/%s.toml", class_name);
	if (!out_has(build->out, name))
		return 0;
	if (out_read(build->out, name, &toml, err) < 0 || initdata_parse(buf_bytes(&toml), &doc, err) < 0)
		return err_wrap(err, "'%s'", name);
	if (!initdata_find_entry(doc, "sealpod.toml", &entry))
		return 0;
	return check_released(build->deployment, class_name, entry.text, err);
}

/* Who changes it while VMs run is told what that means, unless an overlap is under way. */
static int tell_of_change(const struct build *build, const char *class_name, struct bytes toml, struct err *err)
{
	char name[NAME_SIZE], previous[NAME_SIZE];
	OWNED_BUF struct buf old = BUF_INIT(INITDATA_MAX);
	(void)snprintf(name, sizeof(name), POLICY_INIT_DATA_NOW "/%s.toml", class_name);
	(void)snprintf(previous, sizeof(previous), POLICY_INIT_DATA_PREVIOUS "/%s.toml", class_name);
	if (build->out->look_only || !out_has(build->out, name) || out_has(build->out, previous))
		return 0;
	if (out_read(build->out, name, &old, err) < 0)
		return -1;
	if (!bytes_equal(buf_bytes(&old), toml))
		log_warning("the init-data of class '%s' changes: after the next apply VMs that run with the one of "
			    "before get nothing any more. To keep them, undo the change, build, 'sealpodctl rotate "
			    "init-data %s', and change it again",
			    class_name, class_name);
	return 0;
}

static int build_class(const struct build *build, const struct deployment_class *class,
		       const struct guest_material *common, struct err *err)
{
	char name[NAME_SIZE];
	OWNED_BUF struct buf policy = BUF_INIT(INITDATA_MAX);
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	struct guest_material material = *common;
	OWNED_INITDATA struct initdata *doc = NULL;
	(void)snprintf(name, sizeof(name), "initdata/%s.toml", class->name);
	if (read_named(build->deployment, class->agent_policy_file, &policy, err) < 0)
		return -1;
	material.policy = buf_bytes(&policy);
	if (guest_initdata(build->deployment, class, &material, &toml, err) < 0 ||
	    initdata_parse(buf_bytes(&toml), &doc, err) < 0 || lint_ours(build, class, doc, err) < 0 ||
	    check_overlap(build, class->name, err) < 0 ||
	    tell_of_change(build, class->name, buf_bytes(&toml), err) < 0 ||
	    out_write(build->out, name, buf_bytes(&toml), err) < 0 ||
	    write_annotation(build, class->name, buf_bytes(&toml), err) < 0)
		return -1;
	return write_digests(build, class->name, doc, err);
}

static int build_initdata(const struct build *build, struct err *err)
{
	const struct deployment *d = build->deployment;
	struct texts texts CLEANUP(texts_done) = TEXTS_INIT;
	struct guest_material material;
	if (read_texts(build, &texts, &material, err) < 0)
		return -1;
	look_at_bundle(build, material.trust_bundle);
	for (size_t i = 0; i < d->class_count; i++) {
		progress_say("init-data: %zu of %zu", i + 1, d->class_count);
		if (build_class(build, &d->classes[i], &material, err) < 0)
			return -1;
	}
	return 0;
}

/* --- keys, KBS --- */

static int build_keys(const struct build *build, struct err *err)
{
	return material_make(build->deployment, build->out, time(NULL), err);
}

static int build_resources(const struct build *build, struct err *err)
{
	struct texts texts CLEANUP(texts_done) = TEXTS_INIT;
	struct guest_material material;
	if (read_texts(build, &texts, &material, err) < 0)
		return -1;
	return material_write_resources(build->deployment, &material, build->out, err);
}

static int build_policies(const struct build *build, struct err *err)
{
	static const struct {
		const char *name;
		int (*make)(const struct deployment *deployment, const struct policy_material *material,
			    struct buf *text, struct err *err);
	} texts[] = {
		{ "kbs/resource-policy.rego", policy_resource },
		{ "kbs/attestation-policy.rego", policy_attestation },
		{ "kbs/reference-values.json", policy_reference_values },
	};
	struct policy_material material OWNED_POLICY_MATERIAL = POLICY_MATERIAL_INIT;
	if (policy_material_read(build->deployment, build->out->path, &material, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct buf text OWNED_BUF = BUF_INIT(POLICY_MAX);
		if (texts[i].make(build->deployment, &material, &text, err) < 0 ||
		    out_write(build->out, texts[i].name, buf_bytes(&text), err) < 0)
			return -1;
	}
	return 0;
}

/* --- SPIRE --- */

static int build_spire(const struct build *build, struct err *err)
{
	return spire_config_write(build->out, err);
}

static int build_entries(const struct build *build, struct err *err)
{
	struct spire_entries entries OWNED_ENTRIES = { 0 };
	struct buf data OWNED_BUF = BUF_INIT(ENTRIES_TEXT_MAX);
	struct buf manifests OWNED_BUF = BUF_INIT(ENTRIES_TEXT_MAX);
	if (entries_generate(build->deployment, build->out->path, &entries, err) < 0 ||
	    entries_data(&entries, &data, err) < 0 ||
	    entries_manifests(build->deployment, &entries, &manifests, err) < 0 ||
	    out_write(build->out, "spire/entries.json", buf_bytes(&data), err) < 0)
		return -1;
	return out_write(build->out, "spire/clusterstaticentries.yaml", buf_bytes(&manifests), err);
}

/* --- pods --- */

static int build_pod(const struct build *build, const struct deployment_class *class, struct err *err)
{
	char name[NAME_SIZE];
	OWNED_BUF struct buf annotation = BUF_INIT(INITDATA_ENVELOPE_MAX);
	OWNED_BUF struct buf text = BUF_INIT(2 * INITDATA_ENVELOPE_MAX);
	(void)snprintf(name, sizeof(name), "initdata/%s.annotation", class->name);
	if (out_read(build->out, name, &annotation, err) < 0 ||
	    pod_manifest(build->deployment, class, buf_bytes(&annotation), &text, err) < 0)
		return -1;
	(void)snprintf(name, sizeof(name), "pods/%s.yaml", class->name);
	return out_write(build->out, name, buf_bytes(&text), err);
}

static int build_pods(const struct build *build, struct err *err)
{
	for (size_t i = 0; i < build->deployment->class_count; i++)
		if (build_pod(build, &build->deployment->classes[i], err) < 0)
			return -1;
	return 0;
}

/* --- the verb --- */

static const struct step {
	const char *what;
	int (*run)(const struct build *build, struct err *err);
} steps[] = {
	{ "keys and certificates", build_keys }, { "documents of the guests", build_initdata },
	{ "KBS resources", build_resources },	 { "KBS policies and reference values", build_policies },
	{ "SPIRE server", build_spire },	 { "registration entries", build_entries },
	{ "pod manifests", build_pods },
};

static int tell(const struct cli_args *args, const struct out *out, struct err *err)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	if (!cli_given(args, "--json")) {
		(void)printf("%s: %u file%s written, %u unchanged\n", out->path, out->written,
			     out->written == 1 ? "" : "s", out->unchanged);
		return 0;
	}
	sheet_start(&sheet, true);
	sheet_text(&sheet, "directory", NULL, "%s", out->path);
	sheet_number(&sheet, "written", NULL, out->written);
	sheet_number(&sheet, "unchanged", NULL, out->unchanged);
	return sheet_print(&sheet, err);
}

static int run_steps(const struct build *build, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		progress_say("%s", steps[i].what);
		if (steps[i].run(build, err) < 0)
			return err_wrap(err, "%s", steps[i].what);
	}
	return 0;
}

int build_look(const struct deployment *deployment, struct out *out, struct err *err)
{
	out->look_only = true;
	int rc = run_steps(&(struct build){ deployment, out }, err);
	out->look_only = false;
	return rc < 0 ? err_wrap(err, "run 'sealpodctl build' first") : 0;
}

/* Layouts that this run did not make are as they were. */
static int sweep(struct out *out, const char *layout, struct err *err)
{
	const char *others[LAYOUTS_MAX + 1];
	return built_sweep(out, layout_others(layout, others), err);
}

static int run_build(const struct cli_args *args, struct err *err)
{
	struct workspace workspace OWNED_WORKSPACE = WORKSPACE_INIT;
	struct out out OWNED_OUT = OUT_INIT;
	const char *layout = cli_value(args, "--layout", NULL);
	if (workspace_read(args, &workspace, err) < 0 || out_open(buf_text(&workspace.out), &out, err) < 0)
		return -1;
	out_sweep(&out);
	new_tell_of_examples(&workspace.deployment);
	if (run_steps(&(struct build){ &workspace.deployment, &out }, err) < 0)
		return -1;
	if (layout && layout_build(&workspace.deployment, layout, &out, err) < 0)
		return -1;
	if (sweep(&out, layout, err) < 0)
		return -1;
	progress_clear();
	return tell(args, &out, err);
}

static const struct cli_option options[] = {
	WORKSPACE_OPTIONS,
	{ .name = "--layout",
	  .value = "NAME",
	  .text = "also under the names of a pattern: 'layered-zero-trust' or 'coco-pattern'",
	  .values = "layered-zero-trust coco-pattern" },
	{ .name = "--json", .text = "print one JSON object" },
	{ .name = NULL },
};

const struct cli_verb verb_build = {
	.words = { "build" },
	.text = "make everything that deployment.toml needs, into one directory",
	.options = options,
	.run = run_build,
};
