/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at certificates that are there already. Steps are cut off and files put back by hand: must never let a key
 * and a certificate pass that are not of each other, for VMs would be given them.
 */
#include <stdio.h>

#include "base/log.h"
#include "ctl/material_parts.h"

#define PEM_MAX 65536
#define DAY 86400

struct material_name material_name(const char *dir, const char *stem, const char *ending)
{
	struct material_name name;
	(void)snprintf(name.text, sizeof(name.text), "%s/%s.%s", dir, stem, ending);
	return name;
}

static int is_cut_off(const char *step, const char *of, struct err *err)
{
	return err_set(err, ERR_CONFIG, "'sealpodctl rotate %s%s' was cut off; finish it: run the same once more", step,
		       of);
}

int material_check_no_step_is_cut_off(const struct deployment *deployment, const struct out *out, struct err *err)
{
	if (out_has(out, MATERIAL_SWITCHING))
		return is_cut_off("root --switch", "", err);
	for (size_t i = 0; i < deployment->class_count; i++) {
		const char *name = deployment->classes[i].name;
		if (out_has(out, material_name(MATERIAL_NEXT, name, "pem").text) &&
		    !out_has(out, material_name(MATERIAL_NEXT, name, "key").text))
			return is_cut_off("issuer ", name, err);
	}
	if (out_has(out, MATERIAL_NEXT_ADMIN_PUBLIC) && !out_has(out, MATERIAL_NEXT_ADMIN_KEY))
		return is_cut_off("admin-key --switch", "", err);
	return 0;
}

/* The half that is missing. Whether somebody uses the other one, nobody here can tell. */
static int look_for_pair(const struct deployment_class *class, const struct out *out, struct material_name key,
			 struct material_name pem, struct err *err)
{
	if (!out_has(out, pem.text))
		return err_set(
			err, ERR_CONFIG,
			"'%s/%s' is there without '%s': if the build that made it was cut off, nobody has it yet; "
			"remove it then and build again; otherwise put the certificate back",
			out->path, key.text, pem.text);
	if (class && !out_has(out, key.text))
		return err_set(err, ERR_CONFIG,
			       "'%s/%s' is there without '%s': put the key back; if it is lost, 'sealpodctl rotate "
			       "issuer %s' makes another pair",
			       out->path, pem.text, key.text, class->name);
	return 0;
}

/* An agent that lives by what is moved away loses its identity; a rotation keeps it. */
static int add_remedy(const struct deployment_class *class, const struct out *out, struct material_name pem,
		      struct err *err)
{
	if (class)
		return err_wrap(err,
				"'%s/%s' (put the right one back, or have another made, with an overlap: 'sealpodctl "
				"rotate issuer %s')",
				out->path, pem.text, class->name);
	return err_wrap(err, "'%s/%s' (put the right one back, or move away all that hangs below it)", out->path,
			pem.text);
}

int material_look_at_certificate(const struct deployment_class *class, const struct out *out, const char *dir,
				 const char *ca_dir, const struct spire_issue *issue, struct err *err)
{
	const char *stem = class ? class->name : MATERIAL_ROOT;
	struct material_name key_name = material_name(dir, stem, "key"), pem_name = material_name(dir, stem, "pem");
	struct secret key OWNED_SECRET = SECRET_INIT;
	OWNED_BUF struct buf chain = BUF_INIT(PEM_MAX);
	OWNED_BUF struct buf root = BUF_INIT(PEM_MAX);
	bool has_key = out_has(out, key_name.text);
	time_t until;
	if (look_for_pair(class, out, key_name, pem_name, err) < 0 || out_read(out, pem_name.text, &chain, err) < 0 ||
	    (has_key && out_read_private(out, key_name.text, &key, err) < 0) ||
	    (ca_dir && out_read(out, material_name(ca_dir, MATERIAL_ROOT, "pem").text, &root, err) < 0))
		return -1;
	const struct spire_issued issued = { .key = has_key ? &key : NULL,
					     .chain = buf_bytes(&chain),
					     .root = buf_bytes(&root) };
	if (spire_issue_check(issue, &issued, &until, err) < 0)
		return add_remedy(class, out, pem_name, err);
	if (until - issue->now < MATERIAL_ENDS_SOON_DAYS * DAY)
		log_warning("'%s/%s' ends in %lld days: see 'sealpodctl rotate'", out->path, pem_name.text,
			    (long long)(until - issue->now) / DAY);
	return 0;
}
