/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of a plain TPM.
 *
 * In a virtual machine the TPM is the host's: it can be made to say anything. Verifiers take its quote by a list of
 * keys that they trust. Must never be taken for evidence of a TEE, and never be chosen because something else failed.
 */
#include "attest/plain_tpm.h"

#include <string.h>

#include "attest/az_evidence.h"
#include "attest/look_log.h"
#include "attest/look_tpm.h"

static bool probe(const struct attester_signs *signs)
{
	(void)signs;
	return tpm_present();
}

static int read_key(struct tpm *tpm, struct buf *ret_spki, struct err *err)
{
	struct buf n OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct buf e OWNED_BUF = BUF_INIT(8);
	bool there = false;
	if (tpm_rsa_public(tpm, PLAIN_TPM_AK, &there, &n, &e, err) < 0)
		return -1;
	if (!there)
		return err_set(err, ERR_NO_TEE,
			       "the TPM has no attestation key at 0x%08x: whoever provisions this machine must make a "
			       "restricted RSA signing key persistent there, and tell the KBS of it",
			       PLAIN_TPM_AK);
	return rsa_public_spki(buf_bytes(&n), buf_bytes(&e), ret_spki, err);
}

static int look(const struct tpm_quoted *quoted, struct bytes spki, struct bytes report_data,
		const struct digest *init_data, struct err *err)
{
	struct look findings = { .count = 0 };
	const struct tpm_signer signer = {
		.spki = spki,
		.name = "the attestation key that the TPM itself names",
		.else_what = "the TPM is broken",
	};
	look_at_tpm(quoted, &signer, report_data, init_data, &findings);
	look_log(&findings);
	return look_verdict(&findings, err);
}

int plain_tpm_gather(struct tpm *tpm, const struct attester_request *request, struct attester_evidence *ret_evidence,
		     struct err *err)
{
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	uint8_t fitted[PLAIN_TPM_REPORT_DATA_LEN] = { 0 }; /* cut, or filled up with zeros */
	const struct bytes report_data = bytes_of(fitted, sizeof(fitted));
	size_t len = request->report_data.len;
	if (len > 0)
		memcpy(fitted, request->report_data.data, len < sizeof(fitted) ? len : sizeof(fitted));
	if (read_key(tpm, &spki, err) < 0 || tpm_quote_all(tpm, PLAIN_TPM_AK, report_data, &quoted, err) < 0 ||
	    look(&quoted, buf_bytes(&spki), report_data, request->init_data, err) < 0 ||
	    tpm_evidence_build(&quoted, buf_bytes(&spki), &evidence.json, err) < 0)
		return -1;
	buf_move(&evidence.raw, &quoted.message);
	attester_evidence_done(ret_evidence);
	*ret_evidence = evidence;
	evidence = (struct attester_evidence)ATTESTER_EVIDENCE_INIT;
	return 0;
}

static int collect(const struct attester_request *request, struct attester_evidence *ret_evidence, struct err *err)
{
	struct tpm *tpm OWNED_TPM = NULL;
	return tpm_open_device(&tpm, err) < 0 ? -1 : plain_tpm_gather(tpm, request, ret_evidence, err);
}

const struct attester plain_tpm_attester = {
	.tee = "tpm",
	.found_by = ATTESTER_BY_NOTHING,
	.looks_for = "'" TPM_DEVICE "', because '--tee tpm' says so",
	.init_data_in = "PCR 8",
	.read_init_data = tpm_init_data_pcr,
	.probe = probe,
	.collect = collect,
	.by_name_only = true,
	.warning = "'tpm' is no TEE: its evidence says what was measured at boot, by the word of whoever runs this "
		   "TPM (in a VM, the host), and nothing of who can read this machine's memory",
};
