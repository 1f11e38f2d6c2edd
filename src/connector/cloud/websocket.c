/* SPDX-License-Identifier: ISC */
/*
 * wslay between a stream and a tunnel: see websocket.h.
 *
 * wslay answers pings and close frames by itself, and never gives up a queue;
 * so how much may come in and how much may wait to go out is watched here.
 */
#include "websocket.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/rate.h"

#include <openssl/evp.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wslay/wslay.h>

/* Output handed to the stream; the rest waits in wslay, where control frames overtake it. */
#define STREAM_UNSENT_MAX (256U << 10)
#define CLOSE_WAIT_MS 1000
#define CLOSE_REASON_MAX 123

struct websocket {
	const struct cloud *cloud;
	struct stream *stream;
	struct websocket_callbacks callbacks;
	void *arg;
	wslay_event_context_ptr wslay; /* NULL before the upgrade */
	char key[WEBSOCKET_KEY_SIZE];
	struct event *ping, *pong, *closing, *pump;
	bool open;
	bool awaiting_pong;
	size_t unproven;       /* bytes of messages that came before websocket_open() */
	unsigned int frames;   /* of the message that is coming */
	uint64_t pings_until;  /* ms; see rate.h */
	unsigned int our_code; /* of the close frame we sent first */
	bool closing_later;    /* our close frame waits until what is queued was sent */
	unsigned int hub_code; /* of the one that came */
	char reason[CLOSE_REASON_MAX + 1];
	bool ended;
	bool starved; /* there was no memory for a message: it ends at the next turn */
	unsigned int entered;
	bool freed;
};

static void on_input(void *);
static void on_sent(void *);
static void on_closed(void *, const struct stream_end *);
/* In a ping that is no sign of life alone: pings that ask for one are empty. */
static const uint8_t echo[] = { 'e', 'c', 'h', 'o' };

static void on_ping_due(evutil_socket_t, short, void *);
static void on_pong_missing(evutil_socket_t, short, void *);
static void on_close_over(evutil_socket_t, short, void *);
static void on_pump(evutil_socket_t, short, void *);

static const struct stream_callbacks callbacks = {
	.input = on_input,
	.sent = on_sent,
	.closed = on_closed,
};

static void
arm(struct event *event, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	if (evtimer_add(event, &tv) == -1)
		fatalx("tunnel: out of memory");
}

void
websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE])
{
	static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[20]; /* of SHA-1 */
	char text[WEBSOCKET_KEY_SIZE + sizeof(magic)];
	int n;

	n = snprintf(text, sizeof(text), "%s%s", key, magic);
	/* Tried at the start: later it is memory that is short, and the hub not to be blamed. */
	if (n < 0 || EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha1(), NULL) != 1)
		fatalx("OpenSSL cannot make a SHA-1 digest, which WebSocket needs");
	EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
}

const char *
websocket_upgrade_refused(const struct http_head *head, const char *key)
{
	char accept[WEBSOCKET_ACCEPT_SIZE];

	if (head->status != 101)
		return "there is no tunnel at that address";
	websocket_accept(key, accept);
	if (!head->upgrade_websocket || !head->connection_upgrade ||
	    strcmp(head->accept, accept) != 0)
		return "its answer to the upgrade is not that of a WebSocket server";
	if (strcmp(head->protocol, WEBSOCKET_PROTOCOL) != 0)
		return "it does not speak " WEBSOCKET_PROTOCOL;
	if (head->extensions)
		return "it wants an extension that was not offered";
	return NULL;
}

struct websocket *
websocket_new(const struct cloud *cloud, struct stream *stream,
    const struct websocket_callbacks *owner, void *arg)
{
	unsigned char nonce[16];
	char text[CLOUD_URL_MAX + HTTP_HOST_SIZE + 512];
	struct websocket *w;
	int n;

	if ((w = calloc(1, sizeof(*w))) == NULL) {
		stream_free(stream);
		return NULL;
	}
	w->cloud = cloud;
	w->stream = stream;
	w->callbacks = *owner;
	w->arg = arg;
	w->ping = evtimer_new(cloud->base, on_ping_due, w);
	w->pong = evtimer_new(cloud->base, on_pong_missing, w);
	w->closing = evtimer_new(cloud->base, on_close_over, w);
	w->pump = event_new(cloud->base, -1, 0, on_pump, w);
	if (w->ping == NULL || w->pong == NULL || w->closing == NULL || w->pump == NULL)
		fatalx("tunnel: out of memory");
	stream_set_callbacks(stream, &callbacks, w);
	arc4random_buf(nonce, sizeof(nonce));
	EVP_EncodeBlock((unsigned char *)w->key, nonce, sizeof(nonce));
	n = snprintf(text, sizeof(text),
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
	    "Sec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL "\r\n\r\n",
	    cloud->tunnel_path, cloud->host_header, w->key);
	stream_write(stream, text, (size_t)n);
	return w;
}

void
websocket_free(struct websocket *w)
{
	if (w == NULL)
		return;
	w->ended = true;
	if (w->entered > 0) {
		w->freed = true;
		return;
	}
	event_free(w->ping);
	event_free(w->pong);
	event_free(w->closing);
	event_free(w->pump);
	if (w->wslay != NULL)
		wslay_event_context_free(w->wslay);
	stream_free(w->stream);
	free(w);
}

static void
leave(struct websocket *w)
{
	if (--w->entered == 0 && w->freed)
		websocket_free(w);
}

/* Tells the owner once. */
static void
end(struct websocket *w, unsigned int code, const struct failure *failure)
{
	if (w->ended)
		return;
	w->ended = true;
	evtimer_del(w->ping);
	evtimer_del(w->pong);
	evtimer_del(w->closing);
	w->callbacks.closed(w->arg, code, failure);
}

static void
end_because(struct websocket *w, const char *code, const char *why)
{
	struct failure failure;

	failure_set(&failure, code, "%s: %s", w->cloud->hub_name, why);
	end(w, 0, &failure);
}

/* Of a failure, for a close code of ours. */
static const char *
code_of(unsigned int close)
{
	switch (close) {
	case CLOSE_GOING_AWAY:
		return "closed";
	case CLOSE_INTERNAL:
		return "internal";
	default:
		return "protocol";
	}
}

/* Both close frames were exchanged, or the connection ended. */
static void
end_closed(struct websocket *w)
{
	struct failure failure;

	if (w->hub_code != 0 && w->our_code == 0)
		failure_set(&failure, "closed", "%s: the hub closed the tunnel (%u%s%s)",
		    w->cloud->hub_name, w->hub_code, w->reason[0] == '\0' ? "" : ": ", w->reason);
	else if (w->our_code != 0)
		failure_set(&failure, code_of(w->our_code),
		    "%s: the tunnel was closed here (%u%s%s)", w->cloud->hub_name, w->our_code,
		    w->reason[0] == '\0' ? "" : ": ", w->reason);
	else
		failure_set(
		    &failure, "closed", "%s: the hub closed the connection", w->cloud->hub_name);
	end(w, w->our_code == 0 ? w->hub_code : 0, &failure);
}

/* --- between wslay and the stream ------------------------------------------ */

static ssize_t
wslay_receive(wslay_event_context_ptr wslay, uint8_t *buf, size_t len, int flags, void *arg)
{
	struct websocket *w = arg;
	int n;

	(void)flags;
	n = w->ended ? 0 : evbuffer_remove(stream_input(w->stream), buf, len);
	if (n <= 0) {
		wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	return n;
}

static ssize_t
wslay_write(wslay_event_context_ptr wslay, const uint8_t *data, size_t len, int flags, void *arg)
{
	struct websocket *w = arg;

	(void)flags;
	if (w->ended || stream_unsent(w->stream) > STREAM_UNSENT_MAX) {
		wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (len > INT32_MAX)
		len = INT32_MAX;
	stream_write(w->stream, data, len);
	return (ssize_t)len;
}

static int
wslay_mask(wslay_event_context_ptr wslay, uint8_t *buf, size_t len, void *arg)
{
	/* Fetched for many frames at once: arc4random asks the system for its process id each time.
	 */
	static uint8_t random[1024];
	static size_t left;

	(void)wslay;
	(void)arg;
	if (len > sizeof(random)) {
		arc4random_buf(buf, len);
		return 0;
	}
	if (left < len) {
		arc4random_buf(random, sizeof(random));
		left = sizeof(random);
	}
	left -= len;
	memcpy(buf, random + left, len);
	return 0;
}

static void
queue_close(struct websocket *w)
{
	w->closing_later = false;
	wslay_event_queue_close(
	    w->wslay, (uint16_t)w->our_code, (const uint8_t *)w->reason, strlen(w->reason));
}

static void
close_with(struct websocket *w, unsigned int code, const char *reason)
{
	if (w->ended || w->our_code != 0 || w->hub_code != 0)
		return;
	w->our_code = code;
	snprintf(w->reason, sizeof(w->reason), "%s", reason);
	wslay_event_shutdown_read(w->wslay);
	/* A close frame overtakes texts in wslay's queue, and nothing is sent after it. */
	if (code == CLOSE_GOING_AWAY)
		w->closing_later = true;
	else
		queue_close(w);
	arm(w->closing, CLOSE_WAIT_MS);
	event_active(w->pump, EV_TIMEOUT, 0);
}

static void
on_frame_start(
    wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_start_arg *f, void *arg)
{
	struct websocket *w = arg;

	(void)wslay;
	if (w->our_code != 0)
		return;
	if (f->opcode == WSLAY_PING &&
	    !rate_allowed(&w->pings_until, clock_ms(), 1000, WEBSOCKET_PINGS_AT_ONCE))
		close_with(w, CLOSE_POLICY, "too many pings");
	/* wslay keeps each frame of a message by itself: a hundred bytes, however short it is. */
	if (!wslay_is_ctrl_frame(f->opcode)) {
		if (++w->frames > WEBSOCKET_FRAMES_MAX)
			close_with(w, CLOSE_TOO_BIG, "a message in too many frames");
		if (f->fin)
			w->frames = 0;
	}
	if (!w->open && f->payload_length < WEBSOCKET_UNPROVEN_MAX)
		w->unproven += (size_t)f->payload_length;
	if (!w->open &&
	    (w->unproven > WEBSOCKET_UNPROVEN_MAX || f->payload_length > WEBSOCKET_UNPROVEN_MAX))
		close_with(w, CLOSE_TOO_BIG, "too much before the welcome");
}

static void
on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct websocket *w = arg;
	size_t len;

	(void)wslay;
	if (w->ended || w->our_code != 0)
		return;
	switch (m->opcode) {
	case WSLAY_TEXT_FRAME:
		w->callbacks.text(w->arg, (const char *)m->msg, m->msg_length);
		break;
	case WSLAY_PONG:
		if (m->msg_length == sizeof(echo) && memcmp(m->msg, echo, sizeof(echo)) == 0)
			w->callbacks.echoed(w->arg);
		break;
	case WSLAY_BINARY_FRAME:
		close_with(w, CLOSE_UNSUPPORTED_DATA, "not a text");
		break;
	case WSLAY_CONNECTION_CLOSE:
		w->hub_code = m->status_code == 0 ? CLOSE_NO_STATUS : m->status_code;
		if (m->msg_length > 2) {
			len = m->msg_length - 2;
			if (len > sizeof(w->reason) - 1)
				len = sizeof(w->reason) - 1;
			memcpy(w->reason, m->msg + 2, len);
			w->reason[len] = '\0';
		}
		/* The answer to it is on its way out; the stream ends when it was sent. */
		arm(w->closing, CLOSE_WAIT_MS);
		break;
	default:
		break;
	}
}

static int
wslay_start(struct websocket *w)
{
	static const struct wslay_event_callbacks wslay_callbacks = {
		.recv_callback = wslay_receive,
		.send_callback = wslay_write,
		.genmask_callback = wslay_mask,
		.on_frame_recv_start_callback = on_frame_start,
		.on_msg_recv_callback = on_message,
	};

	if (wslay_event_context_client_init(&w->wslay, &wslay_callbacks, w) != 0) {
		w->wslay = NULL;
		return -1;
	}
	wslay_event_config_set_max_recv_msg_length(w->wslay, WEBSOCKET_UNPROVEN_MAX);
	return 0;
}

/* Moves what can be moved; ends when the close frames are through. */
static void
pump(struct websocket *w)
{
	size_t unsent;
	int result = 0;

	if (w->ended || w->wslay == NULL)
		return;
	w->entered++;
	if (w->starved)
		end_because(w, "internal", "the tunnel broke: out of memory");
	else if (wslay_event_want_read(w->wslay))
		result = wslay_event_recv(w->wslay);
	/* Our callbacks never fail: that is how it tells of a frame that is malformed. */
	if (result != 0 && result != WSLAY_ERR_CALLBACK_FAILURE && !w->ended)
		end_because(w, "internal", "the tunnel broke: out of memory");
	if (!w->ended && wslay_event_want_write(w->wslay) && wslay_event_send(w->wslay) != 0)
		end_because(w, "unreachable", "the tunnel broke while sending");
	/* After a breach wslay reads no more and has sent a close frame, most with a reason. */
	if (!w->ended && w->hub_code == 0 && w->our_code == 0 &&
	    wslay_event_get_read_enabled(w->wslay) == 0) {
		w->our_code = wslay_event_get_status_code_sent(w->wslay);
		if (!wslay_event_get_close_sent(w->wslay) || w->our_code == CLOSE_NO_STATUS)
			w->our_code = CLOSE_PROTOCOL;
		snprintf(w->reason, sizeof(w->reason), "the hub broke the WebSocket protocol");
		arm(w->closing, CLOSE_WAIT_MS);
	}
	if (!w->ended && w->closing_later && wslay_event_get_queued_msg_count(w->wslay) == 0) {
		queue_close(w);
		event_active(w->pump, EV_TIMEOUT, 0);
	}
	if (!w->ended) {
		unsent = stream_unsent(w->stream) + wslay_event_get_queued_msg_length(w->wslay);
		if (unsent > WEBSOCKET_UNSENT_MAX)
			end_because(w, "unreachable", "the hub does not read what it is sent");
		else if (wslay_event_get_close_sent(w->wslay) && w->hub_code != 0 && unsent == 0)
			end_closed(w);
	}
	leave(w);
}

static void
on_pump(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

static void
on_sent(void *arg)
{
	pump(arg);
}

static void
read_upgrade(struct websocket *w)
{
	struct evbuffer *input = stream_input(w->stream);
	size_t len = evbuffer_get_length(input);
	struct http_head head;
	const char *why, *text;
	ssize_t used;

	if (len > HTTP_HEAD_MAX)
		len = HTTP_HEAD_MAX;
	if ((text = stream_peek(w->stream, len)) == NULL)
		return;
	used = http_read_head(text, len, &head, &why);
	if (used == 0)
		return;
	if (used > 0)
		why = websocket_upgrade_refused(&head, w->key);
	if (why != NULL) {
		end_because(w, "protocol", why);
		return;
	}
	evbuffer_drain(input, (size_t)used);
	if (wslay_start(w) == -1) {
		end_because(w, "internal", "out of memory");
		return;
	}
	w->callbacks.upgraded(w->arg);
}

static void
on_input(void *arg)
{
	struct websocket *w = arg;

	w->entered++;
	/* Whatever comes is a sign of life. */
	if (w->awaiting_pong) {
		w->awaiting_pong = false;
		evtimer_del(w->pong);
	}
	if (w->wslay == NULL)
		read_upgrade(w);
	if (!w->ended && w->wslay != NULL)
		pump(w);
	/* After the close frame nothing counts any more. */
	if (!w->ended && w->wslay != NULL && !wslay_event_want_read(w->wslay))
		evbuffer_drain(
		    stream_input(w->stream), evbuffer_get_length(stream_input(w->stream)));
	leave(w);
}

static void
on_closed(void *arg, const struct stream_end *how)
{
	struct websocket *w = arg;
	struct failure failure;

	w->entered++;
	if (w->hub_code != 0 || w->our_code != 0)
		end_closed(w);
	else {
		tls_stream_failure(w->cloud->tls, how, w->cloud->hub_name, &failure);
		end(w, 0, &failure);
	}
	leave(w);
}

static void
on_close_over(evutil_socket_t fd, short what, void *arg)
{
	struct websocket *w = arg;

	(void)fd;
	(void)what;
	w->entered++;
	end_closed(w);
	leave(w);
}

/* --- life ------------------------------------------------------------------ */

static void
on_ping_due(evutil_socket_t fd, short what, void *arg)
{
	struct wslay_event_msg ping = { WSLAY_PING, NULL, 0 };
	struct websocket *w = arg;

	(void)fd;
	(void)what;
	arm(w->ping, WEBSOCKET_PING_MS);
	if (wslay_event_queue_msg(w->wslay, &ping) != 0)
		return; /* closing */
	w->awaiting_pong = true;
	arm(w->pong, WEBSOCKET_PONG_MS);
	event_active(w->pump, EV_TIMEOUT, 0);
}

static void
on_pong_missing(evutil_socket_t fd, short what, void *arg)
{
	struct websocket *w = arg;

	(void)fd;
	(void)what;
	w->entered++;
	end_because(w, "unreachable", "the hub does not answer any more");
	leave(w);
}

void
websocket_open(struct websocket *w)
{
	w->open = true;
	wslay_event_config_set_max_recv_msg_length(w->wslay, WEBSOCKET_MESSAGE_MAX);
	arm(w->ping, WEBSOCKET_PING_MS);
}

void
websocket_send(struct websocket *w, const char *text, size_t len)
{
	struct wslay_event_msg message = { WSLAY_TEXT_FRAME, (const uint8_t *)text, len };

	if (w->ended || w->wslay == NULL)
		return;
	/* The hub would wait for it until the user is told that nobody answers. */
	if (wslay_event_queue_msg(w->wslay, &message) == WSLAY_ERR_NOMEM)
		w->starved = true;
	event_active(w->pump, EV_TIMEOUT, 0);
}

void
websocket_echo(struct websocket *w)
{
	struct wslay_event_msg ping = { WSLAY_PING, echo, sizeof(echo) };

	if (w->ended || w->wslay == NULL)
		return;
	if (wslay_event_queue_msg(w->wslay, &ping) == WSLAY_ERR_NOMEM)
		w->starved = true;
	event_active(w->pump, EV_TIMEOUT, 0);
}

void
websocket_close(struct websocket *w, unsigned int code, const char *reason)
{
	if (w->wslay == NULL) {
		/* Not even upgraded: there is nobody to say it to. */
		w->our_code = code;
		arm(w->closing, 0);
		return;
	}
	close_with(w, code, reason);
}
