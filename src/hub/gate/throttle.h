/* SPDX-License-Identifier: ISC */
/*
 * Attempts a minute by some key: token buckets in a table of fixed size, so
 * that no number of keys costs more memory.  A bucket holds one minute's
 * attempts and fills evenly.
 */
#ifndef GATE_THROTTLE_H
#define GATE_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct throttle;

/* per_minute 0: nothing is ever refused. NULL when memory is short. */
struct throttle *throttle_new(uint32_t per_minute);
void throttle_free(struct throttle *);
/* Whether an attempt by this key would pass now; takes nothing. now: clock_ms(). */
bool throttle_would_pass(struct throttle *, const void *key, size_t len, uint64_t now);
/* Takes one attempt; false, and nothing taken, when there is none left. */
bool throttle_take(struct throttle *, const void *key, size_t len, uint64_t now);
/* Seconds, at least 1, after which a refused key has an attempt again, rounded up. */
unsigned int throttle_retry_after(const struct throttle *);

/* How many keys are told apart; beyond it the key that is least limited is forgotten. */
#define THROTTLE_SETS 2048
#define THROTTLE_WAYS 8

#endif
