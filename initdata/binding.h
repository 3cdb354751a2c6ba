/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TEE must hold if this init-data is the one that it was started with.
 *
 *     HOST_DATA   32 bytes, SEV-SNP report   digest, cut or filled with zeros on the right
 *     MRCONFIGID  48 bytes, TDX              the same
 *     PCR 8       32 bytes, vTPM (Azure)     SHA-256(32 zero bytes || digest): sha256 only, and
 *                                            the register must have been zero before
 *
 * Who reads the registers is another layer; here bytes are compared.
 */
#ifndef SEALPOD_INITDATA_BINDING_H
#define SEALPOD_INITDATA_BINDING_H

#include "base/digest.h"

enum initdata_register {
	INITDATA_HOST_DATA,
	INITDATA_MRCONFIGID,
	INITDATA_PCR8,
};

#define INITDATA_REGISTER_MAX 48

struct initdata_binding {
	enum initdata_register where;
	size_t len;
	uint8_t bytes[INITDATA_REGISTER_MAX];
};

/* By that name; false for another. */
bool initdata_register_find(const char *name, enum initdata_register *ret_where);
const char *initdata_register_name(enum initdata_register where); /* "HOST_DATA", … */
size_t initdata_register_len(enum initdata_register where);

/* ERR_CONFIG for PCR 8 with a digest other than sha256. */
int initdata_expect(const struct digest *digest, enum initdata_register where, struct initdata_binding *ret_binding,
		    struct err *err) WARN_UNUSED;

/* 0 if `found` is what `digest` leads to. ERR_BINDING with both values in hex and what
 * it may come from (a register of zeros: started without init-data); ERR_CONFIG as above. */
int initdata_check_binding(const struct digest *digest, enum initdata_register where, struct bytes found,
			   struct err *err) WARN_UNUSED;

#endif
