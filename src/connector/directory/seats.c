/* SPDX-License-Identifier: ISC */
/*
 * A seat exists while somebody sits on it. The first in its queue is who sits.
 */
#include "build.h"

#include "seats.h"

#include "common/siphash.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 256U

struct seat {
	LIST_ENTRY(seat) bucket;
	uint8_t guid[GUID_SIZE];
	TAILQ_HEAD(, seat_place) queue;
	size_t count;
};

LIST_HEAD(seat_list, seat);

struct seats {
	struct seat_list buckets[BUCKETS];
};

struct seats *
seats_new(void)
{
	struct seats *seats;
	size_t i;

	if ((seats = calloc(1, sizeof(*seats))) == NULL)
		return NULL;
	for (i = 0; i < BUCKETS; i++)
		LIST_INIT(&seats->buckets[i]);
	return seats;
}

void
seats_free(struct seats *seats)
{
	struct seat *seat;
	size_t i;

	if (seats == NULL)
		return;
	for (i = 0; i < BUCKETS; i++) {
		while ((seat = LIST_FIRST(&seats->buckets[i])) != NULL) {
			LIST_REMOVE(seat, bucket);
			free(seat);
		}
	}
	free(seats);
}

enum seat_answer
seat_take(struct seats *seats, const uint8_t guid[GUID_SIZE], struct seat_place *place)
{
	struct seat_list *bucket = &seats->buckets[siphash_random(guid, GUID_SIZE) % BUCKETS];
	struct seat *seat;

	LIST_FOREACH (seat, bucket, bucket) {
		if (memcmp(seat->guid, guid, GUID_SIZE) == 0)
			break;
	}
	if (seat == NULL) {
		if ((seat = calloc(1, sizeof(*seat))) == NULL)
			return SEAT_NO_MEMORY;
		memcpy(seat->guid, guid, GUID_SIZE);
		TAILQ_INIT(&seat->queue);
		LIST_INSERT_HEAD(bucket, seat, bucket);
	} else if (seat->count > SEAT_WAITERS_MAX)
		return SEAT_FULL;
	TAILQ_INSERT_TAIL(&seat->queue, place, entry);
	place->seat = seat;
	return seat->count++ == 0 ? SEAT_YOURS : SEAT_LATER;
}

void
seat_leave(struct seat_place *place)
{
	struct seat *seat = place->seat;
	struct seat_place *next;
	bool sat;

	if (seat == NULL)
		return;
	sat = TAILQ_FIRST(&seat->queue) == place;
	TAILQ_REMOVE(&seat->queue, place, entry);
	place->seat = NULL;
	if (--seat->count == 0) {
		LIST_REMOVE(seat, bucket);
		free(seat);
	} else if (sat) {
		next = TAILQ_FIRST(&seat->queue);
		next->seated(next->arg);
	}
}
