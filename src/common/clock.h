/* SPDX-License-Identifier: ISC */
/*
 * The two clocks: one that only goes forward, for waits and limits; and the wall's, which
 * anybody may set.  Must not be mixed: what waits or limits goes by the first alone.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since some moment before the start of the process. */
static inline uint64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}

static inline uint64_t
clock_ms(void)
{
	return clock_us() / 1000U;
}

static inline int64_t
clock_s(void)
{
	return (int64_t)(clock_us() / 1000000U);
}

/* Seconds since 1970. */
static inline int64_t
clock_unix(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec;
}

#endif
