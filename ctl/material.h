/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys, certificates and secrets of a deployment in its directory of outputs. Each is made
 * once and kept: who builds again gets the same. Names in OUT:
 *
 *     kbs-admin.key, kbs-admin.pub         Ed25519; unless deployment.toml names a key of the operator's
 *     sealed-secret.key, sealed-secret.jwk P-256 for ES256; the public half as the KBS resource of its kid
 *     x509pop/root.key, root.pem           the CA that the SPIRE server is given
 *     x509pop/CLASS.key, CLASS.pem         the class's issuer, or its leaf, with the chain below the root
 *     secrets/TYPE/TAG                     of secrets that are random
 *     kbs/resources/REPOSITORY/TYPE/TAG    what goes to the KBS, as it goes there
 */
#ifndef SEALPOD_CTL_MATERIAL_H
#define SEALPOD_CTL_MATERIAL_H

#include <time.h>

#include "ctl/guest.h"
#include "ctl/out.h"

/* Directories of certificates: those that count, and during a rotation those before and after them. */
#define MATERIAL_NOW "x509pop"
#define MATERIAL_PREVIOUS "x509pop-previous"
#define MATERIAL_NEXT "x509pop-next"
#define MATERIAL_SWITCHING MATERIAL_NEXT "/switching" /* is there while the root is being switched */

/* The KBS administrator's key, and the one that takes its place in a rotation. */
#define MATERIAL_ADMIN_KEY "kbs-admin.key"
#define MATERIAL_ADMIN_PUBLIC "kbs-admin.pub"
#define MATERIAL_NEXT_ADMIN_KEY "kbs-admin-next.key"
#define MATERIAL_NEXT_ADMIN_PUBLIC "kbs-admin-next.pub"

/* An Ed25519 pair, where there is none. ERR_CREDENTIAL for halves of two. */
int material_make_admin_key(struct out *out, const char *key, const char *public, struct err *err) WARN_UNUSED;

/* DIR/CLASS.key and DIR/CLASS.pem below CA_DIR/root, or DIR/root.key and DIR/root.pem for a class of NULL, if they are
 * missing; else they are looked at (ERR_CONFIG, ERR_CREDENTIAL). */
int material_make_certificate(const struct deployment *deployment, struct out *out,
			      const struct deployment_class *class, const char *dir, const char *ca_dir, time_t now,
			      struct err *err) WARN_UNUSED;

/* Makes what is missing, and looks at what is there. A certificate without its key, or the other way round, and a
 * rotation's step that was cut off are ERR_CONFIG. `now` decides on certificates. */
int material_make(const struct deployment *deployment, struct out *out, time_t now, struct err *err) WARN_UNUSED;

/* Writes kbs/resources, out of what material_make() made and the texts that init-data is made of. */
int material_write_resources(const struct deployment *deployment, const struct guest_material *material,
			     struct out *out, struct err *err) WARN_UNUSED;

#endif
