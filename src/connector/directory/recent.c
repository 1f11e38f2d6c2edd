/* SPDX-License-Identifier: ISC */
/*
 * A hash table of chains, for keys come from outside: SipHash with a key of this process. And a
 * list in the order of use.
 */
#include "build.h"

#include "recent.h"

#include "common/siphash.h"

#include <bsd/sys/queue.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024U

struct item {
	LIST_ENTRY(item) bucket;
	TAILQ_ENTRY(item) use; /* the one longest unused first */
	int64_t until;
	size_t key_len;
	void *key;			    /* behind the value */
	_Alignas(max_align_t) char value[]; /* of the caller's length */
};

LIST_HEAD(item_list, item);

struct recent {
	struct item_list buckets[BUCKETS];
	TAILQ_HEAD(, item) use;
	size_t count;
	size_t max;
};

struct recent *
recent_new(size_t max)
{
	struct recent *r;
	size_t i;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	for (i = 0; i < BUCKETS; i++)
		LIST_INIT(&r->buckets[i]);
	TAILQ_INIT(&r->use);
	r->max = max;
	return r;
}

static void
forget(struct recent *r, struct item *item)
{
	LIST_REMOVE(item, bucket);
	TAILQ_REMOVE(&r->use, item, use);
	r->count--;
	free(item);
}

void
recent_free(struct recent *r)
{
	struct item *item;

	if (r == NULL)
		return;
	while ((item = TAILQ_FIRST(&r->use)) != NULL)
		forget(r, item);
	free(r);
}

static struct item_list *
bucket_of(struct recent *r, const void *key, size_t key_len)
{
	return &r->buckets[siphash_random(key, key_len) % BUCKETS];
}

static struct item *
find(struct recent *r, const void *key, size_t key_len)
{
	struct item *item;

	LIST_FOREACH (item, bucket_of(r, key, key_len), bucket) {
		if (item->key_len == key_len && memcmp(item->key, key, key_len) == 0)
			return item;
	}
	return NULL;
}

void
recent_forget(struct recent *r, const void *key, size_t key_len)
{
	struct item *item = find(r, key, key_len);

	if (item != NULL)
		forget(r, item);
}

void *
recent_put(struct recent *r, const void *key, size_t key_len, size_t value_len, int64_t until)
{
	struct item *item;

	if ((item = calloc(1, sizeof(*item) + value_len + key_len)) == NULL)
		return NULL;
	recent_forget(r, key, key_len);
	while (r->count >= r->max)
		forget(r, TAILQ_FIRST(&r->use));
	item->until = until;
	item->key_len = key_len;
	item->key = memcpy(item->value + value_len, key, key_len);
	LIST_INSERT_HEAD(bucket_of(r, key, key_len), item, bucket);
	TAILQ_INSERT_TAIL(&r->use, item, use);
	r->count++;
	return item->value;
}

void *
recent_find(struct recent *r, const void *key, size_t key_len, int64_t *until)
{
	struct item *item = find(r, key, key_len);

	if (item == NULL)
		return NULL;
	TAILQ_REMOVE(&r->use, item, use);
	TAILQ_INSERT_TAIL(&r->use, item, use);
	if (until != NULL)
		*until = item->until;
	return item->value;
}
