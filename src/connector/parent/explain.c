/* SPDX-License-Identifier: ISC */
/*
 * What a login of a name would do, without a password.  Directory tells it step by step; here it
 * is passed on, under the parent's own ids and after the parent's own policy, which comes first
 * in a login as well.
 */
#include "adconnectord.h"

#include "common/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MAX_MS 60000
#define USERNAME_MAX 1024
#define TEXT_MAX 8192

static void
tell_step(struct child *asker, uint32_t id, enum explain_step step, bool passed, uint32_t ms,
    const char *code, const char *text)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)step);
	wire_put_u8(&w, passed);
	wire_put_u32(&w, ms);
	wire_put_string(&w, code);
	wire_put_string(&w, text);
	child_send(asker, MESSAGE_EXPLAIN_STEP, id, &w, -1);
}

static void
tell_end(struct child *asker, uint32_t id, enum status status, bool bind, const char *text)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)status);
	wire_put_u8(&w, bind);
	wire_put_string(&w, text);
	child_send(asker, MESSAGE_EXPLAIN_END, id, &w, -1);
}

static void
ask_directory(struct connector *connector, struct child *asker, uint32_t id, uint32_t deadline,
    const char *username)
{
	struct child *directory = service_current(connector->directory);
	struct pending *p = NULL;
	struct wire_writer w;
	unsigned int *told; /* steps */

	if ((told = calloc(1, sizeof(*told))) != NULL && directory != NULL)
		p = pending_add(connector->pending, asker, id, directory, MESSAGE_EXPLAIN, told);
	if (p == NULL) {
		free(told);
		child_unanswered(asker, id, STATUS_DIRECTORY_UNAVAILABLE);
		return;
	}
	wire_writer_init(&w);
	wire_put_u32(&w, deadline);
	wire_put_string(&w, username);
	child_send(directory, MESSAGE_EXPLAIN, p->id, &w, -1);
}

void
explain_request(struct connector *connector, struct child *asker, struct message *m)
{
	const struct deployment *d = connector->current;
	char missing[SETTINGS_MISSING_SIZE], hint[SETTINGS_MISSING_SIZE];
	char username[USERNAME_MAX + 1],
	    text[2 * SETTINGS_MISSING_SIZE + 64] =
		"no directory is set up yet: adconnectorctl setup";
	uint32_t deadline;

	deadline = wire_get_u32(&m->body);
	wire_get_string(&m->body, username, sizeof(username), 1);
	if (wire_end(&m->body) == -1 || deadline == 0 || deadline > DEADLINE_MAX_MS) {
		child_breach(asker, "bad EXPLAIN");
		return;
	}
	if (!deployment_directory_ready(d)) {
		/* What the file begins ctl cannot complete. */
		if (!settings_saved_password_allowed(d->settings) &&
		    settings_missing(d->settings, d->bind_password != NULL, missing, hint))
			snprintf(text, sizeof(text), "no directory is set up yet: %s: %s", missing,
			    hint);
		tell_step(asker, m->id, EXPLAIN_NAME, false, 0, "not_configured", text);
		tell_end(asker, m->id, STATUS_DIRECTORY_UNAVAILABLE, false,
		    "a login would be refused without a bind: directory_unavailable");
		return;
	}
	if (login_allowed(connector)) {
		ask_directory(connector, asker, m->id, deadline, username);
		return;
	}
	tell_step(asker, m->id, EXPLAIN_POLICY, false, 0, "policy",
	    "policy.allow: \"authenticate\" is not among it, so nobody may log in");
	tell_end(asker, m->id, STATUS_NOT_ALLOWED, false,
	    "a login would be refused without a bind: not_allowed");
}

void
explain_step(struct connector *connector, struct child *directory, struct message *m)
{
	char code[64], text[TEXT_MAX];
	struct pending *p;
	uint32_t ms;
	uint8_t step, passed;

	step = wire_get_u8(&m->body);
	passed = wire_get_u8(&m->body);
	ms = wire_get_u32(&m->body);
	wire_get_string(&m->body, code, sizeof(code), 0);
	wire_get_string(&m->body, text, sizeof(text), 0);
	if (wire_end(&m->body) == -1 || step >= EXPLAIN_STEP_COUNT || passed > 1) {
		child_breach(directory, "bad EXPLAIN_STEP");
		return;
	}
	p = pending_find(connector->pending, directory, m->id);
	if (p == NULL || p->asked != MESSAGE_EXPLAIN)
		return;
	if (++*(unsigned int *)p->data > EXPLAIN_STEP_COUNT)
		child_breach(directory, "more steps of an explanation than there are");
	else if (p->from != NULL)
		tell_step(
		    p->from, p->from_id, (enum explain_step)step, passed != 0, ms, code, text);
}

void
explain_end(struct connector *connector, struct child *directory, struct message *m)
{
	char text[TEXT_MAX];
	struct pending *p;
	uint8_t status, bind;

	status = wire_get_u8(&m->body);
	bind = wire_get_u8(&m->body);
	wire_get_string(&m->body, text, sizeof(text), 0);
	if (wire_end(&m->body) == -1 || status >= STATUS_COUNT || bind > 1) {
		child_breach(directory, "bad EXPLAIN_END");
		return;
	}
	p = pending_find(connector->pending, directory, m->id);
	if (p == NULL || p->asked != MESSAGE_EXPLAIN)
		return;
	if (p->from != NULL)
		tell_end(p->from, p->from_id, (enum status)status, bind != 0, text);
	pending_done(connector->pending, p);
}

void
explain_stop(struct connector *connector, struct child *asker, struct message *m)
{
	struct pending *p = pending_find_from(connector->pending, asker, m->id);

	/* It may have ended meanwhile. */
	if (p == NULL || p->asked != MESSAGE_EXPLAIN)
		return;
	p->from = NULL;
	child_send(p->to, MESSAGE_EXPLAIN_STOP, p->id, NULL, -1);
}

void
explain_lost(struct connector *connector, struct pending *p)
{
	(void)connector;
	if (p->from != NULL)
		child_unanswered(p->from, p->from_id, STATUS_DIRECTORY_UNAVAILABLE);
}
