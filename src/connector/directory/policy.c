/* SPDX-License-Identifier: ISC */
/*
 * What cannot be read is never taken for harmless: a rule about groups that
 * cannot be checked refuses.
 */
#include "build.h"

#include "policy.h"

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

/* MS-ADTS 3.1.1.6.1.2 (protected objects) and MS-DTYP 2.4.2.4 (well-known SIDs). */
static const uint32_t domain_groups[] = { 498, 512, 516, 518, 519, 520, 521, 526, 527 };
static const uint32_t builtin_groups[] = { 544, 548, 549, 550, 551, 552 };
static const uint32_t domain_accounts[] = { 500, 502 };

static bool
listed(const uint32_t *list, size_t n, uint32_t rid)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (list[i] == rid)
			return true;
	}
	return false;
}

#define LISTED(list, rid) listed(list, sizeof(list) / sizeof((list)[0]), rid)

int
policy_groups_add(struct policy_groups *groups, const char *text)
{
	struct policy_group *grown, *group;

	if (groups->count == POLICY_GROUPS_MAX || text[0] == '\0' ||
	    strlen(text) >= POLICY_GROUP_NAME_SIZE)
		return -1;
	grown = reallocarray(groups->items, groups->count + 1, sizeof(*grown));
	if (grown == NULL)
		return -1;
	groups->items = grown;
	group = &grown[groups->count++];
	memset(group, 0, sizeof(*group));
	strlcpy(group->text, text, sizeof(group->text));
	group->fixed = group->known = sid_parse(&group->sid, text) == 0;
	return 0;
}

void
policy_groups_free(struct policy_groups *groups)
{
	free(groups->items);
	memset(groups, 0, sizeof(*groups));
}

bool
policy_needs_groups(const struct policy *policy)
{
	return policy->deny_privileged || policy->allow.count > 0 || policy->deny.count > 0;
}

bool
policy_privileged_account(const struct account *account, const struct sid *domain)
{
	if (account->admin_count.read && account->admin_count.value > 0)
		return true;
	return domain != NULL && account->has_sid && sid_within(&account->sid, domain) &&
	    LISTED(domain_accounts, sid_rid(&account->sid));
}

/*
 * S-1-5-21-<three parts>-<RID> of any domain: schema and enterprise admins live
 * in the forest's root domain, which need not be the account's.
 */
static bool
privileged_group(const struct sid *sid)
{
	static const uint8_t nt_domain[] = { 1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0 };

	if (sid_builtin(sid))
		return LISTED(builtin_groups, sid_rid(sid));
	return sid->len == 28 && memcmp(sid->data, nt_domain, sizeof(nt_domain)) == 0 &&
	    LISTED(domain_groups, sid_rid(sid));
}

/* Of a group that is not in the directory nobody can be known to be no member. */
static bool
all_known(const struct policy_groups *groups)
{
	size_t i;

	for (i = 0; i < groups->count; i++) {
		if (!groups->items[i].known)
			return false;
	}
	return true;
}

static bool
member_of(const struct membership *membership, const struct policy_groups *groups)
{
	size_t i, j;

	for (i = 0; i < groups->count; i++) {
		for (j = 0; groups->items[i].known && j < membership->count; j++) {
			if (sid_equal(&groups->items[i].sid, &membership->sids[j]))
				return true;
		}
	}
	return false;
}

const char *
policy_refuses(const struct policy *policy, const struct account *account,
    const struct membership *membership, const struct sid *domain)
{
	size_t i;

	if (policy->deny_privileged && policy_privileged_account(account, domain))
		return "privileged";
	if (!policy_needs_groups(policy))
		return NULL;
	if (!membership->read)
		return "groups_unreadable";
	for (i = 0; policy->deny_privileged && i < membership->count; i++) {
		if (privileged_group(&membership->sids[i]))
			return "privileged";
	}
	if (member_of(membership, &policy->deny))
		return "in_deny_groups";
	if (!all_known(&policy->deny))
		return "deny_groups_unknown";
	if (policy->allow.count > 0 && !member_of(membership, &policy->allow))
		return "not_in_allow_groups";
	return NULL;
}
