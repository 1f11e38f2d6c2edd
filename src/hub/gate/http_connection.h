/* SPDX-License-Identifier: ISC */
/* What http.c and http_answer.c share: one connection, which is one exchange at a time. */
#ifndef GATE_HTTP_CONNECTION_H
#define GATE_HTTP_CONNECTION_H

#include "http.h"
#include "http_limits.h"
#include "common/stream.h"

#include <bsd/sys/queue.h>
#include <event2/event.h>

enum http_state {
	HTTP_READ_HEAD, /* a head is awaited or coming; deadline runs */
	HTTP_READ_BODY, /* its body is coming; the same deadline runs */
	HTTP_HANDLING,	/* the handler has it */
	HTTP_WRITING,	/* the answer goes out */
	HTTP_IDLE,	/* between requests */
	HTTP_LINGERING	/* answered and shut; what still comes is thrown away */
};

struct http_exchange {
	TAILQ_ENTRY(http_exchange) entry; /* while idle */
	struct http_server *server;
	struct stream *stream;
	struct event *timer;
	struct http_place *place;
	enum http_state state;
	bool keep_alive;
	char *text; /* the head's, which request.head points into */
	struct http_request request;
	void (*gone)(void *);
	void *gone_arg;
	char field_name[32];
	char field_value[64];
};

TAILQ_HEAD(http_exchanges, http_exchange);

struct http_server {
	struct event_base *base;
	struct http_limits *limits;
	http_handler handler;
	void *arg;
	struct http_exchanges idle; /* longest first */
	size_t busy;
	struct http_listener *listeners;
	bool draining;
	uint64_t warned_until; /* see common/rate.h: of lines about want of memory */
};

void http_set_state(struct http_exchange *, enum http_state, int seconds);
/* Answers on a connection that is closed afterwards, whatever the client wants. */
void http_refuse(struct http_exchange *, int status);

#endif
