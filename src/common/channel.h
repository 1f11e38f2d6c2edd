/* SPDX-License-Identifier: ISC */
/*
 * One end of the socket between a parent and a child: AF_UNIX SOCK_SEQPACKET,
 * one packet is one frame with at most one descriptor.  A payload over 64 KiB
 * travels in fragments that follow each other and is put together here.
 *
 * Every message is checked against message.def on its way out and in.  What
 * to do about a breach is the owner's business: a child ends itself, a parent
 * has the child ended.
 */
#ifndef ADC_CHANNEL_H
#define ADC_CHANNEL_H

#include "message.h"
#include "wire.h"

struct event_base;
struct channel;

/* A received message. All of it is borrowed but the descriptor. */
struct message {
	enum message_type type;
	uint32_t id;
	struct wire_reader body;
	int fd; /* -1: none. The handler takes it by setting -1, or it is closed. */
};

/* Bytes a peer may leave unread before the channel counts as broken. */
#define CHANNEL_QUEUE_MAX (16U << 20)

extern const char channel_no_memory[];

struct channel_callbacks {
	void (*message)(void *arg, struct message *);
	/*
	 * End of file (why == NULL), a breach, or no memory for a message (why ==
	 * channel_no_memory). The channel may be freed here.
	 */
	void (*closed)(void *arg, const char *why);
};

/*
 * Takes fd (non-blocking). self is the role at this end, other that at the
 * far end.  Starts in CHANNEL_CONFIG.
 */
struct channel *channel_new(struct event_base *, int fd, enum role self, enum role other,
    const struct channel_callbacks *, void *arg);
/* Closes; what is queued is wiped. NULL is fine. Safe inside a callback. */
void channel_free(struct channel *);
void channel_set_state(struct channel *, enum channel_state);
enum channel_state channel_get_state(const struct channel *);

/*
 * Sends, or queues when the socket is full.  The writer is emptied in every
 * case (and wiped); NULL stands for an empty payload.  The descriptor is taken in every case
 * (closed after sending); -1 for none.  0, or -1 when the message is not
 * permitted (a bug, logged), memory is short or the queue is over CHANNEL_QUEUE_MAX.  A message of
 * which a part was sent cannot be taken back: the channel sends nothing more after that, and
 * every further call fails.
 */
int channel_send(struct channel *, enum message_type, uint32_t id, struct wire_writer *, int fd);

/* Delivers what has already arrived; the far end is known to be gone. NULL is fine. */
void channel_drain(struct channel *);

/*
 * The blocking forms, for a child before its event loop: receive one message
 * within timeout_ms (0, or -1 on time-out, end of file or breach), send the
 * queue out.
 */
int
channel_receive(struct channel *, int timeout_ms, void (*)(void *, struct message *), void *arg);
int channel_flush(struct channel *, int timeout_ms);

#endif
