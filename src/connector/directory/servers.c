/* SPDX-License-Identifier: ISC */
/*
 * See servers.h.  They begin in order; while those that have begun make no step, as many again
 * begin beside them.  After a failure each waits and is tried again, however long another one
 * says nothing.
 *
 * A wrong service password must not be counted by one controller after the other, so they bind
 * in turn.
 */
#include "build.h"

#include "servers.h"

#include "candidate.h"
#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "service_connection.h"

#include <bsd/string.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

/* Others begin beside those that have made no step for so long: more than a slow line needs. */
#define BESIDE_MS 500
/* Of a password that was right before, another bind begins beside one that is silent so long. */
#define TURN_MS 1000
/*
 * One that comes and goes leaves the others so much time, twice as much each time, up to that of a
 * bind: whoever is ready ends all others.
 */
#define FICKLE_MS 1500
#define FICKLE_DOUBLED_MAX 2

/* How far a server's candidate is; an open one waits for its turn to bind. */
enum step { STEP_NONE, STEP_OPENING, STEP_OPEN, STEP_BINDING, STEP_BOUND };

struct server {
	struct servers *all;
	struct candidate *candidate; /* NULL with STEP_NONE */
	enum step step;
	struct event *again; /* after a failure, at again_ms */
	int64_t again_ms;
	bool held; /* until then for another's refusal */
	struct backoff backoff;
	bool failed;			/* or waits after a failure, since servers_try() */
	unsigned int came_and_went;	/* so often, since one served for long */
	char logged[FAILURE_CODE_SIZE]; /* the failure of it that was told last */
};

struct servers {
	const struct environment *environment;
	struct servers_callbacks callbacks;
	void *arg;
	struct server items[SETTINGS_SERVERS_MAX];
	size_t count;
	size_t next;	     /* to be begun with */
	size_t begun;	     /* so many; what is left are those that have not had their turn */
	struct event *timer; /* to begin with more */
	struct server *turn; /* who binds, or has bound and is not ready yet */
	size_t turn_next;    /* looked at first when it ends */
	struct event *turn_end;
	bool accepted;	     /* the service password, the last time it was tried */
	struct server *took; /* who accepted it last, and has not refused it since */
	bool failed;	     /* was told, with this code */
	char told[FAILURE_CODE_SIZE];
	struct failure failure; /* the last one */
	int64_t down_since;	/* since then none served for long; 0: all is well */
};

static void
wait_ms(struct event *timer, int64_t ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	/* Nothing else would ever go on. */
	if (event_add(timer, &tv) == -1)
		fatalx("no memory for a timer");
}

static void
candidate_drop(struct server *server)
{
	struct servers *s = server->all;

	candidate_cancel(server->candidate);
	server->candidate = NULL;
	server->step = STEP_NONE;
	if (s->turn == server) {
		s->turn = NULL;
		event_del(s->turn_end);
	}
}

/* None is on its way any more, and none is to begin. */
static void
stop(struct servers *s)
{
	for (size_t i = 0; i < s->count; i++) {
		candidate_drop(&s->items[i]);
		event_del(s->items[i].again);
	}
	event_del(s->timer);
}

static void
note_failure(struct server *server, const struct failure *failure, int64_t pause_ms)
{
	struct servers *s = server->all;
	bool known = strcmp(failure->code, server->logged) == 0;

	s->failure = *failure;
	server->failed = true;
	server->again_ms = clock_ms() + pause_ms;
	wait_ms(server->again, pause_ms);
	strlcpy(server->logged, failure->code, sizeof(server->logged));
	if (known)
		log_debug("%s", failure->text);
	else
		log_warnx(
		    "%s%s%s", failure->text, failure->hint[0] == '\0' ? "" : "; ", failure->hint);
}

/* In ms, before it is tried again; whatever the reason is, for all logins wait for it. */
static int64_t
pause_of(struct server *server)
{
	struct servers *s = server->all;

	if (s->down_since == 0)
		s->down_since = clock_s();
	return backoff_silent(
	    &server->backoff, (uint64_t)(clock_s() - s->down_since) * 1000, arc4random());
}

/* They waited for others, and these have failed: now as after any failure. */
static void
release_fickle(struct servers *s)
{
	int64_t now = clock_ms(), pause_ms;

	for (size_t i = 0; i < s->count; i++) {
		struct server *server = &s->items[i];

		if (server->came_and_went == 0 || !event_pending(server->again, EV_TIMEOUT, NULL) ||
		    server->again_ms > now + (FICKLE_MS << FICKLE_DOUBLED_MAX))
			continue;
		pause_ms = pause_of(server);
		if (server->again_ms <= now + pause_ms)
			continue;
		server->again_ms = now + pause_ms;
		wait_ms(server->again, pause_ms);
	}
}

static void
say_failed(struct servers *s)
{
	if (!s->failed)
		release_fickle(s);
	s->failed = true;
	strlcpy(s->told, s->failure.code, sizeof(s->told));
	s->callbacks.failed(s->arg, &s->failure);
}

/* Whoever waits is told that it fails when each of them has, and when the reason changes. */
static void
tell_failed(struct servers *s)
{
	for (size_t i = 0; i < s->count && !s->failed; i++) {
		if (!s->items[i].failed)
			return;
	}
	if (!s->failed || strcmp(s->told, s->failure.code) != 0)
		say_failed(s);
}

static void begin_more(struct servers *, size_t);
static void bind_next(struct servers *);

static void
fail_internal(struct server *server, const char *text)
{
	struct failure failure;

	candidate_drop(server);
	failure_set(&failure, "internal", "%s", text);
	note_failure(server, &failure, pause_of(server));
}

static void
made_a_step(struct server *server, enum step step)
{
	struct servers *s = server->all;

	server->step = step;
	if (s->begun < s->count)
		wait_ms(s->timer, BESIDE_MS);
}

static void
on_opened(void *arg)
{
	struct server *server = arg;

	made_a_step(server, STEP_OPEN);
	bind_next(server->all);
}

static void
on_bound(void *arg)
{
	struct server *server = arg;
	struct servers *s = server->all;

	s->accepted = true;
	s->took = server;
	made_a_step(server, STEP_BOUND);
	if (s->turn == server)
		wait_ms(s->turn_end, TURN_MS);
	else
		bind_next(s);
}

static size_t
count_at(const struct servers *s, enum step step)
{
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++)
		count += s->items[i].step == step;
	return count;
}

/* How many may learn at once that the password is wrong. */
static bool
may_bind(const struct servers *s)
{
	if (s->accepted)
		return count_at(s, STEP_BINDING) < 2;
	return count_at(s, STEP_BINDING) + count_at(s, STEP_BOUND) == 0;
}

/* Each after the one that had the last turn. */
static void
bind_next(struct servers *s)
{
	for (size_t i = 0; i < s->count && s->turn == NULL; i++) {
		struct server *server = &s->items[s->turn_next];

		if (!may_bind(s))
			break;
		s->turn_next = (s->turn_next + 1) % s->count;
		if (server->step != STEP_OPEN)
			continue;
		server->step = STEP_BINDING;
		if (candidate_bind(server->candidate) == -1) {
			fail_internal(
			    server, "the bind of the service account could not be started");
			continue;
		}
		s->turn = server;
		if (s->accepted)
			wait_ms(s->turn_end, TURN_MS);
	}
	tell_failed(s);
}

static void
on_turn_end(evutil_socket_t fd, short what, void *arg)
{
	struct servers *s = arg;

	(void)fd;
	(void)what;
	s->turn = NULL;
	bind_next(s);
}

static bool begin(struct server *);

/*
 * Another server would count the same wrong password once more.  But it is right at the one that
 * took it last: where that has not refused it, this one may have the password of before.
 */
static void
hold_others(struct server *refusing)
{
	struct servers *s = refusing->all;
	int64_t now = clock_ms();

	for (size_t i = 0; i < s->count; i++) {
		struct server *server = &s->items[i];

		if (server == refusing || (server == s->took && server->candidate != NULL))
			continue;
		if (server != s->took) {
			candidate_drop(server);
			server->failed = true;
			/* Who waits longer than after other failures has refused it as well. */
			if (server->again_ms <= now + BACKOFF_LONGEST_MS)
				server->held = true;
			server->again_ms = now + SERVICE_WAIT_REFUSED_MS;
		}
		if (server->again_ms > now)
			wait_ms(server->again, server->again_ms - now);
		else
			begin(server);
	}
	s->begun = s->count;
}

static void
on_failed(void *arg, const struct failure *failure)
{
	struct server *server = arg;
	struct servers *s = server->all;
	bool refused = strcmp(failure->code, "bind_refused") == 0;

	/* A bind without an answer may have been counted as well. */
	if (server->step == STEP_BINDING)
		s->accepted = false;
	server->candidate = NULL;
	candidate_drop(server);
	if (refused) {
		if (s->took == server)
			s->took = NULL;
		/* The next time the others come first. */
		note_failure(server, failure, SERVICE_WAIT_REFUSED_MS + TURN_MS);
		hold_others(server);
	} else
		note_failure(server, failure, pause_of(server));
	bind_next(s);
	begin_more(s, 1);
}

static void
on_ready(void *arg, struct connection *connection, struct domain *domain)
{
	struct server *server = arg;
	struct servers *s = server->all;

	server->candidate = NULL;
	stop(s);
	for (size_t i = 0; i < s->count; i++) {
		if (s->items[i].held)
			s->items[i].again_ms = 0;
		s->items[i].held = false;
	}
	s->callbacks.ready(s->arg, (size_t)(server - s->items), connection, domain);
}

static bool
begin(struct server *server)
{
	static const struct candidate_callbacks callbacks = { on_opened, on_bound, on_ready,
		on_failed };
	const struct environment *environment = server->all->environment;
	size_t i = (size_t)(server - server->all->items);

	event_del(server->again);
	server->held = false;
	server->candidate =
	    candidate_start(environment, &environment->settings->servers[i], &callbacks, server);
	if (server->candidate == NULL) {
		fail_internal(server, "no connection could be asked for");
		return false;
	}
	server->step = STEP_OPENING;
	return true;
}

/* So many of those that have not had their turn; who waits after a failure goes on waiting. */
static void
begin_more(struct servers *s, size_t wanted)
{
	int64_t now = clock_ms();

	event_del(s->timer);
	while (wanted > 0 && s->begun < s->count) {
		struct server *server = &s->items[s->next];

		s->next = (s->next + 1) % s->count;
		s->begun++;
		if (server->candidate != NULL)
			continue;
		if (server->again_ms > now)
			wait_ms(server->again, server->again_ms - now);
		else if (begin(server))
			wanted--;
	}
	if (s->begun < s->count)
		wait_ms(s->timer, BESIDE_MS);
	tell_failed(s);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)what;
	if (!begin(server))
		tell_failed(server->all);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct servers *s = arg;

	(void)fd;
	(void)what;
	begin_more(s, s->begun);
}

struct servers *
servers_new(
    const struct environment *environment, const struct servers_callbacks *callbacks, void *arg)
{
	struct servers *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->environment = environment;
	s->callbacks = *callbacks;
	s->arg = arg;
	s->count = environment->settings->server_count;
	s->timer = evtimer_new(environment->base, on_timer, s);
	s->turn_end = evtimer_new(environment->base, on_turn_end, s);
	if (s->timer == NULL || s->turn_end == NULL)
		return NULL;
	for (size_t i = 0; i < s->count; i++) {
		s->items[i].all = s;
		s->items[i].again = evtimer_new(environment->base, on_again, &s->items[i]);
		if (s->items[i].again == NULL)
			return NULL;
	}
	return s;
}

void
servers_try(struct servers *s, size_t first)
{
	int64_t now = clock_ms();

	s->failed = false;
	for (size_t i = 0; i < s->count; i++)
		s->items[i].failed = s->items[i].again_ms > now;
	s->next = s->turn_next = first;
	s->begun = 0;
	begin_more(s, 1);
}

void
servers_served(struct servers *s)
{
	s->down_since = 0;
	for (size_t i = 0; i < s->count; i++) {
		s->items[i].came_and_went = 0;
		backoff_reset(&s->items[i].backoff);
		s->items[i].logged[0] = '\0';
	}
}

void
servers_came_and_went(struct servers *s, size_t i, const struct failure *failure)
{
	struct server *server = &s->items[i];
	int64_t pause_ms = s->count == 1 ? pause_of(server) : FICKLE_MS << server->came_and_went;

	if (server->came_and_went < FICKLE_DOUBLED_MAX)
		server->came_and_went++;
	note_failure(server, failure, pause_ms);
}

void
servers_hurry(struct servers *s)
{
	for (size_t i = 0; i < s->count; i++)
		s->items[i].again_ms = 0;
	if (s->took != NULL)
		s->next = (size_t)(s->took - s->items);
	/* With the same password: who is silent at the bind holds nobody up. */
	s->accepted = true;
	if (s->turn != NULL)
		wait_ms(s->turn_end, 0);
	s->begun = 0;
	begin_more(s, 1);
}
