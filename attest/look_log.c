/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings in the log. Their texts quote the report, which the host's side made.
 */
#include "attest/look_log.h"

#include "base/log.h"

void look_log(const struct look *look)
{
	for (size_t i = 0; i < look->count; i++)
		if (look->findings[i].severity == LOOK_WARNING)
			log_warning("own evidence: %s", look->findings[i].text);
}
