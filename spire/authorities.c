/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of certificates. The text is the operator's, or somebody's who gave it to him; judges nothing but time.
 */
#include "spire/authorities.h"

#include <stdio.h>

#include "spire/chain.h"

#define DAY 86400

static void read_all(struct bytes pem, struct spire_certs *certs)
{
	struct spire_pem walk = SPIRE_PEM_WALK(pem);
	struct spire_pem_block block;
	bool found = false;
	while (spire_pem_next(&walk, &block, &found, NULL) == 0 && found)
		if (spire_pem_is(&block, "CERTIFICATE") && spire_certs_add(certs, &block, NULL) < 0)
			return;
}

static void look_at(X509 *cert, time_t now, struct spire_authorities *counts, void (*tell)(void *, const char *),
		    void *arg)
{
	char subject[192], when[SPIRE_TIME_TEXT], span[SPIRE_TIME_TEXT], text[SPIRE_AUTHORITIES_TEXT];
	time_t from, until;
	counts->count++;
	if (spire_cert_window(cert, &from, &until) < 0)
		return;
	bool ended = until < now;
	counts->ended += ended;
	if (!tell || until - now >= SPIRE_AUTHORITIES_SOON_DAYS * (time_t)DAY)
		return;
	spire_cert_subject(cert, subject, sizeof(subject));
	(void)snprintf(text, sizeof(text), "'%s' %s at %s, %s %s", subject, ended ? "ended" : "ends",
		       spire_time_text(when, until), spire_span_text(span, until - now), ended ? "ago" : "ahead");
	tell(arg, text);
}

struct spire_authorities spire_authorities_look(struct bytes pem, bool all, time_t now,
						void (*tell)(void *arg, const char *text), void *arg)
{
	OWNED_CERTS struct spire_certs certs = SPIRE_CERTS_INIT;
	struct spire_authorities counts = { 0 };
	read_all(pem, &certs);
	for (size_t i = 0; i < certs.count; i++)
		if (all || spire_cert_is_ca(certs.list[i]))
			look_at(certs.list[i], now, &counts, tell, arg);
	return counts;
}
