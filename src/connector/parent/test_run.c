/* SPDX-License-Identifier: ISC */
/*
 * The test of the connection, four steps in order: AD server reachable,
 * connector linked to the cloud, AD user signs in, directory can be read.
 * Directory makes three of them on a connection of its own; the second is
 * known here.  A test right after an enrolment or a start waits until the tunnel
 * stands or is known not to, and until the directory process of an enrolment has taken over:
 * "not yet" would be told as a fault that there is none.
 */
#include "adconnectord.h"

#include "advice.h"

#include "common/clock.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MAX_MS 60000
/* How long a test waits for what is being started, and how often it looks. */
#define HELD_MS 10000
#define HELD_LOOK_MS 50

struct test_state {
	bool all_passed;
	bool tunnel_told;
	unsigned int told; /* steps, by directory */
};

static void
tell_step(struct child *asker, uint32_t id, enum test_step step, bool passed, uint32_t ms,
    const char *code, const char *text, const char *hint)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)step);
	wire_put_u8(&w, passed);
	wire_put_u32(&w, ms);
	wire_put_string(&w, code);
	wire_put_string(&w, text);
	wire_put_string(&w, hint);
	child_send(asker, MESSAGE_TEST_RESULT, id, &w, -1);
}

static void
tell_end(struct child *asker, uint32_t id, bool all_passed)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, all_passed);
	child_send(asker, MESSAGE_TEST_END, id, &w, -1);
}

static bool
tell_tunnel(struct connector *connector, struct child *asker, uint32_t id)
{
	const struct tunnel_report *tunnel = &connector->tunnel;
	const struct identity *identity = connector->current->identity;
	const char *hint;
	char text[1024];

	if (identity == NULL) {
		tell_step(asker, id, TEST_TUNNEL, false, 0, "not_enrolled",
		    "this connector is not enrolled with a hub", advice_enrol);
		return false;
	}
	if (tunnel->state == TUNNEL_ONLINE) {
		snprintf(text, sizeof(text), "linked to %s, connection %s", identity->origin.host,
		    identity->connection);
		tell_step(asker, id, TEST_TUNNEL, true, 0, "ok", text, "");
		return true;
	}
	if (tunnel->state == TUNNEL_PENDING) {
		snprintf(text, sizeof(text),
		    "an administrator of the hub approves it: adhubctl connector approve %s",
		    identity->connector_id);
		tell_step(asker, id, TEST_TUNNEL, false, 0, "pending",
		    "linked, but this connector waits for its approval", text);
		return false;
	}
	hint = advice_cloud(tunnel->code, connector->current->settings->cloud.has_proxy);
	if (tunnel->state == TUNNEL_REFUSED)
		hint = "a new ticket from the hub (adhubctl ticket new) enrols it again: "
		       "adconnectorctl enroll";
	else if (*hint == '\0')
		hint = "the connector goes on trying; see adconnectorctl status and log";
	tell_step(asker, id, TEST_TUNNEL, false, 0,
	    tunnel->code[0] == '\0' ? "connecting" : tunnel->code,
	    tunnel->text[0] == '\0' ? "not linked yet" : tunnel->text, hint);
	return false;
}

static void
tell_not_run(struct child *asker, uint32_t id, enum test_step step)
{
	tell_step(
	    asker, id, step, false, 0, "not_run", "not tried, because a step before it failed", "");
}

static void
tell_no_directory(struct connector *connector, struct child *asker, uint32_t id)
{
	const struct deployment *d = connector->current;
	char text[SETTINGS_MISSING_SIZE], hint[SETTINGS_MISSING_SIZE];

	if (settings_missing(d->settings, d->bind_password != NULL, text, hint))
		tell_step(asker, id, TEST_REACH, false, 0, "not_configured", text, hint);
	else
		tell_step(asker, id, TEST_REACH, false, 0, "not_running",
		    "the process that speaks to the directory is being started",
		    "try again in a moment; adconnectorctl log tells more");
	tell_tunnel(connector, asker, id);
	tell_not_run(asker, id, TEST_SIGN_IN);
	tell_not_run(asker, id, TEST_READ);
	tell_end(asker, id, false);
}

/* Of the directory in force now: an enrolment has started it anew. */
static void
begin(struct connector *connector, struct pending *p, uint32_t deadline_ms)
{
	struct wire_writer w;

	if ((p->to = service_current(connector->directory)) == NULL) {
		if (p->from != NULL)
			tell_no_directory(connector, p->from, p->from_id);
		pending_done(connector->pending, p);
		return;
	}
	wire_writer_init(&w);
	wire_put_u32(&w, deadline_ms);
	child_send(p->to, MESSAGE_TEST_DIRECTORY, p->id, &w, -1);
}

/* Is an enrolment's directory process about to take over, or the tunnel being opened? */
static bool
being_started(const struct connector *connector)
{
	return (connector->change == NULL && service_has_trial(connector->directory)) ||
	    (connector->current->identity != NULL && connector->tunnel.state == TUNNEL_CONNECTING);
}

static void
look_again(struct connector *connector)
{
	static const struct timeval interval = { 0, HELD_LOOK_MS * 1000 };

	event_add(connector->held_timer, &interval);
}

static void
on_held(evutil_socket_t fd, short what, void *arg)
{
	struct connector *connector = arg;
	struct held_test *held;
	struct pending *p;
	uint64_t waited;
	bool left = false;

	(void)fd;
	(void)what;
	for (held = connector->held_tests; held < connector->held_tests + HELD_TESTS_MAX; held++) {
		if (held->id == 0)
			continue;
		waited = clock_ms() - held->since_ms;
		p = pending_find(connector->pending, NULL, held->id);
		if (p != NULL && p->from != NULL && waited < held->deadline_ms / 2 &&
		    waited < HELD_MS && being_started(connector)) {
			left = true;
			continue;
		}
		if (p != NULL && (p->from == NULL || waited >= held->deadline_ms)) {
			if (p->from != NULL)
				tell_end(p->from, p->from_id, false);
			pending_done(connector->pending, p);
		} else if (p != NULL)
			begin(connector, p, held->deadline_ms - (uint32_t)waited);
		held->id = 0;
	}
	if (left)
		look_again(connector);
}

/* False: there is nothing to wait for, or no room to. */
static bool
hold(struct connector *connector, struct pending *p, uint32_t deadline_ms)
{
	struct held_test *held;

	if (!being_started(connector))
		return false;
	if (connector->held_timer == NULL &&
	    (connector->held_timer = event_new(connector->base, -1, 0, on_held, connector)) == NULL)
		return false;
	for (held = connector->held_tests; held < connector->held_tests + HELD_TESTS_MAX; held++) {
		if (held->id != 0)
			continue;
		*held = (struct held_test){ p->id, deadline_ms, clock_ms() };
		look_again(connector);
		return true;
	}
	return false;
}

void
test_request(struct connector *connector, struct child *asker, struct message *m)
{
	struct test_state *state;
	struct pending *p;
	uint32_t deadline;

	deadline = wire_get_u32(&m->body);
	if (wire_end(&m->body) == -1 || deadline == 0 || deadline > DEADLINE_MAX_MS ||
	    child_is_trial(asker)) {
		child_breach(asker, "bad TEST");
		return;
	}
	if (child_role(asker) == ROLE_CLOUD &&
	    (connector->current->settings->policy.allow & SETTINGS_ALLOW_TEST) == 0) {
		tell_step(asker, m->id, TEST_REACH, false, 0, "not_allowed",
		    "the connector's own policy does not let the hub ask for a test", "");
		tell_end(asker, m->id, false);
		return;
	}
	if (service_current(connector->directory) == NULL ||
	    (state = calloc(1, sizeof(*state))) == NULL) {
		tell_no_directory(connector, asker, m->id);
		return;
	}
	state->all_passed = true;
	p = pending_add(connector->pending, asker, m->id, NULL, MESSAGE_TEST, state);
	if (p == NULL) {
		free(state);
		tell_end(asker, m->id, false);
		return;
	}
	if (!hold(connector, p, deadline))
		begin(connector, p, deadline);
}

void
test_step(struct connector *connector, struct child *directory, struct message *m)
{
	char code[64], text[2048], hint[2048];
	struct test_state *state;
	struct pending *p;
	uint32_t ms;
	uint8_t step, passed;

	step = wire_get_u8(&m->body);
	passed = wire_get_u8(&m->body);
	ms = wire_get_u32(&m->body);
	wire_get_string(&m->body, code, sizeof(code), 0);
	wire_get_string(&m->body, text, sizeof(text), 0);
	wire_get_string(&m->body, hint, sizeof(hint), 0);
	if (wire_end(&m->body) == -1 || step >= TEST_STEP_COUNT || step == TEST_TUNNEL ||
	    passed > 1) {
		child_breach(directory, "bad TEST_STEP");
		return;
	}
	p = pending_find(connector->pending, directory, m->id);
	if (p == NULL || p->asked != MESSAGE_TEST || p->from == NULL)
		return;
	state = p->data;
	if (++state->told > TEST_STEP_COUNT - 1) {
		child_breach(directory, "more steps of a test than there are");
		return;
	}
	if (!passed)
		state->all_passed = false;
	tell_step(p->from, p->from_id, (enum test_step)step, passed != 0, ms, code, text, hint);
	if (step == TEST_REACH && !state->tunnel_told) {
		state->tunnel_told = true;
		if (!tell_tunnel(connector, p->from, p->from_id))
			state->all_passed = false;
	}
}

void
test_end(struct connector *connector, struct child *directory, struct message *m)
{
	struct test_state *state;
	struct pending *p;

	p = pending_find(connector->pending, directory, m->id);
	if (p == NULL || p->asked != MESSAGE_TEST)
		return;
	state = p->data;
	if (p->from != NULL)
		tell_end(p->from, p->from_id, state->all_passed && state->tunnel_told);
	pending_done(connector->pending, p);
}

void
test_lost(struct connector *connector, struct pending *p)
{
	(void)connector;
	if (p->from == NULL)
		return;
	tell_step(p->from, p->from_id, TEST_READ, false, 0, "directory_ended",
	    "the process that speaks to the directory ended during the test",
	    "adconnectorctl log tells why; it has been started again");
	tell_end(p->from, p->from_id, false);
}
