/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One deadline for a whole start, and the pauses between tries.
 *
 * Deadlines run on CLOCK_MONOTONIC in milliseconds. A back-off pause is drawn
 * uniformly from 0 to min(cap, base * 2^n) ("full jitter"), so that many guests
 * which lost the same server do not come back in step.
 */
#ifndef SEALPOD_BASE_CLOCK_H
#define SEALPOD_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
	int64_t at_ms;
};

int64_t clock_now_ms(void);

/* INT64_MAX is never; nothing and less is now. */
struct deadline deadline_in(int64_t ms);

/* Milliseconds left, 0 when passed. */
int64_t deadline_left(const struct deadline *deadline);

struct backoff {
	int64_t base_ms;
	int64_t cap_ms;
	unsigned tries; /* pauses made so far */
};

#define BACKOFF_INIT                                                                                                   \
	{                                                                                                              \
		.base_ms = 500, .cap_ms = 15000, .tries = 0                                                            \
	}

/* The next pause in milliseconds; counts it. */
int64_t backoff_next(struct backoff *backoff);

/* For the pause between two tries: as clock_pause(), but a pause that would end after the deadline is cut so that
 * one last try starts CLOCK_LAST_TRY_MS before it. False when that moment has passed. */
#define CLOCK_LAST_TRY_MS 500
bool clock_pause_for_try(int64_t ms, const struct deadline *deadline);

/* Sleeps `ms`, resuming after signals. False, at once and without sleeping, if
 * the deadline comes first. */
bool clock_pause(int64_t ms, const struct deadline *deadline);

#endif
