/* SPDX-License-Identifier: ISC */
/*
 * See backoff.h.  The jitter keeps a thousand connectors from coming back to a
 * restarted hub in step.
 */
#include "backoff.h"

/* 250 ms doubled this often is beyond the longest wait. */
#define TRIES_LONGEST 7

/* The wait of so many tries, which are counted on. */
static uint32_t
doubled(unsigned int *tries)
{
	uint32_t wait = *tries >= TRIES_LONGEST ? BACKOFF_LONGEST_MS : BACKOFF_FIRST_MS << *tries;

	if (*tries < TRIES_LONGEST)
		(*tries)++;
	return wait;
}

static uint32_t
drawn(uint32_t wait, uint32_t random_bits)
{
	return wait - random_bits % (wait / 2 + 1);
}

uint32_t
backoff_refused(struct backoff *b, uint32_t random_bits)
{
	return drawn(doubled(&b->refusals), random_bits);
}

uint32_t
backoff_silent(struct backoff *b, uint64_t away_ms, uint32_t random_bits)
{
	uint64_t most = away_ms / BACKOFF_SILENCE_PART;
	uint32_t wait = doubled(&b->silences);

	if (most < BACKOFF_SILENCE_MS)
		most = BACKOFF_SILENCE_MS;
	return drawn(wait > most ? (uint32_t)most : wait, random_bits);
}

void
backoff_reset(struct backoff *b)
{
	b->refusals = b->silences = 0;
}

void
backoff_raise(struct backoff *b)
{
	b->refusals = TRIES_LONGEST;
}
