/* SPDX-License-Identifier: ISC */
/* An operation on the store for an administrator, and its answer as HTTP. */
#ifndef GATE_ADMIN_H
#define GATE_ADMIN_H

#include "gate.h"

#define ADMIN_ARGUMENTS_MAX 4
/* Checking the whole audit takes its time; below HTTP_HANDLE_DEADLINE_S. */
#define ADMIN_DEADLINE_MS 25000

struct admin_call {
	enum admin_operation operation;
	const char *argument[ADMIN_ARGUMENTS_MAX]; /* NULL counts as "" */
	uint8_t narguments;
	int http_status; /* of success */
};

/*
 * Called instead of answering with the store's JSON, when that succeeded; takes
 * the reference.
 */
typedef void (*admin_finish)(struct gate *, struct http_exchange *, int http_status, json_t *);

/* Asks the store and answers. finish may be NULL. The call is only borrowed. */
void admin_ask(struct gate *, struct http_exchange *, const struct admin_call *, admin_finish);

#endif
