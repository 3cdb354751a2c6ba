/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM for tests: swtpm as a child, and a transport to it that the test can look into and interfere
 * with. What the "host" does, it does between two commands of the program under test.
 * A software TPM proves nothing about hardware.
 */
#ifndef SEALPOD_TESTS_SOFT_TPM_H
#define SEALPOD_TESTS_SOFT_TPM_H

#include <sys/types.h>
#include <tss2/tss2_esys.h>

#include "base/buf.h"

#define SOFT_TPM_AK 0x81000003u

struct soft_tpm;

/* Called before a command is passed on, with its code. */
typedef void soft_tpm_hook(struct soft_tpm *tpm, TPM2_CC code, void *arg);

struct soft_tpm {
	TSS2_TCTI_CONTEXT_COMMON_V2 transport; /* to be given to tpm_open() */
	TSS2_TCTI_CONTEXT *inner;
	ESYS_CONTEXT *host;
	soft_tpm_hook *hook;
	void *arg;
	bool inside; /* the hook is running */
	unsigned commands;
	TSS2_RC refuse_with; /* the next command is answered with this, by nobody */
	TPM2_CC canned_for;  /* the next command of this code is answered with these bytes, by nobody; 0: none is */
	struct bytes canned;
	TPM2_CC last;
	pid_t pid;
	char dir[256];
};

/* False if swtpm is not installed; any other failure fails the test. */
bool soft_tpm_start(struct soft_tpm *tpm);
void soft_tpm_stop(struct soft_tpm *tpm);

/* The transport as tpm_open() takes it. */
TSS2_TCTI_CONTEXT *soft_tpm_transport(struct soft_tpm *tpm);

/* A restricted RSA-2048 signing key at this persistent handle; its modulus is appended. */
void soft_tpm_make_ak(struct soft_tpm *tpm, uint32_t handle, struct buf *ret_n);

/* As the host does them. A PCR is extended by 32 times `fill`. An index is defined at its first writing, of 2048 bytes
 * where `whole`, otherwise as long as the data. */
void soft_tpm_extend(struct soft_tpm *tpm, unsigned pcr, uint8_t fill);
void soft_tpm_put(struct soft_tpm *tpm, uint32_t index, struct bytes data, bool whole);
void soft_tpm_define(struct soft_tpm *tpm, uint32_t index, size_t size); /* and never writes it */
void soft_tpm_remove(struct soft_tpm *tpm, uint32_t index);

#endif
