/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding init-data in the guest.
 *
 * What lies at these places came from the host, by way of kata's agent or of
 * cloud-api-adaptor. It is read once: digest, configuration and what the KBS is sent
 * come from the same bytes. Must never fall back to a later place because an earlier
 * one is broken, nor to the host's files beside them.
 */
#include "initdata/find.h"

#include <fcntl.h>

#include "base/file.h"
#include "initdata/envelope.h"

const struct initdata_place initdata_places[] = {
	{ "/run/confidential-containers/initdata/initdata.toml", "kata's agent" },
	{ "/run/peerpod/initdata", "cloud-api-adaptor" },
	{ NULL, NULL },
};

static int parse_raw(struct bytes raw, struct initdata **ret_doc, struct err *err)
{
	struct buf toml OWNED_BUF = BUF_INIT(INITDATA_MAX);
	if (initdata_unwrap(raw, &toml, err) < 0)
		return -1;
	return initdata_parse(buf_bytes(&toml), ret_doc, err);
}

/* *ret_absent: there is no such file, the one failure that is none here. */
static int read_at(int dirfd, const char *path, struct initdata **ret_doc, bool *ret_absent, struct err *err)
{
	struct buf raw OWNED_BUF = BUF_INIT(INITDATA_ENVELOPE_MAX);
	struct err why = { 0 };
	*ret_absent = false;
	if (file_read(dirfd, path, &raw, &why) < 0) {
		*ret_absent = why.sys_errno == ENOENT || why.sys_errno == ENOTDIR;
		if (err)
			*err = why;
		return -1;
	}
	return parse_raw(buf_bytes(&raw), ret_doc, err);
}

int initdata_read_file(const char *path, struct initdata **ret_doc, struct err *err)
{
	bool absent;
	if (read_at(AT_FDCWD, path, ret_doc, &absent, err) < 0)
		return absent ? -1 : err_wrap(err, "'%s'", path);
	return 0;
}

int initdata_find(const char *root, const struct initdata_place **ret_place, struct initdata **ret_doc, struct err *err)
{
	int top OWNED_FD = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open '%s'", root);
	for (const struct initdata_place *place = initdata_places; place->path; place++) {
		struct err why = { 0 };
		bool absent;
		if (read_at(top, place->path + 1, ret_doc, &absent, &why) == 0) {
			*ret_place = place;
			return 0;
		}
		if (absent)
			continue;
		if (err)
			*err = why;
		return err_wrap(err, "'%s', left there by %s", place->path, place->writer);
	}
	*ret_place = NULL;
	return 0;
}
