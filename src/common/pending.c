/* SPDX-License-Identifier: ISC */
/*
 * A tree of requests by the parent's own id, swept now and then for replies
 * that never came.
 */
#include "pending.h"

#include "clock.h"

#include <bsd/sys/tree.h>
#include <event2/event.h>
#include <stdlib.h>

#define SWEEP_SECONDS 1

struct node {
	RB_ENTRY(node) entry;
	struct pending pending;
};

RB_HEAD(tree, node);

struct pending_table {
	struct tree tree;
	size_t count, limit;
	unsigned int max_ms;
	uint32_t last_id;
	struct pending_callbacks callbacks;
	void *arg;
	struct event *sweep;
};

static int
compare(const struct node *a, const struct node *b)
{
	return a->pending.id < b->pending.id ? -1 : a->pending.id > b->pending.id;
}

RB_GENERATE_INTERNAL(tree, node, entry, compare, static __attribute__((unused)))

static struct node *
node_of(struct pending *p)
{
	return (struct node *)(void *)((char *)p - offsetof(struct node, pending));
}

static void
forget(struct pending_table *t, struct node *n)
{
	if (t->callbacks.release != NULL && n->pending.data != NULL)
		t->callbacks.release(n->pending.data);
	free(n);
}

/* The entry is out of the table already while the owner hears of it. */
static void
lose(struct pending_table *t, struct node *n)
{
	RB_REMOVE(tree, &t->tree, n);
	t->count--;
	t->callbacks.lost(t->arg, &n->pending);
	forget(t, n);
}

/*
 * The next entry by id, after one that may be gone: what lost() does to the
 * table is its own affair.  Entries that it added, beyond last, are not met.
 */
static struct node *
next_after(struct pending_table *t, uint32_t id, uint32_t last)
{
	struct node key, *n;

	if (id >= last)
		return NULL;
	key.pending.id = id + 1;
	n = RB_NFIND(tree, &t->tree, &key);
	return n != NULL && n->pending.id <= last ? n : NULL;
}

static uint32_t
last_of(struct pending_table *t)
{
	struct node *n = RB_MAX(tree, &t->tree);

	return n == NULL ? 0 : n->pending.id;
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct pending_table *t = arg;
	struct node *n;
	uint64_t now = clock_ms();
	uint32_t id, last = last_of(t);

	(void)fd;
	(void)what;
	for (n = next_after(t, 0, last); n != NULL; n = next_after(t, id, last)) {
		id = n->pending.id;
		if (n->pending.until_ms <= now)
			lose(t, n);
	}
}

struct pending_table *
pending_new(struct event_base *base, size_t limit, unsigned int max_ms,
    const struct pending_callbacks *callbacks, void *arg)
{
	static const struct timeval interval = { SWEEP_SECONDS, 0 };
	struct pending_table *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	RB_INIT(&t->tree);
	t->limit = limit;
	t->max_ms = max_ms;
	t->callbacks = *callbacks;
	t->arg = arg;
	if ((t->sweep = event_new(base, -1, EV_PERSIST, on_sweep, t)) == NULL ||
	    event_add(t->sweep, &interval) == -1) {
		pending_table_free(t);
		return NULL;
	}
	return t;
}

void
pending_table_free(struct pending_table *t)
{
	struct node *n, *next;

	if (t == NULL)
		return;
	RB_FOREACH_SAFE (n, tree, &t->tree, next)
		pending_done(t, &n->pending);
	if (t->sweep != NULL)
		event_free(t->sweep);
	free(t);
}

struct pending *
pending_add(struct pending_table *t, struct child *from, uint32_t from_id, struct child *to,
    enum message_type asked, void *data)
{
	struct node *n;

	if (t->count >= t->limit || (n = calloc(1, sizeof(*n))) == NULL)
		return NULL;
	n->pending.from = from;
	n->pending.from_id = from_id;
	n->pending.to = to;
	n->pending.asked = asked;
	n->pending.data = data;
	n->pending.until_ms = clock_ms() + t->max_ms;
	do {
		if (++t->last_id == 0)
			t->last_id = 1;
		n->pending.id = t->last_id;
	} while (RB_INSERT(tree, &t->tree, n) != NULL);
	t->count++;
	return &n->pending;
}

struct pending *
pending_find(struct pending_table *t, struct child *to, uint32_t id)
{
	struct node key, *n;

	key.pending.id = id;
	n = RB_FIND(tree, &t->tree, &key);
	return n != NULL && n->pending.to == to ? &n->pending : NULL;
}

struct pending *
pending_find_from(struct pending_table *t, struct child *from, uint32_t from_id)
{
	struct node *n;

	RB_FOREACH (n, tree, &t->tree) {
		if (n->pending.from == from && n->pending.from_id == from_id)
			return &n->pending;
	}
	return NULL;
}

void
pending_done(struct pending_table *t, struct pending *p)
{
	struct node *n = node_of(p);

	RB_REMOVE(tree, &t->tree, n);
	t->count--;
	forget(t, n);
}

void
pending_child_gone(struct pending_table *t, struct child *child)
{
	struct node *n;
	uint32_t id, last = last_of(t);

	for (n = next_after(t, 0, last); n != NULL; n = next_after(t, id, last)) {
		id = n->pending.id;
		if (n->pending.from == child)
			n->pending.from = NULL;
		if (n->pending.to == child)
			lose(t, n);
	}
}

size_t
pending_count(const struct pending_table *t)
{
	return t->count;
}
