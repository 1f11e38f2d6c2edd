/* SPDX-License-Identifier: ISC */
/*
 * See service_connection.h.  Which server is tried when is the matter of servers.h.
 */
#include "build.h"

#include "service_connection.h"

#include "common/clock.h"
#include "common/log.h"
#include "search_connections.h"
#include "servers.h"

#include <bsd/string.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

/* A connection that lived shorter than this counts as a failed try. */
#define STEADY_S 5
/*
 * One that lived shorter follows nobody, and twice as long after each time, up to the most: two
 * controllers that come and go must not keep it busy.
 */
#define FOLLOW_S 1
#define FOLLOW_MAX_S 64

struct service {
	const struct environment *environment;
	void (*changed)(void *arg);
	void *arg;
	enum directory_state state;
	struct failure failure;
	struct servers *servers;
	size_t server; /* the one in use */
	int64_t up_since;
	struct event *refresh_timer;
	struct connection *connection;
	struct search_connections *more;
	struct domain_reading *refresh;
	struct domain *domain;
	struct directory_clock clock;
	char host[SETTINGS_NAME_SIZE];
	char address[CONNECTION_ADDRESS_SIZE];
	int64_t follow_s; /* see FOLLOW_S */
};

static void
drop(struct service *s)
{
	domain_reading_cancel(s->refresh);
	s->refresh = NULL;
	event_del(s->refresh_timer);
	search_connections_end(s->more, &s->failure);
	connection_end(s->connection);
	s->connection = NULL;
}

static void
set_state(struct service *s, enum directory_state state)
{
	s->state = state;
	s->changed(s->arg);
}

static void
refresh_later(struct service *s)
{
	static const struct timeval refresh = { SERVICE_REFRESH_S, 0 };

	if (event_add(s->refresh_timer, &refresh) == -1)
		fatalx("no memory for a timer");
}

static void
warn_unknown(const char *key, const struct policy_groups *groups, const char *so)
{
	size_t i;

	for (i = 0; i < groups->count; i++) {
		if (!groups->items[i].known)
			log_warnx("policy.%s: group %s is not in the directory: %s", key,
			    groups->items[i].text, so);
	}
}

static void
adopt(struct service *s, struct domain *domain)
{
	warn_unknown("allow_groups", &domain->policy.allow, "it lets nobody in");
	warn_unknown("deny_groups", &domain->policy.deny,
	    "everybody is refused until it is there, or is named by its SID");
	domain_free(s->domain);
	s->domain = domain;
	directory_clock_follow(&s->clock, &domain->clock);
}

/* The connection that was in use. */
static void
on_lost(void *arg, const struct failure *failure)
{
	struct service *s = arg;
	bool short_lived = clock_s() - s->up_since < STEADY_S;
	size_t first = s->server;

	s->failure = *failure;
	drop(s);
	/*
	 * The same server first when it closed it: idle ones it closes as a matter of course.  But
	 * one that binds us and then fails us must not keep us from the others.
	 */
	if (short_lived || strcmp(failure->code, "timeout") == 0)
		first = (first + 1) % s->environment->settings->server_count;
	if (short_lived)
		servers_came_and_went(s->servers, s->server, failure);
	else {
		log_info("service connection: %s", failure->text);
		servers_served(s->servers);
	}
	set_state(s, DIRECTORY_CONNECTING);
	servers_try(s->servers, first);
}

static void
on_ready(void *arg, size_t server, struct connection *connection, struct domain *domain)
{
	static const struct connection_callbacks callbacks = { NULL, on_lost };
	struct service *s = arg;

	connection_hand_over(connection, &callbacks, s);
	s->connection = connection;
	s->server = server;
	s->up_since = clock_s();
	strlcpy(s->host, connection_host(connection), sizeof(s->host));
	strlcpy(s->address, connection_address(connection), sizeof(s->address));
	failure_clear(&s->failure);
	adopt(s, domain);
	refresh_later(s);
	log_info(
	    "bound to %s as %s, base DN %s", s->host, s->environment->settings->user, domain->base);
	set_state(s, DIRECTORY_OK);
}

static void
on_failed(void *arg, const struct failure *failure)
{
	struct service *s = arg;

	s->failure = *failure;
	set_state(s, DIRECTORY_FAILED);
}

static void
on_refreshed(void *arg, struct domain *domain, const struct failure *failure)
{
	struct service *s = arg;

	s->refresh = NULL;
	/* A lost connection is told by its own callback; what is known stays. */
	if (domain == NULL)
		log_warnx("reading the domain's settings again: %s", failure->text);
	else
		adopt(s, domain);
}

static void
on_refresh_timer(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd;
	(void)what;
	refresh_later(s);
	if (s->refresh == NULL && connection_usable(s->connection))
		s->refresh = domain_read(
		    s->connection, s->environment->settings, SERVICE_READ_MS, on_refreshed, s);
}

void
service_follow(struct service *s, const struct failure *failure)
{
	int64_t lived = clock_s() - s->up_since;

	if (s->state != DIRECTORY_OK || lived < s->follow_s)
		return;
	if (lived > FOLLOW_MAX_S)
		s->follow_s = FOLLOW_S;
	else if (s->follow_s < FOLLOW_MAX_S)
		s->follow_s *= 2;
	log_warnx("%s: the service connection is made anew, so that wrong passwords are "
		  "counted where they are tried",
	    failure->text);
	s->failure = *failure;
	if (lived >= STEADY_S)
		servers_served(s->servers);
	/* First: who is told that a search is lost must not ask on what is about to go. */
	s->state = DIRECTORY_CONNECTING;
	drop(s);
	s->changed(s->arg);
	servers_try(s->servers, s->server);
}

struct service *
service_new(const struct environment *environment, void (*changed)(void *arg), void *arg)
{
	static const struct servers_callbacks callbacks = { on_ready, on_failed };
	struct service *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->environment = environment;
	s->changed = changed;
	s->arg = arg;
	s->state = DIRECTORY_CONNECTING;
	s->follow_s = FOLLOW_S;
	s->refresh_timer = evtimer_new(environment->base, on_refresh_timer, s);
	s->servers = servers_new(environment, &callbacks, s);
	s->more = search_connections_new(environment);
	if (s->refresh_timer == NULL || s->servers == NULL || s->more == NULL)
		return NULL; /* at start-up only, and fatal there */
	return s;
}

void
service_start(struct service *s)
{
	s->changed(s->arg);
	servers_try(s->servers, 0);
}

enum directory_state
service_state(const struct service *s)
{
	return s->state;
}

struct connection *
service_connection(const struct service *s)
{
	return s->state == DIRECTORY_OK && connection_usable(s->connection) ? s->connection : NULL;
}

struct connection *
service_search_connection(struct service *s)
{
	struct connection *first = service_connection(s);

	return first == NULL ? NULL
			     : search_connections_pick(
				   s->more, first, &s->environment->settings->servers[s->server]);
}

const struct domain *
service_domain(const struct service *s)
{
	return s->domain;
}

int64_t
service_now(const struct service *s)
{
	return directory_clock_now(&s->clock);
}

const struct failure *
service_failure(const struct service *s)
{
	return &s->failure;
}

const struct server_setting *
service_server(const struct service *s)
{
	return s->state == DIRECTORY_OK ? &s->environment->settings->servers[s->server] : NULL;
}

const char *
service_address(const struct service *s)
{
	return s->address;
}

const char *
service_host(const struct service *s)
{
	return s->host;
}

void
service_hurry(struct service *s)
{
	if (s->state != DIRECTORY_OK)
		servers_hurry(s->servers);
}
