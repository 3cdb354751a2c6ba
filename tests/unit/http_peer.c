/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers for the HTTP tests: see http_peer.h.
 *
 * Input comes from the client under test. A server is a child process and not a
 * thread, so that sanitizers and valgrind see the client's memory alone.
 */
#include "http_peer.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEED(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                          \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

struct pki_node peer_certificate(const char *cn, const char *san, const struct pki_node *issuer, long from, long until)
{
	long shift = (long)time(NULL) - PKI_NOW;
	const struct pki_profile profile = {
		.cn = cn,
		.from = shift + from,
		.until = shift + until,
		.basic_constraints = san ? "critical,CA:FALSE" : "critical,CA:TRUE",
		.key_usage = san ? "critical,digitalSignature" : "critical,keyCertSign",
		.san = san,
	};
	return pki_issue(pki_ec_key("P-256"), issuer, &profile);
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	NEED(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)unlink(path);
	NEED(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 16) == 0);
	return fd;
}

static int listen_tcp(int *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 16) == 0);
	NEED(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static int choose_http2(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
			unsigned in_len, void *arg)
{
	(void)ssl;
	(void)arg;
	for (unsigned i = 0; i + 2 < in_len; i += in[i] + 1u)
		if (in[i] == 2 && in[i + 1] == 'h' && in[i + 2] == '2') {
			*out = in + i + 1;
			*out_len = 2;
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *server_context(const struct peer_setup *setup)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	NEED(ctx && SSL_CTX_use_certificate(ctx, setup->identity->cert) == 1);
	NEED(SSL_CTX_use_PrivateKey(ctx, setup->identity->key) == 1);
	if (setup->http2)
		SSL_CTX_set_alpn_select_cb(ctx, choose_http2, NULL);
	if (setup->client_ca) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		NEED(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), setup->client_ca->cert) == 1);
	}
	return ctx;
}

/* To close with bytes unread would reset the connection, and the client might not
 * see the alert that was sent before. */
static void drain(int fd)
{
	char dropped[4096];
	(void)shutdown(fd, SHUT_WR);
	while (read(fd, dropped, sizeof(dropped)) > 0)
		;
}

static void serve_one(struct peer_conn *conn, SSL_CTX *ctx)
{
	conn->ssl = ctx ? SSL_new(ctx) : NULL;
	bool ready = !ctx || (SSL_set_fd(conn->ssl, conn->fd) == 1 && SSL_accept(conn->ssl) == 1);
	if (ready)
		conn->setup->serve(conn);
	if (ready && conn->ssl)
		(void)SSL_shutdown(conn->ssl);
	if (!ready)
		drain(conn->fd);
	SSL_free(conn->ssl);
	(void)close(conn->fd);
}

/* A child that must not outlive its parent. */
static pid_t fork_child(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	NEED(pid >= 0);
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

static void serve_all(int listener, const struct peer_setup *setup)
{
	SSL_CTX *ctx = setup->identity ? server_context(setup) : NULL;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN);
	for (unsigned number = 1;; number++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			_exit(1);
		if (fork_child() == 0) {
			struct peer_conn conn = { .fd = fd, .number = number, .setup = setup };
			serve_one(&conn, ctx);
			SSL_CTX_free(ctx);
			_exit(0);
		}
		(void)close(fd);
	}
}

struct peer peer_start(const struct peer_setup *setup)
{
	struct peer peer = { .port = 0 };
	int listener = setup->unix_path ? listen_unix(setup->unix_path) : listen_tcp(&peer.port);
	if (setup->unix_path)
		(void)snprintf(peer.url, sizeof(peer.url), "http://localhost");
	else
		(void)snprintf(peer.url, sizeof(peer.url), "http%s://127.0.0.1:%d", setup->identity ? "s" : "",
			       peer.port);
	peer.pid = fork_child();
	if (peer.pid == 0)
		serve_all(listener, setup);
	(void)close(listener);
	return peer;
}

void peer_stop(struct peer *peer)
{
	NEED(peer->pid > 0 && kill(peer->pid, SIGKILL) == 0);
	NEED(waitpid(peer->pid, NULL, 0) == peer->pid);
	peer->pid = 0;
}

static ssize_t read_some(struct peer_conn *conn, void *data, size_t size)
{
	return conn->ssl ? SSL_read(conn->ssl, data, (int)size) : read(conn->fd, data, size);
}

bool peer_read(struct peer_conn *conn, void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read_some(conn, (char *)data + done, size - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

bool peer_write(struct peer_conn *conn, const void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		const char *rest = (const char *)data + done;
		ssize_t n =
			conn->ssl ? SSL_write(conn->ssl, rest, (int)(size - done)) : write(conn->fd, rest, size - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

bool peer_say(struct peer_conn *conn, const char *text)
{
	return peer_write(conn, text, strlen(text));
}

void peer_hang(struct peer_conn *conn)
{
	char byte;
	while (read_some(conn, &byte, 1) > 0)
		;
}

void peer_cut(struct peer_conn *conn)
{
	if (conn->ssl)
		SSL_set_quiet_shutdown(conn->ssl, 1);
	(void)shutdown(conn->fd, SHUT_WR);
}

bool peer_read_request(struct peer_conn *conn, struct peer_request *request)
{
	size_t len = 0;
	request->head[0] = '\0';
	while (!strstr(request->head, "\r\n\r\n")) {
		if (len + 1 >= sizeof(request->head) || !peer_read(conn, request->head + len, 1))
			return false;
		request->head[++len] = '\0';
	}
	const char *space = strchr(request->head, ' ');
	size_t path_len = space ? strcspn(space + 1, " ") : 0;
	NEED(space && path_len < sizeof(request->path));
	memcpy(request->path, space + 1, path_len);
	request->path[path_len] = '\0';
	const char *length = strcasestr(request->head, "\r\ncontent-length:");
	request->body_len = length ? strtoul(length + 17, NULL, 10) : 0;
	NEED(request->body_len < sizeof(request->body));
	request->body[request->body_len] = '\0';
	return peer_read(conn, request->body, request->body_len);
}

void *peer_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(memory != MAP_FAILED);
	return memory;
}
