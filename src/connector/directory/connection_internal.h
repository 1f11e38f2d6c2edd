/* SPDX-License-Identifier: ISC */
/*
 * What connection.c and operation.c share.
 */
#ifndef ADC_DIRECTORY_CONNECTION_INTERNAL_H
#define ADC_DIRECTORY_CONNECTION_INTERNAL_H

#include "connection.h"
#include "frame.h"
#include "transport.h"

#include <bsd/sys/queue.h>
#include <ldap.h>
#include <openldap.h>

struct ask;
struct event;

/* Operations of one connection are found by message id through these lists. */
#define OPERATION_BUCKETS 64U
/* Operations under way on one connection. */
#define OPERATIONS_MAX 4096U
/* So long without an answer after a request, and a server counts as dead. */
#define SILENCE_MS 2000
/*
 * libldap keeps the id of each request that was given up, as long as the connection
 * lives: after so many it is ended.
 */
#define ABANDONED_MAX 4096U
/* Notifications that nobody asked for and nobody knows (RFC 4511 4.4), on one connection. */
#define NOTIFICATIONS_MAX 16U

LIST_HEAD(operation_list, operation);

struct connection {
	const struct environment *environment;
	const struct server_setting *server;
	char host[SETTINGS_NAME_SIZE];
	char address[CONNECTION_ADDRESS_SIZE];
	struct connection_callbacks callbacks;
	void *arg;
	struct ask *ask;
	struct event *timer;
	struct transport *transport;
	LDAP *ld;
	bool open;  /* opened was called */
	bool dead;  /* closed was called, or is about to be */
	bool freed; /* by its owner, while entered */
	unsigned int entered;
	struct operation_list operations[OPERATION_BUCKETS];
	size_t operation_count;
	size_t message_max;
	struct frame frame;
	unsigned int abandoned;
	unsigned int notifications;
	/*
	 * Answers so far, and the first request since the last one, to tell a slow server
	 * from a dead one. Bytes, and what nobody asked for, are no sign of life.
	 */
	unsigned long long answers;
	unsigned long long asked_answers;
	uint64_t asked_ms; /* monotonic */
};

/* Between the two the connection stays allocated. leave: false when it is gone. */
void connection_enter(struct connection *);
bool connection_leave(struct connection *);

/* A request was given up: libldap remembers it. */
void connection_note_abandoned(struct connection *);

void operations_init(struct connection *);
/* Decodes all that has come. */
void operations_read(struct connection *);
void operations_fail(struct connection *, int code);
void operations_drop(struct connection *);
struct operation *operation_starttls(struct connection *, operation_done_fn, void *arg);

#endif
