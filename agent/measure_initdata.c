/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod measure-initdata [FILE]`: for image builders, early in boot of a VM whose TEE binds
 * nothing but a vTPM (Azure). Extends PCR 8 by the init-data's digest, once.
 *
 * The init-data is the host's word until a verifier has seen PCR 8; anything that runs later in the guest could
 * extend it, too. So a register that is not in its reset state is refused, whatever is in it: a second
 * measurement would bind nothing.
 */
#include "agent/cli.h"
#include "agent/overseer.h"
#include "agent/source.h"
#include "attest/look_tpm.h"
#include "attest/tpm.h"
#include "base/cursor.h"
#include "base/log.h"
#include "initdata/find.h"

#define DEADLINE_MS (60 * 1000)

static int find_document(const char *file, struct initdata **ret_doc, struct err *err)
{
	const struct initdata_place *place = NULL;
	if (file)
		return initdata_read_file(file, ret_doc, err);
	if (initdata_find("/", &place, ret_doc, err) < 0)
		return -1;
	if (!place)
		return err_set(err, ERR_CONFIG, "no init-data to measure: neither '%s' nor '%s' exists",
			       initdata_places[0].path, initdata_places[1].path);
	return 0;
}

static int check_reset(const struct tpm_pcrs *pcrs, const struct digest *wanted, struct err *err)
{
	const struct bytes now = bytes_of(pcrs->values[TPM_INIT_DATA_PCR], TPM_PCR_LEN);
	if (bytes_are_zero(now))
		return 0;
	if (bytes_equal(now, digest_bytes(wanted)))
		return err_set(err, ERR_BINDING, "PCR 8 was extended by this very init-data already; nothing was done");
	return err_set(err, ERR_BINDING,
		       "PCR 8 is not in its reset state: other init-data, or something else, was measured into it "
		       "since the VM "
		       "started; nothing was done");
}

static int measure(struct tpm *tpm, const struct digest *digest, struct err *err)
{
	struct digest wanted;
	struct tpm_pcrs pcrs;
	if (tpm_pcr8_of(digest, &wanted, err) < 0 || tpm_pcr_read(tpm, &pcrs, err) < 0 ||
	    check_reset(&pcrs, &wanted, err) < 0 ||
	    tpm_pcr_extend(tpm, TPM_INIT_DATA_PCR, digest_bytes(digest), err) < 0 || tpm_pcr_read(tpm, &pcrs, err) < 0)
		return -1;
	if (!bytes_equal(bytes_of(pcrs.values[TPM_INIT_DATA_PCR], TPM_PCR_LEN), digest_bytes(&wanted)))
		return err_set(err, ERR_BINDING,
			       "PCR 8 was extended by something else at the same time; start the VM anew");
	return 0;
}

/* Two of us at once would both read zeros and both extend, hence the lock. Others that extend PCR 8 do not ask. */
static int work(int fd, void *arg, struct err *err)
{
	const struct order *order = arg;
	int64_t ms = order->options->deadline_ms ? order->options->deadline_ms : DEADLINE_MS;
	struct handoff_plan plan = { .deadline = { .at_ms = order->started_ms + ms } };
	struct initdata *doc OWNED_INITDATA = NULL;
	struct tpm *tpm OWNED_TPM = NULL;
	int lock OWNED_FD = -1;
	if (source_setup(err) < 0 || handoff_send_plan(fd, &plan, err) < 0 || handoff_await_go(fd, err) < 0 ||
	    find_document(order->options->operand, &doc, err) < 0 || tpm_lock_device(&plan.deadline, &lock, err) < 0 ||
	    tpm_open_device(&tpm, err) < 0 || measure(tpm, initdata_digest(doc), err) < 0)
		return -1;
	log_info("the init-data's digest was measured into PCR 8");
	return handoff_send_done(fd, err);
}

int verb_measure_initdata(const struct cli_options *options, struct err *err)
{
	return overseer_run(options, work, err);
}
