/* SPDX-License-Identifier: ISC */
/*
 * Which sealed texts were used already: the jti values of the last ten minutes.
 *
 * Kept as 64-bit fingerprints under a random key, in one table for each minute
 * that grows as needed.  When a minute's table is full, a text is refused and
 * none is forgotten.
 */
#ifndef ADC_DIRECTORY_REPLAY_H
#define ADC_DIRECTORY_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#define REPLAY_MINUTES 11	     /* ten whole ones and the one that runs */
#define REPLAY_MINUTE_MAX (1U << 18) /* values in one minute: 4,369 a second */

struct replay;

enum replay_verdict { REPLAY_NEW, REPLAY_SEEN, REPLAY_FULL };

/* At most minute_max values a minute (a power of two up to REPLAY_MINUTE_MAX). NULL: no memory. */
struct replay *replay_new(size_t minute_max);
void replay_free(struct replay *);
/* Looks a jti up and remembers it. now: seconds of a clock that never goes back. */
enum replay_verdict replay_check(struct replay *, const char *jti, int64_t now);

#endif
