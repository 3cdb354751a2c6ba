/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the SPIRE server knows agents by whose x509pop certificates an operator made.
 */
#ifndef SEALPOD_SPIRE_ISSUER_H
#define SEALPOD_SPIRE_ISSUER_H

#include <stdbool.h>

#include "base/buf.h"

/* The server's agent_path_template: issuer and instance where the certificate names an instance, which keeps an agent's
 * id over renewals, and its fingerprint otherwise. The issuer is in it so that who holds one class's issuer cannot take
 * an agent's id in another class. */
#define SPIRE_AGENT_PATH_TEMPLATE                                                                                      \
	"/x509pop/{{ if index .URISanSelectors \"instance\" }}{{ .Issuer.CommonName }}/"                               \
	"{{ index .URISanSelectors \"instance\" }}{{ else }}{{ .Fingerprint }}{{ end }}"

#define SPIRE_ISSUER_TEXT_MAX 512

struct spire_issuer {
	/* Of an issuer: the selector of all agents below it, "x509pop:ca:fingerprint:…". */
	char selector[SPIRE_ISSUER_TEXT_MAX];
	/* Of a leaf without its issuer, as it hangs below the root: the path of the one agent that attests with it, by
	 * the template above. The other one is "". */
	char agent_path[SPIRE_ISSUER_TEXT_MAX];
	/* A selector that agents have while they attest with what is in this PEM. */
	char mark[SPIRE_ISSUER_TEXT_MAX];
};

/* Out of a class's PEM: an issuer; a leaf and its issuer behind it; or a leaf alone. A root is refused: what stands for
 * all below it stands for the agents of all classes. ERR_CREDENTIAL. */
int spire_issuer_read(struct bytes pem, const char *trust_domain, struct spire_issuer *ret_issuer,
		      struct err *err) WARN_UNUSED;

#endif
