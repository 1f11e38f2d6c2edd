/* SPDX-License-Identifier: ISC */
/*
 * Which sealed texts were used already, in the last ten minutes: by their jti where they
 * are opened, by their tag at the hub, which sees them go to any of several connectors.
 *
 * Kept as 64-bit fingerprints under a random key, in one table for each minute
 * that grows as needed.  When a minute's table is full, a text is refused and
 * none is forgotten.
 */
#ifndef ADC_REPLAY_H
#define ADC_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#define REPLAY_MINUTES 11	     /* ten whole ones and the one that runs */
#define REPLAY_MINUTE_MAX (1U << 18) /* values in one minute: 4,369 a second */

struct replay;

enum replay_verdict { REPLAY_NEW, REPLAY_SEEN, REPLAY_FULL };

/* At most minute_max values a minute (a power of two up to REPLAY_MINUTE_MAX). NULL: no memory. */
struct replay *replay_new(size_t minute_max);
void replay_free(struct replay *);
/* Looks a text's mark up and remembers it. now: seconds of a clock that never goes back. */
enum replay_verdict replay_check(struct replay *, const char *mark, int64_t now);

#endif
