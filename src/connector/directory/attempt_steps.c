/* SPDX-License-Identifier: ISC */
/*
 * The way of a login once the person is found, each step begun by the end of the one before:
 * read what the decision needs, decide, bind.
 *
 * A function that may answer is called last: the attempt may be gone after it.
 */
#include "build.h"

#include "attempt_internal.h"

#include "common/clock.h"
#include "common/log.h"

#include <event2/event.h>
#include <ldap.h>
#include <stdio.h>
#include <string.h>

/* Less than it takes a directory to move two people. */
#define MOVE_US 50000U

static const char *const token_groups[] = { "tokenGroups", NULL };
static const char *const guid_attribute[] = { "objectGUID", NULL };

static void decide(struct attempt *);

static void
on_token_groups(void *arg, const struct entry *entry)
{
	struct attempt *a = arg;

	if (membership_take(&a->membership, entry) == -1)
		a->no_memory = true;
}

/* The bind is done: are the group names, too? Otherwise their callback comes back here. */
static void
complete(struct attempt *a)
{
	if (!a->bound || a->held)
		return;
	if (a->result.status == STATUS_OK && (a->groups_search != NULL || a->group_lookup != NULL))
		return;
	attempt_answer_result(a);
}

static void
on_names(void *arg)
{
	struct attempt *a = arg;

	a->group_lookup = NULL;
	complete(a);
}

static void
look_up_names(struct attempt *a)
{
	const struct domain *domain = service_domain(a->all->service);
	struct connection *connection = service_connection(a->all->service);

	if (!a->membership.read || connection == NULL || domain == NULL)
		return;
	a->group_lookup = group_lookup(a->all->groups, connection,
	    domain->root[0] != '\0' ? domain->root : domain->base, &a->membership,
	    attempt_search_ms(a), on_names, a);
}

/* Groups that only the profile wants; the bind goes on beside this. */
static void
on_late_groups_done(void *arg, const struct outcome *outcome)
{
	struct attempt *a = arg;

	a->groups_search = NULL;
	/* A profile says that they were not read; that is no reason to refuse. */
	if (outcome->code != LDAP_SUCCESS)
		membership_free(&a->membership);
	look_up_names(a);
	complete(a);
}

static void
on_groups_done(void *arg, const struct outcome *outcome)
{
	struct attempt *a = arg;
	bool needed = policy_needs_groups(&service_domain(a->all->service)->policy);

	a->groups_search = NULL;
	if (outcome->code != LDAP_SUCCESS)
		membership_free(&a->membership);
	/* Not to be shown them is an answer, on which the policy decides; trouble is none. */
	if (!needed || outcome->code == LDAP_SUCCESS || outcome->code == LDAP_INSUFFICIENT_ACCESS)
		decide(a);
	else if (outcome->code == LDAP_TIMEOUT)
		attempt_search_timed_out(a);
	/* An explanation has told its steps already. */
	else if (outcome->code != LDAP_SERVER_DOWN || a->explanation != NULL ||
	    !attempt_try_again(a))
		attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "groups_not_read");
}

/* -1: could not be asked. */
static int
ask_groups(struct attempt *a, struct connection *connection, operation_done_fn done)
{
	struct search search = { a->account.dn, LDAP_SCOPE_BASE, "(objectClass=*)", token_groups, 1,
		attempt_search_ms(a) };

	a->groups_asked = true;
	if (connection == NULL)
		return -1;
	a->groups_search = connection_search(connection, &search, on_token_groups, done, a);
	return a->groups_search == NULL ? -1 : 0;
}

static void
on_pso(void *arg)
{
	struct attempt *a = arg;

	a->pso_lookup = NULL;
	decide(a);
}

static void
ask_pso(struct attempt *a)
{
	struct connection *connection = service_connection(a->all->service);

	if (a->account.pso == NULL || connection == NULL ||
	    pso_find(a->all->psos, a->account.pso) != NULL)
		return;
	a->pso_lookup =
	    pso_lookup(a->all->psos, connection, a->account.pso, attempt_search_ms(a), on_pso, a);
}

/* The lock-out policy that holds for this person. */
static struct lockout_policy
lockout_policy(const struct attempt *a)
{
	const struct domain *domain = service_domain(a->all->service);
	const struct lockout_policy *own = NULL;
	struct lockout_policy policy = domain->lockout;

	if (a->account.pso == NULL)
		return policy;
	if ((own = pso_find(a->all->psos, a->account.pso)) != NULL && own->threshold_known)
		return *own;
	/* The PSO stands and says something else than the domain, but not to us. */
	policy.threshold_known = false;
	return policy;
}

/*
 * How long finding takes where it has to be looked for, and how much sooner it was done where
 * the name was found before.
 */
static void
take_time(struct attempt *a)
{
	uint64_t took = clock_us() - a->find_begun_us, usual = a->all->find_us;

	if (a->at_known_dn)
		a->sooner_us = usual > took ? usual - took : 0;
	else if (a->step == 0 && a->explanation == NULL)
		a->all->find_us = usual == 0 ? took : (usual * 7 + took) / 8;
}

/*
 * Where the next login by this name finds person and groups at once.  Only after a right
 * password, so that nobody else fills the memory or learns from its time who was tried before; and
 * of the first step only, as another's find holds just as long as those before it find nobody.
 */
static void
remember_place(struct attempt *a)
{
	if (a->step == 0 && !a->at_known_dn && a->membership.read &&
	    policy_needs_groups(&service_domain(a->all->service)->policy))
		name_cache_put(a->all->names, &a->plan.steps[0], a->account.dn, a->started.tv_sec);
}

/*
 * A wrong password is answered when it would have been had the name been looked for: or the time
 * would tell who logged in lately, and so who exists.  False: there is nothing to wait for.
 */
static bool
hold(struct attempt *a)
{
	uint64_t us = a->sooner_us, left = (uint64_t)attempt_left(a) * 1000;
	struct timeval tv;

	if (a->result.proven || us == 0)
		return false;
	if (us > left)
		us = left;
	tv.tv_sec = (time_t)(us / 1000000);
	tv.tv_usec = (suseconds_t)(us % 1000000);
	return evtimer_add(a->timer, &tv) == 0;
}

/* The bind's answer stands. */
static void
answer_bind(struct attempt *a)
{
	a->bound = true;
	if (a->result.status == STATUS_OK) {
		/* Before the next one's failures, which it would forget. */
		lockout_succeeded(a->all->lockout, a->account.guid);
		seat_leave(&a->seat);
		remember_place(a);
	}
	a->held = hold(a);
	complete(a);
}

/* A try that AD counted, or, when its answer was lost, may have. */
static void
count_failure(const struct attempt *a, bool lost)
{
	struct lockout_policy policy = lockout_policy(a);

	lockout_failed(
	    a->all->lockout, a->account.guid, policy.window, service_now(a->all->service), lost);
}

static void
on_entry_now(void *arg, const struct entry *entry)
{
	struct attempt *a = arg;
	const struct entry_attribute *attribute = entry_single(entry, "objectGUID");
	uint8_t guid[GUID_SIZE];

	a->moved = attribute != NULL &&
	    guid_read(guid, attribute->values[0].bv_val, attribute->values[0].bv_len) == 0 &&
	    memcmp(guid, a->account.guid, GUID_SIZE) != 0;
}

static void
on_confirmed(void *arg, const struct outcome *outcome)
{
	struct attempt *a = arg;

	a->confirm = NULL;
	/* What cannot be read now leaves the bind's answer what it is. */
	if (a->moved || outcome->code == LDAP_NO_SUCH_OBJECT) {
		attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "moved");
		return;
	}
	answer_bind(a);
}

/*
 * The bind was made as a DN. Of one that nobody has AD says "wrong password", and while the
 * person was moved away another may have come there: so it is looked who is there now, before a
 * password is called wrong, and before it is called right if there was time to move two people.
 * False: there is no need, or it cannot be asked.
 */
static bool
confirm(struct attempt *a)
{
	struct connection *connection = service_connection(a->all->service);
	struct search search = { a->account.dn, LDAP_SCOPE_BASE, "(objectClass=*)", guid_attribute,
		1, attempt_search_ms(a) };

	if (a->result.status != STATUS_INVALID_CREDENTIALS &&
	    clock_us() - a->find_begun_us < MOVE_US)
		return false;
	if (connection == NULL)
		return false;
	a->confirm = connection_search(connection, &search, on_entry_now, on_confirmed, a);
	return a->confirm != NULL;
}

static void
on_bound(void *arg, const struct outcome *outcome)
{
	struct attempt *a = arg;
	struct pooled *pooled = a->pooled;
	bool clean;

	a->bind = NULL;
	a->pooled = NULL;
	if (outcome->code == LDAP_SERVER_DOWN || outcome->code == LDAP_TIMEOUT) {
		count_failure(a, true);
		pool_release(a->all->pool, pooled, false);
		attempt_answer(a,
		    outcome->code == LDAP_TIMEOUT ? STATUS_TIMEOUT : STATUS_DIRECTORY_UNAVAILABLE,
		    false, outcome->code == LDAP_TIMEOUT ? "bind" : "connection_lost");
		return;
	}
	bind_result_read(&a->result, outcome->code, outcome->diagnostic);
	/* After another answer than these two, who knows what the server takes us for? */
	clean = outcome->code == LDAP_SUCCESS || outcome->code == LDAP_INVALID_CREDENTIALS;
	if (a->result.status != STATUS_OK && a->result.counted)
		count_failure(a, false);
	pool_release(a->all->pool, pooled, clean);
	if (a->result.status != STATUS_OK)
		seat_leave(&a->seat);
	if (!confirm(a))
		answer_bind(a);
}

static void
on_connection(void *arg, struct pooled *pooled)
{
	struct attempt *a = arg;

	/* The service connection went to another controller meanwhile, which counts for itself. */
	if (strcmp(connection_address(pooled_connection(pooled)), a->asked_address) != 0) {
		pool_release(a->all->pool, pooled, true);
		seat_leave(&a->seat);
		if (!attempt_try_again(a))
			attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "connection_lost");
		return;
	}
	/* Not the attempt's own timer alone: the bind's closes the connection. */
	a->bind = connection_bind(pooled_connection(pooled), a->account.dn, a->content.password,
	    a->content.password_len, attempt_left(a), on_bound, a);
	attempt_forget_password(a);
	if (a->bind == NULL) {
		pool_release(a->all->pool, pooled, false);
		attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "connection_lost");
		return;
	}
	a->pooled = pooled;
}

static void
on_no_connection(void *arg, const struct failure *failure)
{
	attempt_answer(arg, STATUS_DIRECTORY_UNAVAILABLE, false, failure->code);
}

void
attempt_seated(struct attempt *a)
{
	struct lockout_policy policy = lockout_policy(a);
	struct lockout_standing standing;
	enum lockout_verdict verdict;

	verdict = lockout_judge(a->all->lockout, &a->account, &policy,
	    &a->all->environment->settings->lockout, a->asked_at, service_now(a->all->service),
	    &standing);
	if (a->explanation != NULL)
		explanation_lockout(a, &standing, verdict);
	switch (verdict) {
	case LOCKOUT_FREE:
		break;
	case LOCKOUT_LOCKED:
		attempt_answer(a, STATUS_ACCOUNT_LOCKED, false, "account_locked");
		return;
	case LOCKOUT_PROTECTED:
		attempt_answer(a, STATUS_LOCKOUT_PROTECTED, false, "budget");
		return;
	case LOCKOUT_UNCERTAIN:
		/* The fault of whatever lost them, and not of who tries now. */
		attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "binds_lost");
		return;
	case LOCKOUT_FULL:
		attempt_answer(a, STATUS_LOCKOUT_PROTECTED, false, "lockout_table_full");
		return;
	}
	if (a->explanation != NULL) {
		attempt_answer(a, STATUS_OK, false, "");
		return;
	}
	if (!a->groups_asked)
		(void)ask_groups(a, service_connection(a->all->service), on_late_groups_done);
	else
		look_up_names(a);
	a->waiter.granted = on_connection;
	a->waiter.refused = on_no_connection;
	a->waiter.arg = a;
	pool_acquire(a->all->pool, &a->waiter);
}

static void
on_seated(void *arg)
{
	if (attempt_resume(arg))
		attempt_seated(arg);
}

/* All that a decision needs was asked for; some of it may still be on its way. */
static void
decide(struct attempt *a)
{
	const struct domain *domain = service_domain(a->all->service);
	const char *reason;

	if (a->groups_search != NULL || a->pso_lookup != NULL)
		return;
	if (a->no_memory) {
		attempt_answer(a, STATUS_INTERNAL, false, "no_memory");
		return;
	}
	take_time(a);
	if (a->explanation != NULL)
		explanation_groups(a);
	reason = policy_refuses(
	    &domain->policy, &a->account, &a->membership, domain->has_sid ? &domain->sid : NULL);
	if (reason != NULL) {
		attempt_answer(a, STATUS_NOT_ALLOWED, false, reason);
		return;
	}
	if (a->explanation != NULL)
		explanation_policy(a);
	a->seat.seated = on_seated;
	a->seat.arg = a;
	switch (seat_take(a->all->seats, a->account.guid, &a->seat)) {
	case SEAT_YOURS:
		attempt_seated(a);
		break;
	case SEAT_LATER:
		attempt_pause(a);
		break;
	case SEAT_FULL:
		attempt_answer(a, STATUS_LOCKOUT_PROTECTED, false, "busy");
		break;
	case SEAT_NO_MEMORY:
		attempt_answer(a, STATUS_INTERNAL, false, "no_memory");
		break;
	}
}

void
attempt_found(struct attempt *a)
{
	const struct domain *domain = service_domain(a->all->service);
	bool needed = policy_needs_groups(&domain->policy);

	if (a->explanation != NULL)
		explanation_person(a);
	if (domain->policy.deny_privileged &&
	    policy_privileged_account(&a->account, domain->has_sid ? &domain->sid : NULL)) {
		attempt_answer(a, STATUS_NOT_ALLOWED, false, "privileged");
		return;
	}
	/* A login reads them later when only its profile needs them. */
	if (!a->groups_asked && (needed || a->explanation != NULL) &&
	    ask_groups(a, attempt_search_connection(a), on_groups_done) == -1 && needed) {
		attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "groups_not_read");
		return;
	}
	ask_pso(a);
	decide(a);
}

void
attempt_stop(struct attempt *a)
{
	operation_cancel(a->search);
	a->search = NULL;
	operation_cancel(a->groups_search);
	a->groups_search = NULL;
	group_lookup_cancel(a->group_lookup);
	a->group_lookup = NULL;
	pso_lookup_cancel(a->pso_lookup);
	a->pso_lookup = NULL;
	pool_cancel(a->all->pool, &a->waiter);
	operation_cancel(a->confirm);
	a->confirm = NULL;
	if (a->bind != NULL)
		count_failure(a, true);
	operation_cancel(a->bind);
	a->bind = NULL;
	/* With a bind under way the connection belongs to that bind. */
	if (a->pooled != NULL)
		pool_release(a->all->pool, a->pooled, false);
	a->pooled = NULL;
	seat_leave(&a->seat);
}
