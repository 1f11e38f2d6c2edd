/* SPDX-License-Identifier: ISC */
/*
 * evhttp with a cap on connections and a total time for each: see server.h.
 *
 * evhttp tells of a connection only when a whole request has come.  So the
 * buffer of each is made here (evhttp_set_bevcb) and a reference to it kept:
 * that gives a count and a deadline from the moment of connecting.  That evhttp has
 * dropped a connection shows in the buffer's callbacks, which it then takes off.
 */
#include "server.h"

#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"

#include <bsd/sys/queue.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often ended connections are looked for while there may be such. */
#define SWEEP_MS 20

enum client_state {
	CLIENT_READING,	  /* no whole request yet */
	CLIENT_WAITING,	  /* for whoever answers */
	CLIENT_STREAMING, /* the answer has begun */
	CLIENT_SENDING,	  /* the answer is complete, on its way */
};

struct client {
	TAILQ_ENTRY(client) entries;
	struct server *server;
	enum client_state state;
	struct bufferevent *buffer;
	struct event *deadline;
	struct evhttp_request *request;	      /* from CLIENT_WAITING on */
	struct evhttp_connection *connection; /* likewise */
	const struct client_events *events;
	void *arg;
};

struct server {
	struct event_base *base;
	struct evhttp *http;
	struct evconnlistener *listener;
	struct event *sweep;
	TAILQ_HEAD(, client) clients;
	size_t nclients;
	server_request_fn request;
	void *arg;
	void (*idle)(void *arg); /* set while draining */
	void *idle_arg;
};

/* The sweep of the one server that a process has, for where there is no argument of ours. */
static struct event *accept_again;

static void on_input(struct evbuffer *, const struct evbuffer_cb_info *, void *);

static void
client_free(struct client *client)
{
	struct server *server = client->server;

	TAILQ_REMOVE(&server->clients, client, entries);
	server->nclients--;
	event_free(client->deadline);
	evbuffer_remove_cb(bufferevent_get_input(client->buffer), on_input, client);
	bufferevent_decref(client->buffer);
	free(client);
	if (server->idle != NULL) {
		if (server->nclients == 0)
			server->idle(server->idle_arg);
	} else
		evconnlistener_enable(server->listener);
}

/* Connections that ended before a whole request had come; comes again while there are others. */
static void
sweep(struct server *server)
{
	struct timeval interval = { 0, SWEEP_MS * 1000 };
	struct client *client, *next;
	void *owner;

	TAILQ_FOREACH_SAFE (client, &server->clients, entries, next) {
		if (client->state != CLIENT_READING)
			continue;
		bufferevent_getcb(client->buffer, NULL, NULL, NULL, &owner);
		if (owner == NULL)
			client_free(client);
		else
			event_add(server->sweep, &interval);
	}
}

static void
on_deadline(evutil_socket_t fd, short events, void *arg)
{
	struct client *client = arg;

	(void)events;
	switch (client->state) {
	case CLIENT_READING:
		/* evhttp sees the end and drops the connection; then the sweep drops the rest. */
		fd = bufferevent_getfd(client->buffer);
		if (fd != -1)
			shutdown(fd, SHUT_RDWR);
		client_set_deadline(client, 1);
		sweep(client->server);
		break;
	case CLIENT_WAITING:
	case CLIENT_STREAMING:
		client->events->late(client->arg, client);
		break;
	case CLIENT_SENDING:
		evhttp_connection_free(client->connection);
		break;
	}
}

/* evhttp is about to free the connection, after the answer or without one. */
static void
on_close(struct evhttp_connection *connection, void *arg)
{
	struct client *client = arg;

	(void)connection;
	if (client->state == CLIENT_WAITING || client->state == CLIENT_STREAMING) {
		client->events->gone(client->arg, client);
		/* When the client ended it, evhttp leaves an unanswered request to its user. */
		if (evhttp_request_get_connection(client->request) == NULL)
			evhttp_request_free(client->request);
	}
	client_free(client);
}

/*
 * Behind a whole request evhttp goes on reading, to notice that the client goes, but takes
 * nothing out: without a limit it would keep whatever is sent.
 */
static void
on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct client *client = arg;

	if (client->state != CLIENT_READING && info->n_added > 0)
		evbuffer_drain(input, evbuffer_get_length(input));
}

static struct bufferevent *
on_connect(struct event_base *base, void *arg)
{
	struct server *server = arg;
	struct timeval interval = { 0, SWEEP_MS * 1000 };
	struct client *client;

	sweep(server);
	if ((client = calloc(1, sizeof(*client))) == NULL ||
	    (client->deadline = event_new(base, -1, 0, on_deadline, client)) == NULL ||
	    (client->buffer = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE)) == NULL ||
	    evbuffer_add_cb(bufferevent_get_input(client->buffer), on_input, client) == NULL)
		fatalx("no memory for a connection");
	client->server = server;
	client->state = CLIENT_READING;
	bufferevent_incref(client->buffer);
	TAILQ_INSERT_TAIL(&server->clients, client, entries);
	client_set_deadline(client, SERVER_DEADLINE_S);
	/* Who comes now waits in the kernel's queue. */
	if (++server->nclients >= SERVER_CLIENTS_MAX)
		evconnlistener_disable(server->listener);
	event_add(server->sweep, &interval);
	return client->buffer;
}

static void
on_request(struct evhttp_request *request, void *arg)
{
	struct server *server = arg;
	struct evhttp_connection *connection;
	struct client *client;

	connection = evhttp_request_get_connection(request);
	TAILQ_FOREACH (client, &server->clients, entries)
		if (client->buffer == evhttp_connection_get_bufferevent(connection))
			break;
	if (client == NULL || client->state != CLIENT_READING)
		fatalx("request on a connection that is not known");
	client->state = CLIENT_WAITING;
	client->request = request;
	client->connection = connection;
	evhttp_connection_set_closecb(connection, on_close, client);
	/* The deadline here is the one that counts. */
	bufferevent_set_timeouts(client->buffer, NULL, NULL);
	server->request(server->arg, client, request);
}

static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct timeval interval = { 0, SWEEP_MS * 1000 };

	(void)arg; /* evhttp's: a listener has one argument for both of its callbacks */

	/* Out of descriptors: without a pause this would spin. */
	log_warn("control socket: accept");
	evconnlistener_disable(listener);
	event_add(accept_again, &interval);
}

static void
on_sweep(evutil_socket_t fd, short events, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)events;
	sweep(server);
	if (server->idle == NULL && server->nclients < SERVER_CLIENTS_MAX)
		evconnlistener_enable(server->listener);
}

struct server *
server_new(struct event_base *base, int listener, server_request_fn request, void *arg)
{
	struct server *server;

	if ((server = calloc(1, sizeof(*server))) == NULL)
		return NULL;
	TAILQ_INIT(&server->clients);
	server->base = base;
	server->request = request;
	server->arg = arg;
	if ((server->http = evhttp_new(base)) == NULL ||
	    (server->sweep = event_new(base, -1, 0, on_sweep, server)) == NULL ||
	    (server->listener = evconnlistener_new(base, NULL, NULL,
		 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener)) == NULL ||
	    evhttp_bind_listener(server->http, server->listener) == NULL)
		fatalx("no memory for the server");
	accept_again = server->sweep;
	evconnlistener_set_error_cb(server->listener, on_accept_error);
	evhttp_set_bevcb(server->http, on_connect, server);
	evhttp_set_gencb(server->http, on_request, server);
	evhttp_set_max_headers_size(server->http, SERVER_HEADERS_MAX);
	evhttp_set_max_body_size(server->http, SERVER_BODY_MAX);
	evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
	/* Longer than the deadline here, so that there is one place that decides. */
	evhttp_set_timeout(server->http, 2 * SERVER_DEADLINE_S);
	return server;
}

void
server_drain(struct server *server, void (*idle)(void *arg), void *arg)
{
	evconnlistener_disable(server->listener);
	server->idle = idle;
	server->idle_arg = arg;
	if (server->nclients == 0)
		idle(arg);
	else
		sweep(server);
}

int
client_fd(const struct client *client)
{
	return bufferevent_getfd(client->buffer);
}

void
client_wait(struct client *client, const struct client_events *events, void *arg)
{
	client->events = events;
	client->arg = arg;
}

void
client_set_deadline(struct client *client, unsigned int seconds)
{
	struct timeval interval = { (time_t)seconds, 0 };

	if (seconds == 0)
		event_del(client->deadline);
	else
		event_add(client->deadline, &interval);
}

static void
add_headers(struct evhttp_request *request, const char *type)
{
	struct evkeyvalq *headers;

	headers = evhttp_request_get_output_headers(request);
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(headers, "Connection", "close");
}

/* The text with a line feed, as a buffer; the document's reference is taken. */
static struct evbuffer *
to_buffer(json_t *document)
{
	struct evbuffer *buffer;
	char *text;

	if (document == NULL || (text = json_dumps(document, JSON_COMPACT)) == NULL ||
	    (buffer = evbuffer_new()) == NULL || evbuffer_add(buffer, text, strlen(text)) == -1 ||
	    evbuffer_add(buffer, "\n", 1) == -1)
		fatalx("no memory for an answer");
	wiping_free(text);
	json_decref(document);
	return buffer;
}

void
client_answer(struct client *client, int status, json_t *document)
{
	struct evbuffer *buffer;

	buffer = to_buffer(document);
	add_headers(client->request, "application/json");
	client->state = CLIENT_SENDING;
	client_set_deadline(client, SERVER_SEND_DEADLINE_S);
	evhttp_send_reply(client->request, status, NULL, buffer);
	evbuffer_free(buffer);
}

static json_t *
error_document(const char *code, const char *message)
{
	return json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message);
}

void
client_error(struct client *client, int status, const char *code, const char *message)
{
	if (client->state == CLIENT_STREAMING) {
		if (client_line(client, error_document(code, message)) == 0)
			client_end(client);
	} else
		client_answer(client, status, error_document(code, message));
}

void
client_begin(struct client *client)
{
	client->state = CLIENT_STREAMING;
	add_headers(client->request, "application/x-ndjson");
	evhttp_send_reply_start(client->request, HTTP_OK, NULL);
}

int
client_line(struct client *client, json_t *document)
{
	struct evbuffer *buffer;

	if (evbuffer_get_length(bufferevent_get_output(client->buffer)) > SERVER_UNREAD_MAX) {
		json_decref(document);
		evhttp_connection_free(client->connection);
		return -1;
	}
	buffer = to_buffer(document);
	if (client->state == CLIENT_WAITING)
		client_begin(client);
	evhttp_send_reply_chunk(client->request, buffer);
	evbuffer_free(buffer);
	return 0;
}

void
client_end(struct client *client)
{
	if (client->state == CLIENT_WAITING)
		client_begin(client);
	client->state = CLIENT_SENDING;
	client_set_deadline(client, SERVER_SEND_DEADLINE_S);
	evhttp_send_reply_end(client->request);
}

void
request_wipe(struct evhttp_request *request)
{
	struct evbuffer *body;

	/* The allocator wipes what is freed; draining frees. */
	body = evhttp_request_get_input_buffer(request);
	evbuffer_drain(body, evbuffer_get_length(body));
}
