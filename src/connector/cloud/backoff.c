/* SPDX-License-Identifier: ISC */
/*
 * See backoff.h.  The jitter keeps a thousand connectors from coming back to a
 * restarted hub in step.
 */
#include "backoff.h"

/* 250 ms doubled this often is beyond the longest wait. */
#define TRIES_LONGEST 7

uint32_t
backoff_next(struct backoff *b, uint32_t random_bits)
{
	uint32_t wait;

	wait = b->tries >= TRIES_LONGEST ? BACKOFF_LONGEST_MS : BACKOFF_FIRST_MS << b->tries;
	if (b->tries < TRIES_LONGEST)
		b->tries++;
	return wait - random_bits % (wait / 2 + 1);
}

void
backoff_reset(struct backoff *b)
{
	b->tries = 0;
}

void
backoff_raise(struct backoff *b)
{
	b->tries = TRIES_LONGEST;
}
