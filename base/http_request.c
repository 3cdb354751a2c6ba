/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns a request into options of a libcurl handle.
 *
 * The request is the caller's, but its path and header values may come from a
 * configuration or from an earlier answer (a cookie): neither may end a line.
 * Must never leave an option to libcurl's default that the environment, a file of
 * the system or the server could use: proxies, other CAs, netrc, redirects.
 */
#include "base/http_internal.h"

#include <string.h>
#include <strings.h>

#define CONNECT_TIMEOUT_MS 10000

static bool is_method(const char *method)
{
	size_t len = method ? strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;
	return len > 0 && len <= 16 && method[len] == '\0';
}

static bool is_header(const struct http_header *header)
{
	const char *others = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	if (!header->name || !header->value || *header->name == '\0' || header->name[strspn(header->name, others)])
		return false;
	for (const char *p = header->value; *p; p++)
		if ((*p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	return strlen(header->value) <= HTTP_MAX_VALUE;
}

int http_request_check(const struct http_request *request, struct err *err)
{
	if (!is_method(request->method))
		return err_set(err, ERR_CONFIG, "a request's method must be 1 to 16 capital letters");
	if (http_url_check_path(request->path, err) < 0)
		return -1;
	if (request->header_count > HTTP_MAX_HEADERS)
		return err_set(err, ERR_CONFIG, "more than %d headers in a request", HTTP_MAX_HEADERS);
	for (size_t i = 0; i < request->header_count; i++)
		if (!is_header(&request->headers[i]))
			return err_set(err, ERR_CONFIG, "the request header number %zu cannot be sent", i + 1);
	return 0;
}

static int refused(CURLcode result, struct err *err)
{
	return err_set(err, ERR_SYSTEM, "libcurl cannot be set up: %s", curl_easy_strerror(result));
}

/* Options of which a build may know nothing because it lacks the whole feature. */
static CURLcode may_lack(bool optional, CURLcode result)
{
	bool lacking = result == CURLE_UNKNOWN_OPTION || result == CURLE_NOT_BUILT_IN;
	return optional && lacking ? CURLE_OK : result;
}

static CURLcode set_numbers(CURL *easy)
{
	static const struct {
		CURLoption option;
		long value;
		bool optional;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1, false },
		{ CURLOPT_QUICK_EXIT, 1, true }, /* no waiting for a resolver that hangs */
		{ CURLOPT_FOLLOWLOCATION, 0, false },
		{ CURLOPT_HTTP09_ALLOWED, 0, false },
		{ CURLOPT_HTTP_CONTENT_DECODING, 0, false },
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED, true },
		{ CURLOPT_PATH_AS_IS, 1, false },
		{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1, false },
		{ CURLOPT_TCP_NODELAY, 1, false },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2, false },
		{ CURLOPT_SSL_VERIFYPEER, 1, false },
		/* Above what libcurl takes from an HTTP/2 connection at once (32 KiB): libcurl 7.88 pauses where less
		 * fits, and then overlooks the end of the stream until some timer wakes it. */
		{ CURLOPT_BUFFERSIZE, 65536, false },
		{ CURLOPT_SSL_OPTIONS, 0, false }, /* no CA store of the system */
		{ CURLOPT_SSL_SESSIONID_CACHE, 0, false },
	};
	CURLcode result = CURLE_OK;
	for (size_t i = 0; i < ARRAY_LEN(numbers) && result == CURLE_OK; i++)
		result = may_lack(numbers[i].optional, curl_easy_setopt(easy, numbers[i].option, numbers[i].value));
	return result;
}

static CURLcode set_texts(CURL *easy, const struct http_client *client)
{
	const struct {
		CURLoption option;
		const char *value;
		bool optional;
	} texts[] = {
		{ CURLOPT_URL, client->base_url, false },
		{ CURLOPT_PROTOCOLS_STR, client->url.tls ? "https" : "http", false },
		{ CURLOPT_PROXY, "", true }, /* empty: the environment is not asked */
		{ CURLOPT_NOPROXY, "*", true },
		{ CURLOPT_CAINFO, NULL, false },
		{ CURLOPT_CAPATH, NULL, false },
		{ CURLOPT_USERAGENT, client->user_agent, false },
		{ CURLOPT_UNIX_SOCKET_PATH, client->unix_socket, false },
	};
	CURLcode result = CURLE_OK;
	for (size_t i = 0; i < ARRAY_LEN(texts) && result == CURLE_OK; i++)
		result = may_lack(texts[i].optional, curl_easy_setopt(easy, texts[i].option, texts[i].value));
	return result;
}

/* The last of the results that is none, so that a row of calls reads as one. */
static CURLcode all(const CURLcode *results, size_t count)
{
	CURLcode bad = CURLE_OK;
	for (size_t i = 0; i < count; i++)
		bad = results[i] == CURLE_OK ? bad : results[i];
	return bad;
}

static CURLcode set_callbacks(struct http_transfer *transfer)
{
	CURL *easy = transfer->easy;
	struct http_client *client = transfer->client;
	const CURLcode results[] = {
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_text),
		curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_on_header),
		curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer),
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_body),
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer),
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_socket_open),
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, client),
		curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_socket_close),
		curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client),
	};
	return all(results, ARRAY_LEN(results));
}

static CURLcode set_tls(struct http_transfer *transfer)
{
	struct http_client *client = transfer->client;
	if (!client->url.tls)
		return CURLE_OK;
	struct curl_blob ca = { .data = client->ca_pem.data, .len = client->ca_pem.len, .flags = CURL_BLOB_NOCOPY };
	const CURLcode results[] = {
		curl_easy_setopt(transfer->easy, CURLOPT_CAINFO_BLOB, &ca),
		/* By a URI: http_tls.c looks. */
		curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYHOST, client->server_uri ? 0L : 2L),
		curl_easy_setopt(transfer->easy, CURLOPT_SSL_CTX_FUNCTION, http_tls_on_context),
		curl_easy_setopt(transfer->easy, CURLOPT_SSL_CTX_DATA, transfer),
	};
	return all(results, ARRAY_LEN(results));
}

static CURLcode set_times(struct http_transfer *transfer)
{
	int64_t wanted = transfer->client->connect_timeout_ms;
	return curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS,
				(long)(wanted > 0 ? wanted : CONNECT_TIMEOUT_MS));
}

static long http_version(const struct http_client *client)
{
	if (client->http2_prior_knowledge)
		return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	return client->url.tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
}

/* libcurl 7.88 sets HTTP/2 up once more on a kept connection of that kind, and
 * fails; 8.0.0 mended that. */
static long must_not_keep(const struct http_client *client)
{
	return client->http2_prior_knowledge && curl_version_info(CURLVERSION_NOW)->version_num < 0x080000;
}

static bool has_body(const struct http_request *request)
{
	return request->body.len > 0 || strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0;
}

/* The URL is the server's alone: the path goes into the request line past
 * libcurl's parser, which would rewrite some. */
static CURLcode set_request(struct http_transfer *transfer)
{
	CURL *easy = transfer->easy;
	const struct http_request *request = transfer->request;
	bool head = strcmp(request->method, "HEAD") == 0;
	bool body = has_body(request);
	/* Not for HEAD: libcurl would wait for a body that a method of that name has not. */
	const char *method = head ? NULL : request->method;
	const CURLcode results[] = {
		curl_easy_setopt(easy,
				 head	? CURLOPT_NOBODY
				 : body ? CURLOPT_POST
					: CURLOPT_HTTPGET,
				 1L),
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method),
		curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, transfer->path),
		curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, http_version(transfer->client)),
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, must_not_keep(transfer->client)),
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(body ? request->body.len : 0)),
		!body ? CURLE_OK
		      : curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
					 request->body.len > 0 ? (const char *)request->body.data : ""),
	};
	return all(results, ARRAY_LEN(results));
}

static int add_line(struct http_transfer *transfer, const char *line, struct err *err)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, line);
	if (!longer)
		return err_set(err, ERR_SYSTEM, "out of memory");
	transfer->headers = longer;
	return 0;
}

/* libcurl's spelling: "name;" is a header without value, "name:" one to leave out. */
static int add_header(struct http_transfer *transfer, const struct http_header *header, struct err *err)
{
	OWNED_BUF struct buf line = BUF_INIT(SIZE_MAX / 2);
	if (*header->value == '\0') {
		if (buf_printf(&line, err, "%s;", header->name) < 0)
			return -1;
	} else if (buf_printf(&line, err, "%s: %s", header->name, header->value) < 0) {
		return -1;
	}
	return add_line(transfer, buf_text(&line), err);
}

static int add_headers(struct http_transfer *transfer, struct err *err)
{
	const struct http_request *request = transfer->request;
	bool typed = false;
	for (size_t i = 0; i < request->header_count; i++) {
		typed = typed || strcasecmp(request->headers[i].name, "content-type") == 0;
		if (add_header(transfer, &request->headers[i], err) < 0)
			return -1;
	}
	if (!typed && add_line(transfer, "Content-Type:", err) < 0)
		return -1;
	return add_line(transfer, "Expect:", err);
}

int http_request_prepare(struct http_transfer *transfer, struct err *err)
{
	if (add_headers(transfer, err) < 0)
		return -1;
	const CURLcode results[] = {
		set_numbers(transfer->easy),
		set_texts(transfer->easy, transfer->client),
		set_callbacks(transfer),
		set_tls(transfer),
		set_times(transfer),
		set_request(transfer),
		curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers),
	};
	CURLcode result = all(results, ARRAY_LEN(results));
	return result == CURLE_OK ? 0 : refused(result, err);
}
