/* SPDX-License-Identifier: ISC */
/* Rows for the audit, which the store keeps. */
#ifndef GATE_AUDIT_H
#define GATE_AUDIT_H

#include "common/proc.h"
#include "common/status.h"

#include <stdbool.h>

/* NULL strings are written as "". */
struct audit_row {
	const char *event; /* "login", "verdict_refused", "tunnel_replaced", "tunnel_held_out",
			      "throttled" */
	const char *connection;
	const char *connector_id;
	const char *username;
	const char *attempt;
	enum status status;
	bool proven;
	const char *reason;
	const char *face; /* "verify-user", "login", "control", "tunnel" */
	const char *address;
	const char *detail;
	bool found; /* a good verdict names a user; otherwise the name is made unreadable */
};

/* How long the row of a login may wait for others, in ms: a part of what the store may be behind.
 */
#define AUDIT_GATHER_MS 10

/* Before the first row. */
void audit_init(struct proc *);
/* Copies the row; it reaches the store within AUDIT_GATHER_MS. */
void audit(const struct audit_row *);
/* Sends what waits: before a message that has to come behind it, and at the end. */
void audit_send(void);

#endif
