/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to secrets. They come from the configuration; a path is opened as it
 * is, so it must be absolute and hold nothing that walks elsewhere.
 */
#include "config/secret_ref.h"

#include <string.h>

#define FILE_SCHEME "file://"

static int parse_file(struct secret_ref *ref, struct err *err)
{
	const char *path = ref->text + strlen(FILE_SCHEME);
	if (path[0] != '/' || strstr(path, "/../") || path[1] == 0)
		return err_set(err, ERR_CONFIG, "'%s' names no file: write 'file:///<absolute path>'", ref->text);
	memcpy(ref->file, path, strlen(path) + 1);
	return 0;
}

int secret_ref_parse(struct bytes text, struct secret_ref *ret_ref, struct err *err)
{
	struct secret_ref ref = { 0 };
	if (text.len >= sizeof(ref.text))
		return err_set(err, ERR_CONFIG, "a reference of %zu bytes is too long", text.len);
	if (text.len > 0)
		memcpy(ref.text, text.data, text.len);
	if (strlen(ref.text) != text.len)
		return err_set(err, ERR_CONFIG, "'%s' holds a NUL character", ref.text);
	bool is_file = strncmp(ref.text, FILE_SCHEME, strlen(FILE_SCHEME)) == 0;
	if (is_file ? parse_file(&ref, err) < 0 : kbs_uri_parse(text, &ref.uri, err) < 0)
		return -1;
	*ret_ref = ref;
	return 0;
}

bool secret_ref_given(const struct secret_ref *ref)
{
	return ref->text[0] != 0;
}
