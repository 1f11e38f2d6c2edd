/* SPDX-License-Identifier: ISC */
/*
 * What a hub says about a ticket: taken when complete and of the ticket's own
 * origin, and otherwise refused with the code that tells a person which it was.
 */
#include "enrol_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct endpoint hub = {
	.scheme = ENDPOINT_HTTPS, .host = "hub.example", .port = 8855
};

#define TICKET                                                                                     \
	"{\"type\":\"adconnector-ticket\",\"protocol\":1,\"connection\":\"corp\","                 \
	"\"display_name\":\"Example\",\"tunnel_url\":\"wss://hub.example:8855/tunnel\","           \
	"\"scim_url\":\"https://hub.example:8855/scim/v2\",\"later\":1}"
#define RESULT                                                                                     \
	"{\"connector_id\":\"abc-_9\",\"connection\":\"corp\",\"state\":\"pending\","              \
	"\"tunnel_url\":\"wss://hub.example:8855/tunnel\","                                        \
	"\"scim_url\":\"https://hub.example:8855/scim/v2\"}"

/* The text with one member set to a JSON text; NULL takes it away. */
static json_t *
with(const char *text, const char *member, const char *value)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	if (member != NULL && value == NULL)
		json_object_del(json, member);
	else if (member != NULL)
		json_object_set_new(json, member, json_loads(value, JSON_DECODE_ANY, NULL));
	return json;
}

static void
refuse_ticket(const char *member, const char *value, const char *code)
{
	json_t *json = with(TICKET, member, value);
	struct ticket_page page;
	struct failure f;

	assert_int_equal(enrol_read_ticket(200, json, &hub, "hub", &page, &f), -1);
	if (strcmp(f.code, code) != 0)
		fail_msg(
		    "%s = %s: %s, not %s", member, value == NULL ? "(none)" : value, f.code, code);
	json_decref(json);
}

static void
refuse_result(const char *member, const char *value)
{
	json_t *json = with(RESULT, member, value);
	struct enrolment e;
	struct failure f;

	if (enrol_read_result(201, json, &hub, "hub", &e, &f) != -1)
		fail_msg("%s = %s was taken", member, value == NULL ? "(none)" : value);
	assert_string_equal(f.code, "rejected");
	json_decref(json);
}

static void
test_ticket(void **state)
{
	json_t *json = with(TICKET, NULL, NULL);
	struct ticket_page page;
	struct failure f;

	(void)state;
	assert_int_equal(enrol_read_ticket(200, json, &hub, "hub", &page, &f), 0);
	assert_string_equal(page.connection, "corp");
	assert_string_equal(page.display_name, "Example");
	json_decref(json);
}

static void
test_ticket_members(void **state)
{
	char text[300];

	(void)state;
	refuse_ticket("type", NULL, "not_a_ticket");
	refuse_ticket("type", "\"adconnector-tickets\"", "not_a_ticket");
	refuse_ticket("type", "1", "not_a_ticket");
	refuse_ticket("protocol", NULL, "rejected");
	refuse_ticket("protocol", "2", "rejected");
	refuse_ticket("protocol", "0", "rejected");
	refuse_ticket("protocol", "\"1\"", "rejected");
	refuse_ticket("connection", NULL, "rejected");
	refuse_ticket("connection", "\"\"", "rejected");
	snprintf(text, sizeof(text), "\"%065d\"", 0);
	refuse_ticket("connection", text, "rejected");
	refuse_ticket("display_name", "\"\"", "rejected");
	snprintf(text, sizeof(text), "\"%0257d\"", 0);
	refuse_ticket("display_name", text, "rejected");
}

static void
test_origins(void **state)
{
	static const char *const bad[] = { NULL, "1", "\"\"", "\"wss://hub.example:8856/tunnel\"",
		"\"wss://hub.example/tunnel\"", "\"ws://hub.example:8855/tunnel\"",
		"\"https://hub.example:8855/tunnel\"", "\"wss://evil.example:8855/tunnel\"",
		"\"wss://hub.example.evil.test:8855/tunnel\"",
		"\"wss://hub.example:8855@evil.test/tunnel\"", "\"/tunnel\"",
		"\"wss://hub.example:8855\\n\"" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refuse_ticket("tunnel_url", bad[i], "rejected");
		refuse_result("tunnel_url", bad[i]);
	}
	refuse_result("scim_url", NULL);
	refuse_result("scim_url", "\"wss://hub.example:8855/scim/v2\"");
	refuse_result("scim_url", "\"http://hub.example:8855/scim/v2\"");
	refuse_result("scim_url", "\"https://hub.example:8854/scim/v2\"");
	refuse_result("scim_url", "\"https://hub.example.evil.test:8855/scim/v2\"");
}

static void
test_result(void **state)
{
	json_t *json = with(RESULT, NULL, NULL);
	struct enrolment e;
	struct failure f;

	(void)state;
	assert_int_equal(enrol_read_result(201, json, &hub, "hub", &e, &f), 0);
	assert_string_equal(e.connector_id, "abc-_9");
	assert_false(e.approved);
	json_decref(json);
	json = with(RESULT, "state", "\"approved\"");
	assert_int_equal(enrol_read_result(201, json, &hub, "hub", &e, &f), 0);
	assert_true(e.approved);
	/* 200 is not 201. */
	assert_int_equal(enrol_read_result(200, json, &hub, "hub", &e, &f), -1);
	json_decref(json);
}

static void
test_result_members(void **state)
{
	char text[80];

	(void)state;
	refuse_result("connector_id", NULL);
	refuse_result("connector_id", "\"\"");
	refuse_result("connector_id", "\"a b\"");
	refuse_result("connector_id", "\"a\\nb\"");
	refuse_result("connector_id", "7");
	snprintf(text, sizeof(text), "\"%065d\"", 0);
	refuse_result("connector_id", text);
	refuse_result("connection", NULL);
	refuse_result("state", NULL);
	refuse_result("state", "\"revoked\"");
}

static void
expect_error(unsigned int status, const char *text, const char *code)
{
	json_t *json = json_loads(text, 0, NULL);
	struct enrolment e;
	struct ticket_page page;
	struct failure f;

	assert_int_equal(enrol_read_result(status, json, &hub, "hub", &e, &f), -1);
	assert_string_equal(f.code, code);
	assert_int_equal(enrol_read_ticket(status, json, &hub, "hub", &page, &f), -1);
	assert_string_equal(f.code, code);
	json_decref(json);
}

static void
test_errors(void **state)
{
	(void)state;
	expect_error(
	    404, "{\"error\":{\"code\":\"ticket_unknown\",\"message\":\"x\"}}", "ticket_unknown");
	expect_error(409, "{\"error\":{\"code\":\"ticket_used_up\"}}", "ticket_used_up");
	expect_error(410, "{\"error\":{\"code\":\"ticket_expired\"}}", "ticket_expired");
	expect_error(410, "{\"error\":{\"code\":\"ticket_revoked\"}}", "ticket_revoked");
	expect_error(403, "{\"error\":{\"code\":\"rejected\",\"message\":\"no\"}}", "rejected");
	expect_error(400, "{\"error\":{\"code\":\"bad_request\"}}", "rejected");
	expect_error(429, "{\"error\":{\"code\":\"too_many\"}}", "unreachable");
	expect_error(503, "{\"error\":{\"code\":\"unavailable\"}}", "unreachable");
	expect_error(500, "{\"error\":{\"code\":\"something new\"}}", "rejected");
	expect_error(404, "{}", "not_a_ticket");
	expect_error(404, "{\"error\":\"x\"}", "not_a_ticket");
	expect_error(404, "{\"error\":{\"code\":7}}", "not_a_ticket");
	expect_error(404, "{\"error\":{\"code\":\"\"}}", "not_a_ticket");
}

static void
test_error_words(void **state)
{
	json_t *json =
	    json_loads("{\"error\":{\"code\":\"rejected\",\"message\":\"m\xc3\xa9m\"}}", 0, NULL);
	struct enrolment e;
	struct failure f;
	char long_message[600];

	(void)state;
	assert_int_equal(enrol_read_result(403, json, &hub, "hub", &e, &f), -1);
	assert_non_null(strstr(f.text, "m\xc3\xa9m"));
	/* One that is too long is left out, not cut. */
	memset(long_message, 'm', sizeof(long_message) - 1);
	long_message[sizeof(long_message) - 1] = '\0';
	json_object_set_new(json_object_get(json, "error"), "message", json_string(long_message));
	assert_int_equal(enrol_read_result(403, json, &hub, "hub", &e, &f), -1);
	assert_null(strstr(f.text, "mmmm"));
	json_decref(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticket),
		cmocka_unit_test(test_ticket_members),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_result_members),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_error_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
