/* SPDX-License-Identifier: ISC */
/* Rows for the audit: see audit.h. Nothing here is ever a password. */
#include "audit.h"

void
audit(struct proc *proc, const struct audit_row *row)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_string(&w, row->event);
	wire_put_string(&w, row->connection);
	wire_put_string(&w, row->connector_id);
	wire_put_string(&w, row->username);
	wire_put_string(&w, row->attempt);
	wire_put_u8(&w, (uint8_t)row->status);
	wire_put_u8(&w, row->proven);
	wire_put_string(&w, row->reason);
	wire_put_string(&w, row->face);
	wire_put_string(&w, row->address);
	wire_put_string(&w, row->detail);
	wire_put_u8(&w, row->found);
	proc_send(proc, MESSAGE_AUDIT, 0, &w, -1);
}
