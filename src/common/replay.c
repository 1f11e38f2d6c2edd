/* SPDX-License-Identifier: ISC */
/*
 * The fingerprints of one minute are one open-addressed table, at most four fifths full and
 * growing by half: a login is remembered in 10 to 15 bytes.  All that are older are one more
 * table, which is emptied when it is full.
 */
#include "build.h"

#include "replay.h"

#include "siphash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 256U
#define FULL(used, size) (5 * (used) >= 4 * (size))

struct table {
	int64_t minute;	 /* since the clock's start */
	int64_t latest;	 /* time in a text that is in it */
	uint64_t *slots; /* 0: free */
	size_t size;
	size_t used;
};

struct replay {
	size_t max;
	size_t older_max;
	struct table minutes[REPLAY_MINUTES];
	struct table older;
	int64_t forgotten; /* the latest time in a text that is in no table any more */
};

struct replay *
replay_new(size_t minute_max, size_t older_max)
{
	struct replay *r;

	if ((r = calloc(1, sizeof(*r))) != NULL) {
		r->max = minute_max;
		r->older_max = older_max;
		r->forgotten = INT64_MIN;
	}
	return r;
}

void
replay_free(struct replay *r)
{
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; i < REPLAY_MINUTES; i++)
		free(r->minutes[i].slots);
	free(r->older.slots);
	free(r);
}

/* The slot that holds a fingerprint, or the free one where it belongs. */
static size_t
slot_of(const uint64_t *slots, size_t size, uint64_t print)
{
	/* The upper half picks the place: any size does. */
	size_t at = (size_t)((print >> 32) * size >> 32);

	while (slots[at] != 0 && slots[at] != print)
		at = at + 1 == size ? 0 : at + 1;
	return at;
}

static bool
contains(const struct table *m, uint64_t print)
{
	return m->used > 0 && m->slots[slot_of(m->slots, m->size, print)] != 0;
}

static void
put(uint64_t *slots, size_t size, uint64_t print)
{
	slots[slot_of(slots, size, print)] = print;
}

static int
grow(struct table *m)
{
	size_t i, size = m->size == 0 ? FIRST_SLOTS : m->size + m->size / 2;
	uint64_t *slots;

	if ((slots = calloc(size, sizeof(*slots))) == NULL)
		return -1;
	for (i = 0; i < m->size; i++) {
		if (m->slots[i] != 0)
			put(slots, size, m->slots[i]);
	}
	free(m->slots);
	m->slots = slots;
	m->size = size;
	return 0;
}

static int
add(struct table *m, uint64_t print, int64_t issued)
{
	if (FULL(m->used, m->size) && grow(m) == -1)
		return -1;
	if (m->used == 0 || issued > m->latest)
		m->latest = issued;
	put(m->slots, m->size, print);
	m->used++;
	return 0;
}

/* Gives the memory back as well. */
static void
empty(struct replay *r, struct table *m)
{
	if (m->used > 0 && r->older_max > 0 && m->latest > r->forgotten)
		r->forgotten = m->latest;
	free(m->slots);
	memset(m, 0, sizeof(*m));
}

/* A minute has passed out of the ten. */
static void
age(struct replay *r, struct table *m)
{
	size_t i;

	if (r->older.used + m->used > r->older_max)
		empty(r, &r->older);
	for (i = 0; m->used <= r->older_max && i < m->size; i++) {
		if (m->slots[i] != 0 && add(&r->older, m->slots[i], m->latest) == -1) {
			/* No memory: as if there were no room. */
			empty(r, &r->older);
			empty(r, m);
			return;
		}
	}
	if (m->used <= r->older_max)
		m->used = 0; /* nothing of it is forgotten */
	empty(r, m);
}

enum replay_verdict
replay_check(struct replay *r, const char *mark, int64_t issued, int64_t now)
{
	struct table *current;
	int64_t number = now / 60;
	uint64_t print;
	size_t i;

	print = siphash_random(mark, strlen(mark));
	if (print == 0)
		print = 1;
	for (i = 0; i < REPLAY_MINUTES; i++) {
		struct table *m = &r->minutes[i];

		if (m->slots != NULL && m->minute + REPLAY_MINUTES <= number)
			age(r, m);
		if (contains(m, print))
			return REPLAY_SEEN;
	}
	if (contains(&r->older, print))
		return REPLAY_SEEN;
	if (r->older_max > 0 && issued <= r->forgotten)
		return REPLAY_FORGOTTEN;
	current = &r->minutes[number % REPLAY_MINUTES];
	current->minute = number;
	if (current->used >= r->max || add(current, print, issued) == -1)
		return REPLAY_FULL;
	return REPLAY_NEW;
}
