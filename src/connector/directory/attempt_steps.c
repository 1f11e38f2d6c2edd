/* SPDX-License-Identifier: ISC */
/*
 * The way of a login, each step begun by the end of the one before: find the
 * person, read what the decision needs, decide, bind.
 *
 * A function that may answer is called last: the attempt may be gone after it.
 */
#include "build.h"

#include "attempt_internal.h"

#include "filter.h"
#include "common/clock.h"
#include "common/log.h"

#include <ldap.h>
#include <stdio.h>
#include <string.h>

/*
 * More hits for one name than are worth looking at. Not 2: contacts and groups
 * may share a mail address with the one person it belongs to.
 */
#define HITS_MAX 8
/* When a server ends: after a connection beside it, the service connection may be lost, too. */
#define RETRIES_MAX 2

static const char *const token_groups[] = { "tokenGroups", NULL };

static void search_step(struct attempt *);
static void decide(struct attempt *);

/* It was the login's time that was over, or the directory took longer than a search may. */
static void
search_timed_out(struct attempt *a)
{
	attempt_answer(a,
	    attempt_left(a) <= 2 * ATTEMPT_MARGIN_MS ? STATUS_TIMEOUT
						     : STATUS_DIRECTORY_UNAVAILABLE,
	    false, "search");
}

static void
forget_person(struct attempt *a)
{
	pso_lookup_cancel(a->pso_lookup);
	a->pso_lookup = NULL;
	membership_free(&a->membership);
	a->groups_asked = false;
	if (a->found)
		account_free(&a->account);
	a->found = false;
	a->hits = 0;
	a->unreadable = false;
	a->no_memory = false;
}

/* Its connection was lost. From the start, as nothing counted yet; true: it was queued. */
static bool
try_again(struct attempt *a)
{
	if (a->retries == RETRIES_MAX)
		return false;
	a->retries++;
	forget_person(a);
	attempt_wait(a);
	return true;
}

/* For a search that a decision waits for; after a loss the one that tells of the directory. */
static struct connection *
connection_for(const struct attempt *a)
{
	return a->retries == 0 ? service_search_connection(a->all->service)
			       : service_connection(a->all->service);
}

/* What a search that did not succeed means for the login; true: it was answered or queued. */
static bool
search_failed(struct attempt *a, const struct outcome *outcome)
{
	char reason[REASON_SIZE];

	switch (outcome->code) {
	case LDAP_SUCCESS:
	case LDAP_SIZELIMIT_EXCEEDED:
		return false;
	case LDAP_SERVER_DOWN:
		if (!try_again(a))
			attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "connection_lost");
		return true;
	case LDAP_TIMEOUT:
		search_timed_out(a);
		return true;
	case LDAP_NO_SUCH_OBJECT:
		attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "base_not_found");
		return true;
	default:
		snprintf(reason, sizeof(reason), "search_result_%d", outcome->code);
		attempt_answer(a,
		    outcome->code == LDAP_BUSY || outcome->code == LDAP_UNAVAILABLE ||
			    outcome->code == LDAP_ADMINLIMIT_EXCEEDED
			? STATUS_DIRECTORY_UNAVAILABLE
			: STATUS_INTERNAL,
		    false, reason);
		return true;
	}
}

static void
on_entry(void *arg, const struct entry *entry)
{
	struct attempt *a = arg;
	struct account account;

	switch (account_read(&account, entry)) {
	case ACCOUNT_OTHER:
		return;
	case ACCOUNT_UNREADABLE:
		a->unreadable = true;
		return;
	case ACCOUNT_NO_MEMORY:
		a->no_memory = true;
		return;
	case ACCOUNT_READ:
		break;
	}
	if (!account_is(&account, &a->plan.steps[a->step])) {
		account_free(&account);
		return;
	}
	if (a->hits++ == 0) {
		a->account = account;
		a->found = true;
		if (a->at_known_dn && membership_take(&a->membership, entry) == -1)
			a->no_memory = true;
	} else
		account_free(&account);
}

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
	if (!a->bound)
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

/*
 * Where the next login by this name may look for person and groups at once: of the first step
 * only, as another's answer holds just as long as those before it find nobody.
 */
static void
remember_place(struct attempt *a)
{
	if (a->step == 0)
		name_cache_put(a->all->names, &a->plan.steps[0], a->account.dn, clock_s());
}

/* Groups that only the profile wants; the bind goes on beside this. */
static void
on_late_groups_done(void *arg, const struct outcome *outcome)
{
	struct attempt *a = arg;

	a->groups_search = NULL;
	/* A profile says that they were not read; that is no reason to refuse. */
	if (outcome->code == LDAP_SUCCESS)
		remember_place(a);
	else
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
	if (outcome->code == LDAP_SUCCESS)
		remember_place(a);
	else
		membership_free(&a->membership);
	/* Not to be shown them is an answer, on which the policy decides; trouble is none. */
	if (!needed || outcome->code == LDAP_SUCCESS || outcome->code == LDAP_INSUFFICIENT_ACCESS)
		decide(a);
	else if (outcome->code == LDAP_TIMEOUT)
		search_timed_out(a);
	/* An explanation has told its steps already. */
	else if (outcome->code != LDAP_SERVER_DOWN || a->explanation != NULL || !try_again(a))
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

/* A try that AD counted, or may have. */
static void
count_failure(const struct attempt *a)
{
	struct lockout_policy policy = lockout_policy(a);

	lockout_failed(
	    a->all->lockout, a->account.guid, policy.window, service_now(a->all->service));
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
		count_failure(a);
		pool_release(a->all->pool, pooled, false);
		attempt_answer(a,
		    outcome->code == LDAP_TIMEOUT ? STATUS_TIMEOUT : STATUS_DIRECTORY_UNAVAILABLE,
		    false, outcome->code == LDAP_TIMEOUT ? "bind" : "connection_lost");
		return;
	}
	bind_result_read(&a->result, outcome->code, outcome->diagnostic);
	/* After another answer than these two, who knows what the server takes us for? */
	clean = outcome->code == LDAP_SUCCESS || outcome->code == LDAP_INVALID_CREDENTIALS;
	a->bound = true;
	if (a->result.status == STATUS_OK)
		lockout_succeeded(a->all->lockout, a->account.guid);
	else if (a->result.counted)
		count_failure(a);
	pool_release(a->all->pool, pooled, clean);
	seat_leave(&a->seat);
	complete(a);
}

static void
on_connection(void *arg, struct pooled *pooled)
{
	struct attempt *a = arg;

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

/* Nobody else binds as this person now. */
static void
on_seated(void *arg)
{
	struct attempt *a = arg;
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
		on_seated(a);
		break;
	case SEAT_LATER:
		break;
	case SEAT_FULL:
		attempt_answer(a, STATUS_LOCKOUT_PROTECTED, false, "busy");
		break;
	case SEAT_NO_MEMORY:
		attempt_answer(a, STATUS_INTERNAL, false, "no_memory");
		break;
	}
}

static void
found(struct attempt *a)
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
	    ask_groups(a, connection_for(a), on_groups_done) == -1 && needed) {
		attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "groups_not_read");
		return;
	}
	ask_pso(a);
	decide(a);
}

/*
 * Nobody of that name where it was found before, or not to be read together with the groups: from
 * now on it is looked for. True: now.
 */
static bool
is_gone(struct attempt *a, const struct outcome *outcome)
{
	if (!a->at_known_dn || (outcome->code == LDAP_SUCCESS && (a->hits == 1 || a->no_memory)))
		return false;
	name_cache_forget(a->all->names, &a->plan.steps[a->step]);
	return outcome->code != LDAP_SERVER_DOWN && outcome->code != LDAP_TIMEOUT;
}

static void
on_search_done(void *arg, const struct outcome *outcome)
{
	struct attempt *a = arg;

	a->search = NULL;
	if (is_gone(a, outcome)) {
		forget_person(a);
		search_step(a);
		return;
	}
	if (search_failed(a, outcome))
		return;
	if (a->no_memory) {
		attempt_answer(a, STATUS_INTERNAL, false, "no_memory");
		return;
	}
	if (a->explanation != NULL)
		a->explanation->hits = a->hits;
	if (a->hits > 1 || outcome->code == LDAP_SIZELIMIT_EXCEEDED) {
		forget_person(a);
		attempt_answer(a, STATUS_AMBIGUOUS_USER, false, "several_users");
		return;
	}
	if (a->hits == 1) {
		found(a);
		return;
	}
	if (a->unreadable) {
		attempt_answer(a, STATUS_INTERNAL, false, "account_unreadable");
		return;
	}
	a->step++;
	search_step(a);
}

/* NULL: it could not be asked. */
static struct operation *
search_name(struct attempt *a, struct connection *connection, const struct name_step *step)
{
	struct search search = { service_domain(a->all->service)->base, LDAP_SCOPE_SUBTREE, NULL,
		a->explanation != NULL ? account_state_attributes : account_attributes, HITS_MAX,
		attempt_search_ms(a) };
	struct operation *operation = NULL;
	struct filter filter;

	filter_init(&filter);
	filter_add_equal(
	    &filter, name_attribute(step->attribute), step->value, strlen(step->value));
	search.filter = filter_text(&filter);
	if (search.filter != NULL)
		operation = connection_search(connection, &search, on_entry, on_search_done, a);
	filter_free(&filter);
	return operation;
}

static struct operation *
search_known_dn(struct attempt *a, struct connection *connection, const char *dn)
{
	struct search search = { dn, LDAP_SCOPE_BASE, "(objectClass=*)",
		account_and_groups_attributes, 1, attempt_search_ms(a) };

	a->groups_asked = true;
	return connection_search(connection, &search, on_entry, on_search_done, a);
}

static void
search_step(struct attempt *a)
{
	struct connection *connection = connection_for(a);
	const struct name_step *step = &a->plan.steps[a->step];
	const char *dn = NULL;

	if (a->step == a->plan.count) {
		attempt_answer(a, STATUS_INVALID_CREDENTIALS, false, "unknown_user");
		return;
	}
	if (connection == NULL) {
		attempt_wait(a);
		return;
	}
	/* An explanation tells what a search for the name finds. */
	if (a->step == 0 && a->explanation == NULL)
		dn = name_cache_find(a->all->names, step, clock_s());
	a->at_known_dn = dn != NULL;
	a->asked_at = service_now(a->all->service);
	a->search =
	    dn != NULL ? search_known_dn(a, connection, dn) : search_name(a, connection, step);
	if (a->search == NULL)
		attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "search_not_sent");
}

void
attempt_find(struct attempt *a)
{
	const struct domain *domain = service_domain(a->all->service);

	forget_person(a);
	a->step = 0;
	if (name_plan(&a->plan, a->username, domain->netbios, domain->realm) == -1) {
		attempt_answer(a, STATUS_INVALID_CREDENTIALS, false, "unknown_user");
		return;
	}
	search_step(a);
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
	if (a->bind != NULL)
		count_failure(a);
	operation_cancel(a->bind);
	a->bind = NULL;
	/* With a bind under way the connection belongs to that bind. */
	if (a->pooled != NULL)
		pool_release(a->all->pool, a->pooled, false);
	a->pooled = NULL;
	seat_leave(&a->seat);
}
