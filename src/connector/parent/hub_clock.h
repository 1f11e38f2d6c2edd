/* SPDX-License-Identifier: ISC */
/*
 * The hub's clock, as its last welcome told it, beside this host's.
 *
 * Sealed passwords carry the hub's time (docs/tunnel-protocol.md 6), and this host's clock may be
 * wrong or be set while it runs. So their age is judged by the hub's, carried on by the monotonic
 * clock.
 *
 * What says it is adc-cloud, which parses what comes from outside. In other hands it could
 * make texts young that it held back; so it is believed as long as this host's own clock is
 * at most HUB_CLOCK_OFF_MAX away, and otherwise that one counts. That no text counts twice,
 * whatever the time is said to be, is directory's own care (common/replay.h).
 */
#ifndef ADC_HUB_CLOCK_H
#define ADC_HUB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds: two hours, which local time taken for UTC makes in summer, and a little more. */
#define HUB_CLOCK_OFF_MAX 7500
/* Seconds from which people are told. */
#define HUB_CLOCK_OFF_TOLD 60

struct hub_clock {
	bool known;	/* no welcome has told it yet */
	int64_t steady; /* the hub's seconds since 1970, less those of the monotonic clock */
	bool told;	/* people know how far it is off */
	int64_t told_off;
};

/* Now, by the hub. */
void hub_clock_set(struct hub_clock *, int64_t time);
/* Seconds that this host's clock is ahead of the hub's now; 0 while the hub's is not known. */
int64_t hub_clock_off(const struct hub_clock *);
/* The time that sealed texts are held against. */
int64_t hub_clock_now(const struct hub_clock *);
/*
 * Logs once that the clocks differ and what to do, again when they differ by other than that,
 * and that they agree again. hub: its name.
 */
void hub_clock_tell(struct hub_clock *, const char *hub);

#endif
