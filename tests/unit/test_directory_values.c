/* SPDX-License-Identifier: ISC */
/*
 * The value types of Active Directory and the filters made of outside text, each
 * at its edges: empty, short, over, largest, NUL, bad UTF-8, integer limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attributes.h"
#include "bind_result.h"
#include "directory_clock.h"
#include "domain.h"
#include "filter.h"
#include "common/siphash.h"

#include "allocations.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint8_t users_sid[] = { 1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,
	0, 0, 0, 1, 2, 0, 0 };

static void
filter_escapes_everything(void **state)
{
	struct filter f;

	(void)state;
	filter_init(&f);
	assert_null(filter_text(&f));
	filter_add(&f, "(|");
	filter_add_equal(&f, "a", "*()\\\0 ", 6);
	filter_add_equal(&f, "b", "x-Y_9.z@", 8);
	filter_add_equal(&f, "c", "", 0);
	filter_add_equal(&f, "d", "\xc3\xa4\xff", 3);
	filter_add(&f, ")");
	assert_string_equal(
	    filter_text(&f), "(|(a=\\2a\\28\\29\\5c\\00\\20)(b=x-Y_9.z@)(c=)(d=\\c3\\a4\\ff))");
	filter_free(&f);
}

static void
filter_has_a_limit(void **state)
{
	struct filter f;
	char *big;

	(void)state;
	assert_non_null(big = malloc(FILTER_MAX));
	memset(big, 'a', FILTER_MAX);
	filter_init(&f);
	filter_add_equal(&f, "a", big, FILTER_MAX / 3 - 8);
	assert_non_null(filter_text(&f));
	filter_add_equal(&f, "a", big, FILTER_MAX / 3);
	filter_add_equal(&f, "a", big, FILTER_MAX / 3);
	filter_add_equal(&f, "a", big, FILTER_MAX / 3);
	assert_null(filter_text(&f));
	filter_free(&f);
	filter_init(&f);
	filter_add_equal(&f, "a", big, FILTER_MAX);
	assert_null(filter_text(&f));
	filter_free(&f);
	free(big);
}

static void
sid_form(void **state)
{
	uint8_t longest[SID_SIZE + 4];
	char text[SID_TEXT_SIZE];
	struct sid sid, again;
	size_t n;

	(void)state;
	assert_int_equal(sid_read(&sid, users_sid, sizeof(users_sid)), 0);
	sid_text(&sid, text);
	assert_string_equal(text, "S-1-5-21-1-2-3-513");
	assert_int_equal(sid_rid(&sid), 513);
	assert_int_equal(sid_parse(&again, text), 0);
	assert_true(sid_equal(&sid, &again));
	for (n = 0; n < sizeof(users_sid); n++)
		assert_int_equal(sid_read(&sid, users_sid, n), -1);
	assert_int_equal(sid.len, 0);
	/* The longest, one more, a count that does not fit, another revision. */
	memset(longest, 0xff, sizeof(longest));
	longest[0] = 1;
	longest[1] = SID_SUBS_MAX;
	assert_int_equal(sid_read(&sid, longest, SID_SIZE), 0);
	sid_text(&sid, text);
	assert_int_equal(strncmp(text, "S-1-0xFFFFFFFFFFFF-4294967295-", 30), 0);
	assert_int_equal(sid_parse(&again, text), 0);
	assert_true(sid_equal(&sid, &again));
	assert_int_equal(sid_read(&sid, longest, SID_SIZE - 1), -1);
	longest[1] = SID_SUBS_MAX + 1;
	assert_int_equal(sid_read(&sid, longest, SID_SIZE + 4), -1);
	longest[0] = 2;
	longest[1] = SID_SUBS_MAX;
	assert_int_equal(sid_read(&sid, longest, SID_SIZE), -1);
}

static void
sid_texts(void **state)
{
	static const char *const bad[] = { "", "S", "S-1", "S-1-", "S-1-5", "S-1-5-", "S-2-5-1",
		"S-1-5-4294967296", "S-1-281474976710656-1", "S-1-5-1x", "S-1-5--1", "S-1-5-1 ",
		" S-1-5-1", "S-1-0x-1", "S-1-5-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
		"S-1-5-99999999999999999999999", "Domain Users" };
	struct sid sid, domain;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sid_parse(&sid, bad[i]), -1);
	assert_int_equal(sid_parse(&sid, "s-1-5-32-544"), 0);
	assert_true(sid_builtin(&sid));
	assert_int_equal(sid_parse(&sid, "S-1-5-33-544"), 0);
	assert_false(sid_builtin(&sid));
	assert_int_equal(sid_parse(&domain, "S-1-5-21-1-2-3"), 0);
	assert_int_equal(sid_parse(&sid, "S-1-5-21-1-2-3-500"), 0);
	assert_true(sid_within(&sid, &domain));
	assert_false(sid_within(&domain, &domain));
	assert_int_equal(sid_parse(&sid, "S-1-5-21-1-2-4-500"), 0);
	assert_false(sid_within(&sid, &domain));
	memset(&domain, 0, sizeof(domain));
	assert_false(sid_within(&sid, &domain));
	assert_int_equal(sid_rid(&domain), 0);
}

static void
guid_form(void **state)
{
	/* MS-DTYP 2.3.4.2's order against RFC 4122's. */
	static const uint8_t raw[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99,
		0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	uint8_t guid[GUID_SIZE];
	char text[GUID_TEXT_SIZE];

	(void)state;
	assert_int_equal(guid_read(guid, raw, 16), 0);
	guid_text(guid, text);
	assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
	assert_int_equal(guid_read(guid, raw, 15), -1);
	assert_int_equal(guid_read(guid, raw, 17), -1);
	assert_int_equal(guid_read(guid, raw, 0), -1);
}

static void
integer_form(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t value;
	} rows[] = {
		{ "0", 0, 0 },
		{ "-1", 0, -1 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", -1, 0 },
		{ "-9223372036854775809", -1, 0 },
		{ "99999999999999999999", -1, 0 },
		{ "", -1, 0 },
		{ "-", -1, 0 },
		{ "+1", -1, 0 },
		{ " 1", -1, 0 },
		{ "1 ", -1, 0 },
		{ "0x1", -1, 0 },
	};
	int64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		value = 77;
		assert_int_equal(
		    integer_read(&value, rows[i].text, strlen(rows[i].text)), rows[i].result);
		if (rows[i].result == 0)
			assert_true(value == rows[i].value);
		else
			assert_true(value == 77);
	}
	assert_int_equal(integer_read(&value, "1\0", 2), -1);
	assert_true(filetime_from_unix(0) == 116444736000000000LL);
}

static void
diagnostics(void **state)
{
	static const char form[] = "80090308: LdapErr: DSID-0C0903A9, comment: "
				   "AcceptSecurityContext error, data %s, v1db1";
	char text[256];
	uint32_t code;

	(void)state;
	snprintf(text, sizeof(text), form, "52e");
	assert_int_equal(diagnostic_code(&code, text), 0);
	assert_int_equal(code, 0x52e);
	snprintf(text, sizeof(text), form, "FFFFFFFF");
	assert_int_equal(diagnostic_code(&code, text), 0);
	assert_int_equal(code, 0xffffffff);
	snprintf(text, sizeof(text), form, "100000000");
	assert_int_equal(diagnostic_code(&code, text), -1);
	snprintf(text, sizeof(text), form, "");
	assert_int_equal(diagnostic_code(&code, text), -1);
	snprintf(text, sizeof(text), form, "52g");
	assert_int_equal(diagnostic_code(&code, text), -1);
	assert_int_equal(diagnostic_code(&code, NULL), -1);
	assert_int_equal(diagnostic_code(&code, ""), -1);
	assert_int_equal(diagnostic_code(&code, ", data 52e"), -1);
	/* In another place: somebody else's words. The last one is AD's. */
	assert_int_equal(diagnostic_code(&code, "comment: x, data 52e, v1db1"), -1);
	assert_int_equal(diagnostic_code(&code,
			     "AcceptSecurityContext error, data 775, "
			     "AcceptSecurityContext error, data 52e, v1db1"),
	    0);
	assert_int_equal(code, 0x52e);
	assert_int_equal(diagnostic_code(&code,
			     "AcceptSecurityContext error, data 775, "
			     "AcceptSecurityContext error, data x"),
	    -1);
}

static void
bind_results(void **state)
{
	static const struct {
		const char *code;
		enum status status;
		bool proven, counted;
	} rows[] = {
		{ "525", STATUS_INVALID_CREDENTIALS, false, false },
		{ "52e", STATUS_INVALID_CREDENTIALS, false, true },
		{ "52f", STATUS_NOT_ALLOWED, false, false },
		{ "530", STATUS_LOGON_HOURS, true, false },
		{ "531", STATUS_WORKSTATION_DENIED, true, false },
		{ "532", STATUS_PASSWORD_EXPIRED, true, false },
		{ "533", STATUS_ACCOUNT_DISABLED, true, false },
		{ "534", STATUS_NOT_ALLOWED, false, false },
		{ "569", STATUS_NOT_ALLOWED, false, false },
		{ "701", STATUS_ACCOUNT_EXPIRED, true, false },
		{ "773", STATUS_PASSWORD_MUST_CHANGE, true, false },
		{ "775", STATUS_ACCOUNT_LOCKED, false, false },
		/* Not in the table: never "wrong password". */
		{ "0", STATUS_INTERNAL, false, true },
		{ "999", STATUS_INTERNAL, false, true },
	};
	struct bind_result r;
	char text[96];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "AcceptSecurityContext error, data %s, v1db1",
		    rows[i].code);
		bind_result_read(&r, LDAP_INVALID_CREDENTIALS, text);
		assert_int_equal(r.status, rows[i].status);
		assert_int_equal(r.proven, rows[i].proven);
		assert_int_equal(r.counted, rows[i].counted);
		assert_true(r.reason[0] != '\0');
	}
	bind_result_read(&r, LDAP_SUCCESS, "data 52e, ");
	assert_int_equal(r.status, STATUS_OK);
	assert_true(r.proven);
	bind_result_read(&r, LDAP_INVALID_CREDENTIALS, NULL);
	assert_int_equal(r.status, STATUS_INVALID_CREDENTIALS);
	assert_false(r.proven);
	bind_result_read(&r, LDAP_ADMINLIMIT_EXCEEDED, NULL);
	assert_int_equal(r.status, STATUS_DIRECTORY_UNAVAILABLE);
	bind_result_read(&r, LDAP_BUSY, NULL);
	assert_int_equal(r.status, STATUS_DIRECTORY_UNAVAILABLE);
	bind_result_read(&r, LDAP_UNAVAILABLE, NULL);
	assert_int_equal(r.status, STATUS_DIRECTORY_UNAVAILABLE);
	bind_result_read(&r, LDAP_STRONG_AUTH_REQUIRED, NULL);
	assert_int_equal(r.status, STATUS_INTERNAL);
	assert_string_equal(r.reason, "bind_result_8");
	assert_false(r.proven);
}

static void
realms(void **state)
{
	char realm[12];

	(void)state;
	domain_realm_from_dn(realm, sizeof(realm), "DC=lab,dc=test");
	assert_string_equal(realm, "lab.test");
	domain_realm_from_dn(realm, sizeof(realm), "DC=lab,DC=test,OU=x");
	assert_string_equal(realm, "");
	domain_realm_from_dn(realm, sizeof(realm), "");
	assert_string_equal(realm, "");
	domain_realm_from_dn(realm, sizeof(realm), "DC=a\\,b,DC=test");
	assert_string_equal(realm, "");
	domain_realm_from_dn(realm, sizeof(realm), "DC=,DC=test");
	assert_string_equal(realm, "");
	domain_realm_from_dn(realm, sizeof(realm), "DC=exactly,DC=fit");
	assert_string_equal(realm, "exactly.fit");
	domain_realm_from_dn(realm, sizeof(realm), "DC=exactly,DC=over");
	assert_string_equal(realm, "");
}

/* The vectors of the paper's reference code, for messages 00 01 02 … of 0, 1, 8, 15 bytes. */
static void
siphash_vectors(void **state)
{
	uint8_t key[SIPHASH_KEY_SIZE], data[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(key); i++)
		key[i] = data[i] = (uint8_t)i;
	assert_true(siphash(key, data, 0) == 0x726fdb47dd0e0e31ULL);
	assert_true(siphash(key, data, 1) == 0x74f839c593dc67fdULL);
	assert_true(siphash(key, data, 8) == 0x93f5f5799a932462ULL);
	assert_true(siphash(key, data, 15) == 0xa129ca6149be45e5ULL);
	assert_true(siphash_random(data, 8) == siphash_random(data, 8));
	assert_true(siphash_random(data, 8) != siphash_random(data, 7));
}

static void
directory_times(void **state)
{
	static const char *const bad[] = { "", "Z", "20261126041530", "20261126041530.0",
		"20261126041530.0+0100", "2026112604153Z", "202611260415300Z", "20261326041530Z",
		"20260026041530Z", "20261100041530Z", "20261132041530Z", "20261126241530Z",
		"20261126046030Z", "20261126041561Z", "19691231235959Z", "20261126041530,0Z",
		"-0261126041530Z", "20261126041530.0ZZ", "20261126041530.0.0Z" };
	struct directory_clock clock = { 0 }, later = { 0 };
	int64_t now, before;
	size_t i;

	(void)state;
	assert_int_equal(directory_time_read("19700101000000.0Z", &now), 0);
	assert_int_equal(now, filetime_from_unix(0));
	assert_int_equal(directory_time_read("20231114221320Z", &now), 0);
	assert_int_equal(now, filetime_from_unix(1700000000));
	assert_int_equal(directory_time_read("99991231235960.000000Z", &now), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(directory_time_read(bad[i], &now), -1);

	/* This host's until the directory's is known. */
	before = filetime_from_unix((int64_t)time(NULL));
	now = directory_clock_now(&clock);
	assert_true(now >= before && now < before + 5 * FILETIME_SECOND);
	directory_clock_follow(&clock, &later);
	assert_false(clock.known);
	directory_clock_set(&later, before + 7000 * FILETIME_SECOND);
	directory_clock_follow(&clock, &later);
	now = directory_clock_now(&clock);
	assert_true(now >= before + 7000 * FILETIME_SECOND);
	assert_true(now < before + 7005 * FILETIME_SECOND);
	/* A reading that is a little off changes nothing; one that is far off counts. */
	before = clock.ahead;
	later.ahead = before + 2 * FILETIME_SECOND;
	directory_clock_follow(&clock, &later);
	assert_int_equal(clock.ahead, before);
	later.ahead = before - 3 * FILETIME_SECOND;
	directory_clock_follow(&clock, &later);
	assert_int_equal(clock.ahead, later.ahead);
}

static bool
filter_without_memory(void *arg)
{
	struct filter f;
	bool whole;
	int i;

	(void)arg;
	filter_init(&f);
	for (i = 0; i < 100; i++)
		filter_add_equal(&f, "name", "value*", 6);
	whole = filter_text(&f) != NULL;
	if (whole)
		assert_int_equal(strlen(filter_text(&f)), 100 * strlen("(name=value\\2a)"));
	filter_free(&f);
	return whole;
}

static void
want_of_memory(void **state)
{
	(void)state;
	allocations_fail_each(filter_without_memory, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directory_times),
		cmocka_unit_test(filter_escapes_everything),
		cmocka_unit_test(filter_has_a_limit),
		cmocka_unit_test(sid_form),
		cmocka_unit_test(sid_texts),
		cmocka_unit_test(guid_form),
		cmocka_unit_test(integer_form),
		cmocka_unit_test(diagnostics),
		cmocka_unit_test(bind_results),
		cmocka_unit_test(realms),
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(want_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
