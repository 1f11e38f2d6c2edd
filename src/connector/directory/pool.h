/* SPDX-License-Identifier: ISC */
/*
 * Connections on which users bind.  One bind at a time on each; none is ever the
 * service connection.  The pool grows while people wait, up to a maximum, and
 * shrinks to its minimum when connections stay idle.
 */
#ifndef ADC_DIRECTORY_POOL_H
#define ADC_DIRECTORY_POOL_H

#include "connection.h"

#include <bsd/sys/queue.h>

struct pool;
struct pooled;

/* Domain controllers end idle connections at 900 s; ours go before. */
#define POOL_IDLE_S 120
/* Connections being opened at the same time. */
#define POOL_OPENING_MAX 8U
#define POOL_OPEN_MS 5000U

/* Lies in whoever waits. */
struct pool_waiter {
	TAILQ_ENTRY(pool_waiter) entry;
	bool waiting;
	/* Exactly one of them, perhaps from within pool_acquire(). */
	void (*granted)(void *arg, struct pooled *);
	void (*refused)(void *arg, const struct failure *);
	void *arg;
};

struct pool_callbacks {
	void (*changed)(void *arg); /* the numbers of connections */
	/* A new one led to another controller than the service connection: it was closed. */
	void (*elsewhere)(void *arg, const struct failure *);
};

struct pool *pool_new(const struct environment *, const struct pool_callbacks *, void *arg);
void pool_free(struct pool *);
/*
 * The server and the address of the service connection; connections to another are not used
 * again, as each controller counts wrong passwords for itself (badPwdCount).  NULL: none can be
 * used; whoever waits is refused, and nothing is opened.
 */
void pool_set_server(struct pool *, const struct server_setting *, const char *address);
/* Those that nobody uses may be dead, and are not used again. */
void pool_forget_idle(struct pool *);
void pool_acquire(struct pool *, struct pool_waiter *);
/* Nothing happens when it is not waiting. */
void pool_cancel(struct pool *, struct pool_waiter *);
/* reusable: false closes it. */
void pool_release(struct pool *, struct pooled *, bool reusable);
struct connection *pooled_connection(struct pooled *);
void pool_count(const struct pool *, unsigned int *open, unsigned int *busy);

#endif
