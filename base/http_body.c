/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects an answer: header lines, pieces of the body, trailers.
 *
 * The server controls every byte, their number and how they are cut. Must never
 * keep more than the limits, never put a secret body anywhere but in the guarded
 * memory, and never pass on a body that libcurl would have to decompress.
 */
#include "base/http_internal.h"

#include <string.h>
#include <strings.h>

/* Informational answers (1xx) come in blocks of their own; so many are no accident. */
#define MAX_BLOCKS 8
/* What a redirect may have as a body, which nobody reads. */
#define MAX_DROPPED 65536

static bool is_token(struct bytes text)
{
	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", text.data[i]))
			return false;
	return true;
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static struct bytes trim(struct bytes text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text = bytes_of(text.data + 1, text.len - 1);
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

static bool is_value(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f)
			return false;
	return true;
}

/* libcurl undoes a transfer coding whether we asked for it or not. */
static int check_coding(const char *name, struct bytes value, struct err *err)
{
	const char *only = strcmp(name, "transfer-encoding") == 0  ? "chunked"
			   : strcmp(name, "content-encoding") == 0 ? "identity"
								   : NULL;
	if (!only || (value.len == strlen(only) && strncasecmp((const char *)value.data, only, value.len) == 0))
		return 0;
	return err_set(err, ERR_PROTOCOL, "the body is encoded ('%.*s') although nobody asked for that",
		       value.len < 40 ? (int)value.len : 40, (const char *)value.data);
}

static int keep_header(struct buf *headers, struct bytes name, struct bytes value, struct err *err)
{
	/* name, ": ", value, "\n" */
	if (name.len + value.len + 3 > headers->max - headers->len)
		return err_set(err, ERR_PROTOCOL, "the headers are larger than %zu bytes", headers->max);
	size_t start = headers->len;
	if (buf_append(headers, name, err) < 0 || buf_append_text(headers, ": ", err) < 0)
		return -1;
	for (size_t i = start; i < start + name.len; i++)
		if (headers->data[i] >= 'A' && headers->data[i] <= 'Z')
			headers->data[i] = (uint8_t)(headers->data[i] + ('a' - 'A'));
	headers->data[start + name.len] = '\0';
	int rc = check_coding((const char *)headers->data + start, value, err);
	headers->data[start + name.len] = ':';
	if (rc < 0 || buf_append(headers, value, err) < 0)
		return -1;
	return buf_append_text(headers, "\n", err);
}

static int take_header(struct http_transfer *transfer, struct bytes line)
{
	struct err *err = &transfer->err;
	if (++transfer->header_lines > HTTP_MAX_HEADERS)
		return err_set(err, ERR_PROTOCOL, "more than %d header lines", HTTP_MAX_HEADERS);
	const uint8_t *colon = memchr(line.data, ':', line.len);
	size_t name_len = colon ? (size_t)(colon - line.data) : 0;
	struct bytes name = bytes_of(line.data, name_len);
	struct bytes value = colon ? trim(bytes_of(colon + 1, line.len - name_len - 1)) : name;
	/* A folded line begins with a blank, so it has no name: RFC 9112 section 5.2. */
	if (!is_token(name) || !is_value(value))
		return err_set(err, ERR_PROTOCOL, "a header line that is not 'name: value'");
	return keep_header(&transfer->response->headers, name, value, err);
}

/* A status line begins a block: what an informational answer held is gone. */
static int begin_block(struct http_transfer *transfer, struct bytes line)
{
	if (++transfer->blocks > MAX_BLOCKS)
		return err_set(&transfer->err, ERR_PROTOCOL, "more than %d answers to one request", MAX_BLOCKS);
	long status = 0;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	buf_done(&transfer->response->headers);
	transfer->header_lines = 0;
	transfer->http1 = line.len >= 6 && memcmp(line.data, "HTTP/1", 6) == 0;
	transfer->in_block = true;
	transfer->response->status = (int)status;
	return 0;
}

static bool find(const struct http_response *response, const char *name, struct bytes *ret_value)
{
	size_t name_len = strlen(name);
	const char *line = buf_text(&response->headers);
	while (*line) {
		size_t len = strcspn(line, "\n");
		if (len >= name_len + 2 && strncmp(line, name, name_len) == 0 && line[name_len] == ':') {
			*ret_value = bytes_of(line + name_len + 2, len - name_len - 2);
			return true;
		}
		line += len + (line[len] == '\n' ? 1 : 0);
	}
	return false;
}

static bool has(const struct http_response *response, const char *name)
{
	struct bytes value;
	return find(response, name, &value);
}

static bool is_followed(const struct http_transfer *transfer)
{
	int status = transfer->response->status;
	const char *method = transfer->request->method;
	return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
	       (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) && transfer->client->redirects > 0 &&
	       has(transfer->response, "location");
}

/* RFC 9112 section 6.3 lets a body end with the connection. Then nobody can tell
 * the end from a cut, and libcurl does not insist on a proper end of TLS. */
static bool ends_unmarked(const struct http_transfer *transfer)
{
	int status = transfer->response->status;
	bool bodiless =
		status < 200 || status == 204 || status == 304 || strcmp(transfer->request->method, "HEAD") == 0;
	return transfer->http1 && !bodiless && !has(transfer->response, "content-length") &&
	       !has(transfer->response, "transfer-encoding");
}

static int end_block(struct http_transfer *transfer)
{
	transfer->in_block = false;
	transfer->follow = is_followed(transfer);
	http_date_note(transfer->response);
	if (!ends_unmarked(transfer))
		return 0;
	return err_set(&transfer->err, ERR_PROTOCOL,
		       "neither a length nor chunks mark where the body ends, so that a cut would go unseen");
}

static int take_line(struct http_transfer *transfer, struct bytes line)
{
	while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
		line.len--;
	bool trailers = transfer->body_bytes > 0 || (transfer->blocks > 0 && transfer->response->status >= 200);
	if (!transfer->in_block && !trailers)
		return begin_block(transfer, line);
	if (line.len > 0)
		return take_header(transfer, line);
	return transfer->in_block ? end_block(transfer) : 0;
}

/* libcurl takes any number but the line's length for a failure. An empty line
 * still has its line end, so 0 is never that length. */
size_t http_on_header(char *line, size_t size, size_t count, void *transfer)
{
	return take_line(transfer, bytes_of(line, size * count)) < 0 ? 0 : size * count;
}

static int check_room(size_t used, size_t more, size_t max, struct err *err)
{
	if (more > max - used)
		return err_set(err, ERR_PROTOCOL, "the body is larger than %zu bytes", max);
	return 0;
}

static int pass_on(struct http_transfer *transfer, struct bytes piece)
{
	struct err *err = &transfer->err;
	int rc = transfer->request->on_data(piece, transfer->request->on_data_arg, err);
	transfer->enough = rc > 0;
	if (rc >= 0)
		return rc > 0 ? -1 : 0;
	transfer->err_from_caller = err->code != ERR_NONE;
	return err->code != ERR_NONE ? -1 : err_set(err, ERR_SYSTEM, "the reader of the body gave up");
}

static int take_body(struct http_transfer *transfer, struct bytes piece)
{
	struct err *err = &transfer->err;
	struct http_response *response = transfer->response;
	transfer->body_bytes += piece.len;
	if (transfer->follow)
		return check_room(0, transfer->body_bytes, MAX_DROPPED, err);
	if (transfer->request->on_data)
		return pass_on(transfer, piece);
	struct secret *secret = response->secret_body;
	if (!secret)
		return check_room(response->body.len, piece.len, response->body.max, err) < 0
			       ? -1
			       : buf_append(&response->body, piece, err);
	if (check_room(secret->len, piece.len, secret->cap, err) < 0)
		return -1;
	return secret_append(secret, piece, err);
}

size_t http_on_body(char *data, size_t size, size_t count, void *transfer)
{
	if (size * count == 0)
		return 0;
	return take_body(transfer, bytes_of(data, size * count)) < 0 ? 0 : size * count;
}

void http_response_done(struct http_response *response)
{
	if (!response)
		return;
	response->status = 0;
	response->clock_known = false;
	buf_done(&response->headers);
	buf_done(&response->body);
}

void http_response_clear(struct http_response *response)
{
	http_response_done(response);
	struct secret *secret = response->secret_body;
	if (!secret || !secret->data)
		return;
	explicit_bzero(secret->data, secret->cap);
	secret->len = 0;
}

bool http_header_get(const struct http_response *response, const char *name, struct buf *out)
{
	buf_done(out);
	struct bytes value;
	return find(response, name, &value) && buf_append(out, value, NULL) == 0;
}
