/* SPDX-License-Identifier: ISC */
/*
 * A domain has a handful of these objects; a short array is enough.
 */
#include "build.h"

#include "pso.h"

#include "domain.h"
#include "common/clock.h"

#include <ldap.h>
#include <stdlib.h>
#include <string.h>

struct known {
	char *dn; /* NULL: free place */
	int64_t until;
	struct lockout_policy policy;
};

struct pso_cache {
	struct known known[PSO_CACHE_MAX];
	size_t next;
};

struct pso_lookup {
	struct pso_cache *cache;
	char *dn;
	struct lockout_policy policy;
	struct operation *operation;
	void (*done)(void *arg);
	void *arg;
};

struct pso_cache *
pso_cache_new(void)
{
	return calloc(1, sizeof(struct pso_cache));
}

void
pso_cache_free(struct pso_cache *cache)
{
	size_t i;

	if (cache == NULL)
		return;
	for (i = 0; i < PSO_CACHE_MAX; i++)
		free(cache->known[i].dn);
	free(cache);
}

const struct lockout_policy *
pso_find(const struct pso_cache *cache, const char *dn)
{
	int64_t now = clock_s();
	size_t i;

	for (i = 0; i < PSO_CACHE_MAX; i++) {
		if (cache->known[i].dn != NULL && cache->known[i].until > now &&
		    strcmp(cache->known[i].dn, dn) == 0)
			return &cache->known[i].policy;
	}
	return NULL;
}

static void
lookup_free(struct pso_lookup *lookup)
{
	free(lookup->dn);
	free(lookup);
}

/* Takes the DN. */
static void
remember(struct pso_cache *cache, char *dn, const struct lockout_policy *policy)
{
	struct known *place = NULL;
	size_t i;

	for (i = 0; i < PSO_CACHE_MAX && place == NULL; i++) {
		if (cache->known[i].dn == NULL || strcmp(cache->known[i].dn, dn) == 0)
			place = &cache->known[i];
	}
	if (place == NULL) {
		place = &cache->known[cache->next];
		cache->next = (cache->next + 1) % PSO_CACHE_MAX;
	}
	free(place->dn);
	place->dn = dn;
	place->policy = *policy;
	place->until = clock_s() + PSO_CACHE_S;
}

static void
on_entry(void *arg, const struct entry *entry)
{
	struct pso_lookup *lookup = arg;

	domain_lockout_read(&lookup->policy, entry, "msDS-LockoutThreshold",
	    "msDS-LockoutObservationWindow", "msDS-LockoutDuration");
}

static void
on_done(void *arg, const struct outcome *outcome)
{
	struct pso_lookup *lookup = arg;
	void (*done)(void *) = lookup->done;
	void *done_arg = lookup->arg;

	/* A refusal is an answer, a lost connection is not. */
	if (outcome->code != LDAP_SERVER_DOWN && outcome->code != LDAP_TIMEOUT) {
		remember(lookup->cache, lookup->dn, &lookup->policy);
		lookup->dn = NULL;
	}
	lookup_free(lookup);
	done(done_arg);
}

struct pso_lookup *
pso_lookup(struct pso_cache *cache, struct connection *connection, const char *dn,
    unsigned int timeout_ms, void (*done)(void *arg), void *arg)
{
	static const char *const attributes[] = { "msDS-LockoutThreshold",
		"msDS-LockoutObservationWindow", "msDS-LockoutDuration", NULL };
	const struct search search = { dn, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 1,
		timeout_ms };
	struct pso_lookup *lookup;

	if ((lookup = calloc(1, sizeof(*lookup))) == NULL || (lookup->dn = strdup(dn)) == NULL)
		goto fail;
	lookup->cache = cache;
	lookup->done = done;
	lookup->arg = arg;
	lookup->operation = connection_search(connection, &search, on_entry, on_done, lookup);
	if (lookup->operation == NULL)
		goto fail;
	return lookup;
fail:
	if (lookup != NULL)
		lookup_free(lookup);
	return NULL;
}

void
pso_lookup_cancel(struct pso_lookup *lookup)
{
	if (lookup == NULL)
		return;
	operation_cancel(lookup->operation);
	lookup_free(lookup);
}
