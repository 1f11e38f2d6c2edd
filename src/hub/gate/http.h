/* SPDX-License-Identifier: ISC */
/*
 * The HTTP server of a gate: connections with their limits and deadlines,
 * requests read whole, answers that are JSON.
 *
 * It is written on streams and not on libevent's evhttp, because evhttp 2.1
 * shows a connection to its user only once a whole head has come: there is then no
 * way to limit connections by address, to give the handshake and a slow head one
 * deadline together, or to wipe what was read.
 */
#ifndef GATE_HTTP_H
#define GATE_HTTP_H

#include "address.h"
#include "common/http_parse.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_CONNECTIONS_MAX 1024
#define HTTP_PER_ADDRESS_MAX 64
#define HTTP_READ_DEADLINE_S 10	  /* handshake, head and body together */
#define HTTP_HANDLE_DEADLINE_S 30 /* until the handler has answered */
#define HTTP_WRITE_DEADLINE_S 10
#define HTTP_IDLE_S 30

struct event_base;
struct http_server;
struct http_exchange;
struct stream;
struct ssl_ctx_st;

struct http_request {
	struct http_head head;
	char *body; /* body_len bytes and a NUL; wiped with the request */
	size_t body_len;
	struct address address;
	uint32_t uid; /* of the caller on a unix socket, otherwise UINT32_MAX */
};

/* Answers now or later, exactly once, unless told that the client is gone. */
typedef void (*http_handler)(void *arg, struct http_exchange *, struct http_request *);

struct http_server *http_server_new(struct event_base *, http_handler, void *arg);
enum http_transport { HTTP_PLAIN, HTTP_TLS, HTTP_UNIX };
/* Takes a listening descriptor. tls is for HTTP_TLS. Fatal when it cannot be used. */
void http_server_listen(struct http_server *, int fd, enum http_transport, struct ssl_ctx_st *tls);
/* Takes no more connections; those that are there are closed after their answer. */
void http_server_drain(struct http_server *);
/* Requests being read, handled or answered. */
size_t http_server_busy(const struct http_server *);

/* Borrowed until the answer. */
struct http_request *http_exchange_request(struct http_exchange *);
/* Wipes and frees what was read: head, path, body. The answer does so at the latest. */
void http_request_clear(struct http_exchange *);
/* Called when the client goes before the answer; the exchange is then not to be touched. */
void http_on_gone(struct http_exchange *, void (*)(void *), void *arg);
/* One field for the answer, e.g. Retry-After; static strings or at most 63 bytes of value. */
void http_set_field(struct http_exchange *, const char *name, const char *value);
/* The body is JSON text. */
void http_answer(struct http_exchange *, int status, const char *json, size_t len);
/* Takes the reference; NULL is answered as an internal error. */
void http_answer_json(struct http_exchange *, int status, json_t *);
/*
 * A body that could not be read, and why: 400; or 503 when memory was short for it.  refused: the
 * wiping_refused() from before.
 */
void http_bad_body(struct http_exchange *, size_t refused, const char *why);
/* {"error": {"code", "message"}} */
void http_error(struct http_exchange *, int status, const char *code, const char *message);
/*
 * Writes head (a whole 101 answer) and gives the connection away: its stream, with
 * what the client has sent already, and which wants callbacks before the loop's next turn.
 * It keeps its place under the limits until http_place_free().
 */
struct http_place;
struct stream *http_take_over(struct http_exchange *, const char *head, struct http_place **);
void http_place_free(struct http_place *);

#endif
