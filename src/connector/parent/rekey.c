/* SPDX-License-Identifier: ISC */
/*
 * New keys for an enrolled connector (docs/tunnel-protocol.md 5.4).
 *
 * The new pair is on the disk before the hub hears of it, and takes the place of
 * the old one only when the hub has welcomed a tunnel that it proved: the hub's
 * word alone is not believed, and nothing depends on its arriving.  Until then
 * this process may end, or an answer be lost, at any point: the tunnel is proved
 * with the keys that were last known to be recorded, and, when those are refused,
 * with the others.  A pair that the hub may have taken is thrown away only when it
 * is known that it has not.
 */
#include "change.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/rekey.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Welcomes with the old keys after which the new ones are known not to be recorded.  At the
 * first a statement may still have been on its way to the hub's records, by the tunnel before;
 * with that welcome the hub looks at no more of them, so the second tells.
 */
#define WELCOMES 2

static void
save(const struct connector *connector)
{
	const char *why = NULL;

	if (identity_update(
		connector->current->settings->state_dir, connector->current->identity, &why) == -1)
		log_errorx("%s/identity.json cannot be written: %s",
		    connector->current->settings->state_dir, why == NULL ? "no memory" : why);
}

/* In the identity in force, and in the copy that a change has of it. */
static void
each(struct connector *connector, void (*act)(struct identity *, const char *kid), const char *kid)
{
	struct deployment *next = change_deployment(connector);

	act(connector->current->identity, kid);
	if (next != NULL && next->identity != NULL)
		act(next->identity, kid);
}

static void
advance(struct identity *identity, const char *kid)
{
	if (identity->next.sign != NULL && strcmp(identity->next.sign_kid, kid) == 0)
		identity_advance(identity, clock_unix());
}

static void
forget_next(struct identity *identity, const char *kid)
{
	if (identity->next.sign != NULL && strcmp(identity->next.sign_kid, kid) == 0)
		identity_forget(&identity->next);
}

static void
forget_before(struct identity *identity, const char *kid)
{
	if (identity->before.sign != NULL && strcmp(identity->before.sign_kid, kid) == 0)
		identity_forget(&identity->before);
}

/* The hub has not taken them, and will not. */
static void
drop_next(struct connector *connector)
{
	char kid[JOSE_KEY_ID_SIZE];

	strlcpy(kid, connector->current->identity->next.sign_kid, sizeof(kid));
	each(connector, forget_next, kid);
	connector->rekey.prove_next = false;
	save(connector);
}

static void
arm(struct connector *connector)
{
	const struct identity *identity = connector->current->identity;
	struct timeval left = { 0, 0 };

	if (identity == NULL || identity->before.sign == NULL)
		return;
	left.tv_sec = (time_t)identity_before_left(identity, clock_unix());
	event_add(connector->rekey.timer, &left);
}

/* Nothing that was sealed for the keys before is young enough any more. */
void
rekey_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct connector *connector = arg;
	struct identity *identity = connector->current->identity;
	char kid[JOSE_KEY_ID_SIZE];

	(void)fd;
	(void)what;
	if (identity == NULL || identity->before.sign == NULL)
		return;
	strlcpy(kid, identity->before.sign_kid, sizeof(kid));
	each(connector, forget_before, kid);
	connector->rekey.cloud_before = NULL;
	save(connector);
}

void
rekey_begin(struct connector *connector)
{
	struct rekeying *r = &connector->rekey;

	event_del(r->timer);
	r->prove_next = false;
	r->welcomes = 0;
	r->cloud_before = NULL;
	arm(connector);
}

const struct identity_keys *
rekey_prover(const struct connector *connector, const struct identity *identity)
{
	return connector->rekey.prove_next && identity->next.sign != NULL ? &identity->next
									  : &identity->keys;
}

const struct identity_keys *
rekey_of_tunnel(const struct connector *connector, const struct child *cloud)
{
	const struct identity *identity = connector->current->identity;

	return cloud == connector->rekey.cloud_before && identity->before.sign != NULL
	    ? &identity->before
	    : &identity->keys;
}

const struct identity_keys *
rekey_find(const struct identity *identity, const char *sign_kid, const char *seal_kid)
{
	const struct identity_keys *pairs[] = { &identity->keys, &identity->before };
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i]->sign != NULL &&
		    (sign_kid != NULL ? strcmp(pairs[i]->sign_kid, sign_kid)
				      : strcmp(pairs[i]->seal_kid, seal_kid)) == 0)
			return pairs[i];
	return NULL;
}

void
rekey_welcomed(struct connector *connector, const struct child *cloud)
{
	const struct identity *identity = connector->current->identity;
	const char *kid = connector->proved[child_is_trial(cloud)].kid;
	struct rekeying *r = &connector->rekey;

	if (identity == NULL || identity->next.sign == NULL)
		return;
	if (strcmp(kid, identity->keys.sign_kid) == 0) {
		/* It may be one that was proved before the statement went out. */
		if (connector->change != NULL && connector->change->rekey)
			return;
		if (++r->welcomes < WELCOMES)
			return;
		log_info("the hub has this connector's keys as before: they were not changed");
		drop_next(connector);
	} else if (strcmp(kid, identity->next.sign_kid) == 0) {
		r->cloud_before = child_is_trial(cloud) ? service_current(connector->cloud) : NULL;
		r->prove_next = false;
		each(connector, advance, connector->proved[child_is_trial(cloud)].kid);
		log_info("this connector's keys were changed: sign key %s, seal key %s",
		    identity->keys.sign_kid, identity->keys.seal_kid);
		/* Without it the next start finds out the same way. */
		save(connector);
		arm(connector);
	}
}

void
rekey_refused(struct connector *connector, const struct child *cloud)
{
	const struct identity *identity = connector->current->identity;
	struct rekeying *r = &connector->rekey;

	if (identity == NULL || identity->next.sign == NULL)
		return;
	r->prove_next = !r->prove_next;
	r->welcomes = 0;
	/* The old keys again: at the pace of who was refused. */
	if (!r->prove_next || child_is_trial(cloud) || connector->change != NULL ||
	    service_has_trial(connector->cloud))
		return;
	log_info(
	    "a change of this connector's keys was not answered, and the hub does not know the "
	    "old ones: trying the new ones");
	service_replace(connector->cloud);
}

/* --- the operation ---------------------------------------------------------- */

/* Writes into text why not now; the code, or NULL when nothing is in the way. */
static const char *
not_now(const struct connector *connector, char *text, size_t size)
{
	const struct tunnel_report *tunnel = &connector->tunnel;
	unsigned int left = identity_before_left(connector->current->identity, clock_unix());

	if (tunnel->state != TUNNEL_ONLINE && tunnel->state != TUNNEL_PENDING) {
		snprintf(text, size,
		    "keys are changed through the tunnel, and it is not open%s%s: try again when "
		    "it is",
		    tunnel->text[0] == '\0' ? "" : ": ", tunnel->text);
		return "no_tunnel";
	}
	if (left > 0) {
		snprintf(text, size,
		    "the keys were changed a moment ago, and what was sealed for the old ones is "
		    "still opened: try again in %u s",
		    left);
		return "too_soon";
	}
	return NULL;
}

/* Makes the next keys, and has them on the disk. -1 with *why. */
static int
prepare(struct connector *connector, const char **why)
{
	struct identity *identity = connector->current->identity;
	bool made = identity->next.sign == NULL;

	*why = "keys could not be made";
	if (identity_renew(identity) == -1)
		return -1;
	*why = "no memory";
	if (identity_update(connector->current->settings->state_dir, identity, why) == 0)
		return 0;
	if (made)
		identity_forget(&identity->next);
	return -1;
}

/* The statement goes out on the open tunnel. -1: no memory. */
static int
send_statement(struct connector *connector, struct child *asker, uint32_t id)
{
	const struct identity *identity = connector->current->identity;
	struct child *cloud = service_current(connector->cloud);
	struct rekey_statement s = { .connection = identity->connection,
		.connector_id = identity->connector_id,
		.nonce = connector->nonce_welcomed,
		.tunnel_url = identity->tunnel_url,
		.old = identity->keys.sign_kid };
	char *statement = NULL, *proof = NULL;
	struct pending *p = NULL;
	struct wire_writer w;

	if (cloud != NULL && jose_key_public(identity->next.sign, s.sign) == 0 &&
	    jose_key_public(identity->next.seal, s.seal) == 0 &&
	    (statement = rekey_sign(&s, identity->keys.sign, REKEY_TYPE)) != NULL &&
	    (proof = rekey_sign(&s, identity->next.sign, REKEY_PROOF_TYPE)) != NULL)
		p = pending_add(
		    connector->pending, asker, id, cloud, MESSAGE_REKEY_STATEMENT, NULL);
	if (p != NULL) {
		wire_writer_init(&w);
		wire_put_string(&w, statement);
		wire_put_string(&w, proof);
		child_send(cloud, MESSAGE_REKEY_STATEMENT, p->id, &w, -1);
	}
	free(statement);
	free(proof);
	return p == NULL ? -1 : 0;
}

void
change_rekey(struct connector *connector, struct child *asker, struct message *m)
{
	const char *code, *why;
	char text[1024];

	if (wire_end(&m->body) == -1) {
		child_breach(asker, "bad REKEY");
		return;
	}
	if (!change_is_enrolled(connector, asker, m->id) || change_busy(connector, asker, m->id))
		return;
	if ((code = not_now(connector, text, sizeof(text))) != NULL) {
		change_tell(asker, m->id, false, code, text);
		return;
	}
	if (prepare(connector, &why) == -1) {
		snprintf(text, sizeof(text), "the new keys cannot be saved: %s", why);
		change_tell(asker, m->id, false, "not_saved", text);
		return;
	}
	if (change_new(connector, asker, m->id) == NULL)
		return;
	connector->change->rekey = true;
	connector->rekey.welcomes = 0;
	if (send_statement(connector, asker, m->id) == -1)
		change_fail(connector, "internal", "no memory");
}

/* The hub did not say ok. What is not known now the next tunnels tell. */
static void
refused(struct connector *connector, enum rekey_result result, const char *reason)
{
	static const char unknown[] =
	    "whether the hub has the new keys shows when the next tunnel opens; logins go on";

	switch (result) {
	case REKEY_REJECTED:
		drop_next(connector);
		change_fail(connector, "rejected",
		    "the hub refused the new keys: %s; nothing was changed", reason);
		break;
	case REKEY_TOO_MANY:
		drop_next(connector);
		change_fail(connector, "too_soon",
		    "the hub refused the new keys: %s; nothing was changed", reason);
		break;
	case REKEY_UNAVAILABLE:
		change_fail(connector, "hub_failed",
		    "the hub did not change the keys: %s: try again; %s", reason, unknown);
		break;
	case REKEY_NOT_SENT:
		change_fail(connector, "no_tunnel",
		    "the tunnel closed before the new keys were sent: try again when it is open");
		break;
	case REKEY_UNANSWERED:
		change_fail(connector, "no_answer",
		    "the hub did not answer: a hub of a version before this one cannot change "
		    "keys, and has to be updated first; %s",
		    unknown);
		break;
	default:
		change_fail(connector, "no_answer",
		    "the tunnel closed before the hub answered: try again when it is open; %s",
		    unknown);
		break;
	}
}

void
rekey_answer(struct connector *connector, struct child *cloud, struct message *m)
{
	struct pending *p;
	char reason[512];
	uint8_t result;

	result = wire_get_u8(&m->body);
	wire_get_string(&m->body, reason, sizeof(reason), 0);
	if (wire_end(&m->body) == -1 || result >= REKEY_OUTCOMES) {
		child_breach(cloud, "bad REKEY_ANSWER");
		return;
	}
	if ((p = pending_find(connector->pending, cloud, m->id)) == NULL ||
	    p->asked != MESSAGE_REKEY_STATEMENT)
		return; /* too late */
	pending_done(connector->pending, p);
	/* Whatever becomes of this change, these are the keys to begin with. */
	if (result == REKEY_OK)
		connector->rekey.prove_next = true;
	if (connector->change == NULL || !connector->change->rekey)
		return;
	if (result != REKEY_OK) {
		refused(connector, (enum rekey_result)result, reason);
		return;
	}
	connector->change->try_cloud = true;
	change_start(connector);
}

void
rekey_lost(struct connector *connector)
{
	if (connector->change != NULL && connector->change->rekey)
		refused(connector, REKEY_LOST, "");
}
