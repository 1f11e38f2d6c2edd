/* SPDX-License-Identifier: ISC */
/*
 * POST /api/v2/ad/verify-user: the call that GenAuth's SDKs make.
 *
 * The only place of the hub where a password is ever in clear.  It stays in the body of
 * the request, one copy, until the connection is known; then it is sealed at once and
 * every copy is wiped, before anything else happens.
 *
 * SDKs look at `code` in the body and take other HTTP statuses for a broken server, so
 * a refusal is a 200 with its own code.
 */
#include "common/clock.h"
#include "common/json.h"
#include "public_login.h"
#include "common/sealed_content.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACE "verify-user"

struct verify {
	struct gate *gate;
	struct http_exchange *exchange;
};

static void
answer_refusal(
    struct http_exchange *x, int http_status, int code, const char *status, const char *message)
{
	http_answer_json(x, http_status,
	    json_pack("{s:i, s:s, s:s, s:n}", "code", code, "status", status, "message", message,
		"data"));
}

static void
answer_user(struct http_exchange *x, const struct public_result *result)
{
	static const char head[] =
	    "{\"code\":200,\"status\":\"ok\",\"message\":\"logged in\",\"data\":";
	const char *profile = result->profile == NULL ? "{}" : result->profile;
	size_t len = result->profile == NULL ? 2 : result->profile_len, size;
	char *text;

	size = sizeof(head) - 1 + len + 1;
	if ((text = malloc(size)) == NULL) {
		answer_refusal(x, 200, 500, "internal", "the hub is out of memory");
		return;
	}
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + sizeof(head) - 1, profile, len);
	text[size - 1] = '}';
	http_answer(x, 200, text, size);
	free(text);
}

static void
answer(struct http_exchange *x, const struct public_result *result)
{
	const char *message = public_message(result), *word = status_word(result->status);

	if (result->status == STATUS_OK)
		answer_user(x, result);
	else if (result->proven)
		answer_refusal(x, 200, 403, word, message);
	else if (result->status == STATUS_BAD_REQUEST)
		answer_refusal(x, 400, 400, word, message);
	else if (result->status == STATUS_CONNECTOR_UNAVAILABLE)
		answer_refusal(x, 200, 503, word, message);
	else
		answer_refusal(x, 200, 401, word, message);
}

static void
answer_throttled(struct http_exchange *x, unsigned int seconds)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", seconds);
	http_set_field(x, "Retry-After", value);
	answer_refusal(x, 429, 429, "too_many", "too many attempts, try again later");
}

/* The password sealed for the connectors; wipes it in body. NULL: *why is set. */
static char *
seal(const char *connection, json_t *body, const struct sealed_recipient *recipients, size_t n,
    const char **why)
{
	const char *username = json_get_string(body, "username", 1, USERNAME_MAX);
	json_t *password = json_object_get(body, "password");
	struct sealed_content content;
	char *sealed = NULL;
	uint8_t *plain;
	size_t len;

	memset(&content, 0, sizeof(content));
	strlcpy(content.op, "authenticate", sizeof(content.op));
	strlcpy(content.connection, connection, sizeof(content.connection));
	strlcpy(content.username, username, sizeof(content.username));
	content.iat = clock_unix();
	content.password_len = json_string_length(password);
	if ((content.password = wiping_malloc(content.password_len + 1)) == NULL) {
		*why = "out of memory";
		return NULL;
	}
	memcpy(content.password, json_string_value(password), content.password_len + 1);
	/* jansson's allocator wipes as it frees. */
	json_object_del(body, "password");
	if ((plain = sealed_content_write(&content, &len, why)) != NULL) {
		if ((sealed = sealed_make(recipients, n, plain, len)) == NULL)
			*why = "the password could not be sealed";
		wiping_free(plain);
	}
	sealed_content_free(&content);
	wipe_stack();
	return sealed;
}

/* Body to JSON; the body is wiped. NULL when it is not as it must be; then answered. */
static json_t *
read_body(struct http_exchange *x)
{
	struct http_request *request = http_exchange_request(x);
	const json_t *password;
	const char *why = NULL;
	json_t *body;
	int fault;

	body = json_read(request->body, request->body_len, HTTP_BODY_MAX, &why);
	fault = body == NULL ? errno : 0;
	http_request_clear(x);
	wipe_stack();
	password = json_object_get(body, "password");
	if (json_get_string(body, "username", 1, USERNAME_MAX) != NULL &&
	    json_is_string(password) && json_string_length(password) <= SEALED_MAX_PASSWORD)
		return body;
	json_decref(body);
	if (fault == ENOMEM) {
		answer_refusal(x, 503, 503, "unavailable", "the hub is short of memory, try later");
		return NULL;
	}
	answer_refusal(x, 400, 400, "bad_request",
	    why != NULL ? why : "username and password must be strings of sensible length");
	return NULL;
}

static void
start(struct gate *gate, struct http_exchange *x, const char *connection)
{
	struct http_request *http = http_exchange_request(x);
	struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS];
	struct login_request request = { .connection = connection, .face = FACE };
	const char *why = "the password could not be sealed";
	unsigned int seconds;
	json_t *body, *jwe = NULL;
	char *sealed = NULL;
	size_t n, refused = wiping_refused();

	if ((body = read_body(x)) == NULL)
		return;
	request.username = json_string_value(json_object_get(body, "username"));
	request.address = http->address.text;
	if ((seconds = public_throttle_name(
		 gate, &http->address, FACE, connection, request.username)) != 0) {
		json_decref(body);
		answer_throttled(x, seconds);
		return;
	}
	n = tunnels_recipients(gate->tunnels, connection, recipients);
	if (n > 0)
		sealed = seal(connection, body, recipients, n, &why);
	json_object_del(body, "password");
	if (n == 0)
		public_unavailable(x, connection, request.username, FACE, answer);
	else if (sealed == NULL ||
	    (jwe = json_read(sealed, strlen(sealed), SEALED_MAX_JSON, &why)) == NULL) {
		if (wiping_fault(refused) == ENOMEM)
			answer_refusal(
			    x, 503, 503, "unavailable", "the hub is short of memory, try later");
		else
			answer_refusal(x, 400, 400, "bad_request", why);
	} else {
		request.jwe = jwe;
		public_login(gate, x, &request, answer);
	}
	json_decref(jwe);
	free(sealed);
	json_decref(body);
}

static void
on_gone(void *arg)
{
	struct verify *v = arg;

	v->exchange = NULL;
}

static void
on_connection(
    void *arg, enum connection_found found, const char *identifier, const char *display_name)
{
	struct verify *v = arg;
	struct http_exchange *x = v->exchange;
	struct gate *gate = v->gate;

	(void)display_name;
	free(v);
	if (x == NULL)
		return;
	http_on_gone(x, NULL, NULL);
	switch (found) {
	case CONNECTION_ONE:
		start(gate, x, identifier);
		break;
	case CONNECTION_NONE:
		answer_refusal(x, 400, 400, "bad_request", "there is no connection yet");
		break;
	case CONNECTION_SEVERAL:
		answer_refusal(x, 400, 400, "bad_request",
		    "this hub has several connections; this path serves hubs with one only");
		break;
	case CONNECTION_NO_ANSWER:
		answer_refusal(
		    x, 200, 503, "connector_unavailable", "cannot log in now, try again later");
		break;
	}
}

void
verify_user(struct gate *gate, struct http_exchange *x)
{
	struct http_request *request = http_exchange_request(x);
	const char *application = http_head_get(&request->head, "x-authing-app-id");
	unsigned int seconds;
	struct verify *v;

	if (application != NULL && *application != '\0') {
		answer_refusal(x, 400, 400, "bad_request", "unknown application");
		return;
	}
	if ((seconds = public_throttle_address(gate, &request->address, FACE)) != 0) {
		answer_throttled(x, seconds);
		return;
	}
	if ((v = calloc(1, sizeof(*v))) == NULL) {
		answer_refusal(x, 200, 500, "internal", "the hub is out of memory");
		return;
	}
	v->gate = gate;
	v->exchange = x;
	http_on_gone(x, on_gone, v);
	connection_find(gate->connections, "", on_connection, v);
}
