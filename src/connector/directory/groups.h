/* SPDX-License-Identifier: ISC */
/*
 * The groups of a user: tokenGroups as SIDs (nested and primary included), and
 * what those SIDs are called.  Names are kept for a few minutes; decisions are
 * never made by them.
 */
#ifndef ADC_DIRECTORY_GROUPS_H
#define ADC_DIRECTORY_GROUPS_H

#include "connection.h"
#include "policy.h"
#include "profile.h"

/* Groups of one user that are looked at; more make the reading fail. */
#define GROUPS_MAX 4096
#define GROUPS_CACHE_MAX 8192
#define GROUPS_CACHE_S 300
#define GROUPS_UNKNOWN_S 5

/*
 * Takes the values of tokenGroups; membership.read only when all of it was understood. -1: no
 * memory.
 */
int membership_take(struct membership *, const struct entry *);
void membership_free(struct membership *);

struct group_cache;
struct group_lookup;

struct group_cache *group_cache_new(size_t max);
void group_cache_free(struct group_cache *);
/* For tests and lookups: guid NULL: the directory does not know this SID. now: seconds, monotonic.
 */
int group_cache_put(struct group_cache *, const struct sid *, const uint8_t guid[GUID_SIZE],
    const char *name, int64_t now);

/*
 * Looks up what is not known yet below root. The callback comes later, whether all
 * was found or not.  NULL: there is nothing to look up, or it cannot be done now; no callback.
 */
struct group_lookup *group_lookup(struct group_cache *, struct connection *, const char *root,
    const struct membership *, unsigned int timeout_ms, void (*done)(void *arg), void *arg);
void group_lookup_cancel(struct group_lookup *);

/*
 * The list for a profile, pointing into the cache: valid until the cache is
 * used again.  -1: no memory. The caller frees groups->items.
 */
int group_list(struct group_cache *, const struct membership *, struct profile_groups *);

#endif
