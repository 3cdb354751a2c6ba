/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod attest`: evidence of this TEE on standard output, for people and for
 * trying things out. Evidence is public; nothing here is secret.
 *
 * The report is the hardware's, the rest is what the host says. Must write nothing
 * unless the whole evidence is there.
 */
#include <string.h>
#include <unistd.h>

#include "agent/cli.h"
#include "agent/overseer.h"
#include "agent/source.h"
#include "attest/attester.h"
#include "attest/show.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "initdata/find.h"

#define DEADLINE_MS (5 * 60 * 1000)
#define OUTPUT_MAX (8u * 1024u * 1024u)

/* The same table that `sealpodctl evidence show` prints. */
static int write_text(const struct attester *attester, const struct attester_evidence *evidence, struct buf *out,
		      struct err *err)
{
	struct buf json OWNED_BUF = BUF_INIT(OUTPUT_MAX);
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	(void)attester;
	if (json_print(evidence->json, &json, err) < 0)
		return -1;
	const struct show_kind *kind = show_find(buf_bytes(&json));
	if (!kind)
		return buf_append(out, buf_bytes(&json), err); /* the sample TEE's has nothing to explain */
	sheet_start(&sheet, false);
	sheet_text(&sheet, NULL, "kind", "%s", kind->heading);
	if (kind->show(buf_bytes(&json), &sheet, err) < 0)
		return -1;
	return sheet_write(&sheet, out, err);
}

static int write_json(const struct attester *attester, const struct attester_evidence *evidence, struct buf *out,
		      struct err *err)
{
	(void)attester;
	if (json_print(evidence->json, out, err) < 0)
		return -1;
	return buf_append_byte(out, '\n', err);
}

static int write_raw(const struct attester *attester, const struct attester_evidence *evidence, struct buf *out,
		     struct err *err)
{
	if (evidence->raw.len == 0)
		return err_set(err, ERR_USAGE, "TEE '%s' has no raw form; use '--format json'", attester->tee);
	return buf_append(out, buf_bytes(&evidence->raw), err);
}

static const struct format {
	const char *name;
	int (*write)(const struct attester *attester, const struct attester_evidence *evidence, struct buf *out,
		     struct err *err);
} formats[] = { { "text", write_text }, { "json", write_json }, { "raw", write_raw } };

static const struct format *find_format(const char *name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (!name || strcmp(formats[i].name, name) == 0)
			return &formats[i];
	(void)err_set(err, ERR_USAGE, "no format '%s'; use 'text', 'json' or 'raw'", name);
	return NULL;
}

static int read_report_data(const char *hex, struct buf *out, struct err *err)
{
	if (hex && hex_decode(bytes_of_text(hex), out, err) < 0) {
		err->code = ERR_USAGE;
		return err_wrap(err, "option '--report-data' (at most %d bytes)", REPORT_DATA_LEN);
	}
	return 0;
}

/* Init-data that lies where the guest's agents leave it must be in the report, as for `sealpod run`. There need not be
 * any. */
static const struct digest *expected_init_data(const struct attester *attester, const struct initdata_place *place,
					       const struct initdata *initdata)
{
	if (place && !attester->init_data_in)
		log_warning("TEE '%s' binds no init-data; that in '%s' is not looked for", attester->tee, place->path);
	return place && attester->init_data_in ? initdata_digest(initdata) : NULL;
}

static int collect(const struct order *order, struct bytes report_data, struct deadline deadline,
		   const struct attester **ret_attester, struct attester_evidence *evidence, struct err *err)
{
	const struct attester *attester;
	const struct initdata_place *place = NULL;
	struct initdata *initdata OWNED_INITDATA = NULL;
	struct attester_request request = { .report_data = report_data,
					    .instance = order->instance,
					    .deadline = deadline };
	if (initdata_find("/", &place, &initdata, err) < 0 ||
	    attester_detect(order->instance, order->options->tee, &attester, err) < 0)
		return -1;
	if (attester->warning)
		log_warning("%s", attester->warning);
	request.init_data = expected_init_data(attester, place, initdata);
	if (attester_collect(attester, &request, evidence, err) < 0)
		return -1;
	if (request.init_data)
		log_info("%s carries the %s digest of the init-data in '%s'", attester->init_data_in,
			 digest_alg_name(request.init_data->alg), place->path);
	*ret_attester = attester;
	return 0;
}

static int gather(const struct order *order, const struct format *format, struct bytes report_data,
		  struct deadline deadline, struct err *err)
{
	const struct attester *attester;
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct buf out OWNED_BUF = BUF_INIT(OUTPUT_MAX);
	if (collect(order, report_data, deadline, &attester, &evidence, err) < 0 ||
	    format->write(attester, &evidence, &out, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, buf_bytes(&out), err) < 0)
		return err_wrap(err, "standard output");
	return 0;
}

static int work(int fd, void *arg, struct err *err)
{
	const struct order *order = arg;
	const struct cli_options *options = order->options;
	struct buf report_data OWNED_BUF = BUF_INIT(REPORT_DATA_LEN);
	const struct format *format = find_format(options->format, err);
	int64_t ms = options->deadline_ms ? options->deadline_ms : DEADLINE_MS;
	struct handoff_plan plan = { .deadline = { .at_ms = order->started_ms + ms } };
	if (!format || read_report_data(options->report_data, &report_data, err) < 0 || source_setup(err) < 0 ||
	    handoff_send_plan(fd, &plan, err) < 0 || handoff_await_go(fd, err) < 0 ||
	    gather(order, format, buf_bytes(&report_data), plan.deadline, err) < 0)
		return -1;
	return handoff_send_done(fd, err);
}

int verb_attest(const struct cli_options *options, struct err *err)
{
	return overseer_run(options, work, err);
}
