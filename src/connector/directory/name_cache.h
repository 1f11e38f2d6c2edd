/* SPDX-License-Identifier: ISC */
/*
 * The DN at which a name was found last, so that the next login by it is one request to the
 * directory for the person and the groups, which AD shows only of the base of a search.
 *
 * It tells where to look and nothing else: every decision is made by what the directory answers
 * there now, and who is found there must still bear the name.
 */
#ifndef ADC_DIRECTORY_NAME_CACHE_H
#define ADC_DIRECTORY_NAME_CACHE_H

#include "names.h"

#include <stdint.h>

#define NAME_CACHE_MAX 8192
/* A second person of the same name makes it nobody's after that time at the latest. */
#define NAME_CACHE_S 600
/* Longer ones are not kept: names and DNs in bytes, without their NUL. */
#define NAME_CACHE_NAME_MAX 256
#define NAME_CACHE_DN_MAX 512

struct name_cache;

/* NULL: no memory. At most max names; the one longest unused makes room for the next. */
struct name_cache *name_cache_new(size_t max);
void name_cache_free(struct name_cache *);
/* In place of what was kept of the name. Without memory it is not kept. now: s, monotonic. */
void name_cache_put(struct name_cache *, const struct name_step *, const char *dn, int64_t now);
/* Valid until the cache is used again. NULL: not known, or not any more. */
const char *name_cache_find(struct name_cache *, const struct name_step *, int64_t now);
void name_cache_forget(struct name_cache *, const struct name_step *);

#endif
