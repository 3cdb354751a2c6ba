/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KBS resources that a deployment consists of, and whom each is for: one list for those who
 * write them, send them, and make the policy that releases them.
 */
#ifndef SEALPOD_CTL_RESOURCES_H
#define SEALPOD_CTL_RESOURCES_H

#include "cdh-client/uri.h"
#include "ctl/deployment.h"

/* Types of the credentials' resources; behind them stands the class's name. */
#define RESOURCES_ISSUER "x509pop-issuer-" /* minted: tag "pem", key and chain in one */
/* Fetched: as the Layered Zero Trust pattern names them. */
#define RESOURCES_KEY "spire-key-"	    /* tag "key" */
#define RESOURCES_CERTIFICATE "spire-cert-" /* tag "cert" */
/* sealpod.toml for the agent's container, which cannot see init-data; tag "toml". */
#define RESOURCES_CONFIG "sealpod-config-"
/* The public key of sealed secrets, a JWK, for all classes; its URI is the key's kid. */
#define RESOURCES_SIGNING_KEY "signing-key/sealed-secret"
/* The SPIRE server's CA certificates, for all classes, unless they are in init-data. */
#define RESOURCES_BUNDLE "spire-trust-bundle/pem"

enum resource_kind {
	RESOURCE_ISSUER,
	RESOURCE_KEY,
	RESOURCE_CERTIFICATE,
	RESOURCE_CONFIG,
	RESOURCE_SIGNING_KEY,
	RESOURCE_TRUST_BUNDLE,
	RESOURCE_SECRET,
};

struct resource {
	enum resource_kind kind;
	char path[KBS_URI_MAX];			/* "<repository>/<type>/<tag>" */
	const struct deployment_class *class;	/* of a credential or configuration, else NULL */
	const struct deployment_secret *secret; /* of RESOURCE_SECRET, else NULL */
};

/* The i-th; false past the end. Credentials and configuration in the order of the classes, the signing key, the
 * trust bundle, then the secrets. */
bool resource_at(const struct deployment *deployment, size_t i, struct resource *ret_resource);

/* An issuer, or a leaf or its key. */
bool resource_is_credential(const struct resource *resource);

bool resource_is_for(const struct resource *resource, const char *class_name);

/* RESOURCE_SIGNING_KEY or RESOURCE_TRUST_BUNDLE. */
void resource_for_all(const struct deployment *deployment, enum resource_kind kind, struct resource *ret_resource);

/* The one of this kind that belongs to the class. */
void resource_of_class(const struct deployment *deployment, const struct deployment_class *class,
		       enum resource_kind kind, struct resource *ret_resource);

#endif
