/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server whose answers depend on the path, most of them wrong on
 * purpose: one row of a table each. "/big?5" gives the number 5 to the route.
 * Input comes from the client under test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_peer.h"

/* Returns false when the connection is to be closed. */
typedef bool (*route_fn)(struct peer_conn *conn, const struct peer_request *request, unsigned long number);

static bool answer(struct peer_conn *conn, const char *status, const char *headers, const char *body)
{
	char head[1024];
	(void)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status, strlen(body),
		       headers);
	return peer_say(conn, head) && peer_say(conn, body);
}

static bool hello(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)number;
	bool head = strncmp(request->head, "HEAD ", 5) == 0;
	if (head)
		return peer_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	return answer(conn, "200 OK", "X-Empty:\r\nX-Odd: \t a: b \r\nX-Odd: second\r\n", "hello");
}

/* What came: the head, an empty line, the body. */
static bool echo(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)number;
	static char text[sizeof(request->head) + sizeof(request->body)];
	(void)snprintf(text, sizeof(text), "%s%s", request->head, request->body);
	return answer(conn, "200 OK", "", text);
}

static bool status(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	char text[32];
	(void)snprintf(text, sizeof(text), "%lu Whatever", number);
	return answer(conn, text, "", "why");
}

static bool repeat(struct peer_conn *conn, const char *text, unsigned long times)
{
	for (unsigned long i = 0; i < times; i++)
		if (!peer_say(conn, text))
			return false;
	return true;
}

/* `number` bytes with a length, or in chunks of one byte. */
static bool big(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	char head[128];
	(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n\r\n", number);
	return peer_say(conn, head) && repeat(conn, "x", number);
}

static bool chunks(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	return peer_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") &&
	       repeat(conn, "1\r\nx\r\n", number) && peer_say(conn, "0\r\nX-Trailer: t\r\n\r\n");
}

/* Never ends by itself: shows that the client goes at once. */
static bool endless(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	(void)number;
	if (!peer_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
		return false;
	while (peer_say(conn, "10\r\n0123456789abcdef\r\n"))
		;
	return false;
}

static bool flood(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	return peer_say(conn, "HTTP/1.1 200 OK\r\n") && repeat(conn, "x: y\r\n", number - 1) &&
	       peer_say(conn, "Content-Length: 0\r\n\r\n");
}

/* Headers of `number` bytes as the client keeps them. */
static bool wide(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	return peer_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ") &&
	       repeat(conn, "v", number - strlen("content-length: 0\nx: \n")) && peer_say(conn, "\r\n\r\n");
}

static bool informed(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	return repeat(conn, "HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n", number) && hello(conn, request, 0);
}

static bool silent(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	(void)number;
	peer_hang(conn);
	return false;
}

static bool stuck(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)number;
	(void)request;
	if (peer_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
		peer_hang(conn);
	return false;
}

/* Says the text of the table's row, then cuts the line. */
static const char *const cut_texts[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	"HTTP/1.1 200 OK\r\nContent-Le",
	"",
	"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it?",
	"SSH-2.0-OpenSSH_9.2\r\n",
	"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nz",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nno colon at all\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\001b\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX Y: ab\r\nContent-Length: 0\r\n\r\n",
};

static bool cut(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	(void)peer_say(conn, cut_texts[number]);
	peer_cut(conn);
	return false;
}

/* Closes in a way that the client is not told of in the answer. */
static bool once(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)hello(conn, request, number);
	return false;
}

/* Where to, by number. */
static const char *const targets[] = { "/hello",	"/redirect?1", "http://127.0.0.2:1/hello",
				       "//127.0.0.2/x", "relative",    "https://127.0.0.1:1/" };

static bool redirect(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)request;
	char headers[128];
	(void)snprintf(headers, sizeof(headers), "Location: %s\r\n", targets[number]);
	return answer(conn, "302 Found", headers, "moved");
}

/* `number` redirects in a row, then the answer. */
static bool hops(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	char headers[64];
	(void)snprintf(headers, sizeof(headers), "Location: /hops?%lu\r\n", number - 1);
	return number == 0 ? hello(conn, request, 0) : answer(conn, "307 Temporary Redirect", headers, "moved");
}

/* To the server's own absolute URL, as the Host header names it. */
static bool home(struct peer_conn *conn, const struct peer_request *request, unsigned long number)
{
	(void)number;
	const char *host = strstr(request->head, "Host: ");
	char headers[256];
	(void)snprintf(headers, sizeof(headers), "Location: %s://%.*s/hello#fragment\r\n", conn->ssl ? "https" : "http",
		       host ? (int)strcspn(host + 6, "\r") : 0, host ? host + 6 : "");
	return answer(conn, "308 Permanent Redirect", headers, "moved");
}

void serve_routes(struct peer_conn *conn)
{
	static const struct {
		const char *path;
		route_fn serve;
	} routes[] = {
		{ "/hello", hello },	{ "/echo", echo },	   { "/status", status }, { "/big", big },
		{ "/chunks", chunks },	{ "/endless", endless },   { "/flood", flood },	  { "/wide", wide },
		{ "/early", informed }, { "/silent", silent },	   { "/stuck", stuck },	  { "/cut", cut },
		{ "/once", once },	{ "/redirect", redirect }, { "/home", home },	  { "/hops", hops },
	};
	static struct peer_request request;
	bool open = true;
	while (open && peer_read_request(conn, &request)) {
		size_t len = strcspn(request.path, "?");
		const char *number = request.path[len] ? request.path + len + 1 : "0";
		open = false;
		for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
			if (strlen(routes[i].path) == len && memcmp(routes[i].path, request.path, len) == 0)
				open = routes[i].serve(conn, &request, strtoul(number, NULL, 10));
	}
}
