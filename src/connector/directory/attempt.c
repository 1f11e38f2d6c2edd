/* SPDX-License-Identifier: ISC */
/*
 * The life of a login: it begins with a message and a timer, and ends with
 * exactly one answer.
 */
#include "build.h"

#include "attempt_internal.h"

#include "common/log.h"
#include "common/proc.h"
#include "profile.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

static int64_t
microseconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)(now.tv_sec - then->tv_sec) * 1000000 +
	    (now.tv_nsec - then->tv_nsec) / 1000;
}

unsigned int
attempt_left(const struct attempt *a)
{
	int64_t passed = microseconds_since(&a->started) / 1000;

	return passed >= (int64_t)a->deadline_ms ? 1 : a->deadline_ms - (unsigned int)passed;
}

unsigned int
attempt_search_ms(const struct attempt *a)
{
	unsigned int left = attempt_left(a);

	/* A little before the login's own end: only what times out by itself tells of the server.
	 */
	if (left > 2 * ATTEMPT_MARGIN_MS)
		left -= ATTEMPT_MARGIN_MS;
	return left < ATTEMPT_SEARCH_MS ? left : ATTEMPT_SEARCH_MS;
}

void
attempt_forget_password(struct attempt *a)
{
	sealed_content_free(&a->content);
}

/* Only a person who was found is named: people type passwords into the name's place. */
static void
log_outcome(const struct attempt *a, enum status status, const char *reason)
{
	log_info("attempt %s: %s%s%s%s%s", a->name, a->found ? a->account.sam : "",
	    a->found ? ": " : "", status_word(status), reason[0] == '\0' ? "" : ", ", reason);
}

static void
send_checked(struct proc *proc, uint32_t id, enum status status, bool proven, const char *reason,
    const struct account *account, const char *profile, int64_t microseconds)
{
	static const uint8_t nobody[GUID_SIZE];
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)status);
	wire_put_u8(&w, proven ? 1 : 0);
	wire_put_string(&w, reason);
	wire_put_u8(&w, account != NULL ? 1 : 0);
	wire_put_fixed(&w, account != NULL ? account->guid : nobody, GUID_SIZE);
	wire_put_string(&w, profile);
	wire_put_u32(&w, microseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)microseconds);
	proc_send(proc, MESSAGE_CHECKED, id, &w, -1);
}

/* Lets those run that may. One that ends at once makes room for the next in the same loop. */
static void
run_next(struct attempts *all)
{
	struct attempt *a;

	if (all->starting)
		return;
	all->starting = true;
	while (all->running < ATTEMPTS_RUNNING_MAX && service_connection(all->service) != NULL &&
	    (a = TAILQ_FIRST(&all->waiting)) != NULL) {
		TAILQ_REMOVE(&all->waiting, a, entry);
		a->waiting = false;
		a->running = true;
		all->running++;
		if (a->seat.seat != NULL)
			attempt_seated(a);
		else
			attempt_find(a);
	}
	all->starting = false;
}

void
attempt_pause(struct attempt *a)
{
	a->running = false;
	a->all->running--;
	run_next(a->all);
}

bool
attempt_resume(struct attempt *a)
{
	struct attempts *all = a->all;

	if (all->running == ATTEMPTS_RUNNING_MAX) {
		a->waiting = true;
		TAILQ_INSERT_HEAD(&all->waiting, a, entry);
		return false;
	}
	a->running = true;
	all->running++;
	return true;
}

/* Takes it out of the queue, or gives its turn to another. */
static void
step_aside(struct attempt *a)
{
	if (a->waiting)
		TAILQ_REMOVE(&a->all->waiting, a, entry);
	if (a->running)
		a->all->running--;
	a->waiting = a->running = false;
}

static void
attempt_free(struct attempt *a)
{
	struct attempts *all = a->all;

	step_aside(a);
	attempt_stop(a);
	explanation_free(a);
	attempt_forget_password(a);
	membership_free(&a->membership);
	if (a->found)
		account_free(&a->account);
	if (a->timer != NULL)
		event_free(a->timer);
	explicit_bzero(a, sizeof(*a));
	free(a);
	if (--all->count == 0 && all->draining)
		all->idle(all->arg);
	run_next(all);
}

/* Groups that are too many to be sent are left out as if they had not been read. */
static char *
write_profile(const struct attempt *a, struct profile_groups *groups, const char *realm)
{
	char *profile = profile_write(&a->account, groups, realm);

	if (profile == NULL || strlen(profile) <= PROFILE_TEXT_MAX)
		return profile;
	log_warnx("attempt %s: %s: the %zu groups are left out of the profile: too long", a->name,
	    a->account.sam, groups->count);
	wiping_free(profile);
	groups->read = false;
	return profile_write(&a->account, groups, realm);
}

void
attempt_answer(struct attempt *a, enum status status, bool proven, const char *reason)
{
	const struct domain *domain = service_domain(a->all->service);
	const char *realm = domain == NULL ? "" : domain->realm;
	struct profile_groups groups;
	char *profile = NULL;

	if (a->explanation != NULL) {
		explanation_end(a, status, reason);
		attempt_free(a);
		return;
	}
	if (status == STATUS_OK) {
		if (group_list(a->all->groups, &a->membership, &groups) == 0) {
			profile = write_profile(a, &groups, realm);
			free(groups.items);
		}
		if (profile == NULL) {
			/* The parent vouches for the digest of a profile: none, no success. */
			status = STATUS_INTERNAL;
			proven = false;
			reason = "no_memory";
		}
	} else if (proven)
		profile = profile_write(&a->account, NULL, realm);
	/* Somebody waits for the answer; the line goes by the same way, behind it. */
	send_checked(a->all->environment->proc, a->id, status, proven, reason,
	    a->found ? &a->account : NULL, profile, microseconds_since(&a->started));
	log_outcome(a, status, reason);
	wiping_free(profile);
	attempt_free(a);
}

void
attempt_answer_result(struct attempt *a)
{
	struct bind_result result = a->result;

	attempt_answer(a, result.status, result.proven, result.reason);
}

void
attempt_wait(struct attempt *a)
{
	if (service_state(a->all->service) == DIRECTORY_FAILED) {
		attempt_answer(
		    a, STATUS_DIRECTORY_UNAVAILABLE, false, service_failure(a->all->service)->code);
		return;
	}
	step_aside(a);
	a->waiting = true;
	TAILQ_INSERT_TAIL(&a->all->waiting, a, entry);
	run_next(a->all);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;

	(void)fd;
	(void)what;
	/* It is held; or only names of groups are awaited, which are left out then. */
	if (a->bound)
		attempt_answer_result(a);
	else
		attempt_answer(a, STATUS_TIMEOUT, false,
		    a->bind != NULL	       ? "bind"
			: a->confirm != NULL   ? "confirm"
			: a->waiting	       ? "waiting_for_directory"
			: a->waiter.waiting    ? "waiting_for_connection"
			: a->seat.seat != NULL ? "waiting_for_other_logins"
					       : "search");
}

/* An answer without an attempt. */
static void
refuse(struct attempts *all, const struct request *request, uint32_t id, enum status status,
    const char *reason)
{
	log_info("attempt %s: %s, %s", request->attempt, status_word(status), reason);
	send_checked(all->environment->proc, id, status, false, reason, NULL, NULL, 0);
}

struct attempt *
attempt_new(
    struct attempts *all, const char *name, const char *username, uint32_t deadline_ms, uint32_t id)
{
	struct timeval tv = { deadline_ms / 1000, (deadline_ms % 1000) * 1000 };
	struct attempt *a;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return NULL;
	if ((a->timer = evtimer_new(all->environment->base, on_deadline, a)) == NULL ||
	    evtimer_add(a->timer, &tv) == -1) {
		if (a->timer != NULL)
			event_free(a->timer);
		free(a);
		return NULL;
	}
	a->all = all;
	a->id = id;
	a->deadline_ms = deadline_ms;
	clock_gettime(CLOCK_MONOTONIC, &a->started);
	strlcpy(a->name, name, sizeof(a->name));
	strlcpy(a->username, username, sizeof(a->username));
	all->count++;
	return a;
}

static void
begin(struct attempts *all, const struct request *request, uint32_t id)
{
	const char *connection = all->environment->settings->connection, *reason;
	struct sealed_content content;
	struct attempt *a;
	struct timespec now;
	enum status status;

	if (all->draining || all->count >= ATTEMPTS_MAX) {
		refuse(all, request, id, STATUS_CONNECTOR_UNAVAILABLE,
		    all->draining ? "draining" : "too_many");
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	status = request_open(request, connection, all->replay, now.tv_sec, &content, &reason);
	if (status != STATUS_OK) {
		refuse(all, request, id, status, reason);
		return;
	}
	/* RFC 4513 5.1.2: a bind without a password succeeds for anybody. */
	if (content.password_len == 0) {
		sealed_content_free(&content);
		refuse(all, request, id, STATUS_INVALID_CREDENTIALS, "empty_password");
		return;
	}
	a = attempt_new(all, request->attempt, request->username, request->deadline_ms, id);
	if (a == NULL) {
		sealed_content_free(&content);
		refuse(all, request, id, STATUS_INTERNAL, "no_memory");
		return;
	}
	a->content = content;
	explicit_bzero(&content, sizeof(content));
	attempt_wait(a);
}

void
attempts_check(struct attempts *all, struct message *m)
{
	struct request request;

	if (request_read(&request, &m->body) == -1) {
		request_wipe(&request);
		proc_bad_message(m);
	}
	begin(all, &request, m->id);
	request_wipe(&request);
	wipe_stack();
}

void
attempts_service_changed(struct attempts *all)
{
	struct attempt *a;

	if (service_state(all->service) != DIRECTORY_FAILED) {
		run_next(all);
		return;
	}
	while ((a = TAILQ_FIRST(&all->waiting)) != NULL)
		attempt_answer(
		    a, STATUS_DIRECTORY_UNAVAILABLE, false, service_failure(all->service)->code);
}

void
attempts_drain(struct attempts *all)
{
	all->draining = true;
	if (all->count == 0)
		all->idle(all->arg);
}

unsigned int
attempts_count(const struct attempts *all)
{
	return all->count;
}

struct attempts *
attempts_new(const struct environment *environment, struct service *service, struct pool *pool,
    void (*idle)(void *arg), void *arg)
{
	struct attempts *all;

	if ((all = calloc(1, sizeof(*all))) == NULL)
		return NULL;
	all->environment = environment;
	all->service = service;
	all->pool = pool;
	all->idle = idle;
	all->arg = arg;
	TAILQ_INIT(&all->waiting);
	TAILQ_INIT(&all->explanations);
	all->replay = replay_new(REPLAY_MINUTE_MAX, REPLAY_OLDER_MAX);
	all->lockout = lockout_new(LOCKOUT_ACCOUNTS_MAX);
	all->seats = seats_new();
	all->groups = group_cache_new(GROUPS_CACHE_MAX);
	all->psos = pso_cache_new();
	all->names = name_cache_new(NAME_CACHE_MAX);
	if (all->replay == NULL || all->lockout == NULL || all->seats == NULL ||
	    all->groups == NULL || all->psos == NULL || all->names == NULL)
		return NULL; /* at start-up only, and fatal there */
	return all;
}
