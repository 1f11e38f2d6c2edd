/* SPDX-License-Identifier: ISC */
/*
 * Shared by api.c (requests to messages) and answer.c (messages to answers).
 */
#ifndef ADC_WEB_API_H
#define ADC_WEB_API_H

#include "web.h"

#include <bsd/sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#define API_DEADLINE_LONG_S 60
#define API_TEST_DEADLINE_MS 50000
#define API_FOLLOWERS_MAX 16
#define API_TICKET_MAX 2048 /* bytes */
#define API_SETTINGS_MAX 32 /* as SETTINGS_CHANGES_MAX of the parent */
#define API_KEY_MAX 64
#define API_VALUE_MAX 49152 /* certificates in PEM form */

enum call_kind { CALL_STATUS, CALL_TEST, CALL_ENROLL, CALL_SET, CALL_LOG, CALL_FOLLOW };

/* A request of a client that waits for the parent. */
struct call {
	TAILQ_ENTRY(call) entries;
	struct api *api;
	struct client *client;
	enum call_kind kind;
	uint32_t id;
};

struct api {
	struct proc *proc;
	const struct access_rules *rules;
	TAILQ_HEAD(, call) calls; /* at most SERVER_CLIENTS_MAX */
	size_t followers;
};

/* Forgets the call; the client is answered by the caller or gone. */
void call_free(struct call *);

#endif
