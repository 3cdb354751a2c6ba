/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans what a KBS is to have.
 *
 * What the KBS answers comes by TLS from the pinned one. Secrets are read into guarded memory, one at a
 * time, and go into a digest only. Must never show one.
 */
#include "ctl/kbs_plan_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdh-client/kbs.h"
#include "ctl/resources.h"

static const char *const kind_names[] = { "resource-policy", "attestation-policy", "reference-value", "resource" };
static const char *const kind_words[] = { "resource policy", "attestation policy", "reference value", "resource" };
static const char *const what_names[] = { "same", "new", "changed", "left" };
static const char marks[] = { '=', '+', '~', '-' };

const char *kbs_plan_kind_name(enum kbs_plan_kind kind)
{
	return kind_names[kind];
}

const char *kbs_plan_kind_words(enum kbs_plan_kind kind)
{
	return kind_words[kind];
}

void kbs_plan_done(struct kbs_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		json_free(plan->items[i].found);
	free(plan->items);
	plan->items = NULL;
	plan->count = 0;
	buf_done(&plan->resource_policy);
	buf_done(&plan->attestation_policy);
}

/* --- making a plan --- */

struct planner {
	const struct deployment *deployment;
	const struct policy_material *material;
	const struct out *out;
	const struct record *record;
	struct kbs_admin *admin;
	struct kbs_plan *plan;
};

static int add_item(struct planner *planner, enum kbs_plan_kind kind, const char *name, struct kbs_plan_item **ret_item,
		    struct err *err)
{
	struct kbs_plan *plan = planner->plan;
	struct kbs_plan_item *items = reallocarray(plan->items, plan->count + 1, sizeof(*items));
	const struct record_item *recorded = record_find(planner->record, kind_names[kind], name);
	if (!items)
		return err_set(err, ERR_SYSTEM, "out of memory");
	plan->items = items;
	*ret_item = &items[plan->count++];
	**ret_item = (struct kbs_plan_item){ .kind = kind, .found = NULL };
	(void)snprintf((*ret_item)->name, sizeof((*ret_item)->name), "%s", name);
	if (recorded)
		(void)snprintf((*ret_item)->applied, sizeof((*ret_item)->applied), "%s", recorded->applied);
	return 0;
}

static int compare_with_record(struct planner *planner, struct kbs_plan_item *item, struct bytes content,
			       struct err *err)
{
	const char *kind = kind_names[item->kind];
	const struct record_item *recorded = record_find(planner->record, kind, item->name);
	if (record_digest_of(planner->record, kind, item->name, content, &item->digest, err) < 0)
		return -1;
	item->what = !recorded						   ? KBS_PLAN_NEW
		     : strcmp(recorded->digest.hex, item->digest.hex) == 0 ? KBS_PLAN_SAME
									   : KBS_PLAN_CHANGED;
	return 0;
}

static int plan_policy(struct planner *planner, enum kbs_plan_kind kind, const char *name, const struct buf *text,
		       struct err *err)
{
	struct kbs_plan_item *item;
	if (add_item(planner, kind, name, &item, err) < 0)
		return -1;
	return compare_with_record(planner, item, buf_bytes(text), err);
}

static int plan_policies(struct planner *planner, struct err *err)
{
	struct kbs_plan *plan = planner->plan;
	if (policy_resource(planner->deployment, planner->material, &plan->resource_policy, err) < 0 ||
	    policy_attestation(planner->deployment, planner->material, &plan->attestation_policy, err) < 0)
		return -1;
	if (plan_policy(planner, KBS_PLAN_RESOURCE_POLICY, "resource-policy", &plan->resource_policy, err) < 0)
		return -1;
	return plan_policy(planner, KBS_PLAN_ATTESTATION_POLICY, KBS_ADMIN_CPU_POLICY, &plan->attestation_policy, err);
}

static int print_value(const struct json *value, struct buf *text, struct err *err)
{
	return json_print_canonical(value, text, err);
}

static int is_the_same(const struct json *a, const struct json *b, bool *ret_same, struct err *err)
{
	struct buf left OWNED_BUF = BUF_INIT(POLICY_MAX), right OWNED_BUF = BUF_INIT(POLICY_MAX);
	if (print_value(a, &left, err) < 0 || print_value(b, &right, err) < 0)
		return -1;
	*ret_same = bytes_equal(buf_bytes(&left), buf_bytes(&right));
	return 0;
}

static int plan_value(struct planner *planner, const struct json *wanted, struct err *err)
{
	struct kbs_plan_item *item;
	struct buf text OWNED_BUF = BUF_INIT(POLICY_MAX);
	bool same = false;
	if (add_item(planner, KBS_PLAN_REFERENCE_VALUE, json_name(wanted), &item, err) < 0)
		return -1;
	item->wanted = wanted;
	if (print_value(wanted, &text, err) < 0 ||
	    record_digest_of(planner->record, kind_names[item->kind], item->name, buf_bytes(&text), &item->digest,
			     err) < 0 ||
	    kbs_admin_get_reference_value(planner->admin, item->name, &item->found, err) < 0)
		return -1;
	if (!item->found) {
		item->what = KBS_PLAN_NEW;
		planner->plan->forgotten = planner->plan->forgotten || *item->applied;
		return 0;
	}
	if (is_the_same(wanted, item->found, &same, err) < 0)
		return -1;
	item->what = same ? KBS_PLAN_SAME : KBS_PLAN_CHANGED;
	return 0;
}

static int plan_values(struct planner *planner, struct err *err)
{
	const struct json *values = planner->material->values;
	for (const struct json *value = json_first(values); value; value = json_next(value))
		if (plan_value(planner, value, err) < 0)
			return -1;
	return 0;
}

int kbs_plan_read_content(const struct out *out, const struct kbs_plan_item *item, struct secret *ret_content,
			  struct err *err)
{
	if (out_read_private(out, item->file, ret_content, err) < 0)
		return err_wrap(err, "resource '%s'", item->name);
	return 0;
}

int kbs_plan_check_applied(const struct out *out, const struct record *record, const struct resource *resource,
			   struct err *err)
{
	char name[KBS_URI_MAX + 32];
	struct secret content OWNED_SECRET = SECRET_INIT;
	struct record_digest digest;
	const char *kind = kind_names[KBS_PLAN_RESOURCE];
	const struct record_item *recorded = record_find(record, kind, resource->path);
	(void)snprintf(name, sizeof(name), "kbs/resources/%s", resource->path);
	if (out_read_private(out, name, &content, err) < 0 ||
	    record_digest_of(record, kind, resource->path, secret_bytes(&content), &digest, err) < 0)
		return -1;
	if (recorded && strcmp(recorded->digest.hex, digest.hex) == 0)
		return 0;
	return err_set(err, ERR_CONFIG, "the KBS was not given '%s' as it is now: 'sealpodctl apply' comes first",
		       resource->path);
}

static int plan_resources(struct planner *planner, struct err *err)
{
	struct resource resource;
	for (size_t i = 0; resource_at(planner->deployment, i, &resource); i++) {
		struct secret content OWNED_SECRET = SECRET_INIT;
		struct kbs_plan_item *item;
		if (add_item(planner, KBS_PLAN_RESOURCE, resource.path, &item, err) < 0)
			return -1;
		(void)snprintf(item->file, sizeof(item->file), "kbs/resources/%s", resource.path);
		if (kbs_plan_read_content(planner->out, item, &content, err) < 0 ||
		    compare_with_record(planner, item, secret_bytes(&content), err) < 0)
			return -1;
	}
	return 0;
}

static bool is_planned(const struct kbs_plan *plan, const char *kind, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(kind_names[plan->items[i].kind], kind) == 0 && strcmp(plan->items[i].name, name) == 0)
			return true;
	return false;
}

/* What was applied from here once and is not wanted any more. Policies are replaced, never left. */
static int plan_left(struct planner *planner, struct err *err)
{
	for (size_t i = 0; i < planner->record->count; i++) {
		const struct record_item *recorded = &planner->record->items[i];
		struct kbs_plan_item *item;
		bool value = strcmp(recorded->kind, kind_names[KBS_PLAN_REFERENCE_VALUE]) == 0;
		if ((!value && strcmp(recorded->kind, kind_names[KBS_PLAN_RESOURCE]) != 0) ||
		    is_planned(planner->plan, recorded->kind, recorded->name))
			continue;
		if (add_item(planner, value ? KBS_PLAN_REFERENCE_VALUE : KBS_PLAN_RESOURCE, recorded->name, &item,
			     err) < 0)
			return -1;
		item->what = KBS_PLAN_LEFT;
	}
	return 0;
}

/* A KBS that lost its reference values (its storage is in memory by default) has lost the rest too. */
static void forget(struct kbs_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->forgotten && plan->items[i].what == KBS_PLAN_SAME &&
		    plan->items[i].kind != KBS_PLAN_REFERENCE_VALUE)
			plan->items[i].what = KBS_PLAN_CHANGED;
}

static int plan_all(struct planner *planner, struct err *err)
{
	struct kbs_plan *plan = planner->plan;
	if (plan_policies(planner, err) < 0 || plan_values(planner, err) < 0 || plan_resources(planner, err) < 0 ||
	    plan_left(planner, err) < 0)
		return -1;
	forget(plan);
	for (size_t i = 0; i < plan->count; i++)
		plan->counts[plan->items[i].what]++;
	return 0;
}

int kbs_plan_make(const struct deployment *deployment, const struct policy_material *material, const struct out *out,
		  const struct record *record, struct kbs_admin *admin, struct kbs_plan *ret_plan, struct err *err)
{
	struct planner planner = { deployment, material, out, record, admin, ret_plan };
	return plan_all(&planner, err);
}

bool kbs_plan_differs(const struct kbs_plan *plan, bool prune)
{
	return plan->counts[KBS_PLAN_NEW] + plan->counts[KBS_PLAN_CHANGED] > 0 ||
	       (prune && plan->counts[KBS_PLAN_LEFT] > 0);
}

/* --- showing it --- */

static void note_of(const struct kbs_plan *plan, const struct kbs_plan_item *item, char *text, size_t size)
{
	if (item->what == KBS_PLAN_LEFT)
		(void)snprintf(text, size, "applied %s, not wanted any more; --prune %s", item->applied,
			       item->kind == KBS_PLAN_RESOURCE ? "deletes it" : "empties it");
	else if (item->kind == KBS_PLAN_REFERENCE_VALUE)
		(void)snprintf(text, size, "%s", item->found ? "differs" : "missing");
	else if (!*item->applied)
		(void)snprintf(text, size, "not readable; never applied from here");
	else
		(void)snprintf(text, size, "not readable; last applied %s%s", item->applied,
			       item->what == KBS_PLAN_SAME ? ", the same"
			       : plan->forgotten	   ? ", and lost since"
							   : ", differs");
}

static void show_item(const struct kbs_plan *plan, const struct kbs_plan_item *item, struct sheet *sheet)
{
	char label[RECORD_NAME_MAX + 64], note[128];
	(void)snprintf(label, sizeof(label), "%c %s %s", marks[item->what], kind_words[item->kind], item->name);
	note_of(plan, item, note, sizeof(note));
	bool differs = item->kind == KBS_PLAN_REFERENCE_VALUE &&
		       (item->what == KBS_PLAN_NEW || item->what == KBS_PLAN_CHANGED);
	sheet_begin(sheet, NULL, NULL);
	sheet_text(sheet, "kind", NULL, "%s", kind_names[item->kind]);
	sheet_text(sheet, "name", NULL, "%s", item->name);
	sheet_text(sheet, "state", NULL, "%s", what_names[item->what]);
	if (*item->applied)
		sheet_text(sheet, "applied", NULL, "%s", item->applied);
	sheet_text(sheet, NULL, label, "%s", note);
	sheet_json(sheet, "found", "    -", differs ? item->found : NULL);
	sheet_json(sheet, "wanted", "    +", differs ? item->wanted : NULL);
	sheet_end(sheet);
}

void kbs_plan_show(const struct kbs_plan *plan, const char *url, struct sheet *sheet)
{
	sheet_begin(sheet, "kbs", "KBS");
	sheet_text(sheet, "url", "at", "%s", url);
	if (plan->forgotten)
		sheet_text(sheet, NULL, "lost",
			   "values that were applied: is its storage in memory? All is applied again");
	sheet_bool(sheet, "lost", NULL, plan->forgotten);
	sheet_begin_list(sheet, "items", NULL);
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].what != KBS_PLAN_SAME || sheet->for_machines)
			show_item(plan, &plan->items[i], sheet);
	sheet_end(sheet);
	for (int what = 0; what < KBS_PLAN_WHATS; what++)
		sheet_number(sheet, what_names[what], what_names[what], plan->counts[what]);
	sheet_end(sheet);
}
