/* SPDX-License-Identifier: ISC */
/*
 * See requests.h.  A verdict is passed on as it came: this process cannot make
 * one, and what it says beside the verdict is not believed by the hub.
 *
 * With ADC_TEST_LIAR or ADC_TEST_REPLAY this file becomes a taken-over process,
 * for the tests that show that the hub does not fall for it.  Neither is
 * defined for a binary that is installed.
 */
#include "requests.h"

#include "asks.h"
#include "common/log.h"
#include "common/wipe.h"

#include <bsd/string.h>
#include <bsd/sys/tree.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#if defined(ADC_TEST_LIAR) || defined(ADC_TEST_REPLAY)
#include "cloud_hostile.h"
#endif

#define REASON_MAX 4096
#define VERDICT_MAX (256U << 10)

struct request {
	TAILQ_ENTRY(request) entry;
	RB_ENTRY(request) by_id;
	struct requests *owner;
	char id[FRAME_ID_SIZE];
	uint32_t question;
	struct event *deadline;
	json_t *steps; /* of a test */
};

RB_HEAD(request_ids, request);

static int
compare(struct request *a, struct request *b)
{
	return strcmp(a->id, b->id);
}

RB_GENERATE_INTERNAL(request_ids, request, by_id, compare, static __attribute__((unused)))

static struct request_ids all = RB_INITIALIZER(&all);
static size_t nall;

void
requests_init(struct requests *r, const struct cloud *cloud,
    void (*send)(void *arg, const char *text, size_t len), void (*idle)(void *arg), void *arg)
{
	memset(r, 0, sizeof(*r));
	r->cloud = cloud;
	r->send = send;
	r->idle = idle;
	r->arg = arg;
	TAILQ_INIT(&r->list);
}

static void
request_free(struct request *q)
{
	ask_forget(q->question);
	event_free(q->deadline);
	json_decref(q->steps);
	RB_REMOVE(request_ids, &all, q);
	nall--;
	TAILQ_REMOVE(&q->owner->list, q, entry);
	q->owner->in_flight--;
	free(q);
}

void
requests_drop(struct requests *r)
{
	struct request *q;

	while ((q = TAILQ_FIRST(&r->list)) != NULL)
		request_free(q);
}

static void
send_text(struct requests *r, char *text, size_t len)
{
	if (text == NULL)
		return;
	r->send(r->arg, text, len);
	wiping_free(text);
}

void
requests_answer(struct requests *r, const char *id, enum status status, const char *reason)
{
	char *text;
	size_t len = 0;

	text = frame_result(id, status, NULL, reason, NULL, 0, &len);
	send_text(r, text, len);
}

/*
 * The one way in which a request ends while its tunnel lives.  text may be NULL:
 * it could not be made.
 */
static void
request_end(struct request *q, char *text, size_t len)
{
	struct requests *r = q->owner;

	if (text == NULL)
		requests_answer(r, q->id, STATUS_INTERNAL, "the answer could not be sent");
	else
		send_text(r, text, len);
	request_free(q);
	if (r->in_flight == 0)
		r->idle(r->arg);
}

static void
request_end_without_verdict(struct request *q, enum status status, const char *reason)
{
	char *text;
	size_t len = 0;

	text = frame_result(q->id, status, NULL, reason, NULL, 0, &len);
	request_end(q, text, len);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	request_end_without_verdict(arg, STATUS_TIMEOUT, "the request's time was over");
}

static struct request *
request_new(struct requests *r, const struct frame *frame)
{
	struct timeval tv = { frame->deadline_ms / 1000, (frame->deadline_ms % 1000) * 1000 };
	struct request *q;

	if ((q = calloc(1, sizeof(*q))) == NULL ||
	    (q->deadline = evtimer_new(r->cloud->base, on_deadline, q)) == NULL ||
	    evtimer_add(q->deadline, &tv) == -1)
		fatalx("a request of the hub: out of memory");
	q->owner = r;
	strlcpy(q->id, frame->id, sizeof(q->id));
	RB_INSERT(request_ids, &all, q);
	nall++;
	TAILQ_INSERT_TAIL(&r->list, q, entry);
	r->in_flight++;
	return q;
}

/* UNANSWERED: there will be no answer. */
static void
unanswered(struct request *q, struct message *m)
{
	uint8_t status;

	status = wire_get_u8(&m->body);
	if (wire_end(&m->body) == -1 || status >= STATUS_COUNT || status == STATUS_OK)
		proc_bad_message(m);
	request_end_without_verdict(q, (enum status)status, "");
}

static void
on_verdict(void *arg, struct message *m)
{
	struct request *q = arg;
	const uint8_t *profile;
	char reason[REASON_MAX], *verdict, *text;
	size_t profile_len = 0, len = 0;
	uint8_t status;

	q->question = 0;
	if (m->type == MESSAGE_UNANSWERED) {
		unanswered(q, m);
		return;
	}
	if (m->type != MESSAGE_VERDICT)
		proc_bad_message(m);
	status = wire_get_u8(&m->body);
	verdict = wire_get_string_dup(&m->body, 0, VERDICT_MAX);
	wire_get_string(&m->body, reason, sizeof(reason), 0);
	profile = wire_get_bytes(&m->body, 0, FRAME_OUT_MAX, &profile_len);
	if (wire_end(&m->body) == -1 || verdict == NULL || status >= STATUS_COUNT)
		proc_bad_message(m);
#ifdef ADC_TEST_REPLAY
	hostile_record((enum status)status, verdict, profile, profile_len);
#endif
	text = frame_result(q->id, (enum status)status, verdict[0] == '\0' ? NULL : verdict, reason,
	    profile, profile_len, &len);
	free(verdict);
	request_end(q, text, len);
}

static void
authenticate(struct request *q, const struct frame *frame)
{
	const struct sealed_parts *s = &frame->sealed;
	struct wire_writer w;

#if defined(ADC_TEST_LIAR) || defined(ADC_TEST_REPLAY)
	char *lie;
	size_t len = 0;

	if ((lie = hostile_result(q->owner->cloud, frame, &len)) != NULL) {
		request_end(q, lie, len);
		return;
	}
#endif
	wire_writer_init(&w);
	wire_put_string(&w, frame->kid);
	wire_put_string(&w, frame->attempt);
	wire_put_u32(&w, frame->deadline_ms);
	wire_put_string(&w, frame->username);
	wire_put_fixed(&w, s->epk, sizeof(s->epk));
	wire_put_fixed(&w, s->wrapped_key, sizeof(s->wrapped_key));
	wire_put_fixed(&w, s->iv, sizeof(s->iv));
	wire_put_fixed(&w, s->tag, sizeof(s->tag));
	wire_put_bytes(&w, s->ciphertext, s->ciphertext_len);
	q->question = ask(q->owner->cloud->proc, MESSAGE_AUTHENTICATE, &w, on_verdict, q);
}

static void
on_test_step(struct request *q, struct message *m)
{
	static const char *const names[TEST_STEP_COUNT] = { "reach", "tunnel", "sign_in", "read" };
	struct frame_step step;
	char code[256], *text, *hint;
	uint8_t number, passed;

	number = wire_get_u8(&m->body);
	passed = wire_get_u8(&m->body);
	step.ms = wire_get_u32(&m->body);
	wire_get_string(&m->body, code, sizeof(code), 0);
	text = wire_get_string_dup(&m->body, 0, REASON_MAX);
	hint = wire_get_string_dup(&m->body, 0, REASON_MAX);
	if (wire_end(&m->body) == -1 || number >= TEST_STEP_COUNT || passed > 1 || text == NULL ||
	    hint == NULL)
		proc_bad_message(m);
	step.step = names[number];
	step.passed = passed == 1;
	step.code = code;
	step.text = text;
	step.hint = hint;
	if (json_array_size(q->steps) < TEST_STEP_COUNT && frame_steps_add(q->steps, &step) == -1)
		fatalx("a test's step: out of memory");
	free(text);
	free(hint);
}

static void
on_test(void *arg, struct message *m)
{
	struct request *q = arg;
	uint8_t passed;
	char *text;
	size_t len = 0;

	switch (m->type) {
	case MESSAGE_TEST_RESULT:
		on_test_step(q, m);
		return;
	case MESSAGE_UNANSWERED:
		q->question = 0;
		unanswered(q, m);
		return;
	case MESSAGE_TEST_END:
		break;
	default:
		proc_bad_message(m);
	}
	q->question = 0;
	passed = wire_get_u8(&m->body);
	if (wire_end(&m->body) == -1 || passed > 1)
		proc_bad_message(m);
	text = frame_test_result(q->id, passed == 1, q->steps, &len);
	request_end(q, text, len);
}

static void
test(struct request *q, const struct frame *frame)
{
	struct wire_writer w;

	if ((q->steps = json_array()) == NULL)
		fatalx("a test: out of memory");
	wire_writer_init(&w);
	wire_put_u32(&w, frame->deadline_ms);
	q->question = ask(q->owner->cloud->proc, MESSAGE_TEST, &w, on_test, q);
}

void
requests_take(struct requests *r, const struct frame *frame)
{
	struct request key, *q;

	strlcpy(key.id, frame->id, sizeof(key.id));
	if (RB_FIND(request_ids, &all, &key) != NULL) {
		requests_answer(r, frame->id, STATUS_BAD_REQUEST, "id in flight already");
		return;
	}
	if (frame->type == FRAME_UNREAD) {
		log_warnx("request %s of the hub: %s", frame->id, frame->why);
		requests_answer(r, frame->id, STATUS_INTERNAL, frame->why);
		return;
	}
	if (frame->type == FRAME_BAD_REQUEST || frame->type == FRAME_UNSUPPORTED) {
		log_info("request %s of the hub: %s", frame->id,
		    frame->type == FRAME_UNSUPPORTED ? "unknown type" : frame->why);
		requests_answer(r, frame->id,
		    frame->type == FRAME_UNSUPPORTED ? STATUS_UNSUPPORTED : STATUS_BAD_REQUEST,
		    frame->type == FRAME_UNSUPPORTED ? "unknown type" : frame->why);
		return;
	}
	if (nall == REQUESTS_MAX) {
		requests_answer(
		    r, frame->id, STATUS_CONNECTOR_UNAVAILABLE, "too many requests in flight");
		return;
	}
	q = request_new(r, frame);
	if (frame->type == FRAME_AUTHENTICATE)
		authenticate(q, frame);
	else
		test(q, frame);
}
