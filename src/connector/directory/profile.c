/* SPDX-License-Identifier: ISC */
/*
 * A member that AD does not show is null or [], one that is known to be
 * unreadable is left out.
 */
#include "build.h"

#include "profile.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int
set_text(json_t *object, const char *key, const char *text)
{
	/* Values were checked when they were read: UTF-8, no NUL. */
	return json_object_set_new_nocheck(
	    object, key, text == NULL ? json_null() : json_string_nocheck(text));
}

static int
set_identity(json_t *user, const struct account *a, const char *realm)
{
	char guid[GUID_TEXT_SIZE], implied[ACCOUNT_TEXT_MAX + 258];
	const char *name = a->upn;

	guid_text(a->guid, guid);
	/* MS-ADTS 5.1.1.1.1: without a UPN, sAMAccountName@realm is one all the same. */
	if (name == NULL && realm[0] != '\0' &&
	    snprintf(implied, sizeof(implied), "%s@%s", a->sam, realm) < (int)sizeof(implied))
		name = implied;
	return set_text(user, "id", guid) | set_text(user, "userName", name) |
	    set_text(user, "sAMAccountName", a->sam);
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

static json_t *
typed_value(const char *type, const char *value)
{
	json_t *object = json_object();

	if (type != NULL && set_text(object, "type", type) == -1)
		goto fail;
	if (set_text(object, "value", value) == -1)
		goto fail;
	return object;
fail:
	json_decref(object);
	return NULL;
}

static json_t *
values(const char *type, const char *value, const char *type2, const char *value2)
{
	json_t *array = json_array();

	if ((value != NULL && json_array_append_new(array, typed_value(type, value)) == -1) ||
	    (value2 != NULL && json_array_append_new(array, typed_value(type2, value2)) == -1)) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static json_t *
group_list(const struct profile_groups *groups)
{
	char guid[GUID_TEXT_SIZE];
	json_t *array = json_array(), *group;
	size_t i;

	for (i = 0; i < groups->count; i++) {
		group = json_object();
		if (groups->items[i].has_guid)
			guid_text(groups->items[i].guid, guid);
		if (set_text(group, "id", groups->items[i].has_guid ? guid : NULL) == -1 ||
		    set_text(group, "name", groups->items[i].name) == -1) {
			json_decref(group);
			json_decref(array);
			return NULL;
		}
		if (json_array_append_new(array, group) == -1) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static int
set_details(json_t *user, const struct account *a, const struct profile_groups *groups)
{
	json_t *name = json_object();

	if (set_text(name, "givenName", a->given_name) == -1 ||
	    set_text(name, "familyName", a->surname) == -1) {
		json_decref(name);
		return -1;
	}
	if (json_object_set_new_nocheck(user, "name", name) == -1 ||
	    set_text(user, "displayName", a->display_name) == -1 ||
	    json_object_set_new_nocheck(user, "emails", values("work", a->mail, NULL, NULL)) ==
		-1 ||
	    json_object_set_new_nocheck(
		user, "phoneNumbers", values("work", a->telephone, "mobile", a->mobile)) == -1 ||
	    set_text(user, "title", a->title) == -1 ||
	    set_text(user, "department", a->department) == -1 ||
	    set_text(user, "manager", a->manager) == -1 ||
	    set_text(user, "organizationalUnit", parent_dn(a->dn)) == -1 ||
	    set_text(user, "distinguishedName", a->dn) == -1 ||
	    json_object_set_new_nocheck(
		user, "active", json_boolean((a->control & UAC_DISABLED) == 0)) == -1)
		return -1;
	if (!groups->read)
		return 0;
	return json_object_set_new_nocheck(user, "groups", group_list(groups));
}

char *
profile_write(const struct account *account, const struct profile_groups *groups, const char *realm)
{
	json_t *user = json_object();
	char *text = NULL;

	if (set_identity(user, account, realm) == 0 &&
	    (groups == NULL || set_details(user, account, groups) == 0))
		text = json_dumps(user, JSON_COMPACT);
	json_decref(user);
	return text;
}
