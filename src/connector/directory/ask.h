/* SPDX-License-Identifier: ISC */
/*
 * Questions to the parent that await an answer: connections and the service
 * password.  Each has a deadline of its own; the callback comes exactly once
 * unless the question is cancelled.
 */
#ifndef ADC_DIRECTORY_ASK_H
#define ADC_DIRECTORY_ASK_H

#include "common/proc.h"

struct ask;

/* Questions under way; there is at most one for each connection and test. */
#define ASKS_MAX 512

/* NULL: the parent could not answer, or not in time. */
typedef void (*ask_fn)(void *arg, struct message *);

void ask_init(struct proc *);
/* The writer is emptied. NULL: too many under way, or no memory. */
struct ask *
ask_send(enum message_type, struct wire_writer *, unsigned int timeout_ms, ask_fn, void *arg);
void ask_cancel(struct ask *);
/* Gives a REPLY to who asked. A late one is dropped, with the descriptor in it. */
void ask_answer(struct message *);

#endif
