/* SPDX-License-Identifier: ISC */
/*
 * The directory servers while none of them serves: which is tried when, until one is ready.
 * A domain controller has a handful of connectors to bear, and all logins wait for it: none is
 * besieged, none is forgotten, and none that is silent, refuses or comes and goes keeps the
 * others away.
 */
#ifndef ADC_DIRECTORY_SERVERS_H
#define ADC_DIRECTORY_SERVERS_H

#include "connection.h"
#include "domain.h"

struct servers;

struct servers_callbacks {
	/* Connection and domain belong to the callee; the others are left alone from now on. */
	void (*ready)(void *arg, size_t server, struct connection *, struct domain *);
	/* Each of them has failed, or the service password is wrong.  Again when the reason
	 * changes; they go on being tried. */
	void (*failed)(void *arg, const struct failure *);
};

/* NULL: no memory.  It lives as long as the process. */
struct servers *
servers_new(const struct environment *, const struct servers_callbacks *, void *arg);
/* Until one is ready, beginning with this one; while none is being tried. */
void servers_try(struct servers *, size_t first);
/* One has served for long: what was before is forgotten. */
void servers_served(struct servers *);
/* It was lost at once: it waits longer than after a failure, unless the others have failed, too. */
void servers_came_and_went(struct servers *, size_t server, const struct failure *);
/* Somebody else has just been let in at one of them: none waits any more, they begin anew. */
void servers_hurry(struct servers *);

#endif
