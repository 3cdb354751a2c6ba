/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl new NAME`: a commented deployment.toml, in a directory of this name. Every value in it
 * is an example; what must be changed says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "ctl/new.h"
#include "ctl/verbs.h"

#define TRUST_DOMAIN "example.org"
#define SERVER_ADDRESS "spire.example.org"
#define KBS_URL "https://kbs.example.org"

static const char head[] = "# What `sealpodctl build`, `plan` and `apply` work from. See deployment.toml(5).\n"
			   "# Relative paths are relative to this file. Secrets do not stand here.\n\n"
			   "# Prefix of everything that this deployment makes in SPIRE; part of agent ids.\n"
			   "name = \"%s\"\n\n";

static const char rest[] =
	"trust_domain = \"" TRUST_DOMAIN "\"                  # CHANGE\n\n"
	"# The kinds of TEE that may get anything: snp, tdx, az-snp-vtpm, az-tdx-vtpm.\n"
	"tees = [\"snp\"]\n\n"
	"# Generations of the SNP machines, for advice only: milan, genoa, turin.\n"
	"#processors = [\"genoa\"]\n\n"
	"# The least firmware of SNP machines, by AMD's security bulletins; without it any passes.\n"
	"#[snp_minimum_tcb]\n"
	"#bootloader = 4\n"
	"#tee = 0\n"
	"#snp = 23\n"
	"#microcode = 219\n\n"
	"[spire]\n"
	"version = \"1.15.2\"                            # of server and agent\n"
	"server_address = \"" SERVER_ADDRESS "\"          # CHANGE: as the guest reaches it\n"
	"server_port = 8081\n"
	"# The server's CA certificates (`spire-server bundle show`); build and apply again when they\n"
	"# were rotated. They are a KBS resource, or part of init-data: the host cannot replace them.\n"
	"trust_bundle_file = \"bundle.pem\"\n"
	"#trust_bundle_from = \"kbs\"                     # or \"init-data\", which changes with them\n"
	"# How this program reaches the server's API: its unix socket, or TCP with an admin's SVID.\n"
	"api = \"unix:///run/spire/server/private/api.sock\"\n"
	"#api = \"tcp://spire.example.org:8081\"\n"
	"#api_certificate = \"admin.pem\"\n"
	"#api_key = \"admin.key\"\n"
	"#api_bundle = \"bundle.pem\"\n"
	"# In Kubernetes, the className of the entries' ClusterStaticEntry manifests.\n"
	"#class_name = \"zero-trust-workload-identity-manager-spire\"\n"
	"# The agent in the guest.\n"
	"#agent_path = \"/opt/spire/bin/spire-agent\"\n"
	"# Its user, of no workload: who runs as it could read its credential.\n"
	"#agent_uid = 64000\n\n"
	"[kbs]\n"
	"url = \"" KBS_URL "\"               # CHANGE: as the guest reaches it\n"
	"# The CA of the KBS's certificate. No other is trusted.\n"
	"ca_file = \"kbs-ca.pem\"\n"
	"#admin_url = \"https://127.0.0.1:8080\"         # where it is reached from here, if elsewhere\n"
	"#admin_key_file = \"kbs-admin.key\"             # 0600; made by `build` otherwise\n"
	"#generation = \"trustee-1.1\"                   # or \"trustee-1.0\"\n"
	"#repository = \"default\"\n\n"
	"# What the image measures to. PCRs in a file, or values by the names that the policy asks for.\n"
	"[image]\n"
	"#measurements_file = \"measurements.json\"\n"
	"[image.reference_values]\n"
	"# CHANGE: 96 hexadecimal digits, of the image's launch\n"
	"snp_launch_measurement = [\n"
	"\t\"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\",\n"
	"]\n\n"
	"# A class of pods: the same init-data, the same issuer, the same workloads.\n"
	"[[class]]\n"
	"name = \"web\"\n"
	"# mint: each VM makes its own agent key and leaf, from the class's issuer. fetch: one leaf for all,\n"
	"# of which one VM at a time can use it.\n"
	"credential = \"mint\"\n"
	"# Kata agent's policy as genpolicy writes it for the pod; without it the host chooses images.\n"
	"#agent_policy_file = \"web-policy.rego\"\n\n"
	"[[class.workload]]\n"
	"spiffe_id = \"/ns/web/sa/web\"\n"
	"selectors = [\"unix:uid:1000\"]\n"
	"ttl = \"1h\"\n"
	"#dns_names = [\"web.example.org\"]\n\n"
	"# Further KBS resources, below the repository. One of value, file, random (a number of bytes).\n"
	"[[secret]]\n"
	"path = \"attestation-status/status\"\n"
	"value = \"attested\"\n\n"
	"[[secret]]\n"
	"path = \"attestation-status/random\"\n"
	"random = 32\n";

static void tell(const struct deployment *deployment, const char *key, const char *value)
{
	log_warning("'%s': %s is still '%s', as 'sealpodctl new' wrote it", deployment->path, key, value);
}

static bool is_zero(const char *hex)
{
	return hex[strspn(hex, "0")] == 0;
}

void new_tell_of_examples(const struct deployment *d)
{
	if (strcmp(d->trust_domain, TRUST_DOMAIN) == 0)
		tell(d, "trust_domain", d->trust_domain);
	if (strcmp(d->server_address, SERVER_ADDRESS) == 0)
		tell(d, "spire.server_address", d->server_address);
	if (strcmp(d->kbs_url, KBS_URL) == 0)
		tell(d, "kbs.url", d->kbs_url);
	for (size_t i = 0; i < d->reference_count; i++)
		for (size_t k = 0; k < d->references[i].values.count; k++)
			if (is_zero(d->references[i].values.items[k]))
				log_warning("'%s': image.reference_values.%s is zero: no image measures to that",
					    d->path, d->references[i].name);
}

static int write_text(const char *name, struct buf *text, struct err *err)
{
	if (buf_printf(text, err, head, name) < 0)
		return -1;
	return buf_append_text(text, rest, err);
}

static int run_new(const struct cli_args *args, struct err *err)
{
	const char *name = cli_operand(args, 0);
	OWNED_BUF struct buf text = BUF_INIT(TOML_MAX_BYTES);
	char path[512];
	if (deployment_name_check(name, err) < 0 || write_text(name, &text, err) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/deployment.toml", name);
	if (mkdir(name, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot make the directory '%s'", name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot make '%s'", path);
	int rc = file_write_fd(fd, buf_bytes(&text), err);
	(void)close(fd);
	if (rc == 0)
		(void)printf("%s\n", path);
	else
		(void)unlink(path);
	return rc;
}

const struct cli_verb verb_new = {
	.words = { "new" },
	.operands = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.text = "write a commented deployment.toml into the directory NAME",
	.run = run_new,
};
