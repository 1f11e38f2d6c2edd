/* SPDX-License-Identifier: ISC */
/*
 * A SID that the directory does not show (a group of another domain, or hidden)
 * is remembered as unknown and shown by its number.
 */
#include "build.h"

#include "groups.h"

#include "filter.h"
#include "common/clock.h"
#include "recent.h"

#include <bsd/string.h>
#include <ldap.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 512
/* SIDs looked up by one search. */
#define SIDS_IN_SEARCH 100U
#define SEARCHES_MAX (GROUPS_MAX / SIDS_IN_SEARCH + 1)

struct known {
	bool has_guid;
	uint8_t guid[GUID_SIZE];
	char name[]; /* NUL-terminated */
};

struct group_cache {
	struct recent *known; /* by the bytes of the SID */
};

struct chunk {
	struct group_lookup *lookup;
	struct operation *operation;
};

struct group_lookup {
	struct group_cache *cache;
	void (*done)(void *arg);
	void *arg;
	struct chunk chunks[SEARCHES_MAX];
	size_t chunk_count;
	size_t pending;
};

void
membership_free(struct membership *m)
{
	free(m->sids);
	memset(m, 0, sizeof(*m));
}

int
membership_take(struct membership *m, const struct entry *entry)
{
	const struct entry_attribute *attribute = entry_get(entry, "tokenGroups");
	size_t i;

	membership_free(m);
	/* Everybody has a primary group: no value at all means that it may not be read. */
	if (attribute == NULL || attribute->count > GROUPS_MAX)
		return 0;
	if ((m->sids = calloc(attribute->count, sizeof(*m->sids))) == NULL)
		return -1;
	for (i = 0; i < attribute->count; i++) {
		if (sid_read(&m->sids[i], attribute->values[i].bv_val,
			attribute->values[i].bv_len) == -1) {
			membership_free(m);
			return 0;
		}
	}
	m->count = attribute->count;
	m->read = true;
	return 0;
}

struct group_cache *
group_cache_new(size_t max)
{
	struct group_cache *cache;

	if ((cache = calloc(1, sizeof(*cache))) == NULL)
		return NULL;
	if ((cache->known = recent_new(max)) == NULL) {
		free(cache);
		return NULL;
	}
	return cache;
}

void
group_cache_free(struct group_cache *cache)
{
	if (cache == NULL)
		return;
	recent_free(cache->known);
	free(cache);
}

int
group_cache_put(struct group_cache *cache, const struct sid *sid, const uint8_t guid[GUID_SIZE],
    const char *name, int64_t now)
{
	size_t size = strlen(name) + 1;
	struct known *known;

	known = recent_put(
	    cache->known, sid->data, sid->len, sizeof(*known) + size, now + GROUPS_CACHE_S);
	if (known == NULL)
		return -1;
	if (guid != NULL) {
		known->has_guid = true;
		memcpy(known->guid, guid, GUID_SIZE);
	}
	memcpy(known->name, name, size);
	return 0;
}

static void
put_unknown(struct group_cache *cache, const struct sid *sid)
{
	char text[SID_TEXT_SIZE];

	sid_text(sid, text);
	/* A search that failed must not hide a name for long. */
	(void)group_cache_put(
	    cache, sid, NULL, text, clock_s() - GROUPS_CACHE_S + GROUPS_UNKNOWN_S);
}

static void
on_group(void *arg, const struct entry *entry)
{
	struct group_cache *cache = ((struct chunk *)arg)->lookup->cache;
	const struct entry_attribute *attribute;
	uint8_t guid[GUID_SIZE];
	char name[NAME_MAX_BYTES + 1];
	struct sid sid;

	if ((attribute = entry_get(entry, "objectSid")) == NULL ||
	    sid_read(&sid, attribute->values[0].bv_val, attribute->values[0].bv_len) == -1 ||
	    (attribute = entry_get(entry, "objectGUID")) == NULL ||
	    guid_read(guid, attribute->values[0].bv_val, attribute->values[0].bv_len) == -1 ||
	    !entry_text(entry, "sAMAccountName", name, sizeof(name)))
		return;
	(void)group_cache_put(cache, &sid, guid, name, clock_s());
}

static void
on_done(void *arg, const struct outcome *outcome)
{
	struct chunk *chunk = arg;
	struct group_lookup *lookup = chunk->lookup;
	void (*done)(void *) = lookup->done;
	void *done_arg = lookup->arg;

	(void)outcome; /* what was not found is shown by its SID */
	chunk->operation = NULL;
	if (--lookup->pending > 0)
		return;
	free(lookup);
	done(done_arg);
}

void
group_lookup_cancel(struct group_lookup *lookup)
{
	size_t i;

	if (lookup == NULL)
		return;
	for (i = 0; i < lookup->chunk_count; i++)
		operation_cancel(lookup->chunks[i].operation);
	free(lookup);
}

static int
start(struct group_lookup *lookup, struct connection *connection, const struct search *search)
{
	struct chunk *chunk = &lookup->chunks[lookup->chunk_count];

	chunk->lookup = lookup;
	chunk->operation = connection_search(connection, search, on_group, on_done, chunk);
	if (chunk->operation == NULL)
		return -1;
	lookup->chunk_count++;
	lookup->pending++;
	return 0;
}

struct group_lookup *
group_lookup(struct group_cache *cache, struct connection *connection, const char *root,
    const struct membership *membership, unsigned int timeout_ms, void (*done)(void *arg),
    void *arg)
{
	static const char *const attributes[] = { "objectSid", "objectGUID", "sAMAccountName",
		NULL };
	struct search search = { root, LDAP_SCOPE_SUBTREE, NULL, attributes, SIDS_IN_SEARCH,
		timeout_ms };
	struct group_lookup *lookup = NULL;
	struct filter filter;
	int64_t now = clock_s(), until;
	size_t i = 0, n;
	int result = 0;

	while (i < membership->count && result == 0) {
		filter_init(&filter);
		for (n = 0; i < membership->count && n < SIDS_IN_SEARCH; i++) {
			if (recent_find(cache->known, membership->sids[i].data,
				membership->sids[i].len, &until) != NULL &&
			    until > now)
				continue;
			if (n++ == 0)
				filter_add(&filter, "(|");
			filter_add_equal(&filter, "objectSid", membership->sids[i].data,
			    membership->sids[i].len);
		}
		filter_add(&filter, ")");
		if (n > 0) {
			if (lookup == NULL && (lookup = calloc(1, sizeof(*lookup))) != NULL) {
				lookup->cache = cache;
				lookup->done = done;
				lookup->arg = arg;
			}
			search.filter = filter_text(&filter);
			if (lookup == NULL || search.filter == NULL)
				result = -1;
			else
				result = start(lookup, connection, &search);
		}
		filter_free(&filter);
	}
	if (lookup != NULL && lookup->pending == 0) {
		free(lookup);
		return NULL;
	}
	return lookup;
}

static const struct known *
find(struct group_cache *cache, const struct sid *sid)
{
	return recent_find(cache->known, sid->data, sid->len, NULL);
}

int
group_list(
    struct group_cache *cache, const struct membership *membership, struct profile_groups *groups)
{
	const struct known *known;
	size_t i;

	memset(groups, 0, sizeof(*groups));
	if (!membership->read)
		return 0;
	/* What is put pushes out the one longest unused, and must push out none of these. */
	for (i = 0; i < membership->count; i++)
		(void)find(cache, &membership->sids[i]);
	for (i = 0; i < membership->count; i++) {
		if (find(cache, &membership->sids[i]) == NULL)
			put_unknown(cache, &membership->sids[i]);
	}
	if ((groups->items = calloc(membership->count, sizeof(*groups->items))) == NULL)
		return -1;
	for (i = 0; i < membership->count; i++) {
		if ((known = find(cache, &membership->sids[i])) == NULL) {
			free(groups->items);
			return -1;
		}
		groups->items[groups->count].has_guid = known->has_guid;
		memcpy(groups->items[groups->count].guid, known->guid, GUID_SIZE);
		groups->items[groups->count].name = known->name;
		groups->count++;
	}
	groups->read = true;
	return 0;
}
