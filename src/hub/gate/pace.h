/* SPDX-License-Identifier: ISC */
/*
 * How long a refused bind takes, so that other refusals can be made to take as
 * long.  An unknown name is answered after a search, a wrong password after a
 * search and a bind: without this, a clock tells who exists (and who is an admin).
 *
 * Kept is a window of what refused binds really took.  A refusal without a bind
 * waits until one of those times, drawn at random: the two kinds then have the
 * same distribution, not only the same mean.  Both are answered by a timer on the same grid,
 * or the timer's own coarseness would tell them apart.
 */
#ifndef GATE_PACE_H
#define GATE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_WINDOW 64
/* With fewer times than this nothing is known yet and every refusal takes PACE_UNKNOWN_US. */
#define PACE_ENOUGH 8
#define PACE_UNKNOWN_US 250000U
#define PACE_GRID_US 2000U
/* Nobody is made to wait longer than this. */
#define PACE_MAX_US 2000000U

struct pace {
	uint32_t took_us[PACE_WINDOW];
	unsigned int n;	 /* filled */
	unsigned int at; /* next to overwrite */
};

/* A refused bind took this long. */
void pace_learn(struct pace *, uint64_t took_us);
/*
 * How long, from its start, a refusal is to take that is known after took_us.  bound: it
 * came from a refused bind itself.  random: 32 random bits.  At least took_us, unless
 * that is over PACE_MAX_US.
 */
uint32_t pace_target_us(const struct pace *, bool bound, uint64_t took_us, uint32_t random);

#endif
