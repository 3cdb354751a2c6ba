/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/handoff: the records of a worker that somebody has taken over. The first
 * byte says how many descriptors come along; what follows overlays a record.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent/handoff.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_FDS 4

static void send_record(int fd, const void *record, size_t len, unsigned fd_count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * MOST_FDS)];
	} control = { 0 };
	int fds[MOST_FDS];
	struct iovec io = { .iov_base = (void *)(uintptr_t)record, .iov_len = len };
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1 };
	for (unsigned i = 0; i < fd_count; i++)
		fds[i] = fd;
	if (fd_count > 0) {
		header.msg_control = control.space;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	if (sendmsg(fd, &header, MSG_NOSIGNAL) < 0)
		abort();
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct handoff_message record;
	struct handoff_message got;
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	int pair[2];
	if (size < 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	memset(&record, 0, sizeof(record));
	memcpy(&record, data + 2, size - 2 < sizeof(record) ? size - 2 : sizeof(record));
	/* the second byte: a whole record, or one that is too short */
	send_record(pair[1], &record, data[1] % 2 ? sizeof(record) - data[1] : sizeof(record),
		    data[0] % (MOST_FDS + 1));
	if (handoff_receive(pair[0], &got, &files, NULL) == 0) {
		bool plan = got.kind == HANDOFF_PLAN;
		bool failure = got.kind == HANDOFF_FAILURE;
		if ((plan && (!ends(got.plan.agent_path, sizeof(got.plan.agent_path)) ||
			      !ends(got.plan.trust_domain, sizeof(got.plan.trust_domain)))) ||
		    (failure && !ends(got.failure.message, sizeof(got.failure.message))))
			abort();
	}
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}
