/* SPDX-License-Identifier: ISC */
/*
 * A locked account is refused before its password is looked at; of the rest AD tells the first
 * that holds, in this order.
 */
#include "build.h"

#include "account_state.h"

#include <string.h>
#include <strings.h>

#define HOUR (3600 * FILETIME_SECOND)
#define DAY_HOURS 24
#define WEEK_DAYS 7
#define EPOCH_DAY 1 /* 1 January 1601 was a Monday; Sunday is 0 */

static bool
is_expired(const struct account *account, int64_t now)
{
	return account->expires.read && account->expires.value > 0 &&
	    account->expires.value != FILETIME_NEVER && account->expires.value <= now;
}

static bool
is_within_hours(const struct account *account, int64_t now)
{
	int64_t hours = now / HOUR;
	int64_t at = (hours / DAY_HOURS + EPOCH_DAY) % WEEK_DAYS * DAY_HOURS + hours % DAY_HOURS;

	return !account->has_logon_hours ||
	    (account->logon_hours[at / 8] & 1U << (unsigned int)(at % 8)) != 0;
}

/* userWorkstations: NetBIOS names with commas between them. */
static bool
is_among(const char *list, const char *server)
{
	size_t len = strcspn(server, "."), n;

	for (; *list != '\0'; list += n, list += *list == ',') {
		n = strcspn(list, ",");
		if (n == len && len > 0 && strncasecmp(list, server, len) == 0)
			return true;
	}
	return false;
}

static bool
must_change(const struct account *account)
{
	return account->password_set.read && account->password_set.value == 0 &&
	    (account->control & UAC_NEVER_EXPIRES) == 0;
}

enum status
account_state(const struct account *account, const char *server, int64_t now)
{
	uint64_t computed = account->computed.read ? (uint64_t)account->computed.value : 0;

	if ((computed & UAC_LOCKED) != 0)
		return STATUS_ACCOUNT_LOCKED;
	if ((account->control & UAC_DISABLED) != 0)
		return STATUS_ACCOUNT_DISABLED;
	if (is_expired(account, now))
		return STATUS_ACCOUNT_EXPIRED;
	if (!is_within_hours(account, now))
		return STATUS_LOGON_HOURS;
	if (account->workstations != NULL && !is_among(account->workstations, server))
		return STATUS_WORKSTATION_DENIED;
	if (must_change(account))
		return STATUS_PASSWORD_MUST_CHANGE;
	if ((computed & UAC_PASSWORD_EXPIRED) != 0)
		return STATUS_PASSWORD_EXPIRED;
	return STATUS_OK;
}

const char *
account_state_text(enum status status)
{
	switch (status) {
	case STATUS_OK:
		return "enabled, not locked, and its password has not expired";
	case STATUS_ACCOUNT_LOCKED:
		return "the account is locked after wrong passwords";
	case STATUS_ACCOUNT_DISABLED:
		return "the account is disabled";
	case STATUS_ACCOUNT_EXPIRED:
		return "the account has expired";
	case STATUS_LOGON_HOURS:
		return "the account may not log in at this hour";
	case STATUS_WORKSTATION_DENIED:
		return "the account may log in from certain workstations only";
	case STATUS_PASSWORD_MUST_CHANGE:
		return "the password must be changed before the first login";
	case STATUS_PASSWORD_EXPIRED:
		return "the password has expired";
	default:
		return "";
	}
}
