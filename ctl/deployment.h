/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deployment.toml: all that an operator decides, in one file (deployment.toml(5)).
 *
 * It is the operator's own; every mistake is named with file, line and key, all of them in one
 * run, before anything is written or sent. Nothing here opens another file.
 */
#ifndef SEALPOD_CTL_DEPLOYMENT_H
#define SEALPOD_CTL_DEPLOYMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/toml.h"

#define DEPLOYMENT_MAX_CLASSES 256
#define DEPLOYMENT_MAX_ITEMS 4096 /* of any other list */

struct deployment_texts {
	const char **items;
	size_t count;
};

/* Trustee's formats: they changed twice (coco-protocols.md 2.2, pattern.md 0). */
enum deployment_generation {
	TRUSTEE_1_1, /* evidence named az-snp-vtpm, query_reference_value(), role claims or no admin */
	TRUSTEE_1_0, /* evidence named azsnpvtpm, data.reference, admin personas */
};

struct deployment_workload {
	const char *spiffe_id; /* the path, "/ns/…" */
	struct deployment_texts selectors;
	int64_t ttl_s; /* 0: the server's default */
	struct deployment_texts dns_names;
	const char *hint; /* NULL: none */
	unsigned line;
};

struct deployment_class {
	const char *name;	       /* unique */
	bool mint;		       /* else a leaf is fetched */
	const char *image;	       /* of the workload's container in the manifest */
	const char *agent_policy_file; /* Kata agent's policy, as genpolicy writes it; NULL: ours */
	struct deployment_workload *workloads;
	size_t workload_count; /* at least 1 */
	unsigned line;
};

/* Exactly one of value, file and random_bytes. */
struct deployment_secret {
	const char *path; /* "type/tag", below the repository */
	const char *value;
	const char *file;
	size_t random_bytes;
	struct deployment_texts classes; /* none: all */
	unsigned line;
};

struct deployment_reference {
	const char *name;
	struct deployment_texts values; /* lower-case hex */
};

/* Parts of an SNP machine's TCB that evidence names. */
enum deployment_tcb {
	TCB_BOOTLOADER,
	TCB_TEE,
	TCB_SNP,
	TCB_MICROCODE,
	TCB_PARTS,
};

struct deployment {
	const char *path;      /* of the file */
	const char *directory; /* that relative paths start from */
	const char *name;      /* prefix of ids, mark of ownership */
	const char *trust_domain;
	struct deployment_texts tees;	    /* as Trustee spells them; at least 1 */
	int64_t minimum_tcb[TCB_PARTS];	    /* of SNP machines; -1: any */
	struct deployment_texts processors; /* "milan", "genoa", "turin"; none: not said */

	const char *spire_version;
	const char *server_address;
	uint16_t server_port;
	const char *trust_bundle_file;
	bool trust_bundle_measured; /* in init-data; else a KBS resource */
	const char *api;	    /* "unix:///…" or "tcp://HOST:PORT"; NULL: not reached from here */
	const char *api_certificate, *api_key, *api_bundle;
	const char *class_name; /* of ClusterStaticEntry; NULL: none */
	const char *agent_path;
	int64_t agent_uid; /* -1: not set */

	const char *kbs_url;
	const char *kbs_ca_file;
	const char *kbs_admin_url;	/* NULL: kbs_url */
	const char *kbs_admin_key_file; /* NULL: made by build */
	enum deployment_generation generation;
	const char *repository;

	const char *measurements_file; /* NULL: none */
	struct deployment_reference *references;
	size_t reference_count;

	/* Of the pod manifests. */
	const char *pod_namespace;
	const char *runtime_class;
	const char *sealpod_image;
	const char *agent_image; /* NULL: the version's own */

	struct deployment_class *classes;
	size_t class_count; /* at least 1 */
	struct deployment_secret *secrets;
	size_t secret_count;

	struct toml_doc *doc;
	void **pool; /* what everything above points into */
	size_t pool_count, pool_size;
};

/* `path` is taken for messages and for `directory`. Each problem is logged; nothing is owned by
 * *ret_deployment on failure. ERR_CONFIG, ERR_SYSTEM. */
int deployment_parse(struct bytes text, const char *path, struct deployment *ret_deployment,
		     struct err *err) WARN_UNUSED;
int deployment_read(const char *path, struct deployment *ret_deployment, struct err *err) WARN_UNUSED;
void deployment_done(struct deployment *deployment);
#define OWNED_DEPLOYMENT CLEANUP(deployment_done)

/* Of a deployment or class: an RFC 1123 label, so that it can be part of certificates' and Kubernetes objects'
 * names. ERR_CONFIG. */
int deployment_name_check(const char *name, struct err *err) WARN_UNUSED;
/* Of a Kubernetes object: an RFC 1123 subdomain. ERR_CONFIG. */
int deployment_object_name_check(const char *name, struct err *err) WARN_UNUSED;

/* A kind of TEE as Trustee spells it; a generation of SNP machines. ERR_CONFIG with those that are known. */
int deployment_tee_check(const char *name, struct err *err) WARN_UNUSED;
int deployment_processor_check(const char *name, struct err *err) WARN_UNUSED;

/* A path of the file as seen from here, into `out` (empty). */
int deployment_path(const struct deployment *deployment, const char *path, struct buf *out,
		    struct err *err) WARN_UNUSED;

/* Is `secret` for this class? */
bool deployment_secret_is_for(const struct deployment_secret *secret, const char *class_name);

#endif
