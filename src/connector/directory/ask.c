/* SPDX-License-Identifier: ISC */
/* One short list: questions are few and the newest is answered first as often as not. */
#include "build.h"

#include "ask.h"

#include <bsd/sys/queue.h>
#include <event2/event.h>
#include <stdlib.h>

struct ask {
	TAILQ_ENTRY(ask) entry;
	uint32_t id;
	struct event *timer;
	ask_fn callback;
	void *arg;
};

static TAILQ_HEAD(, ask) asks = TAILQ_HEAD_INITIALIZER(asks);
static size_t count;
static struct proc *proc;

void
ask_init(struct proc *p)
{
	proc = p;
}

void
ask_cancel(struct ask *ask)
{
	if (ask == NULL)
		return;
	TAILQ_REMOVE(&asks, ask, entry);
	count--;
	event_free(ask->timer);
	free(ask);
}

static void
finish(struct ask *ask, struct message *m)
{
	ask_fn callback = ask->callback;
	void *arg = ask->arg;

	ask_cancel(ask);
	callback(arg, m);
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg, NULL);
}

struct ask *
ask_send(enum message_type type, struct wire_writer *w, unsigned int timeout_ms, ask_fn callback,
    void *arg)
{
	struct timeval tv = { timeout_ms / 1000, (timeout_ms % 1000) * 1000 };
	struct ask *ask = NULL;

	if (count == ASKS_MAX || (ask = calloc(1, sizeof(*ask))) == NULL ||
	    (ask->timer = evtimer_new(proc_base(proc), on_timeout, ask)) == NULL ||
	    evtimer_add(ask->timer, &tv) == -1) {
		if (ask != NULL && ask->timer != NULL)
			event_free(ask->timer);
		free(ask);
		if (w != NULL)
			wire_writer_free(w);
		return NULL;
	}
	ask->id = proc_next_id(proc);
	ask->callback = callback;
	ask->arg = arg;
	TAILQ_INSERT_HEAD(&asks, ask, entry);
	count++;
	proc_send(proc, type, ask->id, w, -1);
	return ask;
}

void
ask_answer(struct message *m)
{
	struct ask *ask;

	TAILQ_FOREACH (ask, &asks, entry) {
		if (ask->id == m->id) {
			finish(ask, m->type == MESSAGE_UNANSWERED ? NULL : m);
			return;
		}
	}
}
