/* SPDX-License-Identifier: ISC */
/*
 * The HTTP server of this process: one request a connection, read whole by the same strict
 * reader as the hub's (common/http_parse.h), with a cap on connections and a total time
 * for each.  Both faces are served alike, with the headers that a browser is held by.  Knows no
 * route and no message.
 */
#ifndef ADC_WEB_SERVER_H
#define ADC_WEB_SERVER_H

#include "common/http_parse.h"

#include <jansson.h>

#include <stddef.h>

struct event_base;
struct server;
struct client;

#define SERVER_CLIENTS_MAX 64
/* Of them, those of users other than root: nobody else can take every place. */
#define SERVER_OTHERS_MAX 48

/* What becomes of the next client when there are SERVER_CLIENTS_MAX. */
enum server_full {
	SERVER_FULL_WAITS,  /* it waits in the kernel's queue */
	SERVER_FULL_CLOSES, /* the one goes that has kept us waiting longest, if any does */
};

/* Bytes that a client may leave unread before it is cut off. */
#define SERVER_UNREAD_MAX (8U << 20)
/* From connecting to the end of the answer, unless client_set_deadline() says otherwise. */
#define SERVER_DEADLINE_S 10
/* For a client to take an answer that is ready. */
#define SERVER_SEND_DEADLINE_S 10

struct request {
	struct http_head head;
	char *body; /* wiped with the request */
	size_t body_len;
};

/*
 * A whole request is there.  The callee answers now, or sets events and answers
 * later; the request is valid until then.
 */
typedef void (*server_request_fn)(void *arg, struct client *, struct request *);

struct client_events {
	/* The deadline passed: the callee answers (client_error) at once. */
	void (*late)(void *arg, struct client *);
	/* The client is gone; it must not be used any more. Not called after an answer. */
	void (*gone)(void *arg, struct client *);
};

/* Takes the listening descriptor (non-blocking). NULL when memory is short. */
struct server *
server_new(struct event_base *, int listener, enum server_full, server_request_fn, void *arg);
/* Takes no further connection; calls idle as soon as there is none left, perhaps at once. */
void server_drain(struct server *, void (*idle)(void *arg), void *arg);

/* The descriptor, for asking the kernel who is at the other end. */
int client_fd(const struct client *);
/* Before a later answer. */
void client_wait(struct client *, const struct client_events *, void *arg);
/* Seconds from now; 0: none, for a stream that follows something. */
void client_set_deadline(struct client *, unsigned int seconds);

/* The answer, with Connection: close. The document's reference is taken. */
void client_answer(struct client *, int status, json_t *);
/* Static bytes of this type, under their entity tag. */
void client_answer_file(
    struct client *, const char *type, const char *etag, const void *body, size_t len);
/* 304: what the client has under this entity tag still holds. */
void client_answer_unchanged(struct client *, const char *etag);
/* 405, with the methods that the path does take; they are static. */
void client_refuse_method(struct client *, const char *allow);
/* {"error":{"code","message"}}, of a stream the last line.  gone is not called by it. */
void client_error(struct client *, int status, const char *code, const char *message);
/*
 * Begins an answer of type application/x-ndjson before its first line is there.  From here on
 * the client's going is noticed at once; before, it may only have said that it sends no more.
 */
void client_begin(struct client *);
/*
 * One line of an answer of type application/x-ndjson, begun with the first line.
 * The reference is taken.  -1: the client does not read and was cut off (gone was called).
 */
int client_line(struct client *, json_t *);
void client_end(struct client *);

/* Overwrites what the request's body left in memory. */
void request_wipe(struct request *);

#endif
