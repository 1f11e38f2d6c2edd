/* SPDX-License-Identifier: ISC */
/*
 * What decides about a login before any bind: policy, lock-out budget, used texts,
 * one at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "account_state.h"
#include "lockout.h"
#include "policy.h"
#include "common/replay.h"
#include "seats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE (60 * FILETIME_SECOND)
#define NOW (1000000 * MINUTE)

static struct sid
sid(const char *text)
{
	struct sid s;

	assert_int_equal(sid_parse(&s, text), 0);
	return s;
}

static const char *
refuses(const struct policy *policy, const struct account *a, const char *group)
{
	struct sid domain = sid("S-1-5-21-1-2-3"), groups[2];
	struct membership m = { true, groups, 2 };

	groups[0] = sid("S-1-5-21-1-2-3-513");
	groups[1] = sid(group);
	return policy_refuses(policy, a, &m, &domain);
}

static void
policy_privileged(void **state)
{
	static const char *const privileged[] = { "S-1-5-21-1-2-3-512", "S-1-5-21-9-9-9-519",
		"S-1-5-21-1-2-3-518", "S-1-5-21-1-2-3-516", "S-1-5-21-1-2-3-520",
		"S-1-5-21-1-2-3-521", "S-1-5-32-544", "S-1-5-32-548", "S-1-5-32-551" };
	static const char *const plain[] = { "S-1-5-21-1-2-3-514", "S-1-5-32-545",
		"S-1-5-21-1-2-512", "S-1-5-21-1-2-3-4-512", "S-1-5-21-1-2-3-1544", "S-1-1-0" };
	struct policy policy = { .deny_privileged = true };
	struct sid domain = sid("S-1-5-21-1-2-3");
	struct membership unread = { false, NULL, 0 };
	struct account a = { .has_sid = true };
	size_t i;

	(void)state;
	a.sid = sid("S-1-5-21-1-2-3-1104");
	for (i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++)
		assert_string_equal(refuses(&policy, &a, privileged[i]), "privileged");
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_null(refuses(&policy, &a, plain[i]));
	/* Groups that cannot be read are not "no groups". */
	assert_string_equal(policy_refuses(&policy, &a, &unread, &domain), "groups_unreadable");
	a.admin_count.read = true;
	assert_null(refuses(&policy, &a, plain[0]));
	a.admin_count.value = 1;
	assert_string_equal(refuses(&policy, &a, plain[0]), "privileged");
	a.admin_count.read = false;
	a.sid = sid("S-1-5-21-1-2-3-500");
	assert_string_equal(refuses(&policy, &a, plain[0]), "privileged");
	a.sid = sid("S-1-5-21-9-9-9-500");
	assert_null(refuses(&policy, &a, plain[0]));
	policy.deny_privileged = false;
	assert_null(refuses(&policy, &a, privileged[0]));
	assert_null(policy_refuses(&policy, &a, &unread, NULL));
}

static void
policy_lists(void **state)
{
	struct policy policy = { .deny_privileged = false };
	struct account a = { .has_sid = false };
	char name[POLICY_GROUP_NAME_SIZE + 1];
	int i;

	(void)state;
	assert_int_equal(policy_groups_add(&policy.allow, "S-1-5-21-1-2-3-2000"), 0);
	assert_int_equal(policy_groups_add(&policy.allow, "Sales"), 0);
	assert_true(policy.allow.items[0].known);
	assert_false(policy.allow.items[1].known);
	assert_true(policy_needs_groups(&policy));
	assert_null(refuses(&policy, &a, "S-1-5-21-1-2-3-2000"));
	/* A name that is not resolved lets nobody in. */
	assert_string_equal(refuses(&policy, &a, "S-1-5-21-1-2-3-2001"), "not_in_allow_groups");
	policy.allow.items[1].sid = sid("S-1-5-21-1-2-3-2001");
	policy.allow.items[1].known = true;
	assert_null(refuses(&policy, &a, "S-1-5-21-1-2-3-2001"));
	/* To be denied counts more than to be allowed. */
	assert_int_equal(policy_groups_add(&policy.deny, "S-1-5-21-1-2-3-513"), 0);
	assert_string_equal(refuses(&policy, &a, "S-1-5-21-1-2-3-2001"), "in_deny_groups");
	/* A denied group that is not (any more) in the directory: everybody may be in it. */
	assert_int_equal(policy_groups_add(&policy.deny, "Contractors"), 0);
	assert_string_equal(refuses(&policy, &a, "S-1-5-21-1-2-3-2001"), "in_deny_groups");
	assert_string_equal(refuses(&policy, &a, "S-1-5-21-1-2-3-2000"), "in_deny_groups");
	policy_groups_free(&policy.deny);
	assert_int_equal(policy_groups_add(&policy.deny, "Contractors"), 0);
	assert_string_equal(refuses(&policy, &a, "S-1-5-21-1-2-3-2000"), "deny_groups_unknown");
	policy.deny.items[0].sid = sid("S-1-5-21-1-2-3-2002");
	policy.deny.items[0].known = true;
	assert_null(refuses(&policy, &a, "S-1-5-21-1-2-3-2000"));
	policy_groups_free(&policy.deny);
	policy_groups_free(&policy.allow);
	assert_false(policy_needs_groups(&policy));

	assert_int_equal(policy_groups_add(&policy.allow, ""), -1);
	memset(name, 'a', sizeof(name));
	name[POLICY_GROUP_NAME_SIZE] = '\0';
	assert_int_equal(policy_groups_add(&policy.allow, name), -1);
	name[POLICY_GROUP_NAME_SIZE - 1] = '\0';
	assert_int_equal(policy_groups_add(&policy.allow, name), 0);
	for (i = 1; i < POLICY_GROUPS_MAX; i++)
		assert_int_equal(policy_groups_add(&policy.allow, "x"), 0);
	assert_int_equal(policy_groups_add(&policy.allow, "x"), -1);
	policy_groups_free(&policy.allow);
}

static const struct lockout_limits limits = { 2, 3 };
static struct lockout_standing standing; /* of the last verdict */

static struct account
account_with(int64_t count, int64_t minutes_ago)
{
	struct account a;

	memset(&a, 0, sizeof(a));
	a.guid[0] = 1;
	a.bad_password_count.read = a.bad_password_time.read = true;
	a.bad_password_count.value = count;
	a.bad_password_time.value = NOW - minutes_ago * MINUTE;
	return a;
}

static void
lockout_counts_of_ad(void **state)
{
	struct lockout_policy policy = { true, 5, 30 * MINUTE, 30 * MINUTE };
	struct lockout *l = lockout_new(4);
	struct account a;

	(void)state;
	a = account_with(0, 0);
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	assert_true(standing.from_directory);
	assert_int_equal(standing.threshold, 5);
	assert_int_equal(standing.budget, 3);
	assert_int_equal(standing.count, 0);
	a = account_with(2, 0);
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	a = account_with(3, 0);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_PROTECTED);
	assert_int_equal(standing.count, 3);
	/* Beyond the window the count is void. */
	a = account_with(3, 29);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_PROTECTED);
	a = account_with(3, 31);
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	/* Threshold 0: AD never locks. A margin that is too large leaves one try. */
	a = account_with(100, 0);
	policy.threshold = 0;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	policy.threshold = 2;
	a = account_with(0, 0);
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	a = account_with(1, 0);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_PROTECTED);
	lockout_free(l);
}

static void
lockout_unknown_threshold(void **state)
{
	struct lockout_policy policy = { false, 0, 0, 0 };
	const struct lockout_limits off = { 2, 0 };
	struct lockout *l = lockout_new(4);
	struct account a = account_with(1, 0);

	(void)state;
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_PROTECTED);
	assert_int_equal(lockout_judge(l, &a, &policy, &off, NOW, NOW, &standing), LOCKOUT_FREE);
	a = account_with(1, 31); /* the default window of 30 minutes */
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	lockout_free(l);
}

/* What a bind without an answer did nobody knows: not the fault of who tries next. */
static void
lockout_lost_binds(void **state)
{
	struct lockout_policy policy = { true, 5, 30 * MINUTE, 0 };
	struct lockout *l = lockout_new(4);
	struct account a = account_with(0, 0);
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(
		    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
		assert_int_equal(standing.lost, i);
		lockout_failed(l, a.guid, policy.window, NOW, true);
	}
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_UNCERTAIN);
	assert_int_equal(standing.count, 3);
	/* A count that was read later holds what they did. */
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW + 1, NOW + 1, &standing), LOCKOUT_FREE);
	/* Enough that were refused for certain. */
	for (i = 0; i < 2; i++)
		lockout_failed(l, a.guid, policy.window, NOW, false);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_UNCERTAIN);
	lockout_failed(l, a.guid, policy.window, NOW, false);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_PROTECTED);
	assert_int_equal(standing.count - standing.lost, 3);
	/* The oldest is forgotten with its kind. */
	for (i = 0; i < 32; i++)
		lockout_failed(l, a.guid, policy.window, NOW, true);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_UNCERTAIN);
	assert_int_equal(standing.lost, standing.count);
	lockout_free(l);
}

static void
lockout_own_failures(void **state)
{
	struct lockout_policy policy = { true, 5, 30 * MINUTE, 0 };
	struct lockout *l = lockout_new(4);
	struct account a = account_with(1, 0);
	int i;

	(void)state;
	/* Two failures after the count was read are added to it, earlier ones are in it. */
	lockout_failed(l, a.guid, policy.window, NOW - 10, false);
	lockout_failed(l, a.guid, policy.window, NOW + 1, false);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW + 5, &standing), LOCKOUT_FREE);
	lockout_failed(l, a.guid, policy.window, NOW + 2, false);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW + 5, &standing), LOCKOUT_PROTECTED);
	lockout_succeeded(l, a.guid);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW + 5, &standing), LOCKOUT_FREE);

	/* The count is hidden: only our own are known. */
	memset(&a.bad_password_count, 0, sizeof(a.bad_password_count));
	for (i = 0; i < 3; i++) {
		assert_int_equal(
		    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
		lockout_failed(l, a.guid, policy.window, NOW, false);
	}
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_PROTECTED);
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW + 31 * MINUTE, &standing),
	    LOCKOUT_FREE);
	/* A threshold above what is remembered does not mean "for ever". */
	policy.threshold = 1000;
	for (i = 0; i < 40; i++)
		lockout_failed(l, a.guid, policy.window, NOW, false);
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_PROTECTED);
	lockout_free(l);
}

static void
lockout_table_is_bounded(void **state)
{
	struct lockout_policy policy = { true, 5, 30 * MINUTE, 0 };
	struct lockout *l = lockout_new(2);
	struct account a = account_with(0, 0);

	(void)state;
	memset(&a.bad_password_count, 0, sizeof(a.bad_password_count));
	a.guid[0] = 1;
	lockout_failed(l, a.guid, policy.window, NOW, false);
	a.guid[0] = 2;
	lockout_failed(l, a.guid, policy.window, NOW, false);
	a.guid[0] = 3;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FULL);
	lockout_failed(l, a.guid, policy.window, NOW, false); /* no room: nothing is pushed out */
	a.guid[0] = 1;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	/* Those whose window has passed make room. */
	a.guid[0] = 3;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW + 31 * MINUTE, &standing),
	    LOCKOUT_FREE);
	/* Where AD tells its count, a full table does not matter. */
	a = account_with(0, 0);
	a.guid[0] = 9;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	lockout_free(l);
}

/* A directory may say any number. A window without end is not one that has passed. */
static void
lockout_absurd_windows(void **state)
{
	struct lockout_policy policy = { true, INT64_MAX, INT64_MAX, INT64_MAX };
	struct lockout *l = lockout_new(1);
	struct account a = account_with(0, 0);

	(void)state;
	memset(&a.bad_password_count, 0, sizeof(a.bad_password_count));
	a.guid[0] = 1;
	lockout_failed(l, a.guid, policy.window, NOW, false);
	a.guid[0] = 2;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FULL);
	a.guid[0] = 1;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	lockout_free(l);
}

static void
lockout_locked(void **state)
{
	struct lockout_policy policy = { true, 5, 30 * MINUTE, 30 * MINUTE };
	struct lockout *l = lockout_new(4);
	struct account a = account_with(5, 0);

	(void)state;
	a.computed.read = true;
	a.computed.value = UAC_LOCKED | 0x800000;
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_LOCKED);
	/* The computed value knows that a lock has ended; lockoutTime does not. */
	a.computed.value = 0;
	a.bad_password_count.value = 0;
	a.lockout_time.read = true;
	a.lockout_time.value = NOW - MINUTE;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	a.computed.read = false;
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_LOCKED);
	a.lockout_time.value = NOW - 31 * MINUTE;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	policy.duration = 0; /* until an administrator ends it */
	assert_int_equal(
	    lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_LOCKED);
	a.lockout_time.value = 0;
	assert_int_equal(lockout_judge(l, &a, &policy, &limits, NOW, NOW, &standing), LOCKOUT_FREE);
	lockout_free(l);
}

static void
replays(void **state)
{
	struct replay *r = replay_new(1024, 0);
	char jti[32];
	int i;

	(void)state;
	assert_int_equal(replay_check(r, "AAAAAAAAAAAAAAAAAAAAAA", 0, 1000), REPLAY_NEW);
	assert_int_equal(replay_check(r, "AAAAAAAAAAAAAAAAAAAAAA", 0, 1000), REPLAY_SEEN);
	assert_int_equal(replay_check(r, "AAAAAAAAAAAAAAAAAAAAAB", 0, 1000), REPLAY_NEW);
	/* For ten minutes, and through all of them. */
	for (i = 0; i <= 600; i += 30)
		assert_int_equal(
		    replay_check(r, "AAAAAAAAAAAAAAAAAAAAAA", 0, 1000 + i), REPLAY_SEEN);
	assert_int_equal(replay_check(r, "AAAAAAAAAAAAAAAAAAAAAA", 0, 1000 + 720), REPLAY_NEW);
	replay_free(r);

	/* A full minute refuses and forgets nothing; the next one has room. */
	r = replay_new(1024, 0);
	for (i = 0; i < 1024; i++) {
		snprintf(jti, sizeof(jti), "jti-%d", i);
		assert_int_equal(replay_check(r, jti, 0, 60), REPLAY_NEW);
	}
	assert_int_equal(replay_check(r, "one more", 0, 60), REPLAY_FULL);
	assert_int_equal(replay_check(r, "jti-0", 0, 60), REPLAY_SEEN);
	assert_int_equal(replay_check(r, "one more", 0, 120), REPLAY_NEW);
	for (i = 0; i < 1024; i++) {
		snprintf(jti, sizeof(jti), "jti-%d", i);
		assert_int_equal(replay_check(r, jti, 0, 60 + 600), REPLAY_SEEN);
	}
	replay_free(r);
	replay_free(NULL);
}

/* Somebody else says what time it is, and sets it back. */
static void
replays_of_any_time(void **state)
{
	struct replay *r = replay_new(1024, 8);
	char jti[32];
	int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		snprintf(jti, sizeof(jti), "jti-%d", i);
		assert_int_equal(replay_check(r, jti, 5000 + i, 60), REPLAY_NEW);
	}
	/* Long past the ten minutes, and as old as it was: known, and others of that time are new.
	 */
	assert_int_equal(replay_check(r, "jti-3", 5003, 60 + 3600), REPLAY_SEEN);
	assert_int_equal(replay_check(r, "other", 5003, 60 + 3600), REPLAY_NEW);
	/* One too many: what has to be forgotten is not new again, nor is what is as old. */
	assert_int_equal(replay_check(r, "now", 8600, 60 + 7200), REPLAY_NEW);
	for (i = 0; i < 8; i++) {
		snprintf(jti, sizeof(jti), "jti-%d", i);
		assert_int_equal(replay_check(r, jti, 5000 + i, 60 + 7200), REPLAY_FORGOTTEN);
	}
	assert_int_equal(replay_check(r, "another", 5007, 60 + 7200), REPLAY_FORGOTTEN);
	assert_int_equal(replay_check(r, "another", 5008, 60 + 7200), REPLAY_NEW);
	assert_int_equal(replay_check(r, "other", 5003, 60 + 7200), REPLAY_SEEN);
	replay_free(r);

	/* More in one minute than are kept of older ones. */
	r = replay_new(1024, 8);
	for (i = 0; i < 9; i++) {
		snprintf(jti, sizeof(jti), "jti-%d", i);
		assert_int_equal(replay_check(r, jti, 100 - i, 60), REPLAY_NEW);
	}
	assert_int_equal(replay_check(r, "jti-0", 100, 60 + 600), REPLAY_SEEN);
	assert_int_equal(replay_check(r, "jti-8", 92, 60 + 720), REPLAY_FORGOTTEN);
	assert_int_equal(replay_check(r, "new", 100, 60 + 720), REPLAY_FORGOTTEN);
	assert_int_equal(replay_check(r, "new", 101, 60 + 720), REPLAY_NEW);
	replay_free(r);
}

static int seated;

static void
on_seated(void *arg)
{
	seated = *(const int *)arg;
}

static void
one_seat_each(void **state)
{
	static const uint8_t alice[GUID_SIZE] = { 1 }, bob[GUID_SIZE] = { 2 };
	static struct seat_place places[SEAT_WAITERS_MAX + 2];
	static int numbers[SEAT_WAITERS_MAX + 2];
	struct seats *seats = seats_new();
	struct seat_place other = { .seated = on_seated };
	int i;

	(void)state;
	for (i = 0; i < SEAT_WAITERS_MAX + 2; i++) {
		numbers[i] = i;
		places[i].seated = on_seated;
		places[i].arg = &numbers[i];
		assert_int_equal(seat_take(seats, alice, &places[i]),
		    i == 0			? SEAT_YOURS
			: i <= SEAT_WAITERS_MAX ? SEAT_LATER
						: SEAT_FULL);
	}
	assert_int_equal(seat_take(seats, bob, &other), SEAT_YOURS);
	seat_leave(&other);
	seat_leave(&other); /* twice is nothing */
	/* The second waiter goes away, so the third follows the first. */
	seat_leave(&places[2]);
	assert_int_equal(seated, 0);
	seat_leave(&places[0]);
	assert_int_equal(seated, 1);
	seat_leave(&places[1]);
	assert_int_equal(seated, 3);
	for (i = 3; i <= SEAT_WAITERS_MAX; i++)
		seat_leave(&places[i]);
	assert_int_equal(seat_take(seats, alice, &places[0]), SEAT_YOURS);
	seat_leave(&places[0]);
	seats_free(seats);
}

/* Wednesday, 25 November 2026, 10:30 UTC */
#define WEDNESDAY filetime_from_unix(1795602600)

static void
account_states(void **state)
{
	struct account a = { .control = UAC_NORMAL };
	char workstations[] = "pc1,DC1,pc2";

	(void)state;
	assert_int_equal(account_state(&a, "dc1.lab.test", WEDNESDAY), STATUS_OK);
	a.computed = (struct account_number){ true, UAC_PASSWORD_EXPIRED };
	assert_int_equal(account_state(&a, "dc1.lab.test", WEDNESDAY), STATUS_PASSWORD_EXPIRED);
	a.password_set = (struct account_number){ true, 0 };
	assert_int_equal(account_state(&a, "dc1.lab.test", WEDNESDAY), STATUS_PASSWORD_MUST_CHANGE);
	/* It may not be readable: then nothing is said about it. */
	a.password_set.read = a.computed.read = false;
	assert_int_equal(account_state(&a, "dc1.lab.test", WEDNESDAY), STATUS_OK);
	a.password_set.read = true;
	a.control |= UAC_NEVER_EXPIRES;
	assert_int_equal(account_state(&a, "dc1.lab.test", WEDNESDAY), STATUS_OK);
	/* A bind over LDAP comes from the domain controller itself. */
	a.workstations = workstations;
	assert_int_equal(account_state(&a, "dc1.lab.test", WEDNESDAY), STATUS_OK);
	assert_int_equal(account_state(&a, "pc", WEDNESDAY), STATUS_WORKSTATION_DENIED);
	assert_int_equal(account_state(&a, "dc11.lab.test", WEDNESDAY), STATUS_WORKSTATION_DENIED);
	assert_int_equal(account_state(&a, "", WEDNESDAY), STATUS_WORKSTATION_DENIED);
	/* No hour of the week but Wednesday's eleventh. */
	a.has_logon_hours = true;
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY), STATUS_LOGON_HOURS);
	a.logon_hours[(3 * 24 + 10) / 8] = 1U << (3 * 24 + 10) % 8;
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY), STATUS_OK);
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY + 1799 * FILETIME_SECOND), STATUS_OK);
	assert_int_equal(
	    account_state(&a, "pc2", WEDNESDAY + 1800 * FILETIME_SECOND), STATUS_LOGON_HOURS);
	assert_int_equal(
	    account_state(&a, "pc2", WEDNESDAY - 86400 * FILETIME_SECOND), STATUS_LOGON_HOURS);
	a.expires = (struct account_number){ true, WEDNESDAY };
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY - 1), STATUS_OK);
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY), STATUS_ACCOUNT_EXPIRED);
	a.expires.value = 0;
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY), STATUS_OK);
	a.expires.value = FILETIME_NEVER;
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY), STATUS_OK);
	a.control |= UAC_DISABLED;
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY), STATUS_ACCOUNT_DISABLED);
	a.computed = (struct account_number){ true, UAC_LOCKED };
	assert_int_equal(account_state(&a, "pc2", WEDNESDAY), STATUS_ACCOUNT_LOCKED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(account_states),
		cmocka_unit_test(policy_privileged),
		cmocka_unit_test(policy_lists),
		cmocka_unit_test(lockout_counts_of_ad),
		cmocka_unit_test(lockout_unknown_threshold),
		cmocka_unit_test(lockout_lost_binds),
		cmocka_unit_test(lockout_own_failures),
		cmocka_unit_test(lockout_table_is_bounded),
		cmocka_unit_test(lockout_absurd_windows),
		cmocka_unit_test(lockout_locked),
		cmocka_unit_test(replays),
		cmocka_unit_test(replays_of_any_time),
		cmocka_unit_test(one_seat_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
