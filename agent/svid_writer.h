/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing without holding up signals: on a disk, where fsync(2) may take as long
 * as it likes, a thread of its own writes; in memory the caller itself, at once.
 */
#ifndef SEALPOD_AGENT_SVID_WRITER_H
#define SEALPOD_AGENT_SVID_WRITER_H

#include <pthread.h>

#include "agent/svid_place.h"

enum svid_writer_task { SVID_WRITER_PUBLISH, SVID_WRITER_TIDY };
enum svid_writer_state { SVID_WRITER_IDLE, SVID_WRITER_BUSY, SVID_WRITER_DONE };

struct svid_writer {
	struct svid_place *place;
	int fd; /* readable when a thread is done; -1 where there never is one */
	enum svid_writer_task task;
	enum svid_writer_state state;
	pthread_t thread;
	struct svid_files files; /* what is written */
	int rc;
	struct err err;
};

/* The place must stay where it is. */
int svid_writer_open(struct svid_place *place, struct svid_writer *ret_writer, struct err *err) WARN_UNUSED;

/* Neither of the two may be called, nor the place be touched, from svid_writer_publish() until svid_writer_result() has
 * said how it went. Takes the files over. */
void svid_writer_publish(struct svid_writer *writer, struct svid_files *files);

/* Removes the previous generation if it is time. */
void svid_writer_tidy(struct svid_writer *writer);

/* Is something on its way? */
bool svid_writer_busy(const struct svid_writer *writer);

/* To be called when `fd` is readable, and once right behind svid_writer_publish(). False: nothing has come to its end.
 * *ret_rc and *err are those of svid_place_publish(). */
bool svid_writer_result(struct svid_writer *writer, int *ret_rc, struct err *err);

/* Frees what it holds. Not while something is on its way: then the process is to leave by _exit(2). */
void svid_writer_close(struct svid_writer *writer);

#endif
