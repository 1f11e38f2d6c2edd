/* SPDX-License-Identifier: ISC */
/*
 * Questions under way, found by their id: see ask.h.
 */
#include "ask.h"

#include "common/log.h"

#include <bsd/sys/tree.h>
#include <event2/event.h>
#include <stdlib.h>

struct ask {
	RB_ENTRY(ask) entry;
	struct asks *asks;
	uint32_t id;
	enum message_type expected;
	struct event *timer;
	ask_fn answer;
	void *arg;
};

RB_HEAD(ask_tree, ask);

struct asks {
	struct proc *proc;
	struct ask_tree tree;
	size_t count;
	const struct timeval *deadline;
};

static int
ask_compare(struct ask *a, struct ask *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE_INTERNAL(ask_tree, ask, entry, ask_compare, static __attribute__((unused)))

struct asks *
asks_new(struct proc *proc)
{
	static const struct timeval deadline = { ASK_DEADLINE_MS / 1000,
		(ASK_DEADLINE_MS % 1000) * 1000 };
	struct asks *asks;

	if ((asks = calloc(1, sizeof(*asks))) == NULL)
		fatal("questions");
	asks->proc = proc;
	RB_INIT(&asks->tree);
	/* Equal waits queue up in order: no heap to keep. */
	asks->deadline = event_base_init_common_timeout(proc_base(proc), &deadline);
	if (asks->deadline == NULL)
		fatalx("questions: no timer");
	return asks;
}

/* Takes the question out before anybody is called: an answer may ask again. */
static void
ask_end(struct ask *ask, struct message *reply)
{
	ask_fn answer = ask->answer;
	void *arg = ask->arg;

	if (ask->id != 0) {
		RB_REMOVE(ask_tree, &ask->asks->tree, ask);
		ask->asks->count--;
	}
	event_free(ask->timer);
	free(ask);
	answer(arg, reply);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ask_end(arg, NULL);
}

static void
ask_start(struct asks *asks, const struct timeval *deadline, enum message_type type,
    struct wire_writer *w, enum message_type expected, ask_fn answer, void *arg)
{
	static const struct timeval at_once = { 0, 0 };
	struct ask *ask;

	if ((ask = calloc(1, sizeof(*ask))) == NULL)
		fatal("question to the store");
	ask->asks = asks;
	ask->expected = expected;
	ask->answer = answer;
	ask->arg = arg;
	if ((ask->timer = evtimer_new(proc_base(asks->proc), on_deadline, ask)) == NULL)
		fatalx("question to the store: no timer");
	if (asks->count >= ASK_MAX) {
		log_warnx(
		    "%s not sent: %d questions wait for an answer", message_name(type), ASK_MAX);
		wire_writer_free(w);
		evtimer_add(ask->timer, &at_once);
		return;
	}
	ask->id = proc_next_id(asks->proc);
	RB_INSERT(ask_tree, &asks->tree, ask);
	asks->count++;
	evtimer_add(ask->timer, deadline);
	proc_send(asks->proc, type, ask->id, w, -1);
}

void
ask_send(struct asks *asks, enum message_type type, struct wire_writer *w,
    enum message_type expected, ask_fn answer, void *arg)
{
	ask_start(asks, asks->deadline, type, w, expected, answer, arg);
}

void
ask_send_within(struct asks *asks, unsigned int deadline_ms, enum message_type type,
    struct wire_writer *w, enum message_type expected, ask_fn answer, void *arg)
{
	struct timeval deadline = { deadline_ms / 1000, deadline_ms % 1000 * 1000 };

	ask_start(asks, &deadline, type, w, expected, answer, arg);
}

void
asks_reply(struct asks *asks, struct message *reply)
{
	struct ask wanted, *ask;

	wanted.id = reply->id;
	if ((ask = RB_FIND(ask_tree, &asks->tree, &wanted)) == NULL)
		return;
	if (reply->type == MESSAGE_UNANSWERED) {
		ask_end(ask, NULL);
		return;
	}
	if (reply->type != ask->expected)
		proc_bad_message(reply);
	ask_end(ask, reply);
}
