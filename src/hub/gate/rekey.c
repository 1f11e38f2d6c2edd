/* SPDX-License-Identifier: ISC */
/* See rekey.h. */
#include "rekey.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/rate.h"
#include "common/wipe.h"
#include "rekey_statement.h"
#include "tunnel.h"
#include "tunnel_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Outlives its tunnel while the store is asked. */
struct rekey_ask {
	struct tunnel *tunnel;
};

void
rekey_forget(struct rekey_ask *ask)
{
	if (ask != NULL)
		ask->tunnel = NULL;
}

static void
answer(struct tunnel *tunnel, enum rekey_result result, const char *reason)
{
	json_t *json;
	char *text = NULL;

	if (result != REKEY_OK)
		log_warnx(
		    "connector %s: its keys were not changed: %s", tunnel->connector_id, reason);
	json = json_pack(
	    "{s:s, s:s, s:s}", "type", "rekeyed", "status", rekey_word(result), "reason", reason);
	if (json != NULL)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	/* Without an answer it asks again, or finds out by opening its next tunnel. */
	if (text == NULL || tunnel_send(tunnel, text, strlen(text), NULL) == -1)
		log_warnx("connector %s: frame not sent", tunnel->connector_id);
	wiping_free(text);
}

static void
on_rekeyed(void *arg, struct message *reply)
{
	static const char *const reasons[REKEY_RESULTS] = {
		[REKEY_OK] = "",
		[REKEY_REJECTED] = "the hub's records do not allow it; its audit says why",
		[REKEY_TOO_MANY] = "the keys were changed a moment ago; try again in six minutes",
		[REKEY_UNAVAILABLE] =
		    "the hub could not save them, or does not know whether it has",
	};
	struct rekey_ask *ask = arg;
	struct tunnel *tunnel = ask->tunnel;
	uint8_t result = REKEY_UNAVAILABLE;

	free(ask);
	if (reply != NULL) {
		result = wire_get_u8(&reply->body);
		if (wire_end(&reply->body) == -1 || result >= REKEY_RESULTS)
			proc_bad_message(reply);
	}
	if (tunnel == NULL)
		return;
	tunnel->rekey = NULL;
	if (result == REKEY_OK) {
		log_info("connector %s: has new keys", tunnel->connector_id);
		tunnel_rekeyed(tunnel);
	}
	answer(tunnel, (enum rekey_result)result, reasons[result]);
}

void
rekey_take(struct tunnel *tunnel, const json_t *frame)
{
	struct rekey_statement s = { .connector_id = tunnel->connector_id,
		.nonce = tunnel->nonce,
		.tunnel_url = tunnel->tunnels->tunnel_url };
	char old[JOSE_KEY_ID_SIZE];
	uint8_t xy[JOSE_KEY_PUBLIC_SIZE];
	struct wire_writer w;
	const char *why;
	int fault;

	if (tunnel->phase != TUNNEL_OPEN || tunnel->rekey != NULL ||
	    !rate_allowed(&tunnel->rekeys_until, clock_ms(), REKEY_INTERVAL_MS, REKEY_AT_ONCE)) {
		answer(tunnel, REKEY_TOO_MANY, "not on this tunnel, or not so often");
		return;
	}
	if (jose_key_public(tunnel->sign_key, xy) == -1 || jose_key_thumbprint(xy, old) == -1 ||
	    (tunnel->rekey = calloc(1, sizeof(*tunnel->rekey))) == NULL) {
		answer(tunnel, REKEY_UNAVAILABLE, "out of memory");
		return;
	}
	s.connection = tunnel->connection->identifier;
	s.old = old;
	if (rekey_statement_read(frame, tunnel->sign_key, &s, &why) == -1) {
		fault = errno;
		free(tunnel->rekey);
		tunnel->rekey = NULL;
		answer(tunnel, fault == ENOMEM ? REKEY_UNAVAILABLE : REKEY_REJECTED, why);
		return;
	}
	tunnel->rekey->tunnel = tunnel;
	wire_writer_init(&w);
	wire_put_string(&w, s.connector_id);
	wire_put_string(&w, s.tunnel_url);
	wire_put_string(&w, s.nonce);
	wire_put_string(&w, s.old);
	wire_put_fixed(&w, s.sign, sizeof(s.sign));
	wire_put_fixed(&w, s.seal, sizeof(s.seal));
	wire_put_string(&w, json_string_value(json_object_get(frame, "statement")));
	wire_put_string(&w, json_string_value(json_object_get(frame, "proof")));
	wire_put_string(&w, tunnel->address.text);
	ask_send(tunnel->tunnels->asks, MESSAGE_CONNECTOR_REKEY, &w, MESSAGE_CONNECTOR_REKEYED,
	    on_rekeyed, tunnel->rekey);
}
