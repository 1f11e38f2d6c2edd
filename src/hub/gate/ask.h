/* SPDX-License-Identifier: ISC */
/*
 * Questions to the store and to the other gate, each with a deadline and
 * exactly one answer.
 */
#ifndef GATE_ASK_H
#define GATE_ASK_H

#include "common/proc.h"

#include <stdbool.h>

/* Longest wait for an answer, ms. */
#define ASK_DEADLINE_MS 5000
/* Questions without an answer yet; more are answered as if nobody were there. */
#define ASK_MAX 16384

struct asks;

/*
 * The answer, to be read and ended with wire_end() by the callee; NULL when
 * the other end is gone, gave no answer in time, or too much is being asked.  Called
 * exactly once for each ask_send, never from within it.
 */
typedef void (*ask_fn)(void *arg, struct message *reply);

struct asks *asks_new(struct proc *);
/*
 * Sends a message that ASKS; the writer is emptied.  expected: the type of
 * the reply.  Never fails: a failure is answered with NULL.
 */
void ask_send(struct asks *, enum message_type, struct wire_writer *, enum message_type expected,
    ask_fn, void *arg);
/* The same with another deadline than ASK_DEADLINE_MS. */
void ask_send_within(struct asks *, unsigned int deadline_ms, enum message_type,
    struct wire_writer *, enum message_type expected, ask_fn, void *arg);
/* Hands over a reply (or UNANSWERED); one that nobody waits for any more is dropped. */
void asks_reply(struct asks *, struct message *);

#endif
