/* SPDX-License-Identifier: ISC */
/*
 * The parent's side of its children: start the spawner, keep each service's
 * child running, start it again with back-off when it dies, put a new child
 * beside an old one and let the old one finish.
 *
 * A child's configuration never changes: a new setting is a new child
 * (service_replace), which takes over when the owner says so (child_promote)
 * or is thrown away (child_discard) while the old one goes on.
 */
#ifndef ADC_SERVICE_H
#define ADC_SERVICE_H

#include "channel.h"
#include "status.h"

#include <sys/types.h>

struct event_base;
struct house;
struct service;
struct child;

/* Ids for one role; the spawner starts no role that is not in its list. */
struct house_user {
	enum role role;
	uid_t uid;
	gid_t gid;
};

struct house_callbacks {
	/* The spawner died: the service cannot go on. */
	void (*broken)(void *arg);
};

/*
 * Starts the spawner and waits until it is ready; call it while still
 * privileged, before privileges_drop().  NULL when it could not (logged).
 * level: log level that children are given.
 */
struct house *house_new(struct event_base *, const struct house_user *, size_t n, int level,
    const struct house_callbacks *, void *arg);
/* Ends every child, waits up to 5 s for them, frees all. */
void house_free(struct house *);
/* Looks up a user's entry; NULL when the role is not in the list. */
const struct house_user *house_user(const struct house *, enum role);

struct service_callbacks {
	/* Send the child's CONFIG items with child_config(). -1: not now, try again later. */
	int (*configure)(void *arg, struct child *);
	/* The sandbox is closed and the child runs. */
	void (*ready)(void *arg, struct child *);
	void (*message)(void *arg, struct child *, struct message *);
	/* It is gone, in whatever state it was. Its pending requests are the owner's to answer. */
	void (*gone)(void *arg, struct child *);
	/* A line of its log. */
	void (*log)(void *arg, struct child *, int level, const char *text);
};

/* A service is stopped until service_start(). */
struct service *service_new(struct house *, enum role, const struct service_callbacks *, void *arg);
void service_start(struct service *);
/* Ends its children and starts none. */
void service_stop(struct service *);
/*
 * Starts a new child beside the current one.  A trial that was still there is
 * ended.  NULL when it cannot be started.
 */
struct child *service_replace(struct service *);
/* The child that new requests go to: ready, or NULL. */
struct child *service_current(const struct service *);
/* Is a child being tried beside the current one? */
bool service_has_trial(const struct service *);
enum role service_role(const struct service *);
/* Was it started, and not stopped since? */
bool service_wanted(const struct service *);
/* How often a child had to be started again. */
unsigned int service_restarts(const struct service *);

/* The trial takes over; the old child drains: it has grace_ms to end by itself. */
void child_promote(struct child *, unsigned int grace_ms);
/* The trial is ended; nothing else changes. */
void child_discard(struct child *);
bool child_is_trial(const struct child *);
/* Is it the one that its service starts again when it dies? Also inside gone(). */
bool child_is_current(const struct child *);
/* It was ended: the owner has heard of it, and nothing that is sent reaches it. */
bool child_ended(const struct child *);
enum role child_role(const struct child *);
pid_t child_pid(const struct child *);
/* Ends a child by force; why, when not NULL, is logged. It is freed when the spawner reports it. */
void child_end(struct child *, const char *why);
/* Has the child ended for breaking the protocol, and says so. */
void child_breach(struct child *, const char *why);

/* channel_send() to a running child; a failure ends the child. */
void child_send(struct child *, enum message_type, uint32_t id, struct wire_writer *, int fd);
/* Says in place of a reply that none will come, and why. */
void child_unanswered(struct child *, uint32_t id, enum status);
void child_config(struct child *, const char *key, const void *value, size_t len);
void child_config_string(struct child *, const char *key, const char *value);
void child_config_u32(struct child *, const char *key, uint32_t value);
/* The writer is emptied. */
void child_config_wire(struct child *, const char *key, struct wire_writer *);
/* Takes the descriptor. */
void child_config_fd(struct child *, const char *key, int fd);

#endif
