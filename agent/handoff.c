/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records between worker and parent.
 *
 * The sender may have been taken over by what it read from the network. The
 * receiver must never use an unterminated text, an unsealed file (its content could
 * change after the check) or more descriptors than it asked for.
 */
#include "agent/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define FILE_COUNT 3
#define WANTED_SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

union fd_control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * FILE_COUNT)];
};

void handoff_files_done(struct handoff_files *files)
{
	cleanup_fd(&files->credential);
	cleanup_fd(&files->agent_config);
	cleanup_fd(&files->bundle);
}

static int send_message(int fd, const struct handoff_message *message, const int *fds, struct err *err)
{
	struct iovec io = { .iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message) };
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1 };
	union fd_control control = { 0 };
	if (fds) {
		header.msg_control = control.space;
		header.msg_controllen = sizeof(control.space);
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * FILE_COUNT);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * FILE_COUNT);
	}
	ssize_t n;
	do {
		n = sendmsg(fd, &header, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*message))
		return err_set_errno(err, ERR_SYSTEM, n < 0 ? errno : EMSGSIZE,
				     "cannot hand over to the parent process");
	return 0;
}

int handoff_send_plan(int fd, const struct handoff_plan *plan, struct err *err)
{
	struct handoff_message message = { .kind = HANDOFF_PLAN, .plan = *plan };
	return send_message(fd, &message, NULL, err);
}

int handoff_send_files(int fd, const struct handoff_files *files, const struct handoff_credential *credential,
		       struct err *err)
{
	struct handoff_message message = { .kind = HANDOFF_FILES, .credential = *credential };
	const int fds[FILE_COUNT] = { files->credential, files->agent_config, files->bundle };
	return send_message(fd, &message, fds, err);
}

int handoff_send_done(int fd, struct err *err)
{
	struct handoff_message message = { .kind = HANDOFF_DONE };
	return send_message(fd, &message, NULL, err);
}

int handoff_send_failure(int fd, const struct err *failure, struct err *err)
{
	struct handoff_message message = { .kind = HANDOFF_FAILURE, .failure = *failure };
	return send_message(fd, &message, NULL, err);
}

int handoff_send_go(int fd, struct err *err)
{
	static const char go = 'g';
	if (send(fd, &go, sizeof(go), MSG_NOSIGNAL) != (ssize_t)sizeof(go))
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot tell the worker process to go on");
	return 0;
}

int handoff_await_go(int fd, struct err *err)
{
	char go;
	ssize_t n;
	do {
		n = recv(fd, &go, sizeof(go), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(go))
		return err_set(err, ERR_SYSTEM, "the parent process went away");
	return 0;
}

static int fd_at(const struct cmsghdr *c, size_t i)
{
	int fd;
	memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
	return fd;
}

/* Takes the descriptors of a message into `files` and says how many came. Ones too many (the
 * control buffer's padding has room for one) are closed. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* in musl's CMSG_NXTHDR */
static size_t take_fds(struct msghdr *header, struct handoff_files *files)
{
	size_t count = 0;
	int *const places[FILE_COUNT] = { &files->credential, &files->agent_config, &files->bundle };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++, count++) {
			if (count < FILE_COUNT)
				*places[count] = fd_at(c, i);
			else
				(void)close(fd_at(c, i));
		}
	}
	return count;
}
#pragma GCC diagnostic pop

static int check_file(int fd, struct err *err)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & WANTED_SEALS) != WANTED_SEALS)
		return err_set(err, ERR_SYSTEM, "the worker handed over a file that is not sealed");
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > HANDOFF_MAX_FILE)
		return err_set(err, ERR_SYSTEM, "the worker handed over a file of an impossible size");
	return 0;
}

static bool terminated(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static int check_message(const struct handoff_message *m, size_t fd_count, const struct handoff_files *files,
			 struct err *err)
{
	const struct handoff_plan *plan = &m->plan;
	switch (m->kind) {
	case HANDOFF_PLAN:
		if (fd_count == 0 && terminated(plan->agent_path, sizeof(plan->agent_path)) &&
		    terminated(plan->runtime_dir, sizeof(plan->runtime_dir)) &&
		    terminated(plan->socket_path, sizeof(plan->socket_path)) &&
		    terminated(plan->admin_socket_path, sizeof(plan->admin_socket_path)))
			return 0;
		break;
	case HANDOFF_FILES:
		if (fd_count == FILE_COUNT && m->credential.ends > 0 &&
		    terminated(m->credential.fingerprint, sizeof(m->credential.fingerprint)))
			return check_file(files->credential, err) < 0 || check_file(files->agent_config, err) < 0 ||
					       check_file(files->bundle, err) < 0
				       ? -1
				       : 0;
		break;
	case HANDOFF_DONE:
		if (fd_count == 0)
			return 0;
		break;
	case HANDOFF_FAILURE:
		if (fd_count == 0 && terminated(m->failure.message, sizeof(m->failure.message)))
			return 0;
		break;
	}
	return err_set(err, ERR_SYSTEM, "the worker sent a malformed record");
}

int handoff_receive(int fd, struct handoff_message *ret_message, struct handoff_files *ret_files, struct err *err)
{
	struct handoff_message message = { 0 };
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct iovec io = { .iov_base = &message, .iov_len = sizeof(message) };
	union fd_control control = { 0 };
	struct msghdr header = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space)
	};
	ssize_t n;
	do {
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	size_t fd_count = n < 0 ? 0 : take_fds(&header, &files);
	if (n == 0)
		return err_set(err, ERR_SYSTEM, "the worker process ended without a word");
	if (n != (ssize_t)sizeof(message) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return err_set_errno(err, ERR_SYSTEM, n < 0 ? errno : EBADMSG, "cannot read from the worker process");
	if (check_message(&message, fd_count, &files, err) < 0)
		return -1;
	*ret_message = message;
	*ret_files = files;
	files = (struct handoff_files)HANDOFF_FILES_INIT;
	return 0;
}
