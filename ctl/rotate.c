/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a rotation: what is next, what counts, what was before.
 *
 * A pair moves from next to now by two renames, key first; what was before is copied in front of that. So
 * whatever cuts a step off, the files say how far it came. Must never leave a key without its certificate for
 * good, nor forget a certificate that agents attest by.
 */
#include "ctl/rotate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/material.h"
#include "ctl/policy.h"
#include "spire/issue.h"
#include "spire/issuer.h"
#include "initdata/document.h"

#define PEM_MAX (256u * 1024u)
#define SWITCHING MATERIAL_NEXT "/switching"
#define ROOT "root"

bool rotate_is_switching(const struct out *out)
{
	return out_has(out, SWITCHING);
}

struct name {
	char text[512];
};

static struct name name_of(const char *dir, const char *stem, const char *ending)
{
	struct name name;
	(void)snprintf(name.text, sizeof(name.text), "%s/%s.%s", dir, stem, ending);
	return name;
}

static bool has(const struct out *out, const char *dir, const char *stem, const char *ending)
{
	return out_has(out, name_of(dir, stem, ending).text);
}

static int keep_previous(struct out *out, const char *stem, struct err *err)
{
	OWNED_BUF struct buf pem = BUF_INIT(PEM_MAX);
	if (has(out, MATERIAL_PREVIOUS, stem, "pem"))
		return 0;
	if (out_read(out, name_of(MATERIAL_NOW, stem, "pem").text, &pem, err) < 0)
		return -1;
	return out_write(out, name_of(MATERIAL_PREVIOUS, stem, "pem").text, buf_bytes(&pem), err);
}

static int move(struct out *out, const char *stem, const char *ending, struct err *err)
{
	return out_move(out, name_of(MATERIAL_NEXT, stem, ending).text, name_of(MATERIAL_NOW, stem, ending).text, err);
}

/* The next pair, or what is left of it to move, takes its place. */
static int take_place(struct out *out, const char *stem, struct err *err)
{
	if (keep_previous(out, stem, err) < 0)
		return -1;
	if (has(out, MATERIAL_NEXT, stem, "key") && move(out, stem, "key", err) < 0)
		return -1;
	return move(out, stem, "pem", err);
}

/* A key alone is of a certificate that was never written. */
static int make_next(const struct deployment *deployment, struct out *out, const struct deployment_class *class,
		     const char *ca_dir, time_t now, struct err *err)
{
	const char *stem = class ? class->name : ROOT;
	if (!has(out, MATERIAL_NEXT, stem, "pem") && out_remove(out, name_of(MATERIAL_NEXT, stem, "key").text, err) < 0)
		return -1;
	return material_make_certificate(deployment, out, class, MATERIAL_NEXT, ca_dir, now, err);
}

static int replace_class(const struct deployment *deployment, struct out *out, const struct deployment_class *class,
			 const char *ca_dir, time_t now, struct err *err)
{
	bool moving = has(out, MATERIAL_NEXT, class->name, "pem");
	if (!moving && make_next(deployment, out, class, ca_dir, now, err) < 0)
		return -1;
	return take_place(out, class->name, err);
}

static int check_idle(const struct out *out, const char *stem, const char *verb, struct err *err)
{
	if (!has(out, MATERIAL_PREVIOUS, stem, "pem") || has(out, MATERIAL_NEXT, stem, "pem"))
		return 0;
	return err_set(err, ERR_CONFIG,
		       "'%s' is being rotated already: finish that first ('sealpodctl rotate %s --finish')", stem,
		       verb);
}

int rotate_issuer(const struct deployment *deployment, struct out *out, const struct deployment_class *class,
		  time_t now, struct err *err)
{
	char verb[256];
	(void)snprintf(verb, sizeof(verb), "issuer %s", class->name);
	if (out_has(out, SWITCHING))
		return err_set(err, ERR_CONFIG,
			       "the root is being switched: 'sealpodctl rotate root --switch' goes on");
	if (check_idle(out, class->name, verb, err) < 0)
		return -1;
	return replace_class(deployment, out, class, MATERIAL_NOW, now, err);
}

int rotate_root(const struct deployment *deployment, struct out *out, time_t now, struct err *err)
{
	if (out_has(out, SWITCHING))
		return err_set(err, ERR_CONFIG,
			       "the root is being switched: 'sealpodctl rotate root --switch' goes on");
	if (check_idle(out, ROOT, ROOT, err) < 0)
		return -1;
	return make_next(deployment, out, NULL, NULL, now, err);
}

/* Once, before anything is changed. */
static int begin_switch(const struct deployment *deployment, struct out *out, struct err *err)
{
	char verb[256];
	if (!has(out, MATERIAL_NEXT, ROOT, "pem"))
		return err_set(err, ERR_CONFIG, "there is no new root: 'sealpodctl rotate root' makes one");
	if (!has(out, MATERIAL_NEXT, ROOT, "key"))
		return err_set(err, ERR_CONFIG, "'%s/" MATERIAL_NEXT "/root.key' is missing: put it back", out->path);
	for (size_t i = 0; i < deployment->class_count; i++) {
		(void)snprintf(verb, sizeof(verb), "issuer %s", deployment->classes[i].name);
		if (check_idle(out, deployment->classes[i].name, verb, err) < 0)
			return -1;
	}
	return out_write(out, SWITCHING, bytes_of_text("'sealpodctl rotate root --switch' was cut off; it goes on\n"),
			 err);
}

int rotate_switch_root(const struct deployment *deployment, struct out *out, time_t now, struct err *err)
{
	if (!out_has(out, SWITCHING) && begin_switch(deployment, out, err) < 0)
		return -1;
	for (size_t i = 0; i < deployment->class_count; i++) {
		const struct deployment_class *class = &deployment->classes[i];
		bool done =
			has(out, MATERIAL_PREVIOUS, class->name, "pem") && !has(out, MATERIAL_NEXT, class->name, "pem");
		if (!done && replace_class(deployment, out, class, MATERIAL_NEXT, now, err) < 0)
			return -1;
	}
	if (has(out, MATERIAL_NEXT, ROOT, "pem") && take_place(out, ROOT, err) < 0)
		return -1;
	return out_remove(out, SWITCHING, err);
}

/* --- finishing --- */

void rotate_marks_done(struct rotate_marks *marks)
{
	free(marks->list);
	*marks = (struct rotate_marks){ 0 };
}

static int mark_class(const struct deployment *deployment, const struct out *out, const char *name,
		      struct rotate_marks *marks, struct err *err)
{
	OWNED_BUF struct buf pem = BUF_INIT(PEM_MAX);
	struct spire_issuer issuer;
	struct rotate_mark *mark = &marks->list[marks->count];
	if (!has(out, MATERIAL_PREVIOUS, name, "pem"))
		return 0;
	if (out_read(out, name_of(MATERIAL_PREVIOUS, name, "pem").text, &pem, err) < 0)
		return -1;
	if (spire_issuer_read(buf_bytes(&pem), deployment->trust_domain, &issuer, err) < 0)
		return err_wrap(err, "class '%s' before", name);
	mark->what = name;
	(void)snprintf(mark->selector, sizeof(mark->selector), "%s", issuer.mark);
	marks->count++;
	return 0;
}

static int mark_root(const struct out *out, struct rotate_marks *marks, struct err *err)
{
	OWNED_BUF struct buf pem = BUF_INIT(PEM_MAX);
	char hex[41];
	struct rotate_mark *mark = &marks->list[marks->count];
	if (!has(out, MATERIAL_PREVIOUS, ROOT, "pem"))
		return err_set(
			err, ERR_CONFIG,
			has(out, MATERIAL_NEXT, ROOT, "pem")
				? "the new root does not count yet: 'sealpodctl rotate root --switch' comes first"
				: "the root is not being rotated");
	if (out_read(out, name_of(MATERIAL_PREVIOUS, ROOT, "pem").text, &pem, err) < 0 ||
	    spire_issue_fingerprint(buf_bytes(&pem), hex, err) < 0)
		return -1;
	mark->what = ROOT;
	(void)snprintf(mark->selector, sizeof(mark->selector), "x509pop:ca:fingerprint:%s", hex);
	marks->count++;
	return 0;
}

int rotate_marks(const struct deployment *deployment, const struct out *out, const struct deployment_class *class,
		 struct rotate_marks *ret_marks, struct err *err)
{
	OWNED_MARKS struct rotate_marks marks = { .list = calloc(deployment->class_count + 1, sizeof(*marks.list)) };
	if (!marks.list)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (out_has(out, SWITCHING))
		return err_set(err, ERR_CONFIG,
			       "the root is being switched: 'sealpodctl rotate root --switch' goes on");
	if (!class && mark_root(out, &marks, err) < 0)
		return -1;
	for (size_t i = 0; i < deployment->class_count; i++)
		if ((!class || class == &deployment->classes[i]) &&
		    mark_class(deployment, out, deployment->classes[i].name, &marks, err) < 0)
			return -1;
	if (marks.count == 0)
		return err_set(err, ERR_CONFIG, "the issuer of class '%s' is not being rotated", class->name);
	*ret_marks = marks;
	marks = (struct rotate_marks){ 0 };
	return 0;
}

int rotate_finish(struct out *out, const struct rotate_marks *marks, struct err *err)
{
	/* The root, which is first, goes last: as long as it is there this can be done again. */
	for (size_t i = marks->count; i-- > 0;)
		if (out_remove(out, name_of(MATERIAL_PREVIOUS, marks->list[i].what, "pem").text, err) < 0)
			return -1;
	return 0;
}

/* --- init-data --- */

int rotate_init_data(struct out *out, const struct deployment_class *class, struct err *err)
{
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	struct name previous = name_of(POLICY_INIT_DATA_PREVIOUS, class->name, "toml");
	if (out_has(out, previous.text))
		return err_set(err, ERR_CONFIG,
			       "the init-data of class '%s' is being rotated already: finish that first ('sealpodctl "
			       "rotate init-data %s --finish')",
			       class->name, class->name);
	if (out_read(out, name_of(POLICY_INIT_DATA_NOW, class->name, "toml").text, &toml, err) < 0)
		return err_wrap(err, "there is nothing to rotate yet");
	return out_write(out, previous.text, buf_bytes(&toml), err);
}

int rotate_finish_init_data(struct out *out, const char *class_name, struct err *err)
{
	struct name previous = name_of(POLICY_INIT_DATA_PREVIOUS, class_name, "toml");
	if (deployment_name_check(class_name, err) < 0 || !out_has(out, previous.text))
		return err_set(err, ERR_CONFIG, "the init-data of class '%s' is not being rotated", class_name);
	return out_remove(out, previous.text, err);
}

/* --- the administrator's key --- */

int rotate_admin_key(struct out *out, struct err *err)
{
	if (!out_has(out, MATERIAL_ADMIN_KEY))
		return err_set(err, ERR_CONFIG, "'%s/" MATERIAL_ADMIN_KEY "' is missing: run 'sealpodctl build' first",
			       out->path);
	/* A key alone is of a pair that was never told to anybody, or one that is being moved. */
	if (!out_has(out, MATERIAL_NEXT_ADMIN_PUBLIC) && out_remove(out, MATERIAL_NEXT_ADMIN_KEY, err) < 0)
		return -1;
	if (out_has(out, MATERIAL_NEXT_ADMIN_PUBLIC))
		return out_has(out, MATERIAL_NEXT_ADMIN_KEY)
			       ? 0
			       : err_set(err, ERR_CONFIG,
					 "the key is being switched: 'sealpodctl rotate admin-key --switch' goes on");
	return material_make_admin_key(out, MATERIAL_NEXT_ADMIN_KEY, MATERIAL_NEXT_ADMIN_PUBLIC, err);
}

int rotate_switch_admin_key(struct out *out, struct err *err)
{
	if (!out_has(out, MATERIAL_NEXT_ADMIN_PUBLIC))
		return err_set(err, ERR_CONFIG, "there is no new key: 'sealpodctl rotate admin-key' makes one");
	if (out_has(out, MATERIAL_NEXT_ADMIN_KEY) &&
	    out_move(out, MATERIAL_NEXT_ADMIN_KEY, MATERIAL_ADMIN_KEY, err) < 0)
		return -1;
	return out_move(out, MATERIAL_NEXT_ADMIN_PUBLIC, MATERIAL_ADMIN_PUBLIC, err);
}
