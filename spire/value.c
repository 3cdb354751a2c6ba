/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of single values, so that a mistake is found before the KBS is asked
 * and not by the agent a minute later.
 *
 * The values come from the configuration, which the operator wrote (or, where
 * it is not measured, the host). Strict: what SPIRE would take with a warning or
 * clean up by itself is refused, so that what is written is what is meant.
 */
#include "spire/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define TRUST_DOMAIN_MAX 255
#define HOST_MAX 253
#define LABEL_MAX 63
#define PATH_MAX_LEN 1024

int spire_trust_domain_check(const char *name, struct err *err)
{
	size_t len = strlen(name);
	if (len == 0)
		return err_set(err, ERR_CONFIG, "a trust domain must not be empty");
	if (len > TRUST_DOMAIN_MAX)
		return err_set(err, ERR_CONFIG, "a trust domain of %zu characters (%d at most)", len, TRUST_DOMAIN_MAX);
	if (strncmp(name, "spiffe:", 7) == 0)
		return err_set(err, ERR_CONFIG, "'%s': write the trust domain alone, without 'spiffe://'", name);
	size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._");
	if (good < len)
		return err_set(err, ERR_CONFIG, "'%s': a trust domain consists of a-z, 0-9, '-', '.', '_'", name);
	return 0;
}

static bool is_label(const char *label, size_t len)
{
	if (len == 0 || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)label[i]) && label[i] != '-')
			return false;
	return true;
}

/* Dots and digits only would be a mistyped address, never a name. */
static bool is_host_name(const char *host)
{
	if (host[strspn(host, "0123456789.")] == 0 || strlen(host) > HOST_MAX)
		return false;
	for (const char *at = host;;) {
		size_t len = strcspn(at, ".");
		if (!is_label(at, len))
			return false;
		at += len;
		if (*at == 0)
			return true;
		at++;
		if (*at == 0)
			return true; /* the root's dot */
	}
}

int spire_host_check(const char *host, struct err *err)
{
	struct in6_addr address;
	if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
		return 0;
	if (is_host_name(host))
		return 0;
	return err_set(err, ERR_CONFIG,
		       "'%s' is neither a host name nor an IP address (no scheme, port or brackets here)", host);
}

int spire_port_check(int64_t port, struct err *err)
{
	if (port < 1 || port > 65535)
		return err_set(err, ERR_CONFIG, "%" PRId64 " is no port (1 to 65535)", port);
	return 0;
}

static bool is_component(const char *at, size_t len)
{
	return len > 0 && !(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.');
}

static bool is_clean(const char *path)
{
	for (const char *at = path + 1;; at++) {
		size_t len = strcspn(at, "/");
		if (!is_component(at, len))
			return false;
		at += len;
		if (*at == 0)
			return true;
	}
}

int spire_path_check(const char *path, struct err *err)
{
	if (path[0] != '/')
		return err_set(err, ERR_CONFIG, "'%s' is no absolute path", path);
	if (strlen(path) > PATH_MAX_LEN)
		return err_set(err, ERR_CONFIG, "a path of %zu bytes (%d at most)", strlen(path), PATH_MAX_LEN);
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(err, ERR_CONFIG, "'%s' holds a control character", path);
	if (strstr(path, "${"))
		return err_set(err, ERR_CONFIG, "'%s' holds '${', which SPIRE's configuration language reserves", path);
	if (!is_clean(path))
		return err_set(err, ERR_CONFIG, "'%s': write the path without '//', '.', '..' and a slash at its end",
			       path);
	return 0;
}

int spire_socket_check(const char *path, struct err *err)
{
	size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	if (spire_path_check(path, err) < 0)
		return -1;
	if (strlen(path) > most)
		return err_set(err, ERR_CONFIG, "'%s' has %zu bytes; a unix socket's path takes %zu at most", path,
			       strlen(path), most);
	return 0;
}

int spire_admin_socket_check(const char *admin, const char *public_socket, struct err *err)
{
	size_t dir = (size_t)(strrchr(public_socket, '/') - public_socket) + 1; /* with its slash */
	if (strncmp(admin, public_socket, dir) != 0)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "'%s' lies in or under '%.*s', the directory of the Workload API's socket, which SPIRE refuses: "
		       "choose another directory",
		       admin, (int)(dir > 1 ? dir - 1 : 1), public_socket);
}

#define MINOR_OLDEST 9
#define MINOR_NEWEST 15

int spire_version_parse(const char *text, unsigned *ret_version, struct err *err)
{
	unsigned major = 0;
	unsigned minor = 0;
	unsigned patch = 0;
	char again[32]; /* in its one spelling, without signs, blanks, zeros in front */
	bool read = sscanf(text, "%3u.%3u.%3u", &major, &minor, &patch) == 3;
	(void)snprintf(again, sizeof(again), "%u.%u.%u", major, minor, patch);
	if (!read || strcmp(again, text) != 0)
		return err_set(err, ERR_CONFIG, "'%s' is no version of spire-agent (like \"1.15.2\", without 'v')",
			       text);
	if (major != 1 || minor < MINOR_OLDEST || minor > MINOR_NEWEST)
		return err_set(err, ERR_CONFIG, "spire-agent %s is not known (" SPIRE_VERSIONS_TEXT " are)", text);
	*ret_version = SPIRE_VERSION(minor, patch);
	return 0;
}

/* Length of a unit's name at `text`, 0 if there is none. */
static size_t unit_at(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{ "ns", 1 },	     { "us", 1000 },	   { "\xc2\xb5s", 1000 },  { "ms", 1000000 },
		{ "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
	};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);
		if (strncmp(text, units[i].name, len) == 0) {
			*ret_ns = units[i].ns;
			return len;
		}
	}
	return 0;
}

/* One "1.5h" at *text; moves past it. */
static bool duration_part(const char **text, int64_t *total)
{
	static const char digits[] = "0123456789";
	size_t whole = strspn(*text, digits);
	size_t fraction = (*text)[whole] == '.' ? 1 + strspn(*text + whole + 1, digits) : 0;
	int64_t unit = 0;
	size_t unit_len = unit_at(*text + whole + fraction, &unit);
	if (whole > 9 || fraction > 10 || unit_len == 0 || whole + (fraction > 1 ? fraction - 1 : 0) == 0)
		return false;
	int64_t value = 0;
	for (size_t i = 0; i < whole; i++)
		value = value * 10 + ((*text)[i] - '0');
	int64_t scale = unit;
	int64_t part = 0;
	for (size_t i = 1; i < fraction; i++) {
		scale /= 10;
		part += scale * ((*text)[whole + i] - '0');
	}
	*text += whole + fraction + unit_len;
	return !__builtin_mul_overflow(value, unit, &value) && !__builtin_add_overflow(value, part, &value) &&
	       !__builtin_add_overflow(*total, value, total);
}

int spire_duration_parse(const char *text, int64_t *ret_ns, struct err *err)
{
	int64_t total = 0;
	const char *at = text;
	bool good = *at != 0;
	while (good && *at)
		good = duration_part(&at, &total);
	if (!good)
		return err_set(err, ERR_CONFIG, "'%s' is no duration (like \"30s\", \"10m\" or \"1h30m\")", text);
	*ret_ns = total;
	return 0;
}
