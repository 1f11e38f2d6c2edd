/* SPDX-License-Identifier: ISC */
/* The fingerprints of one minute are one open-addressed table, at most half full. */
#include "build.h"

#include "replay.h"

#include "siphash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 256U

struct minute {
	int64_t number;	 /* since the clock's start */
	uint64_t *slots; /* 0: free; open addressing, at most half full */
	size_t size;
	size_t used;
};

struct replay {
	size_t max;
	struct minute minutes[REPLAY_MINUTES];
};

struct replay *
replay_new(size_t minute_max)
{
	struct replay *r;

	if ((r = calloc(1, sizeof(*r))) != NULL)
		r->max = minute_max;
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
	free(r);
}

static bool
contains(const struct minute *m, uint64_t print)
{
	size_t at;

	if (m->used == 0)
		return false;
	for (at = print & (m->size - 1); m->slots[at] != 0; at = (at + 1) & (m->size - 1)) {
		if (m->slots[at] == print)
			return true;
	}
	return false;
}

static void
put(uint64_t *slots, size_t size, uint64_t print)
{
	size_t at;

	for (at = print & (size - 1); slots[at] != 0; at = (at + 1) & (size - 1))
		;
	slots[at] = print;
}

static int
grow(struct minute *m)
{
	size_t i, size = m->size == 0 ? FIRST_SLOTS : 2 * m->size;
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

enum replay_verdict
replay_check(struct replay *r, const char *mark, int64_t now)
{
	struct minute *current;
	int64_t number = now / 60;
	uint64_t print;
	size_t i;

	print = siphash_random(mark, strlen(mark));
	if (print == 0)
		print = 1;
	for (i = 0; i < REPLAY_MINUTES; i++) {
		struct minute *m = &r->minutes[i];

		/* What has aged out gives its memory back as well. */
		if (m->slots != NULL && m->number + REPLAY_MINUTES <= number) {
			free(m->slots);
			memset(m, 0, sizeof(*m));
		}
		if (contains(m, print))
			return REPLAY_SEEN;
	}
	current = &r->minutes[number % REPLAY_MINUTES];
	current->number = number;
	if (current->used >= r->max || (2 * current->used >= current->size && grow(current) == -1))
		return REPLAY_FULL;
	put(current->slots, current->size, print);
	current->used++;
	return REPLAY_NEW;
}
