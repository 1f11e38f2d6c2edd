/* SPDX-License-Identifier: ISC */
/*
 * The message table and the check that is made from it.
 */
#include "message.h"

#include "wire.h"

#define BIT(role) (1U << ROLE_##role)
#define PARENT BIT(PARENT)
#define SPAWNER BIT(SPAWNER)
#define DIAL BIT(DIAL)
#define DIRECTORY BIT(DIRECTORY)
#define CLOUD BIT(CLOUD)
#define WEB_CONTROL BIT(WEB_CONTROL)
#define WEB_PAGE BIT(WEB_PAGE)
#define GATE_PUBLIC BIT(GATE_PUBLIC)
#define GATE_CONTROL BIT(GATE_CONTROL)
#define STORE BIT(STORE)
#define ANY_CHILD                                                                                  \
	(SPAWNER | DIAL | DIRECTORY | CLOUD | WEB_CONTROL | WEB_PAGE | GATE_PUBLIC |               \
	    GATE_CONTROL | STORE)

#define STATE_CONFIG CHANNEL_CONFIG
#define STATE_RUN CHANNEL_RUN
#define STATE_ANY (CHANNEL_CONFIG | CHANNEL_RUN)

#define NONE 0
#define ONCE MESSAGE_FLAG_ONCE
#define ASKS MESSAGE_FLAG_ASKS
#define REPLY MESSAGE_FLAG_REPLY
#define FD MESSAGE_FLAG_FD
#define FD_MAY MESSAGE_FLAG_FD_MAY
#define SECRET MESSAGE_FLAG_SECRET

const struct message_rule message_rules[MESSAGE_COUNT] = {
#define MESSAGE(name, from, to, state, flags, min, max)                                            \
	[MESSAGE_##name] = { #name, from, to, STATE_##state, flags, min, max },
#include "message.def"
#undef MESSAGE
};

static const struct {
	const char *name;
	const char *label;
} roles[ROLE_COUNT] = {
	[ROLE_PARENT] = { "parent", "parent" },
	[ROLE_SPAWNER] = { "spawner", "spawner" },
	[ROLE_DIAL] = { "dial", "dial" },
	[ROLE_DIRECTORY] = { "directory", "directory" },
	[ROLE_CLOUD] = { "cloud", "cloud" },
	[ROLE_WEB_CONTROL] = { "web", "web-control" },
	[ROLE_GATE_PUBLIC] = { "gate", "gate-public" },
	[ROLE_GATE_CONTROL] = { "gate", "gate-control" },
	[ROLE_STORE] = { "store", "store" },
	[ROLE_WEB_PAGE] = { "web", "web-page" },
};

const char *
message_name(unsigned int type)
{
	return type < MESSAGE_COUNT ? message_rules[type].name : "unknown";
}

const char *
role_name(enum role role)
{
	return (unsigned int)role < ROLE_COUNT ? roles[role].name : "unknown";
}

const char *
role_label(enum role role)
{
	return (unsigned int)role < ROLE_COUNT ? roles[role].label : "unknown";
}

bool
message_relayed(unsigned int type)
{
	return type < MESSAGE_COUNT && (message_rules[type].from & PARENT) == 0 &&
	    (message_rules[type].to & PARENT) == 0;
}

enum role
message_destination(unsigned int type)
{
	unsigned int role;

	for (role = ROLE_PARENT + 1; role < ROLE_COUNT; role++) {
		if (type < MESSAGE_COUNT && (message_rules[type].to & 1U << role) != 0)
			return (enum role)role;
	}
	return ROLE_PARENT;
}

const char *
message_refused(enum role from, enum role to, unsigned int states, unsigned int type, size_t len,
    bool has_descriptor)
{
	const struct message_rule *rule;

	if (type >= MESSAGE_COUNT)
		return "unknown type";
	rule = &message_rules[type];
	/* What is between two children passes the parent, on either leg. */
	if ((rule->from & 1U << from) == 0 && !(from == ROLE_PARENT && message_relayed(type)))
		return "this role may not send it";
	if ((rule->to & 1U << to) == 0 && !(to == ROLE_PARENT && message_relayed(type)))
		return "not for this role";
	if ((rule->states & states) == 0)
		return "not in this state";
	if (len < rule->min)
		return "too short";
	if (len > rule->max)
		return "too long";
	if (has_descriptor && (rule->flags & (MESSAGE_FLAG_FD | MESSAGE_FLAG_FD_MAY)) == 0)
		return "unexpected descriptor";
	if (!has_descriptor && (rule->flags & MESSAGE_FLAG_FD) != 0)
		return "no descriptor";
	return NULL;
}
