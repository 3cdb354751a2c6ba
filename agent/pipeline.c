/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's work for `sealpod run`.
 *
 * The one straight line from configuration to hand-over. Must not send the plan
 * after a byte from the network has been read, must not hand over a credential
 * that SPIRE would refuse, and must not keep a secret longer than its step.
 */
#include "agent/pipeline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/handoff.h"
#include "agent/launch.h"
#include "agent/overseer.h"
#include "agent/place.h"
#include "agent/source.h"
#include "base/file.h"
#include "base/log.h"
#include "spire/agent_config.h"
#include "spire/bundle.h"
#include "spire/credential.h"

#define AGENT_CONFIG_MAX (256u * 1024u)

static int copy_path(char to[static PATH_MAX], const char *from, const char *key, struct err *err)
{
	if (strlen(from) >= PATH_MAX)
		return err_set(err, ERR_CONFIG, "key '%s': the path is too long", key);
	(void)strcpy(to, from);
	return 0;
}

static int make_plan(const struct config *config, struct deadline deadline, struct handoff_plan *plan, struct err *err)
{
	*plan = (struct handoff_plan){
		.allow_disk = config->allow_disk,
		.uid = config->agent_uid_set ? config->agent_uid : geteuid(),
		.gid = config->agent_uid_set ? config->agent_gid : getegid(),
		.deadline = deadline,
	};
	if (copy_path(plan->agent_path, config->agent_path, "agent.path", err) < 0 ||
	    copy_path(plan->runtime_dir, config->runtime_dir, "agent.runtime_dir", err) < 0 ||
	    copy_path(plan->socket_path, config->socket_path, "agent.socket_path", err) < 0)
		return -1;
	return copy_path(plan->admin_socket_path, config->admin_socket_path ? config->admin_socket_path : "",
			 "agent.admin_socket_path", err);
}

/* The raw key and chain: one resource, or two. */
static int fetch_credential(struct source *source, const struct config *config, struct secret *key,
			    struct secret *chain, struct err *err)
{
	if (config->credential_pem.path[0])
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

static int get_credential(struct source *source, const struct config *config, int *ret_fd, struct err *err)
{
	struct secret key OWNED_SECRET = SECRET_INIT;
	struct secret chain OWNED_SECRET = SECRET_INIT;
	struct spire_credential credential OWNED_SPIRE_CREDENTIAL = SPIRE_CREDENTIAL_INIT;
	if (fetch_credential(source, config, &key, &chain, err) < 0)
		return -1;
	if (spire_credential_check(&key, secret_bytes(&chain), time(NULL), &credential, err) < 0)
		return -1;
	say_credential(&credential, config->trust_domain);
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

static int make_agent_config(const struct config *config, int *ret_fd, struct err *err)
{
	char data_dir[PATH_MAX + 32];
	char bundle_path[PATH_MAX + 32];
	struct buf text OWNED_BUF = BUF_INIT(AGENT_CONFIG_MAX);
	(void)snprintf(data_dir, sizeof(data_dir), "%s/" PLACE_DIR "/" PLACE_DATA, config->runtime_dir);
	(void)snprintf(bundle_path, sizeof(bundle_path), "%s/" PLACE_DIR "/" PLACE_BUNDLE, config->runtime_dir);
	struct spire_agent_config agent = {
		.server_address = config->server_address,
		.server_port = config->server_port,
		.trust_domain = config->trust_domain,
		.socket_path = config->socket_path,
		.admin_socket_path = config->admin_socket_path,
		.data_dir = data_dir,
		.bundle_path = bundle_path,
		.credential_path = LAUNCH_CREDENTIAL_PATH,
		.version = config->agent_version,
		.settings = config->settings->items,
		.setting_count = config->settings->count,
	};
	if (spire_agent_config_render(&agent, &text, err) < 0)
		return err_wrap(err, "the agent's configuration");
	return file_sealed_memfd("sealpod-agent-config", buf_bytes(&text), ret_fd, err);
}

/* All that the KBS gives, checked. The session, its keys and tokens are gone at the end. */
static int gather(const struct config *config, const struct order *order, struct deadline deadline,
		  struct handoff_files *files, struct err *err)
{
	struct source source OWNED_SOURCE = { 0 };
	if (source_open(config, order, deadline, &source, err) < 0)
		return -1;
	if (get_credential(&source, config, &files->credential, err) < 0)
		return err_wrap(err, "x509pop credential");
	if (get_bundle(&source, config, &files->bundle, err) < 0)
		return err_wrap(err, "trust bundle");
	return 0;
}

int pipeline_work(int fd, void *arg, struct err *err)
{
	const struct order *order = arg;
	const char *path = order->options->unmeasured_config;
	struct config config OWNED_CONFIG = { 0 };
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct handoff_plan plan;
	if (source_setup(err) < 0 || config_read(path, CONFIG_ALL, &config, err) < 0)
		return -1;
	log_warning("the configuration '%s' is not measured: whoever can write it decides whom this VM trusts", path);
	struct deadline deadline = source_deadline(&config, order);
	if (make_plan(&config, deadline, &plan, err) < 0 ||
	    make_agent_config(&config, &files.agent_config, err) < 0 || handoff_send_plan(fd, &plan, err) < 0 ||
	    handoff_await_go(fd, err) < 0 || gather(&config, order, deadline, &files, err) < 0)
		return -1;
	log_info("credential and trust bundle are here after %lld ms",
		 (long long)(clock_now_ms() - order->started_ms));
	return handoff_send_files(fd, &files, err);
}
