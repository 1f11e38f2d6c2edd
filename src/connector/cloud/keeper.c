/* SPDX-License-Identifier: ISC */
/*
 * See keeper.h.
 *
 * There is the current tunnel, which may still be opening; and, after the hub
 * asked to drain, the old one, which finishes what it has.  While a new one is
 * being opened in place of one that drains, the draining one stays current until
 * the new one has its welcome.
 */
#include "keeper.h"

#include "common/backoff.h"
#include "frames.h"
#include "common/log.h"
#include "rekey.h"
#include "tunnel.h"
#include "websocket.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct cloud *cloud;
static struct tunnel *current; /* welcomed or on its way; NULL: waiting */
static struct tunnel *next;    /* on its way, to take over from current */
static struct tunnel *old;     /* finishing */
static struct event *retry;
static struct backoff backoff;
static struct timespec welcomed_at;
static struct timespec lost_at; /* since then no tunnel was steady; 0: all is well */
static bool draining;
static bool wants_next; /* current drains */
static enum { UNTOLD, UNAVAILABLE, ANSWERS } directory;
static bool status_said; /* on current */

static void on_welcomed(struct tunnel *, bool, int64_t);
static void on_state(struct tunnel *, bool);
static void on_drain(struct tunnel *);
static void on_ended(struct tunnel *, unsigned int, const struct failure *);

static const struct tunnel_callbacks callbacks = {
	.welcomed = on_welcomed,
	.state = on_state,
	.drain = on_drain,
	.ended = on_ended,
};

static void
open_tunnel(void)
{
	if (current != NULL) {
		next = tunnel_new(cloud, &callbacks);
		return;
	}
	cloud_report(cloud, TUNNEL_CONNECTING, "", "", 0);
	current = tunnel_new(cloud, &callbacks);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	open_tunnel();
}

/* Returns the wait in ms. */
static uint32_t
schedule(uint32_t ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	if (evtimer_add(retry, &tv) == -1)
		fatalx("tunnel: out of memory");
	return ms;
}

/* time: the hub's, 0 when it told none. */
static void
report_approved(bool approved, int64_t time)
{
	if (approved) {
		log_info("%s: the tunnel is open", cloud->hub_name);
		cloud_report(cloud, TUNNEL_ONLINE, "", "", time);
	} else {
		log_info(
		    "%s: the tunnel is open; this connector waits for approval", cloud->hub_name);
		cloud_report(cloud, TUNNEL_PENDING, "pending",
		    "connected; this connector waits for approval at the hub", time);
	}
}

/*
 * Not on one that finishes: it gets no logins any more.  That the directory answers goes without
 * saying, until anything else was said on the tunnel.
 */
static void
send_status(struct tunnel *t)
{
	const char *text = frame_status(directory == ANSWERS);

	if (directory == UNTOLD || (directory == ANSWERS && !status_said))
		return;
	status_said = true;
	tunnel_send(t, text, strlen(text));
}

static void
on_welcomed(struct tunnel *t, bool approved, int64_t time)
{
	clock_gettime(CLOCK_MONOTONIC, &welcomed_at);
	if (t == next) {
		/* Only one finishes at a time: an older one has had its time. */
		tunnel_free(old);
		old = current;
		current = next;
		next = NULL;
		wants_next = false;
		if (old != NULL)
			tunnel_finish(old);
	}
	status_said = false;
	send_status(t);
	report_approved(approved, time);
}

static void
on_state(struct tunnel *t, bool approved)
{
	if (t == current)
		report_approved(approved, 0);
}

static uint64_t
ms_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (
	    uint64_t)((now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000);
}

static bool
was_steady(void)
{
	return ms_since(&welcomed_at) >= KEEPER_STEADY_MS;
}

/*
 * Who could not be reached, went silent or just went away is tried again soon, and so is what
 * failed here; who answered with a refusal is left in peace for longer.
 */
static uint32_t
next_wait(unsigned int code, const struct failure *failure)
{
	bool silent = code == CLOSE_GOING_AWAY || code == CLOSE_TRY_LATER ||
	    (code == 0 &&
		(strcmp(failure->code, "unreachable") == 0 ||
		    strcmp(failure->code, "closed") == 0 ||
		    strcmp(failure->code, "internal") == 0));

	if (lost_at.tv_sec == 0)
		clock_gettime(CLOCK_MONOTONIC, &lost_at);
	return silent ? backoff_silent(&backoff, ms_since(&lost_at), arc4random())
		      : backoff_refused(&backoff, arc4random());
}

static void
on_drain(struct tunnel *t)
{
	if (t != current || draining || wants_next)
		return;
	log_info("%s: the hub asks for a new tunnel in place of this one", cloud->hub_name);
	wants_next = true;
	/* A hub that drains every tunnel it is given shall not have us run in circles. */
	if (was_steady())
		open_tunnel();
	else
		schedule(backoff_refused(&backoff, arc4random()));
}

/* The current tunnel is gone: says why, and when there will be another. */
static void
wait_for_next(unsigned int code, const struct failure *failure)
{
	struct failure f = *failure;
	enum tunnel_state state = TUNNEL_WAITING;
	uint32_t ms;

	switch (code) {
	case CLOSE_REFUSED:
	case CLOSE_REVOKED:
		state = TUNNEL_REFUSED;
		backoff_raise(&backoff);
		failure_set(&f, code == CLOSE_REVOKED ? "revoked" : "refused",
		    code == CLOSE_REVOKED
			? "%s: the hub has revoked this connector: enrol it again with a new ticket"
			: "%s: the hub does not know this connector, or not with this key: enrol "
			  "it "
			  "again with a new ticket",
		    cloud->hub_name);
		break;
	case CLOSE_REPLACED:
		failure_set(&f, "replaced",
		    "%s: another process connected as this connector: a copy of this machine or of "
		    "its "
		    "state directory is running; enrol each with a ticket of its own",
		    cloud->hub_name);
		break;
	case CLOSE_HELD_OUT:
		failure_set(&f, "held_out",
		    "%s: several processes connect as this connector, and the hub holds all of "
		    "them out "
		    "for a minute: a copy of this machine or of its state directory is running",
		    cloud->hub_name);
		break;
	default:
		break;
	}
	ms = next_wait(code, &f);
	if (code == CLOSE_HELD_OUT)
		ms = KEEPER_HELD_OUT_MS;
	else if (code == CLOSE_REPLACED && ms < KEEPER_REPLACED_MS)
		ms = KEEPER_REPLACED_MS;
	schedule(ms);
	/* Whether the other one is the connector's own is for the parent to know, and to say. */
	if (code != CLOSE_REPLACED)
		log_warnx("%s; next try in %u ms", f.text, ms);
	cloud_report(cloud, state, f.code, f.text, 0);
}

static void
on_ended(struct tunnel *t, unsigned int code, const struct failure *failure)
{
	struct failure none;
	bool welcomed = tunnel_is_welcomed(t);

	if (failure == NULL) {
		failure_set(&none, "closed", "%s: the tunnel was closed", cloud->hub_name);
		failure = &none;
	}
	if (t == old) {
		old = NULL;
	} else if (t == next) {
		next = NULL;
		if (!draining)
			log_warnx("%s: the new tunnel did not open: %s; next try in %u ms",
			    cloud->hub_name, failure->text, schedule(next_wait(code, failure)));
	} else {
		current = next;
		next = NULL;
		wants_next = false;
		if (welcomed && was_steady()) {
			backoff_reset(&backoff);
			memset(&lost_at, 0, sizeof(lost_at));
		}
		if (!draining && current == NULL)
			wait_for_next(code, failure);
		else if (!draining)
			cloud_report(cloud, TUNNEL_CONNECTING, "", "", 0);
	}
	tunnel_free(t);
	if (draining && current == NULL && old == NULL) {
		log_info("drained");
		_exit(0);
	}
}

void
keeper_rekey(struct message *m)
{
	rekey_send(cloud, current != NULL && tunnel_is_welcomed(current) ? current : NULL, m);
}

void
keeper_directory(struct message *m)
{
	uint8_t answers = wire_get_u8(&m->body), before = (uint8_t)directory;

	if (wire_end(&m->body) == -1 || answers > 1)
		proc_bad_message(m);
	directory = answers ? ANSWERS : UNAVAILABLE;
	if (directory != before && current != NULL && tunnel_is_welcomed(current))
		send_status(current);
}

void
keeper_drain(void)
{
	draining = true;
	evtimer_del(retry);
	tunnel_free(next);
	next = NULL;
	if (current == NULL && old == NULL)
		_exit(0);
	if (current != NULL)
		tunnel_finish(current);
}

void
keeper_start(const struct cloud *c)
{
	cloud = c;
	if ((retry = evtimer_new(cloud->base, on_retry, NULL)) == NULL)
		fatalx("tunnel: out of memory");
	open_tunnel();
}
