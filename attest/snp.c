/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of SEV-SNP.
 *
 * The report is the firmware's, the certificates are the host's. Must never send
 * a report that was not looked at, nor ask for a second one.
 */
#include "attest/snp.h"

#include <string.h>

#include "attest/look.h"
#include "attest/look_log.h"
#include "attest/sev_guest.h"
#include "attest/snp_evidence.h"
#include "attest/snp_signature.h"
#include "base/log.h"

#define PROVIDER "sev_guest"

static bool probe(const struct attester_signs *signs)
{
	return strcmp(signs->tsm_provider, PROVIDER) == 0 || (signs->sev_guest && !signs->foreign_provider);
}

/* configfs-tsm; the device only where there is none for SEV-SNP. One that fails is no reason to go to the device: it
 * is behind both. */
static int get_report(const struct attester_request *request, const struct report_data *data,
		      struct attester_evidence *evidence, struct err *err)
{
	struct err why = { 0 };
	const char *note = "";
	if (tsm_report(request->instance, PROVIDER, data, &evidence->raw, &evidence->certs, &why) == 0)
		return 0;
	if (why.code != ERR_NO_TEE) {
		*err = why;
		return -1;
	}
	if (sev_guest_report(data, 0, &evidence->raw, &evidence->certs, &note, err) < 0)
		return -1;
	if (*note)
		log_warning("%s", note);
	return 0;
}

static int look(const struct snp_report *report, const struct report_data *data, const struct digest *init_data,
		struct err *err)
{
	struct look_expected expected = { .report_data = data, .init_data = init_data };
	struct look findings;
	look_at_snp(report, &expected, &findings);
	look_log(&findings);
	return look_verdict(&findings, err);
}

/* Can the VCEK at hand be what signed the report? A VLEK is sent in any case, because nobody can fetch one, and PEM is
 * for the KBS to read. */
static int check_vcek(const struct snp_certs *certs, struct bytes raw, const struct snp_report *report, struct err *err)
{
	struct snp_cert vcek;
	if (report->signing_key != SNP_KEY_VCEK || !snp_certs_find(certs, SNP_CERT_VCEK, &vcek) ||
	    vcek.data.data[0] == '-')
		return 0;
	return snp_signature_check(raw, vcek.data, err);
}

/* A table that cannot be read, or has another's VCEK, is the host's doing: the report is good without it, for
 * then the KBS fetches the VCEK itself. */
static const struct snp_certs *open_certs(const struct attester_evidence *evidence, const struct snp_report *report,
					  struct snp_certs *certs)
{
	struct bytes table = buf_bytes(&evidence->certs);
	struct err why = { 0 };
	if (table.len == 0)
		return NULL;
	if (snp_certs_open(table, certs, &why) == 0 && check_vcek(certs, buf_bytes(&evidence->raw), report, &why) == 0)
		return certs;
	log_warning("the host's certificate table is left out: %s", why.message);
	return NULL;
}

static int collect(const struct attester_request *request, struct attester_evidence *ret_evidence, struct err *err)
{
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct report_data data = { { 0 } };
	struct snp_report report;
	struct snp_certs certs;
	struct evidence_note note = { "" };
	if (request->report_data.len > sizeof(data.bytes))
		return err_set(err, ERR_USAGE, "report data of %zu bytes; at most %zu are taken",
			       request->report_data.len, sizeof(data.bytes));
	memcpy(data.bytes, request->report_data.data, request->report_data.len);
	if (get_report(request, &data, &evidence, err) < 0 ||
	    snp_report_read(buf_bytes(&evidence.raw), &report, err) < 0 ||
	    look(&report, &data, request->init_data, err) < 0 ||
	    snp_evidence_build(&report, open_certs(&evidence, &report, &certs), &evidence.json, &note, err) < 0)
		return -1;
	if (note.text[0])
		log_info("%s", note.text);
	*ret_evidence = evidence;
	evidence = (struct attester_evidence)ATTESTER_EVIDENCE_INIT;
	return 0;
}

const struct attester snp_attester = {
	.tee = "snp",
	.found_by = ATTESTER_BY_CONFIGFS,
	.looks_for = "configfs-tsm with provider 'sev_guest', or '/dev/sev-guest'",
	.init_data_in = "HOST_DATA",
	.probe = probe,
	.collect = collect,
};
