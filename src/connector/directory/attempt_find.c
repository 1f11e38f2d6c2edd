/* SPDX-License-Identifier: ISC */
/*
 * Who is meant by the name that was typed: where the name was found before, or by a search for
 * each of the things that it may be.
 *
 * A function that may answer is called last: the attempt may be gone after it.
 */
#include "build.h"

#include "attempt_internal.h"

#include "common/clock.h"
#include "filter.h"

#include <bsd/string.h>
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

static void search_step(struct attempt *);

/* It was the login's time that was over, or the directory took longer than a search may. */
void
attempt_search_timed_out(struct attempt *a)
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
	operation_cancel(a->groups_search);
	a->groups_search = NULL;
	group_lookup_cancel(a->group_lookup);
	a->group_lookup = NULL;
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
bool
attempt_try_again(struct attempt *a)
{
	if (a->retries == RETRIES_MAX)
		return false;
	a->retries++;
	forget_person(a);
	attempt_wait(a);
	return true;
}

/* For a search that a decision waits for; after a loss the one that tells of the directory. */
struct connection *
attempt_search_connection(const struct attempt *a)
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
		if (!attempt_try_again(a))
			attempt_answer(a, STATUS_DIRECTORY_UNAVAILABLE, false, "connection_lost");
		return true;
	case LDAP_TIMEOUT:
		attempt_search_timed_out(a);
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

/* One person, and where the name was found before with the groups. */
static bool
is_found(const struct attempt *a, const struct outcome *outcome)
{
	return a->hits == 1 &&
	    (!a->at_known_dn || (outcome->code == LDAP_SUCCESS && a->membership.read));
}

/* Whatever was told there, a search for the name decides. */
static void
look_anew(struct attempt *a)
{
	forget_person(a);
	a->find_begun_us = clock_us();
	search_step(a);
}

static void
on_search_done(void *arg, const struct outcome *outcome)
{
	struct attempt *a = arg;

	a->search = NULL;
	if (!is_found(a, outcome) && !a->no_memory && a->step == 0) {
		name_cache_forget(a->all->names, &a->plan.steps[0]);
		/* Of a server that is gone or too busy no more is asked at once. */
		if (a->at_known_dn && outcome->code != LDAP_SERVER_DOWN &&
		    outcome->code != LDAP_BUSY) {
			look_anew(a);
			return;
		}
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
		attempt_found(a);
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
	struct connection *connection = attempt_search_connection(a);
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
	/*
	 * Where no rule needs the groups they are read beside the bind, and trouble with them
	 * refuses nobody.  An explanation tells what a search for the name finds.
	 */
	if (a->step == 0 && a->explanation == NULL &&
	    policy_needs_groups(&service_domain(a->all->service)->policy))
		dn = name_cache_find(a->all->names, step, clock_s());
	a->at_known_dn = dn != NULL;
	a->asked_at = service_now(a->all->service);
	strlcpy(a->asked_address, connection_address(connection), sizeof(a->asked_address));
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
	a->find_begun_us = clock_us();
	if (name_plan(&a->plan, a->username, domain->netbios, domain->realm) == -1) {
		attempt_answer(a, STATUS_INVALID_CREDENTIALS, false, "unknown_user");
		return;
	}
	search_step(a);
}
