/* SPDX-License-Identifier: ISC */
/*
 * The hub's requests in flight: each becomes a question to the parent and ends
 * with exactly one result, also when its time is over
 * (docs/tunnel-protocol.md 5).
 */
#ifndef ADC_CLOUD_REQUESTS_H
#define ADC_CLOUD_REQUESTS_H

#include "cloud.h"
#include "frames.h"

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>

/* In flight on all tunnels of the process together. */
#define REQUESTS_MAX 1024

struct request;

/* The requests of one tunnel. */
struct requests {
	const struct cloud *cloud;
	TAILQ_HEAD(, request) list;
	size_t in_flight;
	void (*send)(void *arg, const char *text, size_t len);
	void (*idle)(void *arg); /* the last one in flight has its result; may end the tunnel */
	void *arg;
};

void requests_init(struct requests *, const struct cloud *,
    void (*send)(void *arg, const char *text, size_t len), void (*idle)(void *arg), void *arg);
/* FRAME_AUTHENTICATE, FRAME_TEST, FRAME_UNSUPPORTED or FRAME_BAD_REQUEST. */
void requests_take(struct requests *, const struct frame *);
/* Answers at once, without making it a request. */
void requests_answer(struct requests *, const char *id, enum status, const char *reason);
/* The tunnel is gone: no results any more. */
void requests_drop(struct requests *);

#endif
