/* SPDX-License-Identifier: ISC */
/*
 * The parent of an adc-web, as its targets play it: an answer to each message that a request
 * becomes; and what every answer to a client must look like.  Both faces have the same routes,
 * so this is shared by fuzz_local.c and fuzz_page.c.  Must not be included twice in a program.
 */
#ifndef ADC_FUZZ_WEB_H
#define ADC_FUZZ_WEB_H

#include "common/json.h"
#include "common/status.h"
#include "common/wire.h"
#include "connector/web/web.h"
#include "fuzz_proc.h"

static struct api *api;
static int listener;

static void
say(enum message_type type, uint32_t id, struct wire_writer *w)
{
	struct message m = { .type = type, .id = id, .fd = -1 };

	wire_reader_init(&m.body, w->data, w->len);
	fuzz_check(
	    message_refused(ROLE_PARENT, fuzz_proc.role, CHANNEL_RUN, type, w->len, false) == NULL);
	api_message(api, &m);
	wire_writer_free(w);
	wire_writer_init(w);
}

/* text: any UTF-8. */
static void
answer(enum message_type type, uint32_t id, const char *text)
{
	struct wire_writer w;

	wire_writer_init(&w);
	switch (type) {
	case MESSAGE_STATUS_GET:
		wire_put_u16(&w, 2);
		wire_put_string(&w, text[0] == '\0' ? "a" : text);
		wire_put_string(&w, text);
		wire_put_string(&w, "tunnel.state");
		wire_put_string(&w, "online");
		say(MESSAGE_STATUS, id, &w);
		break;
	case MESSAGE_SET:
	case MESSAGE_ENROL:
	case MESSAGE_REVERT:
	case MESSAGE_RECONNECT:
	case MESSAGE_UNENROL:
	case MESSAGE_REKEY:
		wire_put_u8(&w, text[0] & 1);
		wire_put_string(&w, "code");
		wire_put_u8(&w, (uint8_t)text[0] % (TEST_STEP_COUNT + 1));
		wire_put_string(&w, text[0] == '\0' ? "" : "directory.base");
		wire_put_string(&w, text);
		say(MESSAGE_DONE, id, &w);
		break;
	case MESSAGE_SETTINGS_GET:
		wire_put_u8(&w, 1);
		wire_put_u16(&w, 1);
		wire_put_string(&w, "a");
		wire_put_string(&w, "secret");
		wire_put_u8(&w, 1);
		wire_put_string(&w, text);
		wire_put_u8(&w, 1);
		wire_put_string(&w, "saved");
		wire_put_string(&w, text);
		wire_put_u16(&w, 1);
		wire_put_string(&w, "b");
		wire_put_string(&w, text);
		say(MESSAGE_SETTINGS, id, &w);
		break;
	case MESSAGE_EXPLAIN:
		wire_put_u8(&w, EXPLAIN_PERSON);
		wire_put_u8(&w, 0);
		wire_put_u32(&w, 1);
		wire_put_string(&w, "code");
		wire_put_string(&w, text);
		say(MESSAGE_EXPLAIN_STEP, id, &w);
		wire_put_u8(&w, STATUS_INVALID_CREDENTIALS);
		wire_put_u8(&w, 0);
		wire_put_string(&w, text);
		say(MESSAGE_EXPLAIN_END, id, &w);
		break;
	case MESSAGE_TEST:
		wire_put_u8(&w, TEST_READ);
		wire_put_u8(&w, 0);
		wire_put_u32(&w, 1);
		wire_put_string(&w, "code");
		wire_put_string(&w, text);
		wire_put_string(&w, text);
		say(MESSAGE_TEST_RESULT, id, &w);
		wire_put_u8(&w, 0);
		say(MESSAGE_TEST_END, id, &w);
		break;
	case MESSAGE_LOG_GET:
		wire_put_u64(&w, 1);
		wire_put_u64(&w, 1);
		wire_put_u8(&w, 1);
		wire_put_string(&w, "tag");
		wire_put_string(&w, text);
		say(MESSAGE_LOG_LINE, id, &w);
		say(MESSAGE_LOG_END, id, &w);
		break;
	default:
		fuzz_check(type == MESSAGE_LOG_STOP || type == MESSAGE_EXPLAIN_STOP);
	}
	wire_writer_free(&w);
}

/* Whole answers only; each line of their bodies is an object. */
static void
check_answer(char *text, size_t len)
{
	char *body, *line, *rest;
	json_t *json;

	if (len == 0)
		return;
	fuzz_check(strncmp(text, "HTTP/1.1 ", 9) == 0);
	if (strncmp(text + 9, "100 ", 4) == 0) {
		fuzz_check((text = strstr(text, "\r\n\r\n")) != NULL);
		text += 4;
		if (*text == '\0')
			return;
	}
	fuzz_check((body = strstr(text, "\r\n\r\n")) != NULL);
	for (rest = body + 4; (line = strsep(&rest, "\n")) != NULL;) {
		/* Streams come in chunks: their sizes stand in lines between. */
		if (*line == '\0' || line[strspn(line, "0123456789abcdefABCDEF")] == '\r')
			continue;
		json = json_read(line, strlen(line), 1 << 20, NULL);
		fuzz_check(json_is_object(json));
		json_decref(json);
	}
}

#endif
