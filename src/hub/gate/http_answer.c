/* SPDX-License-Identifier: ISC */
/*
 * Answers: always JSON, always with a length, never kept by a cache and never
 * to be taken for a page.
 */
#include "http_connection.h"
#include "common/http_status.h"
#include "common/json.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIXED_FIELDS                                                                               \
	"Content-Type: application/json\r\n"                                                       \
	"Cache-Control: no-store\r\n"                                                              \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"                  \
	"Referrer-Policy: no-referrer\r\n"

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
	char head[1024];
	int n;

	n = snprintf(head, sizeof(head),
	    "HTTP/1.1 %d %s\r\n" FIXED_FIELDS "%s%s%s%s"
	    "Content-Length: %zu\r\nConnection: %s\r\n\r\n",
	    status, http_status_get(status)->phrase, x->field_name,
	    x->field_name[0] != '\0' ? ": " : "", x->field_value,
	    x->field_name[0] != '\0' ? "\r\n" : "", len, x->keep_alive ? "keep-alive" : "close");
	x->field_name[0] = '\0';
	x->field_value[0] = '\0';
	x->gone = NULL;
	http_request_clear(x);
	http_set_state(x, HTTP_WRITING, HTTP_WRITE_DEADLINE_S);
	stream_write(x->stream, head, (size_t)n);
	stream_write(x->stream, json, len);
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
http_bad_body(struct http_exchange *x, size_t refused, const char *why)
{
	if (wiping_fault(refused) == ENOMEM)
		http_error(x, 503, "unavailable", "the hub is short of memory, try later");
	else
		http_error(x, 400, "bad_request", why);
}

void
http_refuse(struct http_exchange *x, int status)
{
	const struct http_status *s = http_status_get(status);

	x->keep_alive = false;
	if (status == 405)
		http_set_field(x, "Allow", "GET, POST, DELETE");
	http_error(x, status, s->code, s->message);
}
