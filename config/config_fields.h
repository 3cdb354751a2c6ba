/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of sealpod.toml as one table: name, kind of value, place in struct
 * config, default. config.c walks it; the manual page is checked against it.
 */
#ifndef SEALPOD_CONFIG_FIELDS_H
#define SEALPOD_CONFIG_FIELDS_H

#include <stddef.h>

#include "config/config.h"

struct config_field {
	const char *table; /* "kbs", "agent", … */
	const char *key;
	enum toml_type type;
	/* Checks and stores; `place` points into struct config. */
	int (*set)(const struct toml_value *value, void *place, struct err *err);
	size_t offset;
	const char *fallback; /* of text fields, NULL for none */
	bool text;	      /* is the place a `char *` to free? */
};

extern const struct config_field config_fields[];
extern const size_t config_field_count;

/* NULL for an unknown key. */
const struct config_field *config_field_find(struct bytes table, struct bytes key);

/* Is it a table of sealpod.toml at all? */
bool config_table_known(struct bytes table);

/* Fills in the defaults. ERR_SYSTEM when memory is short. */
int config_set_defaults(struct config *config, struct err *err) WARN_UNUSED;

#endif
