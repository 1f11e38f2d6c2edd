/* SPDX-License-Identifier: ISC */
/*
 * A member that AD does not show is null or [], one that is known to be
 * unreadable is left out.
 */
#include "build.h"

#include "profile.h"

#include "common/json_text.h"

#include <stdio.h>

static void
write_identity(struct json_text *t, const struct account *a, const char *realm)
{
	char guid[GUID_TEXT_SIZE], implied[ACCOUNT_TEXT_MAX + 258];
	const char *name = a->upn;

	guid_text(a->guid, guid);
	/* MS-ADTS 5.1.1.1.1: without a UPN, sAMAccountName@realm is one all the same. */
	if (name == NULL && realm[0] != '\0' &&
	    snprintf(implied, sizeof(implied), "%s@%s", a->sam, realm) < (int)sizeof(implied))
		name = implied;
	json_text_string(t, "id", guid);
	json_text_string(t, "userName", name);
	json_text_string(t, "sAMAccountName", a->sam);
}

/* The DN behind its first component (RFC 4514: a comma may be escaped). */
static const char *
parent_dn(const char *dn)
{
	for (; *dn != '\0'; dn++) {
		if (*dn == '\\' && dn[1] != '\0')
			dn++;
		else if (*dn == ',')
			return dn + 1;
	}
	return NULL;
}

static void
write_typed(struct json_text *t, const char *type, const char *value)
{
	if (value == NULL)
		return;
	json_text_open(t, NULL, '{');
	json_text_string(t, "type", type);
	json_text_string(t, "value", value);
	json_text_close(t, '}');
}

static void
write_groups(struct json_text *t, const struct profile_groups *groups)
{
	char guid[GUID_TEXT_SIZE];
	size_t i;

	json_text_open(t, "groups", '[');
	for (i = 0; i < groups->count; i++) {
		if (groups->items[i].has_guid)
			guid_text(groups->items[i].guid, guid);
		json_text_open(t, NULL, '{');
		json_text_string(t, "id", groups->items[i].has_guid ? guid : NULL);
		json_text_string(t, "name", groups->items[i].name);
		json_text_close(t, '}');
	}
	json_text_close(t, ']');
}

static void
write_details(struct json_text *t, const struct account *a)
{
	json_text_open(t, "name", '{');
	json_text_string(t, "givenName", a->given_name);
	json_text_string(t, "familyName", a->surname);
	json_text_close(t, '}');
	json_text_string(t, "displayName", a->display_name);
	json_text_open(t, "emails", '[');
	write_typed(t, "work", a->mail);
	json_text_close(t, ']');
	json_text_open(t, "phoneNumbers", '[');
	write_typed(t, "work", a->telephone);
	write_typed(t, "mobile", a->mobile);
	json_text_close(t, ']');
	json_text_string(t, "title", a->title);
	json_text_string(t, "department", a->department);
	json_text_string(t, "manager", a->manager);
	json_text_string(t, "organizationalUnit", parent_dn(a->dn));
	json_text_string(t, "distinguishedName", a->dn);
	json_text_boolean(t, "active", (a->control & UAC_DISABLED) == 0);
}

char *
profile_write(const struct account *account, const struct profile_groups *groups, const char *realm)
{
	struct json_text t = { 0 };

	json_text_open(&t, NULL, '{');
	write_identity(&t, account, realm);
	if (groups != NULL)
		write_details(&t, account);
	if (groups != NULL && groups->read)
		write_groups(&t, groups);
	json_text_close(&t, '}');
	return json_text_end(&t, NULL);
}
