/* SPDX-License-Identifier: ISC */
/*
 * The message table: that its rows make sense together, and that the check
 * made from it says no where it should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/message.h"
#include "common/wire.h"

#include <string.h>

#define ALL_ROLES ((1U << ROLE_COUNT) - 1)
#define PARENT_BIT (1U << ROLE_PARENT)

static void
rows_make_sense(void **state)
{
	const struct message_rule *rule, *other;
	unsigned int type, k;

	(void)state;
	for (type = 0; type < MESSAGE_COUNT; type++) {
		rule = &message_rules[type];
		assert_non_null(rule->name);
		for (k = 0; k < type; k++) {
			other = &message_rules[k];
			assert_string_not_equal(rule->name, other->name);
		}
		if (rule->from == 0 || rule->to == 0 || ((rule->from | rule->to) & ~ALL_ROLES) != 0)
			fail_msg("%s: roles", rule->name);
		/* Nobody talks to himself, and the parent is on one side or on none. */
		if ((rule->from & rule->to) != 0)
			fail_msg("%s: a role is on both sides", rule->name);
		if ((rule->from & PARENT_BIT) != 0 && rule->from != PARENT_BIT)
			fail_msg("%s: the parent and a child may send it", rule->name);
		if ((rule->to & PARENT_BIT) != 0 && rule->to != PARENT_BIT)
			fail_msg("%s: the parent and a child may get it", rule->name);
		if (rule->states == 0 || (rule->states & ~(CHANNEL_CONFIG | CHANNEL_RUN)) != 0)
			fail_msg("%s: states", rule->name);
		if (rule->min > rule->max || rule->max > WIRE_MAX)
			fail_msg("%s: sizes", rule->name);
		if ((rule->flags & MESSAGE_FLAG_FD) != 0 &&
		    (rule->flags & MESSAGE_FLAG_FD_MAY) != 0)
			fail_msg("%s: FD and FD_MAY", rule->name);
		if ((rule->flags & MESSAGE_FLAG_ASKS) != 0 &&
		    (rule->flags & MESSAGE_FLAG_REPLY) != 0)
			fail_msg("%s: asks and replies", rule->name);
	}
}

/* What is asked can be answered by whom it was asked, on both sides of a relay too. */
static void
questions_have_answers(void **state)
{
	const struct message_rule *rule, *reply;
	unsigned int type, k;

	(void)state;
	for (type = 0; type < MESSAGE_COUNT; type++) {
		rule = &message_rules[type];
		if ((rule->flags & MESSAGE_FLAG_ASKS) == 0)
			continue;
		for (k = 0; k < MESSAGE_COUNT; k++) {
			reply = &message_rules[k];
			if ((reply->flags & MESSAGE_FLAG_REPLY) != 0 &&
			    (reply->from & rule->to) == rule->to &&
			    (reply->to & rule->from) == rule->from && k != MESSAGE_UNANSWERED)
				break;
		}
		if (k == MESSAGE_COUNT)
			fail_msg("%s asks and nobody can reply", rule->name);
	}
}

static void
relayed_rows(void **state)
{
	const struct message_rule *rule;
	unsigned int type;

	(void)state;
	for (type = 0; type < MESSAGE_COUNT; type++) {
		rule = &message_rules[type];
		if (!message_relayed(type)) {
			assert_true(((rule->from | rule->to) & PARENT_BIT) != 0);
			continue;
		}
		/* The connector's parent chooses by who asked: see its explain.c. */
		if (((rule->from | rule->to) & (1U << ROLE_WEB_PAGE)) != 0)
			continue;
		/* The hub's has no choice to make: there is one destination. */
		assert_int_equal(rule->to, 1U << message_destination(type));
		assert_int_equal(rule->states, CHANNEL_RUN);
	}
	assert_true(message_relayed(MESSAGE_TICKET_GET));
	assert_int_equal(message_destination(MESSAGE_TICKET_GET), ROLE_STORE);
	assert_int_equal(message_destination(MESSAGE_TICKET), ROLE_GATE_PUBLIC);
	assert_int_equal(message_destination(MESSAGE_LOGIN_DONE), ROLE_GATE_CONTROL);
	assert_false(message_relayed(MESSAGE_AUTHENTICATE));
	assert_false(message_relayed(MESSAGE_LOG));
}

static void
numbers_that_are_none(void **state)
{
	static const unsigned int none[] = { MESSAGE_COUNT, MESSAGE_COUNT + 1, 0xffff, 0x10000,
		UINT32_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_string_equal(message_name(none[i]), "unknown");
		assert_false(message_relayed(none[i]));
		assert_int_equal(message_destination(none[i]), ROLE_PARENT);
		assert_string_equal(
		    message_refused(ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN, none[i], 0, false),
		    "unknown type");
		assert_string_equal(role_name((enum role)(ROLE_COUNT + i)), "unknown");
		assert_string_equal(role_label((enum role)(ROLE_COUNT + i)), "unknown");
	}
}

static void
names(void **state)
{
	unsigned int role, other;

	(void)state;
	assert_string_equal(message_name(MESSAGE_HELLO), "HELLO");
	assert_string_equal(message_name(MESSAGE_LOGIN_DONE), "LOGIN_DONE");
	assert_string_equal(role_name(ROLE_GATE_CONTROL), "gate");
	assert_string_equal(role_label(ROLE_GATE_CONTROL), "gate-control");
	for (role = 0; role < ROLE_COUNT; role++) {
		assert_string_not_equal(role_name((enum role)role), "unknown");
		/* prctl(PR_SET_NAME) takes 15 bytes. */
		assert_true(strlen(role_label((enum role)role)) <= 15);
		for (other = 0; other < role; other++)
			assert_string_not_equal(
			    role_label((enum role)role), role_label((enum role)other));
	}
}

static void
refusals(void **state)
{
	static const struct {
		enum role from, to;
		unsigned int states, type;
		size_t len;
		bool fd;
		const char *why;
	} cases[] = {
		/* Sizes: DIAL is 7 bytes; CHECKED has a range. */
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIAL, 7, false, NULL },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIAL, 6, false, "too short" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIAL, 8, false, "too long" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIAL, 0, false, "too short" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIAL, SIZE_MAX, false, "too long" },
		{ ROLE_DIRECTORY, ROLE_PARENT, CHANNEL_RUN, MESSAGE_CHECKED, 31, false, NULL },
		{ ROLE_DIRECTORY, ROLE_PARENT, CHANNEL_RUN, MESSAGE_CHECKED, WIRE_MAX, false,
		    NULL },
		{ ROLE_DIRECTORY, ROLE_PARENT, CHANNEL_RUN, MESSAGE_CHECKED, WIRE_MAX + 1, false,
		    "too long" },
		/* Roles: the reply is not for the sender of the question. */
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN, MESSAGE_DIAL, 7, false,
		    "this role may not send it" },
		{ ROLE_CLOUD, ROLE_PARENT, CHANNEL_RUN, MESSAGE_CHECKED, 31, false,
		    "this role may not send it" },
		{ ROLE_PARENT, ROLE_CLOUD, CHANNEL_RUN, MESSAGE_CHECK_PASSWORD, 181, false,
		    "not for this role" },
		{ ROLE_PARENT, ROLE_CLOUD, CHANNEL_RUN, MESSAGE_SERVICE_PASSWORD, 4, false,
		    "not for this role" },
		{ ROLE_PARENT, ROLE_GATE_PUBLIC, CHANNEL_CONFIG, MESSAGE_SPAWN, 1, true,
		    "not for this role" },
		/* The control face of a program is another role. */
		{ ROLE_GATE_PUBLIC, ROLE_PARENT, CHANNEL_RUN, MESSAGE_ADMIN, 6, false,
		    "this role may not send it" },
		{ ROLE_GATE_CONTROL, ROLE_PARENT, CHANNEL_RUN, MESSAGE_ADMIN, 6, false, NULL },
		{ ROLE_PARENT, ROLE_STORE, CHANNEL_RUN, MESSAGE_ADMIN, 6, false, NULL },
		{ ROLE_PARENT, ROLE_GATE_PUBLIC, CHANNEL_RUN, MESSAGE_ADMIN, 6, false,
		    "not for this role" },
		{ ROLE_STORE, ROLE_PARENT, CHANNEL_RUN, MESSAGE_ADMIN, 6, false,
		    "this role may not send it" },
		/* States. */
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_CONFIG, MESSAGE_HELLO, 8, false, NULL },
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN, MESSAGE_HELLO, 8, false,
		    "not in this state" },
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_CONFIG, MESSAGE_DIALED, 13, false,
		    "not in this state" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_CONFIG, 8, false,
		    "not in this state" },
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_CONFIG, MESSAGE_LOG, 5, false, NULL },
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN, MESSAGE_LOG, 4096, false, NULL },
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN, MESSAGE_LOG, 4097, false, "too long" },
		/* Descriptors. */
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_RUN, MESSAGE_DIAL, 7, true,
		    "unexpected descriptor" },
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN, MESSAGE_DIALED, 13, true, NULL },
		{ ROLE_DIAL, ROLE_PARENT, CHANNEL_RUN, MESSAGE_DIALED, 13, false, NULL },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_CONFIG, MESSAGE_CONFIG_FD, 4, false,
		    "no descriptor" },
		{ ROLE_PARENT, ROLE_DIAL, CHANNEL_CONFIG, MESSAGE_CONFIG_FD, 4, true, NULL },
		{ ROLE_PARENT, ROLE_SPAWNER, CHANNEL_RUN, MESSAGE_SPAWN, 1, false,
		    "no descriptor" },
	};
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why = message_refused(cases[i].from, cases[i].to, cases[i].states, cases[i].type,
		    cases[i].len, cases[i].fd);
		if (cases[i].why == NULL ? why != NULL
					 : why == NULL || strcmp(why, cases[i].why) != 0)
			fail_msg("case %zu: %s", i, why == NULL ? "let through" : why);
	}
}

/*
 * Over every role, message and state: only the sender in the table gets a
 * message to the parent, and only the receiver in the table gets it from there.
 */
static void
every_leg(void **state)
{
	const struct message_rule *rule;
	unsigned int type, role, at;
	bool fd, in, out;

	(void)state;
	for (type = 0; type < MESSAGE_COUNT; type++) {
		rule = &message_rules[type];
		fd = (rule->flags & MESSAGE_FLAG_FD) != 0;
		for (role = ROLE_PARENT + 1; role < ROLE_COUNT; role++) {
			for (at = CHANNEL_CONFIG; at <= CHANNEL_RUN; at++) {
				in = message_refused((enum role)role, ROLE_PARENT, at, type,
					 rule->min, fd) == NULL;
				out = message_refused(ROLE_PARENT, (enum role)role, at, type,
					  rule->min, fd) == NULL;
				assert_int_equal(
				    in, (rule->from >> role & 1) != 0 && (rule->states & at) != 0);
				assert_int_equal(
				    out, (rule->to >> role & 1) != 0 && (rule->states & at) != 0);
			}
		}
	}
}

/* A secret that a child of the internet side could be sent, or a password to cloud, is a mistake.
 */
static void
secrets_stay_where_they_belong(void **state)
{
	static const unsigned int to_directory_only[] = { MESSAGE_CHECK_PASSWORD,
		MESSAGE_SERVICE_PASSWORD };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(to_directory_only) / sizeof(to_directory_only[0]); i++) {
		assert_int_equal(message_rules[to_directory_only[i]].to, 1U << ROLE_DIRECTORY);
		assert_true((message_rules[to_directory_only[i]].flags & MESSAGE_FLAG_SECRET) != 0);
	}
	assert_true((message_rules[MESSAGE_CONFIG].flags & MESSAGE_FLAG_SECRET) != 0);
	assert_true((message_rules[MESSAGE_SET].flags & MESSAGE_FLAG_SECRET) != 0);
	assert_true((message_rules[MESSAGE_ENROL].flags & MESSAGE_FLAG_SECRET) != 0);
	assert_true((message_rules[MESSAGE_TICKET_GET].flags & MESSAGE_FLAG_SECRET) != 0);
	/* Only the directory says whether a password was right. */
	assert_int_equal(message_rules[MESSAGE_CHECKED].from, 1U << ROLE_DIRECTORY);
	/* Only the parent gives orders to the spawner. */
	assert_int_equal(message_rules[MESSAGE_SPAWN].from, PARENT_BIT);
	assert_int_equal(message_rules[MESSAGE_KILL].from, PARENT_BIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_make_sense),
		cmocka_unit_test(questions_have_answers),
		cmocka_unit_test(relayed_rows),
		cmocka_unit_test(numbers_that_are_none),
		cmocka_unit_test(names),
		cmocka_unit_test(refusals),
		cmocka_unit_test(every_leg),
		cmocka_unit_test(secrets_stay_where_they_belong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
