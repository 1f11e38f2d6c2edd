/* SPDX-License-Identifier: ISC */
/*
 * wslay on a stream: see websocket.h.
 *
 * A stream writes at the end of the loop's turn: nothing here is entered from within a write.
 */
#include "websocket.h"

#include "common/clock.h"
#include "http.h"
#include "common/log.h"
#include "common/rate.h"
#include "common/stream.h"
#include "common/tcp_peer.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define READ_MAX (256 * 1024)

struct websocket {
	struct stream *stream;
	struct http_place *place;
	wslay_event_context_ptr wslay;
	struct websocket_callbacks callbacks;
	void *arg;
	struct event *ping;
	struct event *timer; /* for the pong, and for the closing */
	uint64_t taken;
	uint64_t heard_at, pinged_at; /* ms */
	uint64_t pings_until;	      /* see rate.h */
	unsigned int frames;	      /* of the message that is coming */
	bool trusted;
	bool closing; /* nobody's any more */
	bool peer_closed;
	bool reading; /* wslay is on the stack */
	bool doomed;  /* to be freed once it is not */
};

static ssize_t on_recv(wslay_event_context_ptr, uint8_t *, size_t, int, void *);
static ssize_t on_send(wslay_event_context_ptr, const uint8_t *, size_t, int, void *);
static void
on_frame_start(wslay_event_context_ptr, const struct wslay_event_on_frame_recv_start_arg *, void *);
static void on_message(wslay_event_context_ptr, const struct wslay_event_on_msg_recv_arg *, void *);
static void on_input(void *);
static void on_sent(void *);
static void on_end(void *, const struct stream_end *);
static void on_ping(evutil_socket_t, short, void *);
static void on_timer(evutil_socket_t, short, void *);

static const struct wslay_event_callbacks wslay_callbacks = {
	.recv_callback = on_recv,
	.send_callback = on_send,
	.on_frame_recv_start_callback = on_frame_start,
	.on_msg_recv_callback = on_message,
};

static const struct stream_callbacks stream_callbacks = {
	.input = on_input,
	.sent = on_sent,
	.closed = on_end,
};

static void
websocket_free(struct websocket *ws)
{
	if (ws->ping != NULL)
		event_free(ws->ping);
	if (ws->timer != NULL)
		event_free(ws->timer);
	if (ws->wslay != NULL)
		wslay_event_context_free(ws->wslay);
	stream_free(ws->stream);
	http_place_free(ws->place);
	free(ws);
}

struct websocket *
websocket_new(struct event_base *base, struct stream *stream, struct http_place *place,
    const struct websocket_callbacks *callbacks, void *arg)
{
	struct websocket *ws;

	if ((ws = calloc(1, sizeof(*ws))) == NULL) {
		stream_free(stream);
		http_place_free(place);
		return NULL;
	}
	ws->stream = stream;
	ws->place = place;
	ws->callbacks = *callbacks;
	ws->arg = arg;
	ws->heard_at = clock_ms();
	ws->ping = event_new(base, -1, EV_PERSIST, on_ping, ws);
	ws->timer = evtimer_new(base, on_timer, ws);
	if (ws->ping == NULL || ws->timer == NULL ||
	    wslay_event_context_server_init(&ws->wslay, &wslay_callbacks, ws) != 0) {
		websocket_free(ws);
		return NULL;
	}
	wslay_event_config_set_max_recv_msg_length(ws->wslay, WEBSOCKET_UNPROVEN_MAX);
	/* What came behind the upgrade request is read like the rest. */
	stream_set_callbacks(stream, &stream_callbacks, ws);
	stream_set_input_max(stream, READ_MAX);
	return ws;
}

void
websocket_trust(struct websocket *ws)
{
	static const struct timeval every = { WEBSOCKET_PING_S, 0 };

	ws->trusted = true;
	/* It no longer counts as one of the many that may be anybody. */
	http_place_free(ws->place);
	ws->place = NULL;
	wslay_event_config_set_max_recv_msg_length(ws->wslay, WEBSOCKET_MESSAGE_MAX);
	stream_keep_buffers(ws->stream); /* passwords are sealed in a tunnel */
	event_add(ws->ping, &every);
	if (tcp_peer_watch(stream_fd(ws->stream)) == -1)
		log_warn("tunnel: a connector that is gone is noticed by its pings alone");
}

uint64_t
websocket_written(const struct websocket *ws)
{
	return stream_sent(ws->stream);
}

int
websocket_send(struct websocket *ws, const char *text, size_t len, uint64_t *start)
{
	struct wslay_event_msg message = { WSLAY_TEXT_FRAME, (const uint8_t *)text, len };

	if (ws->closing || stream_unsent(ws->stream) + len > WEBSOCKET_QUEUE_MAX)
		return -1;
	if (start != NULL)
		*start = stream_sent(ws->stream) + stream_unsent(ws->stream);
	if (wslay_event_queue_msg(ws->wslay, &message) != 0 || wslay_event_send(ws->wslay) != 0)
		return -1;
	return 0;
}

static ssize_t
on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *arg)
{
	struct websocket *ws = arg;

	(void)ctx;
	(void)flags;
	stream_write(ws->stream, data, len);
	return (ssize_t)len;
}

static ssize_t
on_recv(wslay_event_context_ptr ctx, uint8_t *data, size_t len, int flags, void *arg)
{
	struct websocket *ws = arg;
	int n;

	(void)flags;
	/* One byte over the limit is read, and shows that it was passed. */
	if (!ws->trusted && len > WEBSOCKET_UNPROVEN_MAX + 1 - ws->taken)
		len = WEBSOCKET_UNPROVEN_MAX + 1 - ws->taken;
	n = len == 0 ? 0 : evbuffer_remove(stream_input(ws->stream), data, len);
	if (n <= 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	ws->taken += (uint64_t)n;
	return n;
}

/* wslay keeps each frame of a message by itself: a hundred bytes, however short it is. */
static void
on_frame_start(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct websocket *ws = arg;

	(void)ctx;
	if (wslay_is_ctrl_frame(frame->opcode))
		return;
	if (++ws->frames > WEBSOCKET_FRAMES_MAX) {
		wslay_event_shutdown_read(ws->wslay);
		wslay_event_queue_close(ws->wslay, CLOSE_TOO_BIG, NULL, 0);
	}
	if (frame->fin)
		ws->frames = 0;
}

static void
on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg, void *arg)
{
	struct websocket *ws = arg;

	(void)ctx;
	if (msg->opcode == WSLAY_CONNECTION_CLOSE)
		ws->peer_closed = true;
	/* Before that it has 4 KiB in all. */
	if (msg->opcode == WSLAY_PING && ws->trusted &&
	    !rate_allowed(&ws->pings_until, clock_ms(), 1000, WEBSOCKET_PINGS_AT_ONCE))
		wslay_event_queue_close(ws->wslay, CLOSE_POLICY, NULL, 0);
	if (ws->closing || wslay_is_ctrl_frame(msg->opcode))
		return;
	if (msg->opcode != WSLAY_TEXT_FRAME) {
		wslay_event_queue_close(ws->wslay, CLOSE_NOT_TEXT, NULL, 0);
		return;
	}
	ws->callbacks.message(
	    ws->arg, msg->msg_length == 0 ? "" : (const char *)msg->msg, msg->msg_length);
}

/* From here on the websocket is nobody's; it ends by itself. */
static void
start_closing(struct websocket *ws)
{
	static const struct timeval wait = { WEBSOCKET_CLOSE_S, 0 };

	ws->closing = true;
	event_del(ws->ping);
	evtimer_add(ws->timer, &wait);
	wslay_event_send(ws->wslay); /* what it cannot send, the timer ends */
}

void
websocket_close(struct websocket *ws, uint16_t code, const char *reason)
{
	wslay_event_queue_close(ws->wslay, code, (const uint8_t *)reason, strlen(reason));
	start_closing(ws);
}

void
websocket_abort(struct websocket *ws)
{
	ws->closing = ws->doomed = true;
	if (!ws->reading)
		websocket_free(ws);
}

static void
tell_closed(struct websocket *ws, const char *why)
{
	if (ws->closing)
		return;
	start_closing(ws);
	if (!ws->callbacks.closed(ws->arg, why))
		ws->doomed = true;
}

static void
on_input(void *arg)
{
	struct websocket *ws = arg;
	struct evbuffer *input = stream_input(ws->stream);
	bool failed;

	ws->heard_at = clock_ms();
	if (!wslay_event_get_read_enabled(ws->wslay)) {
		evbuffer_drain(input, evbuffer_get_length(input));
		return;
	}
	ws->reading = true;
	failed = wslay_event_recv(ws->wslay) != 0;
	ws->reading = false;
	if (failed) /* wslay has queued a close frame */
		tell_closed(ws, "it broke the WebSocket protocol");
	if (ws->doomed) {
		websocket_free(ws);
		return;
	}
	if (!ws->trusted && ws->taken > WEBSOCKET_UNPROVEN_MAX && !ws->closing)
		wslay_event_queue_close(ws->wslay, CLOSE_TOO_BIG, NULL, 0);
	wslay_event_send(ws->wslay);
	if (ws->peer_closed)
		tell_closed(ws, "closed by the other side");
	else if (wslay_event_get_close_sent(ws->wslay) && !ws->closing)
		tell_closed(ws, "it broke the WebSocket protocol or its limits");
	else if (stream_unsent(ws->stream) > WEBSOCKET_QUEUE_MAX)
		tell_closed(ws, "it does not read what it is sent");
	if (ws->doomed || (ws->closing && ws->peer_closed && stream_unsent(ws->stream) == 0))
		websocket_free(ws);
}

static void
on_sent(void *arg)
{
	struct websocket *ws = arg;

	if (ws->closing && ws->peer_closed && stream_unsent(ws->stream) == 0)
		websocket_free(ws);
}

static void
on_end(void *arg, const struct stream_end *how)
{
	struct websocket *ws = arg;

	(void)how;
	tell_closed(ws, "connection lost");
	websocket_free(ws);
}

static void
on_ping(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval wait = { WEBSOCKET_PONG_S, 0 };
	struct wslay_event_msg message = { WSLAY_PING, NULL, 0 };
	struct websocket *ws = arg;

	(void)fd;
	(void)what;
	ws->pinged_at = clock_ms();
	if (wslay_event_queue_msg(ws->wslay, &message) != 0 || wslay_event_send(ws->wslay) != 0)
		log_warnx("tunnel: ping not sent");
	evtimer_add(ws->timer, &wait);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct websocket *ws = arg;

	(void)fd;
	(void)what;
	if (!ws->closing) {
		if (ws->heard_at >= ws->pinged_at)
			return;
		tell_closed(ws, "no answer to a ping");
	}
	websocket_free(ws);
}
