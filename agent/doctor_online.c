/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is looked at over the network: the KBS as far as its challenge, the SPIRE server as far as its port.
 *
 * Names, addresses and answers are the network's. Must never send evidence, a token or a
 * credential unless --attest asks for that, and never keep what the KBS then releases.
 */
#include "agent/doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cdh-client/aa.h"

#define CONNECT_MS 5000
#define PROBE_MS 10000
/* The leeway that the KBS's token library and SPIRE's certificates leave. */
#define CLOCK_MOST_S 60

static int resolve(const char *host, uint16_t port, struct addrinfo **ret_list, struct err *err)
{
	char service[8];
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	(void)snprintf(service, sizeof(service), "%u", port);
	int rc = getaddrinfo(host, service, &hints, ret_list);
	if (rc == EAI_SYSTEM)
		return err_set_errno(err, ERR_NETWORK, errno, "the name '%s' cannot be resolved", host);
	return rc ? err_set(err, ERR_NETWORK, "the name '%s' cannot be resolved: %s", host, gai_strerror(rc)) : 0;
}

static void say_addresses(struct doctor *doctor, const char *host, const struct addrinfo *list)
{
	char text[NI_MAXHOST] = "?";
	unsigned more = 0;
	for (const struct addrinfo *at = list->ai_next; at; at = at->ai_next)
		more++;
	(void)getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
	if (more)
		doctor_say(doctor, "'%s' is %s and %u more", host, text, more);
	else
		doctor_say(doctor, "'%s' is %s", host, text);
}

/* 0 or an errno. */
static int try_address(const struct addrinfo *at)
{
	int fd OWNED_FD = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
	int result = 0;
	socklen_t size = sizeof(result);
	if (fd < 0)
		return errno;
	if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	struct pollfd watch = { .fd = fd, .events = POLLOUT };
	if (poll(&watch, 1, CONNECT_MS) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size) < 0 ? errno : result;
}

static int connect_any(const struct addrinfo *list, const char *host, uint16_t port, struct err *err)
{
	int last = ENOENT;
	for (const struct addrinfo *at = list; at; at = at->ai_next)
		if ((last = try_address(at)) == 0)
			return 0;
	return err_set_errno(err, last == ETIMEDOUT ? ERR_TIMEOUT : ERR_NETWORK, last, "no connection to '%s', port %u",
			     host, port);
}

static int kbs_peer(const struct doctor *doctor, struct http_host *ret_host, struct err *err)
{
	return http_split_url(doctor->startup.config.kbs_url, ret_host, err);
}

enum doctor_result doctor_kbs_name(struct doctor *doctor, struct err *err)
{
	struct http_host host;
	enum source_kind kind = doctor->source.kind;
	if (kind != SOURCE_KBS && kind != SOURCE_AA) {
		doctor_say(doctor, "not asked by sealpod itself, but by the confidential data hub");
		return DOCTOR_SKIPPED;
	}
	if (kbs_peer(doctor, &host, err) < 0 || resolve(host.name, host.port, &doctor->kbs_addresses, err) < 0)
		return DOCTOR_FAILED;
	say_addresses(doctor, host.name, doctor->kbs_addresses);
	return DOCTOR_OK;
}

enum doctor_result doctor_kbs_tcp(struct doctor *doctor, struct err *err)
{
	struct http_host host;
	if (kbs_peer(doctor, &host, err) < 0 || connect_any(doctor->kbs_addresses, host.name, host.port, err) < 0)
		return DOCTOR_FAILED;
	doctor_say(doctor, "%u takes connections", host.port);
	return DOCTOR_OK;
}

/* The name under which the KBS is asked; an attestation agent knows its own. */
static void choose_tee(struct doctor *doctor)
{
	struct rest_info info = { 0 };
	struct deadline soon = deadline_in(CONNECT_MS);
	if (doctor->source.attester)
		(void)snprintf(doctor->tee, sizeof(doctor->tee), "%s", doctor->source.attester->tee);
	else if (doctor->source.aa && aa_get_tee_type(doctor->source.aa, &soon, doctor->tee, NULL) == 0)
		return;
	else if (doctor->source.rest && rest_get_info(doctor->source.rest, &soon, &info, NULL) == 0)
		(void)snprintf(doctor->tee, sizeof(doctor->tee), "%s", info.tee);
}

/* In a session of its own, which gets a challenge and is given up. */
static int probe(struct doctor *doctor, struct err *err)
{
	const struct config *config = &doctor->startup.config;
	struct kbs *kbs OWNED_KBS = NULL;
	choose_tee(doctor);
	doctor->kbs_options = (struct kbs_options){
		.url = config->kbs_url,
		.ca_pem = bytes_of_text(config->kbs_ca ? config->kbs_ca : ""),
		.tee_key = config->kbs_tee_key,
		.evidence = { .tee = doctor->tee },
		.deadline = deadline_in(PROBE_MS),
		.facts = &doctor->order->report->kbs,
	};
	if (kbs_open(&doctor->kbs_options, &kbs, err) < 0)
		return -1;
	return kbs_probe(kbs, err);
}

enum doctor_result doctor_kbs_tls(struct doctor *doctor, struct err *err)
{
	const struct config *config = &doctor->startup.config;
	(void)probe(doctor, &doctor->probe);
	if (!doctor->order->report->kbs.answered) {
		*err = doctor->probe;
		return DOCTOR_FAILED;
	}
	if (!config->kbs_ca) {
		doctor_say(doctor, "none: plain http, nothing proves that this KBS is yours");
		return DOCTOR_WARNING;
	}
	doctor_say(doctor, "signed by the pinned CA, valid now");
	return DOCTOR_OK;
}

enum doctor_result doctor_kbs_auth(struct doctor *doctor, struct err *err)
{
	if (doctor->probe.code != ERR_NONE) {
		*err = doctor->probe;
		return DOCTOR_FAILED;
	}
	doctor_say(doctor, "came for TEE '%s', protocol " RCAR_VERSION, doctor->tee);
	return DOCTOR_OK;
}

enum doctor_result doctor_clock(struct doctor *doctor, struct err *err)
{
	const struct kbs_facts *facts = &doctor->order->report->kbs;
	char text[128];
	if (!kbs_facts_clock_text(facts, text, sizeof(text))) {
		doctor_say(doctor, "the KBS sends no Date");
		return DOCTOR_SKIPPED;
	}
	doctor_say(doctor, "%s", text);
	if (llabs((long long)facts->clock_behind) > CLOCK_MOST_S)
		return doctor_result_of(err_set(err, ERR_CLOCK, "%s", text));
	return DOCTOR_OK;
}

static int fetch(struct doctor *doctor, const struct secret_ref *ref, struct err *err)
{
	struct secret secret OWNED_SECRET = SECRET_INIT;
	return secret_ref_given(ref) ? source_get(&doctor->source, ref, &secret, err) : 0;
}

/* Everything that a start would fetch, wiped as soon as it is there. */
enum doctor_result doctor_attestation(struct doctor *doctor, struct err *err)
{
	const struct config *config = &doctor->startup.config;
	const struct secret_ref *const refs[] = { &config->credential_pem, &config->credential_key,
						  &config->credential_certificate, &config->credential_issuer,
						  &config->trust_bundle };
	if (!doctor->order->options->attest) {
		doctor_say(doctor, "not tried: it costs a hardware report ('--attest')");
		return DOCTOR_SKIPPED;
	}
	for (size_t i = 0; i < ARRAY_LEN(refs); i++)
		if (fetch(doctor, refs[i], err) < 0)
			return DOCTOR_FAILED;
	doctor_say(doctor, "accepted; all resources that a start needs are released");
	return DOCTOR_OK;
}

enum doctor_result doctor_spire_name(struct doctor *doctor, struct err *err)
{
	const struct config *config = &doctor->startup.config;
	if (resolve(config->server_address, config->server_port, &doctor->spire_addresses, err) < 0)
		return DOCTOR_FAILED;
	say_addresses(doctor, config->server_address, doctor->spire_addresses);
	return DOCTOR_OK;
}

enum doctor_result doctor_spire_tcp(struct doctor *doctor, struct err *err)
{
	const struct config *config = &doctor->startup.config;
	if (connect_any(doctor->spire_addresses, config->server_address, config->server_port, err) < 0)
		return DOCTOR_FAILED;
	doctor_say(doctor, "%u takes connections", config->server_port);
	return DOCTOR_OK;
}
