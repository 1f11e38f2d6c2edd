/* SPDX-License-Identifier: ISC */
/*
 * The HTTP server of this process: libevent's evhttp with the limits that it lacks, a cap
 * on connections and a total time for each.  One request a connection.  Knows
 * no route and no message.
 */
#ifndef ADC_WEB_SERVER_H
#define ADC_WEB_SERVER_H

#include <jansson.h>

#include <stddef.h>

struct event_base;
struct evhttp_request;
struct server;
struct client;

#define SERVER_CLIENTS_MAX 64
#define SERVER_HEADERS_MAX (8 * 1024)
#define SERVER_BODY_MAX (64 * 1024)
/* Bytes that a client may leave unread before it is cut off. */
#define SERVER_UNREAD_MAX (8U << 20)
/* From connecting to the end of the answer, unless client_set_deadline() says otherwise. */
#define SERVER_DEADLINE_S 10
/* For a client to take an answer that is ready. */
#define SERVER_SEND_DEADLINE_S 10

/*
 * A whole request is there.  The callee answers now, or sets events and answers
 * later; the request is valid until then.
 */
typedef void (*server_request_fn)(void *arg, struct client *, struct evhttp_request *);

struct client_events {
	/* The deadline passed: the callee answers (client_error) at once. */
	void (*late)(void *arg, struct client *);
	/* The client is gone; it must not be used any more. Not called after an answer. */
	void (*gone)(void *arg, struct client *);
};

/* Takes the listening descriptor (non-blocking). NULL when memory is short. */
struct server *server_new(struct event_base *, int listener, server_request_fn, void *arg);
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
/* {"error":{"code","message"}} */
void client_error(struct client *, int status, const char *code, const char *message);
/*
 * Begins an answer of type application/x-ndjson before its first line is there.  From here on the
 * client's going is noticed at once, before only with the deadline.
 */
void client_begin(struct client *);
/*
 * One line of an answer of type application/x-ndjson, begun with the first line.
 * The reference is taken.  -1: the client does not read and was cut off (gone was called).
 */
int client_line(struct client *, json_t *);
void client_end(struct client *);

/* Overwrites what the request's body left in memory. */
void request_wipe(struct evhttp_request *);

#endif
