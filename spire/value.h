/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values of an agent's configuration. Each check is ERR_CONFIG with a
 * text that names the value and what is wrong with it, without a key: the
 * reader of the configuration puts file, line and key in front.
 *
 * All of them are pure: no look-up, no file is touched.
 */
#ifndef SEALPOD_SPIRE_VALUE_H
#define SEALPOD_SPIRE_VALUE_H

#include <stdint.h>

#include "base/err.h"

/* "example.test": 1 to 255 of a-z 0-9 - . _ */
int spire_trust_domain_check(const char *name, struct err *err) WARN_UNUSED;

/* A host name, an IPv4 or an IPv6 address (without brackets, port or scheme). */
int spire_host_check(const char *host, struct err *err) WARN_UNUSED;

/* 1 to 65535 */
int spire_port_check(int64_t port, struct err *err) WARN_UNUSED;

/* Absolute, without "//", "/./", "/../" and a slash at the end, of printable
 * characters, and without "${", which HCL would scan. */
int spire_path_check(const char *path, struct err *err) WARN_UNUSED;

/* A path that also fits into a unix socket's address. */
int spire_socket_check(const char *path, struct err *err) WARN_UNUSED;

/* The agent's admin socket must not lie in or under the directory of the public
 * one, or SPIRE refuses to start: that directory is open to all workloads. Both
 * have passed spire_socket_check(). */
int spire_admin_socket_check(const char *admin, const char *public_socket, struct err *err) WARN_UNUSED;

/* The versions of the agent that we know. */
#define SPIRE_VERSION_OLDEST "1.9.0"
#define SPIRE_VERSIONS_TEXT "1.9 to 1.15"

/* "1.x.y" of a supported version, as one number that grows with it. */
int spire_version_parse(const char *text, unsigned *ret_version, struct err *err) WARN_UNUSED;

#define SPIRE_VERSION(minor, patch) (1000000u + (minor)*1000u + (patch))

/* "10m", "1h30m", "1.5s" as Go reads them, not negative; in nanoseconds. */
int spire_duration_parse(const char *text, int64_t *ret_ns, struct err *err) WARN_UNUSED;

#endif
