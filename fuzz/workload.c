/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/workload_proto and what follows it: any bytes as each reply of the
 * Workload API. What is taken must hold what the header promises.
 */
#include <stdlib.h>
#include <string.h>

#include "spire/id.h"
#include "spire/jwt.h"
#include "spire/svid.h"
#include "spire/workload_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1800000000

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void try_x509(struct bytes message)
{
	static struct secret scratch; /* of the inputs before, as on a stream */
	struct workload_x509 x509 = { 0 };
	struct err err = { 0 };
	int rc = workload_decode_x509(message, &scratch, &x509, &err);
	secret_clear(&scratch);
	if (rc < 0) {
		need(err.code == ERR_PROTOCOL && !x509.svids);
		return;
	}
	need(x509.count >= 1 && x509.count <= WORKLOAD_SVIDS_MAX && x509.federated.count <= WORKLOAD_BUNDLES_MAX);
	for (size_t i = 0; i < x509.count; i++) {
		struct spire_svid svid = { .id = NULL };
		need(spire_id_parse(x509.svids[i].id, NULL, NULL, NULL) == 0 && x509.svids[i].key.len > 0);
		if (spire_svid_take(&x509.svids[i], NULL, NOW, &svid, &err) == 0)
			need(svid.not_after >= NOW && svid.authorities.all > svid.authorities.expired);
		spire_svid_done(&svid);
	}
	workload_x509_done(&x509);
}

static void try_jwts(struct bytes message)
{
	struct workload_jwts jwts = { 0 };
	int64_t expires;
	if (workload_decode_jwts(message, &jwts, NULL) < 0)
		return;
	for (size_t i = 0; i < jwts.count; i++)
		if (spire_jwt_expiry(&jwts.list[i].token, &expires, NULL) == 0)
			need(expires >= 0);
	workload_jwts_done(&jwts);
}

static void try_bundles(enum workload_bundle_kind kind, struct bytes message)
{
	struct workload_bundles bundles = { 0 };
	if (workload_decode_bundles(kind, message, &bundles, NULL) < 0)
		return;
	for (size_t i = 0; i < bundles.count; i++)
		need(workload_bundles_find(&bundles, bundles.list[i].trust_domain) == &bundles.list[i]);
	workload_bundles_done(&bundles);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes message = bytes_of(data, size);
	struct buf id = BUF_INIT(SPIRE_ID_MAX);
	need(secret_setup(NULL) == 0);
	if (size > 65536)
		return 0;
	try_x509(message);
	try_jwts(message);
	try_bundles(WORKLOAD_X509_BUNDLES, message);
	try_bundles(WORKLOAD_JWT_BUNDLES, message);
	if (workload_decode_validation(message, &id, NULL) == 0)
		need(id.len > 0);
	buf_done(&id);
	return 0;
}
