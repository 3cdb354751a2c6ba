/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPIFFE IDs and Workload API addresses.
 *
 * IDs come from an agent or out of certificates; file names are made of their
 * parts, so nothing may pass that the standard does not allow. Addresses come
 * from the operator or the environment.
 */
#include "spire/id.h"

#include <string.h>

#include "spire/value.h"

static const char domain_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
static const char path_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

static bool is_segment(const char *at, size_t len)
{
	return len > 0 && !(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.') &&
	       strspn(at, path_letters) >= len;
}

/* "/a/b", or nothing. */
static bool is_path(const char *path)
{
	while (*path == '/') {
		size_t len = strcspn(++path, "/");
		if (!is_segment(path, len))
			return false;
		path += len;
	}
	return *path == 0;
}

int spire_id_parse(const char *id, struct bytes *ret_domain, struct bytes *ret_path, struct err *err)
{
	static const char scheme[] = "spiffe://";
	if (strlen(id) > SPIRE_ID_MAX)
		return err_set(err, ERR_PROTOCOL, "a SPIFFE ID of more than %d bytes", SPIRE_ID_MAX);
	const char *domain = strncmp(id, scheme, sizeof(scheme) - 1) == 0 ? id + sizeof(scheme) - 1 : "";
	size_t len = strspn(domain, domain_letters);
	if (len == 0 || len > SPIRE_TRUST_DOMAIN_MAX || !is_path(domain + len))
		return err_set(err, ERR_PROTOCOL, "'%.200s' is no SPIFFE ID", id);
	if (ret_domain)
		*ret_domain = bytes_of(domain, len);
	if (ret_path)
		*ret_path = bytes_of_text(domain + len);
	return 0;
}

int spire_endpoint_parse(const char *address, const char **ret_path, struct err *err)
{
	const char *path = address;
	if (strncmp(address, "tcp:", 4) == 0)
		return err_set(err, ERR_CONFIG,
			       "'%s': a Workload API over TCP has no way to tell who asks; use the agent's unix socket",
			       address);
	if (strncmp(path, "unix:", 5) == 0)
		path += 5;
	if (path != address && strncmp(path, "//", 2) == 0)
		path += 2;
	if (path[0] != '/')
		return err_set(err, ERR_CONFIG, "'%s' is no address of a Workload API; write 'unix:///path/of/socket'",
			       address);
	if (spire_socket_check(path, err) < 0)
		return -1;
	*ret_path = path;
	return 0;
}
