/* SPDX-License-Identifier: ISC */
/*
 * Which sealed texts were used already, in the last ten minutes: by their jti where they
 * are opened, by their tag at the hub, which sees them go to any of several connectors.
 *
 * Kept as 64-bit fingerprints under a random key, in one table for each minute
 * that grows as needed.  When a minute's table is full, a text is refused and
 * none is forgotten.
 *
 * Ten minutes are enough while the time by which a text's age is judged runs evenly.  Where
 * somebody else says that time, and may set it back, older ones are kept as well, up to a number;
 * and once some of these are forgotten, so is every text as old as they were.  So none counts
 * twice, and with an even time nobody notices.
 */
#ifndef ADC_REPLAY_H
#define ADC_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#define REPLAY_MINUTES 11	     /* ten whole ones and the one that runs */
#define REPLAY_MINUTE_MAX (1U << 18) /* values in one minute: 4,369 a second */

struct replay;

enum replay_verdict { REPLAY_NEW, REPLAY_SEEN, REPLAY_FULL, REPLAY_FORGOTTEN };

/*
 * At most minute_max values a minute, up to REPLAY_MINUTE_MAX, and older_max older ones; 0: the
 * time in texts is not looked at. NULL: no memory.
 */
struct replay *replay_new(size_t minute_max, size_t older_max);
void replay_free(struct replay *);
/*
 * Looks a text's mark up and remembers it. issued: the time that the text says. now: seconds of a
 * clock that never goes back.
 */
enum replay_verdict replay_check(struct replay *, const char *mark, int64_t issued, int64_t now);

#endif
