/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of SEV-SNP on Azure.
 *
 * The report is the paravisor's, the VCEK is the host's. The VCEK comes first: it does not depend on the report,
 * and without it a report is spent for nothing. Must never send a report that was not looked at.
 */
#include "attest/az_snp.h"

#include <string.h>

#include "attest/az_common.h"
#include "attest/imds.h"
#include "attest/look_log.h"

static bool probe(const struct attester_signs *signs)
{
	return signs->hcl_type == HCL_SNP;
}

static int look_at_hardware(const struct az_gathered *gathered, struct bytes vcek, struct err *err)
{
	struct snp_report report;
	struct look findings;
	struct report_data data = report_data_of(&gathered->report.claims_digest);
	/* HOST_DATA is not the tenant's here: init-data is in PCR 8. */
	const struct look_expected expected = { .report_data = &data };
	if (snp_report_read(gathered->report.hardware, &report, err) < 0)
		return -1;
	look_at_snp(&report, &expected, &findings);
	look_at_az_vcek(&gathered->report, vcek, &findings);
	look_log(&findings);
	return look_verdict(&findings, err);
}

static int look(const struct az_gathered *gathered, const struct attester_request *request, struct bytes vcek,
		struct err *err)
{
	struct look findings = { .count = 0 };
	look_at_az_kind(AZ_SNP, &gathered->report, &findings);
	look_at_az(gathered, az_report_data(request->report_data), request->init_data, &findings);
	look_log(&findings);
	return look_verdict(&findings, err) < 0 || look_at_hardware(gathered, vcek, err) < 0 ? -1 : 0;
}

static int get_vcek(const struct attester_request *request, struct buf *ret_der, struct err *err)
{
	struct http_client *client OWNED_HTTP = NULL;
	return imds_open(&client, err) < 0 ? -1 : imds_vcek(client, &request->deadline, ret_der, err);
}

static int collect(const struct attester_request *request, struct attester_evidence *ret_evidence, struct err *err)
{
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	if (get_vcek(request, &evidence.certs, err) < 0 ||
	    az_gather_from_device(az_report_data(request->report_data), &request->deadline, &gathered, err) < 0 ||
	    look(&gathered, request, buf_bytes(&evidence.certs), err) < 0 ||
	    az_evidence_build(AZ_SNP, &gathered.quoted, buf_bytes(&gathered.hcl), buf_bytes(&evidence.certs),
			      &evidence.json, err) < 0)
		return -1;
	buf_move(&evidence.raw, &gathered.hcl);
	*ret_evidence = evidence;
	evidence = (struct attester_evidence)ATTESTER_EVIDENCE_INIT;
	return 0;
}

const struct attester az_snp_attester = {
	.tee = "az-snp-vtpm",
	.found_by = ATTESTER_BY_VTPM,
	.looks_for = "an HCL report of type 'SNP' in '" TPM_DEVICE "'",
	.init_data_in = "PCR 8",
	.read_init_data = tpm_init_data_pcr,
	.probe = probe,
	.collect = collect,
};
