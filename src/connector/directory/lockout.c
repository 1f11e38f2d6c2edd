/* SPDX-License-Identifier: ISC */
/*
 * Own failures are kept as times, not as a number: which of them AD's count
 * already holds depends on when that was read.
 */
#include "build.h"

#include "lockout.h"

#include "common/siphash.h"

#include <bsd/sys/queue.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024U
#define FAILURES_MAX 32U /* times kept for one account */

/* Own failures of one account, oldest first. */
struct record {
	LIST_ENTRY(record) bucket;
	TAILQ_ENTRY(record) order; /* by their last failure */
	uint8_t guid[GUID_SIZE];
	int64_t times[FAILURES_MAX];
	bool lost[FAILURES_MAX];
	size_t count;
	int64_t window;
};

LIST_HEAD(record_list, record);

struct lockout {
	struct record_list buckets[BUCKETS];
	TAILQ_HEAD(, record) order;
	struct record *spare; /* so that a failure can be noted whatever becomes of memory */
	size_t count;
	size_t max;
};

struct lockout *
lockout_new(size_t accounts_max)
{
	struct lockout *l;
	size_t i;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	for (i = 0; i < BUCKETS; i++)
		LIST_INIT(&l->buckets[i]);
	TAILQ_INIT(&l->order);
	l->max = accounts_max;
	return l;
}

static void
forget(struct lockout *l, struct record *r)
{
	LIST_REMOVE(r, bucket);
	TAILQ_REMOVE(&l->order, r, order);
	l->count--;
	free(r);
}

void
lockout_free(struct lockout *l)
{
	struct record *r;

	if (l == NULL)
		return;
	while ((r = TAILQ_FIRST(&l->order)) != NULL)
		forget(l, r);
	free(l->spare);
	free(l);
}

static struct record_list *
bucket_of(struct lockout *l, const uint8_t guid[GUID_SIZE])
{
	return &l->buckets[siphash_random(guid, GUID_SIZE) % BUCKETS];
}

static struct record *
find(struct lockout *l, const uint8_t guid[GUID_SIZE])
{
	struct record *r;

	LIST_FOREACH (r, bucket_of(l, guid), bucket) {
		if (memcmp(r->guid, guid, GUID_SIZE) == 0)
			return r;
	}
	return NULL;
}

/* Is there room for one more account, after those whose window has passed are gone? */
static bool
room(struct lockout *l, int64_t now)
{
	struct record *r;

	while (l->count >= l->max) {
		r = TAILQ_FIRST(&l->order);
		/* The window is the directory's word and may be anything above zero. */
		if (r == NULL || r->times[r->count - 1] > now - r->window)
			return false;
		forget(l, r);
	}
	return true;
}

/* Adds own failures at or after a time. */
static void
add_failures(struct lockout_standing *standing, const struct record *r, int64_t since)
{
	size_t i;

	for (i = 0; r != NULL && i < r->count; i++) {
		if (r->times[i] < since)
			continue;
		standing->count++;
		standing->lost += r->lost[i];
	}
}

/* Locked as far as the directory lets us see. */
static bool
is_locked(const struct account *a, const struct lockout_policy *policy, int64_t now)
{
	if (a->computed.read)
		return ((uint64_t)a->computed.value & UAC_LOCKED) != 0;
	if (!a->lockout_time.read || a->lockout_time.value <= 0)
		return false;
	/* lockoutTime stays until the next success; a lock may have ended since. */
	return policy->duration == 0 ? policy->threshold_known
				     : a->lockout_time.value > now - policy->duration;
}

enum lockout_verdict
lockout_judge(struct lockout *l, const struct account *a, const struct lockout_policy *policy,
    const struct lockout_limits *limits, int64_t asked_at, int64_t now,
    struct lockout_standing *standing)
{
	int64_t window = policy->window > 0 ? policy->window : LOCKOUT_WINDOW_DEFAULT;
	struct record *r;

	memset(standing, 0, sizeof(*standing));
	if (is_locked(a, policy, now))
		return LOCKOUT_LOCKED;
	standing->threshold =
	    policy->threshold_known ? policy->threshold : limits->unknown_threshold;
	if (standing->threshold <= 0)
		return LOCKOUT_FREE;
	/* Were the margin all of it, nobody could ever log in. */
	standing->budget =
	    standing->threshold > limits->margin ? standing->threshold - limits->margin : 1;
	r = find(l, a->guid);
	if (a->bad_password_count.read &&
	    (a->bad_password_count.value == 0 || a->bad_password_time.read)) {
		standing->from_directory = true;
		/* An old count is void: AD starts again at the next wrong password. */
		if (a->bad_password_time.value > now - window)
			standing->count = a->bad_password_count.value;
		add_failures(standing, r, asked_at);
	} else {
		add_failures(standing, r, now - window);
		if (l->spare == NULL)
			l->spare = calloc(1, sizeof(*l->spare));
		if (r == NULL && (!room(l, now) || l->spare == NULL))
			return LOCKOUT_FULL;
		/* More of them than are kept: how many more is not known. */
		if (standing->count == FAILURES_MAX)
			return LOCKOUT_PROTECTED;
	}
	if (standing->count < standing->budget)
		return LOCKOUT_FREE;
	return standing->count - standing->lost < standing->budget ? LOCKOUT_UNCERTAIN
								   : LOCKOUT_PROTECTED;
}

void
lockout_failed(
    struct lockout *l, const uint8_t guid[GUID_SIZE], int64_t window, int64_t now, bool lost)
{
	struct record *r;

	if ((r = find(l, guid)) == NULL) {
		if (!room(l, now))
			return;
		if ((r = calloc(1, sizeof(*r))) == NULL) {
			r = l->spare;
			l->spare = NULL;
		}
		if (r == NULL)
			return;
		memcpy(r->guid, guid, GUID_SIZE);
		LIST_INSERT_HEAD(bucket_of(l, guid), r, bucket);
		l->count++;
	} else
		TAILQ_REMOVE(&l->order, r, order);
	TAILQ_INSERT_TAIL(&l->order, r, order);
	r->window = window > 0 ? window : LOCKOUT_WINDOW_DEFAULT;
	if (r->count == FAILURES_MAX) {
		memmove(r->times, r->times + 1, sizeof(r->times) - sizeof(r->times[0]));
		memmove(r->lost, r->lost + 1, sizeof(r->lost) - sizeof(r->lost[0]));
		r->count--;
	}
	r->lost[r->count] = lost;
	r->times[r->count++] = now;
}

void
lockout_succeeded(struct lockout *l, const uint8_t guid[GUID_SIZE])
{
	struct record *r;

	if ((r = find(l, guid)) != NULL)
		forget(l, r);
}
