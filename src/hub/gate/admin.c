/* SPDX-License-Identifier: ISC */
/*
 * Administrators' questions to the store: see admin.h.  The store checks what is asked
 * and writes the audit; here only the form of HTTP is given to it.
 */
#include "admin.h"

#include "audit.h"

#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct admin_ask {
	struct gate *gate;
	struct http_exchange *exchange;
	int http_status;
	admin_finish finish;
};

static const struct {
	int http_status;
	const char *code;
} results[] = {
	[ADMIN_OK] = { 200, "" },
	[ADMIN_REFUSED] = { 400, "refused" },
	[ADMIN_NOT_FOUND] = { 404, "not_found" },
	[ADMIN_EXISTS] = { 409, "exists" },
	[ADMIN_FAILED] = { 500, "failed" },
};

static void
on_gone(void *arg)
{
	struct admin_ask *a = arg;

	a->exchange = NULL;
}

static void
answer_ok(struct admin_ask *a, const uint8_t *json, size_t len)
{
	json_t *parsed;

	if (a->finish == NULL) {
		/* The store's own JSON; an operation without one is answered with an empty object.
		 */
		if (len == 0)
			http_answer(a->exchange, a->http_status, "{}", 2);
		else
			http_answer(a->exchange, a->http_status, (const char *)json, len);
		return;
	}
	if ((parsed = json_read((const char *)json, len, WIRE_MAX, NULL)) == NULL)
		http_error(a->exchange, 500, "internal", "the store's answer is no JSON");
	else
		a->finish(a->gate, a->exchange, a->http_status, parsed);
}

static void
on_done(void *arg, struct message *reply)
{
	struct admin_ask *a = arg;
	const uint8_t *json = NULL;
	char *text = NULL;
	size_t len = 0;
	uint8_t result = ADMIN_FAILED;

	if (reply != NULL) {
		result = wire_get_u8(&reply->body);
		text = wire_get_string_dup(&reply->body, 0, 4096);
		json = wire_get_bytes(&reply->body, 0, WIRE_MAX, &len);
		if (wire_end(&reply->body) == -1 || result > ADMIN_FAILED)
			proc_bad_message(reply);
	}
	if (a->exchange == NULL)
		; /* the operation was carried out all the same */
	else if (reply == NULL)
		http_error(
		    a->exchange, 503, "unavailable", "the hub's store does not answer, try later");
	else if (result == ADMIN_OK)
		answer_ok(a, json, len);
	else
		http_error(a->exchange, results[result].http_status, results[result].code, text);
	free(text);
	free(a);
}

void
admin_ask(
    struct gate *gate, struct http_exchange *x, const struct admin_call *call, admin_finish finish)
{
	struct admin_ask *a;
	struct wire_writer w;
	uint8_t i;

	if ((a = calloc(1, sizeof(*a))) == NULL) {
		http_error(x, 500, "internal", "out of memory");
		return;
	}
	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)call->operation);
	wire_put_u32(&w, http_exchange_request(x)->uid);
	wire_put_u8(&w, call->narguments);
	for (i = 0; i < call->narguments; i++)
		wire_put_string(&w, call->argument[i] == NULL ? "" : call->argument[i]);
	if (w.failed || w.len > message_rules[MESSAGE_ADMIN].max) {
		wire_writer_free(&w);
		free(a);
		http_error(x, 413, "refused", "the request is too large");
		return;
	}
	a->gate = gate;
	a->exchange = x;
	a->http_status = call->http_status;
	a->finish = finish;
	http_on_gone(x, on_gone, a);
	/* Whoever looks at the audit now has the answers of these logins, made here, already. */
	audit_send();
	ask_send_within(
	    gate->asks, ADMIN_DEADLINE_MS, MESSAGE_ADMIN, &w, MESSAGE_ADMIN_DONE, on_done, a);
}
