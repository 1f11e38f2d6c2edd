/* SPDX-License-Identifier: ISC */
/*
 * What a hub, or a proxy in front of it, can say to a connector: heads of answers, frames,
 * pages about tickets and enrolments.  No answer sends the connector to another host, and what is
 * written back is JSON within its limit.
 */
#include "common/endpoint.h"
#include "common/json.h"
#include "common/wipe.h"
#include "common/wire.h"
#include "connector/cloud/enrol_answer.h"
#include "connector/cloud/frames.h"
#include "connector/cloud/http.h"
#include "connector/cloud/proxy.h"
#include "fuzz.h"

#define NAME "hub.example:8855"

/* The thumbprint of the key of RFC 7515 A.3. */
static const struct frame_reader reader = { "corp", "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
	"" };

static void
check_failure(const struct failure *failure)
{
	fuzz_check(failure->code != NULL && failure->code[0] != '\0');
	fuzz_check(utf8_valid(failure->text, strlen(failure->text)) && failure->text[0] != '\0');
}

static void
head(struct fuzz_input in)
{
	struct http_head whole, part;
	struct failure failure = { 0 };
	const char *why = NULL, *ignored;
	ssize_t used, n;
	size_t len;

	used = http_read_head((const char *)in.data, in.len, &whole, &why);
	fuzz_check(used >= -1 && used <= (ssize_t)in.len && used <= HTTP_HEAD_MAX);
	if (used == -1)
		fuzz_check(why != NULL);
	if (used > 0) {
		fuzz_check(whole.status >= 100 && whole.status <= 599);
		fuzz_check(strnlen(whole.accept, HTTP_VALUE_SIZE) < HTTP_VALUE_SIZE);
		fuzz_check(strnlen(whole.protocol, HTTP_VALUE_SIZE) < HTTP_VALUE_SIZE);
		if (http_body_refused(&whole) == NULL)
			fuzz_check(whole.has_length && whole.length <= HTTP_BODY_MAX);
		if (proxy_answer(&whole, "proxy:3128", NAME, (in.len & 1) != 0, &failure) == -1)
			check_failure(&failure);
	}
	/* The same bytes in pieces: never done before its end, nor refused when the whole is not.
	 */
	for (len = 1; used > 0 && len < (size_t)used; len += 1 + (size_t)used / 16) {
		n = http_read_head((const char *)in.data, len, &part, &ignored);
		fuzz_check(n == 0);
	}
}

static void
frame(const char *text, size_t len)
{
	struct frame frame;
	const char *why = NULL;
	char *answer;
	json_t *json;
	size_t answer_len;
	int code;

	if ((code = frame_read(&reader, text, len, &frame, &why)) != 0) {
		fuzz_check((code == 1007 || code == 1008) && why != NULL);
		return;
	}
	if (frame.type == FRAME_REKEYED)
		fuzz_check(frame.rekeyed < REKEY_RESULTS &&
		    utf8_valid(frame.reason, strlen(frame.reason)));
	if (frame.type > FRAME_REKEYED) {
		fuzz_check(frame.id[0] != '\0' && strlen(frame.id) < FRAME_ID_SIZE);
		answer = frame_result(frame.id, STATUS_BAD_REQUEST, NULL,
		    frame.type == FRAME_BAD_REQUEST ? frame.why : frame.username, NULL, 0,
		    &answer_len);
		fuzz_check(answer != NULL && answer_len <= FRAME_OUT_MAX);
		fuzz_check((json = json_read(answer, answer_len, answer_len, NULL)) != NULL);
		json_decref(json);
		wiping_free(answer);
	}
	if (frame.type == FRAME_AUTHENTICATE) {
		fuzz_check(frame.attempt[0] != '\0' && frame.username[0] != '\0');
		fuzz_check(frame.deadline_ms >= 1 && frame.deadline_ms <= FRAME_DEADLINE_MAX_MS);
		fuzz_check(frame.sealed.ciphertext != NULL && frame.kid == reader.kid);
	}
	if (frame.type == FRAME_BAD_REQUEST)
		fuzz_check(frame.why != NULL);
	if (frame.type == FRAME_CHALLENGE)
		fuzz_check(strlen(frame.nonce) == FRAME_NONCE_SIZE - 1);
	frame_free(&frame);
}

static void
check_url(const char *url, const struct endpoint *hub)
{
	struct endpoint e;
	char why[ENDPOINT_ERROR_SIZE];

	fuzz_check(url != NULL && endpoint_parse_cloud(url, &e, why, sizeof(why)) == 0);
	fuzz_check(endpoint_same_origin(&e, hub));
}

static void
enrolment(struct fuzz_input in, bool result)
{
	static const unsigned int statuses[] = { 200, 201, 404, 503 };
	unsigned int status = statuses[fuzz_byte(&in) % 4];
	struct enrolment enrolment = { 0 };
	struct ticket_page page = { 0 };
	struct failure failure = { 0 };
	struct endpoint hub;
	char why[ENDPOINT_ERROR_SIZE];
	json_t *json;

	fuzz_check(endpoint_parse_public("https://" NAME, &hub, why, sizeof(why)) == 0);
	json = json_read((const char *)in.data, in.len, HTTP_BODY_MAX, NULL);
	if (!result && enrol_read_ticket(status, json, &hub, NAME, &page, &failure) == 0)
		fuzz_check(status == 200 && page.connection != NULL && page.display_name != NULL);
	else if (result && enrol_read_result(status, json, &hub, NAME, &enrolment, &failure) == 0) {
		fuzz_check(status == 201 && enrolment.connector_id != NULL);
		check_url(enrolment.tunnel_url, &hub);
		check_url(enrolment.scim_url, &hub);
	} else
		check_failure(&failure);
	json_decref(json);
}

/* User up to a NUL, then the password. */
static void
login(struct fuzz_input in)
{
	char *user = fuzz_text(fuzz_until(&in, '\0'));
	const char *why = NULL;
	struct secret *request;

	request = proxy_request("hub.example", 443, user, in.data, in.len, &why);
	fuzz_check(request != NULL || why != NULL);
	secret_free(request);
	free(user);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	switch (fuzz_byte(&in)) {
	case 't':
		enrolment(in, false);
		break;
	case 'r':
		enrolment(in, true);
		break;
	case 'p':
		login(in);
		break;
	case 'H':
		/* Every head begins with it. */
		head((struct fuzz_input){ data, len });
		break;
	default:
		frame((const char *)data, len);
	}
	return 0;
}
