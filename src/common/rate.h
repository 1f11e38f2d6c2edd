/* SPDX-License-Identifier: ISC */
/*
 * How often a peer may do what costs this side something: once an interval on average,
 * and some at once.  One number is all that is kept: the time until which what was done so
 * far is enough.  Must not be used for what has many keys; that is the hub's throttle.
 */
#ifndef COMMON_RATE_H
#define COMMON_RATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Counts one more.  False: that is more than at_once over what the time allows.  *until
 * begins as 0; now and interval in the same unit, e.g. milliseconds.
 */
static inline bool
rate_allowed(uint64_t *until, uint64_t now, uint64_t interval, unsigned int at_once)
{
	if (*until < now)
		*until = now;
	if (*until - now > interval * (at_once - 1))
		return false;
	*until += interval;
	return true;
}

#endif
