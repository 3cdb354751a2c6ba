/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extra settings of the SPIRE agent: the TOML tables [agent.settings],
 * [agent.health_checks] and [agent.unix], checked against SPIRE's own keys and
 * flattened into the list that spire/ renders.
 */
#ifndef SEALPOD_CONFIG_SETTINGS_H
#define SEALPOD_CONFIG_SETTINGS_H

#include "config/problems.h"
#include "base/toml.h"
#include "spire/setting.h"

#define SETTINGS_MAX 128

struct settings {
	struct spire_setting items[SETTINGS_MAX];
	size_t count;
	void *owned[4 * SETTINGS_MAX]; /* copies of the texts */
	size_t owned_count;
};

/* Appends the members of `table`, which is SPIRE's section `section`; `key` is its name in sealpod.toml.
 * Each that SPIRE would not take becomes a problem. `version`: the agent's, NULL if not known. */
void settings_read(struct settings *settings, const struct toml_value *table, const char *section, const char *key,
		   const char *version, struct problems *problems);

void settings_done(struct settings *settings);

#endif
