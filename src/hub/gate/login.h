/* SPDX-License-Identifier: ISC */
/*
 * Attempts to log in: each is sent to one connector, gets exactly one result, and
 * leaves a row in the audit.
 */
#ifndef GATE_LOGIN_H
#define GATE_LOGIN_H

#include "common/proc.h"
#include "common/status.h"
#include "tunnel.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGIN_DEADLINE_MS 10000
/* The connector answers `timeout` at its deadline; so much later it is said here. */
#define LOGIN_GRACE_MS 1000
#define LOGINS_MAX 16384

struct logins;

struct login_request {
	const char *connection; /* one that exists */
	const char *username;	/* 1 to USERNAME_MAX bytes of UTF-8 */
	const json_t *jwe;
	const char *body; /* the three as the JSON object that came; NULL: it is written anew */
	size_t body_len;
	const char *face;    /* "verify-user", "login" or "control"; a static string */
	const char *address; /* of the caller */
};

struct login_result {
	enum status status;
	bool proven;
	bool found;	     /* the directory knows this user */
	bool bound;	     /* a bind was refused */
	bool asked;	     /* a connector had it; otherwise the hub itself refused */
	const char *reason;  /* for the log, the audit and administrators only */
	const char *attempt; /* its id */
	const char *profile; /* JSON text of an object, NULL: none */
	size_t profile_len;
	uint64_t took_us; /* since login_start() */
};

/* Borrowed until it returns. */
typedef void (*login_done)(void *arg, const struct login_result *);

struct logins *logins_new(struct proc *, struct tunnels *);
/*
 * Starts an attempt; the request is only borrowed, and not looked at once done was
 * called.  That happens exactly once, perhaps before this returns.
 */
void login_start(struct logins *, const struct login_request *, login_done, void *arg);
/* Attempts under way. */
size_t logins_count(const struct logins *);

/* For tunnel.c: a result frame came; a tunnel is going (see there for the value). */
void logins_result(struct logins *, struct tunnel *, const char *id, const json_t *result);
bool logins_tunnel_closed(struct tunnel *);

#endif
