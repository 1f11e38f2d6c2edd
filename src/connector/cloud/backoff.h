/* SPDX-License-Identifier: ISC */
/*
 * How long to wait before the next try (docs/tunnel-protocol.md 4.4).  A pure
 * function of its state and a random number.
 */
#ifndef ADC_CLOUD_BACKOFF_H
#define ADC_CLOUD_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 250U
#define BACKOFF_LONGEST_MS 30000U

struct backoff {
	unsigned int tries; /* zero at first, and after backoff_reset() */
};

/* The wait in ms: from the upper half of 250, 500, … 30,000, chosen by any 32 random bits. */
uint32_t backoff_next(struct backoff *, uint32_t random_bits);
void backoff_reset(struct backoff *);
/* The next wait is one of the longest. */
void backoff_raise(struct backoff *);

#endif
