/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target for base/http_url: the input is taken for a base URL, a path and a
 * redirect. What is accepted must mean to libcurl's own parser what it means to us.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void need_part(CURLU *handle, CURLUPart part, const char *wanted)
{
	char *text = NULL;
	need(curl_url_get(handle, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK);
	need(strcasecmp(text, wanted) == 0);
	curl_free(text);
}

/* IPv6 addresses may be spelled otherwise: only the rest is compared for them. */
static void compare_with_libcurl(const char *text, const struct http_url *url)
{
	CURLU *handle = curl_url();
	need(handle && curl_url_set(handle, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK);
	OWNED_BUF struct buf port = BUF_INIT(8);
	need(buf_printf(&port, NULL, "%u", (unsigned)url->port) == 0);
	need_part(handle, CURLUPART_SCHEME, url->tls ? "https" : "http");
	need_part(handle, CURLUPART_PORT, buf_text(&port));
	need_part(handle, CURLUPART_PATH, "/");
	if (!url->ipv6)
		need_part(handle, CURLUPART_HOST, url->host);
	curl_url_cleanup(handle);
}

static void follow_redirect(const char *location)
{
	static const struct http_url from = { .tls = true, .host = "kbs.example", .port = 8443 };
	OWNED_BUF struct buf path = BUF_INIT(HTTP_MAX_PATH);
	struct err err = { 0 };
	if (http_url_redirect(&from, location, &path, &err) < 0)
		return;
	need(http_url_check_path(buf_text(&path), &err) == 0);
	CURLU *handle = curl_url();
	need(handle && curl_url_set(handle, CURLUPART_URL, "https://kbs.example:8443/", 0) == CURLUE_OK);
	if (curl_url_set(handle, CURLUPART_URL, location, CURLU_DISALLOW_USER) == CURLUE_OK) {
		need_part(handle, CURLUPART_SCHEME, "https");
		need_part(handle, CURLUPART_HOST, "kbs.example");
		need_part(handle, CURLUPART_PORT, "8443");
	}
	curl_url_cleanup(handle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	need(text);
	memcpy(text, data, size);
	text[size] = '\0';
	struct http_url url;
	struct err err = { 0 };
	if (http_url_parse(text, &url, &err) == 0)
		compare_with_libcurl(text, &url);
	else
		need(err.code == ERR_CONFIG && err.message[0] != '\0');
	follow_redirect(text);
	free(text);
	return 0;
}
