/* SPDX-License-Identifier: ISC */
/*
 * More connections on which people are looked up, beside the service connection, while
 * that one has much to do: Samba serves all of one connection by one process.
 *
 * Bound as the service account like that one, and to the same address.  They come when they are
 * needed, go when they are not, and decide nothing: how the directory is doing the
 * service connection tells alone.
 */
#ifndef ADC_DIRECTORY_SEARCH_CONNECTIONS_H
#define ADC_DIRECTORY_SEARCH_CONNECTIONS_H

#include "connection.h"

/* Beside the service connection. */
#define SEARCH_CONNECTIONS_MAX 7U
/* So many requests under way on each, and one more connection is opened. */
#define SEARCH_CONNECTIONS_BUSY 8U
#define SEARCH_CONNECTIONS_IDLE_S 120

struct search_connections;

/* NULL: no memory. */
struct search_connections *search_connections_new(const struct environment *);
/*
 * The least busy one of first and those there are to server, the one that first goes to.  Opens
 * another, one at a time, when all are busy.
 */
struct connection *search_connections_pick(
    struct search_connections *, struct connection *first, const struct server_setting *server);
/* The service connection is gone: so are these. What was asked on them is told so. */
void search_connections_end(struct search_connections *, const struct failure *);

#endif
