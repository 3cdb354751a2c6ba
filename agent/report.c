/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facts of a start, for those who must find out why it failed.
 *
 * Standard error, the file and the termination log are read by the host, so only this is
 * said: measurements, TCB, policy bits and the digest of init-data (the host started the VM with them, or gives them);
 * the KBS's address, what it answered and its Date (the error's line quotes the answer anyway); the verdict of the
 * appraisal, which the host learns by what happens, and its figures, which tell at most which of
 * the values that the host knows was disliked. Not said: reference values, claims, init-data itself,
 * nonces, tokens, cookies, keys and resources. Must never be a reason for anything: it is shown.
 */
#include "agent/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/brief.h"
#include "base/cleanup.h"
#include "base/sheet.h"

/* The KBS's own leeway for times is a minute; half of it is worth a word at credentials, too. */
#define CLOCK_SUSPECT_S 30

void report_done(struct report *report)
{
	buf_done(&report->evidence);
}

bool report_has_facts(const struct report *report)
{
	return report->kbs.answered || report->evidence.len > 0 || report->kbs.attestations > 0;
}

void report_explain_clock(const struct report *report, struct err *failure)
{
	char text[128];
	bool off = llabs((long long)report->kbs.clock_behind) >= CLOCK_SUSPECT_S;
	bool by_time =
		failure->code == ERR_CLOCK || (off && (failure->code == ERR_CREDENTIAL ||
						       strcmp(report->kbs.problem.type, "TokenVerifierError") == 0));
	if (by_time && kbs_facts_clock_text(&report->kbs, text, sizeof(text)))
		(void)err_wrap(failure, "%s", text);
}

static void show_answer(const struct kbs_facts *facts, struct sheet *sheet)
{
	if (facts->status == 0)
		return;
	sheet_number(sheet, "status", NULL, (uint64_t)facts->status);
	sheet_foreign(sheet, "asked_for", "  asked for", bytes_of_text(facts->asked));
	if (!facts->problem.type[0]) {
		sheet_text(sheet, NULL, "  said", "%d, without a reason that a KBS gives", facts->status);
		return;
	}
	sheet_foreign(sheet, "type", NULL, bytes_of_text(facts->problem.type));
	sheet_foreign(sheet, "detail", NULL, bytes_of_text(facts->problem.detail));
	char said[sizeof(facts->problem.type) + sizeof(facts->problem.detail) + 16];
	(void)snprintf(said, sizeof(said), "%d %s: %s", facts->status, facts->problem.type, facts->problem.detail);
	sheet_foreign(sheet, NULL, "  said", bytes_of_text(said));
}

static void show_clock(const struct kbs_facts *facts, struct sheet *sheet)
{
	char text[128];
	if (!kbs_facts_clock_text(facts, text, sizeof(text)))
		return;
	sheet_text(sheet, NULL, "  clock", "%s", text);
	sheet_begin(sheet, "clock", NULL);
	sheet_number(sheet, "seconds", NULL, (uint64_t)llabs((long long)facts->clock_behind));
	sheet_text(sheet, "guest_is", NULL, "%s",
		   facts->clock_behind > 0   ? "behind"
		   : facts->clock_behind < 0 ? "ahead"
					     : "equal");
	sheet_end(sheet);
}

static void show_kbs(const struct report *report, struct sheet *sheet)
{
	sheet_begin(sheet, "kbs", NULL);
	sheet_foreign(sheet, report->kbs_url[0] ? "url" : NULL, "KBS",
		      bytes_of_text(report->kbs_url[0]
					    ? report->kbs_url
					    : "asked by the guest's own component, which hides what it said"));
	sheet_number(sheet, "attestations", "  attestations", report->kbs.attestations);
	show_answer(&report->kbs, sheet);
	show_clock(&report->kbs, sheet);
	sheet_end(sheet);
}

static void show_init_data(const struct report *report, struct sheet *sheet)
{
	if (!report->has_init_data) {
		sheet_text(sheet, NULL, "init-data", "none was sent");
		return;
	}
	sheet_begin(sheet, "init_data", NULL);
	sheet_text(sheet, "algorithm", NULL, "%s", digest_alg_name(report->init_data.alg));
	sheet_hex(sheet, "digest", "init-data digest", digest_bytes(&report->init_data));
	sheet_text(sheet, "bound_in", "  bound in", "%s", report->init_data_in ? report->init_data_in : "nothing");
	sheet_end(sheet);
}

static void show_evidence(const struct report *report, struct sheet *sheet)
{
	struct err why = { 0 };
	sheet_foreign(sheet, "tee", "sent as TEE", bytes_of_text(report->tee[0] ? report->tee : "(not known)"));
	if (report->evidence.len == 0)
		return;
	sheet_begin(sheet, "evidence", NULL);
	if (brief_evidence(report->tee, buf_bytes(&report->evidence), sheet, &why) < 0)
		sheet_foreign(sheet, "unreadable", "(unreadable)", bytes_of_text(why.message));
	sheet_end(sheet);
}

static void show_claim(const struct appraisal_claim *claim, struct sheet *sheet)
{
	char label[48];
	(void)snprintf(label, sizeof(label), "  %.18s", claim->name);
	sheet_begin(sheet, NULL, NULL);
	sheet_foreign(sheet, "claim", NULL, bytes_of_text(claim->name));
	sheet_text(sheet, "value", NULL, "%d", claim->value);
	sheet_text(sheet, "tier", NULL, "%s", appraisal_tier(claim->value));
	sheet_text(sheet, NULL, label, "%d (%s)", claim->value, appraisal_tier(claim->value));
	sheet_end(sheet);
}

static void show_submod(const struct appraisal_submod *submod, struct sheet *sheet)
{
	char line[128];
	(void)snprintf(line, sizeof(line), "%s by policy '%s'", submod->status[0] ? submod->status : "(no status)",
		       submod->policy);
	sheet_begin(sheet, NULL, NULL);
	sheet_foreign(sheet, "name", NULL, bytes_of_text(submod->name));
	sheet_foreign(sheet, "ear_status", NULL, bytes_of_text(submod->status));
	sheet_foreign(sheet, "policy", NULL, bytes_of_text(submod->policy));
	sheet_foreign(sheet, NULL, "appraisal", bytes_of_text(line));
	sheet_begin_list(sheet, "trustworthiness_vector", NULL);
	for (size_t i = 0; i < submod->claim_count; i++)
		show_claim(&submod->claims[i], sheet);
	sheet_end(sheet);
	sheet_end(sheet);
}

static void show_times(const struct appraisal *appraisal, struct sheet *sheet)
{
	long long age = (long long)(time(NULL) - appraisal->issued_at);
	sheet_number(sheet, "issued_at", NULL, (uint64_t)appraisal->issued_at);
	sheet_number(sheet, "expires_at", NULL, (uint64_t)appraisal->expires_at);
	if (appraisal->issued_at > 0)
		sheet_text(sheet, NULL, "token",
			   "issued %lld s %s by this guest's clock; read without verifying its signature", llabs(age),
			   age < 0 ? "from now" : "ago");
}

static void show_appraisal(const struct report *report, struct sheet *sheet)
{
	const struct appraisal *appraisal = &report->kbs.appraisal;
	if (!report->kbs.appraised)
		return;
	sheet_begin(sheet, "appraisal", NULL);
	sheet_bool(sheet, "signature_verified", NULL, false);
	show_times(appraisal, sheet);
	sheet_begin_list(sheet, "submods", NULL);
	for (size_t i = 0; i < appraisal->submod_count; i++)
		show_submod(&appraisal->submods[i], sheet);
	sheet_end(sheet);
	sheet_end(sheet);
}

int report_write(const struct report *report, bool for_machines, struct buf *out, struct err *err)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	sheet_start(&sheet, for_machines);
	if (report->config[0])
		sheet_foreign(&sheet, "configuration", "configuration", bytes_of_text(report->config));
	if (report->source_known)
		sheet_text(&sheet, "source", "source", "%s", source_kind_name(report->source));
	if (report->source_known) {
		show_kbs(report, &sheet);
		show_init_data(report, &sheet);
		show_evidence(report, &sheet);
		show_appraisal(report, &sheet);
	}
	return sheet_write(&sheet, out, err);
}
