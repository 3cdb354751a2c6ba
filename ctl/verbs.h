/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of sealpodctl, each defined in the file that carries it out.
 */
#ifndef SEALPOD_CTL_VERBS_H
#define SEALPOD_CTL_VERBS_H

#include "ctl/cli.h"

extern const struct cli_verb verb_new;
extern const struct cli_verb verb_apply;
extern const struct cli_verb verb_build;
extern const struct cli_verb verb_keygen;
extern const struct cli_verb verb_issue_root;
extern const struct cli_verb verb_issue_issuer;
extern const struct cli_verb verb_issue_leaf;
extern const struct cli_verb verb_initdata_build;
extern const struct cli_verb verb_initdata_show;
extern const struct cli_verb verb_initdata_lint;
extern const struct cli_verb verb_initdata_digest;
extern const struct cli_verb verb_initdata_annotate;
extern const struct cli_verb verb_initdata_convert;
extern const struct cli_verb verb_entries_apply;
extern const struct cli_verb verb_entries_list;
extern const struct cli_verb verb_entries_plan;
extern const struct cli_verb verb_entries_print;
extern const struct cli_verb verb_measure;
extern const struct cli_verb verb_evidence_show;
extern const struct cli_verb verb_kbs_attestation_policy;
extern const struct cli_verb verb_kbs_delete;
extern const struct cli_verb verb_kbs_generate;
extern const struct cli_verb verb_kbs_get;
extern const struct cli_verb verb_kbs_list;
extern const struct cli_verb verb_kbs_put;
extern const struct cli_verb verb_kbs_reference_values;
extern const struct cli_verb verb_kbs_resource_policy;
extern const struct cli_verb verb_completion;
extern const struct cli_verb verb_plan;
extern const struct cli_verb verb_rotate_admin_key;
extern const struct cli_verb verb_rotate_init_data;
extern const struct cli_verb verb_rotate_issuer;
extern const struct cli_verb verb_rotate_root;
extern const struct cli_verb verb_spire_config;
extern const struct cli_verb verb_version;
extern const struct cli_verb verb_help;

/* What `sealpodctl VERB --help` prints; of all verbs that begin with `first` where `second` is NULL. ERR_USAGE where
 * there is none. */
int help_on_words(const char *first, const char *second, struct err *err) WARN_UNUSED;

#endif
