/* SPDX-License-Identifier: ISC */
/*
 * What a client that seals by itself needs: the keys to seal for, and where to send
 * the sealed password.  No password is ever in clear here.
 */
#include "common/clock.h"
#include "common/json.h"
#include "key_json.h"
#include "public_login.h"
#include "common/wipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACE "login"

struct pending_route {
	struct gate *gate;
	struct http_exchange *exchange;
	json_t *body; /* of a login, otherwise NULL */
};

static void
on_gone(void *arg)
{
	struct pending_route *p = arg;

	p->exchange = NULL;
}

/* Asks for the connection; takes body. */
static void
ask_connection(struct gate *gate, struct http_exchange *x, const char *identifier,
    connection_fn answer, json_t *body)
{
	struct pending_route *p;

	if ((p = calloc(1, sizeof(*p))) == NULL) {
		json_decref(body);
		http_error(x, 500, "internal", "out of memory");
		return;
	}
	p->gate = gate;
	p->exchange = x;
	p->body = body;
	http_on_gone(x, on_gone, p);
	connection_find(gate->connections, identifier, answer, p);
}

/* Answers unless it was found. */
static bool
answered_not_found(struct http_exchange *x, enum connection_found found)
{
	if (found == CONNECTION_ONE)
		return false;
	if (found == CONNECTION_NO_ANSWER)
		http_error(x, 503, "unavailable", "the hub cannot answer now, try later");
	else
		http_error(x, 404, "not_found", "there is no such connection");
	return true;
}

static void
on_keys(void *arg, enum connection_found found, const char *identifier, const char *display_name)
{
	struct pending_route *p = arg;
	struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS];
	struct http_exchange *x = p->exchange;
	size_t n;

	n = tunnels_recipients(p->gate->tunnels, identifier, recipients);
	free(p);
	if (x == NULL || answered_not_found(x, found))
		return;
	http_answer_json(x, 200,
	    json_pack("{s:I, s:s, s:s, s:o}", "time", (json_int_t)clock_unix(), "connection",
		identifier, "display_name", display_name, "recipients",
		recipients_json(recipients, n)));
}

void
login_keys(struct gate *gate, struct http_exchange *x, const char *identifier)
{
	if (!is_connection_identifier(identifier))
		answered_not_found(x, CONNECTION_NONE);
	else
		ask_connection(gate, x, identifier, on_keys, NULL);
}

static void
answer(struct http_exchange *x, const struct public_result *result)
{
	char head[160], *text;
	size_t len;
	int n;

	if (result->status == STATUS_BAD_REQUEST) {
		http_error(x, 400, "bad_request", public_message(result));
		return;
	}
	if (result->profile == NULL) {
		http_answer_json(x, 200,
		    json_pack("{s:s, s:b, s:s, s:n}", "status", status_word(result->status),
			"proven", (int)result->proven, "message", public_message(result), "user"));
		return;
	}
	n = snprintf(head, sizeof(head),
	    "{\"status\":\"ok\",\"proven\":true,\"message\":\"%s\",\"user\":",
	    public_message(result));
	len = (size_t)n + result->profile_len + 1;
	if ((text = malloc(len)) == NULL) {
		http_error(x, 500, "internal", "out of memory");
		return;
	}
	memcpy(text, head, (size_t)n);
	memcpy(text + n, result->profile, result->profile_len);
	text[len - 1] = '}';
	http_answer(x, 200, text, len);
	free(text);
}

/* Takes body. */
static void
start(struct gate *gate, struct http_exchange *x, const char *connection, json_t *body)
{
	const struct http_request *http = http_exchange_request(x);
	struct login_request request = {
		.connection = connection,
		.username = json_string_value(json_object_get(body, "username")),
		.jwe = json_object_get(body, "jwe"),
		.body = http->body,
		.body_len = http->body_len,
		.face = FACE,
		.address = http->address.text,
	};

	if (tunnels_online(gate->tunnels, connection))
		public_login(gate, x, &request, answer);
	else
		public_unavailable(x, connection, request.username, FACE, answer);
	json_decref(body);
}

static void
on_login(void *arg, enum connection_found found, const char *identifier, const char *display_name)
{
	struct pending_route *p = arg;
	struct http_exchange *x = p->exchange;
	struct gate *gate = p->gate;
	json_t *body = p->body;

	(void)display_name;
	free(p);
	if (x != NULL) {
		http_on_gone(x, NULL, NULL);
		if (!answered_not_found(x, found)) {
			start(gate, x, identifier, body);
			return;
		}
	}
	json_decref(body);
}

static void
answer_throttled(struct http_exchange *x, unsigned int seconds)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", seconds);
	http_set_field(x, "Retry-After", value);
	http_error(x, 429, "too_many", "too many attempts, try again later");
}

void
login_verify(struct gate *gate, struct http_exchange *x)
{
	static const char *const members[] = { "connection", "username", "jwe" };
	struct http_request *request = http_exchange_request(x);
	const char *connection, *username, *why = "it needs connection, username and jwe";
	size_t refused = wiping_refused();
	unsigned int seconds;
	json_t *body;

	if ((seconds = public_throttle_address(gate, &request->address, FACE)) != 0) {
		answer_throttled(x, seconds);
		return;
	}
	body = json_read(request->body, request->body_len, HTTP_BODY_MAX, &why);
	connection = json_get_string(body, "connection", 1, CONNECTION_SIZE - 1);
	username = json_get_string(body, "username", 1, USERNAME_MAX);
	if (connection == NULL || username == NULL || !is_connection_identifier(connection) ||
	    !json_is_object(json_object_get(body, "jwe")) ||
	    json_only_keys(body, members, 3) == -1) {
		json_decref(body);
		http_bad_body(x, refused, why);
		return;
	}
	if ((seconds = public_throttle_name(gate, &request->address, FACE, connection, username)) !=
	    0) {
		json_decref(body);
		answer_throttled(x, seconds);
		return;
	}
	/* A connection with a connector online exists: nobody needs to be asked. */
	if (tunnels_online(gate->tunnels, connection))
		start(gate, x, connection, body);
	else
		ask_connection(gate, x, connection, on_login, body);
}
