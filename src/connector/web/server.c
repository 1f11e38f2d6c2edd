/* SPDX-License-Identifier: ISC */
/*
 * Connections, from accepting to the end of the answer: see server.h.
 *
 * Not on libevent's evhttp: that one is lax (two lengths, folded fields, "+2", a
 * space before the colon), shows no raw head to be strict with, and does not tell of a
 * connection before a whole request has come.
 */
#include "server.h"

#include "common/http_status.h"
#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"

#include <bsd/sys/queue.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <sys/socket.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After accept(2) failed for want of descriptors or memory. */
#define ACCEPT_PAUSE_MS 20

/*
 * On every answer.  What a browser makes of one is held to what the page is made of: its own
 * files, no frame, no form, no code or style inside HTML, no text that becomes HTML or code,
 * and nothing that is kept.
 */
#define GUARDS                                                                                     \
	"Cache-Control: no-store\r\n"                                                              \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
	"img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; "   \
	"base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"            \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                                              \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
	"Referrer-Policy: no-referrer\r\n"                                                         \
	"X-Content-Type-Options: nosniff\r\n"

enum client_state {
	CLIENT_HEAD,	  /* no whole head yet */
	CLIENT_BODY,	  /* the body is not whole */
	CLIENT_WAITING,	  /* for whoever answers */
	CLIENT_STREAMING, /* the answer has begun */
	CLIENT_SENDING,	  /* the answer is complete, on its way */
};

struct client {
	TAILQ_ENTRY(client) entries;
	struct server *server;
	enum client_state state;
	bool other; /* not root */
	struct bufferevent *buffer;
	struct event *deadline;
	char *text; /* the head's, which request.head points into */
	struct request request;
	const struct client_events *events;
	const char *allow; /* methods, for an answer of 405 */
	void *arg;
};

struct server {
	struct event_base *base;
	struct evconnlistener *listener;
	enum server_full full;
	struct event *accept_again;
	TAILQ_HEAD(clients, client) clients; /* by the time since which they keep us waiting */
	size_t nclients, nothers;
	server_request_fn request;
	void *arg;
	void (*idle)(void *arg); /* set while draining */
	void *idle_arg;
};

void
request_wipe(struct request *request)
{
	wiping_free(request->body);
	request->body = NULL;
	request->body_len = 0;
}

static void
client_free(struct client *client)
{
	struct server *server = client->server;

	TAILQ_REMOVE(&server->clients, client, entries);
	server->nclients--;
	server->nothers -= client->other;
	request_wipe(&client->request);
	wiping_free(client->text);
	event_free(client->deadline);
	bufferevent_free(client->buffer);
	free(client);
	if (server->idle == NULL)
		evconnlistener_enable(server->listener);
	else if (server->nclients == 0)
		server->idle(server->idle_arg);
}

/* Without an answer, or with one that it does not take. */
static void
drop(struct client *client)
{
	if (client->state == CLIENT_WAITING || client->state == CLIENT_STREAMING)
		client->events->gone(client->arg, client);
	client_free(client);
}

static void
refuse(struct client *client, int status)
{
	const struct http_status *s = http_status_get(status);

	client_error(client, status, s->code, s->message);
}

static void
put(struct client *client, const char *bytes, size_t len)
{
	if (bufferevent_write(client->buffer, bytes, len) == -1)
		fatalx("no memory for an answer");
}

/* The next len bytes of the input with a NUL behind, in memory that is wiped. */
static char *
take(struct evbuffer *input, size_t len)
{
	char *bytes;

	if ((bytes = wiping_malloc(len + 1)) == NULL)
		fatalx("no memory for a request");
	evbuffer_remove(input, bytes, len);
	bytes[len] = '\0';
	return bytes;
}

/* True when the whole head was there and taken; false: wait, or refused. */
static bool
read_head(struct client *client, struct evbuffer *input)
{
	struct http_head *head = &client->request.head;
	struct evbuffer_ptr end;
	size_t len;
	int refused;

	end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
	len = end.pos == -1 ? evbuffer_get_length(input) : (size_t)end.pos + 4;
	if (len > HTTP_HEAD_MAX) {
		refuse(client, 431);
		return false;
	}
	if (end.pos == -1)
		return false;
	client->text = take(input, len);
	refused = http_parse_head(client->text, len, head);
	if (refused == 0 && head->minor == 0)
		refused = 505; /* it could not be sent a stream of lines */
	if (refused != 0) {
		refuse(client, refused);
		return false;
	}
	if (head->expects_continue && head->content_length > 0 && evbuffer_get_length(input) == 0)
		put(client, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	return true;
}

static void
on_read(struct bufferevent *buffer, void *arg)
{
	struct client *client = arg;
	struct evbuffer *input = bufferevent_get_input(buffer);
	struct request *request = &client->request;

	if (client->state == CLIENT_HEAD && read_head(client, input))
		client->state = CLIENT_BODY;
	if (client->state == CLIENT_BODY &&
	    evbuffer_get_length(input) >= request->head.content_length) {
		request->body_len = request->head.content_length;
		request->body = take(input, request->body_len);
		client->state = CLIENT_WAITING;
		client->server->request(client->server->arg, client, request);
	}
	/* Nothing belongs behind a request.  Reading goes on, to notice that the client goes. */
	if (client->state != CLIENT_HEAD && client->state != CLIENT_BODY)
		evbuffer_drain(input, evbuffer_get_length(input));
}

static void
on_written(struct bufferevent *buffer, void *arg)
{
	struct client *client = arg;

	(void)buffer;
	if (client->state == CLIENT_SENDING)
		client_free(client);
}

static void
on_event(struct bufferevent *buffer, short what, void *arg)
{
	struct client *client = arg;

	(void)buffer;
	/* One that will send no more may still want its answer. */
	if ((what & BEV_EVENT_EOF) != 0 && (what & BEV_EVENT_READING) != 0 &&
	    (client->state == CLIENT_WAITING || client->state == CLIENT_SENDING))
		return;
	drop(client);
}

static void
on_deadline(evutil_socket_t fd, short events, void *arg)
{
	struct client *client = arg;

	(void)fd;
	(void)events;
	switch (client->state) {
	case CLIENT_HEAD:
	case CLIENT_BODY:
		/* Without a single byte there is nothing to answer. */
		if (client->text == NULL &&
		    evbuffer_get_length(bufferevent_get_input(client->buffer)) == 0)
			client_free(client);
		else
			refuse(client, 408);
		break;
	case CLIENT_WAITING:
	case CLIENT_STREAMING:
		client->events->late(client->arg, client);
		break;
	case CLIENT_SENDING:
		client_free(client);
		break;
	}
}

/* The oldest that keeps us waiting, and not the other way round; NULL: none. */
static struct client *
oldest_idle(struct server *server)
{
	struct client *client;

	TAILQ_FOREACH (client, &server->clients, entries)
		if (client->state != CLIENT_WAITING && client->state != CLIENT_STREAMING)
			return client;
	return NULL;
}

/* As many as there may be, with the one that has just come; that is not the one to go. */
static void
make_room(struct server *server, const struct client *newest)
{
	static const struct timeval at_once = { 0, 0 };
	struct client *oldest = oldest_idle(server);

	evconnlistener_disable(server->listener);
	if (server->full == SERVER_FULL_WAITS || oldest == NULL || oldest == newest)
		return; /* who comes now waits in the kernel's queue */
	client_free(oldest);
	/* One more at a time, so that those who are in are served between. */
	evconnlistener_disable(server->listener);
	event_add(server->accept_again, &at_once);
}

static bool
is_root(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && len == sizeof(peer) &&
	    peer.uid == 0;
}

static void
on_accept(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct server *server = arg;
	struct client *client;

	(void)listener;
	(void)sa;
	(void)len;
	if ((client = calloc(1, sizeof(*client))) == NULL ||
	    (client->deadline = event_new(server->base, -1, 0, on_deadline, client)) == NULL ||
	    (client->buffer = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE)) ==
		NULL)
		fatalx("no memory for a connection");
	client->server = server;
	client->state = CLIENT_HEAD;
	client->other = !is_root(fd);
	TAILQ_INSERT_TAIL(&server->clients, client, entries);
	bufferevent_setcb(client->buffer, on_read, on_written, on_event, client);
	bufferevent_setwatermark(client->buffer, EV_READ, 0, HTTP_HEAD_MAX + HTTP_BODY_MAX);
	bufferevent_enable(client->buffer, EV_READ | EV_WRITE);
	client_set_deadline(client, SERVER_DEADLINE_S);
	if (++server->nclients >= SERVER_CLIENTS_MAX)
		make_room(server, client);
	server->nothers += client->other;
	/* Over TCP nobody can be told from another; there the oldest goes. */
	if (server->full == SERVER_FULL_WAITS && client->other &&
	    server->nothers > SERVER_OTHERS_MAX)
		client_error(client, 503, "busy", "too many requests at a time; try again");
}

static void
on_accept_again(evutil_socket_t fd, short events, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)events;
	if (server->idle == NULL && server->nclients < SERVER_CLIENTS_MAX)
		evconnlistener_enable(server->listener);
}

static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	static const struct timeval pause = { 0, ACCEPT_PAUSE_MS * 1000 };
	struct server *server = arg;

	/* Out of descriptors: without a pause this would spin. */
	log_warn("accept");
	evconnlistener_disable(listener);
	event_add(server->accept_again, &pause);
}

struct server *
server_new(struct event_base *base, int listener, enum server_full full, server_request_fn request,
    void *arg)
{
	struct server *server;

	if ((server = calloc(1, sizeof(*server))) == NULL)
		return NULL;
	TAILQ_INIT(&server->clients);
	server->base = base;
	server->full = full;
	server->request = request;
	server->arg = arg;
	if ((server->accept_again = event_new(base, -1, 0, on_accept_again, server)) == NULL ||
	    (server->listener = evconnlistener_new(base, on_accept, server,
		 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener)) == NULL)
		fatalx("no memory for the server");
	evconnlistener_set_error_cb(server->listener, on_accept_error);
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

/* "NAME: VALUE" and a line end; nothing without a value. */
static void
put_field(struct client *client, const char *name, const char *value)
{
	if (value == NULL)
		return;
	put(client, name, strlen(name));
	put(client, ": ", 2);
	put(client, value, strlen(value));
	put(client, "\r\n", 2);
}

/* All of it but what tells where the answer ends, and the empty line. */
static void
put_head(struct client *client, int status, const char *type)
{
	char line[64];
	int n;

	n = snprintf(
	    line, sizeof(line), "HTTP/1.1 %d %s\r\n", status, http_status_get(status)->phrase);
	put(client, line, (size_t)n);
	put(client, GUARDS, sizeof(GUARDS) - 1);
	put_field(client, "Connection", "close");
	put_field(client, "Content-Type", type);
	if (status == 405)
		put_field(client, "Allow",
		    client->allow != NULL ? client->allow : "GET, HEAD, POST, DELETE");
	if (status == 401)
		put_field(client, "WWW-Authenticate", "Bearer");
}

/*
 * The answer is complete: what is left is to send it.  From here on it is the client that keeps
 * us waiting, and not for as long as it waited for us: nothing of its answer has been sent yet.
 */
static void
finish(struct client *client)
{
	struct server *server = client->server;

	request_wipe(&client->request);
	client->state = CLIENT_SENDING;
	TAILQ_REMOVE(&server->clients, client, entries);
	TAILQ_INSERT_TAIL(&server->clients, client, entries);
	client_set_deadline(client, SERVER_SEND_DEADLINE_S);
}

/* The text with a line feed; the document's reference is taken. To be freed with wiping_free. */
static char *
to_text(json_t *document, size_t *len)
{
	char *text;

	if (document == NULL || (text = json_dumps(document, JSON_COMPACT)) == NULL)
		fatalx("no memory for an answer");
	json_decref(document);
	*len = strlen(text) + 1;
	text[*len - 1] = '\n';
	return text;
}

/* The answer to HEAD is that to GET, up to its body (RFC 9110 9.3.2). */
static void
answer(struct client *client, int status, const char *type, const char *etag, const void *body,
    size_t len)
{
	char length[24];

	put_head(client, status, type);
	put_field(client, "ETag", etag);
	snprintf(length, sizeof(length), "%zu", len);
	put_field(client, "Content-Length", status == 304 ? NULL : length);
	put(client, "\r\n", 2);
	if (client->request.head.method != HTTP_HEAD)
		put(client, body, len);
	finish(client);
}

void
client_answer(struct client *client, int status, json_t *document)
{
	char *text;
	size_t len;

	text = to_text(document, &len);
	answer(client, status, "application/json", NULL, text, len);
	wiping_free(text);
}

void
client_answer_file(
    struct client *client, const char *type, const char *etag, const void *body, size_t len)
{
	answer(client, 200, type, etag, body, len);
}

void
client_answer_unchanged(struct client *client, const char *etag)
{
	answer(client, 304, NULL, etag, "", 0);
}

void
client_refuse_method(struct client *client, const char *allow)
{
	client->allow = allow;
	client_error(client, 405, "method_not_allowed", "this path takes another method");
}

static json_t *
error_document(const char *code, const char *message)
{
	return json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message);
}

/* A part of an answer whose length is not known at its beginning; an empty one ends it. */
static void
put_chunk(struct client *client, const char *text, size_t len)
{
	char size[24];

	snprintf(size, sizeof(size), "%zx\r\n", len);
	put(client, size, strlen(size));
	put(client, text, len);
	put(client, "\r\n", 2);
}

static void
put_line(struct client *client, json_t *document)
{
	size_t len;
	char *text;

	text = to_text(document, &len);
	put_chunk(client, text, len);
	wiping_free(text);
}

void
client_begin(struct client *client)
{
	client->state = CLIENT_STREAMING;
	put_head(client, 200, "application/x-ndjson");
	put_field(client, "Transfer-Encoding", "chunked");
	put(client, "\r\n", 2);
}

int
client_line(struct client *client, json_t *document)
{
	if (evbuffer_get_length(bufferevent_get_output(client->buffer)) > SERVER_UNREAD_MAX) {
		json_decref(document);
		drop(client);
		return -1;
	}
	if (client->state == CLIENT_WAITING)
		client_begin(client);
	put_line(client, document);
	return 0;
}

void
client_end(struct client *client)
{
	if (client->state == CLIENT_WAITING)
		client_begin(client);
	put_chunk(client, "", 0);
	finish(client);
}

void
client_error(struct client *client, int status, const char *code, const char *message)
{
	if (client->state == CLIENT_STREAMING) {
		/* However much is unread: the client is not to go before its caller knows. */
		put_line(client, error_document(code, message));
		client_end(client);
	} else
		client_answer(client, status, error_document(code, message));
}
