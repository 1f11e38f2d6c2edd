/* SPDX-License-Identifier: ISC */
/*
 * Rows for the audit: see audit.h. Nothing here is ever a password.
 *
 * Rows of logins that come close behind another gather for a moment and travel together:
 * each message wakes the parent and the store, which costs more than the row itself.  Any
 * other row goes at once and takes the waiting ones along, so that the order stays.
 */
#include "audit.h"

#include "common/log.h"

#include <event2/event.h>
#include <string.h>

/* A message has room for one more row of the greatest size behind this. */
#define AUDIT_GATHER_MAX (32U << 10)

static struct {
	struct proc *proc;
	struct event *timer;
	struct wire_writer rows;
} gathered;

static void
send_and_gather(void)
{
	static const struct timeval wait = { 0, AUDIT_GATHER_MS * 1000 };

	audit_send();
	evtimer_add(gathered.timer, &wait);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (gathered.rows.len > 0)
		send_and_gather();
}

void
audit_init(struct proc *proc)
{
	gathered.proc = proc;
	wire_writer_init(&gathered.rows);
	if ((gathered.timer = evtimer_new(proc_base(proc), on_timer, NULL)) == NULL)
		fatalx("audit: no timer");
}

void
audit_send(void)
{
	if (gathered.rows.len > 0)
		proc_send(gathered.proc, MESSAGE_AUDIT, 0, &gathered.rows, -1);
}

void
audit(const struct audit_row *row)
{
	struct wire_writer *w = &gathered.rows;

	wire_put_string(w, row->event);
	wire_put_string(w, row->connection);
	wire_put_string(w, row->connector_id);
	wire_put_string(w, row->username);
	wire_put_string(w, row->attempt);
	wire_put_u8(w, (uint8_t)row->status);
	wire_put_u8(w, row->proven);
	wire_put_string(w, row->reason);
	wire_put_string(w, row->face);
	wire_put_string(w, row->address);
	wire_put_string(w, row->detail);
	wire_put_u8(w, row->found);
	if (w->len > AUDIT_GATHER_MAX || strcmp(row->event, "login") != 0)
		audit_send();
	else if (!evtimer_pending(gathered.timer, NULL))
		send_and_gather();
}
