/* SPDX-License-Identifier: ISC */
/*
 * Requests on a connection and what comes back for them.
 */
#include "build.h"

#include "connection_internal.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

/* References and intermediate responses to one request; AD has a few naming contexts. */
#define EXTRAS_MAX 1024U

struct operation {
	LIST_ENTRY(operation) bucket;
	struct connection *connection;
	int id;
	int answer; /* LDAP_RES_*: what ends it */
	int entries_left;
	unsigned int extras; /* references and intermediate responses */
	struct event *timer;
	operation_entry_fn entry;
	operation_done_fn done;
	void *arg;
};

void
operations_init(struct connection *c)
{
	size_t i;

	for (i = 0; i < OPERATION_BUCKETS; i++)
		LIST_INIT(&c->operations[i]);
}

static void
release(struct operation *op)
{
	LIST_REMOVE(op, bucket);
	op->connection->operation_count--;
	if (op->timer != NULL)
		event_free(op->timer);
	free(op);
}

static void
finish(struct operation *op, const struct outcome *outcome)
{
	operation_done_fn done = op->done;
	void *arg = op->arg;

	release(op);
	done(arg, outcome);
}

void
operations_drop(struct connection *c)
{
	struct operation *op;
	size_t i;

	for (i = 0; i < OPERATION_BUCKETS; i++) {
		while ((op = LIST_FIRST(&c->operations[i])) != NULL)
			release(op);
	}
}

void
operations_fail(struct connection *c, int code)
{
	const struct outcome outcome = { code, NULL };
	struct operation *op;
	size_t i;

	for (i = 0; i < OPERATION_BUCKETS; i++) {
		while ((op = LIST_FIRST(&c->operations[i])) != NULL)
			finish(op, &outcome);
	}
}

/* Tells the server that nobody waits for it. */
static void
abandon(const struct operation *op)
{
	ldap_abandon_ext(op->connection->ld, op->id, NULL, NULL);
	connection_note_abandoned(op->connection);
}

void
operation_cancel(struct operation *op)
{
	if (op == NULL)
		return;
	if (op->answer == LDAP_RES_SEARCH_RESULT && connection_usable(op->connection))
		abandon(op);
	release(op);
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
	const struct outcome outcome = { LDAP_TIMEOUT, NULL };
	struct operation *op = arg;
	struct connection *c = op->connection;
	struct failure failure;
	bool search = op->answer == LDAP_RES_SEARCH_RESULT, silent;

	(void)fd;
	(void)what;
	connection_enter(c);
	silent = c->answers == c->asked_answers && clock_ms() - c->asked_ms >= SILENCE_MS;
	if (search && connection_usable(c))
		abandon(op);
	finish(op, &outcome);
	/*
	 * Not by this operation's own time: whoever sets short deadlines must not
	 * be able to end the connection that others use.
	 */
	if (silent || !search) {
		failure_set(&failure, "timeout", "%s does not answer", c->host);
		failure_hint(&failure, "is the server of directory.server overloaded or stopped?");
		connection_fail(c, &failure);
	}
	connection_leave(c);
}

/* Before the request is sent, so that one that was sent is always known. timeout_ms 0: none. */
static struct operation *
prepare(struct connection *c, unsigned int timeout_ms, operation_entry_fn entry,
    operation_done_fn done, void *arg)
{
	struct timeval tv = { timeout_ms / 1000, (timeout_ms % 1000) * 1000 };
	struct operation *op;

	if (c->operation_count == OPERATIONS_MAX || (op = calloc(1, sizeof(*op))) == NULL)
		return NULL;
	op->connection = c;
	op->entry = entry;
	op->done = done;
	op->arg = arg;
	if (timeout_ms > 0 &&
	    ((op->timer = evtimer_new(c->environment->base, on_timeout, op)) == NULL ||
		evtimer_add(op->timer, &tv) == -1)) {
		if (op->timer != NULL)
			event_free(op->timer);
		free(op);
		return NULL;
	}
	return op;
}

/* After the request was encoded, or could not be. */
static struct operation *
sent(struct connection *c, struct operation *op, int result)
{
	if (result != LDAP_SUCCESS) {
		log_debug("request to %s not sent: %s", c->host, ldap_err2string(result));
		if (op->timer != NULL)
			event_free(op->timer);
		free(op);
		return NULL;
	}
	LIST_INSERT_HEAD(&c->operations[(unsigned int)op->id % OPERATION_BUCKETS], op, bucket);
	c->operation_count++;
	if (c->asked_ms == 0 || c->answers != c->asked_answers) {
		c->asked_ms = clock_ms();
		c->asked_answers = c->answers;
	}
	return op;
}

struct operation *
connection_search(struct connection *c, const struct search *search, operation_entry_fn entry,
    operation_done_fn done, void *arg)
{
	char *attributes[ENTRY_ATTRIBUTES_MAX];
	struct operation *op;
	size_t i;

	if (!connection_usable(c))
		return NULL;
	/* libldap wants writable pointers and writes through none of them. */
	for (i = 0; search->attributes[i] != NULL && i < ENTRY_ATTRIBUTES_MAX - 1; i++)
		memcpy(&attributes[i], &search->attributes[i], sizeof(attributes[i]));
	attributes[i] = NULL;
	if ((op = prepare(c, search->timeout_ms, entry, done, arg)) == NULL)
		return NULL;
	op->answer = LDAP_RES_SEARCH_RESULT;
	op->entries_left = search->size_limit;
	return sent(c, op,
	    ldap_search_ext(c->ld, search->base, search->scope, search->filter, attributes, 0, NULL,
		NULL, NULL, search->size_limit, &op->id));
}

struct operation *
connection_bind(struct connection *c, const char *dn, const void *password, size_t len,
    unsigned int timeout_ms, operation_done_fn done, void *arg)
{
	struct operation *op;
	struct berval credentials;

	if (!connection_usable(c) || len == 0)
		return NULL;
	memcpy(&credentials.bv_val, &password, sizeof(credentials.bv_val));
	credentials.bv_len = len;
	if ((op = prepare(c, timeout_ms, NULL, done, arg)) == NULL)
		return NULL;
	op->answer = LDAP_RES_BIND;
	return sent(
	    c, op, ldap_sasl_bind(c->ld, dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL, &op->id));
}

/* The connection's own deadline stands over this one. */
struct operation *
operation_starttls(struct connection *c, operation_done_fn done, void *arg)
{
	struct operation *op;

	if ((op = prepare(c, 0, NULL, done, arg)) == NULL)
		return NULL;
	op->answer = LDAP_RES_EXTENDED;
	return sent(
	    c, op, ldap_extended_operation(c->ld, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &op->id));
}

static struct operation *
find(struct connection *c, int id)
{
	struct operation *op;

	LIST_FOREACH (op, &c->operations[(unsigned int)id % OPERATION_BUCKETS], bucket) {
		if (op->id == id)
			return op;
	}
	return NULL;
}

static void
fail_protocol(struct connection *c, const char *what)
{
	struct failure failure;

	failure_set(&failure, "protocol", "%s does not speak LDAP as it should: %s", c->host, what);
	failure_hint(&failure, "does directory.server name the LDAP port of a domain controller?");
	connection_fail(c, &failure);
}

/*
 * libldap could not read what came: it is no LDAP, or memory was short, which errno alone tells
 * if it was 0 before.
 */
static void
fail_unread(struct connection *c, const char *what)
{
	struct failure failure;

	if (errno != ENOMEM) {
		fail_protocol(c, what);
		return;
	}
	failure_set(&failure, "internal", "no memory for what %s sent", c->host);
	connection_fail(c, &failure);
}

/*
 * The entry as bytes inside the message. Values (the arrays, not the bytes) are to be freed,
 * also with -1. One that can be read in part is not read: what is missing would count as not set.
 */
static int
entry_decode(LDAP *ld, LDAPMessage *message, struct entry *entry)
{
	struct entry_attribute *attribute;
	BerElement *ber = NULL;
	int result;

	entry->count = 0;
	if (ldap_get_dn_ber(ld, message, &ber, &entry->dn) != LDAP_SUCCESS)
		return -1;
	while (entry->count < ENTRY_ATTRIBUTES_MAX) {
		attribute = &entry->attributes[entry->count];
		attribute->values = NULL;
		attribute->count = 0;
		result =
		    ldap_get_attribute_ber(ld, message, ber, &attribute->name, &attribute->values);
		if (result != LDAP_SUCCESS) {
			ber_free(ber, 0);
			return -1;
		}
		if (attribute->name.bv_val == NULL)
			break;
		while (
		    attribute->values != NULL && attribute->values[attribute->count].bv_val != NULL)
			attribute->count++;
		entry->count++;
	}
	ber_free(ber, 0);
	return 0;
}

static void
take_entry(struct connection *c, struct operation *op, LDAPMessage *message)
{
	/* Too large for the stack's taste, and callbacks do not nest here. */
	static struct entry entry;
	static const struct outcome enough = { LDAP_SIZELIMIT_EXCEEDED, NULL };
	size_t i;
	int result;

	/* Samba 4.17 knows no size limit: it is kept here. */
	if (op->entries_left-- == 0) {
		abandon(op);
		finish(op, &enough);
		return;
	}
	c->answers++;
	if (op->entry == NULL)
		return;
	errno = 0;
	result = entry_decode(c->ld, message, &entry);
	if (result == -1)
		fail_unread(c, "an entry that cannot be read");
	if (result == 0)
		op->entry(op->arg, &entry);
	for (i = 0; i < entry.count; i++)
		ldap_memfree(entry.attributes[i].values);
}

static void
take_result(struct connection *c, struct operation *op, LDAPMessage *message)
{
	struct outcome outcome = { LDAP_OTHER, NULL };
	char *diagnostic = NULL;

	errno = 0;
	if (ldap_parse_result(c->ld, message, &outcome.code, NULL, &diagnostic, NULL, NULL, 0) !=
	    LDAP_SUCCESS) {
		fail_unread(c, "a result that cannot be read");
		return;
	}
	/* Below zero are libldap's own codes; from a server they would mean that it is gone. */
	if (outcome.code < 0)
		fail_protocol(c, "a result that LDAP does not know");
	else {
		c->answers++;
		outcome.diagnostic = diagnostic;
		finish(op, &outcome);
	}
	ldap_memfree(diagnostic);
}

/* What comes without having been asked for (RFC 4511 4.4). */
static void
take_notification(struct connection *c, LDAPMessage *message)
{
	struct failure failure;
	char *oid = NULL;
	bool notice;

	errno = 0;
	if (ldap_parse_extended_result(c->ld, message, &oid, NULL, 0) != LDAP_SUCCESS) {
		fail_unread(c, "a notification that cannot be read");
		return;
	}
	notice = oid != NULL && strcmp(oid, LDAP_NOTICE_OF_DISCONNECTION) == 0;
	ldap_memfree(oid);
	if (notice) {
		failure_set(&failure, "closed", "%s announced the end of the connection", c->host);
		connection_fail(c, &failure);
	} else if (++c->notifications > NOTIFICATIONS_MAX)
		fail_protocol(c, "notifications that nobody asked for");
}

static void
take(struct connection *c, LDAPMessage *message)
{
	struct operation *op;
	int id = ldap_msgid(message), type = ldap_msgtype(message);

	if (id == 0) {
		take_notification(c, message);
		return;
	}
	if ((op = find(c, id)) == NULL)
		return; /* cancelled */
	if (type == op->answer)
		take_result(c, op, message);
	else if (type == LDAP_RES_SEARCH_ENTRY && op->answer == LDAP_RES_SEARCH_RESULT)
		take_entry(c, op, message);
	else if (type == LDAP_RES_INTERMEDIATE ||
	    (type == LDAP_RES_SEARCH_REFERENCE && op->answer == LDAP_RES_SEARCH_RESULT)) {
		/* Not followed: where they lead, nobody here vouches for. */
		if (++op->extras > EXTRAS_MAX)
			fail_protocol(c, "references without end");
	} else
		fail_protocol(c, "an answer to something else than was asked");
}

void
operations_read(struct connection *c)
{
	struct timeval now;
	LDAPMessage *message;
	int result;

	/* Every round takes bytes from the transport, so this ends. */
	while (!c->dead && !c->freed && transport_has_bytes(c->transport)) {
		now.tv_sec = now.tv_usec = 0;
		message = NULL;
		errno = 0;
		result = ldap_result(c->ld, LDAP_RES_ANY, LDAP_MSG_ONE, &now, &message);
		if (result == -1) {
			fail_unread(c, "a message that cannot be read");
			return;
		}
		if (message != NULL) {
			take(c, message);
			ldap_msgfree(message);
		}
	}
}
