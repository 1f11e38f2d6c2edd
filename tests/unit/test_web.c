/* SPDX-License-Identifier: ISC */
/*
 * The pure parts of adc-web: who may do what, and the status document.
 */
#include "access.h"
#include "status_json.h"
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_access(void **state)
{
	struct access_rules rules = {
		.admins = { 1000, 4294967294U }, .nadmins = 2, .reader_gid = 50
	};
	const gid_t groups[] = { 7, 50 };

	(void)state;
	assert_int_equal(access_of(&rules, 0, 0, NULL, 0), ACCESS_CHANGE);
	assert_int_equal(access_of(&rules, 1000, 1000, NULL, 0), ACCESS_CHANGE);
	assert_int_equal(access_of(&rules, 4294967294U, 1, NULL, 0), ACCESS_CHANGE);
	assert_int_equal(access_of(&rules, 1001, 50, NULL, 0), ACCESS_READ);
	assert_int_equal(access_of(&rules, 1001, 1, groups, 2), ACCESS_READ);
	assert_int_equal(access_of(&rules, 1001, 1, groups, 1), ACCESS_NONE);
	assert_int_equal(access_of(&rules, 1001, 0, NULL, 0), ACCESS_NONE);
	/* "None" is no group: whoever claims that number reads nothing. */
	rules.reader_gid = ACCESS_NO_GROUP;
	assert_int_equal(access_of(&rules, 1001, ACCESS_NO_GROUP, NULL, 0), ACCESS_NONE);
	rules.nadmins = 0;
	assert_int_equal(access_of(&rules, 1000, 0, NULL, 0), ACCESS_NONE);
	assert_int_equal(access_of(&rules, 0, 0, NULL, 0), ACCESS_CHANGE);
	assert_int_equal(access_of_peer(&rules, -1), ACCESS_NONE);
}

static int
set_admins(struct access_rules *rules, uint32_t count, uint32_t given, size_t extra)
{
	struct wire_writer w;
	uint32_t i;
	int result;

	wire_writer_init(&w);
	wire_put_u32(&w, count);
	for (i = 0; i < given; i++)
		wire_put_u32(&w, 1000 + i);
	wire_put_fixed(&w, "xxxx", extra);
	result = access_set_admins(rules, w.data, w.len);
	wire_writer_free(&w);
	return result;
}

static void
test_access_configuration(void **state)
{
	struct access_rules rules = { .reader_gid = ACCESS_NO_GROUP };

	(void)state;
	assert_int_equal(set_admins(&rules, 0, 0, 0), 0);
	assert_int_equal(rules.nadmins, 0);
	assert_int_equal(set_admins(&rules, ACCESS_ADMINS_MAX, ACCESS_ADMINS_MAX, 0), 0);
	assert_int_equal(rules.nadmins, ACCESS_ADMINS_MAX);
	assert_int_equal(access_add_admin(&rules, 5), -1);
	assert_int_equal(set_admins(&rules, 2, 2, 0), 0);
	assert_int_equal(access_add_admin(&rules, 5), 0);
	assert_int_equal(access_of(&rules, 5, 5, NULL, 0), ACCESS_CHANGE);
	assert_int_equal(set_admins(&rules, ACCESS_ADMINS_MAX + 1, ACCESS_ADMINS_MAX + 1, 0), -1);
	assert_int_equal(set_admins(&rules, UINT32_MAX, 1, 0), -1);
	assert_int_equal(set_admins(&rules, 2, 1, 0), -1);
	assert_int_equal(set_admins(&rules, 2, 2, 1), -1);
	assert_int_equal(rules.nadmins, 3); /* a refused value changes nothing that counts */
	assert_int_equal(access_set_reader(&rules, "\1\0\0\0", 4), 0);
	assert_int_equal(rules.reader_gid, 1);
	assert_int_equal(access_set_reader(&rules, "\1\0\0", 3), -1);
	assert_int_equal(access_set_reader(&rules, "\1\0\0\0\0", 5), -1);
	assert_int_equal(access_set_reader(&rules, "", 0), -1);
}

/* The text at "data.…" of the document, NULL when there is none. */
static const char *
at(json_t *document, const char *path)
{
	char copy[256], *part, *rest;
	json_t *value;

	snprintf(copy, sizeof(copy), "%s", path);
	value = json_object_get(document, "data");
	for (rest = copy; (part = strsep(&rest, ".")) != NULL;)
		value = json_object_get(value, part);
	return json_string_value(value);
}

static json_t *
document_of(const struct status_pair *pairs, size_t n)
{
	json_t *document;

	assert_non_null(document = status_document(pairs, n));
	assert_int_equal(json_integer_value(json_object_get(document, "code")), 200);
	return document;
}

static void
test_status_states(void **state)
{
	static const struct {
		const char *word, *upstream, *auth;
	} tunnel[] = {
		{ "online", "connected", "connected" },
		{ "pending", "connected", "pending" },
		{ "connecting", "connecting", "connecting" },
		{ "waiting", "waiting", "waiting" },
		{ "refused", "refused", "refused" },
		{ "not_enrolled", "not_enrolled", "not_enrolled" },
		{ "", "unknown", "unknown" },
		{ "onlinex", "onlinex", "onlinex" },
	};
	json_t *document;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(tunnel) / sizeof(tunnel[0]); i++) {
		const struct status_pair pairs[] = { { "tunnel.state", tunnel[i].word },
			{ "directory.state", "ok" } };

		document = document_of(pairs, 2);
		assert_string_equal(at(document, "ws.upstream.code"), tunnel[i].upstream);
		assert_string_equal(at(document, "ws.auth.code"), tunnel[i].auth);
		assert_string_equal(at(document, "ad.code"), "connected");
		assert_true(
		    (strcmp(at(document, "ws.auth.status"), STATUS_HEALTHY) == 0) == (i == 0));
		assert_string_equal(at(document, "ad.status"), STATUS_HEALTHY);
		json_decref(document);
	}
}

static void
test_status_texts(void **state)
{
	static const struct status_pair pairs[] = {
		{ "directory.state", "failed" },
		{ "directory.code", "bad_certificate" },
		{ "directory.text", "dc1: wrong name" },
		{ "tunnel.state", "waiting" },
		{ "tunnel.code", "waiting" },
	};
	json_t *document;

	(void)state;
	document = document_of(pairs, 5);
	assert_string_equal(at(document, "ad.status"), "dc1: wrong name");
	assert_string_equal(at(document, "ad.reason"), "bad_certificate");
	assert_string_equal(at(document, "ws.auth.status"), "waiting");
	assert_null(at(document, "ws.auth.reason")); /* says no more than the code */
	json_decref(document);
}

static void
test_status_for_anybody(void **state)
{
	static const struct status_pair pairs[] = { { "version", "0.1.0" },
		{ "tunnel.state", "refused" }, { "tunnel.code", "revoked" },
		{ "tunnel.text", "hub.example.com has revoked it" },
		{ "tunnel.hub", "https://hub.example.com:8855" }, { "directory.state", "ok" },
		{ "directory.server", "ldaps://dc1.example.com:636" } };
	json_t *document, *data;
	char *text;

	(void)state;
	document = status_document_open(pairs, sizeof(pairs) / sizeof(pairs[0]));
	data = json_object_get(document, "data");
	assert_int_equal(json_object_size(data), 2);
	assert_string_equal(at(document, "ws.upstream.status"), "refused");
	assert_string_equal(at(document, "ws.auth.reason"), "revoked");
	assert_string_equal(at(document, "ad.status"), STATUS_HEALTHY);
	assert_non_null(text = json_dumps(document, 0));
	assert_null(strstr(text, "example.com"));
	free(text);
	json_decref(document);
	document = status_document_open(NULL, 0);
	assert_string_equal(at(document, "ad.status"), "unknown");
	json_decref(document);
}

static void
test_status_nesting(void **state)
{
	static const struct status_pair pairs[] = {
		{ "version", "0.1.0" },
		{ "a.b", "x" },
		{ "a.c", "y" },
		{ "a.b.d", "no: a.b is a text" },
		{ "a", "no: a is an object" },
		{ "version", "no: twice" },
		{ "ws.upstream.status", "no: not the parent's" },
		{ "ad", "no: taken" },
		{ "one.two.three.four", "deep" },
		{ "one.two.three.four.five", "no: too deep" },
		{ "", "no" },
		{ ".", "no" },
		{ ".x", "no" },
		{ "y.", "no" },
		{ "Upper", "no" },
		{ "sp ace", "no" },
	};
	json_t *data, *document;

	(void)state;
	document = document_of(pairs, sizeof(pairs) / sizeof(pairs[0]));
	data = json_object_get(document, "data");
	assert_string_equal(at(document, "version"), "0.1.0");
	assert_string_equal(at(document, "a.b"), "x");
	assert_string_equal(at(document, "a.c"), "y");
	assert_string_equal(at(document, "ws.upstream.code"), "unknown");
	assert_string_equal(at(document, "one.two.three.four"), "deep");
	/* ws, ad, version, a, one, and y: an object that stayed empty. */
	assert_int_equal(json_object_size(data), 6);
	json_decref(document);
}

static void
test_status_numbers(void **state)
{
	static const struct status_pair pairs[] = {
		{ "logins.ok", "999999999999999" },
		{ "logins.zero", "0" },
		{ "logins.padded", "007" },
		{ "logins.long", "9999999999999999" },
		{ "logins.word", "none" },
		{ "logins.empty", "" },
		{ "connection", "12" },
		{ "tunnel.since", "1795602600" },
		{ "directory.since", "1795602600" },
	};
	json_t *data, *document, *logins;

	(void)state;
	document = document_of(pairs, 9);
	data = json_object_get(document, "data");
	assert_true(json_is_integer(json_object_get(json_object_get(data, "tunnel"), "since")));
	assert_true(json_is_integer(json_object_get(json_object_get(data, "directory"), "since")));
	logins = json_object_get(data, "logins");
	assert_true(json_integer_value(json_object_get(logins, "ok")) == 999999999999999);
	assert_true(json_is_integer(json_object_get(logins, "zero")));
	assert_true(json_is_string(json_object_get(logins, "padded")));
	assert_true(json_is_string(json_object_get(logins, "long")));
	assert_true(json_is_string(json_object_get(logins, "word")));
	assert_true(json_is_string(json_object_get(logins, "empty")));
	assert_string_equal(at(document, "connection"), "12");
	json_decref(document);
}

static void
test_status_long_keys(void **state)
{
	char key[STATUS_KEY_SIZE + 8];
	struct status_pair pair = { key, "x" };
	json_t *document;

	(void)state;
	memset(key, 'k', sizeof(key));
	key[STATUS_KEY_SIZE - 1] = '\0';
	document = document_of(&pair, 1);
	assert_string_equal(at(document, key), "x");
	json_decref(document);
	key[STATUS_KEY_SIZE - 1] = 'k';
	key[STATUS_KEY_SIZE] = '\0';
	document = document_of(&pair, 1);
	assert_null(at(document, key));
	json_decref(document);
	document = document_of(NULL, 0);
	json_decref(document);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_access_configuration),
		cmocka_unit_test(test_status_states),
		cmocka_unit_test(test_status_texts),
		cmocka_unit_test(test_status_for_anybody),
		cmocka_unit_test(test_status_nesting),
		cmocka_unit_test(test_status_numbers),
		cmocka_unit_test(test_status_long_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
