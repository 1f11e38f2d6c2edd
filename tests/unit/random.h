/* SPDX-License-Identifier: ISC */
/*
 * Numbers for randomised tests. A failed run says its seed; ADC_TEST_SEED in
 * the environment repeats it.
 */
#ifndef ADC_TEST_RANDOM_H
#define ADC_TEST_RANDOM_H

#include <bsd/stdlib.h>
#include <stdint.h>
#include <stdlib.h>

static uint32_t random_first, random_now;

static inline void
random_start(void)
{
	const char *given = getenv("ADC_TEST_SEED");

	random_first =
	    given == NULL ? arc4random() : (uint32_t)strtonum(given, 1, UINT32_MAX, NULL);
	random_now = random_first == 0 ? 1 : random_first;
}

static inline uint32_t
random_seed(void)
{
	return random_first;
}

/* xorshift32 (Marsaglia 2003). */
static inline uint32_t
random_u32(void)
{
	random_now ^= random_now << 13;
	random_now ^= random_now >> 17;
	random_now ^= random_now << 5;
	return random_now;
}

static inline uint32_t
random_below(uint32_t limit)
{
	return random_u32() % limit;
}

#endif
