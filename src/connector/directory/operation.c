/* SPDX-License-Identifier: ISC */
/*
 * Requests on a connection and what comes back for them.
 */
#include "build.h"

#include "connection_internal.h"

#include "common/log.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct operation {
	LIST_ENTRY(operation) bucket;
	struct connection *connection;
	int id;
	bool bind;
	int entries_left;
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

static int64_t
milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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

void
operation_cancel(struct operation *op)
{
	if (op == NULL)
		return;
	if (!op->bind && connection_usable(op->connection))
		ldap_abandon_ext(op->connection->ld, op->id, NULL, NULL);
	release(op);
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
	const struct outcome outcome = { LDAP_TIMEOUT, NULL };
	struct operation *op = arg;
	struct connection *c = op->connection;
	struct failure failure;
	bool bind = op->bind, silent;

	(void)fd;
	(void)what;
	connection_enter(c);
	silent = transport_received(c->transport) == c->asked_received &&
	    milliseconds() - c->asked_ms >= SILENCE_MS;
	if (!bind && connection_usable(c))
		ldap_abandon_ext(c->ld, op->id, NULL, NULL);
	finish(op, &outcome);
	/*
	 * Not by this operation's own time: whoever sets short deadlines must not
	 * be able to end the connection that others use.
	 */
	if (silent || bind) {
		failure_set(&failure, "timeout", "%s does not answer", c->host);
		failure_hint(&failure, "is the server overloaded or stopped?");
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
	if (c->asked_ms == 0 || transport_received(c->transport) != c->asked_received) {
		c->asked_ms = milliseconds();
		c->asked_received = transport_received(c->transport);
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
	op->bind = true;
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
	failure_hint(&failure, "is it the LDAP port of a domain controller?");
	connection_fail(c, &failure);
}

/* The entry as bytes inside the message. Values (the arrays, not the bytes) are to be freed. */
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
		if (result != LDAP_SUCCESS || attribute->name.bv_val == NULL)
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
		ldap_abandon_ext(c->ld, op->id, NULL, NULL);
		finish(op, &enough);
		return;
	}
	if (op->entry == NULL)
		return;
	result = entry_decode(c->ld, message, &entry);
	if (result == 0)
		op->entry(op->arg, &entry);
	for (i = 0; i < entry.count; i++)
		ldap_memfree(entry.attributes[i].values);
	if (result == -1)
		fail_protocol(c, "an entry that cannot be read");
}

static void
take_result(struct connection *c, struct operation *op, LDAPMessage *message)
{
	struct outcome outcome = { LDAP_OTHER, NULL };
	char *diagnostic = NULL;

	if (ldap_parse_result(c->ld, message, &outcome.code, NULL, &diagnostic, NULL, NULL, 0) !=
	    LDAP_SUCCESS) {
		fail_protocol(c, "a result that cannot be read");
		return;
	}
	outcome.diagnostic = diagnostic;
	finish(op, &outcome);
	ldap_memfree(diagnostic);
}

static void
take(struct connection *c, LDAPMessage *message)
{
	struct operation *op;
	int id = ldap_msgid(message);

	if (id == 0) {
		/* RFC 4511 4.4.1: a notice of disconnection is the only one there is. */
		fail_protocol(c, "it announced the end of the connection");
		return;
	}
	if ((op = find(c, id)) == NULL)
		return; /* cancelled */
	switch (ldap_msgtype(message)) {
	case LDAP_RES_SEARCH_ENTRY:
		take_entry(c, op, message);
		break;
	case LDAP_RES_SEARCH_REFERENCE:
	case LDAP_RES_INTERMEDIATE:
		break;
	default:
		take_result(c, op, message);
		break;
	}
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
		result = ldap_result(c->ld, LDAP_RES_ANY, LDAP_MSG_ONE, &now, &message);
		if (result == -1) {
			fail_protocol(c, "a message that cannot be read");
			return;
		}
		if (message != NULL) {
			take(c, message);
			ldap_msgfree(message);
		}
	}
}
