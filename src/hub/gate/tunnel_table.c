/* SPDX-License-Identifier: ISC */
/*
 * The registry of tunnels: see tunnel_table.h.  Entries are made for proved connectors
 * only, so their number is bounded by how many the store knows.
 */
#include "tunnel_table.h"

#include "common/clock.h"

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

static int
connection_compare(struct tunnel_connection *a, struct tunnel_connection *b)
{
	return strcmp(a->identifier, b->identifier);
}

static int
connector_compare(struct tunnel_connector *a, struct tunnel_connector *b)
{
	return strcmp(a->id, b->id);
}

RB_GENERATE_INTERNAL(
    connection_tree, tunnel_connection, entry, connection_compare, static __attribute__((unused)))
RB_GENERATE_INTERNAL(
    connector_tree, tunnel_connector, entry, connector_compare, static __attribute__((unused)))

struct tunnel_connection *
table_find_connection(struct tunnels *t, const char *identifier)
{
	struct tunnel_connection wanted;

	strlcpy(wanted.identifier, identifier, sizeof(wanted.identifier));
	return RB_FIND(connection_tree, &t->connections, &wanted);
}

struct tunnel_connector *
table_find_connector(struct tunnels *t, const char *id)
{
	struct tunnel_connector wanted;

	strlcpy(wanted.id, id, sizeof(wanted.id));
	return RB_FIND(connector_tree, &t->connectors, &wanted);
}

struct tunnel_connection *
table_connection(struct tunnels *t, const char *identifier)
{
	struct tunnel_connection *c;

	if ((c = table_find_connection(t, identifier)) != NULL ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		return c;
	strlcpy(c->identifier, identifier, sizeof(c->identifier));
	TAILQ_INIT(&c->tunnels);
	RB_INSERT(connection_tree, &t->connections, c);
	return c;
}

struct tunnel_connector *
table_connector(struct tunnels *t, const char *id)
{
	struct tunnel_connector *c;

	if ((c = table_find_connector(t, id)) != NULL || (c = calloc(1, sizeof(*c))) == NULL)
		return c;
	strlcpy(c->id, id, sizeof(c->id));
	RB_INSERT(connector_tree, &t->connectors, c);
	return c;
}

/* Drops what is older than a minute; how many remain, at the front. */
static size_t
recent_conflicts(struct tunnel_connector *c, uint64_t now)
{
	size_t i, n = 0;

	for (i = 0; i < TUNNEL_CONFLICTS; i++) {
		if (c->conflict[i] != 0 && now - c->conflict[i] < TUNNEL_CONFLICT_MS)
			c->conflict[n++] = c->conflict[i];
	}
	for (i = n; i < TUNNEL_CONFLICTS; i++)
		c->conflict[i] = 0;
	return n;
}

bool
table_conflict(struct tunnel_connector *c, uint64_t other_opened_at, uint64_t now)
{
	size_t n = recent_conflicts(c, now);

	if (n == 0 && now - other_opened_at < TUNNEL_CONFLICT_MS)
		c->conflict[n++] = other_opened_at == 0 ? 1 : other_opened_at;
	if (n < TUNNEL_CONFLICTS)
		c->conflict[n++] = now;
	return n == TUNNEL_CONFLICTS;
}

void
table_sweep(struct tunnels *t, uint64_t now)
{
	struct tunnel_connection *connection, *next_connection;
	struct tunnel_connector *connector, *next_connector;

	RB_FOREACH_SAFE (connection, connection_tree, &t->connections, next_connection) {
		if (connection->count == 0) {
			RB_REMOVE(connection_tree, &t->connections, connection);
			free(connection);
		}
	}
	RB_FOREACH_SAFE (connector, connector_tree, &t->connectors, next_connector) {
		if (connector->open == NULL && connector->replaced == 0 &&
		    recent_conflicts(connector, now) == 0 && connector->openings_until <= now &&
		    connector->held_out_until <= now) {
			RB_REMOVE(connector_tree, &t->connectors, connector);
			free(connector);
		}
	}
}

/* The kid of its key, or of the one before, as long as texts for that one are young. */
static bool
opens(const struct tunnel *tunnel, const char *kid)
{
	return strcmp(kid, tunnel->kid) == 0 ||
	    (strcmp(kid, tunnel->kid_before) == 0 && clock_ms() < tunnel->kid_before_until);
}

static bool
takes_logins(const struct tunnel *tunnel)
{
	return tunnel->phase == TUNNEL_OPEN && tunnel->state == CONNECTOR_APPROVED;
}

size_t
tunnels_recipients(struct tunnels *t, const char *identifier,
    struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS])
{
	struct tunnel_connection *connection = table_find_connection(t, identifier);
	struct tunnel *tunnel;
	size_t n = 0;
	int unavailable;

	if (connection == NULL)
		return 0;
	for (unavailable = 0; unavailable <= 1; unavailable++) {
		TAILQ_FOREACH (tunnel, &connection->tunnels, of_connection) {
			if (n < SEALED_MAX_RECIPIENTS && takes_logins(tunnel) &&
			    tunnel->directory_unavailable == (unavailable == 1))
				recipients[n++] = tunnel->seal;
		}
	}
	return n;
}

bool
tunnels_online(struct tunnels *t, const char *identifier)
{
	struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS];

	return tunnels_recipients(t, identifier, recipients) > 0;
}

/*
 * One whose directory is away refuses at once, so it is always the least busy: it is asked only
 * when nobody else can be.
 */
static bool
is_better(const struct tunnel *tunnel, const struct tunnel *best)
{
	if (tunnel->directory_unavailable != best->directory_unavailable)
		return best->directory_unavailable;
	return tunnel->in_flight < best->in_flight;
}

struct tunnel *
tunnels_pick(struct tunnels *t, const char *identifier, char kids[][JOSE_KEY_ID_SIZE], size_t nkids)
{
	struct tunnel_connection *connection = table_find_connection(t, identifier);
	struct tunnel *tunnel, *best = NULL;
	size_t i;

	if (connection == NULL)
		return NULL;
	TAILQ_FOREACH (tunnel, &connection->tunnels, of_connection) {
		if (!takes_logins(tunnel) || tunnel->draining ||
		    tunnel->in_flight >= TUNNEL_IN_FLIGHT_MAX ||
		    (best != NULL && !is_better(tunnel, best)))
			continue;
		for (i = 0; i < nkids; i++) {
			if (opens(tunnel, kids[i]))
				best = tunnel;
		}
	}
	return best;
}

struct pace *
tunnels_pace(struct tunnels *t, const char *identifier)
{
	struct tunnel_connection *connection = table_find_connection(t, identifier);

	return connection == NULL ? NULL : &connection->pace;
}
