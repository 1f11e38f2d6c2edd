/* SPDX-License-Identifier: ISC */
/*
 * The tunnel's JSON: every message of the protocol is read, every edge of every
 * member is kept, and what is wrong is answered the way the protocol says.
 */
#include "frames.h"

#include "common/json.h"
#include "common/wipe.h"

#include "allocations.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BAD_DATA 1007
#define POLICY 1008
#define INTERNAL 1011
#define NONCE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static char kid[JOSE_KEY_ID_SIZE], kid_other[JOSE_KEY_ID_SIZE], kid_none[JOSE_KEY_ID_SIZE];
static struct sealed_recipient recipient;
static struct frame_reader reader = { "corp", kid, "" };

static int
setup(void **state)
{
	struct jose_key *key = jose_key_generate();

	(void)state;
	if (key == NULL)
		return -1;
	memset(kid_other, 'A', sizeof(kid_other) - 1);
	memset(kid_none, 'B', sizeof(kid_none) - 1);
	jose_key_public(key, recipient.xy);
	jose_key_free(key);
	return jose_key_thumbprint(recipient.xy, kid);
}

/* The text in a block of its own size. */
static int
read_exact(const char *text, size_t len, struct frame *frame)
{
	const char *why = NULL;
	char *copy = malloc(len == 0 ? 1 : len);
	int result;

	assert_non_null(copy);
	memcpy(copy, text, len);
	result = frame_read(&reader, copy, len, frame, &why);
	if (result != 0)
		assert_non_null(why);
	free(copy);
	return result;
}

static int
read_text(const char *text, struct frame *frame)
{
	return read_exact(text, strlen(text), frame);
}

static void
expect(const char *text, enum frame_type type)
{
	struct frame frame;

	if (read_text(text, &frame) != 0 || frame.type != type)
		fail_msg("%s: type %d (%s), not %d", text, (int)frame.type,
		    frame.why == NULL ? "" : frame.why, (int)type);
	frame_free(&frame);
}

static void
expect_close(const char *text, int code)
{
	struct frame frame;
	int got = read_text(text, &frame);

	if (got != code)
		fail_msg("%s: %d, not %d", text, got, code);
}

static void
test_notices(void **state)
{
	struct frame frame;

	(void)state;
	assert_int_equal(read_text("{\"type\":\"challenge\",\"nonce\":\"" NONCE "\"}", &frame), 0);
	assert_int_equal(frame.type, FRAME_CHALLENGE);
	assert_string_equal(frame.nonce, NONCE);
	assert_int_equal(read_text("{\"type\":\"welcome\",\"time\":1700000000,\"connectors\":1,"
				   "\"lease\":false,\"state\":\"pending\",\"scim_token\":\"x\"}",
			     &frame),
	    0);
	assert_int_equal(frame.type, FRAME_WELCOME);
	assert_false(frame.approved);
	assert_int_equal(read_text("{\"type\":\"state\",\"state\":\"approved\"}", &frame), 0);
	assert_int_equal(frame.type, FRAME_STATE);
	assert_true(frame.approved);
}

static void
test_bad_notices(void **state)
{
	(void)state;
	expect_close("{\"type\":\"challenge\",\"nonce\":\"" NONCE "A\"}", POLICY);
	expect_close(
	    "{\"type\":\"challenge\",\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
	    POLICY);
	expect_close(
	    "{\"type\":\"challenge\",\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+\"}",
	    POLICY);
	expect_close("{\"type\":\"challenge\",\"nonce\":1}", POLICY);
	expect_close("{\"type\":\"challenge\"}", POLICY);
	expect_close("{\"type\":\"welcome\",\"state\":\"approved\"}", POLICY);
	expect_close("{\"type\":\"welcome\",\"time\":-1,\"state\":\"approved\"}", POLICY);
	expect_close("{\"type\":\"welcome\",\"time\":1.5,\"state\":\"approved\"}", POLICY);
	expect_close("{\"type\":\"welcome\",\"time\":1}", POLICY);
	expect_close("{\"type\":\"state\",\"state\":\"maybe\"}", POLICY);
	expect_close("{\"type\":\"authenticate\"}", POLICY);
	expect_close("{\"type\":\"\"}", POLICY);
	expect_close("{\"type\":null}", POLICY);
	expect_close("{}", POLICY);
}

static void
read_rekeyed(const char *status, const char *reason, int expected)
{
	struct frame frame;
	char *text;
	int got;

	assert_true(asprintf(&text, "{\"type\":\"rekeyed\",\"status\":%s,\"reason\":%s}", status,
			reason) > 0);
	got = read_text(text, &frame);
	if (got != (expected < 0 ? POLICY : 0) ||
	    (expected >= 0 &&
		(frame.type != FRAME_REKEYED || (int)frame.rekeyed != expected ||
		    frame.id[0] != '\0')))
		fail_msg("%s: %d", text, got);
	free(text);
}

static void
test_rekeyed(void **state)
{
	static const char *const words[REKEY_RESULTS] = { "ok", "rejected", "too_many",
		"unavailable" };
	char text[FRAME_REASON_SIZE + 8];
	struct frame frame;
	int i;

	(void)state;
	for (i = 0; i < REKEY_RESULTS; i++) {
		snprintf(text, sizeof(text), "\"%s\"", words[i]);
		read_rekeyed(text, "\"\"", i);
	}
	for (i = FRAME_REASON_SIZE - 2; i <= FRAME_REASON_SIZE; i++) {
		snprintf(text, sizeof(text), "\"%0*d\"", i, 0);
		read_rekeyed("\"ok\"", text, i < FRAME_REASON_SIZE ? REKEY_OK : -1);
	}
	assert_int_equal(
	    read_text("{\"type\":\"rekeyed\",\"status\":\"rejected\",\"reason\":\"wh\u00fd\","
		      "\"more\":[1]}",
		&frame),
	    0);
	assert_string_equal(frame.reason, "wh\303\275");
	read_rekeyed("\"\"", "\"\"", -1);
	read_rekeyed("\"o\"", "\"\"", -1);
	read_rekeyed("\"okk\"", "\"\"", -1);
	read_rekeyed("\"OK\"", "\"\"", -1);
	read_rekeyed("\"ok \"", "\"\"", -1);
	read_rekeyed("0", "\"\"", -1);
	read_rekeyed("null", "\"\"", -1);
	read_rekeyed("\"ok\"", "null", -1);
	read_rekeyed("\"ok\"", "1", -1);
	expect_close("{\"type\":\"rekeyed\",\"status\":\"ok\"}", POLICY);
	expect_close("{\"type\":\"rekeyed\",\"reason\":\"\"}", POLICY);
	expect_close("{\"type\":\"rekeyed\"}", POLICY);
	expect_close("{\"type\":\"rekeyed\",\"status\":\"ok\\u0000\",\"reason\":\"\"}", BAD_DATA);
	expect_close("{\"type\":\"rekeyed\",\"status\":\"ok\",\"reason\":\"a\\u0000\"}", BAD_DATA);
	expect_close("{\"type\":\"rekeyed\",\"status\":\"ok\",\"reason\":\"\xff\"}", BAD_DATA);
	/* With an id it is a request like any other that is not known. */
	expect("{\"id\":\"1\",\"type\":\"rekeyed\",\"status\":\"ok\",\"reason\":\"\"}",
	    FRAME_UNSUPPORTED);
}

static void
test_not_json(void **state)
{
	(void)state;
	expect_close("", BAD_DATA);
	expect_close("{", BAD_DATA);
	expect_close("null", BAD_DATA);
	expect_close("{\"id\":\"1\",\"id\":\"2\",\"type\":\"test\"}", BAD_DATA);
	expect_close("{\"id\":\"1\",\"type\":\"test\"} x", BAD_DATA);
	expect_close("{\"id\":\"1\",\"type\":\"\xff\"}", BAD_DATA);
	expect_close("{\"id\":\"a\\u0000\",\"type\":\"test\"}", BAD_DATA);
	expect_close("[]", POLICY);
	expect_close("[{\"id\":\"1\",\"type\":\"test\"}]", POLICY);
}

static void
test_depth(void **state)
{
	char text[128];

	(void)state;
	/* 16 levels with the object round them are the most. */
	snprintf(text, sizeof(text), "{\"id\":\"1\",\"type\":\"x\",\"a\":%.15s%.15s}",
	    "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]");
	expect(text, FRAME_UNSUPPORTED);
	snprintf(text, sizeof(text), "{\"id\":\"1\",\"type\":\"x\",\"a\":%.16s%.16s}",
	    "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]");
	expect_close(text, BAD_DATA);
}

static void
test_length(void **state)
{
	static const char begin[] = "{\"id\":\"1\",\"type\":\"test\"}";
	char *text = malloc(FRAME_IN_MAX + 1);
	struct frame frame;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', FRAME_IN_MAX + 1);
	memcpy(text, begin, strlen(begin));
	assert_int_equal(read_exact(text, FRAME_IN_MAX, &frame), 0);
	assert_int_equal(frame.type, FRAME_TEST);
	assert_int_equal(read_exact(text, FRAME_IN_MAX + 1, &frame), BAD_DATA);
	free(text);
}

static void
test_ids(void **state)
{
	char text[256], id[FRAME_ID_SIZE + 1];
	struct frame frame;

	(void)state;
	memset(id, 'i', sizeof(id));
	id[FRAME_ID_SIZE - 1] = '\0';
	snprintf(text, sizeof(text), "{\"id\":\"%s\",\"type\":\"test\"}", id);
	assert_int_equal(read_text(text, &frame), 0);
	assert_string_equal(frame.id, id);
	id[FRAME_ID_SIZE - 1] = 'i';
	id[FRAME_ID_SIZE] = '\0';
	snprintf(text, sizeof(text), "{\"id\":\"%s\",\"type\":\"test\"}", id);
	expect_close(text, POLICY);
	expect_close("{\"id\":\"\",\"type\":\"test\"}", POLICY);
	expect_close("{\"id\":1,\"type\":\"test\"}", POLICY);
	expect_close("{\"id\":null,\"type\":\"challenge\",\"nonce\":\"" NONCE "\"}", POLICY);
}

static void
test_deadlines(void **state)
{
	static const struct {
		const char *text;
		uint32_t ms; /* 0: refused */
	} cases[] = { { "1", 1 }, { "60000", 60000 }, { "0", 0 }, { "60001", 0 }, { "-1", 0 },
		{ "1.0", 0 }, { "\"5\"", 0 }, { "null", 0 }, { "9223372036854775807", 0 },
		{ "4294967297", 0 } };
	struct frame frame;
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "{\"id\":\"1\",\"type\":\"test\",\"deadline_ms\":%s}",
		    cases[i].text);
		assert_int_equal(read_text(text, &frame), 0);
		assert_int_equal(frame.type, cases[i].ms == 0 ? FRAME_BAD_REQUEST : FRAME_TEST);
		if (cases[i].ms != 0)
			assert_int_equal(frame.deadline_ms, cases[i].ms);
	}
	assert_int_equal(read_text("{\"id\":\"1\",\"type\":\"test\"}", &frame), 0);
	assert_int_equal(frame.deadline_ms, 10000);
	/* Beyond what an integer of JSON can be: not readable at all. */
	expect_close(
	    "{\"id\":\"1\",\"type\":\"test\",\"deadline_ms\":99999999999999999999}", BAD_DATA);
}

static void
test_types(void **state)
{
	(void)state;
	expect("{\"id\":\"1\",\"type\":\"drain\"}", FRAME_DRAIN);
	expect("{\"id\":\"1\",\"type\":\"test\"}", FRAME_TEST);
	expect("{\"id\":\"1\",\"type\":\"test\",\"more\":1}", FRAME_BAD_REQUEST);
	expect("{\"id\":\"1\",\"type\":\"drain\",\"more\":1}", FRAME_BAD_REQUEST);
	expect("{\"id\":\"1\",\"type\":\"search_users\",\"filter\":\"*\"}", FRAME_UNSUPPORTED);
	expect("{\"id\":\"1\",\"type\":\"challenge\"}", FRAME_UNSUPPORTED);
	expect("{\"id\":\"1\",\"type\":\"result\"}", FRAME_UNSUPPORTED);
	expect("{\"id\":\"1\"}", FRAME_BAD_REQUEST);
	expect("{\"id\":\"1\",\"type\":1}", FRAME_BAD_REQUEST);
	expect("{\"id\":\"1\",\"type\":\"\"}", FRAME_BAD_REQUEST);
	expect("{\"id\":\"1\",\"type\":\"abcdefghijklmnopqrstuvwxyzabcdef\"}", FRAME_UNSUPPORTED);
	expect("{\"id\":\"1\",\"type\":\"abcdefghijklmnopqrstuvwxyzabcdefg\"}", FRAME_BAD_REQUEST);
}

/* A good authenticate with one member set to a JSON text; NULL takes it away. */
static void
read_authenticate(const char *member, const char *value, struct frame *frame)
{
	json_t *json, *jwe, *changed = NULL;
	char *text, *sealed;

	sealed = sealed_make(&recipient, 1, "{}", 2);
	assert_non_null(sealed);
	jwe = json_loads(sealed, 0, NULL);
	free(sealed);
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "id", "r1", "type", "authenticate",
	    "attempt", "a1", "connection", "corp", "username", "alice", "jwe", jwe);
	assert_non_null(json);
	if (member != NULL && value == NULL)
		json_object_del(json, member);
	else if (member != NULL) {
		changed = json_loads(value, JSON_DECODE_ANY, NULL);
		assert_non_null(changed);
		json_object_set_new(json, member, changed);
	}
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	assert_int_equal(read_text(text, frame), 0);
	wiping_free(text);
}

/* Of the two keys about a change it is told which one was meant; a third is nobody's. */
static void
test_two_keys(void **state)
{
	struct frame frame;

	(void)state;
	reader.kid_other = kid_other;
	read_authenticate(NULL, NULL, &frame);
	assert_int_equal(frame.type, FRAME_AUTHENTICATE);
	assert_ptr_equal(frame.kid, kid);
	frame_free(&frame);
	reader.kid = kid_other;
	reader.kid_other = kid;
	read_authenticate(NULL, NULL, &frame);
	assert_int_equal(frame.type, FRAME_AUTHENTICATE);
	assert_ptr_equal(frame.kid, kid);
	frame_free(&frame);
	reader.kid_other = kid_none;
	read_authenticate(NULL, NULL, &frame);
	assert_int_equal(frame.type, FRAME_BAD_REQUEST);
	frame_free(&frame);
	reader.kid_other = "";
	read_authenticate(NULL, NULL, &frame);
	assert_int_equal(frame.type, FRAME_BAD_REQUEST);
	frame_free(&frame);
	reader.kid = kid;
}

static void
expect_authenticate(const char *member, const char *value, enum frame_type type)
{
	struct frame frame;

	read_authenticate(member, value, &frame);
	if (frame.type != type)
		fail_msg("%s = %s: type %d", member, value, (int)frame.type);
	if (type == FRAME_BAD_REQUEST) {
		assert_non_null(frame.why);
		assert_string_equal(frame.id, "r1");
	}
	frame_free(&frame);
}

static void
test_authenticate(void **state)
{
	struct frame frame;

	(void)state;
	read_authenticate(NULL, NULL, &frame);
	assert_int_equal(frame.type, FRAME_AUTHENTICATE);
	assert_string_equal(frame.attempt, "a1");
	assert_string_equal(frame.username, "alice");
	assert_int_equal(frame.sealed.ciphertext_len, 2);
	assert_int_equal(frame.deadline_ms, 10000);
	frame_free(&frame);
}

static void
test_authenticate_members(void **state)
{
	char text[FRAME_USERNAME_SIZE + 8];
	size_t len;

	(void)state;
	expect_authenticate("attempt", NULL, FRAME_BAD_REQUEST);
	expect_authenticate("attempt", "\"\"", FRAME_BAD_REQUEST);
	expect_authenticate("attempt", "\"a b\"", FRAME_BAD_REQUEST);
	expect_authenticate("attempt", "\"a/b\"", FRAME_BAD_REQUEST);
	expect_authenticate("attempt", "\"A-_9\"", FRAME_AUTHENTICATE);
	for (len = 64; len <= 65; len++) {
		snprintf(text, sizeof(text), "\"%0*d\"", (int)len, 0);
		expect_authenticate(
		    "attempt", text, len == 64 ? FRAME_AUTHENTICATE : FRAME_BAD_REQUEST);
	}
	expect_authenticate("connection", NULL, FRAME_BAD_REQUEST);
	expect_authenticate("connection", "\"Corp\"", FRAME_BAD_REQUEST);
	expect_authenticate("connection", "\"corpx\"", FRAME_BAD_REQUEST);
	expect_authenticate("connection", "\"cor\"", FRAME_BAD_REQUEST);
	expect_authenticate("username", NULL, FRAME_BAD_REQUEST);
	expect_authenticate("username", "\"\"", FRAME_BAD_REQUEST);
	expect_authenticate("username", "7", FRAME_BAD_REQUEST);
	expect_authenticate("username", "\"*)(\\\\,\\u00e9 \"", FRAME_AUTHENTICATE);
	for (len = 1024; len <= 1025; len++) {
		snprintf(text, sizeof(text), "\"%0*d\"", (int)len, 0);
		expect_authenticate(
		    "username", text, len == 1024 ? FRAME_AUTHENTICATE : FRAME_BAD_REQUEST);
	}
	expect_authenticate("jwe", NULL, FRAME_BAD_REQUEST);
	expect_authenticate("jwe", "{}", FRAME_BAD_REQUEST);
	expect_authenticate("jwe", "\"x\"", FRAME_BAD_REQUEST);
	expect_authenticate("password", "\"x\"", FRAME_BAD_REQUEST);
	expect_authenticate("deadline_ms", "0", FRAME_BAD_REQUEST);
	expect_authenticate("deadline_ms", "60000", FRAME_AUTHENTICATE);
}

/* Cut anywhere, a request is no request, and nothing is read beyond its end. */
static void
test_truncated(void **state)
{
	static const char text[] = "{\"id\":\"1\",\"type\":\"test\",\"deadline_ms\":5}";
	struct frame frame;
	size_t i;

	(void)state;
	for (i = 0; i < strlen(text); i++)
		assert_int_equal(read_exact(text, i, &frame), BAD_DATA);
}

static json_t *
written(char *text, size_t len)
{
	json_t *json;

	assert_non_null(text);
	assert_int_equal(strlen(text), len);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	wiping_free(text);
	return json;
}

static void
test_write_result(void **state)
{
	json_t *json;
	char *text;
	size_t len = 0;

	(void)state;
	text = frame_result("1", STATUS_OK, "a.b.c", "r", "{\"id\":\"\xc3\xa9\"}", 11, &len);
	json = written(text, len);
	assert_string_equal(json_string_value(json_object_get(json, "status")), "ok");
	assert_string_equal(json_string_value(json_object_get(json, "type")), "result");
	assert_string_equal(json_string_value(json_object_get(json, "verdict")), "a.b.c");
	assert_string_equal(
	    json_string_value(json_object_get(json, "profile")), "{\"id\":\"\xc3\xa9\"}");
	json_decref(json);
	text = frame_result("1", STATUS_TIMEOUT, NULL, "", "x", 1, &len);
	json = written(text, len);
	assert_null(json_object_get(json, "verdict"));
	assert_null(json_object_get(json, "profile"));
	assert_string_equal(json_string_value(json_object_get(json, "reason")), "");
	json_decref(json);
	/* A profile that is not UTF-8 cannot be sent. */
	assert_null(frame_result("1", STATUS_OK, "a.b.c", "", "\xff", 1, &len));
}

static void
test_write_limit(void **state)
{
	char *profile = malloc(FRAME_OUT_MAX + 1), *text;
	size_t len = 0, overhead;

	(void)state;
	assert_non_null(profile);
	memset(profile, 'p', FRAME_OUT_MAX + 1);
	text = frame_result("1", STATUS_OK, "v", "", profile, 1, &len);
	assert_non_null(text);
	overhead = len - 1;
	wiping_free(text);
	text = frame_result("1", STATUS_OK, "v", "", profile, FRAME_OUT_MAX - overhead, &len);
	assert_non_null(text);
	assert_int_equal(len, FRAME_OUT_MAX);
	wiping_free(text);
	assert_null(
	    frame_result("1", STATUS_OK, "v", "", profile, FRAME_OUT_MAX - overhead + 1, &len));
	free(profile);
}

static void
test_write_others(void **state)
{
	const struct frame_step step = { "reach", true, 4294967295U, "c", "t", "h" };
	json_t *steps = json_array(), *json, *first;
	char *text;
	size_t len = 0;

	(void)state;
	assert_int_equal(frame_steps_add(steps, &step), 0);
	text = frame_test_result("1", false, steps, &len);
	json_decref(steps);
	json = written(text, len);
	assert_false(json_boolean_value(json_object_get(json, "passed")));
	first = json_array_get(json_object_get(json, "steps"), 0);
	assert_int_equal(json_integer_value(json_object_get(first, "ms")), 4294967295);
	assert_true(json_boolean_value(json_object_get(first, "passed")));
	assert_string_equal(json_string_value(json_object_get(first, "step")), "reach");
	json_decref(json);
	text = frame_hello("a.b.c", &len);
	json = written(text, len);
	assert_string_equal(json_string_value(json_object_get(json, "proof")), "a.b.c");
	json_decref(json);
	text = frame_rekey("a.b.c", "d.e.f", &len);
	json = written(text, len);
	assert_string_equal(json_string_value(json_object_get(json, "type")), "rekey");
	assert_string_equal(json_string_value(json_object_get(json, "statement")), "a.b.c");
	assert_string_equal(json_string_value(json_object_get(json, "proof")), "d.e.f");
	assert_int_equal(json_object_size(json), 3);
	json_decref(json);
	assert_null(frame_rekey("a.b.c", "\xff", &len));
}

/* Whatever is refused, the hub hears of a request whose id came through, and is not blamed. */
static bool
read_without_memory(void *arg)
{
	struct frame frame;
	const char *why = NULL;
	int close = frame_read(&reader, arg, strlen(arg), &frame, &why);

	if (close != 0) {
		assert_int_equal(close, INTERNAL);
		assert_string_equal(why, "out of memory");
		return false;
	}
	if (frame.type != FRAME_AUTHENTICATE) {
		assert_int_equal(frame.type, FRAME_UNREAD);
		assert_string_equal(frame.id, "r1");
		assert_string_equal(frame.why, "out of memory");
	}
	frame_free(&frame);
	return frame.type == FRAME_AUTHENTICATE;
}

static bool
written_without_memory(void *arg)
{
	struct frame_step step = { "reach", true, 1, "", "text", "" };
	json_t *steps = json_array();
	char *text = NULL;
	size_t len;

	(void)arg;
	if (steps != NULL && frame_steps_add(steps, &step) == 0)
		text = frame_test_result("r1", true, steps, &len);
	json_decref(steps);
	wiping_free(text);
	return text != NULL;
}

static void
test_want_of_memory(void **state)
{
	char *sealed = sealed_make(&recipient, 1, "{}", 2), *text;

	(void)state;
	assert_non_null(sealed);
	assert_true(asprintf(&text,
			"{\"id\":\"r1\",\"type\":\"authenticate\",\"attempt\":\"a1\","
			"\"connection\":\"corp\",\"username\":\"alice\",\"jwe\":%s}",
			sealed) > 0);
	allocations_fail_each(read_without_memory, text, 0);
	free(text);
	free(sealed);
	allocations_fail_each(written_without_memory, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notices),
		cmocka_unit_test(test_bad_notices),
		cmocka_unit_test(test_rekeyed),
		cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_authenticate),
		cmocka_unit_test(test_authenticate_members),
		cmocka_unit_test(test_two_keys),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_write_result),
		cmocka_unit_test(test_write_limit),
		cmocka_unit_test(test_write_others),
		cmocka_unit_test(test_want_of_memory),
	};

	json_use_wiping_allocator();
	return cmocka_run_group_tests(tests, setup, NULL);
}
