/* SPDX-License-Identifier: ISC */
/*
 * Token buckets: see throttle.h.
 *
 * Keys are chosen by outsiders.  They are hashed with a key of this process, so
 * nobody can aim at a set; and a set that is full forgets the bucket that
 * has most attempts left, which is the one worth least.
 */
#include "throttle.h"

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
	uint64_t secret[2];
	struct bucket bucket[THROTTLE_SETS][THROTTLE_WAYS];
};

static inline uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012). */
static uint64_t
siphash(const uint64_t secret[2], const uint8_t *data, size_t len)
{
	uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575ULL, secret[1] ^ 0x646f72616e646f6dULL,
		secret[0] ^ 0x6c7967656e657261ULL, secret[1] ^ 0x7465646279746573ULL };
	uint64_t word;
	size_t i, left;

	for (left = len; left >= 8; left -= 8, data += 8) {
		memcpy(&word, data, 8);
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)len << 56;
	for (i = 0; i < left; i++)
		word |= (uint64_t)data[i] << (8 * i);
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct throttle *
throttle_new(uint32_t per_minute)
{
	struct throttle *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->per_minute = per_minute;
	if (RAND_bytes((unsigned char *)t->secret, sizeof(t->secret)) != 1) {
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
