/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines and back-off. The jitter comes from libsodium, which is also what
 * keeps many guests of one image from drawing the same pauses.
 */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <time.h>

int64_t clock_now_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct deadline deadline_in(int64_t ms)
{
	int64_t now = clock_now_ms();
	return (struct deadline){ .at_ms = ms > INT64_MAX - now ? INT64_MAX : now + ms };
}

int64_t deadline_left(const struct deadline *deadline)
{
	int64_t now = clock_now_ms();
	return deadline->at_ms > now ? deadline->at_ms - now : 0;
}

/* What the random numbers below reach: 49 days. */
#define LONGEST_PAUSE_MS ((int64_t)UINT32_MAX - 1)

int64_t backoff_next(struct backoff *backoff)
{
	const int64_t cap = backoff->cap_ms < LONGEST_PAUSE_MS ? backoff->cap_ms : LONGEST_PAUSE_MS;
	int64_t most = backoff->base_ms;
	for (unsigned i = 0; i < backoff->tries && i < 32 && most < cap; i++)
		most *= 2;
	if (most > cap)
		most = cap;
	if (backoff->tries < UINT_MAX)
		backoff->tries++;
	return most > 0 ? (int64_t)randombytes_uniform((uint32_t)most + 1) : 0;
}

bool clock_pause(int64_t ms, const struct deadline *deadline)
{
	if (ms < 0)
		ms = 0;
	if (deadline_left(deadline) <= ms)
		return false;
	struct timespec rest = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR)
		;
	return true;
}

bool clock_pause_for_try(int64_t ms, const struct deadline *deadline)
{
	int64_t most = deadline_left(deadline) - CLOCK_LAST_TRY_MS;
	if (most <= 0)
		return false;
	return clock_pause(ms < most ? ms : most, deadline);
}
