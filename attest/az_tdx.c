/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of TDX on Azure.
 *
 * The TDREPORT is the paravisor's, the quote is made of it on the host and comes back by the metadata service.
 * Must never send a quote that is not of this report.
 */
#include "attest/az_tdx.h"

#include <string.h>

#include "attest/az_common.h"
#include "attest/imds.h"
#include "attest/look_log.h"
#include "attest/tdreport.h"

static bool probe(const struct attester_signs *signs)
{
	return signs->hcl_type == HCL_TDX;
}

static int look(const struct az_gathered *gathered, const struct attester_request *request, struct err *err)
{
	struct look findings = { .count = 0 };
	struct tdreport report;
	look_at_az_kind(AZ_TDX, &gathered->report, &findings);
	look_at_az(gathered, az_report_data(request->report_data), request->init_data, &findings);
	look_log(&findings);
	/* What cannot be read is not sent to be quoted. */
	return look_verdict(&findings, err) < 0 ? -1 : tdreport_read(gathered->report.hardware, &report, err);
}

static int look_at_td_quote(const struct az_gathered *gathered, struct bytes raw, struct err *err)
{
	struct tdx_quote quote;
	struct tdreport report;
	struct look same = { .count = 0 };
	struct look findings;
	/* REPORTDATA is the TDREPORT's. MRCONFIGID is not the tenant's here: init-data is in PCR 8. */
	const struct look_expected expected = { .report_data = NULL };
	if (tdx_quote_read(raw, &quote, err) < 0 || tdreport_read(gathered->report.hardware, &report, err) < 0)
		return -1;
	look_at_az_td_quote(&report, &quote.body, &same);
	if (look_verdict(&same, err) < 0) /* of what is not ours the rest is nobody's business */
		return -1;
	look_at_tdx(&quote, &expected, &findings);
	look_log(&findings);
	return look_verdict(&findings, err);
}

static int get_quote(const struct attester_request *request, struct bytes tdreport, struct buf *ret_quote,
		     struct err *err)
{
	struct http_client *client OWNED_HTTP = NULL;
	return imds_open(&client, err) < 0 ? -1 : imds_td_quote(client, tdreport, &request->deadline, ret_quote, err);
}

static int collect(const struct attester_request *request, struct attester_evidence *ret_evidence, struct err *err)
{
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct az_gathered gathered OWNED_GATHERED = AZ_GATHERED_INIT;
	if (az_gather_from_device(az_report_data(request->report_data), &request->deadline, &gathered, err) < 0 ||
	    look(&gathered, request, err) < 0 ||
	    get_quote(request, gathered.report.hardware, &evidence.certs, err) < 0 ||
	    look_at_td_quote(&gathered, buf_bytes(&evidence.certs), err) < 0 ||
	    az_evidence_build(AZ_TDX, &gathered.quoted, buf_bytes(&gathered.hcl), buf_bytes(&evidence.certs),
			      &evidence.json, err) < 0)
		return -1;
	buf_move(&evidence.raw, &gathered.hcl);
	*ret_evidence = evidence;
	evidence = (struct attester_evidence)ATTESTER_EVIDENCE_INIT;
	return 0;
}

const struct attester az_tdx_attester = {
	.tee = "az-tdx-vtpm",
	.found_by = ATTESTER_BY_VTPM,
	.looks_for = "an HCL report of type 'TDX' in '" TPM_DEVICE "'",
	.init_data_in = "PCR 8",
	.read_init_data = tpm_init_data_pcr,
	.probe = probe,
	.collect = collect,
};
