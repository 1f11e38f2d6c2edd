/* SPDX-License-Identifier: ISC */
/*
 * Questions to the parent that wait for a reply, by message id.
 */
#ifndef ADC_CLOUD_ASKS_H
#define ADC_CLOUD_ASKS_H

#include "common/proc.h"

#include <stdint.h>

/*
 * Gets each message that carries the id: what comes before the reply, the
 * reply, or UNANSWERED instead of it.  After a reply the id is forgotten.  A
 * message of a type that is not expected is proc_bad_message().
 */
typedef void (*ask_fn)(void *arg, struct message *);

/* Sends; returns the id. Who asks keeps the deadline and calls ask_forget() when it is over. */
uint32_t ask(struct proc *, enum message_type, struct wire_writer *, ask_fn, void *arg);
/* What comes for this id from now on is dropped. 0 is fine. */
void ask_forget(uint32_t id);
/* Hands a message to whoever asked; one that nobody waits for any more is dropped. */
void ask_answer(struct message *);

#endif
