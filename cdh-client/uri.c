/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KBS resource URIs. They come from the configuration or the command line, and
 * end up in a request path: nothing but the letters that the KBS itself takes
 * may pass, so that no escape, query or dot-dot can.
 */
#include "cdh-client/uri.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SCHEME "kbs://"
#define ADVICE "write 'kbs:///<repository>/<type>/<tag>'"

static bool is_first(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* Length of the segment at `at`, 0 if there is none. */
static size_t segment(const char *at)
{
	size_t len = 0;
	while (is_first(at[len]) || (len > 0 && at[len] == '.'))
		len++;
	return len;
}

static int check_segments(const char *path, const char *text, struct err *err)
{
	unsigned count = 0;
	const char *at = path;
	while (*at == '/') {
		size_t len = segment(at + 1);
		if (len == 0)
			return err_set(err, ERR_CONFIG,
				       "resource URI '%s': a segment is empty or begins with a character that is not "
				       "allowed; " ADVICE,
				       text);
		at += 1 + len;
		count++;
	}
	if (*at)
		return err_set(err, ERR_CONFIG,
			       "resource URI '%s': '%c' is not allowed; " ADVICE
			       " of letters, digits, '_', '-' and '.'",
			       text, *at);
	if (count != 3)
		return err_set(err, ERR_CONFIG, "resource URI '%s' has %u segments, not 3; " ADVICE, text, count);
	return 0;
}

int kbs_uri_parse(struct bytes text, struct kbs_uri *ret_uri, struct err *err)
{
	struct kbs_uri uri = { 0 };
	if (text.len >= sizeof(uri.text) - sizeof("/kbs/v0/resource"))
		return err_set(err, ERR_CONFIG, "a resource URI of %zu bytes is too long", text.len);
	if (text.len > 0)
		memcpy(uri.text, text.data, text.len);
	if (strlen(uri.text) != text.len)
		return err_set(err, ERR_CONFIG, "resource URI '%s' holds a NUL byte", uri.text);
	if (strncmp(uri.text, SCHEME, strlen(SCHEME)) != 0)
		return err_set(err, ERR_CONFIG, "'%s' is not a KBS resource URI; " ADVICE, uri.text);
	const char *path = uri.text + strlen(SCHEME);
	if (*path != '/')
		return err_set(err, ERR_CONFIG,
			       "resource URI '%s' names a host, which nobody would ask (the KBS is the configured "
			       "one); " ADVICE,
			       uri.text);
	if (check_segments(path, uri.text, err) < 0)
		return -1;
	(void)snprintf(uri.path, sizeof(uri.path), "/kbs/v0/resource%.*s",
		       (int)(sizeof(uri.path) - sizeof("/kbs/v0/resource")), path);
	*ret_uri = uri;
	return 0;
}
