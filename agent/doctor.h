/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod doctor`: looks at everything that a start needs, in the order in which the start needs it, and
 * changes nothing. It asks for no hardware report unless --attest is given: some hosts give few.
 *
 * The checks are the rows of doctor_checks; this header is for the files that hold them.
 */
#ifndef SEALPOD_AGENT_DOCTOR_H
#define SEALPOD_AGENT_DOCTOR_H

#include "agent/startup.h"

enum doctor_result {
	DOCTOR_OK,
	DOCTOR_WARNING, /* works, but somebody should know */
	DOCTOR_SKIPPED, /* not looked at */
	DOCTOR_FAILED,
};

/* What a check needs and another one gives. */
enum {
	DOCTOR_CONFIG = 1,
	DOCTOR_SOURCE = 2,
	DOCTOR_KBS_NAME = 4,
	DOCTOR_KBS_TCP = 8,
	DOCTOR_KBS_TLS = 16,
	DOCTOR_KBS_ANSWER = 32,
	DOCTOR_SPIRE_NAME = 64,
};

struct addrinfo;

struct doctor {
	const struct order *order;
	struct deadline deadline;
	unsigned has; /* DOCTOR_… bits */
	struct startup startup;
	struct source source;
	const struct attester *attester; /* NULL for none */
	struct handoff_plan plan;
	struct addrinfo *kbs_addresses;
	struct addrinfo *spire_addresses;
	struct kbs_options kbs_options;
	char tee[32];	   /* as which the KBS is asked */
	struct err probe;  /* what came of asking for a challenge; code 0: one */
	char detail[1024]; /* of the check that runs */
};

struct doctor_check {
	const char *name;  /* stable, for machines */
	const char *title; /* for people */
	bool online;	   /* sends something out of the pod */
	unsigned needs, gives;
	const char *remedy; /* one line, said where it fails or warns; NULL: the error says it */
	enum doctor_result (*run)(struct doctor *doctor, struct err *err);
};

/* The one line that stands behind the title. */
void doctor_say(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* DOCTOR_OK or DOCTOR_FAILED. */
enum doctor_result doctor_result_of(int rc);

/* doctor_local.c */
enum doctor_result doctor_locked_memory(struct doctor *doctor, struct err *err);
enum doctor_result doctor_sealed_memory(struct doctor *doctor, struct err *err);
enum doctor_result doctor_configuration(struct doctor *doctor, struct err *err);
enum doctor_result doctor_agent(struct doctor *doctor, struct err *err);
enum doctor_result doctor_runtime_dir(struct doctor *doctor, struct err *err);
enum doctor_result doctor_socket_dir(struct doctor *doctor, struct err *err);
enum doctor_result doctor_tee(struct doctor *doctor, struct err *err);
enum doctor_result doctor_source(struct doctor *doctor, struct err *err);
enum doctor_result doctor_init_data(struct doctor *doctor, struct err *err);
enum doctor_result doctor_rest(struct doctor *doctor, struct err *err);

/* doctor_online.c */
enum doctor_result doctor_kbs_name(struct doctor *doctor, struct err *err);
enum doctor_result doctor_kbs_tcp(struct doctor *doctor, struct err *err);
enum doctor_result doctor_kbs_tls(struct doctor *doctor, struct err *err);
enum doctor_result doctor_kbs_auth(struct doctor *doctor, struct err *err);
enum doctor_result doctor_clock(struct doctor *doctor, struct err *err);
enum doctor_result doctor_attestation(struct doctor *doctor, struct err *err);
enum doctor_result doctor_spire_name(struct doctor *doctor, struct err *err);
enum doctor_result doctor_spire_tcp(struct doctor *doctor, struct err *err);

#endif
