/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Layered Zero Trust layouts. Names and keys are those of the pattern's charts; the values are
 * ours. Secrets stand in 0600 files and in no other.
 */
#include "ctl/layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "cdh-client/seal.h"
#include "ctl/measurements.h"
#include "ctl/resources.h"
#include "ctl/yaml.h"
#include "initdata/binding.h"
#include "initdata/document.h"

#define TEXT_MAX (4u << 20)
#define NAME_SIZE 512
#define SEALED_FILE "spire-agent-sealed-creds.yaml"

#define NS_IMPERATIVE "imperative"
#define NS_TRUSTEE "trustee-operator-system"
#define NS_SPIRE "zero-trust-workload-identity-manager"

struct layout {
	const char *name;
	const char *place; /* in the outputs */
	enum deployment_generation generation;
	const char *generation_name;
	bool has_admin;		   /* the KBS takes an administrator's key */
	bool by_vault;		   /* Secrets for the KBS come out of Vault alone */
	bool init_data_has_parts;  /* ConfigMap initdata also holds the document in plain text */
	const char *secrets_dir;   /* where the operator's own files are looked for */
	const char *policy_key;	   /* of ConfigMap resource-policy */
	const char *values_secret; /* name of the values file */
	/* Lines of metadata, or NULL. Without the annotation the operator takes policies for those of an older one, and
	 * deletes them. */
	const char *policy_notes;
	const char *init_data_notes;
};

static const struct layout layouts[] = {
	{
		.name = "layered-zero-trust",
		.place = "layout/layered-zero-trust/",
		.generation = TRUSTEE_1_0,
		.generation_name = "trustee-1.0",
		.has_admin = true,
		.secrets_dir = "~/.config/validated-patterns/trustee",
		.policy_key = "policy.rego",
		.values_secret = "values-secret-layered-zero-trust.yaml",
	},
	{
		.name = "coco-pattern",
		.place = "layout/coco-pattern/",
		.generation = TRUSTEE_1_1,
		.generation_name = "trustee-1.1",
		.by_vault = true,
		.init_data_has_parts = true,
		.secrets_dir = "~/.coco-pattern",
		.policy_key = "resource-policy.rego",
		.values_secret = "values-secret-coco-pattern.yaml",
		.policy_notes = "  annotations:\n    kbs.confidentialcontainers.org/migrated-from-v1.1.0: \"v1.2.0\"\n",
		.init_data_notes = "  labels:\n    coco.io/type: \"initdata\"\n",
	},
};

struct job {
	const struct layout *layout;
	const struct deployment *deployment;
	const struct deployment_class *class;
	struct out *out;
};

static int put(const struct job *job, const char *name, bool is_private, const struct buf *text, struct err *err)
{
	char path[NAME_SIZE];
	(void)snprintf(path, sizeof(path), "%s%s", job->layout->place, name);
	if (is_private)
		return out_replace_private(job->out, path, buf_bytes(text), err);
	return out_write(job->out, path, buf_bytes(text), err);
}

/* --- init-data --- */

static int append_parts(const struct initdata *doc, struct buf *text, struct err *err)
{
	struct initdata_entry entry;
	if (yaml_data(text, YAML_CONFIG_MAP, "version", bytes_of_text(INITDATA_VERSION), err) < 0 ||
	    yaml_data(text, YAML_CONFIG_MAP, "algorithm", bytes_of_text("sha256"), err) < 0)
		return -1;
	for (size_t i = 0; initdata_entry_at(doc, i, &entry); i++) {
		char key[NAME_SIZE];
		(void)snprintf(key, sizeof(key), "%.*s", (int)entry.name.len, (const char *)entry.name.data);
		if (yaml_data(text, YAML_CONFIG_MAP, key, entry.text, err) < 0)
			return -1;
	}
	return 0;
}

static int append_hex(struct buf *text, const char *key, struct bytes value, struct err *err)
{
	OWNED_BUF struct buf hex = BUF_INIT(NAME_SIZE);
	if (hex_encode(value, &hex, err) < 0)
		return -1;
	return yaml_data(text, YAML_CONFIG_MAP, key, buf_bytes(&hex), err);
}

static int read_class(const struct job *job, const char *ending, struct buf *content, struct err *err)
{
	char name[NAME_SIZE];
	(void)snprintf(name, sizeof(name), "initdata/%s.%s", job->class->name, ending);
	return out_read(job->out, name, content, err);
}

static int append_initdata(const struct job *job, const char *name, struct buf *text, struct err *err)
{
	OWNED_BUF struct buf toml = BUF_INIT(TEXT_MAX);
	OWNED_BUF struct buf annotation = BUF_INIT(TEXT_MAX);
	OWNED_INITDATA struct initdata *doc = NULL;
	struct initdata_binding pcr8;
	if (read_class(job, "toml", &toml, err) < 0 || read_class(job, "annotation", &annotation, err) < 0 ||
	    initdata_parse(buf_bytes(&toml), &doc, err) < 0 ||
	    initdata_expect(initdata_digest(doc), INITDATA_PCR8, &pcr8, err) < 0 ||
	    yaml_object(text, YAML_CONFIG_MAP, NS_IMPERATIVE, name, job->layout->init_data_notes, err) < 0 ||
	    yaml_data(text, YAML_CONFIG_MAP, "INITDATA", buf_bytes(&annotation), err) < 0 ||
	    append_hex(text, "PCR8_HASH", bytes_of(pcr8.bytes, pcr8.len), err) < 0)
		return -1;
	if (!job->layout->init_data_has_parts)
		return 0;
	if (append_hex(text, "RAW_HASH", digest_bytes(initdata_digest(doc)), err) < 0)
		return -1;
	return append_parts(doc, text, err);
}

/* The newer charts read a second one, whose policy lets the host do anything. Ours is the first once more. */
static int write_initdata(const struct job *job, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	if (append_initdata(job, "initdata", &text, err) < 0)
		return -1;
	if (job->layout->init_data_has_parts && append_initdata(job, "debug-initdata", &text, err) < 0)
		return -1;
	return put(job, "initdata.yaml", false, &text, err);
}

/* --- PCR values: {"measurements":{"sha256":{"pcr03":"…"}}}, one value each --- */

static int copy_pcr(const struct json *pcrs, const char *name, struct json *bank, struct err *err)
{
	const struct json *values = json_member(pcrs, name);
	const struct json *value = values ? json_first(values) : NULL;
	if (!value)
		return err_set(err, ERR_CONFIG, "the measurements have no '%s', which the pattern's policy asks for",
			       name);
	if (json_count(values) > 1)
		return err_set(err, ERR_CONFIG,
			       "the measurements have %zu values of '%s'; the pattern has a place for one",
			       json_count(values), name);
	return json_add_string(bank, name, json_text(value), err);
}

static int write_measurements(const struct job *job, struct err *err)
{
	static const char *const names[] = { "pcr03", "pcr09", "pcr11", "pcr12" };
	OWNED_BUF struct buf path = BUF_INIT(TEXT_MAX);
	OWNED_BUF struct buf file = BUF_INIT(MEASUREMENTS_MAX);
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	OWNED_JSON struct json *pcrs = NULL;
	OWNED_JSON struct json *root = NULL;
	struct json *measurements, *bank;
	if (!job->deployment->measurements_file)
		return err_set(err, ERR_CONFIG,
			       "key 'image.measurements_file': is missing: the pattern knows images by "
			       "their PCR values");
	if (deployment_path(job->deployment, job->deployment->measurements_file, &path, err) < 0 ||
	    file_read(AT_FDCWD, buf_text(&path), &file, err) < 0 ||
	    measurements_parse(buf_bytes(&file), &pcrs, err) < 0 || json_new_object(&root, err) < 0 ||
	    json_add_object(root, "measurements", &measurements, err) < 0 ||
	    json_add_object(measurements, "sha256", &bank, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (copy_pcr(pcrs, names[i], bank, err) < 0)
			return -1;
	if (json_print(root, &text, err) < 0)
		return -1;
	return put(job, "trustee/measurements.json", false, &text, err);
}

/* --- keys --- */

static int copy_public(const struct job *job, const char *from, const char *to, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	if (out_read(job->out, from, &text, err) < 0)
		return -1;
	return put(job, to, false, &text, err);
}

static int copy_private(const struct job *job, const char *from, const char *to, struct err *err)
{
	char path[NAME_SIZE];
	struct secret content OWNED_SECRET = SECRET_INIT;
	(void)snprintf(path, sizeof(path), "%s%s", job->layout->place, to);
	if (out_read_private(job->out, from, &content, err) < 0)
		return -1;
	return out_replace_private(job->out, path, secret_bytes(&content), err);
}

static int write_keys(const struct job *job, struct err *err)
{
	if (!job->layout->has_admin) {
		if (copy_private(job, "sealed-secret.key", "trustee/sealed-secrets-signing.key", err) < 0)
			return -1;
		return copy_public(job, "sealed-secret.jwk", "trustee/sealed-secrets-signing-pub.jwk", err);
	}
	if (job->deployment->kbs_admin_key_file)
		return 0; /* the operator has both halves */
	if (copy_private(job, "kbs-admin.key", "trustee/kbsPrivateKey", err) < 0)
		return -1;
	return copy_public(job, "kbs-admin.pub", "trustee/kbsPublicKey", err);
}

/* --- the values file: what the operator loads into Vault --- */

static const char values_common[] =
	"# Written by sealpodctl. Secrets are made in Vault, or read from the files named here.\n"
	"version: \"2.0\"\n"
	"secrets:\n"
	"- name: securityPolicyConfig\n"
	"  vaultPrefixes: [hub]\n"
	"  fields:\n"
	"  - name: insecure\n"
	"    value: '{\"default\":[{\"type\":\"insecureAcceptAnything\"}],\"transports\":{}}'\n"
	"  - name: reject\n"
	"    value: '{\"default\":[{\"type\":\"reject\"}],\"transports\":{}}'\n"
	"  - name: signed\n"
	"    value: '{\"default\":[{\"type\":\"reject\"}],\"transports\":{}}'\n"
	"- name: attestationStatus\n"
	"  vaultPrefixes: [hub]\n"
	"  fields:\n"
	"  - name: status\n"
	"    value: attested\n"
	"  - name: random\n"
	"    onMissingValue: generate\n"
	"    vaultPolicy: validatedPatternDefaultPolicy\n"
	"- name: passphrase\n"
	"  vaultPrefixes: [hub]\n"
	"  fields:\n"
	"  - name: passphrase\n"
	"    onMissingValue: generate\n"
	"    vaultPolicy: validatedPatternDefaultPolicy\n";

/* --- KBS resources: default/<Secret>/<key> --- */

/* "default/type/tag": the two names. */
static void split_path(const struct resource *resource, char type[NAME_SIZE], const char **tag)
{
	const char *first = strchr(resource->path, '/') + 1;
	const char *second = strchr(first, '/');
	(void)snprintf(type, NAME_SIZE, "%.*s", (int)(second - first), first);
	*tag = second + 1;
}

/* Those that the pattern makes itself, from Vault. */
static bool is_the_patterns(const struct job *job, const char *type)
{
	return strcmp(type, "attestation-status") == 0 || strcmp(type, "passphrase") == 0 ||
	       (job->layout->by_vault && strcmp(type, "signing-key") == 0);
}

typedef int each_fn(const struct job *job, const struct resource *resource, const char *type, const char *tag,
		    struct buf *text, struct err *err);

/* The resources of one type, from the i-th on, which is the first. */
static int each_tag(const struct job *job, size_t i, const char *type, each_fn *each, struct buf *text, struct err *err)
{
	struct resource resource;
	char other[NAME_SIZE];
	const char *tag;
	for (; resource_at(job->deployment, i, &resource); i++) {
		split_path(&resource, other, &tag);
		if (strcmp(other, type) == 0 && each(job, &resource, type, tag, text, err) < 0)
			return err_wrap(err, "resource '%s'", resource.path);
	}
	return 0;
}

static bool is_first(const struct job *job, size_t i, const char *type)
{
	struct resource resource;
	char other[NAME_SIZE];
	const char *tag;
	for (size_t k = 0; k < i && resource_at(job->deployment, k, &resource); k++) {
		split_path(&resource, other, &tag);
		if (strcmp(other, type) == 0)
			return false;
	}
	return true;
}

/* The next type from the *i-th resource on; false behind the last. */
static bool next_type(const struct job *job, size_t *i, char type[NAME_SIZE])
{
	struct resource resource;
	const char *tag;
	for (; resource_at(job->deployment, *i, &resource); (*i)++) {
		split_path(&resource, type, &tag);
		if (!is_the_patterns(job, type) && is_first(job, *i, type))
			return true;
	}
	return false;
}

static int append_key(const struct job *job, const struct resource *resource, const char *type, const char *tag,
		      struct buf *text, struct err *err)
{
	char file[NAME_SIZE * 2];
	struct secret content OWNED_SECRET = SECRET_INIT;
	(void)type;
	(void)snprintf(file, sizeof(file), "kbs/resources/%s", resource->path);
	if (out_read_private(job->out, file, &content, err) < 0)
		return -1;
	return yaml_data(text, YAML_SECRET, tag, secret_bytes(&content), err);
}

static int write_secrets(const struct job *job, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	OWNED_BUF struct buf values = BUF_INIT(TEXT_MAX);
	char type[NAME_SIZE];
	if (buf_append_text(&values, "# For the values of the trustee chart.\nkbs:\n  extraSecrets:\n", err) < 0)
		return -1;
	for (size_t i = 0; next_type(job, &i, type); i++)
		if (deployment_object_name_check(type, err) < 0 ||
		    yaml_object(&text, YAML_SECRET, NS_TRUSTEE, type, NULL, err) < 0 ||
		    each_tag(job, i, type, append_key, &text, err) < 0 || yaml_line(&values, "  - ", type, err) < 0)
			return -1;
	if (put(job, "kbs-secrets.yaml", true, &text, err) < 0)
		return -1;
	return put(job, "values-trustee.yaml", false, &values, err);
}

static bool is_text(struct bytes content)
{
	for (size_t i = 0; i < content.len; i++) {
		uint8_t c = content.data[i];
		if (c >= 0x7f || (c < 0x20 && c != '\t' && c != '\r' && c != '\n'))
			return false;
	}
	return true;
}

static int append_field(const struct job *job, const struct resource *resource, const char *type, const char *tag,
			struct buf *text, struct err *err)
{
	char from[NAME_SIZE * 2], to[NAME_SIZE * 2];
	struct secret content OWNED_SECRET = SECRET_INIT;
	(void)snprintf(from, sizeof(from), "kbs/resources/%s", resource->path);
	(void)snprintf(to, sizeof(to), "trustee/kbs/%s/%s", type, tag);
	if (out_read_private(job->out, from, &content, err) < 0)
		return -1;
	if (!is_text(secret_bytes(&content)))
		return err_set(err, ERR_CONFIG, "is no ASCII text, as which Vault takes files");
	if (yaml_line(text, "  - name: ", tag, err) < 0 ||
	    buf_printf(text, err, "    path: \"%s/kbs/%s/%s\"\n", job->layout->secrets_dir, type, tag) < 0)
		return -1;
	return copy_private(job, from, to, err);
}

/* The newest chart takes no extraSecrets on Azure: each is an entry of Vault, and of secretResources. */
static int write_vault(const struct job *job, struct buf *text, struct err *err)
{
	OWNED_BUF struct buf values = BUF_INIT(TEXT_MAX);
	char type[NAME_SIZE];
	if (buf_append_text(&values,
			    "# For the values of the trustee chart, whose own list this one replaces.\nkbs:\n"
			    "  secretResources:\n  - name: \"passphrase\"\n    key: \"secret/data/hub/passphrase\"\n",
			    err) < 0)
		return -1;
	for (size_t i = 0; next_type(job, &i, type); i++)
		if (deployment_object_name_check(type, err) < 0 || yaml_line(text, "- name: ", type, err) < 0 ||
		    buf_append_text(text, "  vaultPrefixes: [hub]\n  fields:\n", err) < 0 ||
		    each_tag(job, i, type, append_field, text, err) < 0 ||
		    yaml_line(&values, "  - name: ", type, err) < 0 ||
		    buf_printf(&values, err, "    key: \"secret/data/hub/%s\"\n", type) < 0)
			return -1;
	return put(job, "values-trustee.yaml", false, &values, err);
}

/* The chart serves all fields of signing-key: the one that it names, and the one that our seals name. */
static int append_signing_key(const struct job *job, struct buf *text, struct err *err)
{
	const char *tag = strchr(RESOURCES_SIGNING_KEY, '/') + 1;
	return buf_printf(text, err,
			  "- name: sealedSecretsSigningKey\n  vaultPrefixes: [hub]\n  fields:\n"
			  "  - name: public\n    path: \"%s/sealed-secrets-signing-pub.jwk\"\n"
			  "  - name: %s\n    path: \"%s/sealed-secrets-signing-pub.jwk\"\n",
			  job->layout->secrets_dir, tag, job->layout->secrets_dir);
}

static int write_values(const struct job *job, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	const char *dir = job->layout->secrets_dir;
	if (buf_append_text(&text, values_common, err) < 0 ||
	    buf_printf(&text, err,
		       "- name: pcrStash\n  vaultPrefixes: [hub]\n  fields:\n  - name: json\n"
		       "    path: \"%s/measurements.json\"\n",
		       dir) < 0)
		return -1;
	if (job->layout->has_admin &&
	    buf_printf(&text, err,
		       "- name: kbsPublicKey\n  vaultPrefixes: [hub]\n  fields:\n  - name: publicKey\n"
		       "    path: \"%s/kbsPublicKey\"\n",
		       dir) < 0)
		return -1;
	if (job->layout->by_vault && (append_signing_key(job, &text, err) < 0 || write_vault(job, &text, err) < 0))
		return -1;
	return put(job, job->layout->values_secret, true, &text, err);
}

static int write_resources(const struct job *job, struct err *err)
{
	return job->layout->by_vault ? 0 : write_secrets(job, err);
}

static int write_policy(const struct job *job, struct err *err)
{
	OWNED_BUF struct buf policy = BUF_INIT(TEXT_MAX);
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	if (out_read(job->out, "kbs/resource-policy.rego", &policy, err) < 0 ||
	    yaml_object(&text, YAML_CONFIG_MAP, NS_TRUSTEE, "resource-policy", job->layout->policy_notes, err) < 0 ||
	    yaml_data(&text, YAML_CONFIG_MAP, job->layout->policy_key, buf_bytes(&policy), err) < 0)
		return -1;
	buf_done(&policy);
	if (out_read(job->out, "kbs/attestation-policy.rego", &policy, err) < 0 ||
	    yaml_object(&text, YAML_CONFIG_MAP, NS_TRUSTEE, "attestation-policy", job->layout->policy_notes, err) < 0 ||
	    yaml_data(&text, YAML_CONFIG_MAP, "default_cpu.rego", buf_bytes(&policy), err) < 0)
		return -1;
	return put(job, "kbs-policies.yaml", false, &text, err);
}

/* --- SPIRE --- */

static int write_root(const struct job *job, struct err *err)
{
	OWNED_BUF struct buf root = BUF_INIT(TEXT_MAX);
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	if (out_read(job->out, "spire/ca-bundle.pem", &root, err) < 0 ||
	    yaml_object(&text, YAML_CONFIG_MAP, NS_SPIRE, "spire-x509pop-ca", NULL, err) < 0 ||
	    yaml_data(&text, YAML_CONFIG_MAP, "ca-bundle.pem", buf_bytes(&root), err) < 0)
		return -1;
	return put(job, "spire-x509pop-ca.yaml", false, &text, err);
}

static int append_sealed(const struct job *job, const struct admin_key *key, enum resource_kind kind, const char *name,
			 struct buf *text, struct err *err)
{
	OWNED_BUF struct buf sealed = BUF_INIT(TEXT_MAX);
	char kid[NAME_SIZE], uri[NAME_SIZE * 2];
	struct resource resource;
	resource_of_class(job->deployment, job->class, kind, &resource);
	(void)snprintf(kid, sizeof(kid), "kbs:///%s/%s", job->deployment->repository, RESOURCES_SIGNING_KEY);
	(void)snprintf(uri, sizeof(uri), "kbs:///%s", resource.path);
	if (seal_vault(key, kid, uri, &sealed, err) < 0)
		return -1;
	return yaml_data(text, YAML_SECRET, name, buf_bytes(&sealed), err);
}

/* What is sealed, and with which key, as a comment. */
static int append_sealed_what(const struct job *job, struct buf *text, struct err *err)
{
	OWNED_BUF struct buf jwk = BUF_INIT(TEXT_MAX);
	struct resource certificate, key;
	struct digest digest;
	resource_of_class(job->deployment, job->class, RESOURCE_CERTIFICATE, &certificate);
	resource_of_class(job->deployment, job->class, RESOURCE_KEY, &key);
	if (out_read(job->out, "sealed-secret.jwk", &jwk, err) < 0 ||
	    digest_of(DIGEST_SHA256, buf_bytes(&jwk), &digest, err) < 0 ||
	    buf_printf(text, err, "# %s and %s, sealed with the key ", certificate.path, key.path) < 0 ||
	    hex_encode(digest_bytes(&digest), text, err) < 0)
		return -1;
	return buf_append_text(text, "\n", err);
}

/* A signature is another each time: one that is there, of the same by the same key, is kept. */
static int is_sealed_already(const struct job *job, const char *path, const struct buf *what, bool *ret_there,
			     struct err *err)
{
	OWNED_BUF struct buf old = BUF_INIT(TEXT_MAX);
	*ret_there = false;
	if (!out_has(job->out, path))
		return 0;
	if (out_read(job->out, path, &old, err) < 0)
		return -1;
	*ret_there = old.len > what->len && memcmp(old.data, what->data, what->len) == 0;
	return 0;
}

static int write_sealed(const struct job *job, struct err *err)
{
	char path[NAME_SIZE];
	bool there;
	struct secret pem OWNED_SECRET = SECRET_INIT;
	struct admin_key *key OWNED_ADMIN_KEY = NULL;
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	(void)snprintf(path, sizeof(path), "%s" SEALED_FILE, job->layout->place);
	if (job->class->mint)
		return 0;
	if (append_sealed_what(job, &text, err) < 0 || is_sealed_already(job, path, &text, &there, err) < 0)
		return -1;
	if (there)
		return out_keep(job->out, path, err);
	if (out_read_private(job->out, "sealed-secret.key", &pem, err) < 0 ||
	    admin_key_read(secret_bytes(&pem), &key, err) < 0 ||
	    yaml_object(&text, YAML_SECRET, NS_SPIRE, "spire-agent-sealed-creds", NULL, err) < 0 ||
	    append_sealed(job, key, RESOURCE_CERTIFICATE, "cert.pem", &text, err) < 0 ||
	    append_sealed(job, key, RESOURCE_KEY, "key.pem", &text, err) < 0)
		return -1;
	return put(job, SEALED_FILE, false, &text, err);
}

/* What a strategic merge patch adds to the server, as the pattern's job does. */
static int write_server_patch(const struct job *job, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	if (buf_append_text(&text,
			    "# kubectl patch -n " NS_SPIRE
			    " statefulset spire-server --patch-file spire-server-patch.yaml\n"
			    "spec:\n  template:\n    spec:\n"
			    "      volumes:\n"
			    "      - name: x509pop-ca\n"
			    "        configMap:\n          name: spire-x509pop-ca\n"
			    "      containers:\n"
			    "      - name: spire-server\n"
			    "        volumeMounts:\n"
			    "        - name: x509pop-ca\n          mountPath: /run/spire/x509pop-ca\n          "
			    "readOnly: true\n",
			    err) < 0)
		return -1;
	return put(job, "spire-server-patch.yaml", false, &text, err);
}

static int write_entries(const struct job *job, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	if (!job->deployment->class_name)
		return err_set(err, ERR_CONFIG,
			       "key 'spire.class_name': is missing: the pattern's entries are ClusterStaticEntry "
			       "manifests of class 'zero-trust-workload-identity-manager-spire'");
	if (out_read(job->out, "spire/clusterstaticentries.yaml", &text, err) < 0)
		return -1;
	return put(job, "clusterstaticentries.yaml", false, &text, err);
}

/* --- what to do with it --- */

static const char notes[] =
	"# What these files take the place of\n\n"
	"1. Move `trustee/*` to `%s/` and `%s` to `~/` or `~/.config/validated-patterns/`; `make load-secrets`.\n"
	"2. Take the jobs `init-data-gzipper`, `generate-certs` and `configure-spire-server-x509pop` out of the "
	"imperative\n"
	"   section. The first would overwrite the init-data; the second fails where the CA's ConfigMap is there "
	"without "
	"its\n"
	"   key, which stays with you. The NAT gateway job stays.\n"
	"3. Merge `values-trustee.yaml` into the trustee chart's values; `kubectl apply -f` the other `.yaml` files "
	"but\n"
	"   `spire-server-patch.yaml`.\n"
	"4. The SPIRE server's plugin and its CA, then new server pods:\n\n"
	"       kubectl get configmap spire-server -n " NS_SPIRE " -o json >server.json\n"
	"       sealpodctl spire-config --merge server.json --ca-bundle /run/spire/x509pop-ca/ca-bundle.pem | kubectl "
	"apply -f -\n"
	"       kubectl patch statefulset spire-server -n " NS_SPIRE " --patch-file spire-server-patch.yaml\n"
	"       kubectl delete pod -n " NS_SPIRE " -l app.kubernetes.io/name=server\n\n"
	"   The operator writes its own text over `server.conf` unless it runs with `CREATE_ONLY_MODE=true`, which "
	"freezes\n"
	"   the updates of all that it manages.\n\n"
	"%s"
	"The ConfigMaps `resource-policy` and `attestation-policy` are templates of the trustee chart too: keep Argo "
	"CD "
	"from\n"
	"putting them back (`ignoreDifferences`, or leave them out of the chart), and look after a sync.\n\n"
	"## What the pattern does that is not copied here\n\n"
	"- Its resource policy releases every resource to every attested guest. Ours asks for the init-data of the "
	"class.\n"
	"- Its agent policy allows SetPolicyRequest, so the host could replace it. Ours denies what is not named.\n"
	"- Its sealed secrets bear no signature (`fakejwsheader`). Ours are signed with ES256; the public key is a "
	"KBS\n"
	"  resource.\n"
	"- Its agent configuration has `retry_bootstrap`, with which SPIRE 1.14 and later do not start, and comes from "
	"a\n"
	"  ConfigMap that the host can change. Ours is in init-data, or released by the KBS.\n"
	"- Its CA key lies in the cluster for ten years. Ours does not leave the directory it was made in.\n\n"
	"## What it has that is missing here\n\n"
	"- An image signature policy: `coco.imageSecurityPolicy` has no effect, as our cdh.toml names none. An agent "
	"policy\n"
	"  made by genpolicy (`agent_policy_file`) ties the images instead; `insecure`, `reject` and `signed` stand in "
	"the\n"
	"  values file as the chart wants them, `signed` without a key: it rejects everything.\n";

static const char notes_of_vault[] =
	"Nobody administrates this KBS (`DenyAll`): `sealpodctl apply --only spire` is for the entries, the KBS takes "
	"these files.\n"
	"It copies Secrets when it starts: restart `trustee-deployment` after a change. `debug-initdata` is `initdata` "
	"once more:\n"
	"the pattern's own lets the host do anything, and its guests would be attested like the others.\n\n";

static int write_notes(const struct job *job, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	if (buf_printf(&text, err, notes, job->layout->secrets_dir, job->layout->values_secret,
		       job->layout->by_vault ? notes_of_vault : "") < 0)
		return -1;
	return put(job, "NOTES.md", false, &text, err);
}

const char *const *layout_others(const char *layout, const char *ret_places[LAYOUTS_MAX + 1])
{
	size_t count = 0;
	_Static_assert(ARRAY_LEN(layouts) <= LAYOUTS_MAX, "room for all");
	for (size_t i = 0; i < ARRAY_LEN(layouts); i++)
		if (!layout || strcmp(layouts[i].name, layout) != 0)
			ret_places[count++] = layouts[i].place;
	ret_places[count] = NULL;
	return ret_places;
}

int layout_build(const struct deployment *deployment, const char *layout, struct out *out, struct err *err)
{
	static int (*const steps[])(const struct job *job, struct err *err) = {
		write_initdata, write_measurements, write_keys,		write_values,  write_resources, write_policy,
		write_root,	write_sealed,	    write_server_patch, write_entries, write_notes,
	};
	struct job job = { .deployment = deployment, .class = &deployment->classes[0], .out = out };
	for (size_t i = 0; i < ARRAY_LEN(layouts); i++)
		if (strcmp(layouts[i].name, layout) == 0)
			job.layout = &layouts[i];
	if (!job.layout)
		return err_set(err, ERR_USAGE, "'%s' is no layout; use 'layered-zero-trust' or 'coco-pattern'", layout);
	if (deployment->generation != job.layout->generation)
		return err_set(err, ERR_CONFIG,
			       "layout '%s' is of a KBS of generation '%s': key 'kbs.generation' must say so", layout,
			       job.layout->generation_name);
	if (strcmp(deployment->repository, "default") != 0)
		return err_set(err, ERR_CONFIG,
			       "layout '%s' serves Secrets below 'default/': key 'kbs.repository' cannot be '%s'",
			       layout, deployment->repository);
	if (deployment->class_count != 1)
		return err_set(err, ERR_CONFIG, "layout '%s' has a place for the init-data of one class, not of %zu",
			       layout, deployment->class_count);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (steps[i](&job, err) < 0)
			return err_wrap(err, "layout '%s'", layout);
	return 0;
}
