/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names the resources of a deployment. What goes into a path was checked when deployment.toml was read.
 */
#include "ctl/resources.h"

#include <stdio.h>
#include <string.h>

void resource_of_class(const struct deployment *deployment, const struct deployment_class *class,
		       enum resource_kind kind, struct resource *ret_resource)
{
	static const struct {
		const char *type, *tag;
	} names[] = {
		[RESOURCE_ISSUER] = { RESOURCES_ISSUER, "pem" },
		[RESOURCE_KEY] = { RESOURCES_KEY, "key" },
		[RESOURCE_CERTIFICATE] = { RESOURCES_CERTIFICATE, "cert" },
		[RESOURCE_CONFIG] = { RESOURCES_CONFIG, "toml" },
	};
	*ret_resource = (struct resource){ .kind = kind, .class = class };
	(void)snprintf(ret_resource->path, sizeof(ret_resource->path), "%s/%s%s/%s", deployment->repository,
		       names[kind].type, class->name, names[kind].tag);
}

void resource_for_all(const struct deployment *deployment, enum resource_kind kind, struct resource *ret_resource)
{
	*ret_resource = (struct resource){ .kind = kind };
	(void)snprintf(ret_resource->path, sizeof(ret_resource->path), "%s/%s", deployment->repository,
		       kind == RESOURCE_SIGNING_KEY ? RESOURCES_SIGNING_KEY : RESOURCES_BUNDLE);
}

static void resource_of_secret(const struct deployment *deployment, const struct deployment_secret *secret,
			       struct resource *ret_resource)
{
	*ret_resource = (struct resource){ .kind = RESOURCE_SECRET, .secret = secret };
	(void)snprintf(ret_resource->path, sizeof(ret_resource->path), "%s/%s", deployment->repository, secret->path);
}

/* The kinds of a class, in order. */
static enum resource_kind kind_at(const struct deployment_class *class, size_t i)
{
	static const enum resource_kind minted[] = { RESOURCE_ISSUER, RESOURCE_CONFIG };
	static const enum resource_kind fetched[] = { RESOURCE_KEY, RESOURCE_CERTIFICATE, RESOURCE_CONFIG };
	return class->mint ? minted[i] : fetched[i];
}

bool resource_at(const struct deployment *deployment, size_t i, struct resource *ret_resource)
{
	for (size_t k = 0; k < deployment->class_count; k++) {
		const struct deployment_class *class = &deployment->classes[k];
		size_t count = class->mint ? 2 : 3;
		if (i < count) {
			resource_of_class(deployment, class, kind_at(class, i), ret_resource);
			return true;
		}
		i -= count;
	}
	size_t shared = deployment->trust_bundle_measured ? 1 : 2;
	if (i < shared) {
		resource_for_all(deployment, i == 0 ? RESOURCE_SIGNING_KEY : RESOURCE_TRUST_BUNDLE, ret_resource);
		return true;
	}
	if (i - shared >= deployment->secret_count)
		return false;
	resource_of_secret(deployment, &deployment->secrets[i - shared], ret_resource);
	return true;
}

bool resource_is_credential(const struct resource *resource)
{
	return resource->class && resource->kind != RESOURCE_CONFIG;
}

bool resource_is_for(const struct resource *resource, const char *class_name)
{
	if (resource->class)
		return strcmp(resource->class->name, class_name) == 0;
	return !resource->secret || deployment_secret_is_for(resource->secret, class_name);
}
