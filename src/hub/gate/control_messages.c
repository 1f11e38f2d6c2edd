/* SPDX-License-Identifier: ISC */
/*
 * The public instance's answers to the control instance: keys to seal for, and attempts.
 */
#include "audit.h"
#include "common/clock.h"
#include "gate.h"
#include "common/json.h"
#include "common/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FACE "control"
#define JWE_MAX 45056 /* fits into the message */

struct control_attempt {
	struct gate *gate;
	uint32_t id;
	char *username;
	json_t *jwe;
};

void
serve_seal_keys(struct gate *gate, struct message *m)
{
	struct sealed_recipient recipients[SEALED_MAX_RECIPIENTS];
	char identifier[CONNECTION_SIZE];
	struct wire_writer w;
	size_t i, n;

	wire_get_string(&m->body, identifier, sizeof(identifier), 1);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	n = tunnels_recipients(gate->tunnels, identifier, recipients);
	wire_writer_init(&w);
	wire_put_u64(&w, (uint64_t)clock_unix());
	wire_put_u8(&w, (uint8_t)n);
	for (i = 0; i < n; i++)
		wire_put_fixed(&w, recipients[i].xy, sizeof(recipients[i].xy));
	proc_send(gate->proc, MESSAGE_SEAL_KEYS, m->id, &w, -1);
}

static void
attempt_free(struct control_attempt *c)
{
	json_decref(c->jwe);
	free(c->username);
	free(c);
}

static void
on_done(void *arg, const struct login_result *result)
{
	struct control_attempt *c = arg;
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_u8(&w, (uint8_t)result->status);
	wire_put_u8(&w, result->proven);
	wire_put_string(&w, result->reason);
	wire_put_string(&w, result->attempt);
	wire_put_bytes(&w, result->profile == NULL ? "" : result->profile, result->profile_len);
	proc_send(c->gate->proc, MESSAGE_LOGIN_DONE, c->id, &w, -1);
	attempt_free(c);
}

static void
refuse(struct control_attempt *c, enum status status, const char *reason)
{
	struct login_result result = { .status = status, .reason = reason, .attempt = "" };

	on_done(c, &result);
}

static void
start(struct control_attempt *c, const char *identifier)
{
	struct login_request request = {
		.connection = identifier,
		.username = c->username,
		.jwe = c->jwe,
		.face = FACE,
		.address = "local",
	};

	login_start(c->gate->logins, &request, on_done, c);
}

static void
on_connection(
    void *arg, enum connection_found found, const char *identifier, const char *display_name)
{
	struct control_attempt *c = arg;

	(void)display_name;
	if (found == CONNECTION_ONE)
		start(c, identifier);
	else if (found == CONNECTION_NO_ANSWER)
		refuse(c, STATUS_INTERNAL, "the store does not answer");
	else
		refuse(c, STATUS_BAD_REQUEST, "there is no such connection");
}

void
serve_login(struct gate *gate, struct message *m)
{
	struct control_attempt *c;
	char identifier[CONNECTION_SIZE], *jwe;
	const char *why = "";

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatalx("attempt: out of memory");
	c->gate = gate;
	c->id = m->id;
	wire_get_string(&m->body, identifier, sizeof(identifier), 1);
	c->username = wire_get_string_dup(&m->body, 1, USERNAME_MAX);
	jwe = wire_get_string_dup(&m->body, 2, JWE_MAX);
	if (wire_end(&m->body) == -1)
		proc_bad_message(m);
	c->jwe = json_read(jwe, strlen(jwe), JWE_MAX, &why);
	free(jwe);
	if (c->jwe == NULL)
		refuse(c, errno == ENOMEM ? STATUS_INTERNAL : STATUS_BAD_REQUEST, why);
	else if (tunnels_online(gate->tunnels, identifier))
		start(c, identifier);
	else
		connection_find(gate->connections, identifier, on_connection, c);
}
