/* SPDX-License-Identifier: ISC */
/*
 * Logins that an administrator tries: keys and attempts come from the public instance, which
 * has the tunnels.  Everything is shown, the reason too.
 */
#include "admin.h"
#include "common/clock.h"
#include "common/json.h"
#include "key_json.h"
#include "common/log.h"
#include "common/wipe.h"

#include <stdlib.h>
#include <string.h>

struct control_ask {
	struct gate *gate;
	struct http_exchange *exchange;
	char identifier[CONNECTION_SIZE];
};

static void
on_gone(void *arg)
{
	struct control_ask *a = arg;

	a->exchange = NULL;
}

/* NULL after an answer. */
static struct control_ask *
ask_new(struct gate *gate, struct http_exchange *x, const char *identifier)
{
	struct control_ask *a;

	if ((a = calloc(1, sizeof(*a))) == NULL) {
		http_error(x, 500, "internal", "out of memory");
		return NULL;
	}
	a->gate = gate;
	a->exchange = x;
	memcpy(a->identifier, identifier, strlen(identifier) + 1);
	http_on_gone(x, on_gone, a);
	return a;
}

static json_t *
keys_json(
    const char *identifier, uint64_t time, const struct sealed_recipient *recipients, size_t n)
{
	return json_pack("{s:I, s:s, s:o}", "time", (json_int_t)time, "connection", identifier,
	    "recipients", recipients_json(recipients, n));
}

/* The connection exists, and has nobody online: that is an answer, not an error. */
static void
no_keys(struct gate *gate, struct http_exchange *x, int http_status, json_t *connection)
{
	const char *identifier = json_get_string(connection, "identifier", 1, CONNECTION_SIZE - 1);

	(void)gate;
	http_answer_json(x, http_status,
	    keys_json(identifier == NULL ? "" : identifier, (uint64_t)clock_unix(), NULL, 0));
	json_decref(connection);
}

static void
on_keys(void *arg, struct message *reply)
{
	struct admin_call call = {
		.operation = ADMIN_CONNECTION_SHOW, .narguments = 1, .http_status = 200
	};
	struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS];
	struct control_ask *a = arg;
	uint64_t time = 0;
	uint8_t i, n = 0;

	if (reply != NULL) {
		time = wire_get_u64(&reply->body);
		n = wire_get_u8(&reply->body);
		for (i = 0; i < n && i < SEALED_MAX_RECIPIENTS; i++)
			wire_get_fixed(&reply->body, recipients[i].xy, sizeof(recipients[i].xy));
		if (wire_end(&reply->body) == -1 || n > SEALED_MAX_RECIPIENTS)
			proc_bad_message(reply);
	}
	if (a->exchange == NULL)
		;
	else if (reply == NULL)
		http_error(
		    a->exchange, 503, "unavailable", "the hub's public gate does not answer");
	else if (n > 0)
		http_answer_json(a->exchange, 200, keys_json(a->identifier, time, recipients, n));
	else {
		/* No connector online, or no such connection: the store knows. */
		call.argument[0] = a->identifier;
		admin_ask(a->gate, a->exchange, &call, no_keys);
	}
	free(a);
}

void
control_seal_keys(struct gate *gate, struct http_exchange *x, const char *identifier)
{
	struct control_ask *a;
	struct wire_writer w;

	if ((a = ask_new(gate, x, identifier)) == NULL)
		return;
	wire_writer_init(&w);
	wire_put_string(&w, identifier);
	ask_send(gate->asks, MESSAGE_SEAL_KEYS_GET, &w, MESSAGE_SEAL_KEYS, on_keys, a);
}

static void
on_login(void *arg, struct message *reply)
{
	struct control_ask *a = arg;
	char reason[1024], attempt[128];
	const uint8_t *profile = NULL;
	size_t len = 0;
	uint8_t status = STATUS_INTERNAL, proven = 0;
	json_t *user = NULL;

	if (reply != NULL) {
		status = wire_get_u8(&reply->body);
		proven = wire_get_u8(&reply->body);
		wire_get_string(&reply->body, reason, sizeof(reason), 0);
		wire_get_string(&reply->body, attempt, sizeof(attempt), 0);
		profile = wire_get_bytes(&reply->body, 0, WIRE_MAX, &len);
		if (wire_end(&reply->body) == -1 || status >= STATUS_COUNT || proven > 1)
			proc_bad_message(reply);
	}
	if (len > 0)
		user = json_read((const char *)profile, len, WIRE_MAX, NULL);
	if (a->exchange == NULL)
		json_decref(user);
	else if (reply == NULL)
		http_error(
		    a->exchange, 503, "unavailable", "the hub's public gate does not answer");
	else
		http_answer_json(a->exchange, 200,
		    json_pack("{s:s, s:b, s:s, s:s, s:o}", "status",
			status_word((enum status)status), "proven", (int)proven, "reason", reason,
			"attempt", attempt, "user", user == NULL ? json_null() : user));
	free(a);
}

void
control_login(struct gate *gate, struct http_exchange *x)
{
	static const char *const members[] = { "connection", "username", "jwe" };
	struct http_request *request = http_exchange_request(x);
	const char *connection, *username, *why = "it needs connection, username and jwe";
	size_t refused = wiping_refused();
	struct control_ask *a;
	struct wire_writer w;
	json_t *body;
	char *jwe;

	body = json_read(request->body, request->body_len, HTTP_BODY_MAX, &why);
	connection = json_get_string(body, "connection", 1, CONNECTION_SIZE - 1);
	username = json_get_string(body, "username", 1, USERNAME_MAX);
	jwe = json_is_object(json_object_get(body, "jwe"))
	    ? json_dumps(json_object_get(body, "jwe"), JSON_COMPACT)
	    : NULL;
	if (connection == NULL || username == NULL || jwe == NULL ||
	    strlen(jwe) > SEALED_MAX_JSON || json_only_keys(body, members, 3) == -1)
		http_bad_body(x, refused, why);
	else if ((a = ask_new(gate, x, connection)) != NULL) {
		wire_writer_init(&w);
		wire_put_string(&w, connection);
		wire_put_string(&w, username);
		wire_put_string(&w, jwe);
		/* Longer than an attempt may take: its own end comes first. */
		ask_send_within(gate->asks, LOGIN_DEADLINE_MS + 2 * LOGIN_GRACE_MS, MESSAGE_LOGIN,
		    &w, MESSAGE_LOGIN_DONE, on_login, a);
	}
	wiping_free(jwe);
	json_decref(body);
}
