/* SPDX-License-Identifier: ISC */
/*
 * A test that ends early still reports every step: those not reached as not
 * run, so that nobody takes silence for success.
 */
#include "build.h"

#include "test_steps.h"

#include "domain.h"
#include "groups.h"
#include "common/proc.h"
#include "service_bind.h"
#include "service_connection.h"

#include <bsd/string.h>
#include <event2/event.h>
#include <ldap.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPEN_MS 5000U
#define READ_MS 5000U
/* Users looked at, to find one that is nothing special. */
#define SAMPLES_MAX 20

struct test_runs {
	const struct environment *environment;
	struct service *service;
	void (*idle)(void *arg);
	void *arg;
	unsigned int count;
};

struct test_run {
	struct test_runs *all;
	uint32_t id;
	enum test_step step; /* under way */
	struct timespec started;
	struct event *timer;
	size_t server;
	struct failure reach;	/* of the first server that did not answer */
	struct failure others;	/* its hint: of more of them */
	struct timespec trying; /* this one, since then */
	struct connection *connection;
	struct service_bind *bind;
	struct domain_reading *reading;
	struct domain *domain;
	struct operation *operation;
	bool seen;
	enum account_reading sample;
	bool no_memory; /* for the groups */
	struct account account;
	struct membership membership;
};

static void try_server(struct test_run *);

static unsigned int
milliseconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned int)((now.tv_sec - then->tv_sec) * 1000 +
	    (now.tv_nsec - then->tv_nsec) / 1000000);
}

static void
send_step(const struct test_runs *all, uint32_t id, enum test_step step, bool passed,
    unsigned int ms, const struct failure *told)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)step);
	wire_put_u8(&w, passed ? 1 : 0);
	wire_put_u32(&w, ms);
	wire_put_string(&w, told->code);
	wire_put_string(&w, told->text);
	wire_put_string(&w, told->hint);
	proc_send(all->environment->proc, MESSAGE_TEST_STEP, id, &w, -1);
}

static const char *
step_text(enum test_step step)
{
	return step == TEST_SIGN_IN ? "the service account was not tried" : "nothing was read";
}

/* The steps behind the one that failed. */
static void
send_not_run(const struct test_runs *all, uint32_t id, enum test_step after)
{
	static const enum test_step order[] = { TEST_REACH, TEST_SIGN_IN, TEST_READ };
	struct failure told;
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (order[i] <= after)
			continue;
		failure_set(&told, "not_run", "%s", step_text(order[i]));
		failure_hint(&told, "mend the step before");
		send_step(all, id, order[i], false, 0, &told);
	}
}

static void
finish(struct test_run *t)
{
	struct test_runs *all = t->all;

	proc_send(all->environment->proc, MESSAGE_TEST_DIRECTORY_END, t->id, NULL, -1);
	operation_cancel(t->operation);
	domain_reading_cancel(t->reading);
	domain_free(t->domain);
	service_bind_cancel(t->bind);
	connection_free(t->connection);
	if (t->seen && t->sample == ACCOUNT_READ)
		account_free(&t->account);
	membership_free(&t->membership);
	event_free(t->timer);
	free(t);
	all->count--;
	all->idle(all->arg);
}

static void
step_failed(struct test_run *t, const struct failure *failure)
{
	send_step(t->all, t->id, t->step, false, milliseconds_since(&t->started), failure);
	send_not_run(t->all, t->id, t->step);
	finish(t);
}

static void
step_passed(struct test_run *t, const struct failure *told, enum test_step next)
{
	send_step(t->all, t->id, t->step, true, milliseconds_since(&t->started), told);
	t->step = next;
	clock_gettime(CLOCK_MONOTONIC, &t->started);
}

static void
fail_internal(struct test_run *t)
{
	struct failure failure;

	failure_set(&failure, "internal", "no memory for the test");
	step_failed(t, &failure);
}

/* Adds one more thing to the hint. */
static void
advise(struct failure *told, const char *what)
{
	char before[FAILURE_TEXT_SIZE];

	strlcpy(before, told->hint, sizeof(before));
	failure_hint(told, "%s%s%s", before, before[0] == '\0' ? "" : "; ", what);
}

/* A denied group that is not there: nobody can log in. */
static bool
deny_groups_unknown(const struct policy_groups *deny, struct failure *told)
{
	size_t i;

	for (i = 0; i < deny->count; i++) {
		if (deny->items[i].known)
			continue;
		failure_set(told, "deny_groups_unknown",
		    "group %s of policy.deny_groups is not in the directory, so that everybody is "
		    "refused",
		    deny->items[i].text);
		failure_hint(told, "correct its name, or name the group by its SID");
		return true;
	}
	return false;
}

static void
finish_reading(struct test_run *t)
{
	const struct policy *policy = &t->all->environment->settings->policy;
	struct failure told;

	if (deny_groups_unknown(&t->domain->policy.deny, &told)) {
		step_failed(t, &told);
		return;
	}
	failure_set(&told, "", "users below %s can be read", t->domain->base);
	if (!t->membership.read) {
		if (policy_needs_groups(policy)) {
			failure_set(&told, "groups_unreadable",
			    "the groups of %s (tokenGroups) cannot be read", t->account.dn);
			failure_hint(&told,
			    "add directory.user to the group Pre-Windows 2000 "
			    "Compatible Access, or give it the right to read all "
			    "properties of users; the policy asks for groups");
			step_failed(t, &told);
			return;
		}
		advise(&told,
		    "tokenGroups cannot be read, so that profiles come without groups: add "
		    "directory.user to Pre-Windows 2000 Compatible Access");
	}
	if (!t->account.bad_password_count.read)
		advise(&told,
		    "badPwdCount cannot be read, so that only failures of this connector are "
		    "counted: give directory.user the right to read logon information");
	if (!t->domain->lockout.threshold_known)
		advise(&told,
		    "lockoutThreshold cannot be read: policy.lockout_threshold_unknown is "
		    "assumed");
	send_step(t->all, t->id, TEST_READ, true, milliseconds_since(&t->started), &told);
	service_hurry(t->all->service);
	finish(t);
}

static void
on_groups(void *arg, const struct entry *entry)
{
	struct test_run *t = arg;

	if (membership_take(&t->membership, entry) == -1)
		t->no_memory = true;
}

static void
on_groups_done(void *arg, const struct outcome *outcome)
{
	struct test_run *t = arg;

	t->operation = NULL;
	if (outcome->code == LDAP_SERVER_DOWN)
		return; /* on_closed() goes on */
	if (t->no_memory)
		fail_internal(t);
	else
		finish_reading(t);
}

static void
on_sample(void *arg, const struct entry *entry)
{
	struct test_run *t = arg;

	/* Protected accounts have rights of their own: any other is a better sample. */
	if (t->seen && !(t->sample == ACCOUNT_READ && t->account.admin_count.read))
		return;
	if (t->seen)
		account_free(&t->account);
	t->seen = true;
	t->sample = account_read(&t->account, entry);
}

static void
on_sample_done(void *arg, const struct outcome *outcome)
{
	static const char *const attributes[] = { "tokenGroups", NULL };
	struct search search = { NULL, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 1, READ_MS };
	struct test_run *t = arg;
	struct failure failure;

	t->operation = NULL;
	if (outcome->code == LDAP_SERVER_DOWN)
		return;
	if (!t->seen) {
		failure_set(&failure, "no_user", "no user is to be seen below %s", t->domain->base);
		if (outcome->code != LDAP_SUCCESS && outcome->code != LDAP_SIZELIMIT_EXCEEDED)
			failure_set(&failure, "read_failed", "users below %s cannot be read: %s",
			    t->domain->base, ldap_err2string(outcome->code));
		failure_hint(
		    &failure, "is directory.base right, and may directory.user read there?");
		step_failed(t, &failure);
		return;
	}
	if (t->sample == ACCOUNT_NO_MEMORY) {
		fail_internal(t);
		return;
	}
	if (t->sample != ACCOUNT_READ) {
		failure_set(&failure, "account_unreadable",
		    "userAccountControl, objectGUID or sAMAccountName of users cannot be read");
		failure_hint(&failure,
		    "give directory.user the right to read account restrictions "
		    "and general information of users, or add it to the group "
		    "Pre-Windows 2000 Compatible Access");
		step_failed(t, &failure);
		return;
	}
	search.base = t->account.dn;
	t->operation = connection_search(t->connection, &search, on_groups, on_groups_done, t);
	if (t->operation == NULL)
		fail_internal(t);
}

static void
on_domain(void *arg, struct domain *domain, const struct failure *failure)
{
	/* SAM_NORMAL_USER_ACCOUNT (MS-ADTS 2.2.16); indexed, and true of people alone. */
	static const char filter[] = "(sAMAccountType=805306368)";
	struct search search = { NULL, LDAP_SCOPE_SUBTREE, filter, account_attributes, SAMPLES_MAX,
		READ_MS };
	struct test_run *t = arg;

	t->reading = NULL;
	if (domain == NULL) {
		step_failed(t, failure);
		return;
	}
	t->domain = domain;
	search.base = domain->base;
	t->operation = connection_search(t->connection, &search, on_sample, on_sample_done, t);
	if (t->operation == NULL)
		fail_internal(t);
}

static void
on_bound(void *arg, const struct failure *failure)
{
	const struct directory_settings *settings;
	struct test_run *t = arg;
	struct failure told;

	t->bind = NULL;
	if (failure != NULL) {
		step_failed(t, failure);
		return;
	}
	settings = t->all->environment->settings;
	failure_set(&told, "", "%s signed in", settings->user);
	step_passed(t, &told, TEST_READ);
	t->reading = domain_read(t->connection, settings, READ_MS, on_domain, t);
	if (t->reading == NULL)
		fail_internal(t);
}

static void
on_opened(void *arg)
{
	const struct directory_settings *settings;
	struct test_run *t = arg;
	struct failure told;

	settings = t->all->environment->settings;
	failure_set(&told, "", "%s answers%s", connection_host(t->connection),
	    settings->tls_mode == TLS_MODE_NONE ? ", without TLS" : " with TLS");
	if (t->reach.code[0] != '\0')
		failure_hint(&told, "another server does not: %s%s%s", t->reach.text,
		    t->others.hint[0] == '\0' ? "" : "; ", t->others.hint);
	t->started = t->trying;
	step_passed(t, &told, TEST_SIGN_IN);
	t->bind = service_bind_start(t->connection, settings, on_bound, t);
	if (t->bind == NULL)
		fail_internal(t);
}

/* None of them. */
static void
not_reached(struct test_run *t)
{
	if (t->others.hint[0] != '\0')
		advise(&t->reach, t->others.hint);
	step_failed(t, &t->reach);
}

static void
on_closed(void *arg, const struct failure *failure)
{
	struct test_run *t = arg;

	if (t->step != TEST_REACH) {
		step_failed(t, failure);
		return;
	}
	if (t->reach.code[0] == '\0')
		t->reach = *failure;
	else
		advise(&t->others, failure->text);
	connection_free(t->connection);
	t->connection = NULL;
	if (++t->server < t->all->environment->settings->server_count)
		try_server(t);
	else
		not_reached(t);
}

static void
try_server(struct test_run *t)
{
	static const struct connection_callbacks callbacks = { on_opened, on_closed };

	clock_gettime(CLOCK_MONOTONIC, &t->trying);
	t->connection =
	    connection_open(t->all->environment, &t->all->environment->settings->servers[t->server],
		OPEN_MS, CONNECTION_MESSAGE_MAX, &callbacks, t);
	if (t->connection == NULL)
		fail_internal(t);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct test_run *t = arg;
	struct failure failure;

	(void)fd;
	(void)what;
	if (t->step == TEST_REACH && t->reach.code[0] != '\0') {
		advise(&t->others, "there was no time left for the next one");
		not_reached(t);
		return;
	}
	failure_set(&failure, "timeout", "the step was not finished in time");
	failure_hint(&failure, "is the server of directory.server overloaded or stopped?");
	step_failed(t, &failure);
}

struct test_runs *
test_runs_new(const struct environment *environment, struct service *service,
    void (*idle)(void *arg), void *arg)
{
	struct test_runs *all;

	if ((all = calloc(1, sizeof(*all))) == NULL)
		return NULL;
	all->environment = environment;
	all->service = service;
	all->idle = idle;
	all->arg = arg;
	return all;
}

/* Answers a test that cannot be begun. */
static void
refuse(struct test_runs *all, uint32_t id)
{
	struct failure failure;

	failure_set(&failure, "busy", "tests are under way already");
	failure_hint(&failure, "try again in a moment");
	send_step(all, id, TEST_REACH, false, 0, &failure);
	send_not_run(all, id, TEST_REACH);
	proc_send(all->environment->proc, MESSAGE_TEST_DIRECTORY_END, id, NULL, -1);
}

void
test_runs_begin(struct test_runs *all, struct message *m)
{
	uint32_t deadline_ms = wire_get_u32(&m->body);
	struct test_run *t;
	struct timeval tv;

	if (wire_end(&m->body) == -1 || deadline_ms == 0)
		proc_bad_message(m);
	if (deadline_ms > TEST_DEADLINE_MAX)
		deadline_ms = TEST_DEADLINE_MAX;
	tv.tv_sec = deadline_ms / 1000;
	tv.tv_usec = (deadline_ms % 1000) * 1000;
	if (all->count == TESTS_MAX || (t = calloc(1, sizeof(*t))) == NULL) {
		refuse(all, m->id);
		return;
	}
	t->all = all;
	t->id = m->id;
	t->step = TEST_REACH;
	clock_gettime(CLOCK_MONOTONIC, &t->started);
	if ((t->timer = evtimer_new(all->environment->base, on_deadline, t)) == NULL ||
	    evtimer_add(t->timer, &tv) == -1) {
		if (t->timer != NULL)
			event_free(t->timer);
		free(t);
		refuse(all, m->id);
		return;
	}
	all->count++;
	try_server(t);
}

unsigned int
test_runs_count(const struct test_runs *all)
{
	return all->count;
}
