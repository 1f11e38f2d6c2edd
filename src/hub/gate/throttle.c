/* SPDX-License-Identifier: ISC */
/*
 * Token buckets: see throttle.h.
 *
 * Keys are chosen by outsiders.  They are hashed with a key of this process, so
 * nobody can aim at a set; and a set that is full forgets the bucket that
 * has most attempts left, which is the one worth least.
 */
#include "throttle.h"

#include "common/siphash.h"

#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

/* Tokens are counted in thousandths: what fills in a minute, at any rate, is then exact enough. */
#define TOKEN 60000U

struct bucket {
	uint64_t key; /* 0: free */
	uint64_t tokens;
	uint64_t at; /* ms */
};

struct throttle {
	uint64_t per_minute;
	uint8_t secret[SIPHASH_KEY_SIZE];
	struct bucket bucket[THROTTLE_SETS][THROTTLE_WAYS];
};

struct throttle *
throttle_new(uint32_t per_minute)
{
	struct throttle *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->per_minute = per_minute;
	if (RAND_bytes(t->secret, sizeof(t->secret)) != 1) {
		free(t);
		return NULL;
	}
	return t;
}

void
throttle_free(struct throttle *t)
{
	free(t);
}

static void
bucket_fill(const struct throttle *t, struct bucket *b, uint64_t now)
{
	uint64_t passed = now > b->at ? now - b->at : 0, full = t->per_minute * TOKEN;

	if (passed > 60000)
		passed = 60000;
	b->tokens += passed * t->per_minute;
	if (b->tokens > full)
		b->tokens = full;
	b->at = now;
}

/* The bucket of a key; made, full, when it is new. */
static struct bucket *
bucket_of(struct throttle *t, const void *key, size_t len, uint64_t now)
{
	struct bucket *set, *best = NULL;
	uint64_t hash;
	size_t i;

	hash = siphash(t->secret, key, len);
	set = t->bucket[hash % THROTTLE_SETS];
	if (hash == 0)
		hash = 1;
	for (i = 0; i < THROTTLE_WAYS; i++) {
		if (set[i].key == hash) {
			bucket_fill(t, &set[i], now);
			return &set[i];
		}
	}
	for (i = 0; i < THROTTLE_WAYS; i++) {
		if (set[i].key == 0) {
			best = &set[i];
			break;
		}
		bucket_fill(t, &set[i], now);
		if (best == NULL || set[i].tokens > best->tokens)
			best = &set[i];
	}
	best->key = hash;
	best->tokens = t->per_minute * TOKEN;
	best->at = now;
	return best;
}

bool
throttle_would_pass(struct throttle *t, const void *key, size_t len, uint64_t now)
{
	return t->per_minute == 0 || bucket_of(t, key, len, now)->tokens >= TOKEN;
}

bool
throttle_take(struct throttle *t, const void *key, size_t len, uint64_t now)
{
	struct bucket *b;

	if (t->per_minute == 0)
		return true;
	b = bucket_of(t, key, len, now);
	if (b->tokens < TOKEN)
		return false;
	b->tokens -= TOKEN;
	return true;
}

unsigned int
throttle_retry_after(const struct throttle *t)
{
	return t->per_minute == 0 ? 1 : (unsigned int)((60 + t->per_minute - 1) / t->per_minute);
}
