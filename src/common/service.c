/* SPDX-License-Identifier: ISC */
/*
 * Keeping a service's child running: the next start after a death, later the
 * more often it failed, and a second child beside the first while a change is
 * tried.
 */
#include "house.h"

#include "log.h"

#include <stdlib.h>

#define BACKOFF_MIN_MS 100
/*
 * Of a child that died before it was ready: all it had seen was its configuration, so the
 * next one will die of the same.
 */
#define BACKOFF_MAX_MS 60000
/*
 * Unless one got ready with it before, or this one says so (EX_TEMPFAIL): then it is memory, or a
 * disk, and soon over perhaps.
 */
#define BACKOFF_FAIR_MAX_MS 1000
/*
 * Of one that was ready, or was killed from outside: however often that happens, a crash
 * is over soon after the last.  Two starts a second cost little, and are few for somebody
 * who must guess an address layout, which is new with every start.
 */
#define BACKOFF_READY_MAX_MS 500

static void
on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct service *service = arg;

	(void)fd;
	(void)what;
	if (service->wanted && service->current == NULL)
		service->current = child_new(service, false);
	if (service->wanted && service->current == NULL)
		service_schedule(service, service->proven ? PROSPECT_FAIR : PROSPECT_POOR);
}

/* The next start, later the more often it failed. */
void
service_schedule(struct service *service, enum prospect prospect)
{
	unsigned int longest = prospect == PROSPECT_GOOD ? BACKOFF_READY_MAX_MS
	    : prospect == PROSPECT_FAIR			 ? BACKOFF_FAIR_MAX_MS
							 : BACKOFF_MAX_MS;

	if (!service->wanted || service->house->ending)
		return;
	service->restarts++;
	service->backoff_ms = service->backoff_ms == 0 ? BACKOFF_MIN_MS : service->backoff_ms * 2;
	if (service->backoff_ms > longest)
		service->backoff_ms = longest;
	/* The first restart is at once: one crash must not be noticed. */
	house_timer(
	    service->restart, service->backoff_ms == BACKOFF_MIN_MS ? 0 : service->backoff_ms);
}

struct service *
service_new(
    struct house *house, enum role role, const struct service_callbacks *callbacks, void *arg)
{
	struct service *service;

	if ((service = calloc(1, sizeof(*service))) == NULL)
		return NULL;
	service->house = house;
	service->role = role;
	service->callbacks = *callbacks;
	service->arg = arg;
	if ((service->restart = event_new(house->base, -1, 0, on_restart, service)) == NULL) {
		free(service);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&house->services, service, entry);
	return service;
}

void
service_start(struct service *service)
{
	if (service->wanted)
		return;
	service->wanted = true;
	service->proven = false;
	service->backoff_ms = 0;
	if (service->current == NULL)
		house_timer(service->restart, 0);
}

void
service_stop(struct service *service)
{
	struct child *child, *next;

	service->wanted = false;
	event_del(service->restart);
	TAILQ_FOREACH_SAFE (child, &service->house->children, entry, next) {
		if (child->service == service && child->state != CHILD_ENDING)
			child_end(child, NULL);
	}
}

struct child *
service_replace(struct service *service)
{
	if (service->trial != NULL)
		child_discard(service->trial);
	service->trial = child_new(service, true);
	return service->trial;
}

struct child *
service_current(const struct service *service)
{
	struct child *child = service->current;

	return child != NULL && child->state == CHILD_RUNNING ? child : NULL;
}

bool
service_has_trial(const struct service *service)
{
	return service->trial != NULL;
}

bool
service_wanted(const struct service *service)
{
	return service->wanted;
}

enum role
service_role(const struct service *service)
{
	return service->role;
}

unsigned int
service_restarts(const struct service *service)
{
	return service->restarts;
}

/* Lets the children of a service finish what they have, then sees that they are gone. */
void
service_drain(struct service *service)
{
	struct child *child, *next;

	service->wanted = false;
	event_del(service->restart);
	TAILQ_FOREACH_SAFE (child, &service->house->children, entry, next) {
		if (child->service != service)
			continue;
		if (child->state == CHILD_RUNNING) {
			child->state = CHILD_DRAINING;
			child_send(child, MESSAGE_DRAIN, 0, NULL, -1);
		} else if (child->state != CHILD_DRAINING)
			child_end(child, NULL);
	}
	house_wait(service->house, service);
}
