/* SPDX-License-Identifier: ISC */
/*
 * Logins: from a sealed password to an answer.
 *
 *	open the sealed text        request.c
 *	find the person             on a connection of the service account, names.c, name_cache.c
 *	groups, policy              groups.c, policy.c
 *	one at a time for each      seats.c
 *	lock-out budget             lockout.c
 *	bind as the DN found        on a connection of the pool
 *	answer                      profile.c
 *
 * A bind is never repeated: it may have counted.
 */
#ifndef ADC_DIRECTORY_ATTEMPT_H
#define ADC_DIRECTORY_ATTEMPT_H

#include "pool.h"
#include "service_connection.h"

/* Logins under way. */
#define ATTEMPTS_MAX 1024
/* Of these, past waiting. Servers end a connection that has too many requests under way. */
#define ATTEMPTS_RUNNING_MAX 256
/* One search of the service connection. */
#define ATTEMPT_SEARCH_MS 5000U
/* What a search leaves of a login's time. */
#define ATTEMPT_MARGIN_MS 20U

struct attempts;
struct message;

struct attempts *attempts_new(const struct environment *, struct service *, struct pool *,
    void (*idle)(void *arg), void *arg);
/* EXPLAIN and EXPLAIN_STOP: the way of a login without its bind, told step by step. */
void attempts_explain(struct attempts *, struct message *);
void attempts_explain_stop(struct attempts *, struct message *);
/* CHECK_PASSWORD */
void attempts_check(struct attempts *, struct message *);
/* The service connection came up or failed: those who wait for it go on or are answered. */
void attempts_service_changed(struct attempts *);
/* From now on none is begun; idle is called when the last has been answered, perhaps at once. */
void attempts_drain(struct attempts *);
unsigned int attempts_count(const struct attempts *);

#endif
