/* SPDX-License-Identifier: ISC */
/*
 * While it is not up, every server is tried, each on its own: after a failure it waits and is
 * tried again, however long another one says nothing.  They begin in order, the next when the
 * one before has failed or makes no step for a while, so that one that is well is left alone
 * with it; the first that is ready is taken.
 */
#include "build.h"

#include "service_connection.h"

#include "candidate.h"
#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "search_connections.h"

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

/* When none makes a step, all have begun after so long. */
#define ALL_BEGUN_MS 1000U

struct server {
	struct service *service;
	struct candidate *candidate;  /* NULL: none */
	struct event *again;	      /* after a failure */
	bool failed;		      /* since the service connection was up */
	char code[FAILURE_CODE_SIZE]; /* of that failure */
};

struct service {
	const struct environment *environment;
	void (*changed)(void *arg);
	void *arg;
	enum directory_state state;
	struct failure failure;
	struct server servers[SETTINGS_SERVERS_MAX];
	size_t server; /* the one in use */
	size_t next;   /* to be begun with */
	size_t begun;  /* so many; what is left are those that have not had their turn */
	struct backoff backoff;
	int64_t up_since;
	int64_t down_since;  /* since then it was not up for long; 0: all is well */
	struct event *timer; /* to begin with the next, or refresh while up */
	struct connection *connection;
	struct search_connections *more;
	struct domain_reading *refresh;
	struct domain *domain;
	struct directory_clock clock;
	char host[SETTINGS_NAME_SIZE];
	char address[CONNECTION_ADDRESS_SIZE];
	int64_t follow_s; /* see FOLLOW_S */
};

static size_t
server_count(const struct service *s)
{
	return s->environment->settings->server_count;
}

static void
candidates_end(struct service *s)
{
	for (size_t i = 0; i < server_count(s); i++) {
		candidate_cancel(s->servers[i].candidate);
		s->servers[i].candidate = NULL;
		event_del(s->servers[i].again);
	}
	event_del(s->timer);
}

static void
drop(struct service *s)
{
	domain_reading_cancel(s->refresh);
	s->refresh = NULL;
	search_connections_end(s->more, &s->failure);
	candidates_end(s);
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
wait_ms(struct event *timer, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(timer, &tv);
}

/*
 * Whatever the reason is: a domain controller has a handful of connectors to bear, and all
 * logins wait for it.
 */
static void
back_off(struct service *s, struct event *timer)
{
	if (s->down_since == 0)
		s->down_since = clock_s();
	wait_ms(timer,
	    backoff_silent(
		&s->backoff, (uint64_t)(clock_s() - s->down_since) * 1000, arc4random()));
}

/* Whoever asks is told that it fails when each of the servers has. */
static void
tell_failed(struct service *s)
{
	for (size_t i = 0; i < server_count(s) && s->state != DIRECTORY_FAILED; i++) {
		if (!s->servers[i].failed)
			return;
	}
	set_state(s, DIRECTORY_FAILED);
}

static void
note_failure(struct server *server, const struct failure *failure)
{
	struct service *s = server->service;
	bool known = server->failed && strcmp(failure->code, server->code) == 0;

	s->failure = *failure;
	server->failed = true;
	strlcpy(server->code, failure->code, sizeof(server->code));
	back_off(s, server->again);
	if (known)
		log_debug("%s", failure->text);
	else
		log_warnx(
		    "%s%s%s", failure->text, failure->hint[0] == '\0' ? "" : "; ", failure->hint);
}

/* The next begins beside those that have, unless one of them makes a step. */
static void
wait_for_a_step(struct service *s)
{
	if (s->begun < server_count(s))
		wait_ms(s->timer, ALL_BEGUN_MS / (unsigned int)(server_count(s) - 1));
}

static void
on_advanced(void *arg)
{
	wait_for_a_step(((struct server *)arg)->service);
}

static void begin_next(struct service *);

static void
on_failed(void *arg, const struct failure *failure)
{
	struct server *server = arg;
	struct service *s = server->service;

	server->candidate = NULL;
	note_failure(server, failure);
	if (strcmp(failure->code, "bind_refused") != 0) {
		begin_next(s);
		return;
	}
	/* Another server, or this one again, would count the same wrong password once more. */
	candidates_end(s);
	s->next = (size_t)(server - s->servers);
	s->begun = 0;
	wait_ms(s->timer, SERVICE_WAIT_REFUSED_MS);
	set_state(s, DIRECTORY_FAILED);
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

	log_info("service connection: %s", failure->text);
	s->failure = *failure;
	drop(s);
	s->begun = 0;
	/*
	 * The same server first when it closed it: idle ones it closes as a matter of course.  But
	 * one that binds us and then fails us must not keep us from the others.
	 */
	s->next = s->server;
	if (short_lived || strcmp(failure->code, "timeout") == 0)
		s->next = (s->server + 1) % server_count(s);
	if (short_lived) {
		back_off(s, s->timer);
		set_state(s, DIRECTORY_FAILED);
		return;
	}
	backoff_reset(&s->backoff);
	s->down_since = 0;
	s->state = DIRECTORY_CONNECTING;
	begin_next(s);
	if (s->state == DIRECTORY_CONNECTING)
		s->changed(s->arg);
}

static void
on_ready(void *arg, struct connection *connection, struct domain *domain)
{
	static const struct connection_callbacks callbacks = { NULL, on_lost };
	struct server *server = arg;
	struct service *s = server->service;

	server->candidate = NULL;
	candidates_end(s);
	connection_hand_over(connection, &callbacks, s);
	s->connection = connection;
	s->server = (size_t)(server - s->servers);
	for (size_t i = 0; i < server_count(s); i++)
		s->servers[i].failed = false;
	s->up_since = clock_s();
	strlcpy(s->host, connection_host(connection), sizeof(s->host));
	strlcpy(s->address, connection_address(connection), sizeof(s->address));
	failure_clear(&s->failure);
	adopt(s, domain);
	wait_ms(s->timer, SERVICE_REFRESH_S * 1000);
	log_info(
	    "bound to %s as %s, base DN %s", s->host, s->environment->settings->user, domain->base);
	set_state(s, DIRECTORY_OK);
}

static bool
begin(struct server *server)
{
	static const struct candidate_callbacks callbacks = { on_advanced, on_ready, on_failed };
	const struct environment *environment = server->service->environment;
	size_t i = (size_t)(server - server->service->servers);
	struct failure failure;

	event_del(server->again);
	server->candidate =
	    candidate_start(environment, &environment->settings->servers[i], &callbacks, server);
	if (server->candidate != NULL)
		return true;
	failure_set(&failure, "internal", "no connection could be asked for");
	note_failure(server, &failure);
	return false;
}

/* The next that has not had its turn and is not on its way. */
static void
begin_next(struct service *s)
{
	struct server *server;
	bool begun = false;

	event_del(s->timer);
	while (!begun && s->begun < server_count(s)) {
		server = &s->servers[s->next];
		s->next = (s->next + 1) % server_count(s);
		s->begun++;
		begun = server->candidate == NULL && begin(server);
	}
	if (begun)
		wait_for_a_step(s);
	else
		tell_failed(s);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)what;
	if (!begin(server))
		tell_failed(server->service);
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
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd;
	(void)what;
	if (s->state != DIRECTORY_OK) {
		begin_next(s);
		return;
	}
	wait_ms(s->timer, SERVICE_REFRESH_S * 1000);
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
	/* First: who is told that a search is lost must not ask on what is about to go. */
	s->state = DIRECTORY_CONNECTING;
	drop(s);
	s->next = s->server;
	s->begun = 0;
	begin_next(s);
	if (s->state == DIRECTORY_CONNECTING)
		s->changed(s->arg);
}

struct service *
service_new(const struct environment *environment, void (*changed)(void *arg), void *arg)
{
	struct service *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->environment = environment;
	s->changed = changed;
	s->arg = arg;
	s->state = DIRECTORY_CONNECTING;
	s->follow_s = FOLLOW_S;
	for (size_t i = 0; i < server_count(s); i++) {
		s->servers[i].service = s;
		s->servers[i].again = evtimer_new(environment->base, on_again, &s->servers[i]);
		if (s->servers[i].again == NULL)
			return NULL;
	}
	s->timer = evtimer_new(environment->base, on_timer, s);
	s->more = search_connections_new(environment);
	if (s->timer == NULL || s->more == NULL)
		return NULL; /* at start-up only, and fatal there */
	return s;
}

void
service_start(struct service *s)
{
	s->changed(s->arg);
	begin_next(s);
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
	if (s->state != DIRECTORY_FAILED)
		return;
	s->begun = 0;
	begin_next(s);
}
