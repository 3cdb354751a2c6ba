/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker hands to the parent, over a SOCK_SEQPACKET pair.
 *
 * First the plan: all that the configuration says about the agent, its own configuration included, sent before the
 * worker has received a byte from the network (but for a configuration that the KBS releases), so that nothing the
 * network says can change it. Then the files (sealed memfds), or the failure. Records are of fixed
 * size; the parent trusts none of their content further than it checks.
 */
#ifndef SEALPOD_AGENT_HANDOFF_H
#define SEALPOD_AGENT_HANDOFF_H

#include <limits.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/err.h"

#define HANDOFF_MAX_FILE (1024 * 1024)
#define HANDOFF_NAME_MAX 256

struct handoff_plan {
	char agent_path[PATH_MAX];
	char runtime_dir[PATH_MAX];
	char socket_path[PATH_MAX];
	char admin_socket_path[PATH_MAX]; /* "" for none */
	char trust_domain[HANDOFF_NAME_MAX];
	bool allow_disk;
	bool supervise; /* the agent becomes a child, its credential a file */
	uid_t uid;
	gid_t gid;
	struct deadline deadline;
};

/* Sealed memory files. */
struct handoff_files {
	int credential;	  /* key and chain, one PEM */
	int bundle;	  /* trust bundle, PEM */
	int agent_config; /* agent.json; comes with the plan */
};

#define HANDOFF_FILES_INIT                                                                                             \
	{                                                                                                              \
		.credential = -1, .bundle = -1, .agent_config = -1                                                     \
	}
#define OWNED_FILES CLEANUP(handoff_files_done)
void handoff_files_done(struct handoff_files *files);

/* What there is to know of the credential; public. */
struct handoff_credential {
	int64_t ends;	      /* seconds since 1970: when the first certificate of its chain does */
	char fingerprint[41]; /* of the leaf */
};

enum handoff_kind {
	HANDOFF_PLAN = 1,
	HANDOFF_FILES,
	HANDOFF_DONE,
	HANDOFF_FAILURE,
};

struct handoff_message {
	enum handoff_kind kind;
	union {
		struct handoff_plan plan;
		struct handoff_credential credential; /* goes with the files */
		struct err failure;
	};
};

/* Each sends one message; files->agent_config goes with the plan of `run`, the two others with the files. */
int handoff_send_plan(int fd, const struct handoff_plan *plan, struct err *err) WARN_UNUSED;
int handoff_send_agent_plan(int fd, const struct handoff_plan *plan, const struct handoff_files *files,
			    struct err *err) WARN_UNUSED;
int handoff_send_files(int fd, const struct handoff_files *files, const struct handoff_credential *credential,
		       struct err *err) WARN_UNUSED;
int handoff_send_done(int fd, struct err *err) WARN_UNUSED; /* the worker has written the output itself */
int handoff_send_failure(int fd, const struct err *failure, struct err *err) WARN_UNUSED;

/* After the plan the worker waits for the parent's consent: the parent looks first whether
 * the agent and its directory are usable, before an attestation is spent. A parent that ends
 * instead is ERR_SYSTEM. */
int handoff_send_go(int fd, struct err *err) WARN_UNUSED;
int handoff_await_go(int fd, struct err *err) WARN_UNUSED;

/* Receives one message and checks its form: size, kind, texts terminated, files sealed and
 * not too large. The files that came with it take the places of earlier ones in `files`; the others stay. The end of
 * the stream is ERR_SYSTEM. */
int handoff_receive(int fd, struct handoff_message *ret_message, struct handoff_files *files,
		    struct err *err) WARN_UNUSED;

#endif
