/* SPDX-License-Identifier: ISC */
/*
 * What attempt.c (life of a login), attempt_find.c (who is meant) and attempt_steps.c (what is
 * decided, and the bind) share.
 */
#ifndef ADC_DIRECTORY_ATTEMPT_INTERNAL_H
#define ADC_DIRECTORY_ATTEMPT_INTERNAL_H

#include "account.h"
#include "attempt.h"
#include "bind_result.h"
#include "explain.h"
#include "groups.h"
#include "name_cache.h"
#include "pso.h"
#include "request.h"
#include "seats.h"

#include <time.h>

struct event;

struct attempts {
	const struct environment *environment;
	struct service *service;
	struct pool *pool;
	void (*idle)(void *arg);
	void *arg;
	struct replay *replay;
	struct lockout *lockout;
	struct seats *seats;
	struct group_cache *groups;
	struct pso_cache *psos;
	struct name_cache *names;
	uint64_t find_us; /* how long it takes to look for a person, smoothed; 0: nothing known */
	TAILQ_HEAD(, explanation) explanations; /* at most EXPLANATIONS_MAX */
	unsigned int explanation_count;
	TAILQ_HEAD(, attempt) waiting; /* for the service connection, or their turn */
	unsigned int count;
	unsigned int running;
	bool starting; /* within the loop that lets the next ones run */
	bool draining;
};

struct attempt {
	TAILQ_ENTRY(attempt) entry;
	struct attempts *all;
	uint32_t id; /* of the message to answer */
	char name[ATTEMPT_SIZE];
	struct timespec started;
	uint32_t deadline_ms;
	struct event *timer;
	bool waiting;
	bool running;			 /* one of ATTEMPTS_RUNNING_MAX */
	struct explanation *explanation; /* NULL: a login */
	unsigned int retries;		 /* of the search, after its connection was lost */
	char username[NAME_SIZE];
	struct sealed_content content;

	/* Finding. */
	struct name_plan plan;
	size_t step;
	struct operation *search;
	bool at_known_dn; /* it looks, or found, where the name was found before */
	uint64_t find_begun_us;
	uint64_t sooner_us; /* that it was found there */
	int64_t asked_at;   /* FILETIME */
	/* Of whom: its count of wrong passwords is known, and no other controller's. */
	char asked_address[CONNECTION_ADDRESS_SIZE];
	size_t hits;
	bool unreadable;
	bool no_memory; /* for the person, or for groups that a decision needs */
	bool found;
	struct account account;

	/* Groups and lock-out policy. */
	struct operation *groups_search;
	struct group_lookup *group_lookup;
	struct pso_lookup *pso_lookup;
	struct membership membership;
	bool groups_asked;

	/* The bind. */
	struct seat_place seat;
	struct pool_waiter waiter;
	struct pooled *pooled;
	struct operation *bind;
	struct operation *confirm; /* that it was this person's */
	bool moved;		   /* it was not */
	bool bound;		   /* result holds its answer */
	bool held;		   /* until the timer */
	struct bind_result result;
};

/* attempt.c */

/* NULL: no memory. The answer goes to the message of this id. */
struct attempt *attempt_new(
    struct attempts *, const char *name, const char *username, uint32_t deadline_ms, uint32_t id);
/* Milliseconds left, at least 1. */
unsigned int attempt_left(const struct attempt *);
/* The same, but no more than one search may take. */
unsigned int attempt_search_ms(const struct attempt *);
/* Lets another run while it waits for a login of the same person. */
void attempt_pause(struct attempt *);
/* It has waited long enough; false: for a turn it still waits, before all others. */
bool attempt_resume(struct attempt *);
/* Answers and frees. */
void attempt_answer(struct attempt *, enum status, bool proven, const char *reason);
/* With the bind's result, once all that belongs to it is there. */
void attempt_answer_result(struct attempt *);
/* Queues it until the service connection is up and it is its turn. */
void attempt_wait(struct attempt *);
void attempt_forget_password(struct attempt *);

/* attempt_steps.c */

/* Nobody else binds as this person now: judges and binds. */
void attempt_seated(struct attempt *);

/* attempt_find.c */

/* The service connection is up: begins. */
void attempt_find(struct attempt *);
/* Its search's connection was lost: from the start, as nothing counted yet; true: it was queued. */
bool attempt_try_again(struct attempt *);
/* Answers: the login's time was over, or the directory took longer than a search may. */
void attempt_search_timed_out(struct attempt *);
/* For a search that a decision waits for. NULL: none is up. */
struct connection *attempt_search_connection(const struct attempt *);

/* attempt_steps.c */

/* The person is found. */
void attempt_found(struct attempt *);
/* Stops all that is under way for it. */
void attempt_stop(struct attempt *);

#endif
