/* SPDX-License-Identifier: ISC */
/*
 * The parent's messages as answers of the API.  A reply to a request whose
 * client has gone is dropped; a message that cannot be read ends the process.
 */
#include "api.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/status.h"
#include "settings_json.h"
#include "status_json.h"
#include "common/wire.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 8193
#define CODE_SIZE 64
#define KEY_SIZE 128

static const struct {
	const char *name;
	const char *title;
} steps[TEST_STEP_COUNT] = {
	[TEST_REACH] = { "reach", "AD server reachable" },
	[TEST_TUNNEL] = { "tunnel", "connector linked to the cloud" },
	[TEST_SIGN_IN] = { "sign_in", "AD user signs in" },
	[TEST_READ] = { "read", "directory can be read" },
};

static const struct {
	const char *name;
	const char *title;
} explain_steps[EXPLAIN_STEP_COUNT] = {
	[EXPLAIN_NAME] = { "name", "name understood" },
	[EXPLAIN_PERSON] = { "person", "person found" },
	[EXPLAIN_ACCOUNT] = { "account", "account usable" },
	[EXPLAIN_GROUPS] = { "groups", "groups read" },
	[EXPLAIN_POLICY] = { "policy", "allowed here" },
	[EXPLAIN_LOCKOUT] = { "lockout", "no danger of a lock-out" },
	[EXPLAIN_BIND] = { "bind", "bind" },
};

static void
keep_open_status(struct api *api, json_t *document)
{
	json_decref(api->open_status);
	api->open_status = json_incref(document);
	api->open_status_until_ms = clock_ms() + API_OPEN_STATUS_MS;
}

static void
take_status(struct call *call, struct message *m)
{
	struct status_pair pairs[STATUS_PAIRS_MAX];
	json_t *document;
	size_t i, n;
	bool open;

	n = wire_get_u16(&m->body);
	if (n > STATUS_PAIRS_MAX)
		proc_bad_message(m);
	for (i = 0; i < n; i++) {
		pairs[i].key = wire_get_string_dup(&m->body, 1, STATUS_KEY_SIZE - 1);
		pairs[i].value =
		    wire_get_string_dup(&m->body, 0, message_rules[MESSAGE_STATUS].max);
	}
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	open = call->api->rules == NULL && call->session == 0;
	document = open ? status_document_open(pairs, n) : status_document(pairs, n);
	if (document == NULL)
		fatalx("no memory for the status");
	if (open)
		keep_open_status(call->api, document);
	client_answer(call->client, 200, document);
	call_free(call);
	for (i = 0; i < n; i++) {
		free((char *)(uintptr_t)pairs[i].key);
		free((char *)(uintptr_t)pairs[i].value);
	}
}

static void
take_settings(struct call *call, struct message *m)
{
	json_t *document;

	if ((document = settings_document(&m->body, call->may_change)) == NULL)
		proc_bad_message(m);
	client_answer(call->client, 200, document);
	call_free(call);
}

/* Refused: by which step of the test, and for which setting, when that is known. */
static json_t *
refusal(const char *code, unsigned int step, const char *key, const char *text)
{
	json_t *error = json_pack("{s:s,s:s}", "code", code, "message", text);

	if (step < TEST_STEP_COUNT)
		json_object_set_new(error, "step", json_string(steps[step].name));
	if (*key != '\0')
		json_object_set_new(error, "key", json_string(key));
	return json_pack("{s:o}", "error", error);
}

static void
take_link(struct call *call, struct message *m)
{
	char url[512];
	uint32_t seconds;

	wire_get_string(&m->body, url, sizeof(url), 1);
	seconds = wire_get_u32(&m->body);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	client_answer(
	    call->client, 200, json_pack("{s:s,s:I}", "url", url, "seconds", (json_int_t)seconds));
	explicit_bzero(url, sizeof(url));
	call_free(call);
}

static void
take_done(struct call *call, struct message *m)
{
	char code[CODE_SIZE], key[KEY_SIZE];
	unsigned int step;
	char *text;
	bool good;

	good = wire_get_u8(&m->body) != 0;
	wire_get_string(&m->body, code, sizeof(code), 0);
	step = wire_get_u8(&m->body);
	wire_get_string(&m->body, key, sizeof(key), 0);
	text = wire_get_string_dup(&m->body, 0, TEXT_SIZE - 1);
	if (wire_end(&m->body) == -1 || step > TEST_STEP_COUNT)
		proc_bad_message(m);
	if (good)
		client_answer(call->client, 200,
		    json_pack("{s:s,s:s}", "code", *code == '\0' ? "ok" : code, "message", text));
	else
		client_answer(
		    call->client, 422, refusal(*code == '\0' ? "refused" : code, step, key, text));
	free(text);
	call_free(call);
}

static void
take_step(struct call *call, struct message *m)
{
	char code[CODE_SIZE], text[TEXT_SIZE], hint[TEXT_SIZE];
	unsigned int step;
	uint32_t ms;
	bool passed;

	step = wire_get_u8(&m->body);
	passed = wire_get_u8(&m->body) != 0;
	ms = wire_get_u32(&m->body);
	wire_get_string(&m->body, code, sizeof(code), 0);
	wire_get_string(&m->body, text, sizeof(text), 0);
	wire_get_string(&m->body, hint, sizeof(hint), 0);
	if (wire_end(&m->body) == -1 || step >= TEST_STEP_COUNT)
		proc_bad_message(m);
	if (call == NULL)
		return;
	client_line(call->client,
	    json_pack("{s:i,s:s,s:s,s:b,s:I,s:s,s:s,s:s}", "step", (int)step + 1, "name",
		steps[step].name, "title", steps[step].title, "passed", passed, "ms",
		(json_int_t)ms, "code", code, "text", text, "hint", hint));
}

static void
take_test_end(struct call *call, struct message *m)
{
	struct client *client = call->client;
	bool passed;

	passed = wire_get_u8(&m->body) != 0;
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	if (client_line(client, json_pack("{s:b,s:b}", "end", 1, "passed", passed)) == -1)
		return; /* the call went with the client */
	client_end(client);
	call_free(call);
}

static void
take_explain_step(struct call *call, struct message *m)
{
	char code[CODE_SIZE], text[TEXT_SIZE];
	unsigned int step;
	uint32_t ms;
	bool passed;

	step = wire_get_u8(&m->body);
	passed = wire_get_u8(&m->body) != 0;
	ms = wire_get_u32(&m->body);
	wire_get_string(&m->body, code, sizeof(code), 0);
	wire_get_string(&m->body, text, sizeof(text), 0);
	if (wire_end(&m->body) == -1 || step >= EXPLAIN_STEP_COUNT)
		proc_bad_message(m);
	if (call == NULL)
		return;
	client_line(call->client,
	    json_pack("{s:s,s:s,s:b,s:I,s:s,s:s}", "name", explain_steps[step].name, "title",
		explain_steps[step].title, "passed", passed, "ms", (json_int_t)ms, "code", code,
		"text", text));
}

static void
take_explain_end(struct call *call, struct message *m)
{
	struct client *client = call->client;
	char text[TEXT_SIZE];
	unsigned int status;
	bool bind;

	status = wire_get_u8(&m->body);
	bind = wire_get_u8(&m->body) != 0;
	wire_get_string(&m->body, text, sizeof(text), 0);
	if (wire_end(&m->body) == -1 || status >= STATUS_COUNT)
		proc_bad_message(m);
	if (client_line(client,
		json_pack("{s:b,s:s,s:b,s:s}", "end", 1, "status", status_word((enum status)status),
		    "bind", bind, "text", text)) == -1)
		return; /* the call went with the client */
	client_end(client);
	call_free(call);
}

static void
take_log_line(struct call *call, struct message *m)
{
	char tag[64];
	uint64_t sequence, time;
	unsigned int level;
	char *text;

	sequence = wire_get_u64(&m->body);
	time = wire_get_u64(&m->body);
	level = wire_get_u8(&m->body);
	wire_get_string(&m->body, tag, sizeof(tag), 0);
	text = wire_get_string_dup(&m->body, 0, TEXT_SIZE - 1);
	if (wire_end(&m->body) == -1 || level > LOG_LEVEL_DEBUG || sequence > INT64_MAX ||
	    time > INT64_MAX)
		proc_bad_message(m);
	if (call != NULL)
		client_line(call->client,
		    json_pack("{s:I,s:I,s:s,s:s,s:s}", "sequence", (json_int_t)sequence, "time",
			(json_int_t)time, "level", log_level_word((enum log_level)level), "tag",
			tag, "text", text));
	free(text);
}

static void
take_log_end(struct call *call, struct message *m)
{
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	client_end(call->client);
	call_free(call);
}

/* The process that should have answered is gone, or the parent cannot ask it now. */
static void
take_unanswered(struct call *call, struct message *m)
{
	struct client *client = call->client;
	unsigned int status;

	status = wire_get_u8(&m->body);
	if (wire_end(&m->body) == -1 || status >= STATUS_COUNT)
		proc_bad_message(m);
	call_free(call);
	client_error(client, 503, status_word((enum status)status),
	    "the part of adconnectord that does this is not running now or has just ended; try "
	    "again, "
	    "and see the log");
}

#define CALLS_DONE                                                                                 \
	(1U << CALL_SET | 1U << CALL_REVERT | 1U << CALL_ENROLL | 1U << CALL_UNENROLL |            \
	    1U << CALL_RECONNECT | 1U << CALL_REKEY | 1U << CALL_LINK)

/* Which reply belongs to which request: anything else is a breach by the parent. */
static const struct {
	enum message_type type;
	unsigned int kinds; /* bit 1 << enum call_kind */
	void (*take)(struct call *, struct message *);
	bool without_call; /* read, and checked, also when the client has gone */
} replies[] = {
	{ MESSAGE_STATUS, 1U << CALL_STATUS, take_status, false },
	{ MESSAGE_SETTINGS, 1U << CALL_SETTINGS, take_settings, false },
	{ MESSAGE_DONE, CALLS_DONE, take_done, false },
	{ MESSAGE_LINK, 1U << CALL_LINK, take_link, false },
	{ MESSAGE_TEST_RESULT, 1U << CALL_TEST, take_step, true },
	{ MESSAGE_TEST_END, 1U << CALL_TEST, take_test_end, false },
	{ MESSAGE_EXPLAIN_STEP, 1U << CALL_EXPLAIN, take_explain_step, true },
	{ MESSAGE_EXPLAIN_END, 1U << CALL_EXPLAIN, take_explain_end, false },
	{ MESSAGE_LOG_LINE, 1U << CALL_LOG | 1U << CALL_FOLLOW, take_log_line, true },
	{ MESSAGE_LOG_END, 1U << CALL_LOG | 1U << CALL_FOLLOW, take_log_end, false },
	{ MESSAGE_UNANSWERED, ~0U, take_unanswered, false },
};

void
api_message(struct api *api, struct message *m)
{
	struct call *call;
	size_t i;

	TAILQ_FOREACH (call, &api->calls, entries)
		if (call->id == m->id)
			break;
	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		if (replies[i].type == m->type)
			break;
	if (i == sizeof(replies) / sizeof(replies[0]) ||
	    (call != NULL && (replies[i].kinds & 1U << call->kind) == 0))
		proc_bad_message(m);
	if (call != NULL || replies[i].without_call)
		replies[i].take(call, m);
}
