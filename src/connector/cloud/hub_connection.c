/* SPDX-License-Identifier: ISC */
/*
 * See hub_connection.h.
 */
#include "hub_connection.h"

#include "asks.h"
#include "common/log.h"
#include "proxy.h"
#include "common/status.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024

struct hub_connection {
	const struct cloud *cloud;
	hub_connected_fn fn;
	void *arg;
	uint32_t question;
	uint32_t deadline_ms;
	struct event *deadline, *begin;
	struct stream *stream;
	bool at_proxy; /* its answer to CONNECT is still due */
};

static void on_begin(evutil_socket_t, short, void *);
static void on_deadline(evutil_socket_t, short, void *);
static void on_ready(void *);
static void on_input(void *);
static void on_closed(void *, const struct stream_end *);

static const struct stream_callbacks callbacks = {
	.ready = on_ready,
	.input = on_input,
	.closed = on_closed,
};

struct hub_connection *
hub_connect(const struct cloud *cloud, uint32_t deadline_ms, hub_connected_fn fn, void *arg)
{
	struct timeval tv = { deadline_ms / 1000, (deadline_ms % 1000) * 1000 };
	struct hub_connection *h;

	if ((h = calloc(1, sizeof(*h))) == NULL)
		fatal("connecting to the hub");
	h->cloud = cloud;
	h->fn = fn;
	h->arg = arg;
	h->deadline_ms = deadline_ms;
	h->deadline = evtimer_new(cloud->base, on_deadline, h);
	h->begin = event_new(cloud->base, -1, 0, on_begin, h);
	if (h->deadline == NULL || h->begin == NULL || evtimer_add(h->deadline, &tv) == -1)
		fatalx("connecting to the hub: out of memory");
	event_active(h->begin, EV_TIMEOUT, 0);
	return h;
}

void
hub_connection_free(struct hub_connection *h)
{
	if (h == NULL)
		return;
	ask_forget(h->question);
	event_free(h->deadline);
	event_free(h->begin);
	stream_free(h->stream);
	free(h);
}

/* Ends with the stream or a failure; the connection is gone afterwards. */
static void
finish(struct hub_connection *h, const struct failure *failure)
{
	struct stream *stream = failure == NULL ? h->stream : NULL;
	hub_connected_fn fn = h->fn;
	void *arg = h->arg;

	if (stream != NULL)
		h->stream = NULL;
	hub_connection_free(h);
	fn(arg, stream, failure);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct hub_connection *h = arg;
	struct failure failure;

	(void)fd;
	(void)what;
	if (h->at_proxy)
		failure_set(&failure, "unreachable", "%s: the proxy did not answer within %u ms",
		    h->cloud->proxy_name, h->deadline_ms);
	else
		failure_set(&failure, "unreachable", "%s: no connection within %u ms",
		    h->cloud->hub_name, h->deadline_ms);
	finish(h, &failure);
}

static void
start_tls(struct hub_connection *h)
{
	struct failure failure;
	SSL *session;

	if (h->cloud->tls == NULL) {
		finish(h, NULL);
		return;
	}
	if ((session = tls_session(h->cloud->tls)) == NULL ||
	    stream_start_tls(h->stream, session) == -1) {
		failure_set(
		    &failure, "internal", "%s: no memory for a TLS session", h->cloud->hub_name);
		finish(h, &failure);
	}
}

static void
on_ready(void *arg)
{
	struct hub_connection *h = arg;

	tls_agreed(h->cloud->tls);
	finish(h, NULL);
}

static void
on_closed(void *arg, const struct stream_end *how)
{
	struct hub_connection *h = arg;
	struct failure failure;

	tls_stream_failure(h->cloud->tls, how, h->cloud->hub_name, &failure);
	if (h->at_proxy && strcmp(failure.code, "closed") == 0)
		failure_set(&failure, "proxy_refused",
		    "%s: the proxy closed the connection without an answer", h->cloud->proxy_name);
	finish(h, &failure);
}

/* Before TLS only a proxy has anything to say. */
static void
on_input(void *arg)
{
	struct hub_connection *h = arg;
	struct evbuffer *input = stream_input(h->stream);
	struct http_head head;
	struct failure failure;
	const char *why, *text;
	size_t len = evbuffer_get_length(input);
	ssize_t used;

	if (!h->at_proxy) {
		failure_set(&failure, "tls_failed",
		    "%s: something was sent before it was asked for", h->cloud->hub_name);
		finish(h, &failure);
		return;
	}
	if (len > HTTP_HEAD_MAX)
		len = HTTP_HEAD_MAX;
	if ((text = stream_peek(h->stream, len)) == NULL)
		return;
	used = http_read_head(text, len, &head, &why);
	if (used == 0)
		return;
	if (used == -1) {
		failure_set(&failure, "proxy_refused", "%s: is no HTTP proxy: %s",
		    h->cloud->proxy_name, why);
		finish(h, &failure);
		return;
	}
	if (proxy_answer(&head, h->cloud->proxy_name, h->cloud->hub_name, h->cloud->proxy_login,
		&failure) == -1) {
		finish(h, &failure);
		return;
	}
	h->at_proxy = false;
	evbuffer_drain(input, (size_t)used);
	if (evbuffer_get_length(input) > 0) {
		failure_set(&failure, "proxy_refused",
		    "%s: the proxy sent something that the hub cannot have said",
		    h->cloud->proxy_name);
		finish(h, &failure);
		return;
	}
	start_tls(h);
}

/* The reply to CONNECT. */
static void
on_connected(void *arg, struct message *m)
{
	struct hub_connection *h = arg;
	char host[ENDPOINT_HOST_SIZE], address[128], text[TEXT_MAX];
	struct failure failure;
	uint8_t status;
	int fd;

	h->question = 0;
	if (m->type == MESSAGE_UNANSWERED) {
		failure_set(&failure, "unreachable",
		    "%s: the process that connects is being started again", h->cloud->hub_name);
		finish(h, &failure);
		return;
	}
	if (m->type != MESSAGE_CONNECTED)
		proc_bad_message(m);
	status = wire_get_u8(&m->body);
	wire_get_string(&m->body, host, sizeof(host), 0);
	wire_get_string(&m->body, address, sizeof(address), 0);
	wire_get_string(&m->body, text, sizeof(text), 0);
	if (wire_end(&m->body) == -1 || (status == STATUS_OK) != (m->fd != -1))
		proc_bad_message(m);
	if (status != STATUS_OK) {
		failure_set(&failure, "unreachable", "%s%s",
		    h->cloud->proxy_request == NULL ? "" : "the proxy: ", text);
		finish(h, &failure);
		return;
	}
	fd = m->fd;
	m->fd = -1;
	h->stream = stream_new(h->cloud->base, fd, &callbacks, h);
	if (h->stream == NULL)
		fatalx("connecting to the hub: out of memory");
	if (h->cloud->proxy_request != NULL) {
		h->at_proxy = true;
		stream_write_secret(h->stream, h->cloud->proxy_request);
	} else
		start_tls(h);
}

static void
on_begin(evutil_socket_t fd, short what, void *arg)
{
	struct hub_connection *h = arg;
	struct wire_writer w;

	(void)fd;
	(void)what;
	wire_writer_init(&w);
	wire_put_u8(&w, ENDPOINT_HUB);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, h->deadline_ms);
	h->question = ask(h->cloud->proc, MESSAGE_CONNECT, &w, on_connected, h);
}
