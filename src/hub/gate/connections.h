/* SPDX-License-Identifier: ISC */
/*
 * Asking the store whether a connection exists, and what it is called.  While one
 * question is under way, whoever asks the same shares its answer: at
 * thousands of logins a second that is one question for many, and still
 * no answer is ever older than the question.
 */
#ifndef GATE_CONNECTIONS_H
#define GATE_CONNECTIONS_H

#include "ask.h"
#include "identifier.h"

#define DISPLAY_NAME_MAX 256 /* bytes */

enum connection_found {
	CONNECTION_NONE,
	CONNECTION_ONE,
	CONNECTION_SEVERAL, /* asked for the only one, there are more */
	CONNECTION_NO_ANSWER
};

struct connections;

/* identifier and display_name are set for CONNECTION_ONE, otherwise "". */
typedef void (*connection_fn)(
    void *arg, enum connection_found, const char *identifier, const char *display_name);

struct connections *connections_new(struct asks *);
/* identifier: "" for the only one there is. Called exactly once, later. */
void connection_find(struct connections *, const char *identifier, connection_fn, void *arg);

#endif
