/* SPDX-License-Identifier: ISC */
/*
 * What house.c (the spawner, and the end of it all), child.c (one process) and
 * service.c (keeping one running) share.  For nobody else: see service.h.
 */
#ifndef ADC_HOUSE_H
#define ADC_HOUSE_H

#include "service.h"

#include <bsd/sys/queue.h>
#include <event2/event.h>

enum child_state {
	CHILD_SPAWNING,
	CHILD_STARTING, /* HELLO awaited, or configured and READY awaited */
	CHILD_RUNNING,
	CHILD_DRAINING,
	CHILD_ENDING, /* killed, or its socket is closed; EXITED awaited */
};

struct child {
	TAILQ_ENTRY(child) entry; /* in house */
	struct service *service;  /* NULL for the spawner */
	struct channel *channel;
	enum child_state state;
	bool trial;
	bool reported; /* gone() was called */
	bool left;     /* its end was its own doing */
	bool ready;    /* READY came */
	bool missed;   /* it was the current one: another is to start when it is gone */
	bool killed;   /* by SIGKILL from elsewhere */
	bool hindered; /* it ended with EX_TEMPFAIL: by something that may soon be over */
	pid_t pid;
	uint32_t spawn_id;
	uint64_t started_ms;
	/* Lines of its log in this second, and how many were left out. */
	int64_t log_second;
	unsigned int log_lines, log_left_out;
	struct event *timer;
};

struct service {
	TAILQ_ENTRY(service) entry;
	struct house *house;
	enum role role;
	struct service_callbacks callbacks;
	void *arg;
	bool wanted;
	bool
	    proven; /* a child of it was ready once: it is not its configuration that they die of */
	struct child *current; /* starting, running */
	struct child *trial;
	struct event *restart;
	unsigned int backoff_ms;
	unsigned int restarts;
};

struct house {
	struct event_base *base;
	struct channel *spawner;
	pid_t spawner_pid;
	bool spawner_ready, broken, ending;
	struct house_user users[ROLE_COUNT];
	size_t nusers;
	uint8_t level;
	struct house_callbacks callbacks;
	void *arg;
	uint32_t last_id;
	TAILQ_HEAD(services, service) services;
	TAILQ_HEAD(, child) children;
};

/* child.c */
struct child *child_new(struct service *, bool trial);
struct child *child_by_pid(struct house *, pid_t);
/* Tells the owner, once; the child is not its service's any more. */
void child_report_gone(struct child *);
/* Its wait status came. */
void child_exited(struct child *, int status);
void child_free(struct child *);

/* service.c */
/* How well the next child will do. */
enum prospect {
	PROSPECT_POOR, /* none was ready yet: it will die of its configuration, too */
	PROSPECT_FAIR, /* the last one died before it was ready, but earlier ones were, or it said
			  that the hindrance may soon be over */
	PROSPECT_GOOD  /* the last one had been ready, or was killed from outside */
};

/* Starts another child after a wait. */
void service_schedule(struct service *, enum prospect);
/* Lets the children of a service finish what they have; bounded by house_wait(). */
void service_drain(struct service *);

/* house.c */
/* Until no child of the service (NULL: of any) is left, or 5 s have passed. */
void house_wait(struct house *, const struct service *);
void house_timer(struct event *, unsigned int ms);

#endif
