/* SPDX-License-Identifier: ISC */
/*
 * By the text as it was typed: another spelling of a name that the directory takes for the same
 * is another name here.
 */
#include "build.h"

#include "name_cache.h"

#include "recent.h"

#include <stdlib.h>
#include <string.h>

struct name_cache {
	struct recent *dns;
};

/* What the name was taken for, and the name. */
struct key {
	char bytes[1 + NAME_CACHE_NAME_MAX];
	size_t len;
};

struct name_cache *
name_cache_new(size_t max)
{
	struct name_cache *cache;

	if ((cache = calloc(1, sizeof(*cache))) == NULL)
		return NULL;
	if ((cache->dns = recent_new(max)) == NULL) {
		free(cache);
		return NULL;
	}
	return cache;
}

void
name_cache_free(struct name_cache *cache)
{
	if (cache == NULL)
		return;
	recent_free(cache->dns);
	free(cache);
}

/* -1: too long to be kept. */
static int
make_key(struct key *key, const struct name_step *step)
{
	size_t len = strlen(step->value);

	if (len > NAME_CACHE_NAME_MAX)
		return -1;
	key->bytes[0] = (char)step->attribute;
	memcpy(key->bytes + 1, step->value, len);
	key->len = 1 + len;
	return 0;
}

void
name_cache_forget(struct name_cache *cache, const struct name_step *step)
{
	struct key key;

	if (make_key(&key, step) == 0)
		recent_forget(cache->dns, key.bytes, key.len);
}

void
name_cache_put(struct name_cache *cache, const struct name_step *step, const char *dn, int64_t now)
{
	size_t size = strlen(dn) + 1;
	struct key key;
	char *kept = NULL;

	if (make_key(&key, step) == -1)
		return;
	if (size <= NAME_CACHE_DN_MAX + 1)
		kept = recent_put(cache->dns, key.bytes, key.len, size, now + NAME_CACHE_S);
	/* What there was before is not where the name is now. */
	if (kept == NULL)
		recent_forget(cache->dns, key.bytes, key.len);
	else
		memcpy(kept, dn, size);
}

const char *
name_cache_find(struct name_cache *cache, const struct name_step *step, int64_t now)
{
	const char *dn;
	struct key key;
	int64_t until;

	if (make_key(&key, step) == -1 ||
	    (dn = recent_find(cache->dns, key.bytes, key.len, &until)) == NULL)
		return NULL;
	if (until > now)
		return dn;
	recent_forget(cache->dns, key.bytes, key.len);
	return NULL;
}
