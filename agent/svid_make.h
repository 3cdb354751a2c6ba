/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a state makes.
 */
#ifndef SEALPOD_AGENT_SVID_MAKE_H
#define SEALPOD_AGENT_SVID_MAKE_H

#include "agent/svid_state.h"

/* The contents are the state's in part: it must stay as it is for as long as the files are used. What cannot be made of
 * an SVID beside others, or of a foreign bundle, is left out with a warning. */
int svid_make_files(const struct svid_state *state, time_t now, struct svid_files *files, struct err *err) WARN_UNUSED;

/* The password of PKCS#12 files, which ends with the first line of that file; a NUL stands behind it. */
int svid_make_password(const char *path, struct secret *ret_password, struct err *err) WARN_UNUSED;

#endif
