/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report on how a start went: what was sent, what came back, how the clocks differ. One screen on standard
 * error where the KBS had a word in it, a JSON file with --report, one redacted line for the termination log.
 *
 * The worker collects the facts and writes them, as text and as JSON, into two memory files that the
 * parent made; it seals them. The parent copies them, byte for byte and reading nothing, behind its error line and into
 * the file.
 */
#ifndef SEALPOD_AGENT_REPORT_H
#define SEALPOD_AGENT_REPORT_H

#include "config/config.h"
#include "base/digest.h"
#include "cdh-client/kbs_facts.h"

/* Largest of the two; what does not fit is not shown. */
#define REPORT_TEXT_MAX 16384
#define REPORT_JSON_MAX 65536
#define REPORT_EVIDENCE_MAX (2u * 1024u * 1024u)

/* In the worker. Texts are "" where something is not known (yet). */
struct report {
	char config[256]; /* where the configuration came from */
	char kbs_url[256];
	bool source_known;
	enum source_kind source;
	char tee[32];		  /* as which we attest, or as the attestation agent does */
	const char *init_data_in; /* the register that must carry it, NULL for none */
	bool has_init_data;
	struct digest init_data;
	struct buf evidence; /* the last that was gathered, as it is sent */
	struct kbs_facts kbs;
};

#define REPORT_INIT                                                                                                    \
	{                                                                                                              \
		.evidence = BUF_INIT(REPORT_EVIDENCE_MAX)                                                              \
	}
void report_done(struct report *report);

/* Is there more to say than the error's one line does? */
bool report_has_facts(const struct report *report);

/* Puts the difference of the clocks in front of an error that time may be the cause of. */
void report_explain_clock(const struct report *report, struct err *failure);

/* For people or for machines; appended to `out`. */
int report_write(const struct report *report, bool for_machines, struct buf *out, struct err *err) WARN_UNUSED;

#endif
