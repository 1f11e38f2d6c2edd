/* SPDX-License-Identifier: ISC */
/*
 * The routes of the local API, and the requests that wait for the parent.  Each
 * request becomes one message that asks; replies are matched by its id.  What
 * the replies look like as JSON stands in answer.c.
 */
#include "api.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"
#include "common/wire.h"

#include <bsd/stdlib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct route {
	const char *path;
	enum http_method method;
	void (*run)(struct api *, struct client *, struct request *);
};

static void get_status(struct api *, struct client *, struct request *);
static void get_settings(struct api *, struct client *, struct request *);
static void get_log(struct api *, struct client *, struct request *);
static void post_test(struct api *, struct client *, struct request *);
static void post_explain(struct api *, struct client *, struct request *);
static void post_enroll(struct api *, struct client *, struct request *);
static void post_unenroll(struct api *, struct client *, struct request *);
static void post_reconnect(struct api *, struct client *, struct request *);
static void post_rekey(struct api *, struct client *, struct request *);
static void post_revert(struct api *, struct client *, struct request *);
static void post_settings(struct api *, struct client *, struct request *);
static void post_web(struct api *, struct client *, struct request *);

static const struct route routes[] = {
	{ "/api/v1/status", HTTP_GET, get_status },
	{ "/api/v1/settings", HTTP_GET, get_settings },
	{ "/api/v1/log", HTTP_GET, get_log },
	{ "/api/v1/test", HTTP_POST, post_test },
	{ "/api/v1/explain", HTTP_POST, post_explain },
	{ "/api/v1/enroll", HTTP_POST, post_enroll },
	{ "/api/v1/unenroll", HTTP_POST, post_unenroll },
	{ "/api/v1/reconnect", HTTP_POST, post_reconnect },
	{ "/api/v1/rekey", HTTP_POST, post_rekey },
	{ "/api/v1/settings", HTTP_POST, post_settings },
	{ "/api/v1/settings/revert", HTTP_POST, post_revert },
	{ API_WEB_PATH, HTTP_POST, post_web },
};

struct api *
api_new(struct proc *proc, const struct access_rules *rules)
{
	struct api *api;

	if ((api = calloc(1, sizeof(*api))) == NULL)
		return NULL;
	api->proc = proc;
	api->rules = rules;
	TAILQ_INIT(&api->calls);
	return api;
}

void
call_free(struct call *call)
{
	TAILQ_REMOVE(&call->api->calls, call, entries);
	if (call->kind == CALL_FOLLOW)
		call->api->followers--;
	free(call);
}

/* What would go on for nobody is ended. */
static void
stop(const struct call *call)
{
	if (call->kind == CALL_EXPLAIN)
		proc_send(call->api->proc, MESSAGE_EXPLAIN_STOP, call->id, NULL, -1);
	if (call->kind == CALL_LOG || call->kind == CALL_FOLLOW)
		proc_send(call->api->proc, MESSAGE_LOG_STOP, call->id, NULL, -1);
}

static void
on_gone(void *arg, struct client *client)
{
	struct call *call = arg;

	(void)client;
	stop(call);
	call_free(call);
}

static void
on_late(void *arg, struct client *client)
{
	struct call *call = arg;

	stop(call);
	call_free(call);
	client_error(client, 504, "timeout",
	    "adconnectord did not answer in time; see its log for what it waits for");
}

/* Sends the message that asks; the writer is taken. */
static void
ask(struct api *api, struct client *client, enum call_kind kind, enum message_type type,
    struct wire_writer *w)
{
	static const struct client_events events = { on_late, on_gone };
	struct call *call;

	if ((call = calloc(1, sizeof(*call))) == NULL)
		fatalx("no memory for a request");
	call->api = api;
	call->client = client;
	call->kind = kind;
	call->may_change =
	    api->rules == NULL || access_of_peer(api->rules, client_fd(client)) == ACCESS_CHANGE;
	call->session = api->session;
	call->id = proc_next_id(api->proc);
	TAILQ_INSERT_TAIL(&api->calls, call, entries);
	if (kind == CALL_FOLLOW)
		api->followers++;
	client_wait(client, &events, call);
	if (kind == CALL_TEST || kind == CALL_ENROLL || kind == CALL_SET || kind == CALL_REVERT ||
	    kind == CALL_RECONNECT || kind == CALL_REKEY)
		client_set_deadline(client, API_DEADLINE_LONG_S);
	else if (kind == CALL_FOLLOW) {
		client_set_deadline(client, 0);
		client_begin(client);
	}
	proc_send(api->proc, type, call->id, w, -1);
}

static void
get_status(struct api *api, struct client *client, struct request *request)
{
	(void)request;
	if (api->rules == NULL && api->session == 0 && clock_ms() < api->open_status_until_ms) {
		client_answer(client, 200, json_incref(api->open_status));
		return;
	}
	ask(api, client, CALL_STATUS, MESSAGE_STATUS_GET, NULL);
}

static void
get_settings(struct api *api, struct client *client, struct request *request)
{
	(void)request;
	ask(api, client, CALL_SETTINGS, MESSAGE_SETTINGS_GET, NULL);
}

/* follow: 0 or 1; since: a sequence number. Nothing else, each at most once. 0, or -1. */
static int
log_query(const char *query, uint64_t *since, uint8_t *follow)
{
	static const char *const names[] = { "follow=", "since=" };
	char value[24];
	const char *at, *why;
	size_t i;

	*since = 0;
	*follow = 0;
	for (at = query; *at != '\0'; at += strcspn(at, "&"), at += *at == '&') {
		for (i = 0; i < 2; i++)
			if (strncmp(at, names[i], strlen(names[i])) == 0)
				break;
		if (i == 2)
			return -1;
	}
	switch (http_query_get(query, "follow", value, sizeof(value))) {
	case 0:
		if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
			return -1;
		*follow = value[0] == '1';
		break;
	case -1:
		return -1;
	}
	switch (http_query_get(query, "since", value, sizeof(value))) {
	case 0:
		*since = (uint64_t)strtonum(value, 0, INT64_MAX, &why);
		return why == NULL ? 0 : -1;
	case -1:
		return -1;
	}
	return 0;
}

static void
get_log(struct api *api, struct client *client, struct request *request)
{
	struct wire_writer w;
	uint64_t since;
	uint8_t follow;

	if (log_query(request->head.query, &since, &follow) == -1) {
		client_error(client, 400, "bad_request",
		    "query: only follow=0, follow=1 and since=NUMBER are known");
		return;
	}
	if (follow && api->followers >= API_FOLLOWERS_MAX) {
		client_error(client, 503, "busy",
		    "too many programs follow the log already; end one of them");
		return;
	}
	wire_writer_init(&w);
	wire_put_u64(&w, since);
	wire_put_u8(&w, follow);
	ask(api, client, follow ? CALL_FOLLOW : CALL_LOG, MESSAGE_LOG_GET, &w);
}

/* "application/json", perhaps with parameters. */
static bool
is_json(const char *type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	return type != NULL && strncasecmp(type, json, len) == 0 &&
	    (type[len] == '\0' || strchr("; \t", type[len]) != NULL);
}

/* The body as an object, or NULL after an answer that says what is wrong. The body is wiped. */
json_t *
api_read_body(struct client *client, struct request *request)
{
	json_t *object;

	if (!is_json(http_head_get(&request->head, "content-type"))) {
		client_error(
		    client, 415, "bad_request", "body: Content-Type is not application/json");
		return NULL;
	}
	object = json_read(request->body, request->body_len, HTTP_BODY_MAX, NULL);
	if (object == NULL && errno == ENOMEM) {
		request_wipe(request);
		client_error(client, 503, "unavailable", "body: memory is short, try again");
		return NULL;
	}
	request_wipe(request);
	if (json_is_object(object))
		return object;
	client_error(client, 400, "bad_request",
	    object != NULL ? "body: not a JSON object" : "body: not valid JSON, or over a limit");
	json_decref(object);
	return NULL;
}

/* For what takes no values: no body, or an empty object. False after an answer. */
static bool
no_values(struct client *client, struct request *request)
{
	json_t *body;
	bool empty;

	if (request->head.content_length == 0)
		return true;
	if ((body = api_read_body(client, request)) == NULL)
		return false;
	empty = json_object_size(body) == 0;
	json_decref(body);
	if (!empty)
		client_error(client, 400, "bad_request", "body: this takes no values");
	return empty;
}

static void
post_web(struct api *api, struct client *client, struct request *request)
{
	if (no_values(client, request))
		ask(api, client, CALL_LINK, MESSAGE_LINK_MAKE, NULL);
}

static void
post_test(struct api *api, struct client *client, struct request *request)
{
	struct wire_writer w;

	if (!no_values(client, request))
		return;
	wire_writer_init(&w);
	/* Sooner than the deadline here: what was found until then still arrives. */
	wire_put_u32(&w, API_TEST_DEADLINE_MS);
	ask(api, client, CALL_TEST, MESSAGE_TEST, &w);
}

static void
post_unenroll(struct api *api, struct client *client, struct request *request)
{
	if (no_values(client, request))
		ask(api, client, CALL_UNENROLL, MESSAGE_UNENROL, NULL);
}

static void
post_reconnect(struct api *api, struct client *client, struct request *request)
{
	if (no_values(client, request))
		ask(api, client, CALL_RECONNECT, MESSAGE_RECONNECT, NULL);
}

static void
post_rekey(struct api *api, struct client *client, struct request *request)
{
	if (no_values(client, request))
		ask(api, client, CALL_REKEY, MESSAGE_REKEY, NULL);
}

static void
post_revert(struct api *api, struct client *client, struct request *request)
{
	static const char *const keys[] = { "directory.password" };
	const char *password = "";
	struct wire_writer w;
	json_t *body = NULL;

	if (request->head.content_length > 0) {
		if ((body = api_read_body(client, request)) == NULL)
			return;
		if (json_object_size(body) > 0)
			password = json_get_string(body, keys[0], 1, BIND_PASSWORD_MAX);
		if (password == NULL || json_only_keys(body, keys, 1) == -1) {
			json_decref(body);
			client_error(client, 400, "bad_request",
			    "body: neither empty nor {\"directory.password\": PASSWORD}");
			return;
		}
	}
	wire_writer_init(&w);
	wire_put_string(&w, password);
	json_decref(body);
	ask(api, client, CALL_REVERT, MESSAGE_REVERT, &w);
	wipe_stack();
}

static void
post_explain(struct api *api, struct client *client, struct request *request)
{
	static const char *const keys[] = { "username" };
	struct wire_writer w;
	const char *username;
	json_t *body;

	if ((body = api_read_body(client, request)) == NULL)
		return;
	username = json_get_string(body, "username", 1, API_USERNAME_MAX);
	if (username == NULL || json_only_keys(body, keys, 1) == -1) {
		json_decref(body);
		client_error(client, 400, "bad_request",
		    "body: not {\"username\": NAME} with a name of at most 1024 bytes");
		return;
	}
	wire_writer_init(&w);
	/* Sooner than the deadline here: what was found until then still arrives. */
	wire_put_u32(&w, API_EXPLAIN_DEADLINE_MS);
	wire_put_string(&w, username);
	json_decref(body);
	ask(api, client, CALL_EXPLAIN, MESSAGE_EXPLAIN, &w);
}

static void
post_enroll(struct api *api, struct client *client, struct request *request)
{
	static const char *const keys[] = { "ticket" };
	struct wire_writer w;
	const char *ticket;
	json_t *body;

	if ((body = api_read_body(client, request)) == NULL)
		return;
	ticket = json_get_string(body, "ticket", 1, API_TICKET_MAX);
	if (ticket == NULL || json_only_keys(body, keys, 1) == -1) {
		json_decref(body);
		client_error(client, 400, "bad_request",
		    "body: not {\"ticket\": URL} with a URL of at most 2048 bytes");
		return;
	}
	wire_writer_init(&w);
	wire_put_string(&w, ticket);
	json_decref(body);
	ask(api, client, CALL_ENROLL, MESSAGE_ENROL, &w);
	wipe_stack();
}

/* n and the pairs; NULL, or what is wrong. The caller frees the writer in both cases. */
static const char *
write_settings(json_t *body, struct wire_writer *w)
{
	const char *key;
	json_t *value;
	size_t n;

	n = json_object_size(body);
	if (n == 0)
		return "body: no setting in it";
	if (n > API_SETTINGS_MAX)
		return "body: more settings than there are keys";
	wire_put_u16(w, (uint16_t)n);
	json_object_foreach (body, key, value) {
		if (!json_is_string(value))
			return "body: every value is a string, numbers too";
		if (strlen(key) > API_KEY_MAX || strlen(key) == 0)
			return "body: a key is empty or longer than 64 bytes";
		if (json_string_length(value) > API_VALUE_MAX)
			return "body: a value is longer than 49152 bytes";
		wire_put_string(w, key);
		wire_put_bytes(w, json_string_value(value), json_string_length(value));
	}
	if (w->failed || w->len > message_rules[MESSAGE_SET].max)
		return "body: settings are too long together";
	return NULL;
}

static void
post_settings(struct api *api, struct client *client, struct request *request)
{
	struct wire_writer w;
	const char *why;
	json_t *body;

	if ((body = api_read_body(client, request)) == NULL)
		return;
	wire_writer_init(&w);
	why = write_settings(body, &w);
	json_decref(body);
	if (why != NULL) {
		wire_writer_free(&w);
		client_error(client, 400, "bad_request", why);
		return;
	}
	ask(api, client, CALL_SET, MESSAGE_SET, &w);
	wipe_stack();
}

/* Another method than the path takes: which it does take, or that there is no such path. */
static void
refuse_route(struct client *client, const char *path)
{
	bool get = false, post = false;
	size_t i;

	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(path, routes[i].path) == 0) {
			get = get || routes[i].method == HTTP_GET;
			post = post || routes[i].method == HTTP_POST;
		}
	if (get || post)
		client_refuse_method(client, get && post ? "GET, POST" : get ? "GET" : "POST");
	else
		client_error(client, 404, "not_found", "no such path in this version");
}

void
api_route(struct api *api, struct client *client, struct request *request, uint64_t session)
{
	struct http_head *head = &request->head;
	size_t i;

	if (head->method == HTTP_GET && head->content_length > 0) {
		client_error(client, 400, "bad_request", "body: a GET takes none");
		return;
	}
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (routes[i].method == head->method && strcmp(head->path, routes[i].path) == 0) {
			api->session = session;
			routes[i].run(api, client, request);
			return;
		}
	refuse_route(client, head->path);
}

void
control_request(void *arg, struct client *client, struct request *request)
{
	struct http_head *head = &request->head;
	struct api *api = arg;
	enum access access, needed;

	access = access_of_peer(api->rules, client_fd(client));
	needed = head->method == HTTP_GET ? ACCESS_READ : ACCESS_CHANGE;
	if (access < needed) {
		client_error(client, 403, "not_permitted",
		    access == ACCESS_READ ? "you may look but not change; do this as root"
					  : "you may not use this socket; do this as root");
		return;
	}
	/* A browser cannot come here by itself; what carries its header was put in between. */
	if (http_head_get(head, "origin") != NULL) {
		client_error(client, 403, "not_permitted", "not for web pages");
		return;
	}
	api_route(api, client, request, 0);
}

void
api_end_streams(struct api *api, uint64_t session)
{
	struct call *call, *next;

	TAILQ_FOREACH_SAFE (call, &api->calls, entries, next) {
		if (call->kind != CALL_FOLLOW || (session != 0 && call->session != session))
			continue;
		stop(call);
		client_end(call->client);
		call_free(call);
	}
}
