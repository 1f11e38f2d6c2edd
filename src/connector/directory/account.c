/* SPDX-License-Identifier: ISC */
/*
 * From an entry to an account. The class is checked here and not in the search
 * filter, which would make the search ten times as expensive.
 */
#include "build.h"

#include "account.h"

#include "common/wire.h"

#include <stdlib.h>
#include <string.h>

#define ATTRIBUTES                                                                                 \
	"objectClass", "objectGUID", "objectSid", "sAMAccountName", "userPrincipalName", "mail",   \
	    "displayName", "givenName", "sn", "telephoneNumber", "mobile", "title", "department",  \
	    "manager", "userAccountControl", "msDS-User-Account-Control-Computed", "adminCount",   \
	    "lockoutTime", "badPwdCount", "badPasswordTime", "msDS-ResultantPSO"

const char *const account_attributes[] = { ATTRIBUTES, NULL };
const char *const account_and_groups_attributes[] = { ATTRIBUTES, "tokenGroups", NULL };
const char *const account_state_attributes[] = { ATTRIBUTES, "accountExpires", "pwdLastSet",
	"userWorkstations", "logonHours", NULL };

/* What is no count of 32 bits (MS-ADTS: badPwdCount) is not read. */
static void
read_count(const struct entry *entry, const char *name, struct account_number *number)
{
	number->read = entry_integer(entry, name, &number->value) == 0 && number->value >= 0 &&
	    number->value <= INT32_MAX;
}

static void
read_number(const struct entry *entry, const char *name, struct account_number *number)
{
	number->read = entry_integer(entry, name, &number->value) == 0;
}

static bool
dn_good(const struct berval *dn)
{
	return dn->bv_len > 0 && dn->bv_len <= ACCOUNT_DN_MAX &&
	    memchr(dn->bv_val, '\0', dn->bv_len) == NULL && utf8_valid(dn->bv_val, dn->bv_len);
}

/* -1: no memory. What is missing then would count as not set. */
static int
read_strings(struct account *account, const struct entry *entry)
{
	const struct {
		const char *name;
		size_t max;
		char **dst;
	} strings[] = {
		{ "sAMAccountName", ACCOUNT_TEXT_MAX, &account->sam },
		{ "userPrincipalName", ACCOUNT_TEXT_MAX, &account->upn },
		{ "mail", ACCOUNT_TEXT_MAX, &account->mail },
		{ "displayName", ACCOUNT_TEXT_MAX, &account->display_name },
		{ "givenName", ACCOUNT_TEXT_MAX, &account->given_name },
		{ "sn", ACCOUNT_TEXT_MAX, &account->surname },
		{ "telephoneNumber", ACCOUNT_TEXT_MAX, &account->telephone },
		{ "mobile", ACCOUNT_TEXT_MAX, &account->mobile },
		{ "title", ACCOUNT_TEXT_MAX, &account->title },
		{ "department", ACCOUNT_TEXT_MAX, &account->department },
		{ "manager", ACCOUNT_DN_MAX, &account->manager },
		{ "msDS-ResultantPSO", ACCOUNT_DN_MAX, &account->pso },
		{ "userWorkstations", ACCOUNT_TEXT_MAX, &account->workstations },
	};
	size_t i;

	if ((account->dn = strndup(entry->dn.bv_val, entry->dn.bv_len)) == NULL)
		return -1;
	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (entry_string(entry, strings[i].name, strings[i].max, strings[i].dst) == -1)
			return -1;
	}
	return 0;
}

static void
read_logon_hours(struct account *account, const struct entry *entry)
{
	const struct entry_attribute *attribute = entry_single(entry, "logonHours");

	account->has_logon_hours =
	    attribute != NULL && attribute->values[0].bv_len == LOGON_HOURS_SIZE;
	if (account->has_logon_hours)
		memcpy(account->logon_hours, attribute->values[0].bv_val, LOGON_HOURS_SIZE);
}

enum account_reading
account_read(struct account *account, const struct entry *entry)
{
	const struct entry_attribute *attribute;
	int64_t control;

	memset(account, 0, sizeof(*account));
	if (entry_has_value(entry, "objectClass", "computer") ||
	    (entry_get(entry, "objectClass") != NULL &&
		!entry_has_value(entry, "objectClass", "user")))
		return ACCOUNT_OTHER;
	/* A contact or group has none; of a user it may be hidden. */
	if (entry_single(entry, "userAccountControl") == NULL ||
	    entry_integer(entry, "userAccountControl", &control) == -1 || control < INT32_MIN ||
	    control > INT32_MAX)
		return entry_has_value(entry, "objectClass", "user") ? ACCOUNT_UNREADABLE
								     : ACCOUNT_OTHER;
	account->control = (uint32_t)control;
	if ((account->control & UAC_NORMAL) == 0 || (account->control & UAC_TRUST_ACCOUNTS) != 0)
		return ACCOUNT_OTHER;
	if (entry_get(entry, "objectClass") == NULL)
		return ACCOUNT_UNREADABLE;
	if ((attribute = entry_single(entry, "objectGUID")) == NULL ||
	    guid_read(account->guid, attribute->values[0].bv_val, attribute->values[0].bv_len) ==
		-1)
		return ACCOUNT_UNREADABLE;
	/* It may be hidden. One that is shown and is none hides who it is. */
	if (entry_shows(entry, "objectSid")) {
		attribute = entry_single(entry, "objectSid");
		account->has_sid = attribute != NULL &&
		    sid_read(&account->sid, attribute->values[0].bv_val,
			attribute->values[0].bv_len) == 0;
		if (!account->has_sid)
			return ACCOUNT_UNREADABLE;
	}
	if (entry_single(entry, "sAMAccountName") == NULL || !dn_good(&entry->dn))
		return ACCOUNT_UNREADABLE;
	if (read_strings(account, entry) == -1) {
		account_free(account);
		return ACCOUNT_NO_MEMORY;
	}
	if (account->sam == NULL) {
		account_free(account);
		return ACCOUNT_UNREADABLE;
	}
	read_number(entry, "msDS-User-Account-Control-Computed", &account->computed);
	read_number(entry, "adminCount", &account->admin_count);
	read_number(entry, "lockoutTime", &account->lockout_time);
	read_count(entry, "badPwdCount", &account->bad_password_count);
	read_number(entry, "badPasswordTime", &account->bad_password_time);
	read_number(entry, "accountExpires", &account->expires);
	read_number(entry, "pwdLastSet", &account->password_set);
	read_logon_hours(account, entry);
	return ACCOUNT_READ;
}

void
account_free(struct account *account)
{
	free(account->dn);
	free(account->sam);
	free(account->upn);
	free(account->mail);
	free(account->display_name);
	free(account->given_name);
	free(account->surname);
	free(account->telephone);
	free(account->mobile);
	free(account->title);
	free(account->department);
	free(account->manager);
	free(account->pso);
	free(account->workstations);
	memset(account, 0, sizeof(*account));
}

bool
account_is(const struct account *account, const struct name_step *step)
{
	const char *text = NULL;

	switch (step->attribute) {
	case NAME_SAM:
		text = account->sam;
		break;
	case NAME_UPN:
		text = account->upn;
		break;
	case NAME_MAIL:
		text = account->mail;
		break;
	}
	return text != NULL && names_equal(text, strlen(text), step->value, strlen(step->value));
}
