/* SPDX-License-Identifier: ISC */
/*
 * The customer's word on who may log in through the connector, before any
 * password is tried.  Groups are compared by SID only; names from the settings are
 * turned into SIDs when the service connection comes up.
 */
#ifndef ADC_DIRECTORY_POLICY_H
#define ADC_DIRECTORY_POLICY_H

#include "account.h"

#define POLICY_GROUPS_MAX 256
#define POLICY_GROUP_NAME_SIZE 257

struct policy_group {
	char text[POLICY_GROUP_NAME_SIZE]; /* as configured: sAMAccountName or SID */
	bool known;			   /* sid is valid */
	bool fixed;			   /* it was configured as a SID */
	struct sid sid;
};

struct policy_groups {
	struct policy_group *items;
	size_t count;
};

struct policy {
	bool deny_privileged;
	struct policy_groups allow; /* empty: everyone */
	struct policy_groups deny;
};

/* The groups of an account, nested and primary; not read is not the same as none. */
struct membership {
	bool read;
	struct sid *sids;
	size_t count;
};

/* Adds a configured group. -1: too many, too long, or no memory. */
int policy_groups_add(struct policy_groups *, const char *text);
void policy_groups_free(struct policy_groups *);
/* Must the groups be read before a decision? */
bool policy_needs_groups(const struct policy *);
/*
 * NULL when the account may log in, otherwise the reason in one word.  A group of
 * deny that is not known refuses everybody: it may have been renamed, or hidden from us.
 * domain may be NULL while the domain's SID is unknown.
 */
const char *policy_refuses(const struct policy *, const struct account *, const struct membership *,
    const struct sid *domain);
/* Tell without groups: adminCount, or an account that is privileged by itself. */
bool policy_privileged_account(const struct account *, const struct sid *domain);

#endif
