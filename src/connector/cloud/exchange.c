/* SPDX-License-Identifier: ISC */
/*
 * See exchange.h.  A request goes out once and is never repeated here; what
 * cannot be understood as the hub's answer is called not_a_ticket, for that is
 * what a person can do something about.
 */
#include "exchange.h"

#include "hub_connection.h"
#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
	const struct cloud *cloud;
	const struct secret *path;
	const char *body;
	exchange_fn fn;
	void *arg;
	struct hub_connection *connection;
	struct stream *stream;
	struct event *deadline;
	struct http_head head;
	bool head_read;
};

static void on_connected(void *, struct stream *, const struct failure *);
static void on_deadline(evutil_socket_t, short, void *);
static void on_input(void *);
static void on_closed(void *, const struct stream_end *);

static const struct stream_callbacks callbacks = { .input = on_input, .closed = on_closed };

struct exchange *
exchange_start(const struct cloud *cloud, const struct secret *path, const char *body,
    exchange_fn fn, void *arg)
{
	struct timeval tv = { HUB_DEADLINE_MS / 1000, (HUB_DEADLINE_MS % 1000) * 1000 };
	struct exchange *x;

	if ((x = calloc(1, sizeof(*x))) == NULL ||
	    (x->deadline = evtimer_new(cloud->base, on_deadline, x)) == NULL ||
	    evtimer_add(x->deadline, &tv) == -1)
		fatalx("asking the hub: out of memory");
	x->cloud = cloud;
	x->path = path;
	x->body = body;
	x->fn = fn;
	x->arg = arg;
	x->connection = hub_connect(cloud, HUB_DEADLINE_MS, on_connected, x);
	return x;
}

static void
finish(struct exchange *x, const json_t *answer, const struct failure *failure)
{
	unsigned int status = x->head.status;
	exchange_fn fn = x->fn;
	void *arg = x->arg;

	hub_connection_free(x->connection);
	stream_free(x->stream);
	event_free(x->deadline);
	free(x);
	fn(arg, status, answer, failure);
}

static void
finish_no_hub(struct exchange *x, const char *why)
{
	struct failure failure;

	failure_set(&failure, "not_a_ticket",
	    "%s: that page is not a provisioning ticket of a hub: %s; copy the ticket again",
	    x->cloud->hub_name, why);
	finish(x, NULL, &failure);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct exchange *x = arg;
	struct failure failure;

	(void)fd;
	(void)what;
	failure_set(&failure, "unreachable", "%s: no complete answer within %u ms",
	    x->cloud->hub_name, HUB_DEADLINE_MS);
	finish(x, NULL, &failure);
}

static void
on_connected(void *arg, struct stream *stream, const struct failure *failure)
{
	struct exchange *x = arg;
	char text[HTTP_HOST_SIZE + 256];
	int n;

	x->connection = NULL;
	if (stream == NULL) {
		finish(x, NULL, failure);
		return;
	}
	x->stream = stream;
	stream_set_callbacks(stream, &callbacks, x);
	stream_write(stream, x->body == NULL ? "GET " : "POST ", x->body == NULL ? 4 : 5);
	stream_write_secret(stream, x->path);
	n = snprintf(text, sizeof(text),
	    " HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nConnection: close\r\n",
	    x->cloud->host_header);
	stream_write(stream, text, (size_t)n);
	if (x->body == NULL) {
		stream_write(stream, "\r\n", 2);
		return;
	}
	n = snprintf(text, sizeof(text),
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", strlen(x->body));
	stream_write(stream, text, (size_t)n);
	stream_write(stream, x->body, strlen(x->body));
}

static void
on_closed(void *arg, const struct stream_end *how)
{
	struct exchange *x = arg;
	struct failure failure;

	tls_stream_failure(x->cloud->tls, how, x->cloud->hub_name, &failure);
	if (strcmp(failure.code, "closed") == 0)
		failure_set(&failure, "unreachable",
		    "%s: the connection was closed before the answer was complete",
		    x->cloud->hub_name);
	finish(x, NULL, &failure);
}

/* 0: the head is there; -1: not yet, or the exchange is over. */
static int
read_head(struct exchange *x, struct evbuffer *input)
{
	size_t len = evbuffer_get_length(input);
	const char *why, *text;
	ssize_t used;

	if (len > HTTP_HEAD_MAX)
		len = HTTP_HEAD_MAX;
	if ((text = stream_peek(x->stream, len)) == NULL)
		return -1;
	used = http_read_head(text, len, &x->head, &why);
	if (used == 0)
		return -1; /* not over: more is to come */
	if (used > 0 && x->head.status >= 300 && x->head.status <= 399)
		why = "it leads elsewhere (a redirect), which is not followed";
	else if (used > 0)
		why = http_body_refused(&x->head);
	if (used > 0 && why == NULL && !x->head.json)
		why = "its answer is not JSON";
	if (why != NULL) {
		finish_no_hub(x, why);
		return -1;
	}
	evbuffer_drain(input, (size_t)used);
	x->head_read = true;
	return 0;
}

static void
on_input(void *arg)
{
	struct exchange *x = arg;
	struct evbuffer *input = stream_input(x->stream);
	const char *why = NULL, *text;
	json_t *answer;

	if (!x->head_read && read_head(x, input) == -1)
		return;
	if (evbuffer_get_length(input) < x->head.length)
		return;
	if (evbuffer_get_length(input) > x->head.length) {
		finish_no_hub(x, "its answer is longer than it said");
		return;
	}
	if ((text = stream_peek(x->stream, x->head.length)) == NULL)
		return;
	answer = json_read(text, x->head.length, HTTP_BODY_MAX, &why);
	if (answer == NULL || !json_is_object(answer))
		finish_no_hub(x, answer == NULL ? why : "its answer is not a JSON object");
	else
		finish(x, answer, NULL);
	json_decref(answer);
}
