/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the guest that a deployment leads to: the entries of a class's init-data.
 *
 *     aa.toml       attestation agent: the KBS and its CA
 *     cdh.toml      confidential data hub: the same
 *     policy.rego   Kata agent's policy: what is not named is denied
 *     sealpod.toml  what sealpod does; its KBS is that of aa.toml
 */
#ifndef SEALPOD_CTL_GUEST_H
#define SEALPOD_CTL_GUEST_H

#include "config/config.h"
#include "ctl/deployment.h"

/* What the texts are made of beside the deployment. */
struct guest_material {
	struct bytes kbs_ca;	   /* PEM; empty for a KBS without TLS */
	struct bytes trust_bundle; /* PEM */
	struct bytes sealed_key;   /* public key of sealed secrets, PEM or JWK; empty: none */
	struct bytes policy;	   /* policy.rego; empty: guest_policy() */
};

/* The whole init-data of a class. The texts have passed the readers that the guest uses. */
int guest_initdata(const struct deployment *deployment, const struct deployment_class *class,
		   const struct guest_material *material, struct buf *ret_toml, struct err *err) WARN_UNUSED;

/* What sealpod(8) would say of a sealpod.toml, by its own readers, before it asks anybody: the configuration, and the
 * CA, trust bundle and key that stand in it. `name` is for messages. ERR_CONFIG, ERR_CREDENTIAL, ERR_CLOCK. */
int guest_check(struct bytes toml, const char *name, const struct config_context *context, struct config *ret_config,
		struct err *err) WARN_UNUSED;

/* sealpod.toml for an agent that runs in a container of the pod, released by the KBS: it names the KBS itself, and
 * the directories of the pod manifest (ctl/pod.h). */
#define GUEST_RUNTIME_DIR "/run/sealpod"
#define GUEST_SOCKET_DIR "/run/spire/agent"
int guest_container_config(const struct deployment *deployment, const struct deployment_class *class,
			   const struct guest_material *material, struct buf *ret_toml, struct err *err) WARN_UNUSED;

/* What the probes of the manifest run, as JSON: the only commands that the agent policy lets the host run. */
#define GUEST_AGENT_PROBE "[\"/opt/sealpod/sealpod\", \"health\"]"
#define GUEST_SVID_PROBE "[\"/sealpod\", \"svid\", \"--directory\", \"/svids\", \"--check\"]"

/* The agent policy alone: the same for all classes. */
int guest_policy(struct buf *out, struct err *err) WARN_UNUSED;

#endif
