/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trust bundle: read, check, write anew.
 *
 * It comes from the KBS or from the configuration. It says whom the agent
 * believes, so nothing but certificates may pass into the file that the agent
 * reads; where it came from is not judged here.
 */
#include "spire/bundle.h"

#include <string.h>

#include "spire/chain.h"

void spire_bundle_done(struct spire_bundle *bundle)
{
	if (bundle)
		buf_done(&bundle->pem);
}

static int read_block(const struct spire_pem_block *block, struct spire_certs *certs, struct err *err)
{
	if (spire_pem_is_key(block))
		return err_set(err, ERR_CREDENTIAL,
			       "a private key begins in line %u: a trust bundle is public, keep keys out of it",
			       block->line);
	if (!spire_pem_is(block, "CERTIFICATE"))
		return err_set(err, ERR_CREDENTIAL,
			       "the PEM block that begins in line %u is a '%.*s'; SPIRE takes CERTIFICATE blocks only",
			       block->line, (int)(block->label.len < 64 ? block->label.len : 64), block->label.data);
	return spire_certs_add(certs, block, err);
}

static int read_all(struct bytes pem, struct spire_certs *certs, struct err *err)
{
	struct spire_pem walk = SPIRE_PEM_WALK(pem);
	for (;;) {
		struct spire_pem_block block;
		bool found = false;
		if (spire_pem_next(&walk, &block, &found, err) < 0)
			return -1;
		if (!found)
			return 0;
		if (read_block(&block, certs, err) < 0)
			return -1;
	}
}

static bool is_usable(X509 *cert, time_t now)
{
	time_t from = 0;
	time_t until = 0;
	return spire_cert_is_ca(cert) && spire_cert_window(cert, &from, &until) == 0 && now >= from && now <= until;
}

/* Of the CA certificates, none valid now, the first tells about the clock. */
static int no_usable(const struct spire_certs *certs, time_t now, struct err *err)
{
	char clock[SPIRE_TIME_TEXT];
	char when[SPIRE_TIME_TEXT];
	char span[SPIRE_TIME_TEXT];
	for (size_t i = 0; i < certs->count; i++) {
		time_t from = 0;
		time_t until = 0;
		if (!spire_cert_is_ca(certs->list[i]) || spire_cert_window(certs->list[i], &from, &until) < 0)
			continue;
		bool early = now < from;
		return err_set(err, early ? ERR_CLOCK : ERR_CREDENTIAL,
			       "none of its CA certificates is valid now: the first %s %s, %s %s (the clock says %s)",
			       early ? "begins at" : "expired at", spire_time_text(when, early ? from : until),
			       spire_span_text(span, early ? from - now : now - until), early ? "ahead" : "ago",
			       spire_time_text(clock, now));
	}
	return err_set(err, ERR_CREDENTIAL,
		       "no CA certificate (basicConstraints CA:TRUE, keyCertSign) among its %zu certificates",
		       certs->count);
}

static int write_all(const struct spire_certs *certs, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < certs->count; i++) {
		OWNED_BUF struct buf der = BUF_INIT(SPIRE_BUNDLE_MAX);
		if (spire_cert_der(certs->list[i], &der, err) < 0 ||
		    spire_pem_write(out, bytes_of_text("CERTIFICATE"), buf_bytes(&der), err) < 0)
			return -1;
	}
	return 0;
}

int spire_bundle_check(struct bytes pem, time_t now, struct spire_bundle *ret_bundle, struct err *err)
{
	OWNED_CERTS struct spire_certs certs = SPIRE_CERTS_INIT;
	if (pem.len > SPIRE_BUNDLE_MAX)
		return err_set(err, ERR_CREDENTIAL, "larger than %u bytes", SPIRE_BUNDLE_MAX);
	if (read_all(pem, &certs, err) < 0)
		return -1;
	if (certs.count == 0)
		return err_set(err, ERR_CREDENTIAL, "no PEM block 'CERTIFICATE' in it");
	OWNED_SPIRE_BUNDLE struct spire_bundle out = SPIRE_BUNDLE_INIT;
	out.count = certs.count;
	for (size_t i = 0; i < certs.count; i++)
		out.usable += is_usable(certs.list[i], now);
	if (out.usable == 0)
		return no_usable(&certs, now, err);
	if (write_all(&certs, &out.pem, err) < 0)
		return -1;
	*ret_bundle = out;
	out.pem = (struct buf)BUF_INIT(0); /* handed over */
	return 0;
}
