/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which TEE is this?
 *
 * The host decides what devices a guest sees, so detection proves nothing: it
 * only chooses whom to ask. The KBS's verifier judges the answer. Must never
 * fall back from a TEE that is absent to a weaker one.
 */
#include "attest/attester.h"

#include <string.h>

#include "attest/sample.h"

/* Looked for even though this build cannot attest them: the message is better for it. */
static const struct {
	const char *tee;
	const char *path;
} known_places[] = {
	{ "snp", "/dev/sev-guest" },
	{ "tdx", "/dev/tdx_guest" },
	{ "az-snp-vtpm, az-tdx-vtpm", "/dev/tpmrm0" },
};

static const struct attester *const attesters[] = {
#ifdef SEALPOD_SAMPLE_ATTESTER
	&sample_attester,
#endif
	NULL,
};

static void say_places(struct buf *text)
{
	for (size_t i = 0; i < ARRAY_LEN(known_places); i++) {
		const char *state = access(known_places[i].path, F_OK) == 0 ? "there" : "absent";
		if (buf_printf(text, NULL, "%s'%s' for %s (%s)", i ? ", " : "", known_places[i].path, known_places[i].tee,
			       state) < 0)
			return; /* the message is complete enough */
	}
}

int attester_detect(const struct attester **ret_attester, struct err *err)
{
	for (size_t i = 0; attesters[i]; i++) {
		if (attesters[i]->probe()) {
			*ret_attester = attesters[i];
			return 0;
		}
	}
	struct buf places OWNED_BUF = BUF_INIT(512);
	say_places(&places);
	return err_set(err, ERR_NO_TEE, "no TEE that this build of sealpod can attest; looked for %s", buf_text(&places));
}
