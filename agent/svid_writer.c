/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One delivery at a time, on a thread of its own where it may take long.
 *
 * The file system is the operator's; a disk answers when it likes, a network's
 * perhaps never. The thread begins with the work and ends with it: between
 * deliveries there is none. Must never be waited for.
 */
#include "agent/svid_writer.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"

#define STACK_SIZE (256 * 1024)

int svid_writer_open(struct svid_place *place, struct svid_writer *ret_writer, struct err *err)
{
	struct svid_writer writer = { .place = place, .fd = -1 };
	if (!place->in_memory)
		writer.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!place->in_memory && writer.fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot make a channel for a thread");
	*ret_writer = writer;
	return 0;
}

static void work(struct svid_writer *writer)
{
	if (writer->task == SVID_WRITER_TIDY)
		svid_place_tidy(writer->place, true);
	else
		writer->rc = svid_place_publish(writer->place, &writer->files, &writer->err);
	svid_files_done(&writer->files);
}

static void *run(void *arg)
{
	struct svid_writer *writer = arg;
	const uint64_t one = 1;
	work(writer);
	ssize_t ignored = write(writer->fd, &one, sizeof(one)); /* cannot fail: nothing was written before */
	(void)ignored;
	return NULL;
}

static int start_thread(struct svid_writer *writer)
{
	pthread_attr_t attr;
	int why = pthread_attr_init(&attr);
	if (why == 0)
		why = pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (why == 0)
		why = pthread_create(&writer->thread, &attr, run, writer);
	(void)pthread_attr_destroy(&attr);
	return why;
}

static void begin(struct svid_writer *writer, enum svid_writer_task task)
{
	writer->task = task;
	writer->rc = 0;
	writer->err = (struct err){ 0 };
	writer->state = SVID_WRITER_BUSY;
	/* Where there is no thread to be had, late is better than never. */
	if (writer->fd >= 0 && start_thread(writer) == 0)
		return;
	work(writer);
	writer->state = task == SVID_WRITER_TIDY ? SVID_WRITER_IDLE : SVID_WRITER_DONE;
}

void svid_writer_publish(struct svid_writer *writer, struct svid_files *files)
{
	writer->files = *files;
	*files = (struct svid_files){ .list = NULL };
	begin(writer, SVID_WRITER_PUBLISH);
}

void svid_writer_tidy(struct svid_writer *writer)
{
	if (writer->place->previous[0] && deadline_left(&writer->place->tidy_at) == 0)
		begin(writer, SVID_WRITER_TIDY);
}

bool svid_writer_busy(const struct svid_writer *writer)
{
	return writer->state != SVID_WRITER_IDLE;
}

bool svid_writer_result(struct svid_writer *writer, int *ret_rc, struct err *err)
{
	uint64_t count;
	if (writer->state == SVID_WRITER_BUSY && read(writer->fd, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
		(void)pthread_join(writer->thread, NULL);
		writer->state = writer->task == SVID_WRITER_TIDY ? SVID_WRITER_IDLE : SVID_WRITER_DONE;
	}
	if (writer->state != SVID_WRITER_DONE)
		return false;
	writer->state = SVID_WRITER_IDLE;
	*ret_rc = writer->rc;
	*err = writer->err;
	return true;
}

void svid_writer_close(struct svid_writer *writer)
{
	cleanup_fd(&writer->fd);
}
