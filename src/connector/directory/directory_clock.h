/* SPDX-License-Identifier: ISC */
/*
 * The directory's clock, by which it counts wrong passwords and ends locks.
 *
 * The lock-out budget compares times that the directory wrote with "now".  By this host's
 * clock a count would look old as soon as that is ahead by the observation window, and
 * people would be locked; so "now" is the directory's, as its root entry told it, carried on
 * by the monotonic clock.
 */
#ifndef ADC_DIRECTORY_CLOCK_H
#define ADC_DIRECTORY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct directory_clock {
	bool known;
	int64_t ahead; /* FILETIME units: the directory's time less that of the monotonic clock */
};

/* "20261126041530.0Z" as FILETIME. -1: not such a time. */
int directory_time_read(const char *text, int64_t *filetime);
/* The directory's time now. */
void directory_clock_set(struct directory_clock *, int64_t filetime);
/*
 * Takes a later reading.  One that differs by what a way and whole seconds make changes nothing:
 * times that were taken before and after it must compare.
 */
void directory_clock_follow(struct directory_clock *, const struct directory_clock *later);
/* FILETIME; by this host's clock while the directory's is not known. */
int64_t directory_clock_now(const struct directory_clock *);

#endif
