/* SPDX-License-Identifier: ISC */
/* The pace of refusals: see pace.h. */
#include "pace.h"

void
pace_learn(struct pace *p, uint64_t took_us)
{
	p->took_us[p->at] = took_us > PACE_MAX_US ? PACE_MAX_US : (uint32_t)took_us;
	p->at = (p->at + 1) % PACE_WINDOW;
	if (p->n < PACE_WINDOW)
		p->n++;
}

uint32_t
pace_target_us(const struct pace *p, bool bound, uint64_t took_us, uint32_t random)
{
	uint32_t took = took_us > PACE_MAX_US ? PACE_MAX_US : (uint32_t)took_us, target;

	if (p->n < PACE_ENOUGH)
		target = PACE_UNKNOWN_US;
	else
		target = bound ? took : p->took_us[random % p->n];
	if (target < took)
		target = took;
	/*
	 * Up to an eighth more: the times in the window are few, and must not show
	 * again and again.
	 */
	if (target >= 8)
		target += (random >> 8) % (target / 8);
	target += PACE_GRID_US - 1;
	target -= target % PACE_GRID_US;
	return target > PACE_MAX_US ? PACE_MAX_US : target;
}
