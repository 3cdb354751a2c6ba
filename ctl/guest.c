/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the entries of init-data. What is written here decides whom a VM trusts: each text is
 * read again by the guest's own reader before it is taken.
 */
#include "ctl/guest.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cdh-client/sealed.h"
#include "ctl/resources.h"
#include "initdata/compose.h"
#include "spire/authorities.h"
#include "spire/bundle.h"

#define TEXT_MAX (256u * 1024u)

/* What Kata's runtime must be able to ask for a pod to start, run and end. CopyFile and ExecProcess have rules of their
 * own. */
static const char *const allowed_requests[] = {
	"AddARPNeighborsRequest", "CloseStdinRequest",
	"CreateContainerRequest", "CreateSandboxRequest",
	"DestroySandboxRequest",  "GetMetricsRequest",
	"GetOOMEventRequest",	  "GuestDetailsRequest",
	"ListInterfacesRequest",  "ListRoutesRequest",
	"OnlineCPUMemRequest",	  "PullImageRequest",
	"RemoveContainerRequest", "RemoveStaleVirtiofsShareMountsRequest",
	"SignalProcessRequest",	  "StartContainerRequest",
	"StatsContainerRequest",  "TtyWinResizeRequest",
	"UpdateContainerRequest", "UpdateEphemeralMountsRequest",
	"UpdateInterfaceRequest", "UpdateRoutesRequest",
	"WaitProcessRequest",
};

static const char *const denied_requests[] = {
	"AddSwapRequest",	   "CopyFileRequest",	"ExecProcessRequest",	  "MemHotplugByProbeRequest",
	"PauseContainerRequest",   "ReadStreamRequest", "ReseedRandomDevRequest", "ResumeContainerRequest",
	"SetGuestDateTimeRequest", "SetPolicyRequest",	"StartTracingRequest",	  "StopTracingRequest",
	"WriteStreamRequest",
};

/* A symbolic link could lead the next file elsewhere. Agents that do not tell its target give no "symlink_src". */
static const char conditions[] = "\n# Files of the pod (ConfigMaps, resolv.conf), nowhere else.\n"
				 "CopyFileRequest if {\n"
				 "\tstartswith(input.path, \"/run/kata-containers/shared/containers/\")\n"
				 "\tgoes_down(input.path)\n"
				 "\tlink := object.get(input, \"symlink_src\", \"\")\n"
				 "\tnot startswith(link, \"/\")\n"
				 "\tgoes_down(link)\n"
				 "}\n\n"
				 "goes_down(path) if {\n"
				 "\tpath != \"..\"\n"
				 "\tnot contains(path, \"../\")\n"
				 "\tnot endswith(path, \"/..\")\n"
				 "}\n"
				 "\n# The probes of the pod, no other command.\n"
				 "ExecProcessRequest if {\n"
				 "\tinput.process.Args in [\n"
				 "\t\t" GUEST_AGENT_PROBE ",\n"
				 "\t\t" GUEST_SVID_PROBE ",\n"
				 "\t]\n"
				 "}\n";

int guest_policy(struct buf *out, struct err *err)
{
	if (buf_append_text(out,
			    "# What the host may ask of the agent in this VM. What is not named is denied.\n"
			    "package agent_policy\n\nimport future.keywords.in\nimport future.keywords.if\n\n",
			    err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(denied_requests); i++)
		if (buf_printf(out, err, "default %s := false\n", denied_requests[i]) < 0)
			return -1;
	if (buf_append_text(out, "\n", err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(allowed_requests); i++)
		if (buf_printf(out, err, "default %s := true\n", allowed_requests[i]) < 0)
			return -1;
	return buf_append_text(out, conditions, err);
}

static int append_key(struct buf *out, const char *key, const char *text, struct err *err)
{
	if (buf_printf(out, err, "%s = ", key) < 0 || toml_write_string(bytes_of_text(text), out, err) < 0)
		return -1;
	return buf_append_text(out, "\n", err);
}

/* Several lines as they are: PEM, or a JWK. */
static int append_block(struct buf *out, const char *key, struct bytes text, struct err *err)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (c == '\'' || c >= 0x7f || (c < 0x20 && c != '\n'))
			return err_set(err, ERR_CONFIG, "byte %zu is none of a PEM or JWK with plain line ends", i);
	}
	if (text.len == 0)
		return err_set(err, ERR_CONFIG, "is empty");
	/* apostrophes would end the entry of init-data; quotation marks are escaped in a JWK */
	if (!memchr(text.data, '"', text.len)) {
		if (buf_printf(out, err, "%s = \"\"\"\n", key) < 0 || buf_append(out, text, err) < 0)
			return -1;
		return buf_append_text(out, "\"\"\"\n", err);
	}
	OWNED_BUF struct buf copy = BUF_INIT(TEXT_MAX);
	if (buf_append(&copy, text, err) < 0)
		return -1;
	return append_key(out, key, buf_text(&copy), err);
}

static int write_aa(const struct deployment *d, const struct guest_material *material, struct buf *out, struct err *err)
{
	if (buf_append_text(out, "[token_configs.kbs]\n", err) < 0 || append_key(out, "url", d->kbs_url, err) < 0)
		return -1;
	if (material->kbs_ca.len > 0 && append_block(out, "cert", material->kbs_ca, err) < 0)
		return err_wrap(err, "the KBS's CA");
	return 0;
}

static int write_cdh(const struct deployment *d, const struct guest_material *material, struct buf *out,
		     struct err *err)
{
	if (buf_append_text(out,
			    "socket = \"unix:///run/confidential-containers/cdh.sock\"\ncredentials = []\n\n[kbc]\n",
			    err) < 0 ||
	    append_key(out, "name", "cc_kbc", err) < 0 || append_key(out, "url", d->kbs_url, err) < 0)
		return -1;
	if (material->kbs_ca.len > 0 && append_block(out, "kbs_cert", material->kbs_ca, err) < 0)
		return err_wrap(err, "the KBS's CA");
	return 0;
}

static int append_resource(const struct deployment *d, const struct deployment_class *class, enum resource_kind kind,
			   const char *key, struct buf *out, struct err *err)
{
	struct resource resource;
	resource_of_class(d, class, kind, &resource);
	return buf_printf(out, err, "%s = \"kbs:///%s\"\n", key, resource.path);
}

static int write_credential(const struct deployment *d, const struct deployment_class *class, struct buf *out,
			    struct err *err)
{
	if (buf_append_text(out, "[credential]\n", err) < 0)
		return -1;
	if (!class->mint)
		return append_resource(d, class, RESOURCE_KEY, "key", out, err) < 0
			       ? -1
			       : append_resource(d, class, RESOURCE_CERTIFICATE, "certificate", out, err);
	if (append_resource(d, class, RESOURCE_ISSUER, "issuer", out, err) < 0)
		return -1;
	return append_key(out, "class", class->name, err);
}

static int write_bundle(const struct deployment *d, const struct guest_material *material, struct buf *out,
			struct err *err)
{
	struct resource resource;
	if (d->trust_bundle_measured)
		return append_block(out, "trust_bundle_pem", material->trust_bundle, err);
	resource_for_all(d, RESOURCE_TRUST_BUNDLE, &resource);
	return buf_printf(out, err, "trust_bundle = \"kbs:///%s\"\n", resource.path);
}

static int write_spire(const struct deployment *d, const struct guest_material *material, struct buf *out,
		       struct err *err)
{
	if (buf_append_text(out, "\n[spire]\n", err) < 0 || append_key(out, "trust_domain", d->trust_domain, err) < 0 ||
	    append_key(out, "server_address", d->server_address, err) < 0 ||
	    buf_printf(out, err, "server_port = %u\n", d->server_port) < 0)
		return -1;
	if (write_bundle(d, material, out, err) < 0)
		return err_wrap(err, "the trust bundle");
	if (buf_append_text(out, "\n[agent]\n", err) < 0 || append_key(out, "path", d->agent_path, err) < 0 ||
	    append_key(out, "version", d->spire_version, err) < 0)
		return -1;
	return d->agent_uid < 0 ? 0 : buf_printf(out, err, "uid = %lld\n", (long long)d->agent_uid);
}

static int write_kbs(const struct deployment *d, const struct guest_material *material, struct buf *out,
		     struct err *err)
{
	if (buf_append_text(out, "[kbs]\n", err) < 0 || append_key(out, "url", d->kbs_url, err) < 0)
		return -1;
	if (material->kbs_ca.len == 0)
		return buf_append_text(out, "allow_http = true\n\n", err);
	if (append_block(out, "ca", material->kbs_ca, err) < 0)
		return err_wrap(err, "the KBS's CA");
	return buf_append_text(out, "\n", err);
}

static int write_secrets(const struct guest_material *material, struct buf *out, struct err *err)
{
	if (material->sealed_key.len == 0)
		return 0;
	if (buf_append_text(out, "\n[secrets]\n", err) < 0)
		return -1;
	if (append_block(out, "sealed_key_pem", material->sealed_key, err) < 0)
		return err_wrap(err, "the key of sealed secrets");
	return 0;
}

/* The KBS stands in aa.toml; only its want of TLS must be said here. */
static int write_sealpod(const struct deployment *d, const struct deployment_class *class,
			 const struct guest_material *material, struct buf *out, struct err *err)
{
	if ((material->kbs_ca.len == 0 && write_kbs(d, material, out, err) < 0) ||
	    write_credential(d, class, out, err) < 0 || write_spire(d, material, out, err) < 0)
		return -1;
	return write_secrets(material, out, err);
}

/* The KBS's certificate may be pinned itself: any that has not ended is enough. */
static int check_ca_end(const struct config *config, struct err *err)
{
	if (!config->kbs_ca)
		return 0;
	const struct spire_authorities found =
		spire_authorities_look(bytes_of_text(config->kbs_ca), true, time(NULL), NULL, NULL);
	if (found.count == 0 || found.ended < found.count)
		return 0;
	return err_set(err, ERR_CREDENTIAL, "%s ended, so the KBS would be refused: give the CA of now",
		       found.count == 1 ? "its certificate has" : "all its certificates have");
}

static int check_bundle(const struct config *config, struct err *err)
{
	OWNED_SPIRE_BUNDLE struct spire_bundle bundle = SPIRE_BUNDLE_INIT;
	return config->trust_bundle_pem
		       ? spire_bundle_check(bytes_of_text(config->trust_bundle_pem), time(NULL), &bundle, err)
		       : 0;
}

static int check_sealed_key(const struct config *config, struct err *err)
{
	OWNED_SEALED_KEY struct sealed_key *key = NULL;
	return config->sealed_key_pem ? sealed_key_read(bytes_of_text(config->sealed_key_pem), &key, err) : 0;
}

/* The sink hears of each; the error is the first. */
static int check_texts(const struct config *config, const struct config_context *context, struct err *err)
{
	static const struct {
		const char *key;
		int (*check)(const struct config *config, struct err *err);
	} texts[] = {
		{ "spire.trust_bundle_pem", check_bundle },
		{ "secrets.sealed_key_pem", check_sealed_key },
		{ "kbs.ca", check_ca_end },
	};
	int rc = 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err why = { 0 };
		if (texts[i].check(config, &why) == 0)
			continue;
		if (context->sink.tell)
			context->sink.tell(context->sink.arg, 0, texts[i].key, why.message);
		if (rc == 0)
			rc = err_set(err, why.code, "key '%s': %s", texts[i].key, why.message);
	}
	return rc;
}

int guest_check(struct bytes toml, const char *name, const struct config_context *context, struct config *ret_config,
		struct err *err)
{
	struct config config OWNED_CONFIG = { 0 };
	if (config_parse(toml, name, CONFIG_ALL, context, &config, err) < 0 || check_texts(&config, context, err) < 0)
		return -1;
	*ret_config = config;
	config = (struct config){ 0 };
	return 0;
}

/* By the reader that the guest uses. */
static int check_sealpod(const struct deployment *d, const struct guest_material *material, const struct buf *text,
			 struct err *err)
{
	struct config config OWNED_CONFIG = { 0 };
	OWNED_BUF struct buf ca = BUF_INIT(TEXT_MAX);
	if (buf_append(&ca, material->kbs_ca, err) < 0)
		return -1;
	const struct config_context context = {
		.elsewhere = true,
		.kbs_url = ca.len > 0 ? d->kbs_url : NULL,
		.kbs_ca = ca.len > 0 ? buf_text(&ca) : NULL,
	};
	return guest_check(buf_bytes(text), "sealpod.toml", &context, &config, err);
}

int guest_initdata(const struct deployment *deployment, const struct deployment_class *class,
		   const struct guest_material *material, struct buf *ret_toml, struct err *err)
{
	OWNED_BUF struct buf aa = BUF_INIT(TEXT_MAX);
	OWNED_BUF struct buf cdh = BUF_INIT(TEXT_MAX);
	OWNED_BUF struct buf policy = BUF_INIT(TEXT_MAX);
	OWNED_BUF struct buf sealpod = BUF_INIT(TEXT_MAX);
	if (write_aa(deployment, material, &aa, err) < 0 || write_cdh(deployment, material, &cdh, err) < 0 ||
	    (material->policy.len > 0 ? buf_append(&policy, material->policy, err) : guest_policy(&policy, err)) < 0 ||
	    write_sealpod(deployment, class, material, &sealpod, err) < 0 ||
	    check_sealpod(deployment, material, &sealpod, err) < 0)
		return err_wrap(err, "init-data of class '%s'", class->name);
	const struct initdata_part parts[] = {
		{ "aa.toml", buf_bytes(&aa) },
		{ "cdh.toml", buf_bytes(&cdh) },
		{ "policy.rego", buf_bytes(&policy) },
		{ "sealpod.toml", buf_bytes(&sealpod) },
	};
	return initdata_compose(parts, ARRAY_LEN(parts), ret_toml, err);
}

/* The container's own uid is that of the manifest: no other is asked for. */
int guest_container_config(const struct deployment *deployment, const struct deployment_class *class,
			   const struct guest_material *material, struct buf *ret_toml, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT(TEXT_MAX);
	struct deployment pod = *deployment;
	pod.agent_uid = -1;
	if (write_kbs(&pod, material, &text, err) < 0 || write_credential(&pod, class, &text, err) < 0 ||
	    write_spire(&pod, material, &text, err) < 0 ||
	    append_key(&text, "runtime_dir", GUEST_RUNTIME_DIR, err) < 0 ||
	    append_key(&text, "socket_path", GUEST_SOCKET_DIR "/api.sock", err) < 0 ||
	    write_secrets(material, &text, err) < 0 || check_sealpod(&pod, material, &text, err) < 0)
		return err_wrap(err, "configuration of class '%s'", class->name);
	buf_move(ret_toml, &text);
	return 0;
}
