/* SPDX-License-Identifier: ISC */
/*
 * By the text as it was typed: another spelling of a name that the directory takes for the same
 * is another name here.
 */
#include "build.h"

#include "name_cache.h"

#include "common/siphash.h"

#include <bsd/sys/queue.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024U

struct known {
	LIST_ENTRY(known) bucket;
	TAILQ_ENTRY(known) age; /* the one longest unused first */
	int64_t until;
	enum name_attribute attribute;
	const char *dn; /* behind the name */
	char name[];	/* NUL-terminated */
};

LIST_HEAD(known_list, known);

struct name_cache {
	struct known_list buckets[BUCKETS];
	TAILQ_HEAD(, known) age;
	size_t count;
	size_t max;
};

struct name_cache *
name_cache_new(size_t max)
{
	struct name_cache *cache;
	size_t i;

	if ((cache = calloc(1, sizeof(*cache))) == NULL)
		return NULL;
	for (i = 0; i < BUCKETS; i++)
		LIST_INIT(&cache->buckets[i]);
	TAILQ_INIT(&cache->age);
	cache->max = max;
	return cache;
}

static void
forget(struct name_cache *cache, struct known *known)
{
	LIST_REMOVE(known, bucket);
	TAILQ_REMOVE(&cache->age, known, age);
	cache->count--;
	free(known);
}

void
name_cache_free(struct name_cache *cache)
{
	struct known *known;

	if (cache == NULL)
		return;
	while ((known = TAILQ_FIRST(&cache->age)) != NULL)
		forget(cache, known);
	free(cache);
}

static struct known_list *
bucket_of(struct name_cache *cache, const struct name_step *step)
{
	return &cache->buckets[siphash_random(step->value, strlen(step->value)) % BUCKETS];
}

static struct known *
find(struct name_cache *cache, const struct name_step *step)
{
	struct known *known;

	LIST_FOREACH (known, bucket_of(cache, step), bucket) {
		if (known->attribute == step->attribute && strcmp(known->name, step->value) == 0)
			return known;
	}
	return NULL;
}

void
name_cache_forget(struct name_cache *cache, const struct name_step *step)
{
	struct known *known = find(cache, step);

	if (known != NULL)
		forget(cache, known);
}

void
name_cache_put(struct name_cache *cache, const struct name_step *step, const char *dn, int64_t now)
{
	size_t name_len = strlen(step->value), dn_len = strlen(dn);
	struct known *known;

	name_cache_forget(cache, step);
	if (name_len > NAME_CACHE_NAME_MAX || dn_len > NAME_CACHE_DN_MAX ||
	    (known = calloc(1, sizeof(*known) + name_len + dn_len + 2)) == NULL)
		return;
	while (cache->count >= cache->max)
		forget(cache, TAILQ_FIRST(&cache->age));
	known->until = now + NAME_CACHE_S;
	known->attribute = step->attribute;
	memcpy(known->name, step->value, name_len + 1);
	known->dn = memcpy(known->name + name_len + 1, dn, dn_len + 1);
	LIST_INSERT_HEAD(bucket_of(cache, step), known, bucket);
	TAILQ_INSERT_TAIL(&cache->age, known, age);
	cache->count++;
}

const char *
name_cache_find(struct name_cache *cache, const struct name_step *step, int64_t now)
{
	struct known *known = find(cache, step);

	if (known == NULL)
		return NULL;
	if (known->until <= now) {
		forget(cache, known);
		return NULL;
	}
	TAILQ_REMOVE(&cache->age, known, age);
	TAILQ_INSERT_TAIL(&cache->age, known, age);
	return known->dn;
}
