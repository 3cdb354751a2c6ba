/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SPIRE server's x509pop settings for a deployment: which CA it trusts, and how agents are named.
 */
#ifndef SEALPOD_CTL_SPIRE_CONFIG_H
#define SEALPOD_CTL_SPIRE_CONFIG_H

#include "ctl/out.h"

/* Appended to `text`: the block of a server.conf in HCL, or the element of its list plugins.NodeAttestor in JSON.
 * `ca_bundle_path` is the bundle's path for the server. */
int spire_config_hcl(const char *ca_bundle_path, struct buf *text, struct err *err) WARN_UNUSED;
int spire_config_json(const char *ca_bundle_path, struct buf *text, struct err *err) WARN_UNUSED;

/* What the server is to trust: the root, and during a rotation the one before or after it. PEM, appended. */
int spire_config_bundle(const struct out *out, struct buf *text, struct err *err) WARN_UNUSED;

/* OUT/spire: x509pop.hcl, x509pop.json, ca-bundle.pem. */
int spire_config_write(struct out *out, struct err *err) WARN_UNUSED;

#endif
