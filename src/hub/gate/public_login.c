/* SPDX-License-Identifier: ISC */
/*
 * Attempts from the public: see public_login.h.
 */
#include "public_login.h"

#include "audit.h"
#include "common/clock.h"
#include "common/log.h"

#include <bsd/string.h>
#include <ctype.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* At most one row of the audit for refused attempts in this time: floods are not written down. */
#define THROTTLE_AUDIT_MS 1000

struct public_attempt {
	struct gate *gate;
	struct http_exchange *exchange; /* NULL: the client is gone */
	char connection[CONNECTION_SIZE];
	public_answer answer;
	struct public_result held;
	struct event *timer;
};

static void
on_gone(void *arg)
{
	struct public_attempt *p = arg;

	p->exchange = NULL;
}

static void
attempt_answer(struct public_attempt *p, const struct public_result *result)
{
	if (p->exchange != NULL)
		p->answer(p->exchange, result);
	if (p->timer != NULL)
		event_free(p->timer);
	free(p);
}

static void
on_due(evutil_socket_t fd, short what, void *arg)
{
	struct public_attempt *p = arg;
	struct public_result result = p->held;

	(void)fd;
	(void)what;
	attempt_answer(p, &result);
}

/* What the public is told when the password was not right, or not shown to be. */
static enum status
public_status(enum status status)
{
	switch (status) {
	case STATUS_BAD_REQUEST:
	case STATUS_UNSUPPORTED:
	case STATUS_DIRECTORY_UNAVAILABLE:
	case STATUS_TIMEOUT:
	case STATUS_CONNECTOR_UNAVAILABLE:
	case STATUS_INTERNAL:
		return STATUS_CONNECTOR_UNAVAILABLE;
	default:
		return STATUS_INVALID_CREDENTIALS;
	}
}

static void
hold(struct public_attempt *p, const struct login_result *result)
{
	static const struct pace unknown;
	struct pace *pace = tunnels_pace(p->gate->tunnels, p->connection);
	struct timeval wait;
	uint32_t target, left = 0;

	target = pace_target_us(
	    pace == NULL ? &unknown : pace, result->bound, result->took_us, arc4random());
	if (target > result->took_us)
		left = target - (uint32_t)result->took_us;
	if (pace != NULL && result->bound)
		pace_learn(pace, result->took_us);
	p->held.status = public_status(result->status);
	if ((p->timer = evtimer_new(proc_base(p->gate->proc), on_due, p)) == NULL)
		fatalx("login: no timer");
	wait.tv_sec = left / 1000000;
	wait.tv_usec = left % 1000000;
	evtimer_add(p->timer, &wait);
}

static void
on_done(void *arg, const struct login_result *result)
{
	struct public_attempt *p = arg;
	struct public_result shown;

	memset(&shown, 0, sizeof(shown));
	if (result->proven) {
		shown.status = result->status;
		shown.proven = true;
		if (result->status == STATUS_OK) {
			shown.profile = result->profile;
			shown.profile_len = result->profile_len;
		}
		attempt_answer(p, &shown);
	} else if (result->asked)
		hold(p, result);
	else {
		/* The gate's own words: they depend on nobody's account. */
		shown.status = result->status == STATUS_BAD_REQUEST ? STATUS_BAD_REQUEST
								    : STATUS_CONNECTOR_UNAVAILABLE;
		shown.why = result->reason;
		attempt_answer(p, &shown);
	}
}

void
public_login(struct gate *gate, struct http_exchange *x, const struct login_request *request,
    public_answer answer)
{
	struct public_attempt *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		fatal("login");
	p->gate = gate;
	p->exchange = x;
	p->answer = answer;
	strlcpy(p->connection, request->connection, sizeof(p->connection));
	http_on_gone(x, on_gone, p);
	login_start(gate->logins, request, on_done, p);
}

void
public_unavailable(struct http_exchange *x, const char *connection, const char *username,
    const char *face, public_answer answer)
{
	static const struct public_result result = { .status = STATUS_CONNECTOR_UNAVAILABLE };
	struct audit_row row = {
		.event = "login",
		.connection = connection,
		.username = username,
		.status = STATUS_CONNECTOR_UNAVAILABLE,
		.reason = "no connector is online",
		.face = face,
		.address = http_exchange_request(x)->address.text,
	};

	audit(&row);
	answer(x, &result);
}

static unsigned int
refused(struct gate *gate, const struct throttle *throttle, const struct address *address,
    const char *face, const char *connection, const char *what)
{
	struct audit_row row = {
		.event = "throttled",
		.connection = connection,
		.status = STATUS_NOT_ALLOWED,
		.face = face,
		.address = address->text,
		.detail = what,
	};
	uint64_t now = clock_ms();

	if (now - gate->throttle_audited_at >= THROTTLE_AUDIT_MS) {
		gate->throttle_audited_at = now;
		log_warnx("%s: attempt from %s refused: too many %s", face, address->text, what);
		audit(&row);
	}
	return throttle_retry_after(throttle);
}

unsigned int
public_throttle_address(struct gate *gate, const struct address *address, const char *face)
{
	if (throttle_take(gate->by_address, address->key, sizeof(address->key), clock_ms()))
		return 0;
	return refused(gate, gate->by_address, address, face, "", "by this address");
}

unsigned int
public_throttle_name(struct gate *gate, const struct address *address, const char *face,
    const char *connection, const char *username)
{
	char key[CONNECTION_SIZE + USERNAME_MAX + 1], *p;
	uint64_t now = clock_ms();
	size_t len;

	/* The typed name, less what AD does not tell apart: case and spaces at the end. */
	len = (size_t)snprintf(key, sizeof(key), "%s/%s", connection, username);
	if (len >= sizeof(key))
		len = sizeof(key) - 1;
	while (len > 0 && key[len - 1] == ' ')
		len--;
	for (p = key; p < key + len; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!throttle_take(gate->by_name, key, len, now))
		return refused(gate, gate->by_name, address, face, connection, "for this name");
	if (!throttle_take(gate->by_connection, connection, strlen(connection), now))
		return refused(
		    gate, gate->by_connection, address, face, connection, "at this connection");
	return 0;
}

const char *
public_message(const struct public_result *result)
{
	switch (result->status) {
	case STATUS_OK:
		return "logged in";
	case STATUS_CONNECTOR_UNAVAILABLE:
		return "cannot log in now, try again later";
	case STATUS_BAD_REQUEST:
		return result->why != NULL ? result->why : "bad request";
	case STATUS_INVALID_CREDENTIALS:
		return "unknown user or wrong password";
	case STATUS_PASSWORD_EXPIRED:
		return "the password has expired and must be changed";
	case STATUS_PASSWORD_MUST_CHANGE:
		return "the password must be changed before logging in";
	case STATUS_ACCOUNT_DISABLED:
		return "the account is disabled";
	case STATUS_ACCOUNT_EXPIRED:
		return "the account has expired";
	case STATUS_ACCOUNT_LOCKED:
		return "the account is locked, try again later";
	case STATUS_LOGON_HOURS:
		return "the account may not log in at this hour";
	case STATUS_WORKSTATION_DENIED:
		return "the account may not log in from here";
	case STATUS_NOT_ALLOWED:
		return "the account may not log in here";
	default:
		return "cannot log in now, try again later";
	}
}
