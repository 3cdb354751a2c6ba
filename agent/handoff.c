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

#define MOST_FILES 2 /* in one message */
#define WANTED_SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

union fd_control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * MOST_FILES)];
};

void handoff_files_done(struct handoff_files *files)
{
	cleanup_fd(&files->credential);
	cleanup_fd(&files->bundle);
	cleanup_fd(&files->agent_config);
}

static int send_message(int fd, const struct handoff_message *message, const int *fds, size_t fd_count, struct err *err)
{
	struct iovec io = { .iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message) };
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1 };
	union fd_control control = { 0 };
	if (fd_count > 0) {
		header.msg_control = control.space;
		header.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
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
	return send_message(fd, &message, NULL, 0, err);
}

int handoff_send_agent_plan(int fd, const struct handoff_plan *plan, const struct handoff_files *files, struct err *err)
{
	struct handoff_message message = { .kind = HANDOFF_PLAN, .plan = *plan };
	return send_message(fd, &message, &files->agent_config, 1, err);
}

int handoff_send_files(int fd, const struct handoff_files *files, const struct handoff_credential *credential,
		       struct err *err)
{
	struct handoff_message message = { .kind = HANDOFF_FILES, .credential = *credential };
	const int fds[] = { files->credential, files->bundle };
	return send_message(fd, &message, fds, ARRAY_LEN(fds), err);
}

int handoff_send_done(int fd, struct err *err)
{
	struct handoff_message message = { .kind = HANDOFF_DONE };
	return send_message(fd, &message, NULL, 0, err);
}

int handoff_send_failure(int fd, const struct err *failure, struct err *err)
{
	struct handoff_message message = { .kind = HANDOFF_FAILURE, .failure = *failure };
	return send_message(fd, &message, NULL, 0, err);
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

/* What came along. */
struct arrived {
	size_t count;
	int fds[MOST_FILES];
};

static void arrived_done(struct arrived *arrived)
{
	for (size_t i = 0; i < arrived->count && i < MOST_FILES; i++)
		cleanup_fd(&arrived->fds[i]);
}

/* Ones too many (the control buffer's padding may have room) are closed, but counted. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* in musl's CMSG_NXTHDR */
static void take_fds(struct msghdr *header, struct arrived *arrived)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++, arrived->count++) {
			if (arrived->count < MOST_FILES)
				arrived->fds[arrived->count] = fd_at(c, i);
			else
				(void)close(fd_at(c, i));
		}
	}
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

static bool plan_terminated(const struct handoff_plan *plan)
{
	return terminated(plan->agent_path, sizeof(plan->agent_path)) &&
	       terminated(plan->runtime_dir, sizeof(plan->runtime_dir)) &&
	       terminated(plan->socket_path, sizeof(plan->socket_path)) &&
	       terminated(plan->admin_socket_path, sizeof(plan->admin_socket_path)) &&
	       terminated(plan->trust_domain, sizeof(plan->trust_domain));
}

static bool well_formed(const struct handoff_message *m, size_t fd_count)
{
	switch (m->kind) {
	case HANDOFF_PLAN:
		return fd_count <= 1 && plan_terminated(&m->plan);
	case HANDOFF_FILES:
		return fd_count == 2 && m->credential.ends > 0 &&
		       terminated(m->credential.fingerprint, sizeof(m->credential.fingerprint));
	case HANDOFF_DONE:
		return fd_count == 0;
	case HANDOFF_FAILURE:
		return fd_count == 0 && terminated(m->failure.message, sizeof(m->failure.message));
	}
	return false;
}

static int check_message(const struct handoff_message *message, const struct arrived *arrived, struct err *err)
{
	if (!well_formed(message, arrived->count))
		return err_set(err, ERR_SYSTEM, "the worker sent a malformed record");
	for (size_t i = 0; i < arrived->count; i++)
		if (check_file(arrived->fds[i], err) < 0)
			return -1;
	return 0;
}

static void put_fd(int *place, int *fd)
{
	cleanup_fd(place);
	*place = TAKE_FD(*fd);
}

static void put_files(enum handoff_kind kind, struct arrived *arrived, struct handoff_files *files)
{
	if (kind == HANDOFF_PLAN && arrived->count > 0)
		put_fd(&files->agent_config, &arrived->fds[0]);
	if (kind != HANDOFF_FILES)
		return;
	put_fd(&files->credential, &arrived->fds[0]);
	put_fd(&files->bundle, &arrived->fds[1]);
}

int handoff_receive(int fd, struct handoff_message *ret_message, struct handoff_files *files, struct err *err)
{
	struct handoff_message message = { 0 };
	struct arrived arrived CLEANUP(arrived_done) = { .count = 0 };
	struct iovec io = { .iov_base = &message, .iov_len = sizeof(message) };
	union fd_control control = { 0 };
	struct msghdr header = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space)
	};
	ssize_t n;
	do {
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		take_fds(&header, &arrived);
	if (n == 0)
		return err_set(err, ERR_SYSTEM, "the worker process ended without a word");
	if (n != (ssize_t)sizeof(message) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return err_set_errno(err, ERR_SYSTEM, n < 0 ? errno : EBADMSG, "cannot read from the worker process");
	if (check_message(&message, &arrived, err) < 0)
		return -1;
	*ret_message = message;
	put_files(message.kind, &arrived, files);
	return 0;
}
