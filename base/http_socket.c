/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's sockets: close-on-exec, known by number, acknowledging at once.
 *
 * Why the last: a TLS 1.3 server sends its session tickets behind the handshake.
 * If it keeps Nagle's algorithm on, its first answer waits until the tickets are
 * acknowledged; our kernel delays that acknowledgement by 40 ms, having nothing to
 * send meanwhile. TCP_QUICKACK sends what is due and asks for no more delay, but
 * the kernel forgets it with the next byte sent: so it is set again each time that
 * a transfer is about to wait.
 */
#include "base/http_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

void http_socket_init(struct http_client *client)
{
	for (size_t i = 0; i < HTTP_MAX_SOCKETS; i++)
		client->sockets[i] = -1;
	client->quick_ack = true;
}

static void replace_first(struct http_client *client, int from, int to)
{
	for (size_t i = 0; i < HTTP_MAX_SOCKETS; i++)
		if (client->sockets[i] == from) {
			client->sockets[i] = to;
			return;
		}
}

curl_socket_t http_socket_open(void *client, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose; /* there is only one: we never listen */
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	replace_first(client, -1, fd);
	return fd;
}

int http_socket_close(void *client, curl_socket_t fd)
{
	replace_first(client, fd, -1);
	return close(fd);
}

void http_socket_quick_ack(const struct http_client *client)
{
	if (!client->quick_ack || client->unix_socket)
		return;
	/* Only a matter of speed, and refused while a socket is not connected yet. */
	for (size_t i = 0; i < HTTP_MAX_SOCKETS; i++)
		if (client->sockets[i] >= 0)
			(void)setsockopt(client->sockets[i], IPPROTO_TCP, TCP_QUICKACK, &(int){ 1 }, sizeof(int));
}

void http_client_quick_ack(struct http_client *client, bool on)
{
	client->quick_ack = on;
}
