/* SPDX-License-Identifier: ISC */
/*
 * One LDAP connection to a directory server: asked for from the parent, taken
 * over as a connected descriptor, put into TLS, and then good for searches and
 * binds, many at a time, each with its own deadline.
 *
 * libldap encodes and decodes; it never touches the descriptor, never waits
 * and never connects.
 */
#ifndef ADC_DIRECTORY_CONNECTION_H
#define ADC_DIRECTORY_CONNECTION_H

#include "directory_settings.h"
#include "entry.h"
#include "failure.h"

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct proc;
struct tls_context;

struct connection;
struct operation;

/*
 * Bytes of one incoming LDAP message; a larger one ends the connection. What comes in
 * answer to a bind is small, and there are many connections for binds.
 */
#define CONNECTION_MESSAGE_MAX (1U << 20)
#define CONNECTION_BIND_MESSAGE_MAX (128U << 10)
#define CONNECTION_ADDRESS_SIZE 128

struct environment {
	struct proc *proc;
	struct event_base *base;
	const struct directory_settings *settings;
	struct tls_context *tls; /* NULL with TLS_MODE_NONE */
};

struct connection_callbacks {
	void (*opened)(void *arg);
	/* At most once; the operations under way were told before. */
	void (*closed)(void *arg, const struct failure *);
};

struct outcome {
	int code;		/* LDAP result code; LDAP_SERVER_DOWN, LDAP_TIMEOUT */
	const char *diagnostic; /* may be NULL */
};

typedef void (*operation_entry_fn)(void *arg, const struct entry *);
typedef void (*operation_done_fn)(void *arg, const struct outcome *);

struct search {
	const char *base;
	int scope; /* LDAP_SCOPE_* */
	const char *filter;
	const char *const *attributes; /* ends with NULL */
	int size_limit;		       /* entries; never 0 */
	unsigned int timeout_ms;
};

/* Called once, before the sandbox; must precede every other use of libldap. -1: refused. */
int connection_library_init(void);

/*
 * Starts opening; deadline_ms covers connect, StartTLS and handshake.  The
 * outcome comes by callback, never from within this call.  NULL: no memory or too
 * many.  The environment must outlive the connection.
 */
struct connection *connection_open(const struct environment *, const struct server_setting *,
    unsigned int deadline_ms, size_t message_max, const struct connection_callbacks *, void *arg);
/* Ends it; operations under way are dropped without a word. Safe in any callback. NULL is fine. */
void connection_free(struct connection *);
/* The same, and what was asked on it is told that it is lost. NULL: nothing happens. */
void connection_end(struct connection *);
/* From now on what it has to tell is told to somebody else. */
void connection_hand_over(struct connection *, const struct connection_callbacks *, void *arg);
/* Open, and nothing is known to be wrong with it. */
bool connection_usable(const struct connection *);
/* Looks at the descriptor as well: has the server ended an idle connection? */
bool connection_alive(struct connection *);
/* Requests without an answer yet. */
size_t connection_under_way(const struct connection *);
/* Ends it as if the server had: tells operations and owner. Once. */
void connection_fail(struct connection *, const struct failure *);
/* The server's name as it was reached; "" before. */
const char *connection_host(const struct connection *);
/* The address that was reached, as words; "" before. */
const char *connection_address(const struct connection *);

/* entry may be NULL. NULL: the connection is not usable, or no memory; no callback comes. */
struct operation *connection_search(
    struct connection *, const struct search *, operation_entry_fn, operation_done_fn, void *arg);
/*
 * Simple bind. The password is copied into the request and wiped with it.  len
 * must not be 0: that would be an unauthenticated bind (RFC 4513 5.1.2).  When it
 * times out, the connection is closed.
 */
struct operation *connection_bind(struct connection *, const char *dn, const void *password,
    size_t len, unsigned int timeout_ms, operation_done_fn, void *arg);
/*
 * Forgets it without a callback; the server is told to stop a search.  After a bind
 * was cancelled the connection must be freed.  NULL is fine.
 */
void operation_cancel(struct operation *);

#endif
