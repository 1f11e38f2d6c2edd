/* SPDX-License-Identifier: ISC */
/*
 * See tunnel.h.
 */
#include "tunnel.h"

#include "asks.h"
#include "frames.h"
#include "hub_connection.h"
#include "common/log.h"
#include "rekey.h"
#include "requests.h"
#include "websocket.h"
#include "common/wipe.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define PROOF_MAX 8192

enum stage {
	STAGE_CONNECTING,
	STAGE_UPGRADING,
	STAGE_CHALLENGE,
	STAGE_PROOF,
	STAGE_WELCOME,
	STAGE_OPEN
};

struct tunnel {
	const struct cloud *cloud;
	struct tunnel_callbacks callbacks;
	enum stage stage;
	struct hub_connection *connection;
	struct websocket *websocket;
	struct event *deadline; /* for the welcome; for settling */
	uint32_t question;	/* TUNNEL_PROOF */
	struct requests requests;
	bool approved;
	bool finishing;
	bool settled; /* the hub has nothing more on its way on this one */
};

/* How long a tunnel that finishes waits for what the hub sent before it knew. */
#define SETTLE_MS 1000

static void on_connected(void *, struct stream *, const struct failure *);
static void on_upgraded(void *);
static void on_text(void *, const char *, size_t);
static void on_echoed(void *);
static void on_closed(void *, unsigned int, const struct failure *);
static void on_deadline(evutil_socket_t, short, void *);
static void send_result(void *, const char *, size_t);
static void on_idle(void *);

static const struct websocket_callbacks callbacks = {
	.upgraded = on_upgraded,
	.text = on_text,
	.echoed = on_echoed,
	.closed = on_closed,
};

struct tunnel *
tunnel_new(const struct cloud *cloud, const struct tunnel_callbacks *owner)
{
	struct tunnel *t;

	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (t->deadline = evtimer_new(cloud->base, on_deadline, t)) == NULL)
		fatalx("tunnel: out of memory");
	t->cloud = cloud;
	t->callbacks = *owner;
	requests_init(&t->requests, cloud, send_result, on_idle, t);
	t->connection = hub_connect(cloud, HUB_DEADLINE_MS, on_connected, t);
	return t;
}

void
tunnel_free(struct tunnel *t)
{
	if (t == NULL)
		return;
	hub_connection_free(t->connection);
	websocket_free(t->websocket);
	ask_forget(t->question);
	rekey_tunnel_gone(t);
	requests_drop(&t->requests);
	event_free(t->deadline);
	free(t);
}

bool
tunnel_is_welcomed(const struct tunnel *t)
{
	return t->stage == STAGE_OPEN;
}

void
tunnel_send(struct tunnel *t, const char *text, size_t len)
{
	websocket_send(t->websocket, text, len);
}

static void
arm(struct tunnel *t, unsigned int ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	if (evtimer_add(t->deadline, &tv) == -1)
		fatalx("tunnel: out of memory");
}

/* A login that the hub wrote before it welcomed the newer tunnel may still be on its way. */
static void
close_when_done(struct tunnel *t)
{
	if (t->finishing && t->settled && t->requests.in_flight == 0)
		websocket_close(t->websocket, CLOSE_GOING_AWAY, "");
}

static void
settle(struct tunnel *t)
{
	t->settled = true;
	close_when_done(t);
}

static void
on_echoed(void *arg)
{
	settle(arg);
}

void
tunnel_finish(struct tunnel *t)
{
	t->finishing = true;
	if (t->websocket == NULL) {
		t->callbacks.ended(t, 0, NULL);
		return;
	}
	t->settled = t->stage != STAGE_OPEN;
	if (!t->settled) {
		websocket_echo(t->websocket);
		arm(t, SETTLE_MS);
	}
	close_when_done(t);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct tunnel *t = arg;
	struct failure failure;

	(void)fd;
	(void)what;
	if (t->finishing) {
		settle(t);
		return;
	}
	failure_set(&failure, "unreachable", "%s: the hub opened no tunnel within %u ms",
	    t->cloud->hub_name, TUNNEL_PROOF_MS);
	t->callbacks.ended(t, 0, &failure);
}

static void
on_connected(void *arg, struct stream *stream, const struct failure *failure)
{
	struct tunnel *t = arg;

	t->connection = NULL;
	if (stream == NULL) {
		t->callbacks.ended(t, 0, failure);
		return;
	}
	t->stage = STAGE_UPGRADING;
	arm(t, TUNNEL_PROOF_MS);
	stream_keep_buffers(stream); /* passwords are sealed in a tunnel */
	if ((t->websocket = websocket_new(t->cloud, stream, &callbacks, t)) == NULL)
		fatalx("tunnel: out of memory");
}

static void
on_upgraded(void *arg)
{
	struct tunnel *t = arg;

	t->stage = STAGE_CHALLENGE;
}

static void
on_closed(void *arg, unsigned int code, const struct failure *failure)
{
	struct tunnel *t = arg;

	t->callbacks.ended(t, code, failure);
}

/* The parent's signature over the nonce. */
static void
on_proved(void *arg, struct message *m)
{
	struct tunnel *t = arg;
	char proof[PROOF_MAX], *text;
	size_t len = 0;

	t->question = 0;
	if (m->type == MESSAGE_UNANSWERED) {
		websocket_close(t->websocket, CLOSE_INTERNAL, "the challenge could not be signed");
		return;
	}
	if (m->type != MESSAGE_TUNNEL_PROVED)
		proc_bad_message(m);
	wire_get_string(&m->body, proof, sizeof(proof), 1);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	if ((text = frame_hello(proof, &len)) == NULL) {
		websocket_close(t->websocket, CLOSE_INTERNAL, "no memory");
		return;
	}
	websocket_send(t->websocket, text, len);
	wiping_free(text);
	t->stage = STAGE_WELCOME;
}

/* Before the welcome: one challenge, then one welcome, and nothing else. */
static void
take_before_welcome(struct tunnel *t, const struct frame *frame)
{
	struct wire_writer w;

	if (t->stage == STAGE_CHALLENGE && frame->type == FRAME_CHALLENGE) {
		t->stage = STAGE_PROOF;
		wire_writer_init(&w);
		wire_put_string(&w, frame->nonce);
		t->question = ask(t->cloud->proc, MESSAGE_TUNNEL_PROOF, &w, on_proved, t);
	} else if (t->stage == STAGE_WELCOME && frame->type == FRAME_WELCOME) {
		t->stage = STAGE_OPEN;
		t->approved = frame->approved;
		evtimer_del(t->deadline);
		websocket_open(t->websocket);
		t->callbacks.welcomed(t, frame->approved, frame->time);
	} else
		websocket_close(t->websocket, CLOSE_POLICY, "not at this point");
}

static void
take(struct tunnel *t, const struct frame *frame)
{
	switch (frame->type) {
	case FRAME_CHALLENGE:
	case FRAME_WELCOME:
		websocket_close(t->websocket, CLOSE_POLICY, "not at this point");
		break;
	case FRAME_STATE:
		t->approved = frame->approved;
		t->callbacks.state(t, frame->approved);
		break;
	case FRAME_REKEYED:
		rekey_take(t, frame);
		break;
	case FRAME_DRAIN:
		requests_answer(&t->requests, frame->id, STATUS_OK, "");
		t->callbacks.drain(t);
		break;
	case FRAME_AUTHENTICATE:
	case FRAME_TEST:
		if (t->finishing && t->settled) {
			requests_answer(&t->requests, frame->id, STATUS_CONNECTOR_UNAVAILABLE,
			    "this tunnel is being closed");
			break;
		}
		if (!t->approved) {
			requests_answer(&t->requests, frame->id, STATUS_NOT_ALLOWED,
			    "this connector is not approved");
			break;
		}
		requests_take(&t->requests, frame);
		break;
	case FRAME_UNSUPPORTED:
	case FRAME_BAD_REQUEST:
	case FRAME_UNREAD:
		requests_take(&t->requests, frame);
		break;
	}
}

static void
on_text(void *arg, const char *text, size_t len)
{
	struct tunnel *t = arg;
	struct frame_reader reader = { t->cloud->connection, t->cloud->seal_kid,
		t->cloud->seal_kid_other };
	struct frame frame;
	const char *why;
	int close;

	if ((close = frame_read(&reader, text, len, &frame, &why)) != 0) {
		log_warnx("%s: a message of the hub was refused: %s", t->cloud->hub_name, why);
		websocket_close(t->websocket, (unsigned int)close, why);
		return;
	}
	if (t->stage == STAGE_OPEN)
		take(t, &frame);
	else
		take_before_welcome(t, &frame);
	frame_free(&frame);
}

static void
send_result(void *arg, const char *text, size_t len)
{
	struct tunnel *t = arg;

	websocket_send(t->websocket, text, len);
}

static void
on_idle(void *arg)
{
	struct tunnel *t = arg;

	close_when_done(t);
}
