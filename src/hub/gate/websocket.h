/* SPDX-License-Identifier: ISC */
/*
 * One WebSocket (RFC 6455) at its server end, on a stream that an HTTP exchange gave
 * away: text messages in and out, pings, closing.  What the messages mean is not known here.
 */
#ifndef GATE_WEBSOCKET_H
#define GATE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before websocket_trust(): bytes taken in all. */
#define WEBSOCKET_UNPROVEN_MAX 4096
/* Afterwards: one message, and the frames it may come in. */
#define WEBSOCKET_MESSAGE_MAX (1U << 20)
#define WEBSOCKET_FRAMES_MAX 1024
#define WEBSOCKET_PINGS_AT_ONCE 10
/* What the peer may leave unread. */
#define WEBSOCKET_QUEUE_MAX (4U << 20)
#define WEBSOCKET_PING_S 15
#define WEBSOCKET_PONG_S 5
/* How long the closing handshake may take. */
#define WEBSOCKET_CLOSE_S 2

#define WEBSOCKET_ACCEPT_SIZE 29

/* Close codes of the tunnel protocol, beside those of RFC 6455 7.4.1. */
enum {
	CLOSE_GOING_AWAY = 1001,
	CLOSE_NOT_TEXT = 1003,
	CLOSE_BAD_DATA = 1007,
	CLOSE_POLICY = 1008,
	CLOSE_TOO_BIG = 1009,
	CLOSE_REFUSED = 4401,
	CLOSE_REVOKED = 4403,
	CLOSE_REPLACED = 4409,
	CLOSE_HELD_OUT = 4429,
	CLOSE_TRY_LATER = 4503
};

struct event_base;
struct http_exchange;
struct http_place;
struct stream;
struct websocket;

struct websocket_callbacks {
	/* A text message: valid UTF-8, no NUL behind it. */
	void (*message)(void *arg, const char *text, size_t len);
	/*
	 * The peer has gone, or has broken the protocol. The websocket is no longer the
	 * callee's.  False: nothing of what is still queued may go out any more.
	 */
	bool (*closed)(void *arg, const char *why);
};

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 4.2.2); -1 when that is malformed. */
int websocket_accept_key(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE]);
/*
 * Answers an upgrade request: 101 and the stream, or an HTTP error and
 * NULL. The subprotocol must be offered by the client.
 */
struct stream *
websocket_upgrade(struct http_exchange *, const char *subprotocol, struct http_place **);

/* Takes stream and place, also when it fails (NULL). */
struct websocket *websocket_new(struct event_base *, struct stream *, struct http_place *,
    const struct websocket_callbacks *, void *arg);
/* The peer has proved who it is: the larger limits hold, and pings begin. */
void websocket_trust(struct websocket *);
/*
 * Queues a text message. *start (unless NULL): its place in the stream of bytes, to be
 * compared with websocket_written().  -1 when too much is unread already.
 */
int websocket_send(struct websocket *, const char *text, size_t len, uint64_t *start);
/* Bytes of the stream that were given to the socket; not one of a message whose start is not below.
 */
uint64_t websocket_written(const struct websocket *);
/*
 * Queues a close frame and lets go: no callback comes afterwards. The rest of the closing goes on
 * by itself.
 */
void websocket_close(struct websocket *, uint16_t code, const char *reason);
/* Lets go as well, but what is queued is not sent, and so no close frame either. */
void websocket_abort(struct websocket *);

#endif
