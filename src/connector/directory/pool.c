/* SPDX-License-Identifier: ISC */
/*
 * The most recently used idle connection goes first, so that those not needed
 * grow old at the tail.
 */
#include "build.h"

#include "pool.h"

#include "common/clock.h"
#include "common/log.h"

#include <bsd/string.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Between looks at idle connections, and before opening is tried again. */
#define SWEEP_S 10
#define RETRY_MS 500

struct pooled {
	TAILQ_ENTRY(pooled) entry;
	struct pool *pool;
	struct connection *connection;
	const struct server_setting *server;
	enum { POOLED_OPENING, POOLED_IDLE, POOLED_BUSY } state;
	int64_t idle_since;
};

TAILQ_HEAD(pooled_list, pooled);

struct pool {
	const struct environment *environment;
	const struct pool_callbacks *callbacks;
	void *arg;
	const struct server_setting *server; /* NULL before the service was up */
	char address[CONNECTION_ADDRESS_SIZE];
	struct pooled_list opening;
	struct pooled_list idle; /* most recently used first */
	struct pooled_list busy;
	unsigned int opening_count;
	unsigned int idle_count;
	unsigned int busy_count;
	TAILQ_HEAD(, pool_waiter) waiters;
	unsigned int waiter_count;
	struct event *sweep;
	struct event *retry;
};

static void fill(struct pool *);

static void
list_remove(struct pooled *p)
{
	struct pool *pool = p->pool;

	switch (p->state) {
	case POOLED_OPENING:
		TAILQ_REMOVE(&pool->opening, p, entry);
		pool->opening_count--;
		break;
	case POOLED_IDLE:
		TAILQ_REMOVE(&pool->idle, p, entry);
		pool->idle_count--;
		break;
	case POOLED_BUSY:
		TAILQ_REMOVE(&pool->busy, p, entry);
		pool->busy_count--;
		break;
	}
}

static void
discard(struct pooled *p)
{
	list_remove(p);
	connection_free(p->connection);
	free(p);
}

static void
make_idle(struct pooled *p)
{
	p->state = POOLED_IDLE;
	p->idle_since = clock_s();
	TAILQ_INSERT_HEAD(&p->pool->idle, p, entry);
	p->pool->idle_count++;
}

static void
grant(struct pooled *p, struct pool_waiter *waiter)
{
	list_remove(p);
	p->state = POOLED_BUSY;
	TAILQ_INSERT_TAIL(&p->pool->busy, p, entry);
	p->pool->busy_count++;
	waiter->granted(waiter->arg, p);
}

static struct pool_waiter *
next_waiter(struct pool *pool)
{
	struct pool_waiter *waiter;

	if ((waiter = TAILQ_FIRST(&pool->waiters)) != NULL)
		pool_cancel(pool, waiter);
	return waiter;
}

static void
refuse_all(struct pool *pool, const struct failure *failure)
{
	struct pool_waiter *waiter;

	while ((waiter = next_waiter(pool)) != NULL)
		waiter->refused(waiter->arg, failure);
}

static bool
is_to(const struct pooled *p, const struct server_setting *server, const char *address)
{
	return p->server == server && strcmp(connection_address(p->connection), address) == 0;
}

static void
retry_later(struct pool *pool)
{
	static const struct timeval retry = { 0, RETRY_MS * 1000 };

	if (!evtimer_pending(pool->retry, NULL))
		event_add(pool->retry, &retry);
}

/* Who waits goes on waiting: the service connection may follow. */
static void
leads_elsewhere(struct pooled *p)
{
	struct pool *pool = p->pool;
	struct failure failure;

	failure_set(&failure, "other_server", "a connection for logins led to %s and not to %s",
	    connection_address(p->connection), pool->address);
	discard(p);
	retry_later(pool);
	pool->callbacks->elsewhere(pool->arg, &failure);
}

static void
on_opened(void *arg)
{
	struct pooled *p = arg;
	struct pool *pool = p->pool;
	struct pool_waiter *waiter;

	if (!is_to(p, pool->server, pool->address)) {
		leads_elsewhere(p);
		return;
	}
	if ((waiter = next_waiter(pool)) != NULL) {
		grant(p, waiter);
	} else {
		list_remove(p);
		make_idle(p);
	}
	pool->callbacks->changed(pool->arg);
}

static void
on_closed(void *arg, const struct failure *failure)
{
	struct pooled *p = arg;
	struct pool *pool = p->pool;

	if (p->state == POOLED_BUSY)
		return; /* who uses it was told, and releases it */
	if (p->state == POOLED_OPENING)
		log_info("connection for logins: %s", failure->text);
	else
		log_debug("idle connection: %s", failure->text);
	discard(p);
	if (pool->opening_count + pool->idle_count + pool->busy_count == 0)
		refuse_all(pool, failure);
	retry_later(pool);
	pool->callbacks->changed(pool->arg);
}

static int
open_one(struct pool *pool)
{
	static const struct connection_callbacks callbacks = { on_opened, on_closed };
	struct pooled *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return -1;
	p->pool = pool;
	p->server = pool->server;
	p->state = POOLED_OPENING;
	p->connection = connection_open(pool->environment, pool->server, POOL_OPEN_MS,
	    CONNECTION_BIND_MESSAGE_MAX, &callbacks, p);
	if (p->connection == NULL) {
		free(p);
		return -1;
	}
	TAILQ_INSERT_TAIL(&pool->opening, p, entry);
	pool->opening_count++;
	return 0;
}

/* Opens what those who wait need, and what the minimum asks for. */
static void
fill(struct pool *pool)
{
	const struct directory_settings *s = pool->environment->settings;
	unsigned int total;

	if (pool->server == NULL)
		return;
	for (;;) {
		total = pool->opening_count + pool->idle_count + pool->busy_count;
		if (total >= s->connections_max || pool->opening_count >= POOL_OPENING_MAX ||
		    (pool->opening_count >= pool->waiter_count && total >= s->connections_min))
			return;
		if (open_one(pool) == -1)
			return;
	}
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval interval = { SWEEP_S, 0 };
	struct pool *pool = arg;
	struct pooled *p;
	int64_t now = clock_s();
	bool shrunk = false;

	(void)fd;
	(void)what;
	while ((p = TAILQ_LAST(&pool->idle, pooled_list)) != NULL &&
	    p->idle_since + POOL_IDLE_S <= now &&
	    pool->idle_count + pool->busy_count > pool->environment->settings->connections_min) {
		discard(p);
		pool->callbacks->changed(pool->arg);
		shrunk = true;
	}
	/* What a time of many logins took is not kept from others by the holes in the heap. */
	if (shrunk)
		malloc_trim(0);
	event_add(pool->sweep, &interval);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fill(arg);
}

struct pool *
pool_new(const struct environment *environment, const struct pool_callbacks *callbacks, void *arg)
{
	static const struct timeval interval = { SWEEP_S, 0 };
	struct pool *pool;

	if ((pool = calloc(1, sizeof(*pool))) == NULL)
		return NULL;
	pool->environment = environment;
	pool->callbacks = callbacks;
	pool->arg = arg;
	TAILQ_INIT(&pool->opening);
	TAILQ_INIT(&pool->idle);
	TAILQ_INIT(&pool->busy);
	TAILQ_INIT(&pool->waiters);
	pool->sweep = evtimer_new(environment->base, on_sweep, pool);
	pool->retry = evtimer_new(environment->base, on_retry, pool);
	if (pool->sweep == NULL || pool->retry == NULL || event_add(pool->sweep, &interval) == -1) {
		pool_free(pool);
		return NULL;
	}
	return pool;
}

void
pool_free(struct pool *pool)
{
	struct pooled *p;

	if (pool == NULL)
		return;
	while ((p = TAILQ_FIRST(&pool->opening)) != NULL ||
	    (p = TAILQ_FIRST(&pool->idle)) != NULL || (p = TAILQ_FIRST(&pool->busy)) != NULL)
		discard(p);
	if (pool->sweep != NULL)
		event_free(pool->sweep);
	if (pool->retry != NULL)
		event_free(pool->retry);
	free(pool);
}

void
pool_forget_idle(struct pool *pool)
{
	struct pooled *p;

	while ((p = TAILQ_FIRST(&pool->idle)) != NULL)
		discard(p);
	pool->callbacks->changed(pool->arg);
}

void
pool_set_server(struct pool *pool, const struct server_setting *server, const char *address)
{
	struct failure failure;
	struct pooled *p;

	if (pool->server != server || strcmp(pool->address, address) != 0) {
		pool->server = server;
		strlcpy(pool->address, address, sizeof(pool->address));
		while ((p = TAILQ_FIRST(&pool->opening)) != NULL)
			discard(p);
		pool_forget_idle(pool);
	}
	if (server == NULL) {
		failure_set(&failure, "unreachable", "no server can be used now");
		refuse_all(pool, &failure);
	}
	fill(pool);
}

void
pool_acquire(struct pool *pool, struct pool_waiter *waiter)
{
	struct failure failure;
	struct pooled *p;

	while ((p = TAILQ_FIRST(&pool->idle)) != NULL) {
		if (connection_alive(p->connection)) {
			grant(p, waiter);
			pool->callbacks->changed(pool->arg);
			return;
		}
		discard(p);
	}
	waiter->waiting = true;
	TAILQ_INSERT_TAIL(&pool->waiters, waiter, entry);
	pool->waiter_count++;
	fill(pool);
	if (pool->server == NULL || pool->opening_count + pool->busy_count == 0) {
		failure_set(&failure, "internal", "no connection for logins can be opened");
		refuse_all(pool, &failure);
	}
}

void
pool_cancel(struct pool *pool, struct pool_waiter *waiter)
{
	if (!waiter->waiting)
		return;
	waiter->waiting = false;
	TAILQ_REMOVE(&pool->waiters, waiter, entry);
	pool->waiter_count--;
}

void
pool_release(struct pool *pool, struct pooled *p, bool reusable)
{
	struct pool_waiter *waiter;

	/* Some servers end a connection after a refused bind: look before the next one. */
	if (!reusable || !is_to(p, pool->server, pool->address) ||
	    !connection_alive(p->connection)) {
		discard(p);
		fill(pool);
	} else if ((waiter = next_waiter(pool)) != NULL) {
		waiter->granted(waiter->arg, p);
	} else {
		list_remove(p);
		make_idle(p);
	}
	pool->callbacks->changed(pool->arg);
}

struct connection *
pooled_connection(struct pooled *p)
{
	return p->connection;
}

void
pool_count(const struct pool *pool, unsigned int *open, unsigned int *busy)
{
	*open = pool->idle_count + pool->busy_count;
	*busy = pool->busy_count;
}
