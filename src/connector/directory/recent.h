/* SPDX-License-Identifier: ISC */
/*
 * Values that are kept by a key for a while, at most so many: the one longest unused makes room.
 * Keys and values are bytes; what they mean is for groups.c and name_cache.c.
 */
#ifndef ADC_DIRECTORY_RECENT_H
#define ADC_DIRECTORY_RECENT_H

#include <stddef.h>
#include <stdint.h>

struct recent;

/* NULL: no memory. */
struct recent *recent_new(size_t max);
void recent_free(struct recent *);
/*
 * A value of value_len zero bytes for the caller to fill, aligned for whatever it is, in place of
 * what there was of the key.  until is the caller's.  NULL: no memory, and that is still there.
 */
void *recent_put(struct recent *, const void *key, size_t key_len, size_t value_len, int64_t until);
/*
 * The value of the key, now the one used last; until may be NULL.  Valid until one is put or
 * forgotten.  NULL: there is none.
 */
void *recent_find(struct recent *, const void *key, size_t key_len, int64_t *until);
void recent_forget(struct recent *, const void *key, size_t key_len);

#endif
