/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applies a plan to a KBS.
 *
 * Secrets are read into guarded memory, one at a time, and go into the connection only. Must never
 * delete what nobody here has applied, nor record what was not taken.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ctl/kbs_plan_parts.h"
#include "ctl/progress.h"

struct applier {
	const struct kbs_plan *plan;
	struct out *out;
	struct record *record;
	struct kbs_admin *admin;
};

static int uri_of(const struct kbs_plan_item *item, struct kbs_uri *ret_uri, struct err *err)
{
	char text[RECORD_NAME_MAX + 16];
	(void)snprintf(text, sizeof(text), "kbs:///%s", item->name);
	return kbs_uri_parse(bytes_of_text(text), ret_uri, err);
}

/* The content may have changed since the plan was made: what is sent is what is recorded. */
static int put_resource(struct applier *applier, struct kbs_plan_item *item, struct err *err)
{
	struct secret content OWNED_SECRET = SECRET_INIT;
	struct kbs_uri uri;
	if (uri_of(item, &uri, err) < 0 || kbs_plan_read_content(applier->out, item, &content, err) < 0 ||
	    record_digest_of(applier->record, kbs_plan_kind_name(item->kind), item->name, secret_bytes(&content),
			     &item->digest, err) < 0)
		return -1;
	return kbs_admin_put(applier->admin, &uri, secret_bytes(&content), err);
}

static int put_value(struct applier *applier, const char *name, const struct json *wanted, struct err *err)
{
	struct json *values OWNED_JSON = NULL;
	struct json *list;
	if (json_new_object(&values, err) < 0 || json_add_array(values, name, &list, err) < 0)
		return -1;
	for (const struct json *text = json_first(wanted); text; text = json_next(text))
		if (json_add_string(list, NULL, json_text(text), err) < 0)
			return -1;
	return kbs_admin_set_reference_values(applier->admin, values, err);
}

static int send_item(struct applier *applier, struct kbs_plan_item *item, struct err *err)
{
	switch (item->kind) {
	case KBS_PLAN_RESOURCE_POLICY:
		return kbs_admin_set_resource_policy(applier->admin, buf_bytes(&applier->plan->resource_policy), err);
	case KBS_PLAN_ATTESTATION_POLICY:
		return kbs_admin_set_attestation_policy(applier->admin, item->name,
							buf_bytes(&applier->plan->attestation_policy), err);
	case KBS_PLAN_REFERENCE_VALUE:
		return put_value(applier, item->name, item->wanted, err);
	case KBS_PLAN_RESOURCE:
		return put_resource(applier, item, err);
	}
	return err_set(err, ERR_SYSTEM, "a plan with an item of no kind");
}

static int apply_item(struct applier *applier, const struct kbs_plan_item *planned, struct err *err)
{
	struct kbs_plan_item item = *planned;
	if (send_item(applier, &item, err) < 0)
		return err_wrap(err, "%s '%s'", kbs_plan_kind_words(item.kind), item.name);
	log_info("%s '%s' applied", kbs_plan_kind_words(item.kind), item.name);
	if (record_set(applier->record, kbs_plan_kind_name(item.kind), item.name, &item.digest, time(NULL), err) < 0)
		return -1;
	return record_write(applier->record, applier->out, err);
}

/* No KBS has a call that takes a reference value back: an empty one matches nothing. A resource that is gone already
 * is no trouble: a run that was stopped may have deleted it. */
static int prune_item(struct applier *applier, const struct kbs_plan_item *item, struct err *err)
{
	struct err why = { 0 };
	struct kbs_uri uri;
	int rc = item->kind == KBS_PLAN_REFERENCE_VALUE ? put_value(applier, item->name, NULL, &why)
		 : uri_of(item, &uri, &why) < 0		? -1
							: kbs_admin_delete(applier->admin, &uri, &why);
	if (rc < 0 && why.code != ERR_MISSING) {
		*err = why;
		return err_wrap(err, "%s '%s'", kbs_plan_kind_words(item->kind), item->name);
	}
	if (rc < 0)
		log_warning("%s '%s' was not there any more", kbs_plan_kind_words(item->kind), item->name);
	else
		log_info("%s '%s' %s", kbs_plan_kind_words(item->kind), item->name,
			 item->kind == KBS_PLAN_RESOURCE ? "deleted" : "emptied");
	record_remove(applier->record, kbs_plan_kind_name(item->kind), item->name);
	return record_write(applier->record, applier->out, err);
}

/* Known to be there, though not applied by this run: another time it can be told from what is not ours. */
static int adopt(struct applier *applier, const struct kbs_plan_item *item, struct err *err)
{
	if (record_find(applier->record, kbs_plan_kind_name(item->kind), item->name))
		return 0;
	return record_set(applier->record, kbs_plan_kind_name(item->kind), item->name, &item->digest, time(NULL), err);
}

int kbs_plan_apply(const struct kbs_plan *plan, bool prune, struct out *out, struct record *record,
		   struct kbs_admin *admin, struct err *err)
{
	struct applier applier = { plan, out, record, admin };
	for (size_t i = 0; i < plan->count; i++) {
		const struct kbs_plan_item *item = &plan->items[i];
		int rc = 0;
		progress_say("KBS: %zu of %zu", i + 1, plan->count);
		if (item->what == KBS_PLAN_LEFT)
			rc = prune ? prune_item(&applier, item, err) : 0;
		else
			rc = item->what == KBS_PLAN_SAME ? adopt(&applier, item, err) : apply_item(&applier, item, err);
		if (rc < 0)
			return -1;
	}
	return record_write(record, out, err);
}
