/* SPDX-License-Identifier: ISC */
/*
 * See asks.h.  The number of open questions is bounded by those who ask:
 * requests in flight, and one or two for each tunnel.
 */
#include "asks.h"

#include "common/log.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>

struct question {
	RB_ENTRY(question) entry;
	uint32_t id;
	ask_fn fn;
	void *arg;
};

RB_HEAD(questions, question);

static int
compare(struct question *a, struct question *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE_INTERNAL(questions, question, entry, compare, static __attribute__((unused)))

static struct questions open_questions = RB_INITIALIZER(&open_questions);

static struct question *
find(uint32_t id)
{
	struct question key;

	key.id = id;
	return RB_FIND(questions, &open_questions, &key);
}

uint32_t
ask(struct proc *proc, enum message_type type, struct wire_writer *w, ask_fn fn, void *arg)
{
	struct question *q;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		fatal("asking the parent");
	do
		q->id = proc_next_id(proc);
	while (find(q->id) != NULL);
	q->fn = fn;
	q->arg = arg;
	RB_INSERT(questions, &open_questions, q);
	proc_send(proc, type, q->id, w, -1);
	return q->id;
}

void
ask_forget(uint32_t id)
{
	struct question *q;

	if (id == 0 || (q = find(id)) == NULL)
		return;
	RB_REMOVE(questions, &open_questions, q);
	free(q);
}

void
ask_answer(struct message *m)
{
	struct question *q, copy;

	if ((q = find(m->id)) == NULL)
		return;
	copy = *q;
	if ((message_rules[m->type].flags & MESSAGE_FLAG_REPLY) != 0)
		ask_forget(m->id);
	copy.fn(copy.arg, m);
}
