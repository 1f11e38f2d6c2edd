/* SPDX-License-Identifier: ISC */
/*
 * One is in the list from its opening to its end.  Whatever ended it puts off the next one,
 * most of all a bind that may have counted.
 */
#include "build.h"

#include "search_connections.h"

#include "common/clock.h"
#include "common/log.h"
#include "service_bind.h"
#include "service_connection.h"

#include <bsd/string.h>
#include <bsd/sys/queue.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

/* Between looks at idle ones. */
#define SWEEP_S 10
/* After one that could not be opened, or was lost. */
#define WAIT_LOST_S 10
/*
 * After a bind without success: the service account is not to be locked for the sake of speed.
 * And after a way to another server, which will not soon be another.
 */
#define WAIT_BIND_S ((int64_t)SERVICE_WAIT_REFUSED_MS / 1000)

struct search_connection {
	TAILQ_ENTRY(search_connection) entry;
	struct search_connections *all;
	struct connection *connection;
	struct service_bind *bind;
	char address[CONNECTION_ADDRESS_SIZE]; /* that of the service connection */
	bool asked;			       /* its bind was */
	bool ready;
	int64_t used_s;
};

TAILQ_HEAD(search_connection_list, search_connection);

struct search_connections {
	const struct environment *environment;
	struct search_connection_list list;
	unsigned int count;
	bool opening;	/* one of them is not ready yet */
	int64_t wait_s; /* none is opened before */
	struct event *sweep;
};

static void
discard(struct search_connection *s)
{
	struct search_connections *all = s->all;

	TAILQ_REMOVE(&all->list, s, entry);
	all->count--;
	if (!s->ready)
		all->opening = false;
	service_bind_cancel(s->bind);
	connection_free(s->connection);
	free(s);
}

/* For so long at least. */
static void
put_off(struct search_connections *all, int64_t seconds)
{
	if (all->wait_s < clock_s() + seconds)
		all->wait_s = clock_s() + seconds;
}

static void
failed(struct search_connection *s, const struct failure *failure)
{
	if (strcmp(failure->code, "bind_refused") == 0)
		log_warnx("one more connection for searches: %s; %s", failure->text, failure->hint);
	else
		log_info("one more connection for searches: %s", failure->text);
	put_off(s->all, s->asked ? WAIT_BIND_S : WAIT_LOST_S);
	discard(s);
}

static void
on_bound(void *arg, const struct failure *failure)
{
	struct search_connection *s = arg;

	s->bind = NULL;
	if (failure != NULL) {
		failed(s, failure);
		return;
	}
	s->ready = true;
	s->all->opening = false;
	s->used_s = clock_s();
	log_debug("%u connections for searches", s->all->count + 1);
}

static void
on_opened(void *arg)
{
	struct search_connection *s = arg;
	struct failure failure;

	/* What one controller counted the others do not know (badPwdCount). */
	if (strcmp(connection_address(s->connection), s->address) != 0) {
		failure_set(&failure, "other_server", "it led to %s, not to %s",
		    connection_address(s->connection), s->address);
		put_off(s->all, WAIT_BIND_S);
		failed(s, &failure);
		return;
	}
	s->asked = true;
	s->bind = service_bind_start(s->connection, s->all->environment->settings, on_bound, s);
	if (s->bind == NULL) {
		failure_set(&failure, "internal", "its bind could not be started");
		failed(s, &failure);
	}
}

static void
on_closed(void *arg, const struct failure *failure)
{
	struct search_connection *s = arg;

	if (!s->ready) {
		failed(s, failure);
		return;
	}
	log_debug("connection for searches: %s", failure->text);
	put_off(s->all, WAIT_LOST_S);
	discard(s);
}

static void
open_one(struct search_connections *all, const struct server_setting *server, const char *address)
{
	static const struct connection_callbacks callbacks = { on_opened, on_closed };
	static const struct timeval interval = { SWEEP_S, 0 };
	struct search_connection *s;

	if ((s = calloc(1, sizeof(*s))) != NULL)
		s->connection = connection_open(all->environment, server, SERVICE_OPEN_MS,
		    CONNECTION_MESSAGE_MAX, &callbacks, s);
	if (s == NULL || s->connection == NULL) {
		free(s);
		put_off(all, WAIT_LOST_S);
		return;
	}
	s->all = all;
	strlcpy(s->address, address, sizeof(s->address));
	TAILQ_INSERT_TAIL(&all->list, s, entry);
	all->count++;
	all->opening = true;
	if (!evtimer_pending(all->sweep, NULL))
		event_add(all->sweep, &interval);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval interval = { SWEEP_S, 0 };
	struct search_connections *all = arg;
	struct search_connection *s, *next;
	int64_t now = clock_s();

	(void)fd;
	(void)what;
	TAILQ_FOREACH_SAFE (s, &all->list, entry, next) {
		if (s->ready && connection_under_way(s->connection) == 0 &&
		    s->used_s + SEARCH_CONNECTIONS_IDLE_S <= now)
			discard(s);
	}
	if (!TAILQ_EMPTY(&all->list))
		event_add(all->sweep, &interval);
}

struct search_connections *
search_connections_new(const struct environment *environment)
{
	struct search_connections *all;

	if ((all = calloc(1, sizeof(*all))) == NULL)
		return NULL;
	all->environment = environment;
	TAILQ_INIT(&all->list);
	if ((all->sweep = evtimer_new(environment->base, on_sweep, all)) == NULL) {
		free(all);
		return NULL;
	}
	return all;
}

/* The first of those equally busy, so that the last grow old when there is little to do. */
struct connection *
search_connections_pick(
    struct search_connections *all, struct connection *first, const struct server_setting *server)
{
	struct search_connection *s, *best = NULL;
	size_t under_way, least = connection_under_way(first);

	TAILQ_FOREACH (s, &all->list, entry) {
		if (!s->ready || !connection_usable(s->connection))
			continue;
		if ((under_way = connection_under_way(s->connection)) < least) {
			least = under_way;
			best = s;
		}
	}
	if (least >= SEARCH_CONNECTIONS_BUSY && !all->opening &&
	    all->count < SEARCH_CONNECTIONS_MAX && clock_s() >= all->wait_s)
		open_one(all, server, connection_address(first));
	if (best == NULL)
		return first;
	best->used_s = clock_s();
	return best->connection;
}

void
search_connections_end(struct search_connections *all, const struct failure *failure)
{
	struct search_connection *s, *next;

	/* on_closed() takes each off the list; one that fails just now, when it gets there. */
	TAILQ_FOREACH_SAFE (s, &all->list, entry, next)
		connection_fail(s->connection, failure);
	all->wait_s = 0;
}
