/* SPDX-License-Identifier: ISC */
/* As the paper gives it: two rounds for a word, four at the end. */
#include "build.h"

#include "siphash.h"

#include <stdbool.h>
#include <stdlib.h>

static uint64_t
word(const uint8_t *p)
{
	uint64_t w = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

static uint64_t
rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static void
rounds(uint64_t v[4], int n)
{
	while (n-- > 0) {
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
}

uint64_t
siphash(const uint8_t key[SIPHASH_KEY_SIZE], const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t k0 = word(key), k1 = word(key + 8), m, v[4];
	size_t i;

	v[0] = k0 ^ 0x736f6d6570736575ULL;
	v[1] = k1 ^ 0x646f72616e646f6dULL;
	v[2] = k0 ^ 0x6c7967656e657261ULL;
	v[3] = k1 ^ 0x7465646279746573ULL;
	for (i = 0; i + 8 <= len; i += 8) {
		m = word(p + i);
		v[3] ^= m;
		rounds(v, 2);
		v[0] ^= m;
	}
	m = (uint64_t)(len & 0xff) << 56;
	for (; i < len; i++)
		m |= (uint64_t)p[i] << (8 * (i & 7));
	v[3] ^= m;
	rounds(v, 2);
	v[0] ^= m;
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
siphash_random(const void *data, size_t len)
{
	static uint8_t key[SIPHASH_KEY_SIZE];
	static bool made;

	if (!made) {
		arc4random_buf(key, sizeof(key));
		made = true;
	}
	return siphash(key, data, len);
}
