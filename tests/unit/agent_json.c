/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints an agent.json with everything in it that the version takes, for the
 * real spire-agent to judge: agent_json SOCKET-DIRECTORY [VERSION].
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "spire/agent_config.h"

static const char *const words[] = { "aud", "sub\"\\\xc3\xa9\xf0\x9f\x98\x80/$x" };
static const char *const ids[] = { "spiffe://example.test/delegate" };

#define TEXT(s, n, v)                                                                                                  \
	{                                                                                                              \
		.section = (s), .name = (n), .type = SPIRE_STRING, .text = (v)                                         \
	}
#define NUMBER(s, n, v)                                                                                                \
	{                                                                                                              \
		.section = (s), .name = (n), .type = SPIRE_INTEGER, .integer = (v)                                     \
	}
#define FLAG(s, n, v)                                                                                                  \
	{                                                                                                              \
		.section = (s), .name = (n), .type = SPIRE_BOOL, .boolean = (v)                                        \
	}
#define LIST(s, n, v)                                                                                                  \
	{                                                                                                              \
		.section = (s), .name = (n), .type = SPIRE_STRINGS, .texts = (v), .text_count = ARRAY_LEN(v)           \
	}
#define TABLE(s, n)                                                                                                    \
	{                                                                                                              \
		.section = (s), .name = (n), .type = SPIRE_TABLE                                                       \
	}

static const struct spire_setting all[] = {
	TEXT("agent", "log_level", "Debug"),
	TEXT("agent", "log_format", "json"),
	FLAG("agent", "log_source_location", true),
	LIST("agent", "log_selectors", words),
	TEXT("agent", "workload_x509_svid_key_type", "EC-P384"),
	TEXT("agent", "availability_target", "36h0.5m"),
	NUMBER("agent", "x509_svid_cache_max_size", 500),
	NUMBER("agent", "jwt_svid_cache_max_size", 0),
	FLAG("agent", "allow_unauthenticated_verifiers", false),
	LIST("agent", "allowed_foreign_jwt_claims", words),
	LIST("agent", "authorized_delegates", ids),
	FLAG("agent", "disable_workload_api", false),
	FLAG("agent", "disable_sds_api", true),
	FLAG("agent", "profiling_enabled", false),
	NUMBER("agent", "profiling_port", 6060),
	NUMBER("agent", "profiling_freq", 5),
	LIST("agent", "profiling_names", words),
	TABLE("agent", "sds"),
	TEXT("agent.sds", "default_svid_name", "svid \xf0\x9f\x94\x91"),
	TEXT("agent.sds", "default_bundle_name", "root"),
	TEXT("agent.sds", "default_all_bundles_name", "all"),
	FLAG("agent.sds", "disable_spiffe_cert_validation", true),
	TABLE("agent", "experimental"),
	TABLE("agent.experimental", "ratelimit"),
	NUMBER("agent.experimental.ratelimit", "fetch_x509_svid", 10),
	NUMBER("agent.experimental.ratelimit", "fetch_jwt_svid", 10),
	NUMBER("agent.experimental.ratelimit", "fetch_x509_bundles", 10),
	NUMBER("agent.experimental.ratelimit", "fetch_jwt_bundles", 10),
	NUMBER("agent.experimental.ratelimit", "stream_secrets", 10),
	NUMBER("agent.experimental.ratelimit", "fetch_secrets", 10),
	TEXT("agent.experimental", "sync_interval", "1.5s"),
	TEXT("agent.experimental", "jwt_svid_cache_hit_timeout", "29s999ms"),
	FLAG("agent.experimental", "use_sync_authorized_entries", true),
	FLAG("agent.experimental", "require_pq_kem", false),
	TEXT("health_checks", "bind_address", "::1"),
	FLAG("health_checks", "listener_enabled", false),
	NUMBER("health_checks", "bind_port", 8080),
	TEXT("health_checks", "live_path", "/live"),
	TEXT("health_checks", "ready_path", "/ready"),
	FLAG("unix", "discover_workload_path", true),
	NUMBER("unix", "workload_size_limit", -1),
};

int main(int argc, char **argv)
{
	struct spire_setting taken[ARRAY_LEN(all)];
	struct err err = { 0 };
	char paths[4][256];
	if (argc < 2)
		return 2;
	static const char *const names[] = { "public/api.sock", "admin/admin.sock", "data", "bundle.pem" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", argv[1], names[i]);
	struct spire_agent_config config = {
		.server_address = "127.0.0.1",
		.server_port = 8081,
		.trust_domain = "example.test",
		.socket_path = paths[0],
		.admin_socket_path = paths[1],
		.data_dir = paths[2],
		.bundle_path = paths[3],
		.credential_path = "/proc/self/fd/3",
		.version = argc > 2 ? argv[2] : NULL,
		.settings = taken,
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (spire_agent_setting_check_value(&all[i], config.version, &err) == 0)
			taken[config.setting_count++] = all[i];
	OWNED_BUF struct buf out = BUF_INIT(65536);
	if (spire_agent_config_render(&config, &out, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	(void)fputs(buf_text(&out), stdout);
	return config.setting_count > 20 ? 0 : 3;
}
