/* SPDX-License-Identifier: ISC */
/*
 * A round goes through the servers: connect and TLS, and beside one that says nothing for a
 * second the next.  The first that is open is bound and read; whatever fails in it ends in
 * failed(), which decides about the next.
 */
#include "build.h"

#include "service_connection.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "search_connections.h"
#include "service_bind.h"

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

/* The next server is tried beside one that has been silent for so long. */
#define BESIDE_MS 1000

struct opening {
	struct service *service;
	struct connection *connection; /* NULL: none */
};

struct service {
	const struct environment *environment;
	void (*changed)(void *arg);
	void *arg;
	enum directory_state state;
	struct failure failure;
	size_t server;				       /* the one in use */
	size_t next;				       /* to be tried */
	size_t tried;				       /* in this round */
	struct opening openings[SETTINGS_SERVERS_MAX]; /* by server */
	size_t opening_count;
	struct backoff backoff;
	int64_t up_since;
	int64_t down_since;  /* since then it was not up for long; 0: all is well */
	struct event *timer; /* back-off, the next beside a silent one, or refresh while up */
	struct connection *connection;
	struct search_connections *more;
	struct service_bind *bind;
	struct domain_reading *reading;
	struct domain *domain;
	struct directory_clock clock;
	char host[SETTINGS_NAME_SIZE];
	char address[CONNECTION_ADDRESS_SIZE];
	int64_t follow_s; /* see FOLLOW_S */
};

static void open_next(struct service *);

static void
openings_end(struct service *s)
{
	for (size_t i = 0; i < SETTINGS_SERVERS_MAX; i++) {
		connection_end(s->openings[i].connection);
		s->openings[i].connection = NULL;
	}
	s->opening_count = 0;
}

static void
drop(struct service *s)
{
	service_bind_cancel(s->bind);
	s->bind = NULL;
	domain_reading_cancel(s->reading);
	s->reading = NULL;
	search_connections_end(s->more, &s->failure);
	openings_end(s);
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
wait_ms(struct service *s, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(s->timer, &tv);
}

/*
 * Whatever the reason is: a domain controller has a handful of connectors to bear, and all
 * logins wait for it.
 */
static void
back_off(struct service *s)
{
	if (s->down_since == 0)
		s->down_since = clock_s();
	wait_ms(s,
	    backoff_silent(
		&s->backoff, (uint64_t)(clock_s() - s->down_since) * 1000, arc4random()));
}

static void
tell(struct service *s, const struct failure *failure)
{
	bool known = strcmp(failure->code, s->failure.code) == 0 && s->state == DIRECTORY_FAILED;

	s->failure = *failure;
	if (known)
		log_debug("%s", failure->text);
	else
		log_warnx(
		    "%s%s%s", failure->text, failure->hint[0] == '\0' ? "" : "; ", failure->hint);
}

/* The next server; after the last, when nothing more is to be heard, a pause. */
static void
go_on(struct service *s)
{
	if (s->tried < s->environment->settings->server_count) {
		open_next(s);
		return;
	}
	if (s->opening_count > 0)
		return;
	back_off(s);
	set_state(s, DIRECTORY_FAILED);
}

/* This server did not do. */
static void
failed(struct service *s, const struct failure *failure)
{
	tell(s, failure);
	drop(s);
	if (strcmp(failure->code, "bind_refused") != 0) {
		go_on(s);
		return;
	}
	/* The next server would count the same wrong password once more. */
	s->next = s->server;
	wait_ms(s, SERVICE_WAIT_REFUSED_MS);
	set_state(s, DIRECTORY_FAILED);
}

static void
fail_internal(struct service *s, const char *what)
{
	struct failure failure;

	failure_set(&failure, "internal", "%s", what);
	failed(s, &failure);
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
on_domain(void *arg, struct domain *domain, const struct failure *failure)
{
	static const struct timeval refresh = { SERVICE_REFRESH_S, 0 };
	struct service *s = arg;
	bool first = s->state != DIRECTORY_OK;

	s->reading = NULL;
	if (domain == NULL) {
		if (first) {
			failed(s, failure);
			return;
		}
		/* A lost connection is told by its own callback; what is known stays. */
		log_warnx("reading the domain's settings again: %s", failure->text);
		event_add(s->timer, &refresh);
		return;
	}
	warn_unknown("allow_groups", &domain->policy.allow, "it lets nobody in");
	warn_unknown("deny_groups", &domain->policy.deny,
	    "everybody is refused until it is there, or is named by its SID");
	domain_free(s->domain);
	s->domain = domain;
	directory_clock_follow(&s->clock, &domain->clock);
	event_add(s->timer, &refresh);
	if (!first)
		return;
	s->tried = 0;
	s->up_since = clock_s();
	strlcpy(s->host, connection_host(s->connection), sizeof(s->host));
	strlcpy(s->address, connection_address(s->connection), sizeof(s->address));
	failure_clear(&s->failure);
	log_info(
	    "bound to %s as %s, base DN %s", s->host, s->environment->settings->user, domain->base);
	set_state(s, DIRECTORY_OK);
}

static void
read_domain(struct service *s)
{
	s->reading =
	    domain_read(s->connection, s->environment->settings, SERVICE_READ_MS, on_domain, s);
	if (s->reading != NULL)
		return;
	if (s->state != DIRECTORY_OK)
		fail_internal(s, "reading the domain's settings could not be started");
}

static void
on_bound(void *arg, const struct failure *failure)
{
	struct service *s = arg;

	s->bind = NULL;
	if (failure != NULL)
		failed(s, failure);
	else
		read_domain(s);
}

static void
on_opened(void *arg)
{
	struct opening *opening = arg;
	struct service *s = opening->service;

	event_del(s->timer);
	s->connection = opening->connection;
	opening->connection = NULL;
	s->server = (size_t)(opening - s->openings);
	/* Those that were slower; after this one come the others that were not tried. */
	openings_end(s);
	s->bind = service_bind_start(s->connection, s->environment->settings, on_bound, s);
	if (s->bind == NULL)
		fail_internal(s, "the bind of the service account could not be started");
}

/* The connection that was in use. */
static void
lost(struct service *s, const struct failure *failure)
{
	bool short_lived = clock_s() - s->up_since < STEADY_S;

	log_info("service connection: %s", failure->text);
	s->failure = *failure;
	drop(s);
	event_del(s->timer);
	s->tried = 0;
	/*
	 * The same server first when it closed it: idle ones it closes as a matter of course.  But
	 * one that binds us and then fails us must not keep us from the others.
	 */
	s->next = s->server;
	if (short_lived || strcmp(failure->code, "timeout") == 0)
		s->next = (s->server + 1) % s->environment->settings->server_count;
	if (short_lived) {
		back_off(s);
		set_state(s, DIRECTORY_FAILED);
		return;
	}
	backoff_reset(&s->backoff);
	s->down_since = 0;
	s->state = DIRECTORY_CONNECTING;
	open_next(s);
	if (s->state == DIRECTORY_CONNECTING)
		s->changed(s->arg);
}

static void
on_closed(void *arg, const struct failure *failure)
{
	struct opening *opening = arg;
	struct service *s = opening->service;

	if (opening->connection != NULL) {
		connection_end(opening->connection);
		opening->connection = NULL;
		s->opening_count--;
		tell(s, failure);
		go_on(s);
	} else if (s->state != DIRECTORY_OK)
		failed(s, failure);
	else
		lost(s, failure);
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
	event_del(s->timer);
	s->tried = 0;
	/* First: who is told that a search is lost must not ask on what is about to go. */
	s->state = DIRECTORY_CONNECTING;
	drop(s);
	open_next(s);
	if (s->state == DIRECTORY_CONNECTING)
		s->changed(s->arg);
}

static void
begin_round(struct service *s)
{
	s->tried = 0;
	open_next(s);
}

static void
open_next(struct service *s)
{
	static const struct connection_callbacks callbacks = { on_opened, on_closed };
	const struct directory_settings *settings = s->environment->settings;
	struct opening *opening = &s->openings[s->next];

	opening->connection = connection_open(s->environment, &settings->servers[s->next],
	    SERVICE_OPEN_MS, CONNECTION_MESSAGE_MAX, &callbacks, opening);
	s->tried++;
	s->next = (s->next + 1) % settings->server_count;
	event_del(s->timer);
	if (opening->connection != NULL) {
		s->opening_count++;
		if (s->tried < settings->server_count)
			wait_ms(s, BESIDE_MS);
	} else if (s->opening_count == 0) {
		/* Not go_on(): with many servers that would go ever deeper. */
		failure_set(&s->failure, "internal", "no connection could be asked for");
		back_off(s);
		set_state(s, DIRECTORY_FAILED);
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd;
	(void)what;
	if (s->state == DIRECTORY_OK) {
		if (s->reading == NULL && connection_usable(s->connection))
			read_domain(s);
		return;
	}
	if (s->opening_count == 0)
		begin_round(s);
	else
		open_next(s);
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
	for (size_t i = 0; i < SETTINGS_SERVERS_MAX; i++)
		s->openings[i].service = s;
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
	open_next(s);
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
	if (s->state == DIRECTORY_FAILED && s->connection == NULL && s->opening_count == 0)
		begin_round(s);
}
