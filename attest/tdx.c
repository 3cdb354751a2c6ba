/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of TDX.
 *
 * The quote is made on the host from the TD's report; the event log lies in memory that the
 * firmware wrote. Must never send a log that does not replay to the quote's registers: the verifier would
 * refuse the whole.
 */
#include "attest/tdx.h"

#include <string.h>

#include "attest/cc_eventlog.h"
#include "attest/look.h"
#include "attest/look_log.h"
#include "attest/tdx_evidence.h"
#include "attest/tdx_guest.h"
#include "base/log.h"

#define PROVIDER "tdx_guest"

static bool probe(const struct attester_signs *signs)
{
	return strcmp(signs->tsm_provider, PROVIDER) == 0 || (signs->tdx_guest && !signs->foreign_provider);
}

static int look(const struct tdx_quote *quote, const struct report_data *data, const struct digest *init_data,
		struct err *err)
{
	struct look_expected expected = { .report_data = data, .init_data = init_data };
	struct look findings;
	look_at_tdx(quote, &expected, &findings);
	look_log(&findings);
	return look_verdict(&findings, err);
}

static int build(struct attester_evidence *evidence, const struct report_data *data, const struct digest *init_data,
		 struct err *err)
{
	struct tdx_quote quote;
	struct evidence_note note = { "" };
	struct buf log OWNED_BUF = BUF_INIT(EVENTLOG_MAX);
	if (tdx_quote_read(buf_bytes(&evidence->raw), &quote, err) < 0 || look(&quote, data, init_data, err) < 0)
		return -1;
	cc_eventlog_read(&log);
	if (tdx_evidence_build(buf_bytes(&evidence->raw), &quote, buf_bytes(&log), &evidence->json, &note, err) < 0)
		return -1;
	if (note.text[0])
		log_warning("%s", note.text);
	return 0;
}

static int collect(const struct attester_request *request, struct attester_evidence *ret_evidence, struct err *err)
{
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct report_data data = { { 0 } };
	if (request->report_data.len > sizeof(data.bytes))
		return err_set(err, ERR_USAGE, "report data of %zu bytes; at most %zu are taken",
			       request->report_data.len, sizeof(data.bytes));
	memcpy(data.bytes, request->report_data.data, request->report_data.len);
	if (tsm_report(request->instance, PROVIDER, &data, &evidence.raw, &evidence.certs, err) < 0 ||
	    build(&evidence, &data, request->init_data, err) < 0)
		return -1;
	*ret_evidence = evidence;
	evidence = (struct attester_evidence)ATTESTER_EVIDENCE_INIT;
	return 0;
}

const struct attester tdx_attester = {
	.tee = "tdx",
	.found_by = ATTESTER_BY_CONFIGFS,
	.looks_for = "configfs-tsm with provider 'tdx_guest', or '/dev/tdx_guest'",
	.init_data_in = "MRCONFIGID",
	.read_init_data = tdx_guest_mrconfigid,
	.probe = probe,
	.collect = collect,
};
