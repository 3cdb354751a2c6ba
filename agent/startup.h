/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the configuration comes from, and so who may say what (docs/architecture.md,
 * "Who may say what"):
 *
 *   init-data            without an option; measured: the TEE's own report must carry its digest
 *   --config kbs:///…    released by the KBS, so only after attestation, through the guest's components
 *   --unmeasured-config  a file; whoever can write it decides, and a warning says so
 */
#ifndef SEALPOD_AGENT_STARTUP_H
#define SEALPOD_AGENT_STARTUP_H

#include "config/config.h"
#include "agent/overseer.h"
#include "agent/source.h"

struct startup {
	struct config config;
	struct initdata *initdata; /* NULL unless the configuration came out of it */
	struct deadline deadline;
	bool plain_rest; /* it came from whoever listens at the loopback address of api-server-rest */
};

#define OWNED_STARTUP CLEANUP(startup_done)

/* `ret_startup` must be zero. */
int startup_read(const struct order *order, enum config_need need, struct startup *ret_startup,
		 struct err *err) WARN_UNUSED;
void startup_done(struct startup *startup);

/* source_open() with what startup_read() found. */
int startup_open_source(const struct startup *startup, const struct order *order, struct source *ret_source,
			struct err *err) WARN_UNUSED;

#endif
