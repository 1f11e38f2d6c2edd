/* SPDX-License-Identifier: ISC */
/*
 * See frames.h.  The order of checks matters: only what has a good id can be
 * answered, so the id is looked for first, and everything else that is wrong
 * is then an answer and no reason to close the tunnel.
 */
#include "frames.h"

#include "websocket.h"

#include "common/json.h"
#include "common/json_text.h"
#include "common/rekey.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <errno.h>
#include <string.h>

#define TYPE_MAX 32

#define BASE64URL_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static bool
characters_are(const char *text, const char *allowed)
{
	return text[strspn(text, allowed)] == '\0';
}

static int
read_deadline(const json_t *json, struct frame *frame)
{
	int64_t ms;

	frame->deadline_ms = FRAME_DEADLINE_DEFAULT_MS;
	if (json_object_get(json, "deadline_ms") == NULL)
		return 0;
	if (json_get_integer(json, "deadline_ms", 1, FRAME_DEADLINE_MAX_MS, &ms) == -1)
		return -1;
	frame->deadline_ms = (uint32_t)ms;
	return 0;
}

static int
bad_request(struct frame *frame, const char *why)
{
	frame->type = FRAME_BAD_REQUEST;
	frame->why = why;
	return 0;
}

static int
read_authenticate(const struct frame_reader *reader, const json_t *json, struct frame *frame)
{
	static const char *const members[] = { "id", "type", "deadline_ms", "attempt", "connection",
		"username", "jwe" };
	const char *attempt, *connection, *username, *why;

	if (json_only_keys(json, members, sizeof(members) / sizeof(members[0])) == -1)
		return bad_request(frame, "unknown member");
	attempt = json_get_string(json, "attempt", 1, sizeof(frame->attempt) - 1);
	if (attempt == NULL || !characters_are(attempt, BASE64URL_CHARACTERS))
		return bad_request(frame, "bad attempt");
	connection = json_get_string(json, "connection", 1, 64);
	if (connection == NULL || strcmp(connection, reader->connection) != 0)
		return bad_request(frame, "not this connector's connection");
	username = json_get_string(json, "username", 1, sizeof(frame->username) - 1);
	if (username == NULL)
		return bad_request(frame, "bad username");
	if (sealed_parse(json_object_get(json, "jwe"), reader->kid, &frame->sealed, &why) == 0)
		frame->kid = reader->kid;
	else if (errno != ENOMEM && reader->kid_other[0] != '\0' &&
	    sealed_parse(json_object_get(json, "jwe"), reader->kid_other, &frame->sealed, NULL) ==
		0)
		frame->kid = reader->kid_other;
	else {
		bad_request(frame, why);
		if (errno == ENOMEM)
			frame->type = FRAME_UNREAD;
		return 0;
	}
	strlcpy(frame->attempt, attempt, sizeof(frame->attempt));
	strlcpy(frame->username, username, sizeof(frame->username));
	frame->type = FRAME_AUTHENTICATE;
	return 0;
}

static int
read_request(const struct frame_reader *reader, const json_t *json, struct frame *frame)
{
	static const char *const members[] = { "id", "type", "deadline_ms" };
	const char *type = json_get_string(json, "type", 1, TYPE_MAX);

	if (type == NULL)
		return bad_request(frame, "bad type");
	if (read_deadline(json, frame) == -1)
		return bad_request(frame, "bad deadline_ms");
	if (strcmp(type, "authenticate") == 0)
		return read_authenticate(reader, json, frame);
	if (strcmp(type, "test") == 0)
		frame->type = FRAME_TEST;
	else if (strcmp(type, "drain") == 0)
		frame->type = FRAME_DRAIN;
	else {
		frame->type = FRAME_UNSUPPORTED;
		return 0;
	}
	if (json_only_keys(json, members, sizeof(members) / sizeof(members[0])) == -1)
		return bad_request(frame, "unknown member");
	return 0;
}

static int
read_state(const json_t *json, bool *approved)
{
	const char *state = json_get_string(json, "state", 1, 32);

	if (state == NULL || (strcmp(state, "approved") != 0 && strcmp(state, "pending") != 0))
		return -1;
	*approved = strcmp(state, "approved") == 0;
	return 0;
}

static int
read_rekeyed(const json_t *json, struct frame *frame)
{
	const char *status = json_get_string(json, "status", 1, 32);
	const char *reason = json_get_string(json, "reason", 0, sizeof(frame->reason) - 1);

	if (status == NULL || reason == NULL)
		return -1;
	frame->rekeyed = rekey_from_word(status);
	strlcpy(frame->reason, reason, sizeof(frame->reason));
	return frame->rekeyed == REKEY_RESULTS ? -1 : 0;
}

/* The messages without an id: challenge, welcome, state, rekeyed. -1: none of them. */
static int
read_notice(const json_t *json, struct frame *frame)
{
	const char *type = json_get_string(json, "type", 1, TYPE_MAX), *nonce;

	if (type == NULL)
		return -1;
	if (strcmp(type, "challenge") == 0) {
		frame->type = FRAME_CHALLENGE;
		nonce = json_get_string(json, "nonce", FRAME_NONCE_SIZE - 1, FRAME_NONCE_SIZE - 1);
		if (nonce == NULL || !characters_are(nonce, BASE64URL_CHARACTERS))
			return -1;
		strlcpy(frame->nonce, nonce, sizeof(frame->nonce));
		return 0;
	}
	if (strcmp(type, "welcome") == 0) {
		frame->type = FRAME_WELCOME;
		if (json_get_integer(json, "time", 0, INT64_MAX, &frame->time) == -1)
			return -1;
		return read_state(json, &frame->approved);
	}
	if (strcmp(type, "rekeyed") == 0) {
		frame->type = FRAME_REKEYED;
		return read_rekeyed(json, frame);
	}
	frame->type = FRAME_STATE;
	return strcmp(type, "state") == 0 ? read_state(json, &frame->approved) : -1;
}

int
frame_read(const struct frame_reader *reader, const char *text, size_t len, struct frame *frame,
    const char **why)
{
	const char *id;
	json_t *json;
	int result = 0;

	memset(frame, 0, sizeof(*frame));
	if ((json = json_read(text, len, FRAME_IN_MAX, why)) == NULL)
		return errno == ENOMEM ? CLOSE_INTERNAL : CLOSE_BAD_DATA;
	if (!json_is_object(json)) {
		*why = "not a JSON object";
		result = CLOSE_POLICY;
	} else if (json_object_get(json, "id") != NULL) {
		if ((id = json_get_string(json, "id", 1, sizeof(frame->id) - 1)) == NULL) {
			*why = "bad id";
			result = CLOSE_POLICY;
		} else {
			strlcpy(frame->id, id, sizeof(frame->id));
			read_request(reader, json, frame);
		}
	} else if (read_notice(json, frame) == -1) {
		*why = "neither a request with an id nor a message of the protocol";
		result = CLOSE_POLICY;
	}
	json_decref(json);
	return result;
}

void
frame_free(struct frame *frame)
{
	if (frame->type == FRAME_AUTHENTICATE)
		sealed_parts_free(&frame->sealed);
}

/* Takes the object. */
static char *
write_json(json_t *json, size_t *len)
{
	char *text;

	if (json == NULL)
		return NULL;
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text != NULL && (*len = strlen(text)) > FRAME_OUT_MAX) {
		wiping_free(text);
		text = NULL;
	}
	return text;
}

char *
frame_hello(const char *proof, size_t *len)
{
	return write_json(json_pack("{s:s, s:s}", "type", "hello", "proof", proof), len);
}

const char *
frame_status(bool directory_answers)
{
	return directory_answers ? "{\"type\":\"status\",\"directory\":\"ok\"}"
				 : "{\"type\":\"status\",\"directory\":\"unavailable\"}";
}

char *
frame_rekey(const char *statement, const char *proof, size_t *len)
{
	return write_json(
	    json_pack("{s:s, s:s, s:s}", "type", "rekey", "statement", statement, "proof", proof),
	    len);
}

char *
frame_result(const char *id, enum status status, const char *verdict, const char *reason,
    const void *profile, size_t profile_len, size_t *len)
{
	struct json_text t = { 0 };
	char *text;

	json_text_open(&t, NULL, '{');
	json_text_string(&t, "id", id);
	json_text_string(&t, "type", "result");
	json_text_string(&t, "status", status_word(status));
	json_text_string(&t, "reason", reason);
	if (verdict != NULL) {
		json_text_string(&t, "verdict", verdict);
		if (profile_len > 0)
			json_text_bytes(&t, "profile", profile, profile_len);
	}
	json_text_close(&t, '}');
	if ((text = json_text_end(&t, len)) != NULL && *len > FRAME_OUT_MAX) {
		wiping_free(text);
		text = NULL;
	}
	return text;
}

int
frame_steps_add(json_t *steps, const struct frame_step *s)
{
	json_t *step;

	step = json_pack("{s:s, s:b, s:I, s:s, s:s, s:s}", "step", s->step, "passed",
	    s->passed ? 1 : 0, "ms", (json_int_t)s->ms, "code", s->code, "text", s->text, "hint",
	    s->hint);
	return json_array_append_new(steps, step);
}

char *
frame_test_result(const char *id, bool passed, json_t *steps, size_t *len)
{
	return write_json(
	    json_pack("{s:s, s:s, s:s, s:b, s:O}", "id", id, "type", "result", "status",
		status_word(STATUS_OK), "passed", passed ? 1 : 0, "steps", steps),
	    len);
}
