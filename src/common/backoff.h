/* SPDX-License-Identifier: ISC */
/*
 * How long to wait before the next try to connect (docs/tunnel-protocol.md 4.4).  A pure
 * function of its state, the time that has passed and a random number.
 *
 * There are two kinds of trouble.  Who answers and refuses, or closes what it has just
 * opened, is spared: the waits double up to the longest.  Who does not answer at all is
 * spared nothing by waiting, and is wanted back: the waits stay short, and in the long run
 * are a small part of the time that was lost anyway.
 */
#ifndef ADC_BACKOFF_H
#define ADC_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 250U
#define BACKOFF_LONGEST_MS 30000U
/* While nobody answers: at most this, or this part of the time since it began. */
#define BACKOFF_SILENCE_MS 1000U
#define BACKOFF_SILENCE_PART 120U

struct backoff {
	unsigned int refusals; /* zero at first, and after backoff_reset() */
	unsigned int silences;
};

/*
 * The wait in ms after a refusal: from the upper half of 250, 500, … 30,000, chosen by any
 * 32 random bits.
 */
uint32_t backoff_refused(struct backoff *, uint32_t random_bits);
/* The same when nobody answered; away_ms: since the last time all was well. */
uint32_t backoff_silent(struct backoff *, uint64_t away_ms, uint32_t random_bits);
void backoff_reset(struct backoff *);
/* The next wait after a refusal is one of the longest. */
void backoff_raise(struct backoff *);

#endif
