/* SPDX-License-Identifier: ISC */
/* Shared questions about connections: see connections.h. */
#include "connections.h"

#include "common/log.h"

#include <bsd/string.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include <stdlib.h>
#include <string.h>

struct waiter {
	STAILQ_ENTRY(waiter) entry;
	connection_fn answer;
	void *arg;
};

struct question {
	RB_ENTRY(question) entry;
	struct connections *connections;
	char identifier[CONNECTION_SIZE];
	STAILQ_HEAD(, waiter) waiters;
};

RB_HEAD(question_tree, question);

struct connections {
	struct asks *asks;
	struct question_tree tree;
};

static int
question_compare(struct question *a, struct question *b)
{
	return strcmp(a->identifier, b->identifier);
}

RB_GENERATE_INTERNAL(
    question_tree, question, entry, question_compare, static __attribute__((unused)))

struct connections *
connections_new(struct asks *asks)
{
	struct connections *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("connections");
	c->asks = asks;
	RB_INIT(&c->tree);
	return c;
}

static void
on_connection(void *arg, struct message *reply)
{
	struct question *q = arg;
	enum connection_found found = CONNECTION_NO_ANSWER;
	char identifier[CONNECTION_SIZE] = "", name[DISPLAY_NAME_MAX + 1] = "";
	struct waiter *w;
	uint8_t value;

	if (reply != NULL) {
		value = wire_get_u8(&reply->body);
		wire_get_string(&reply->body, identifier, sizeof(identifier), 0);
		wire_get_string(&reply->body, name, sizeof(name), 0);
		if (wire_end(&reply->body) == -1 || value > CONNECTION_SEVERAL)
			proc_bad_message(reply);
		found = (enum connection_found)value;
	}
	RB_REMOVE(question_tree, &q->connections->tree, q);
	while ((w = STAILQ_FIRST(&q->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&q->waiters, entry);
		w->answer(w->arg, found, identifier, name);
		free(w);
	}
	free(q);
}

void
connection_find(struct connections *c, const char *identifier, connection_fn answer, void *arg)
{
	struct question wanted, *q;
	struct waiter *w;
	struct wire_writer writer;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal("connections");
	w->answer = answer;
	w->arg = arg;
	strlcpy(wanted.identifier, identifier, sizeof(wanted.identifier));
	if ((q = RB_FIND(question_tree, &c->tree, &wanted)) == NULL) {
		if ((q = calloc(1, sizeof(*q))) == NULL)
			fatal("connections");
		q->connections = c;
		STAILQ_INIT(&q->waiters);
		strlcpy(q->identifier, identifier, sizeof(q->identifier));
		RB_INSERT(question_tree, &c->tree, q);
		wire_writer_init(&writer);
		wire_put_string(&writer, identifier);
		ask_send(
		    c->asks, MESSAGE_CONNECTION_GET, &writer, MESSAGE_CONNECTION, on_connection, q);
	}
	STAILQ_INSERT_TAIL(&q->waiters, w, entry);
}
