/* SPDX-License-Identifier: ISC */
/*
 * code "bind_refused" means that the password was looked at and refused, so that
 * trying again may lock the account.
 */
#include "build.h"

#include "service_bind.h"

#include "ask.h"
#include "attributes.h"

#include <ldap.h>
#include <stdlib.h>

#define PASSWORD_MAX 4096

struct service_bind {
	struct connection *connection;
	const char *user;
	const char *password_file; /* NULL: none */
	service_bind_fn callback;
	void *arg;
	struct ask *ask;
	struct operation *operation;
};

struct refusal {
	uint32_t code; /* MS-ERREF 2.2 */
	const char *what;
	const char *hint;
};

static const struct refusal refusals[] = {
	{ 0x530, "not at this hour", "lift the logon hours of directory.user in AD" },
	{ 0x531, "not from here", "lift the list of workstations of directory.user in AD" },
	{ 0x532, "its password has expired",
	    "give directory.user a new password in AD, one that does not expire, and set "
	    "directory.password to it" },
	{ 0x533, "the account is disabled",
	    "enable directory.user in AD, or set it to another account" },
	{ 0x701, "the account has expired",
	    "extend directory.user in AD, or set it to another account" },
	{ 0x773, "its password must be changed first",
	    "give directory.user a new password in AD, without \"must change at next logon\", and "
	    "set directory.password to it" },
	{ 0x775, "the account is locked",
	    "unlock directory.user in AD, and find out who tries its password" },
};

void
service_bind_cancel(struct service_bind *b)
{
	if (b == NULL)
		return;
	ask_cancel(b->ask);
	operation_cancel(b->operation);
	free(b);
}

static void
finish(struct service_bind *b, const struct failure *failure)
{
	service_bind_fn callback = b->callback;
	void *arg = b->arg;

	service_bind_cancel(b);
	callback(arg, failure);
}

static void
explain(struct failure *failure, const struct service_bind *b, const struct outcome *outcome)
{
	const char *host = connection_host(b->connection);
	uint32_t code = 0;
	size_t i;

	switch (outcome->code) {
	case LDAP_TIMEOUT:
		failure_set(failure, "timeout", "%s did not answer the bind as %s", host, b->user);
		failure_hint(failure, "is the server of directory.server overloaded or stopped?");
		return;
	case LDAP_STRONG_AUTH_REQUIRED:
	case LDAP_CONFIDENTIALITY_REQUIRED:
		failure_set(failure, "tls_required", "%s refuses a password without TLS", host);
		failure_hint(failure, "set directory.tls.mode to ldaps or starttls");
		return;
	case LDAP_INVALID_CREDENTIALS:
		break;
	default:
		failure_set(failure, "bind_failed", "%s did not bind %s: %s", host, b->user,
		    ldap_err2string(outcome->code));
		failure_hint(failure, "is directory.user a DN, user@domain or DOMAIN\\user?");
		return;
	}
	if (diagnostic_code(&code, outcome->diagnostic) == 0) {
		for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
			if (refusals[i].code != code)
				continue;
			failure_set(failure, "bind_refused", "%s refuses %s: %s", host, b->user,
			    refusals[i].what);
			failure_hint(failure, "%s", refusals[i].hint);
			return;
		}
	}
	failure_set(
	    failure, "bind_refused", "%s refuses %s: user or password is wrong", host, b->user);
	/* Beside a file that is named in the configuration, ctl could set neither of them. */
	if (b->password_file != NULL)
		failure_hint(failure,
		    "correct directory.user (a DN, user@domain or DOMAIN\\user) in the "
		    "configuration file, or the password in the file of directory.password_file, "
		    "and start adconnectord again: %s",
		    b->password_file);
	else
		failure_hint(failure,
		    "set directory.user (a DN, user@domain or DOMAIN\\user) and "
		    "directory.password again");
}

static void
on_bound(void *arg, const struct outcome *outcome)
{
	struct service_bind *b = arg;
	struct failure failure;

	b->operation = NULL;
	if (outcome->code == LDAP_SERVER_DOWN)
		return; /* the owner of the connection is told, and cancels */
	if (outcome->code == LDAP_SUCCESS) {
		finish(b, NULL);
		return;
	}
	explain(&failure, b, outcome);
	finish(b, &failure);
}

static void
on_password(void *arg, struct message *m)
{
	struct service_bind *b = arg;
	struct failure failure;
	const uint8_t *password;
	size_t len = 0;

	b->ask = NULL;
	if (m == NULL) {
		failure_set(
		    &failure, "internal", "the password of %s was not handed over", b->user);
		finish(b, &failure);
		return;
	}
	password = wire_get_bytes(&m->body, 0, PASSWORD_MAX, &len);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	if (len == 0) {
		failure_set(&failure, "no_password", "no password is set for %s", b->user);
		failure_hint(&failure, "set directory.password or directory.password_file");
		finish(b, &failure);
		return;
	}
	b->operation =
	    connection_bind(b->connection, b->user, password, len, SERVICE_BIND_MS, on_bound, b);
	if (b->operation == NULL) {
		failure_set(&failure, "internal", "the bind as %s could not be started", b->user);
		finish(b, &failure);
	}
}

struct service_bind *
service_bind_start(struct connection *connection, const struct directory_settings *settings,
    service_bind_fn callback, void *arg)
{
	struct service_bind *b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return NULL;
	b->connection = connection;
	b->user = settings->user;
	b->password_file = settings->password_file;
	b->callback = callback;
	b->arg = arg;
	b->ask = ask_send(MESSAGE_SERVICE_PASSWORD_GET, NULL, SERVICE_PASSWORD_MS, on_password, b);
	if (b->ask == NULL) {
		free(b);
		return NULL;
	}
	return b;
}
