/* SPDX-License-Identifier: ISC */
/*
 * Connections and the reading of requests: see http.h.
 *
 * A request may hold a password.  Its bytes exist in the stream's input (wiped as they
 * are taken, and by libevent's allocator, which gate.c sets) and in the request
 * (wiped when it is answered); nowhere else.
 */
#include "http.h"

#include "http_connection.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/rate.h"
#include "common/wipe.h"

#include <sys/socket.h>

#include <errno.h>
#include <event2/buffer.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINGER_S 1
/* After accept(2) failed for want of descriptors or memory. */
#define ACCEPT_PAUSE_MS 100
#define NO_MEMORY_LINE_MS 10000
#define NO_MEMORY_LINES_AT_ONCE 3

struct http_listener {
	struct http_listener *next;
	struct http_server *server;
	struct evconnlistener *listener;
	struct event *again;
	enum http_transport transport;
	SSL_CTX *tls;
};

static void advance(struct http_exchange *);
static void on_input(void *);
static void on_sent(void *);
static void on_closed(void *, const struct stream_end *);
static void on_timer(evutil_socket_t, short, void *);

static const struct stream_callbacks callbacks = {
	.input = on_input,
	.sent = on_sent,
	.closed = on_closed,
};

struct http_server *
http_server_new(struct event_base *base, http_handler handler, void *arg)
{
	struct http_server *s;

	if ((s = calloc(1, sizeof(*s))) == NULL ||
	    (s->limits = http_limits_new(HTTP_CONNECTIONS_MAX, HTTP_PER_ADDRESS_MAX)) == NULL)
		fatal("http server");
	s->base = base;
	s->handler = handler;
	s->arg = arg;
	TAILQ_INIT(&s->idle);
	return s;
}

size_t
http_server_busy(const struct http_server *s)
{
	return s->busy;
}

static bool
counts_as_busy(enum http_state state)
{
	return state != HTTP_IDLE && state != HTTP_LINGERING;
}

void
http_set_state(struct http_exchange *x, enum http_state state, int seconds)
{
	struct timeval wait = { seconds, 0 };

	if (counts_as_busy(x->state) != counts_as_busy(state))
		x->server->busy += counts_as_busy(state) ? 1U : (size_t)-1;
	if (x->state == HTTP_IDLE)
		TAILQ_REMOVE(&x->server->idle, x, entry);
	if (state == HTTP_IDLE)
		TAILQ_INSERT_TAIL(&x->server->idle, x, entry);
	x->state = state;
	/* What cannot have a deadline is over at once. */
	if (seconds > 0 && evtimer_add(x->timer, &wait) == -1)
		event_active(x->timer, EV_TIMEOUT, 0);
}

void
http_request_clear(struct http_exchange *x)
{
	wiping_free(x->text);
	wiping_free(x->request.body);
	x->text = x->request.body = NULL;
	x->request.body_len = 0;
	explicit_bzero(&x->request.head, sizeof(x->request.head));
}

/* Frees all but the stream. */
static void
release(struct http_exchange *x)
{
	http_request_clear(x);
	if (x->state == HTTP_IDLE)
		TAILQ_REMOVE(&x->server->idle, x, entry);
	if (counts_as_busy(x->state))
		x->server->busy--;
	event_free(x->timer);
	http_place_free(x->place);
	free(x);
}

static void
connection_free(struct http_exchange *x)
{
	struct stream *stream = x->stream;
	void (*gone)(void *) = x->state == HTTP_HANDLING ? x->gone : NULL;
	void *arg = x->gone_arg;

	release(x);
	stream_free(stream);
	if (gone != NULL)
		gone(arg);
}

/*
 * Says that nothing more will come, then waits a moment for the client to
 * close: closing with unread data would reset the connection and could take the
 * answer with it.
 */
static void
linger(struct http_exchange *x)
{
	struct evbuffer *input = stream_input(x->stream);

	http_set_state(x, HTTP_LINGERING, LINGER_S);
	stream_finish(x->stream);
	evbuffer_drain(input, evbuffer_get_length(input));
}

/* Room for one more: the connection that has been idle longest has to go. */
static bool
evict_idle(struct http_server *s)
{
	struct http_exchange *x;

	if ((x = TAILQ_FIRST(&s->idle)) == NULL)
		return false;
	connection_free(x);
	return true;
}

static struct stream *
transport_new(struct http_listener *l, int fd, struct http_exchange *x)
{
	struct stream *stream;
	SSL *ssl = NULL;

	if (l->transport == HTTP_TLS && (ssl = SSL_new(l->tls)) == NULL) {
		ERR_clear_error();
		close(fd);
		return NULL;
	}
	if ((stream = stream_new(l->server->base, fd, &callbacks, x)) == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	if (ssl != NULL) {
		SSL_set_accept_state(ssl);
		if (stream_start_tls(stream, ssl) == -1) {
			stream_free(stream);
			return NULL;
		}
	}
	stream_set_input_max(stream, HTTP_HEAD_MAX + HTTP_BODY_MAX);
	return stream;
}

static uint32_t
peer_uid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1 || len != sizeof(cred))
		return UINT32_MAX;
	return cred.uid;
}

/* When memory is short it is for many: a line now and then tells. */
static void
warn_no_memory(struct http_server *s, const char *what, const struct address *address)
{
	if (rate_allowed(&s->warned_until, clock_ms(), NO_MEMORY_LINE_MS, NO_MEMORY_LINES_AT_ONCE))
		log_warnx("connection from %s %s: out of memory", address->text, what);
}

/* Takes the descriptor. */
static int
connection_new(
    struct http_listener *l, int fd, struct http_place *place, const struct address *address)
{
	struct http_exchange *x;
	const int on = 1;

	if ((x = calloc(1, sizeof(*x))) == NULL ||
	    (x->timer = evtimer_new(l->server->base, on_timer, x)) == NULL) {
		close(fd);
		free(x);
		return -1;
	}
	x->server = l->server;
	x->place = place;
	x->request.address = *address;
	x->request.uid = UINT32_MAX;
	if (l->transport == HTTP_UNIX)
		x->request.uid = peer_uid(fd);
	else
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((x->stream = transport_new(l, fd, x)) == NULL) {
		event_free(x->timer);
		free(x);
		return -1;
	}
	x->server->busy++;
	http_set_state(x, HTTP_READ_HEAD, HTTP_READ_DEADLINE_S);
	return 0;
}

static void
on_accept(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct http_listener *l = arg;
	struct http_place *place;
	struct address address;
	enum http_limit limit;

	(void)listener;
	address_from(&address, sa, (socklen_t)len);
	limit = http_place_new(l->server->limits, &address, &place);
	if (limit == HTTP_LIMIT_TOTAL && evict_idle(l->server))
		limit = http_place_new(l->server->limits, &address, &place);
	if (limit == HTTP_LIMIT_MEMORY) {
		warn_no_memory(l->server, "not taken", &address);
		close(fd);
		return;
	}
	if (limit != HTTP_LIMIT_NONE) {
		log_warnx("connection from %s not taken: %s", address.text,
		    limit == HTTP_LIMIT_ADDRESS ? "too many from this address"
						: "too many connections");
		close(fd);
		return;
	}
	if (connection_new(l, fd, place, &address) == -1) {
		warn_no_memory(l->server, "not taken", &address);
		http_place_free(place);
	}
}

static void
on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct http_listener *l = arg;

	(void)fd;
	(void)what;
	if (l->listener != NULL)
		evconnlistener_enable(l->listener);
}

static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	static const struct timeval pause = { 0, ACCEPT_PAUSE_MS * 1000 };
	struct http_listener *l = arg;

	log_warn("accept");
	evconnlistener_disable(listener);
	evtimer_add(l->again, &pause);
}

void
http_server_listen(struct http_server *s, int fd, enum http_transport transport, SSL_CTX *tls)
{
	struct http_listener *l;

	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->again = evtimer_new(s->base, on_accept_again, l)) == NULL)
		fatal("listener");
	l->server = s;
	l->transport = transport;
	l->tls = tls;
	if (evutil_make_socket_nonblocking(fd) == -1)
		fatal("listener");
	/* A backlog of 0: the parent has called listen(2). */
	l->listener = evconnlistener_new(
	    s->base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (l->listener == NULL)
		fatalx("listener: cannot be watched");
	evconnlistener_set_error_cb(l->listener, on_accept_error);
	l->next = s->listeners;
	s->listeners = l;
}

void
http_server_drain(struct http_server *s)
{
	struct http_listener *l;

	s->draining = true;
	for (l = s->listeners; l != NULL; l = l->next) {
		if (l->listener != NULL)
			evconnlistener_free(l->listener);
		l->listener = NULL;
	}
	while (evict_idle(s))
		;
}

/* Moves len bytes out of the input into a new block with a NUL behind, and wipes them there. */
static char *
take_bytes(struct evbuffer *input, size_t len)
{
	struct evbuffer_iovec piece[16];
	size_t at, n;
	char *bytes;
	int i, pieces;

	if ((bytes = wiping_malloc(len + 1)) == NULL)
		return NULL;
	for (at = 0; at < len;) {
		pieces = evbuffer_peek(input, (ssize_t)(len - at), NULL, piece, 16);
		if (pieces > 16)
			pieces = 16;
		for (i = 0, n = 0; i < pieces && at + n < len; i++) {
			if (piece[i].iov_len > len - at - n)
				piece[i].iov_len = len - at - n;
			memcpy(bytes + at + n, piece[i].iov_base, piece[i].iov_len);
			explicit_bzero(piece[i].iov_base, piece[i].iov_len);
			n += piece[i].iov_len;
		}
		evbuffer_drain(input, n);
		at += n;
	}
	bytes[len] = '\0';
	return bytes;
}

/* True when the whole head was there and taken; false: wait, or refused. */
static bool
read_head(struct http_exchange *x)
{
	struct evbuffer *input = stream_input(x->stream);
	struct evbuffer_ptr end;
	size_t len;
	int refused;

	end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
	len = end.pos == -1 ? evbuffer_get_length(input) : (size_t)end.pos + 4;
	if (len > HTTP_HEAD_MAX) {
		http_refuse(x, 431);
		return false;
	}
	if (end.pos == -1)
		return false;
	if ((x->text = take_bytes(input, len)) == NULL) {
		http_refuse(x, 503);
		return false;
	}
	refused = http_parse_head(x->text, len, &x->request.head);
	if (refused == 0 && x->request.head.method == HTTP_HEAD)
		refused = 405;
	if (refused != 0) {
		http_refuse(x, refused);
		return false;
	}
	x->keep_alive = x->request.head.keep_alive;
	if (x->request.head.expects_continue && x->request.head.content_length > 0 &&
	    evbuffer_get_length(input) == 0)
		stream_write(x->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	return true;
}

static bool
read_body(struct http_exchange *x)
{
	struct evbuffer *input = stream_input(x->stream);
	size_t len = x->request.head.content_length;

	if (evbuffer_get_length(input) < len)
		return false;
	if ((x->request.body = take_bytes(input, len)) == NULL) {
		http_refuse(x, 503);
		return false;
	}
	x->request.body_len = len;
	return true;
}

/* As far as what has come reaches. */
static void
advance(struct http_exchange *x)
{
	if (x->state == HTTP_IDLE && evbuffer_get_length(stream_input(x->stream)) > 0)
		http_set_state(x, HTTP_READ_HEAD, HTTP_READ_DEADLINE_S);
	if (x->state == HTTP_READ_HEAD && read_head(x))
		http_set_state(x, HTTP_READ_BODY, 0);
	if (x->state == HTTP_READ_BODY && read_body(x)) {
		http_set_state(x, HTTP_HANDLING, HTTP_HANDLE_DEADLINE_S);
		x->server->handler(x->server->arg, x, &x->request);
	}
}

static void
on_input(void *arg)
{
	struct http_exchange *x = arg;
	struct evbuffer *input = stream_input(x->stream);

	if (x->state == HTTP_LINGERING)
		evbuffer_drain(input, evbuffer_get_length(input));
	else
		advance(x);
}

static void
on_sent(void *arg)
{
	struct http_exchange *x = arg;

	if (x->state != HTTP_WRITING || stream_unsent(x->stream) > 0)
		return;
	if (!x->keep_alive || x->server->draining) {
		linger(x);
		return;
	}
	http_set_state(x, HTTP_IDLE, HTTP_IDLE_S);
	advance(x);
}

static void
on_closed(void *arg, const struct stream_end *how)
{
	struct http_exchange *x = arg;

	if (how->saved == ENOMEM)
		warn_no_memory(x->server, "dropped", &x->request.address);
	connection_free(x);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http_exchange *x = arg;
	void (*gone)(void *);

	(void)fd;
	(void)what;
	switch (x->state) {
	case HTTP_READ_HEAD:
	case HTTP_READ_BODY:
		/* Without a single byte there is nothing to answer. */
		if (x->text == NULL && evbuffer_get_length(stream_input(x->stream)) == 0)
			connection_free(x);
		else
			http_refuse(x, 408);
		break;
	case HTTP_HANDLING:
		if ((gone = x->gone) != NULL) {
			x->gone = NULL;
			gone(x->gone_arg);
		}
		http_refuse(x, 503);
		break;
	default:
		connection_free(x);
		break;
	}
}

struct stream *
http_take_over(struct http_exchange *x, const char *head, struct http_place **place)
{
	struct stream *stream = x->stream;

	*place = x->place;
	x->place = NULL;
	stream_write(stream, head, strlen(head));
	release(x);
	return stream;
}
