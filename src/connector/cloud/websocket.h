/* SPDX-License-Identifier: ISC */
/*
 * A WebSocket client (RFC 6455) on a stream: the upgrade, then wslay for the
 * frames; text only, no extensions, with the limits of docs/tunnel-protocol.md 5.
 *
 * Must not know what the texts mean.
 */
#ifndef ADC_CLOUD_WEBSOCKET_H
#define ADC_CLOUD_WEBSOCKET_H

#include "cloud.h"
#include "common/stream.h"

#define WEBSOCKET_PROTOCOL "adconnector.v1"

/* Base64 of 16 and of 20 bytes, with NUL. */
#define WEBSOCKET_KEY_SIZE 25
#define WEBSOCKET_ACCEPT_SIZE 29

/* Before websocket_open(): all that may come, in bytes. After it: one message. */
#define WEBSOCKET_UNPROVEN_MAX 4096
#define WEBSOCKET_MESSAGE_MAX 65536
#define WEBSOCKET_FRAMES_MAX 1024 /* that one message may come in */
#define WEBSOCKET_UNSENT_MAX (4U << 20)
#define WEBSOCKET_PING_MS 15000
#define WEBSOCKET_PONG_MS 5000
#define WEBSOCKET_PINGS_AT_ONCE 10

#define CLOSE_GOING_AWAY 1001
#define CLOSE_PROTOCOL 1002
#define CLOSE_UNSUPPORTED_DATA 1003
#define CLOSE_NO_STATUS 1005 /* never sent: the frame had none */
#define CLOSE_BAD_DATA 1007
#define CLOSE_POLICY 1008
#define CLOSE_TOO_BIG 1009
#define CLOSE_INTERNAL 1011 /* ours: memory was short */
#define CLOSE_REFUSED 4401
#define CLOSE_REVOKED 4403
#define CLOSE_REPLACED 4409
#define CLOSE_HELD_OUT 4429
#define CLOSE_TRY_LATER 4503 /* not 1013, which libwslay takes for a fault */

struct websocket;

/* Any of them may free the websocket. */
struct websocket_callbacks {
	void (*upgraded)(void *arg);
	void (*text)(void *arg, const char *, size_t len);
	/* What the hub sent before websocket_echo() reached it has all come. */
	void (*echoed)(void *arg);
	/* code: of the hub's close frame, 0 when none came; the failure is set in both cases. */
	void (*closed)(void *arg, unsigned int code, const struct failure *);
};

/* Takes the stream and sends the upgrade request. NULL when memory is short. */
struct websocket *
websocket_new(const struct cloud *, struct stream *, const struct websocket_callbacks *, void *arg);
void websocket_free(struct websocket *);

/* The other side is proven: the limits of an open tunnel hold, and pings begin. */
void websocket_open(struct websocket *);
/* Queues a text. The hub not reading it (WEBSOCKET_UNSENT_MAX) closes the websocket, later. */
void websocket_send(struct websocket *, const char *, size_t len);
/* Asks for echoed(): a ping whose pong comes behind whatever the hub sent before. */
void websocket_echo(struct websocket *);
/*
 * Sends what is queued, then a close frame; closed() follows when the hub's
 * close frame has come, or after a second.
 */
void websocket_close(struct websocket *, unsigned int code, const char *reason);

/* What Sec-WebSocket-Accept must be for a key (RFC 6455 4.2.2); fatal without memory. */
void websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE]);
/* Is this the answer to an upgrade with that key? NULL, or why not in static words. */
const char *websocket_upgrade_refused(const struct http_head *, const char *key);

#endif
