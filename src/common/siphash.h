/* SPDX-License-Identifier: ISC */
/*
 * SipHash-2-4 (Aumasson, Bernstein 2012): the hash for tables whose keys come
 * from outside, so that nobody can choose keys that collide.
 */
#ifndef ADC_SIPHASH_H
#define ADC_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY_SIZE 16

uint64_t siphash(const uint8_t key[SIPHASH_KEY_SIZE], const void *data, size_t len);
/* With a random key made at the first call. */
uint64_t siphash_random(const void *data, size_t len);

#endif
