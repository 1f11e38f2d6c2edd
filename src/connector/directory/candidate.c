/* SPDX-License-Identifier: ISC */
/*
 * See candidate.h.  Whatever fails ends in failed().
 */
#include "build.h"

#include "candidate.h"

#include "service_bind.h"
#include "service_connection.h"

#include <stdlib.h>

struct candidate {
	const struct environment *environment;
	struct candidate_callbacks callbacks;
	void *arg;
	struct connection *connection;
	struct service_bind *bind;
	struct domain_reading *reading;
};

void
candidate_cancel(struct candidate *c)
{
	if (c == NULL)
		return;
	service_bind_cancel(c->bind);
	domain_reading_cancel(c->reading);
	connection_end(c->connection);
	free(c);
}

static void
failed(struct candidate *c, const struct failure *failure)
{
	struct candidate_callbacks callbacks = c->callbacks;
	struct failure told = *failure;
	void *arg = c->arg;

	candidate_cancel(c);
	callbacks.failed(arg, &told);
}

static void
on_domain(void *arg, struct domain *domain, const struct failure *failure)
{
	struct candidate *c = arg;
	struct candidate_callbacks callbacks = c->callbacks;
	struct connection *connection = c->connection;

	c->reading = NULL;
	if (domain == NULL) {
		failed(c, failure);
		return;
	}
	arg = c->arg;
	free(c);
	callbacks.ready(arg, connection, domain);
}

static void
on_bound(void *arg, const struct failure *failure)
{
	struct candidate *c = arg;
	struct failure internal;

	c->bind = NULL;
	if (failure != NULL) {
		failed(c, failure);
		return;
	}
	c->reading =
	    domain_read(c->connection, c->environment->settings, SERVICE_READ_MS, on_domain, c);
	if (c->reading == NULL) {
		failure_set(
		    &internal, "internal", "reading the domain's settings could not be started");
		failed(c, &internal);
		return;
	}
	c->callbacks.bound(c->arg);
}

int
candidate_bind(struct candidate *c)
{
	c->bind = service_bind_start(c->connection, c->environment->settings, on_bound, c);
	return c->bind == NULL ? -1 : 0;
}

static void
on_opened(void *arg)
{
	struct candidate *c = arg;

	c->callbacks.opened(c->arg);
}

static void
on_closed(void *arg, const struct failure *failure)
{
	failed(arg, failure);
}

struct candidate *
candidate_start(const struct environment *environment, const struct server_setting *server,
    const struct candidate_callbacks *callbacks, void *arg)
{
	static const struct connection_callbacks ours = { on_opened, on_closed };
	struct candidate *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->environment = environment;
	c->callbacks = *callbacks;
	c->arg = arg;
	c->connection =
	    connection_open(environment, server, SERVICE_OPEN_MS, CONNECTION_MESSAGE_MAX, &ours, c);
	if (c->connection == NULL) {
		free(c);
		return NULL;
	}
	return c;
}
