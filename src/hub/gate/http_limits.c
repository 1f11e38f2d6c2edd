/* SPDX-License-Identifier: ISC */
/* Counting connections: see http_limits.h. */
#include "http_limits.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>
#include <string.h>

struct peer {
	RB_ENTRY(peer) entry;
	uint8_t key[ADDRESS_KEY_SIZE];
	size_t count;
};

RB_HEAD(peer_tree, peer);

struct http_limits {
	struct peer_tree peers;
	size_t count, total, per_address;
};

struct http_place {
	struct http_limits *limits;
	struct peer *peer;
};

static int
peer_compare(struct peer *a, struct peer *b)
{
	return memcmp(a->key, b->key, sizeof(a->key));
}

RB_GENERATE_INTERNAL(peer_tree, peer, entry, peer_compare, static __attribute__((unused)))

struct http_limits *
http_limits_new(size_t total, size_t per_address)
{
	struct http_limits *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	RB_INIT(&l->peers);
	l->total = total;
	l->per_address = per_address;
	return l;
}

void
http_limits_free(struct http_limits *l)
{
	free(l);
}

size_t
http_limits_count(const struct http_limits *l)
{
	return l->count;
}

enum http_limit
http_place_new(struct http_limits *l, const struct address *address, struct http_place **place)
{
	struct peer wanted, *peer;

	*place = NULL;
	if (l->count >= l->total)
		return HTTP_LIMIT_TOTAL;
	memcpy(wanted.key, address->key, sizeof(wanted.key));
	peer = RB_FIND(peer_tree, &l->peers, &wanted);
	if (peer != NULL && peer->count >= l->per_address)
		return HTTP_LIMIT_ADDRESS;
	if ((*place = calloc(1, sizeof(**place))) == NULL)
		return HTTP_LIMIT_MEMORY;
	if (peer == NULL) {
		if ((peer = calloc(1, sizeof(*peer))) == NULL) {
			free(*place);
			*place = NULL;
			return HTTP_LIMIT_MEMORY;
		}
		memcpy(peer->key, address->key, sizeof(peer->key));
		RB_INSERT(peer_tree, &l->peers, peer);
	}
	peer->count++;
	l->count++;
	(*place)->limits = l;
	(*place)->peer = peer;
	return HTTP_LIMIT_NONE;
}

void
http_place_free(struct http_place *place)
{
	struct http_limits *l;

	if (place == NULL)
		return;
	l = place->limits;
	l->count--;
	if (--place->peer->count == 0) {
		RB_REMOVE(peer_tree, &l->peers, place->peer);
		free(place->peer);
	}
	free(place);
}
