/* SPDX-License-Identifier: ISC */
/*
 * A text is marked as used only after all else about it is right, so that one
 * shown in the wrong place does not spoil it for the right one.
 */
#include "build.h"

#include "request.h"

#include "common/wipe.h"

#include <errno.h>
#include <string.h>

/* Reckoning with it cannot overflow. */
#define HUB_TIME_MAX (INT64_MAX / 2)

int
request_read(struct request *request, struct wire_reader *r)
{
	const uint8_t *ciphertext;

	memset(request, 0, sizeof(*request));
	wire_get_fixed(r, request->z, sizeof(request->z));
	request->hub_time = (int64_t)wire_get_u64(r);
	wire_get_string(r, request->attempt, sizeof(request->attempt), 1);
	request->deadline_ms = wire_get_u32(r);
	wire_get_string(r, request->username, sizeof(request->username), 1);
	wire_get_fixed(r, request->parts.epk, sizeof(request->parts.epk));
	wire_get_fixed(r, request->parts.wrapped_key, sizeof(request->parts.wrapped_key));
	wire_get_fixed(r, request->parts.iv, sizeof(request->parts.iv));
	wire_get_fixed(r, request->parts.tag, sizeof(request->parts.tag));
	ciphertext = wire_get_bytes(r, 1, SEALED_MAX_CIPHERTEXT, &request->parts.ciphertext_len);
	/* sealed.h's parts are also its own output, hence not const; opening only reads them. */
	memcpy(&request->parts.ciphertext, &ciphertext, sizeof(ciphertext));
	if (wire_end(r) == -1 || request->deadline_ms == 0 ||
	    request->deadline_ms > REQUEST_DEADLINE_MAX || request->hub_time < 0 ||
	    request->hub_time > HUB_TIME_MAX)
		return -1;
	return 0;
}

void
request_wipe(struct request *request)
{
	explicit_bzero(request, sizeof(*request));
}

const char *
request_compare(
    const struct sealed_content *content, const char *connection, const char *username, int64_t now)
{
	if (strcmp(content->op, "authenticate") != 0)
		return "sealed_other_operation";
	if (strcmp(content->connection, connection) != 0)
		return "sealed_other_connection";
	if (strcmp(content->username, username) != 0)
		return "sealed_other_user";
	if (content->iat < now - SEALED_AGE_MAX || content->iat > now + SEALED_AGE_MAX)
		return "sealed_old";
	return NULL;
}

static int
open_content(const struct request *request, struct sealed_content *content)
{
	size_t len = request->parts.ciphertext_len;
	uint8_t *plain;
	int result;

	if ((plain = wiping_malloc(len)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	result = sealed_open(&request->parts, request->z, plain, &len);
	if (result == 0)
		result = sealed_content_read(plain, len, content, NULL);
	wiping_free(plain);
	return result;
}

enum status
request_open(const struct request *request, const char *connection, struct replay *replay,
    int64_t monotonic, struct sealed_content *content, const char **reason)
{
	enum status status = STATUS_BAD_REQUEST;

	memset(content, 0, sizeof(*content));
	if (connection[0] == '\0') {
		*reason = "not_enrolled";
		return STATUS_INTERNAL;
	}
	if (open_content(request, content) == -1) {
		if (errno == ENOMEM) {
			*reason = "no_memory";
			return STATUS_INTERNAL;
		}
		*reason = "sealed_broken";
		return STATUS_BAD_REQUEST;
	}
	*reason = request_compare(content, connection, request->username, request->hub_time);
	if (*reason == NULL) {
		switch (replay_check(replay, content->jti, content->iat, monotonic)) {
		case REPLAY_NEW:
			return STATUS_OK;
		case REPLAY_SEEN:
			*reason = "sealed_used";
			break;
		case REPLAY_FORGOTTEN:
			*reason = "sealed_old";
			break;
		case REPLAY_FULL:
			*reason = "replay_table_full";
			status = STATUS_INTERNAL;
			break;
		}
	}
	sealed_content_free(content);
	return status;
}
