/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's word to others.
 *
 * NOTIFY_SOCKET is whoever started us's, the file is read by everybody: must never
 * say what is not public. Reading the file, we believe only what the socket
 * confirms.
 */
#include "agent/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/harden.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

#define STATUS_MAX 4096u

static int render(const struct status *status, struct buf *out, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	if (json_new_object(&doc, err) < 0 || json_add_u64(doc, "pid", (uint64_t)getpid(), err) < 0 ||
	    json_add_u64(doc, "agent_pid", status->agent_pid, err) < 0 ||
	    json_add_bool(doc, "ready", status->ready, err) < 0 ||
	    json_add_string(doc, "socket", status->socket, err) < 0 ||
	    json_add_u64(doc, "credential_ends", (uint64_t)status->credential_ends, err) < 0 ||
	    json_add_u64(doc, "renewal_due", (uint64_t)status->renewal_due, err) < 0 ||
	    json_add_u64(doc, "renewals", status->renewals, err) < 0 ||
	    json_add_u64(doc, "restarts", status->restarts, err) < 0 ||
	    json_add_string(doc, "trouble", status->trouble, err) < 0)
		return -1;
	return json_print(doc, out, err) < 0 ? -1 : buf_append_byte(out, '\n', err);
}

int status_write(int dir, const struct status *status, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(STATUS_MAX);
	struct file_owner self = { .uid = geteuid(), .gid = getegid() };
	if (render(status, &text, err) < 0 || file_replace(dir, STATUS_FILE, buf_bytes(&text), 0644, self, err) < 0)
		return err_wrap(err, "status file");
	return 0;
}

static int parse(struct bytes text, struct buf *socket, int64_t *ret_ends, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	const char *path;
	uint64_t ends;
	if (json_parse(text, STATUS_MAX, &doc, err) < 0 || json_get_string(doc, "socket", &path, err) < 0 ||
	    json_get_u64(doc, "credential_ends", &ends, err) < 0 || buf_append_text(socket, path, err) < 0)
		return -1;
	*ret_ends = (int64_t)ends;
	return 0;
}

int status_read(const char *dir, struct buf *socket, int64_t *ret_credential_ends, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(STATUS_MAX);
	int fd OWNED_FD = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || faccessat(fd, STATUS_FILE, F_OK, 0) < 0)
		return err_set_errno(err, ERR_MISSING, errno,
				     "no 'sealpod run --supervise' is at work with '%s' (no '" STATUS_FILE "' there)",
				     dir);
	if (file_read(fd, STATUS_FILE, &text, err) < 0 ||
	    parse(buf_bytes(&text), socket, ret_credential_ends, err) < 0) {
		if (err)
			err->code = ERR_MISSING;
		return err_wrap(err, "'%s/" STATUS_FILE "'", dir);
	}
	return 0;
}

/* The socket's address; a path that begins with '@' is one of the abstract kind. */
static bool address_of(const char *path, struct sockaddr_un *ret_address, socklen_t *ret_len)
{
	size_t len = strlen(path);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	*ret_address = address;
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '@' ? 0 : 1));
	return true;
}

int status_connect(const char *socket_path, struct err *err)
{
	struct sockaddr_un address;
	socklen_t len;
	if (socket_path[0] != '/' || !address_of(socket_path, &address, &len))
		return err_set(err, ERR_NETWORK, "'%s' is no path of a socket", socket_path);
	int fd OWNED_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, len) < 0)
		return err_set_errno(err, ERR_NETWORK, errno, "the agent's Workload API '%s' does not answer",
				     socket_path);
	return 0;
}

void status_notify(const char *text)
{
	const char *path = harden_inherited_variable("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t len;
	if (!path || !address_of(path, &address, &len))
		return;
	int fd OWNED_FD = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, len);
}
