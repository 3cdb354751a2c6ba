/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base URLs, request paths and redirect targets.
 *
 * Base URLs come from the configuration, redirect targets from the server. What
 * is accepted is much less than RFC 3986 allows, so that no two parsers (ours,
 * libcurl's, the resolver's) can take the same text for two servers: no user, no
 * escapes, no "0x7f.1" for an address. Must never let a redirect lead to another
 * server.
 */
#include "base/http_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* "https://", a bracketed or plain host, ":65535" */
#define URL_MAX (8 + HTTP_HOST_MAX + 6)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A URL with '@' may hold a password: it is not repeated. */
static int refuse(const char *text, const char *why, struct err *err)
{
	if (strchr(text, '@') || strlen(text) > URL_MAX)
		return err_set(err, ERR_CONFIG, "not a base URL: %s", why);
	return err_set(err, ERR_CONFIG, "'%s' is not a base URL: %s", text, why);
}

/* The resolver takes "127.1", "0x7f000001" and "2130706433" for addresses. */
static bool label_is_number(const char *label, size_t len)
{
	if (len >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
		return strspn(label + 2, "0123456789abcdefABCDEF") == len - 2;
	return strspn(label, "0123456789") == len;
}

static bool label_is_good(const char *label, size_t len)
{
	if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-' && label[i] != '_')
			return false;
	return true;
}

static bool is_host_name(const char *host)
{
	for (;;) {
		size_t len = strcspn(host, ".");
		if (!label_is_good(host, len))
			return false;
		if (host[len] == '\0')
			return !label_is_number(host, len);
		host += len + 1;
	}
}

static bool is_host(const char *host, bool ipv6)
{
	unsigned char address[16];
	if (ipv6)
		return inet_pton(AF_INET6, host, address) == 1;
	return inet_pton(AF_INET, host, address) == 1 || is_host_name(host);
}

/* Copies the host and returns what follows it, NULL if there is no end to it. */
static const char *take_host(const char *text, struct http_url *url)
{
	url->ipv6 = *text == '[';
	text += url->ipv6 ? 1 : 0;
	size_t len = strcspn(text, url->ipv6 ? "]" : ":/?#");
	if (len > HTTP_HOST_MAX || (url->ipv6 && text[len] != ']'))
		return NULL;
	memcpy(url->host, text, len);
	url->host[len] = '\0';
	return text + len + (url->ipv6 ? 1 : 0);
}

/* ":1" to ":65535" without leading zeros; returns what follows, NULL if it is none. */
static const char *take_port(const char *text, uint16_t *ret_port)
{
	unsigned port = 0;
	size_t digits = 0;
	for (text++; is_digit(*text) && digits < 6; text++, digits++)
		port = port * 10 + (unsigned)(*text - '0');
	if (digits == 0 || port == 0 || port > UINT16_MAX || text[-(ptrdiff_t)digits] == '0')
		return NULL;
	*ret_port = (uint16_t)port;
	return text;
}

/* Scheme, host and port at the front of `text`; *ret_rest is what follows. Returns
 * NULL, or what is wrong. */
static const char *take_server(const char *text, struct http_url *url, const char **ret_rest)
{
	if (strncmp(text, "https://", 8) == 0)
		url->tls = true;
	else if (strncmp(text, "http://", 7) != 0)
		return "it must begin with 'https://' or 'http://'";
	text += url->tls ? 8 : 7;
	url->port = url->tls ? 443 : 80;
	text = take_host(text, url);
	if (!text || !is_host(url->host, url->ipv6))
		return "the host must be a DNS name (ASCII), an IPv4 address or an IPv6 address in brackets";
	if (*text == ':')
		text = take_port(text, &url->port);
	if (!text)
		return "the port must be a number from 1 to 65535";
	*ret_rest = text;
	return NULL;
}

static bool is_visible(const char *text)
{
	for (; *text; text++)
		if (*text < 0x21 || *text > 0x7e)
			return false;
	return true;
}

static const char *parse(const char *text, struct http_url *url)
{
	if (strlen(text) > URL_MAX)
		return "it is too long";
	if (!is_visible(text))
		return "it holds a space, a control byte or a letter beyond ASCII (write such names in punycode)";
	if (strchr(text, '@'))
		return "it must not hold a user name or password";
	const char *rest = NULL;
	const char *problem = take_server(text, url, &rest);
	if (problem)
		return problem;
	return *rest == '\0' ? NULL : "it must end after the host and port (leave out the path and the last '/')";
}

int http_url_parse(const char *text, struct http_url *ret_url, struct err *err)
{
	struct http_url url = { .tls = false };
	const char *problem = text ? parse(text, &url) : "it is missing";
	if (problem)
		return refuse(text ? text : "", problem, err);
	*ret_url = url;
	return 0;
}

int http_check_url(const char *url, bool *ret_tls, struct err *err)
{
	struct http_url parsed;
	if (http_url_parse(url, &parsed, err) < 0)
		return -1;
	*ret_tls = parsed.tls;
	return 0;
}

int http_url_check_path(const char *path, struct err *err)
{
	if (!path || path[0] != '/')
		return err_set(err, ERR_CONFIG, "a request path must begin with '/'");
	if (strlen(path) > HTTP_MAX_PATH)
		return err_set(err, ERR_CONFIG, "a request path is longer than %d bytes", HTTP_MAX_PATH);
	if (!is_visible(path) || strchr(path, '#'))
		return err_set(err, ERR_CONFIG,
			       "the request path '%s' holds a space, '#' or a byte that must be percent-encoded", path);
	return 0;
}

static bool same_server(const struct http_url *a, const struct http_url *b)
{
	return a->tls == b->tls && a->ipv6 == b->ipv6 && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

/* Takes an absolute URL of the same server, or an absolute path. A relative path,
 * which HTTP allows too, would need the dot-segment rules: nobody we talk to sends
 * one. Returns the path's beginning ("" for none), NULL for any other server. */
static const char *same_server_path(const struct http_url *from, const char *location)
{
	if (location[0] == '/')
		return location[1] == '/' ? NULL : location;
	struct http_url to = { .tls = false };
	const char *rest = NULL;
	if (take_server(location, &to, &rest) || !same_server(from, &to))
		return NULL;
	return *rest == '/' || *rest == '\0' || *rest == '#' ? rest : NULL;
}

int http_url_redirect(const struct http_url *from, const char *location, struct buf *path, struct err *err)
{
	if (strlen(location) > HTTP_MAX_PATH || !is_visible(location))
		return err_set(err, ERR_PROTOCOL, "the redirect leads to something that is no URL");
	const char *target = same_server_path(from, location);
	if (!target)
		return err_set(err, ERR_PROTOCOL,
			       "the redirect to '%s' leads to another server and is not followed; if it is meant, "
			       "configure that URL",
			       strchr(location, '@') ? "…@…" : location);
	size_t len = strcspn(target, "#"); /* a fragment is never sent */
	if (len == 0)
		return buf_append_text(path, "/", err);
	return buf_append(path, bytes_of(target, len), err);
}

int http_split_url(const char *url, struct http_host *ret_host, struct err *err)
{
	struct http_url parts;
	if (http_url_parse(url, &parts, err) < 0)
		return -1;
	(void)snprintf(ret_host->name, sizeof(ret_host->name), "%s", parts.host);
	ret_host->port = parts.port;
	return 0;
}
