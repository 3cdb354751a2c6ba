/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KBS that init-data itself names: what `sealpod.toml` need not say again.
 *
 * Out of the entry aa.toml ([token_configs.kbs] url, cert), else out of cdh.toml
 * ([kbc] name = "cc_kbc", url, kbs_cert). URL and CA come from the same entry, never
 * mixed. Files beside init-data that look the same (/run/peerpod) are the host's.
 */
#ifndef SEALPOD_INITDATA_TOML_DEFAULTS_H
#define SEALPOD_INITDATA_TOML_DEFAULTS_H

#include "initdata/document.h"

struct initdata_kbs {
	const char *entry; /* "aa.toml" or "cdh.toml"; NULL: init-data names no KBS */
	char *url;	   /* without a slash at its end; not judged further */
	char *ca_pem;	   /* NULL where none is given */
};

void initdata_kbs_done(struct initdata_kbs *kbs);
#define OWNED_INITDATA_KBS CLEANUP(initdata_kbs_done)

/* ERR_CONFIG with entry, line and key if an entry is no TOML or a key is of a wrong
 * type. *ret_kbs must be zero or is freed first. */
int initdata_kbs_defaults(const struct initdata *doc, struct initdata_kbs *ret_kbs, struct err *err) WARN_UNUSED;

#endif
