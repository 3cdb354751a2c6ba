/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The renewal of a supervised agent's credential: when it is due, and the worker that does it, a new one each
 * time. It brings credential and trust bundle; the running agent reads the first at its next
 * attestation. A renewal that fails harms nobody and is tried again until it succeeds.
 */
#ifndef SEALPOD_AGENT_RENEWAL_H
#define SEALPOD_AGENT_RENEWAL_H

#include "agent/overseer.h"
#include "agent/place.h"

/* What was started and stays as it is: a worker that plans otherwise is refused. */
struct started {
	const struct cli_options *options;
	const struct handoff_plan *plan;
	const struct place *place;
	int agent_config; /* sealed: the agent.json that is in place */
};

struct renewal {
	const struct started *started;
	struct handoff_credential credential; /* the one that is in place */
	int64_t due;			      /* by the wall clock, as certificates are */
	int64_t hastened;		      /* when it was, last */
	struct backoff backoff;
	unsigned long count;   /* renewals that succeeded */
	enum err_code trouble; /* of the last try, ERR_NONE if it went well */
	bool runs;
	bool planned; /* its plan is accepted */
	struct order order;
	struct worker worker;  /* .pid is 0 once it is reaped */
	struct deadline limit; /* for its next record */
};

/* In how many seconds a credential that ends at `ends` is renewed: after two thirds of what is left of its life,
 * an hour before its end at the latest, once a day at least; no sooner than after ten seconds, whatever it says. */
int64_t renewal_delay(int64_t ends, int64_t now);

/* `credential` was put in place just now. All that is pointed to must outlive it. */
void renewal_init(struct renewal *renewal, const struct started *started, const struct handoff_credential *credential);

/* Starts what is due, gives up what takes too long. Returns in how many milliseconds to ask again. */
int64_t renewal_step(struct renewal *renewal);

/* The descriptor to wait for, -1 while no worker runs. */
int renewal_fd(const struct renewal *renewal);

/* There is something to read. True if a renewed credential is in place now. */
bool renewal_take(struct renewal *renewal);

/* A child was reaped; it may have been the worker. */
void renewal_reaped(struct renewal *renewal, pid_t pid);

/* The agent cannot attest with what it has: renew soon, but not one time after the other. */
void renewal_hasten(struct renewal *renewal);

/* Ends a worker that runs. */
void renewal_end(struct renewal *renewal);

#endif
