/* SPDX-License-Identifier: ISC */
/*
 * The decisions are attempt_find.c's and attempt_steps.c's.  Here they only become words, so that
 * what is explained cannot differ from what a login does.
 */
#include "build.h"

#include "account_state.h"
#include "attempt_internal.h"

#include "common/log.h"
#include "common/proc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 8000
#define PLAN_SIZE 128

static const char *
reason_text(const char *reason)
{
	static const struct {
		const char *reason;
		const char *text;
	} texts[] = {
		{ "unknown_user", "nobody below the base DN has this name" },
		{ "account_unreadable",
		    "somebody has this name, but an attribute that every user has cannot be read: "
		    "the service account lacks the right to read" },
		{ "privileged",
		    "policy.deny_privileged: an administrator's account, by adminCount or group" },
		{ "in_deny_groups", "policy.deny_groups: a member of a group in it" },
		{ "deny_groups_unknown",
		    "policy.deny_groups: a group in it is not in the directory, so everybody is "
		    "refused" },
		{ "not_in_allow_groups", "policy.allow_groups: a member of no group in it" },
		{ "groups_unreadable",
		    "policy: the groups (tokenGroups) cannot be read, so that no rule about them "
		    "can "
		    "be checked" },
		{ "busy", "too many logins of this person are under way" },
		{ "groups_not_read", "the groups could not be read just now" },
		{ "no_memory", "this process is short of memory: try again" },
		{ "search",
		    "the domain controller did not answer the search in time: is it overloaded or "
		    "stopped?" },
		{ "base_not_found", "directory.base: there is no such entry" },
		{ "binds_lost",
		    "tries whose answers were lost may have counted, and one more could lock the "
		    "account" },
		{ "connection_lost", "the connection was lost again and again during the search" },
		{ "draining", "this process is ending: try again" },
		{ "too_many", "too many logins or explanations are under way" },
		{ "stopped", "nobody waits for it any more" },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].reason, reason) == 0)
			return texts[i].text;
	return reason;
}

static void send_step(struct attempt *, enum explain_step, bool passed, const char *code,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The step is done; the next begins. */
static void
send_step(struct attempt *a, enum explain_step step, bool passed, const char *code,
    const char *format, ...)
{
	struct explanation *x = a->explanation;
	char text[TEXT_SIZE];
	struct timespec now;
	struct wire_writer w;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	clock_gettime(CLOCK_MONOTONIC, &now);
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)step);
	wire_put_u8(&w, passed);
	wire_put_u32(&w,
	    (uint32_t)((now.tv_sec - x->started.tv_sec) * 1000 +
		(now.tv_nsec - x->started.tv_nsec) / 1000000));
	wire_put_string(&w, code);
	wire_put_string(&w, text);
	proc_send(a->all->environment->proc, MESSAGE_EXPLAIN_STEP, a->id, &w, -1);
	x->started = now;
	x->step = step + 1;
}

static void
send_end(struct proc *proc, uint32_t id, enum status status, bool bind, const char *text)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)status);
	wire_put_u8(&w, bind);
	wire_put_string(&w, text);
	proc_send(proc, MESSAGE_EXPLAIN_END, id, &w, -1);
}

/* How the name is read, and by what the person was found, if so: which is what took time. */
static void
send_name(struct attempt *a)
{
	struct timespec started = a->explanation->started;
	bool found = a->found && a->step < a->plan.count;
	char plan[PLAN_SIZE] = "";
	size_t i, len = 0;

	for (i = 0; i < a->plan.count && len < sizeof(plan); i++)
		len += (size_t)snprintf(plan + len, sizeof(plan) - len, "%s%s",
		    i == 0 ? "" : ", then ", name_attribute(a->plan.steps[i].attribute));
	clock_gettime(CLOCK_MONOTONIC, &a->explanation->started);
	send_step(a, EXPLAIN_NAME, true, "ok", "read as %s%s%s", plan, found ? "; found by " : "",
	    found ? name_attribute(a->plan.steps[a->step].attribute) : "");
	a->explanation->started = started;
}

static void
send_not_a_name(struct attempt *a)
{
	const struct domain *domain = service_domain(a->all->service);
	const char *backslash = strchr(a->username, '\\');

	if (backslash != NULL && backslash != a->username && backslash[1] != '\0')
		send_step(a, EXPLAIN_NAME, false, "unknown_user",
		    "a name of the domain %.*s, but this one is %s", (int)(backslash - a->username),
		    a->username, domain->netbios[0] == '\0' ? "not known yet" : domain->netbios);
	else
		send_step(a, EXPLAIN_NAME, false, "unknown_user",
		    "nobody's name: a part of it is empty, begins or ends with a space, or holds a "
		    "control character");
}

void
explanation_person(struct attempt *a)
{
	struct explanation *x = a->explanation;
	char guid[GUID_TEXT_SIZE];

	send_name(a);
	guid_text(a->account.guid, guid);
	send_step(a, EXPLAIN_PERSON, true, "ok", "%s, objectGUID %s", a->account.dn, guid);
	x->account =
	    account_state(&a->account, service_host(a->all->service), service_now(a->all->service));
	send_step(a, EXPLAIN_ACCOUNT, x->account == STATUS_OK, status_word(x->account), "%s",
	    account_state_text(x->account));
}

void
explanation_groups(struct attempt *a)
{
	if (a->membership.read)
		send_step(a, EXPLAIN_GROUPS, true, "ok",
		    "a member of %zu groups, nested ones and the primary one included",
		    a->membership.count);
	else
		send_step(a, EXPLAIN_GROUPS, false, "groups_unreadable",
		    "the groups (tokenGroups) cannot be read: the service account lacks the right");
}

void
explanation_policy(struct attempt *a)
{
	send_step(a, EXPLAIN_POLICY, true, "ok", "no rule of this connector refuses the login");
}

void
explanation_lockout(
    struct attempt *a, const struct lockout_standing *standing, enum lockout_verdict verdict)
{
	const char *whose = standing->from_directory ? "counted by the domain controller"
						     : "of this connector's own";

	switch (verdict) {
	case LOCKOUT_LOCKED:
		send_step(a, EXPLAIN_LOCKOUT, false, "account_locked",
		    "the account is locked: its password would not be tried");
		return;
	case LOCKOUT_FULL:
		send_step(a, EXPLAIN_LOCKOUT, false, "lockout_table_full",
		    "too many accounts have wrong passwords now to count one more");
		return;
	case LOCKOUT_UNCERTAIN:
	case LOCKOUT_PROTECTED:
	case LOCKOUT_FREE:
		break;
	}
	if (standing->threshold == 0)
		send_step(
		    a, EXPLAIN_LOCKOUT, true, "ok", "wrong passwords do not lock this account");
	else
		send_step(a, EXPLAIN_LOCKOUT, verdict == LOCKOUT_FREE,
		    verdict == LOCKOUT_FREE	       ? "ok"
			: verdict == LOCKOUT_UNCERTAIN ? "binds_lost"
						       : "budget",
		    "%" PRId64 " wrong passwords, %s%s; %" PRId64 " lock the account, and %" PRId64
		    " of these are left to others: %s",
		    standing->count, whose,
		    standing->lost > 0 ? ", tries that were never answered included" : "",
		    standing->threshold, standing->threshold - standing->budget,
		    verdict == LOCKOUT_FREE ? "a bind would be made" : "no bind would be made");
}

/* Only a person who was found is named: people type passwords into the name's place. */
static void
log_end(const struct attempt *a, enum status status, const char *reason)
{
	const char *who = "a name that could not be looked for";

	if (a->found)
		who = a->account.sam;
	else if (status == STATUS_INVALID_CREDENTIALS)
		who = "a name that nobody has";
	else if (status == STATUS_AMBIGUOUS_USER)
		who = "a name that several people have";
	else if (strcmp(reason, "account_unreadable") == 0)
		who = "a name of somebody who cannot be read";
	log_info("explained %s: %s", who, status_word(status));
}

/* The step that ends the attempt, when it has not been told. */
static void
send_last(struct attempt *a, enum status status, const char *reason)
{
	const struct failure *failure = service_failure(a->all->service);
	struct explanation *x = a->explanation;

	if (status == STATUS_OK) {
		send_step(a, EXPLAIN_BIND, true, "ok", "a bind would be made as %s to %s",
		    a->account.dn, service_host(a->all->service));
		return;
	}
	if (x->step > EXPLAIN_LOCKOUT)
		return;
	if (status == STATUS_NOT_ALLOWED)
		x->step = EXPLAIN_POLICY;
	if (x->step == EXPLAIN_NAME && a->plan.count > 0)
		send_name(a);
	/* How a name is read is known once the directory was: what failed is to look for it. */
	else if (x->step == EXPLAIN_NAME && status != STATUS_INVALID_CREDENTIALS)
		x->step = EXPLAIN_PERSON;
	if (x->step == EXPLAIN_NAME && status == STATUS_INVALID_CREDENTIALS)
		send_not_a_name(a);
	else if (status == STATUS_AMBIGUOUS_USER)
		send_step(a, x->step, false, reason,
		    "%zu people have it, as far as was looked: it is nobody's name", x->hits);
	else if (status == STATUS_TIMEOUT)
		send_step(a, x->step, false, "timeout", "the directory did not answer in time");
	else
		send_step(a, x->step, false, reason, "%s",
		    strcmp(failure->code, reason) == 0 ? failure->text : reason_text(reason));
}

void
explanation_end(struct attempt *a, enum status status, const char *reason)
{
	enum status account = a->explanation->account;
	char text[512];

	send_last(a, status, reason);
	if (status != STATUS_OK)
		snprintf(text, sizeof(text), "a login would be refused without a bind: %s",
		    status_word(status));
	else if (account != STATUS_OK)
		snprintf(text, sizeof(text),
		    "a bind would be made, and refused by the directory: %s",
		    account_state_text(account));
	else
		snprintf(text, sizeof(text), "a login with the right password would succeed");
	log_end(a, status == STATUS_OK ? account : status, reason);
	send_end(a->all->environment->proc, a->id, status == STATUS_OK ? account : status,
	    status == STATUS_OK, text);
}

void
explanation_free(struct attempt *a)
{
	if (a->explanation == NULL)
		return;
	TAILQ_REMOVE(&a->all->explanations, a->explanation, entry);
	a->all->explanation_count--;
	free(a->explanation);
	a->explanation = NULL;
}

static struct attempt *
explanation_new(struct attempts *all, const char *username, uint32_t deadline_ms, uint32_t id)
{
	struct explanation *x;
	struct attempt *a;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		return NULL;
	if ((a = attempt_new(all, "explained", username, deadline_ms, id)) == NULL) {
		free(x);
		return NULL;
	}
	x->attempt = a;
	clock_gettime(CLOCK_MONOTONIC, &x->started);
	TAILQ_INSERT_TAIL(&all->explanations, x, entry);
	all->explanation_count++;
	a->explanation = x;
	return a;
}

void
attempts_explain(struct attempts *all, struct message *m)
{
	struct proc *proc = all->environment->proc;
	char username[NAME_SIZE];
	struct attempt *a;
	uint32_t deadline_ms;

	deadline_ms = wire_get_u32(&m->body);
	wire_get_string(&m->body, username, sizeof(username), 1);
	if (wire_end(&m->body) == -1 || deadline_ms == 0 || deadline_ms > EXPLANATION_DEADLINE_MAX)
		proc_bad_message(m);
	if (all->draining || all->count >= ATTEMPTS_MAX ||
	    all->explanation_count >= EXPLANATIONS_MAX)
		send_end(proc, m->id, STATUS_CONNECTOR_UNAVAILABLE, false,
		    reason_text(all->draining ? "draining" : "too_many"));
	else if ((a = explanation_new(all, username, deadline_ms, m->id)) == NULL)
		send_end(proc, m->id, STATUS_INTERNAL, false, "no memory");
	else
		attempt_wait(a);
}

void
attempts_explain_stop(struct attempts *all, struct message *m)
{
	struct explanation *x;

	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	TAILQ_FOREACH (x, &all->explanations, entry) {
		if (x->attempt->id == m->id) {
			attempt_answer(x->attempt, STATUS_CONNECTOR_UNAVAILABLE, false, "stopped");
			return;
		}
	}
}
