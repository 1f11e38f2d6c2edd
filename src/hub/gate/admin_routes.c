/* SPDX-License-Identifier: ISC */
/*
 * The control API (docs/hub-api.md) as operations on the store.
 */
#include "admin.h"
#include "common/json.h"
#include "common/wipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGO_MAX 60000 /* bytes of a data: URL */
#define ID_SIZE 65

static void
not_found(struct http_exchange *x)
{
	http_error(x, 404, "not_found", "there is nothing here");
}

/* A body that is an object with no other members than these; NULL after an answer. */
static json_t *
read_object(struct http_exchange *x, const char *const members[], size_t n)
{
	struct http_request *request = http_exchange_request(x);
	const char *why = "it has a member that is not known";
	size_t refused = wiping_refused();
	json_t *body;

	body = json_read(request->body, request->body_len, HTTP_BODY_MAX, &why);
	if (json_is_object(body) && json_only_keys(body, members, n) == 0)
		return body;
	json_decref(body);
	http_bad_body(x, refused, why);
	return NULL;
}

/* Of a member that is no string of the length it must have. */
static void
refuse_text(struct http_exchange *x, const json_t *body, const char *key, size_t max)
{
	const json_t *value = json_object_get(body, key);
	char why[96];

	if (value != NULL && !json_is_string(value))
		snprintf(why, sizeof(why), "%s: must be a string", key);
	else if (json_string_length(value) == 0)
		snprintf(why, sizeof(why), "%s: is missing or empty", key);
	else
		snprintf(why, sizeof(why), "%s: is longer than %zu bytes", key, max);
	http_error(x, 400, "bad_request", why);
}

/* A string of 1 to max bytes; false after an answer. */
static bool
needed_string(
    struct http_exchange *x, const json_t *body, const char *key, size_t max, const char **value)
{
	if ((*value = json_get_string(body, key, 1, max)) == NULL)
		refuse_text(x, body, key, max);
	return *value != NULL;
}

/* A string of at most max bytes, NULL when it is absent; false after an answer. */
static bool
optional_string(
    struct http_exchange *x, const json_t *body, const char *key, size_t max, const char **value)
{
	*value = json_get_string(body, key, 0, max);
	if (*value != NULL || json_object_get(body, key) == NULL)
		return true;
	refuse_text(x, body, key, max);
	return false;
}

/* An integer as decimal digits, "" when it is absent; false after an answer. */
static bool
optional_integer(struct http_exchange *x, const json_t *body, const char *key, char dst[24])
{
	char why[96];
	int64_t n;

	*dst = '\0';
	if (json_object_get(body, key) == NULL)
		return true;
	if (json_get_integer(body, key, 1, INT32_MAX, &n) == -1) {
		snprintf(why, sizeof(why), "%s: must be an integer from 1 to %d", key, INT32_MAX);
		http_error(x, 400, "bad_request", why);
		return false;
	}
	snprintf(dst, 24, "%lld", (long long)n);
	return true;
}

static void
connection_add(struct gate *gate, struct http_exchange *x)
{
	static const char *const members[] = { "identifier", "display_name", "logo" };
	struct admin_call call = {
		.operation = ADMIN_CONNECTION_ADD, .narguments = 3, .http_status = 201
	};
	json_t *body;

	if ((body = read_object(x, members, 3)) == NULL)
		return;
	if (needed_string(x, body, "identifier", ADMIN_IDENTIFIER_MAX, &call.argument[0]) &&
	    optional_string(x, body, "display_name", ADMIN_NAME_MAX, &call.argument[1]) &&
	    optional_string(x, body, "logo", LOGO_MAX, &call.argument[2]))
		admin_ask(gate, x, &call, NULL);
	json_decref(body);
}

/* A new ticket: its secret becomes the URL to hand out. */
static void
ticket_finish(struct gate *gate, struct http_exchange *x, int http_status, json_t *ticket)
{
	const char *secret = json_get_string(ticket, "secret", 1, 128);
	char url[URL_SIZE + 512];

	if (secret == NULL) {
		json_decref(ticket);
		http_error(x, 500, "internal", "the store made a ticket without a secret");
		return;
	}
	snprintf(url, sizeof(url), "%s/t/%s%s%s", gate->public_url, secret,
	    gate->pin[0] != '\0' ? "#pin=" : "", gate->pin);
	json_object_set_new(ticket, "url", json_string(url));
	json_object_del(ticket, "secret");
	explicit_bzero(url, sizeof(url));
	http_answer_json(x, http_status, ticket);
}

static void
ticket_new(struct gate *gate, struct http_exchange *x)
{
	static const char *const members[] = { "connection", "uses", "hours", "auto_approve" };
	struct admin_call call = {
		.operation = ADMIN_TICKET_NEW, .narguments = 4, .http_status = 201
	};
	char uses[24], hours[24];
	const json_t *approve;
	json_t *body;

	if ((body = read_object(x, members, 4)) == NULL)
		return;
	approve = json_object_get(body, "auto_approve");
	if (approve != NULL && !json_is_boolean(approve))
		http_error(x, 400, "bad_request", "auto_approve: must be a boolean");
	else if (needed_string(x, body, "connection", ADMIN_IDENTIFIER_MAX, &call.argument[0]) &&
	    optional_integer(x, body, "uses", uses) && optional_integer(x, body, "hours", hours)) {
		call.argument[1] = uses;
		call.argument[2] = hours;
		call.argument[3] = json_is_true(approve) ? "auto-approve" : "";
		admin_ask(gate, x, &call, ticket_finish);
	}
	json_decref(body);
}

/* A list that may be limited to one connection. */
static void
list_of(struct gate *gate, struct http_exchange *x, enum admin_operation operation)
{
	struct admin_call call = { .operation = operation, .narguments = 1, .http_status = 200 };
	char connection[ID_SIZE];

	if (http_query_get(http_exchange_request(x)->head.query, "connection", connection,
		sizeof(connection)) == -1) {
		http_error(x, 400, "bad_request",
		    "connection: must be one identifier of 1 to 63 bytes, a-z, 0-9 and \"-\"");
		return;
	}
	call.argument[0] = connection;
	admin_ask(gate, x, &call, NULL);
}

static void
audit_list(struct gate *gate, struct http_exchange *x)
{
	struct admin_call call = {
		.operation = ADMIN_AUDIT_LIST, .narguments = 2, .http_status = 200
	};
	const char *query = http_exchange_request(x)->head.query;
	char after[24], limit[24];
	int have_after, have_limit;

	have_after = http_query_get(query, "after", after, sizeof(after));
	have_limit = http_query_get(query, "limit", limit, sizeof(limit));
	if (have_after == -1 || have_limit == -1) {
		http_error(x, 400, "bad_request", "after and limit must be numbers");
		return;
	}
	call.argument[0] = have_after == 0 ? after : "0";
	call.argument[1] = have_limit == 0 ? limit : "100";
	admin_ask(gate, x, &call, NULL);
}

static void
simple(struct gate *gate, struct http_exchange *x, enum admin_operation operation)
{
	struct admin_call call = { .operation = operation, .http_status = 200 };

	admin_ask(gate, x, &call, NULL);
}

/* On one thing, named by its id. */
static void
on_one(struct gate *gate, struct http_exchange *x, enum admin_operation operation, const char *id)
{
	struct admin_call call = { .operation = operation, .narguments = 1, .http_status = 200 };

	call.argument[0] = id;
	admin_ask(gate, x, &call, NULL);
}

static void
collection(struct gate *gate, struct http_exchange *x, const char *name, bool post)
{
	if (strcmp(name, "connections") == 0 && post)
		connection_add(gate, x);
	else if (strcmp(name, "connections") == 0)
		simple(gate, x, ADMIN_CONNECTION_LIST);
	else if (strcmp(name, "tickets") == 0 && post)
		ticket_new(gate, x);
	else if (strcmp(name, "tickets") == 0)
		list_of(gate, x, ADMIN_TICKET_LIST);
	else if (strcmp(name, "connectors") == 0 && !post)
		list_of(gate, x, ADMIN_CONNECTOR_LIST);
	else if (strcmp(name, "audit") == 0 && !post)
		audit_list(gate, x);
	else
		not_found(x);
}

/* name: of the collection; id: of the thing in it, both non-empty. */
static void
item(struct gate *gate, struct http_exchange *x, enum http_method method, const char *name,
    const char *id)
{
	if (strcmp(name, "connections") == 0 && method == HTTP_GET)
		on_one(gate, x, ADMIN_CONNECTION_SHOW, id);
	else if (strcmp(name, "connections") == 0 && method == HTTP_DELETE)
		on_one(gate, x, ADMIN_CONNECTION_REMOVE, id);
	else if (strcmp(name, "tickets") == 0 && method == HTTP_DELETE)
		on_one(gate, x, ADMIN_TICKET_REVOKE, id);
	else if (strcmp(name, "audit") == 0 && strcmp(id, "verify") == 0 && method == HTTP_GET)
		simple(gate, x, ADMIN_AUDIT_VERIFY);
	else
		not_found(x);
}

void
admin_routes(struct gate *gate, struct http_exchange *x, struct http_request *request)
{
	char name[16], id[ID_SIZE], action[16], end;
	enum http_method method = request->head.method;
	int n;

	n = sscanf(request->head.path, "/api/v1/%15[a-z]/%64[A-Za-z0-9_-]/%15[a-z]%c", name, id,
	    action, &end);
	/* What sscanf leaves unread must be nothing. */
	if (n == 1 && strlen(request->head.path) == strlen("/api/v1/") + strlen(name) &&
	    method != HTTP_DELETE)
		collection(gate, x, name, method == HTTP_POST);
	else if (n == 2 &&
	    strlen(request->head.path) == strlen("/api/v1//") + strlen(name) + strlen(id))
		item(gate, x, method, name, id);
	else if (n == 3 && method == HTTP_POST && strcmp(name, "connectors") == 0 &&
	    strcmp(action, "approve") == 0)
		on_one(gate, x, ADMIN_CONNECTOR_APPROVE, id);
	else if (n == 3 && method == HTTP_POST && strcmp(name, "connectors") == 0 &&
	    strcmp(action, "revoke") == 0)
		on_one(gate, x, ADMIN_CONNECTOR_REVOKE, id);
	else
		not_found(x);
}
