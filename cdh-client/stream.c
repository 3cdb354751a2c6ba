/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing a unix socket until a deadline.
 *
 * Who listens at the path decides what comes and how slowly. Must never block
 * outside of poll(), and never be killed by a peer that goes away.
 */
#include "cdh-client/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BACKLOG_PAUSE_MS 20

static int poll_timeout(const struct deadline *deadline)
{
	if (!deadline)
		return -1;
	int64_t left = deadline_left(deadline);
	return left > INT_MAX ? INT_MAX : (int)left;
}

/* Until `events`, an error or a hang-up: what it is the next call on fd tells. */
static int wait_for(int fd, short events, const struct deadline *deadline, const char *what, struct err *err)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	for (;;) {
		int n = poll(&pfd, 1, poll_timeout(deadline));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_set_errno(err, ERR_SYSTEM, errno, "cannot wait for a socket");
		if (deadline && deadline_left(deadline) == 0)
			return err_set(err, ERR_TIMEOUT, "the time ran out while %s", what);
	}
}

static int make_address(const char *path, struct sockaddr_un *ret_address, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	if (path[0] != '/' || len >= sizeof(address.sun_path))
		return err_set(err, ERR_CONFIG, "'%s' cannot be a socket: write an absolute path of at most %zu bytes",
			       path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, len);
	*ret_address = address;
	return 0;
}

static int say_no_connection(const char *path, int why, struct err *err)
{
	if (why == EACCES || why == EPERM)
		return err_set_errno(err, ERR_CONFIG, why, "may not open socket '%s'", path);
	return err_set_errno(err, ERR_NETWORK, why, "cannot connect to socket '%s'", path);
}

int stream_connect(const char *path, const struct deadline *deadline, int *ret_fd, struct err *err)
{
	struct sockaddr_un address;
	if (make_address(path, &address, err) < 0)
		return -1;
	int fd OWNED_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot make a socket");
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EINTR)
			continue;
		/* A full queue: a unix socket has no way to wait for room in it. */
		if (errno != EAGAIN)
			return say_no_connection(path, errno, err);
		const struct deadline never = { INT64_MAX };
		if (!clock_pause(BACKLOG_PAUSE_MS, deadline ? deadline : &never))
			return err_set(err, ERR_TIMEOUT, "the time ran out while '%s' took no connection", path);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int stream_write(int fd, struct bytes data, const struct deadline *deadline, struct err *err)
{
	for (size_t done = 0; done < data.len;) {
		ssize_t n = send(fd, data.data + done, data.len - done, MSG_NOSIGNAL);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN && wait_for(fd, POLLOUT, deadline, "it took no request", err) < 0)
			return -1;
		else if (errno != EAGAIN && errno != EINTR)
			return err_set_errno(err, ERR_NETWORK, errno, "the request could not be sent");
	}
	return 0;
}

int stream_read(int fd, void *to, size_t len, const struct deadline *deadline, struct err *err)
{
	for (size_t done = 0; done < len;) {
		if (wait_for(fd, POLLIN, deadline, "waiting for its answer", err) < 0)
			return -1;
		ssize_t n = recv(fd, (uint8_t *)to + done, len - done, 0);
		if (n == 0)
			return err_set(err, ERR_NETWORK, "it closed the connection %s",
				       done > 0 ? "in the middle of an answer" : "before an answer was whole");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_set_errno(err, ERR_NETWORK, errno, "its answer could not be read");
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

bool stream_is_quiet(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	return poll(&pfd, 1, 0) == 0;
}
