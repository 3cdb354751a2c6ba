/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's work for `sealpod run`.
 *
 * The one straight line from configuration to hand-over. Must not send the plan
 * after a byte from the network has been read (but for a configuration that the KBS
 * releases), must not hand over a credential
 * that SPIRE would refuse, and must not keep a secret longer than its step.
 */
#include "agent/pipeline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "agent/handoff.h"
#include "agent/instance.h"
#include "agent/launch.h"
#include "agent/overseer.h"
#include "agent/place.h"
#include "agent/startup.h"
#include "base/file.h"
#include "base/log.h"
#include "spire/agent_config.h"
#include "spire/bundle.h"
#include "spire/credential.h"
#include "spire/mint.h"

#define AGENT_CONFIG_MAX (256u * 1024u)

static int copy_path(char to[static PATH_MAX], const char *from, const char *key, struct err *err)
{
	if (strlen(from) >= PATH_MAX)
		return err_set(err, ERR_CONFIG, "key '%s': the path is too long", key);
	(void)strcpy(to, from);
	return 0;
}

/* The command line, else the configuration; a minted credential lives a day and wants to be renewed. */
static bool is_supervised(const struct config *config, const struct cli_options *options)
{
	if (options->supervise || options->exec)
		return options->supervise;
	if (config->run_mode != RUN_DEFAULT)
		return config->run_mode == RUN_SUPERVISE;
	return secret_ref_given(&config->credential_issuer);
}

static int check_path(const struct startup *startup, const struct cli_options *options, const struct handoff_plan *plan,
		      struct err *err)
{
	const char *want = options->agent_path ? options->agent_path : startup->plain_rest ? CONFIG_AGENT_PATH : NULL;
	if (!want || strcmp(plan->agent_path, want) == 0)
		return 0;
	if (options->agent_path)
		return err_set(err, ERR_CONFIG, "key 'agent.path' is '%s', '--agent-path' says '%s'", plan->agent_path,
			       want);
	return err_set(err, ERR_CONFIG,
		       "key 'agent.path' is '%s', which is not executed at the word of a configuration that came over "
		       "plain REST: '--agent-path' confirms another than '%s'",
		       plan->agent_path, want);
}

/* With the user its own group; without a switch that of this process. */
static int check_user(const struct startup *startup, const struct cli_options *options, const struct handoff_plan *plan,
		      struct err *err)
{
	if (!options->agent_uid_given && !startup->plain_rest)
		return 0;
	uid_t uid = options->agent_uid_given ? options->agent_uid : geteuid();
	gid_t gid = uid == geteuid() ? getegid() : uid;
	if (plan->uid == uid && (plan->gid == gid || !startup->plain_rest))
		return 0;
	if (options->agent_uid_given)
		return err_set(err, ERR_CONFIG, "the agent is to run as user %u, group %u; '--agent-uid' says %u",
			       plan->uid, plan->gid, uid);
	return err_set(
		err, ERR_CONFIG,
		"keys 'agent.uid' and 'agent.gid' are %u and %u, which a configuration that came over plain REST "
		"does not decide: '--agent-uid' confirms another user than %u, with the group of that number",
		plan->uid, plan->gid, uid);
}

int pipeline_plan(const struct startup *startup, const struct order *order, struct deadline deadline,
		  struct handoff_plan *plan, struct err *err)
{
	const struct config *config = &startup->config;
	bool supervise = is_supervised(config, order->options);
	if (supervise && config->allow_disk)
		return err_set(err, ERR_CONFIG,
			       "key 'agent.allow_disk': a supervised agent's credential is a file, which must be in "
			       "memory; drop the key, or say '--exec'");
	*plan = (struct handoff_plan){
		.allow_disk = config->allow_disk,
		.supervise = supervise,
		.uid = config->agent_uid_set ? config->agent_uid : geteuid(),
		.gid = config->agent_uid_set ? config->agent_gid : getegid(),
		.deadline = deadline,
	};
	if (strlen(config->trust_domain) >= sizeof(plan->trust_domain))
		return err_set(err, ERR_CONFIG, "key 'spire.trust_domain': too long");
	(void)strcpy(plan->trust_domain, config->trust_domain);
	if (copy_path(plan->agent_path, config->agent_path, "agent.path", err) < 0 ||
	    copy_path(plan->runtime_dir, config->runtime_dir, "agent.runtime_dir", err) < 0 ||
	    copy_path(plan->socket_path, config->socket_path, "agent.socket_path", err) < 0)
		return -1;
	if (copy_path(plan->admin_socket_path, config->admin_socket_path ? config->admin_socket_path : "",
		      "agent.admin_socket_path", err) < 0 ||
	    check_path(startup, order->options, plan, err) < 0)
		return -1;
	return check_user(startup, order->options, plan, err);
}

/* The raw key and chain: one resource, or two. */
static int fetch_credential(struct source *source, const struct config *config, struct secret *key,
			    struct secret *chain, struct err *err)
{
	if (secret_ref_given(&config->credential_pem))
		return source_get(source, &config->credential_pem, key, err);
	if (source_get(source, &config->credential_key, key, err) < 0)
		return -1;
	return source_get(source, &config->credential_certificate, chain, err);
}

static void say_credential(const struct spire_credential *credential, const char *trust_domain)
{
	struct buf id OWNED_BUF = BUF_INIT(1024);
	if (spire_credential_agent_id(credential, trust_domain, &id, NULL) == 0)
		log_info("x509pop credential: %s key, subject '%s', agent id '%s' unless the server has a template",
			 credential->key_type, credential->subject, buf_text(&id));
	if (credential->warning[0])
		log_warning("%s", credential->warning);
}

static int fetch_and_check(struct source *source, const struct config *config, struct spire_credential *credential,
			   struct err *err)
{
	struct secret key OWNED_SECRET = SECRET_INIT;
	struct secret chain OWNED_SECRET = SECRET_INIT;
	if (fetch_credential(source, config, &key, &chain, err) < 0)
		return -1;
	return spire_credential_check(&key, secret_bytes(&chain), time(NULL), credential, err);
}

/* The issuer's key is wiped as soon as the leaf is signed. */
static int mint(struct source *source, const struct config *config, struct spire_credential *credential,
		struct err *err)
{
	struct secret issuer OWNED_SECRET = SECRET_INIT;
	char name[INSTANCE_NAME_MAX];
	if (source_get(source, &config->credential_issuer, &issuer, err) < 0 ||
	    instance_name(&source->report, source->attester ? source->attester->tee : "", config->runtime_dir, name,
			  err) < 0)
		return -1;
	struct spire_mint order = {
		.trust_domain = config->trust_domain,
		.class_name = config->credential_class,
		.instance = name,
		.lifetime = config->credential_lifetime_ms / 1000,
		.now = time(NULL),
	};
	return spire_mint_credential(&issuer, bytes_of("", 0), &order, credential, err);
}

static int get_credential(struct source *source, const struct config *config, const struct handoff_plan *plan,
			  int *ret_fd, struct handoff_credential *ret_about, struct err *err)
{
	struct spire_credential credential OWNED_SPIRE_CREDENTIAL = SPIRE_CREDENTIAL_INIT;
	bool minted = secret_ref_given(&config->credential_issuer);
	if (minted ? mint(source, config, &credential, err) < 0 : fetch_and_check(source, config, &credential, err) < 0)
		return -1;
	say_credential(&credential, config->trust_domain);
	if (minted)
		log_info("minted for instance '%s'; it ends in %lld minutes and is %s", credential.subject,
			 (long long)(credential.not_after - time(NULL)) / 60,
			 plan->supervise ? "renewed before" : "not renewed");
	*ret_about = (struct handoff_credential){ .ends = credential.ends };
	memcpy(ret_about->fingerprint, credential.fingerprint, sizeof(ret_about->fingerprint));
	return file_sealed_memfd("sealpod-credential", secret_bytes(&credential.pem), ret_fd, err);
}

static int get_bundle(struct source *source, const struct config *config, int *ret_fd, struct err *err)
{
	struct secret fetched OWNED_SECRET = SECRET_INIT;
	struct spire_bundle bundle OWNED_SPIRE_BUNDLE = SPIRE_BUNDLE_INIT;
	struct bytes text = bytes_of_text(config->trust_bundle_pem ? config->trust_bundle_pem : "");
	if (!config->trust_bundle_pem) {
		if (source_get(source, &config->trust_bundle, &fetched, err) < 0)
			return -1;
		text = secret_bytes(&fetched);
	}
	if (spire_bundle_check(text, time(NULL), &bundle, err) < 0)
		return -1;
	return file_sealed_memfd("sealpod-bundle", buf_bytes(&bundle.pem), ret_fd, err);
}

static int make_agent_config(const struct config *config, const struct handoff_plan *plan, int *ret_fd, struct err *err)
{
	char credential_path[PATH_MAX + 32];
	char data_dir[PATH_MAX + 32];
	char bundle_path[PATH_MAX + 32];
	struct buf text OWNED_BUF = BUF_INIT(AGENT_CONFIG_MAX);
	(void)snprintf(data_dir, sizeof(data_dir), "%s/" PLACE_DIR "/" PLACE_DATA, config->runtime_dir);
	(void)snprintf(bundle_path, sizeof(bundle_path), "%s/" PLACE_DIR "/" PLACE_BUNDLE, config->runtime_dir);
	(void)snprintf(credential_path, sizeof(credential_path), "%s/" PLACE_DIR "/" PLACE_CREDENTIAL,
		       config->runtime_dir);
	struct spire_agent_config agent = {
		.server_address = config->server_address,
		.server_port = config->server_port,
		.trust_domain = config->trust_domain,
		.socket_path = config->socket_path,
		.admin_socket_path = config->admin_socket_path,
		.data_dir = data_dir,
		.bundle_path = bundle_path,
		.credential_path = plan->supervise ? credential_path : LAUNCH_CREDENTIAL_PATH,
		.version = config->agent_version,
		.settings = config->settings->items,
		.setting_count = config->settings->count,
	};
	if (spire_agent_config_render(&agent, &text, err) < 0)
		return err_wrap(err, "the agent's configuration");
	return file_sealed_memfd("sealpod-agent-config", buf_bytes(&text), ret_fd, err);
}

/* All that the KBS gives, checked. The session, its keys and tokens are gone at the end. */
static int gather(const struct startup *startup, const struct order *order, const struct handoff_plan *plan,
		  struct handoff_files *files, struct handoff_credential *ret_about, struct err *err)
{
	struct source source OWNED_SOURCE = SOURCE_INIT;
	if (startup_open_source(startup, order, &source, err) < 0)
		return -1;
	if (get_credential(&source, &startup->config, plan, &files->credential, ret_about, err) < 0)
		return err_wrap(err, "x509pop credential");
	if (get_bundle(&source, &startup->config, &files->bundle, err) < 0)
		return err_wrap(err, "trust bundle");
	return 0;
}

int pipeline_work(int fd, void *arg, struct err *err)
{
	const struct order *order = arg;
	struct startup startup OWNED_STARTUP = { .initdata = NULL };
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct handoff_plan plan;
	struct handoff_credential about = { 0 };
	if (source_setup(err) < 0 || startup_read(order, CONFIG_ALL, &startup, err) < 0 ||
	    pipeline_plan(&startup, order, startup.deadline, &plan, err) < 0 ||
	    make_agent_config(&startup.config, &plan, &files.agent_config, err) < 0 ||
	    handoff_send_agent_plan(fd, &plan, &files, err) < 0 || handoff_await_go(fd, err) < 0 ||
	    gather(&startup, order, &plan, &files, &about, err) < 0)
		return -1;
	log_info("credential and trust bundle are here after %lld ms", (long long)(clock_now_ms() - order->started_ms));
	return handoff_send_files(fd, &files, &about, err);
}
