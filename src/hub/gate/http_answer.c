/* SPDX-License-Identifier: ISC */
/*
 * Answers: always JSON, always with a length, never kept by a cache and never
 * to be taken for a page.
 */
#include "http_connection.h"
#include "common/json.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <string.h>

#define FIXED_FIELDS                                                                               \
	"Content-Type: application/json\r\n"                                                       \
	"Cache-Control: no-store\r\n"                                                              \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"                  \
	"Referrer-Policy: no-referrer\r\n"

static const struct {
	int status;
	const char *phrase;
	const char *code;    /* for refusals of http.c itself */
	const char *message; /* for people */
} statuses[] = {
	{ 200, "OK", NULL, NULL },
	{ 201, "Created", NULL, NULL },
	{ 400, "Bad Request", "bad_request", "the request is not well-formed HTTP/1.1" },
	{ 403, "Forbidden", NULL, NULL },
	{ 404, "Not Found", NULL, NULL },
	{ 405, "Method Not Allowed", "method_not_allowed", "only GET, POST and DELETE are served" },
	{ 408, "Request Timeout", "timeout", "the request did not come in time" },
	{ 409, "Conflict", NULL, NULL },
	{ 410, "Gone", NULL, NULL },
	{ 411, "Length Required", "bad_request", "a body needs Content-Length" },
	{ 413, "Content Too Large", "bad_request", "the body is larger than 65536 bytes" },
	{ 415, "Unsupported Media Type", "bad_request", "a body must not be encoded" },
	{ 417, "Expectation Failed", "bad_request", "only 100-continue may be expected" },
	{ 426, "Upgrade Required", NULL, NULL },
	{ 429, "Too Many Requests", NULL, NULL },
	{ 431, "Request Header Fields Too Large", "bad_request",
	    "the head is larger than 8192 bytes or has more than 64 fields" },
	{ 500, "Internal Server Error", "internal", "the hub could not do it; its log says why" },
	{ 501, "Not Implemented", "bad_request", "Transfer-Encoding is not served" },
	{ 503, "Service Unavailable", "unavailable", "the hub cannot answer now, try later" },
	{ 505, "HTTP Version Not Supported", "bad_request", "only HTTP/1.1 is served" },
};

static size_t
status_index(int status)
{
	size_t i, n = sizeof(statuses) / sizeof(statuses[0]);

	for (i = 0; i < n; i++) {
		if (statuses[i].status == status)
			return i;
	}
	return status_index(500);
}

struct http_request *
http_exchange_request(struct http_exchange *x)
{
	return &x->request;
}

void
http_on_gone(struct http_exchange *x, void (*gone)(void *), void *arg)
{
	x->gone = gone;
	x->gone_arg = arg;
}

void
http_set_field(struct http_exchange *x, const char *name, const char *value)
{
	strlcpy(x->field_name, name, sizeof(x->field_name));
	strlcpy(x->field_value, value, sizeof(x->field_value));
}

void
http_answer(struct http_exchange *x, int status, const char *json, size_t len)
{
	struct evbuffer *output = bufferevent_get_output(x->bev);
	char head[1024];
	int n;

	n = snprintf(head, sizeof(head),
	    "HTTP/1.1 %d %s\r\n" FIXED_FIELDS "%s%s%s%s"
	    "Content-Length: %zu\r\nConnection: %s\r\n\r\n",
	    status, statuses[status_index(status)].phrase, x->field_name,
	    x->field_name[0] != '\0' ? ": " : "", x->field_value,
	    x->field_name[0] != '\0' ? "\r\n" : "", len, x->keep_alive ? "keep-alive" : "close");
	x->field_name[0] = '\0';
	x->field_value[0] = '\0';
	x->gone = NULL;
	http_request_clear(x);
	/* One block, so that TLS makes one record of it. */
	evbuffer_expand(output, (size_t)n + len);
	http_set_state(x, HTTP_WRITING, HTTP_WRITE_DEADLINE_S);
	evbuffer_add(output, head, (size_t)n);
	evbuffer_add(output, json, len);
}

void
http_answer_json(struct http_exchange *x, int status, json_t *json)
{
	char *text;

	if (json == NULL || (text = json_dumps(json, JSON_COMPACT)) == NULL) {
		json_decref(json);
		http_error(x, 500, "internal", "out of memory");
		return;
	}
	json_decref(json);
	http_answer(x, status, text, strlen(text));
	wiping_free(text);
}

void
http_error(struct http_exchange *x, int status, const char *code, const char *message)
{
	static const char last_resort[] = "{\"error\":{\"code\":\"internal\",\"message\":\"\"}}";
	json_t *json;
	char *text = NULL;

	json = json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message);
	if (json != NULL)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text == NULL)
		http_answer(x, 500, last_resort, sizeof(last_resort) - 1);
	else
		http_answer(x, status, text, strlen(text));
	wiping_free(text);
}

void
http_refuse(struct http_exchange *x, int status)
{
	size_t i = status_index(status);

	x->keep_alive = false;
	if (status == 405)
		http_set_field(x, "Allow", "GET, POST, DELETE");
	http_error(x, status, statuses[i].code, statuses[i].message);
}
