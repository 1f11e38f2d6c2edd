/* SPDX-License-Identifier: ISC */
/*
 * The routes of the local API, and the requests that wait for the parent.  Each
 * request becomes one message that asks; replies are matched by its id.  What
 * the replies look like as JSON stands in answer.c.
 */
#include "api.h"

#include "common/json.h"
#include "common/log.h"
#include "common/wipe.h"
#include "common/wire.h"

#include <bsd/stdlib.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include <stdlib.h>
#include <string.h>

struct route {
	const char *path;
	enum evhttp_cmd_type method;
	void (*run)(struct api *, struct client *, struct evhttp_request *);
};

static void get_status(struct api *, struct client *, struct evhttp_request *);
static void get_log(struct api *, struct client *, struct evhttp_request *);
static void post_test(struct api *, struct client *, struct evhttp_request *);
static void post_enroll(struct api *, struct client *, struct evhttp_request *);
static void post_settings(struct api *, struct client *, struct evhttp_request *);

static const struct route routes[] = {
	{ "/api/v1/status", EVHTTP_REQ_GET, get_status },
	{ "/api/v1/log", EVHTTP_REQ_GET, get_log },
	{ "/api/v1/test", EVHTTP_REQ_POST, post_test },
	{ "/api/v1/enroll", EVHTTP_REQ_POST, post_enroll },
	{ "/api/v1/settings", EVHTTP_REQ_POST, post_settings },
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

/* The parent would go on sending lines to nobody. */
static void
stop_log(const struct call *call)
{
	if (call->kind == CALL_LOG || call->kind == CALL_FOLLOW)
		proc_send(call->api->proc, MESSAGE_LOG_STOP, call->id, NULL, -1);
}

static void
on_gone(void *arg, struct client *client)
{
	struct call *call = arg;

	(void)client;
	stop_log(call);
	call_free(call);
}

static void
on_late(void *arg, struct client *client)
{
	struct call *call = arg;

	stop_log(call);
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
	call->id = proc_next_id(api->proc);
	TAILQ_INSERT_TAIL(&api->calls, call, entries);
	if (kind == CALL_FOLLOW)
		api->followers++;
	client_wait(client, &events, call);
	if (kind == CALL_TEST || kind == CALL_ENROLL || kind == CALL_SET)
		client_set_deadline(client, API_DEADLINE_LONG_S);
	else if (kind == CALL_FOLLOW) {
		client_set_deadline(client, 0);
		client_begin(client);
	}
	proc_send(api->proc, type, call->id, w, -1);
}

static void
get_status(struct api *api, struct client *client, struct evhttp_request *request)
{
	(void)request;
	ask(api, client, CALL_STATUS, MESSAGE_STATUS_GET, NULL);
}

static void
post_test(struct api *api, struct client *client, struct evhttp_request *request)
{
	struct wire_writer w;

	(void)request;
	wire_writer_init(&w);
	/* Sooner than the deadline here: what was found until then still arrives. */
	wire_put_u32(&w, API_TEST_DEADLINE_MS);
	ask(api, client, CALL_TEST, MESSAGE_TEST, &w);
}

/* follow: 0 or 1; since: a sequence number. Nothing else. 0, or -1. */
static int
log_query(struct evhttp_request *request, uint64_t *since, uint8_t *follow)
{
	struct evkeyvalq query;
	struct evkeyval *pair;
	const char *text, *why;
	int result;

	*since = 0;
	*follow = 0;
	text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	if (text == NULL || *text == '\0')
		return 0;
	if (evhttp_parse_query_str(text, &query) == -1)
		return -1;
	result = 0;
	for (pair = query.tqh_first; pair != NULL; pair = pair->next.tqe_next) {
		if (strcmp(pair->key, "follow") == 0 &&
		    (strcmp(pair->value, "0") == 0 || strcmp(pair->value, "1") == 0))
			*follow = pair->value[0] == '1';
		else if (strcmp(pair->key, "since") == 0) {
			*since = (uint64_t)strtonum(pair->value, 0, INT64_MAX, &why);
			if (why != NULL)
				result = -1;
		} else
			result = -1;
	}
	evhttp_clear_headers(&query);
	return result;
}

static void
get_log(struct api *api, struct client *client, struct evhttp_request *request)
{
	struct wire_writer w;
	uint64_t since;
	uint8_t follow;

	if (log_query(request, &since, &follow) == -1) {
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

/* The body as an object, or NULL after an answer that says what is wrong. The body is wiped. */
static json_t *
read_body(struct client *client, struct evhttp_request *request)
{
	struct evkeyvalq *headers;
	struct evbuffer *body;
	const char *text, *type, *why;
	json_t *object;
	size_t len;

	headers = evhttp_request_get_input_headers(request);
	type = evhttp_find_header(headers, "Content-Type");
	if (type == NULL || strncmp(type, "application/json", strlen("application/json")) != 0) {
		request_wipe(request);
		client_error(
		    client, 415, "bad_request", "body: Content-Type is not application/json");
		return NULL;
	}
	body = evhttp_request_get_input_buffer(request);
	len = evbuffer_get_length(body);
	text = (const char *)evbuffer_pullup(body, -1);
	object = json_read(text == NULL ? "" : text, len, SERVER_BODY_MAX, &why);
	request_wipe(request);
	if (json_is_object(object))
		return object;
	if (object != NULL)
		why = "not an object";
	json_decref(object);
	client_error(client, 400, "bad_request",
	    strcmp(why, "not an object") == 0 ? "body: not a JSON object"
					      : "body: not valid JSON, or over a limit");
	return NULL;
}

static void
post_enroll(struct api *api, struct client *client, struct evhttp_request *request)
{
	static const char *const keys[] = { "ticket" };
	struct wire_writer w;
	const char *ticket;
	json_t *body;

	if ((body = read_body(client, request)) == NULL)
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
post_settings(struct api *api, struct client *client, struct evhttp_request *request)
{
	struct wire_writer w;
	const char *why;
	json_t *body;

	if ((body = read_body(client, request)) == NULL)
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

/* What speaks against answering at all, before any route is looked at. NULL: nothing. */
static const char *
refused(struct evhttp_request *request, int *status)
{
	struct evkeyvalq *headers;

	headers = evhttp_request_get_input_headers(request);
	*status = 403;
	/* A browser cannot come here by itself; what carries its header was put in between. */
	if (evhttp_find_header(headers, "Origin") != NULL)
		return "not for web pages";
	*status = 411;
	if (evhttp_find_header(headers, "Transfer-Encoding") != NULL)
		return "a body needs Content-Length and no Transfer-Encoding";
	*status = 400;
	if (evhttp_request_get_evhttp_uri(request) == NULL)
		return "the request is not understood";
	return NULL;
}

void
api_request(void *arg, struct client *client, struct evhttp_request *request)
{
	struct api *api = arg;
	const char *path, *why;
	enum access access, needed;
	size_t i;
	bool known;
	int status;

	access = access_of_peer(api->rules, client_fd(client));
	needed =
	    evhttp_request_get_command(request) == EVHTTP_REQ_GET ? ACCESS_READ : ACCESS_CHANGE;
	if (access < needed) {
		request_wipe(request);
		client_error(client, 403, "not_permitted",
		    access == ACCESS_READ ? "you may look but not change; do this as root"
					  : "you may not use this socket; do this as root");
		return;
	}
	if ((why = refused(request, &status)) != NULL) {
		request_wipe(request);
		client_error(client, status, status == 403 ? "not_permitted" : "bad_request", why);
		return;
	}
	path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	known = false;
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (path == NULL || strcmp(path, routes[i].path) != 0)
			continue;
		known = true;
		if (routes[i].method == evhttp_request_get_command(request)) {
			routes[i].run(api, client, request);
			return;
		}
	}
	request_wipe(request);
	if (known)
		client_error(client, 405, "bad_request", "this path takes another method");
	else
		client_error(client, 404, "not_found", "no such path in this version");
}

void
api_drain(struct api *api)
{
	struct call *call, *next;

	TAILQ_FOREACH_SAFE (call, &api->calls, entries, next) {
		if (call->kind != CALL_FOLLOW)
			continue;
		stop_log(call);
		client_end(call->client);
		call_free(call);
	}
}
