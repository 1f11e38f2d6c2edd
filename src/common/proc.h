/* SPDX-License-Identifier: ISC */
/*
 * The child's side of being a child: adopt descriptor 3, say HELLO, take the
 * configuration, and after warm-up and sandbox say READY and serve messages.
 *
 *	int
 *	main(void)
 *	{
 *		struct proc *proc = proc_open(ROLE_DIAL);
 *
 *		proc_configure(proc, dial_config, &dial);
 *		dial_warm_up();
 *		sandbox_dial(proc_privileges(proc));
 *		proc_run(proc, dial_message, &dial);
 *	}
 *
 * End of file on descriptor 3 ends the process at once: a child has no
 * purpose without its parent.
 */
#ifndef ADC_PROC_H
#define ADC_PROC_H

#include "channel.h"

struct proc;

/* One item of configuration: value for CONFIG, fd (owned by the callee) for CONFIG_FD, else -1. */
typedef int (*proc_config_fn)(void *arg, const char *key, const void *value, size_t len, int fd);
typedef void (*proc_message_fn)(void *arg, struct message *);

/* Never fails: ends the process with a line in the log instead. */
struct proc *proc_open(enum role);
/* A callback that does not know a key, or refuses a value, returns -1: fatal. */
void proc_configure(struct proc *, proc_config_fn, void *arg);
void proc_run(struct proc *, proc_message_fn, void *arg) __attribute__((noreturn));

struct event_base *proc_base(struct proc *);
/* channel_send() to the parent; a failure is fatal. */
void proc_send(struct proc *, enum message_type, uint32_t id, struct wire_writer *, int fd);
/*
 * A message could not be read: ends the process, naming the message, and having told the parent
 * when it only passed it on.
 */
void proc_bad_message(const struct message *) __attribute__((noreturn));
/* The end of a DRAIN: what is queued for the parent goes out first, within a second. */
void proc_exit(struct proc *) __attribute__((noreturn));
/* A number for the id of a message that ASKS; never 0. */
uint32_t proc_next_id(struct proc *);

#endif
