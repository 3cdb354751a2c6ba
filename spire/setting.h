/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of SPIRE agent's configuration file that an operator may set beside
 * those which sealpod writes itself, in a table: name, type, the version that
 * brought it, the values it takes.
 *
 * Versions: 1.9 to 1.15. The agent refuses to start on an unknown key in its
 * `agent` and `health_checks` sections and silently ignores one in `sds`,
 * `experimental` and the plugin's data; here all unknown keys are refused. A key
 * that not all versions have is refused unless the version is known and has it.
 *
 * In a list of settings a table is an entry of its own (type SPIRE_TABLE, no
 * value), beside its members, which bear the section that it opens.
 *
 * Sections are named by their path in the file:
 *   "agent", "agent.sds", "agent.experimental", "agent.experimental.ratelimit",
 *   "health_checks", "unix" (plugin_data of the unix workload attestor).
 */
#ifndef SEALPOD_SPIRE_SETTING_H
#define SEALPOD_SPIRE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum spire_setting_type {
	SPIRE_STRING = 1,
	SPIRE_INTEGER = 2,
	SPIRE_BOOL = 4,
	SPIRE_STRINGS = 8, /* an array of strings */
	SPIRE_TABLE = 16,  /* a section below; its members are settings of their own */
	SPIRE_OTHER = 32,  /* anything that SPIRE has no use for: floats, dates, other arrays */
};

/* One key and its value; all text is borrowed. Only the member of `type` counts. */
struct spire_setting {
	const char *section;
	const char *name;
	enum spire_setting_type type;
	const char *text;
	int64_t integer;
	bool boolean;
	const char *const *texts;
	size_t text_count;
};

/* May this key with a value of this type stand in this section, for an agent of
 * this version (NULL: unknown, so all supported ones count)? ERR_CONFIG with the
 * key and the reason. Opens nothing: for use while the configuration is read.
 * For a table it answers whether the section may be there. */
int spire_agent_setting_check(const char *section, const char *name, enum spire_setting_type type, const char *version,
			      struct err *err) WARN_UNUSED;

/* The same and its value: range, choice, duration, text that SPIRE's parser
 * takes. A table has no value. */
int spire_agent_setting_check_value(const struct spire_setting *setting, const char *version,
				    struct err *err) WARN_UNUSED;

/* The section that the table `name` in `section` opens ("agent", "sds" gives
 * "agent.sds"); NULL if there is none. */
const char *spire_agent_subsection(const char *section, const char *name);

/* Did all supported versions, or the given one, know this key of `agent`? For
 * keys that sealpod writes itself. */
bool spire_agent_has_key(const char *name, const char *version);

#endif
