/* SPDX-License-Identifier: ISC */
/*
 * Shared by api.c (requests to messages) and answer.c (messages to answers).
 */
#ifndef ADC_WEB_API_H
#define ADC_WEB_API_H

#include "web.h"

#include <bsd/sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_DEADLINE_LONG_S 60
#define API_TEST_DEADLINE_MS 50000
#define API_EXPLAIN_DEADLINE_MS 8000
#define API_USERNAME_MAX 1024 /* bytes */
#define API_FOLLOWERS_MAX 16
#define API_TICKET_MAX 2048 /* bytes */
#define API_SETTINGS_MAX 32 /* as SETTINGS_CHANGES_MAX of the parent */
#define API_KEY_MAX 64
#define API_VALUE_MAX 49152 /* certificates in PEM form */

enum call_kind {
	CALL_STATUS,
	CALL_SETTINGS,
	CALL_TEST,
	CALL_EXPLAIN,
	CALL_ENROLL,
	CALL_SET,
	CALL_REVERT,
	CALL_RECONNECT,
	CALL_UNENROLL,
	CALL_REKEY,
	CALL_LOG,
	CALL_FOLLOW,
	CALL_LINK
};

/* A request of a client that waits for the parent. */
struct call {
	TAILQ_ENTRY(call) entries;
	struct api *api;
	struct client *client;
	enum call_kind kind;
	bool may_change;  /* what it may only see otherwise */
	uint64_t session; /* of the page that it belongs to; 0: none */
	uint32_t id;
};

struct api {
	struct proc *proc;
	const struct access_rules *rules; /* NULL: of the page, whose sessions may do everything */
	uint64_t session;		  /* whose request is being read */
	json_t *open_status;		  /* what may be shown without a session, */
	uint64_t open_status_until_ms;	  /* and until when that is new enough */
	TAILQ_HEAD(, call) calls;	  /* at most SERVER_CLIENTS_MAX */
	size_t followers;
};

/* How old a status without a session may be: what anybody may ask costs the parent no more. */
#define API_OPEN_STATUS_MS 1000

/* Forgets the call; the client is answered by the caller or gone. */
void call_free(struct call *);

#endif
