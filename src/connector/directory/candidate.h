/* SPDX-License-Identifier: ISC */
/*
 * One server's way to the service connection: connect, TLS, bind as the service account, read
 * the domain's facts.  Several may be on their way at once; whose is taken, and what comes
 * after one that failed, is the matter of service_connection.h.
 */
#ifndef ADC_DIRECTORY_CANDIDATE_H
#define ADC_DIRECTORY_CANDIDATE_H

#include "connection.h"
#include "domain.h"

struct candidate;

/* The last two end it: it must not be cancelled after them. */
struct candidate_callbacks {
	/* It has come a step further. */
	void (*advanced)(void *arg);
	/* Both belong to the callee, who takes over what the connection has to tell at once. */
	void (*ready)(void *arg, struct connection *, struct domain *);
	void (*failed)(void *arg, const struct failure *);
};

/* None is called from within.  NULL: no memory, or too many connections were asked for. */
struct candidate *candidate_start(const struct environment *, const struct server_setting *,
    const struct candidate_callbacks *, void *arg);
/* Ends it and its connection without a word. NULL is fine. */
void candidate_cancel(struct candidate *);

#endif
