/* SPDX-License-Identifier: ISC */
/*
 * One server's way to the service connection: connect, TLS, bind as the service account, read
 * the domain's facts.  Several may be on their way at once; who may bind when, whose connection
 * is taken, and what comes after a failure is the matter of servers.h.
 */
#ifndef ADC_DIRECTORY_CANDIDATE_H
#define ADC_DIRECTORY_CANDIDATE_H

#include "connection.h"
#include "domain.h"

struct candidate;

/* ready and failed end it: it must not be touched after them. */
struct candidate_callbacks {
	/* In TLS; candidate_bind() is what comes next. */
	void (*opened)(void *arg);
	/* The service password was taken; the domain is being read. */
	void (*bound)(void *arg);
	/* Both belong to the callee, who takes over what the connection has to tell at once. */
	void (*ready)(void *arg, struct connection *, struct domain *);
	void (*failed)(void *arg, const struct failure *);
};

/* NULL: no memory, or too many connections were asked for; no callback comes from within. */
struct candidate *candidate_start(const struct environment *, const struct server_setting *,
    const struct candidate_callbacks *, void *arg);
/* Once, when it is open; no callback comes from within.  -1: no memory, or too many questions. */
int candidate_bind(struct candidate *);
/* Ends it and its connection without a word. NULL is fine. */
void candidate_cancel(struct candidate *);

#endif
