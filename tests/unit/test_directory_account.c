/* SPDX-License-Identifier: ISC */
/*
 * From an entry to an account, its groups and its profile: what is read, what is
 * absent, and what may not be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "account.h"
#include "allocations.h"
#include "groups.h"
#include "profile.h"

#include <bsd/string.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUID_RAW "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"

/* Entries that point at literals, as libldap's point into a message. */
static struct berval values[ENTRY_ATTRIBUTES_MAX * 2];
static size_t used;

static struct berval
bytes(const char *data, size_t len)
{
	struct berval value;

	value.bv_len = len;
	memcpy(&value.bv_val, &data, sizeof(data));
	return value;
}

static void
add(struct entry *entry, const char *name, const char *value, size_t len)
{
	struct entry_attribute *attribute = &entry->attributes[entry->count++];

	attribute->name = bytes(name, strlen(name));
	attribute->values = &values[used];
	attribute->count = 1;
	values[used++] = bytes(value, len);
}

static void
add_text(struct entry *entry, const char *name, const char *value)
{
	add(entry, name, value, strlen(value));
}

static void
begin(struct entry *entry, const char *dn)
{
	memset(entry, 0, sizeof(*entry));
	used = 0;
	entry->dn = bytes(dn, strlen(dn));
}

static void
make_user(struct entry *entry)
{
	begin(entry, "CN=Alice\\, A,OU=People,DC=lab,DC=test");
	add_text(entry, "objectClass", "user");
	add_text(entry, "SAMACCOUNTNAME", "alice");
	add_text(entry, "userAccountControl", "512");
	add(entry, "objectGUID", GUID_RAW, 16);
}

static void
entry_values(void **state)
{
	static const struct {
		const char *name;
		size_t max;
	} none[] = { { "text", 2 }, { "nul", 10 }, { "latin", 10 }, { "empty", 10 },
		{ "tex", 10 } };
	struct entry entry;
	int64_t number;
	char *text, room[11];
	size_t i;

	(void)state;
	begin(&entry, "x");
	add_text(&entry, "Text", "abc");
	add(&entry, "nul", "a\0b", 3);
	add_text(&entry, "latin", "\xe4");
	add_text(&entry, "empty", "");
	add_text(&entry, "number", "42");
	add_text(&entry, "none", "");
	entry.attributes[5].count = 0;
	assert_int_equal(entry_string(&entry, "tExt", 3, &text), 0);
	assert_string_equal(text, "abc");
	free(text);
	assert_true(entry_text(&entry, "tExt", room, 4));
	assert_string_equal(room, "abc");
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(entry_string(&entry, none[i].name, none[i].max, &text), 0);
		assert_null(text);
		assert_false(entry_text(&entry, none[i].name, room, none[i].max + 1));
		assert_string_equal(room, "abc");
	}
	assert_null(entry_get(&entry, "none"));
	assert_int_equal(entry_integer(&entry, "number", &number), 0);
	assert_int_equal(number, 42);
	assert_int_equal(entry_integer(&entry, "text", &number), -1);
	assert_int_equal(entry_integer(&entry, "none", &number), -1);
	assert_true(entry_has_value(&entry, "text", "ABC"));
	assert_false(entry_has_value(&entry, "text", "ab"));
	assert_true(entry_has_value(&entry, "empty", ""));
}

static void
account_is_read(void **state)
{
	struct account a;
	struct entry entry;
	struct name_step step = { NAME_SAM, "ALICE" };

	(void)state;
	make_user(&entry);
	add_text(&entry, "badPwdCount", "3");
	add_text(&entry, "badPasswordTime", "x");
	add_text(&entry, "mail", "a@lab.test");
	assert_int_equal(account_read(&a, &entry), ACCOUNT_READ);
	assert_string_equal(a.sam, "alice");
	assert_null(a.upn);
	assert_true(a.bad_password_count.read);
	assert_int_equal(a.bad_password_count.value, 3);
	assert_false(a.bad_password_time.read);
	assert_false(a.computed.read);
	assert_false(a.has_sid);
	assert_true(account_is(&a, &step));
	step.attribute = NAME_UPN; /* it has none: equal to nothing */
	assert_false(account_is(&a, &step));
	step.attribute = NAME_MAIL;
	assert_false(account_is(&a, &step));
	strlcpy(step.value, "A@LAB.test", sizeof(step.value));
	assert_true(account_is(&a, &step));
	account_free(&a);
	assert_null(a.dn);
}

/* What make_user() gives, but one attribute is another or missing. */
static enum account_reading
read_with(const char *name, const char *value, size_t len)
{
	struct account a;
	struct entry entry;
	enum account_reading reading;
	size_t i;

	make_user(&entry);
	for (i = 0; i < entry.count; i++) {
		if (strcmp((const char *)entry.attributes[i].name.bv_val, name) != 0)
			continue;
		entry.attributes[i].count = value == NULL ? 0 : 1;
		if (value != NULL)
			entry.attributes[i].values[0] = bytes(value, len);
	}
	reading = account_read(&a, &entry);
	if (reading == ACCOUNT_READ)
		account_free(&a);
	return reading;
}

static void
account_kinds(void **state)
{
	(void)state;
	assert_int_equal(read_with("objectClass", "USER", 4), ACCOUNT_READ);
	assert_int_equal(read_with("objectClass", "computer", 8), ACCOUNT_OTHER);
	assert_int_equal(read_with("objectClass", "contact", 7), ACCOUNT_OTHER);
	assert_int_equal(read_with("objectClass", NULL, 0), ACCOUNT_UNREADABLE);
	assert_int_equal(read_with("userAccountControl", NULL, 0), ACCOUNT_UNREADABLE);
	assert_int_equal(read_with("userAccountControl", "x", 1), ACCOUNT_UNREADABLE);
	assert_int_equal(read_with("userAccountControl", "514", 3), ACCOUNT_READ); /* disabled */
	assert_int_equal(read_with("userAccountControl", "4096", 4), ACCOUNT_OTHER);
	assert_int_equal(read_with("userAccountControl", "4608", 4), ACCOUNT_OTHER);
	assert_int_equal(read_with("userAccountControl", "2080", 4), ACCOUNT_OTHER);
	assert_int_equal(read_with("userAccountControl", "0", 1), ACCOUNT_OTHER);
	assert_int_equal(read_with("objectGUID", NULL, 0), ACCOUNT_UNREADABLE);
	assert_int_equal(read_with("objectGUID", GUID_RAW, 15), ACCOUNT_UNREADABLE);
	assert_int_equal(read_with("SAMACCOUNTNAME", NULL, 0), ACCOUNT_UNREADABLE);
	assert_int_equal(read_with("SAMACCOUNTNAME", "a\0b", 3), ACCOUNT_UNREADABLE);
}

/* make_user() with one more attribute. */
static enum account_reading
read_and(const char *name, const char *value, size_t len, struct account *a)
{
	struct entry entry;
	enum account_reading reading;

	make_user(&entry);
	add(&entry, name, value, len);
	reading = account_read(a, &entry);
	if (reading == ACCOUNT_READ)
		account_free(a);
	return reading;
}

/* Who somebody is must not depend on which of two values one looks at. */
static void
account_is_one(void **state)
{
	static const char sid[] = "\1\2\0\0\0\0\0\5\x20\0\0\0\x21\2\0\0";
	struct account a;
	struct entry entry;

	(void)state;
	assert_int_equal(read_and("objectSid", sid, 16, &a), ACCOUNT_READ);
	assert_int_equal(read_and("objectSid", sid, 15, &a), ACCOUNT_UNREADABLE);
	assert_int_equal(read_and("objectSid", "", 0, &a), ACCOUNT_UNREADABLE);
	assert_int_equal(read_and("objectGUID", GUID_RAW, 16, &a), ACCOUNT_UNREADABLE);
	assert_int_equal(read_and("sAMAccountName", "alice", 5, &a), ACCOUNT_UNREADABLE);
	assert_int_equal(read_and("USERACCOUNTCONTROL", "512", 3, &a), ACCOUNT_UNREADABLE);
	/* Two values of one attribute. */
	make_user(&entry);
	add(&entry, "objectSid", sid, 16);
	values[used++] = bytes(sid, 16);
	entry.attributes[entry.count - 1].count = 2;
	assert_int_equal(account_read(&a, &entry), ACCOUNT_UNREADABLE);
	/* Numbers past their type. */
	assert_int_equal(read_with("userAccountControl", "4294967808", 10), ACCOUNT_UNREADABLE);
	assert_int_equal(read_with("userAccountControl", "-4294966784", 11), ACCOUNT_UNREADABLE);
}

static void
counts(void **state)
{
	static const struct {
		const char *text;
		bool read;
	} rows[] = { { "0", true }, { "2147483647", true }, { "2147483648", false },
		{ "9223372036854775807", false }, { "-1", false }, { "-2147483648", false },
		{ "x", false }, { "", false } };
	struct account a;
	struct entry entry;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_user(&entry);
		add_text(&entry, "badPwdCount", rows[i].text);
		assert_int_equal(account_read(&a, &entry), ACCOUNT_READ);
		assert_int_equal(a.bad_password_count.read, rows[i].read);
		account_free(&a);
	}
}

static void
token_groups(void **state)
{
	static const char users[] = "\1\2\0\0\0\0\0\5\x20\0\0\0\x21\2\0\0";
	struct membership m = { 0 };
	struct entry entry;

	(void)state;
	begin(&entry, "x");
	assert_int_equal(membership_take(&m, &entry), 0);
	assert_false(m.read); /* no value is unread, not "no groups" */
	add(&entry, "tokenGroups", users, 16);
	values[used++] = bytes(users, 16);
	entry.attributes[0].count = 2;
	assert_int_equal(membership_take(&m, &entry), 0);
	assert_true(m.read);
	assert_int_equal(m.count, 2);
	assert_int_equal(sid_rid(&m.sids[1]), 545);
	values[1] = bytes(users, 15); /* one that is broken spoils all */
	assert_int_equal(membership_take(&m, &entry), 0);
	assert_false(m.read);
	assert_int_equal(m.count, 0);
	membership_free(&m);
}

/* Whoever has a mail address, a PSO or a group is never read as somebody without. */
static bool
account_without_memory(void *arg)
{
	static const char *const texts[] = { "userPrincipalName", "mail", "displayName",
		"givenName", "sn", "telephoneNumber", "mobile", "title", "department", "manager",
		"msDS-ResultantPSO", "userWorkstations" };
	enum account_reading reading;
	struct account a;
	struct entry entry;
	size_t i;

	(void)arg;
	make_user(&entry);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		add_text(&entry, texts[i], texts[i]);
	reading = account_read(&a, &entry);
	if (reading == ACCOUNT_READ) {
		char *const read[] = { a.upn, a.mail, a.display_name, a.given_name, a.surname,
			a.telephone, a.mobile, a.title, a.department, a.manager, a.pso,
			a.workstations };

		assert_string_equal(a.dn, "CN=Alice\\, A,OU=People,DC=lab,DC=test");
		assert_string_equal(a.sam, "alice");
		for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			assert_string_equal(read[i], texts[i]);
		account_free(&a);
		return true;
	}
	assert_int_equal(reading, ACCOUNT_NO_MEMORY);
	assert_true(allocations_failed());
	assert_null(a.dn);
	assert_null(a.sam);
	return false;
}

static bool
groups_without_memory(void *arg)
{
	static const char users[] = "\1\2\0\0\0\0\0\5\x20\0\0\0\x21\2\0\0";
	struct membership m = { 0 };
	struct entry entry;
	int result;

	(void)arg;
	begin(&entry, "x");
	add(&entry, "tokenGroups", users, 16);
	result = membership_take(&m, &entry);
	assert_int_equal(m.read, result == 0);
	assert_int_equal(allocations_failed(), result == -1);
	membership_free(&m);
	return result == 0;
}

static void
want_of_memory(void **state)
{
	(void)state;
	allocations_fail_each(account_without_memory, NULL, 0);
	allocations_fail_each(groups_without_memory, NULL, 0);
}

static void
group_names(void **state)
{
	static const uint8_t guid[GUID_SIZE] = { 1 };
	struct membership m = { true, NULL, 3 };
	struct profile_groups groups;
	struct group_cache *cache;
	char text[32];
	size_t i;

	(void)state;
	assert_non_null(cache = group_cache_new(4));
	assert_non_null(m.sids = calloc(3, sizeof(*m.sids)));
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "S-1-5-21-1-2-3-%zu", 1000 + i);
		assert_int_equal(sid_parse(&m.sids[i], text), 0);
	}
	assert_int_equal(group_cache_put(cache, &m.sids[0], guid, "Old", 0), 0);
	assert_int_equal(group_cache_put(cache, &m.sids[0], guid, "Sales", 0), 0);
	assert_int_equal(group_cache_put(cache, &m.sids[2], NULL, "S-1", 0), 0);
	assert_int_equal(group_list(cache, &m, &groups), 0);
	assert_true(groups.read);
	assert_int_equal(groups.count, 3);
	assert_string_equal(groups.items[0].name, "Sales");
	assert_true(groups.items[0].has_guid);
	assert_string_equal(groups.items[1].name, "S-1-5-21-1-2-3-1001");
	assert_false(groups.items[1].has_guid);
	free(groups.items);
	/* The oldest make room; nothing grows. */
	for (i = 0; i < 100; i++) {
		struct sid sid;

		snprintf(text, sizeof(text), "S-1-5-21-9-9-9-%zu", i);
		assert_int_equal(sid_parse(&sid, text), 0);
		assert_int_equal(group_cache_put(cache, &sid, guid, "x", 0), 0);
	}
	assert_int_equal(group_list(cache, &m, &groups), 0);
	assert_string_equal(groups.items[0].name, "S-1-5-21-1-2-3-1000");
	free(groups.items);
	/* A known one, though the oldest, makes no room for those of the same person. */
	assert_int_equal(group_cache_put(cache, &m.sids[2], guid, "Late", 0), 0);
	for (i = 0; i < 3; i++) {
		struct sid sid;

		snprintf(text, sizeof(text), "S-1-5-21-8-8-8-%zu", i);
		assert_int_equal(sid_parse(&sid, text), 0);
		assert_int_equal(group_cache_put(cache, &sid, guid, "x", 0), 0);
	}
	assert_int_equal(group_list(cache, &m, &groups), 0);
	assert_string_equal(groups.items[2].name, "Late");
	assert_string_equal(groups.items[0].name, "S-1-5-21-1-2-3-1000");
	free(groups.items);
	m.read = false;
	assert_int_equal(group_list(cache, &m, &groups), 0);
	assert_false(groups.read);
	assert_null(groups.items);
	m.read = true;
	membership_free(&m);
	group_cache_free(cache);
}

static json_t *
profile(const struct account *a, const struct profile_groups *groups, const char *realm)
{
	json_t *json;
	char *text;

	assert_non_null(text = profile_write(a, groups, realm));
	assert_non_null(json = json_loads(text, 0, NULL));
	free(text);
	return json;
}

static void
profiles(void **state)
{
	struct profile_group item = { false, { 0 }, "S-1-5-32-545" };
	struct profile_groups groups = { true, &item, 1 };
	struct account a;
	struct entry entry;
	json_t *json;

	(void)state;
	make_user(&entry);
	add_text(&entry, "mail", "alice@\"x\".test");
	add_text(&entry, "sn", "Ädams\\");
	assert_int_equal(account_read(&a, &entry), ACCOUNT_READ);

	json = profile(&a, &groups, "lab.test");
	assert_string_equal(
	    json_string_value(json_object_get(json, "id")), "00112233-4455-6677-8899-aabbccddeeff");
	/* Implied; MS-ADTS 5.1.1.1.1. */
	assert_string_equal(json_string_value(json_object_get(json, "userName")), "alice@lab.test");
	assert_string_equal(json_string_value(json_object_get(json, "organizationalUnit")),
	    "OU=People,DC=lab,DC=test");
	assert_true(json_is_null(json_object_get(json, "displayName")));
	assert_true(json_is_true(json_object_get(json, "active")));
	assert_int_equal(json_array_size(json_object_get(json, "emails")), 1);
	assert_int_equal(json_array_size(json_object_get(json, "phoneNumbers")), 0);
	assert_true(json_is_null(
	    json_object_get(json_array_get(json_object_get(json, "groups"), 0), "id")));
	json_decref(json);

	/* Unread is left out, none is an empty list. */
	groups.read = false;
	json = profile(&a, &groups, "");
	assert_null(json_object_get(json, "groups"));
	assert_true(json_is_null(json_object_get(json, "userName")));
	json_decref(json);
	groups.read = true;
	groups.count = 0;
	json = profile(&a, &groups, "");
	assert_int_equal(json_array_size(json_object_get(json, "groups")), 0);
	assert_true(json_is_array(json_object_get(json, "groups")));
	json_decref(json);

	json = profile(&a, NULL, "lab.test");
	assert_int_equal(json_object_size(json), 3);
	json_decref(json);
	account_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_values),
		cmocka_unit_test(account_is_read),
		cmocka_unit_test(account_kinds),
		cmocka_unit_test(account_is_one),
		cmocka_unit_test(counts),
		cmocka_unit_test(token_groups),
		cmocka_unit_test(want_of_memory),
		cmocka_unit_test(group_names),
		cmocka_unit_test(profiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
