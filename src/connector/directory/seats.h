/* SPDX-License-Identifier: ISC */
/*
 * At most one bind under way for each person, by objectGUID: two guesses at the
 * same time would both be made on the strength of one count.
 */
#ifndef ADC_DIRECTORY_SEATS_H
#define ADC_DIRECTORY_SEATS_H

#include "attributes.h"

#include <bsd/sys/queue.h>

/* Attempts that may wait for the same person. */
#define SEAT_WAITERS_MAX 64

struct seat;
struct seats;

/* Lies in the attempt. */
struct seat_place {
	TAILQ_ENTRY(seat_place) entry;
	struct seat *seat; /* NULL: has none, waits for none */
	void (*seated)(void *arg);
	void *arg;
};

struct seats *seats_new(void);
void seats_free(struct seats *);
enum seat_answer {
	SEAT_YOURS,
	SEAT_LATER, /* seated will be called */
	SEAT_FULL,  /* too many wait */
	SEAT_NO_MEMORY
};

enum seat_answer seat_take(struct seats *, const uint8_t guid[GUID_SIZE], struct seat_place *);
/* Gives it up, or stops waiting; the next one is called from within. */
void seat_leave(struct seat_place *);

#endif
