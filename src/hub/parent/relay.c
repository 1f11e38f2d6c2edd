/* SPDX-License-Identifier: ISC */
/*
 * Messages from child to child.  The channel has checked that the sender may
 * say this; here it goes to the one role the table names, under an id of the
 * parent's own, and its reply finds back.  The payload is not looked at: who cannot read it
 * ends, and says so, for it is the sender that is not to go on.
 */
#include "adhubd.h"

#include "common/log.h"
#include "common/status.h"

#include <stdio.h>

static struct service *
service_of(struct hub *hub, enum role role)
{
	switch (role) {
	case ROLE_GATE_PUBLIC:
		return hub->gate_public;
	case ROLE_GATE_CONTROL:
		return hub->gate_control;
	case ROLE_STORE:
		return hub->store;
	default:
		return NULL;
	}
}

static void
pass_on(struct child *to, struct message *m, uint32_t id)
{
	struct wire_writer w;

	wire_writer_init(&w);
	wire_put_fixed(&w, m->body.data, m->body.len);
	child_send(to, m->type, id, &w, -1);
}

void
relay_lost(void *arg, struct pending *p)
{
	(void)arg;
	if (p->from != NULL)
		child_unanswered(p->from, p->from_id, STATUS_INTERNAL);
}

void
relay_message(struct hub *hub, struct child *from, struct message *m)
{
	const struct message_rule *rule = &message_rules[m->type];
	struct child *to;
	struct service *service;
	struct pending *p;

	if ((rule->flags & MESSAGE_FLAG_REPLY) != 0) {
		if ((p = pending_find(hub->pending, from, m->id)) == NULL) {
			log_debug(
			    "%s from %s came too late", rule->name, role_label(child_role(from)));
			return;
		}
		if (p->from != NULL) {
			if ((rule->to & 1U << child_role(p->from)) == 0) {
				child_breach(from, "an answer that was not asked for");
				return;
			}
			pass_on(p->from, m, p->from_id);
		}
		pending_done(hub->pending, p);
		return;
	}
	service = service_of(hub, message_destination(m->type));
	to = service == NULL ? NULL : service_current(service);
	if ((rule->flags & MESSAGE_FLAG_ASKS) == 0) {
		/* Nobody answers it: its id tells relay_unreadable() who sent it. */
		if (to != NULL)
			pass_on(to, m, child_role(from));
		else
			log_warnx("%s from %s is lost: %s does not run", rule->name,
			    role_label(child_role(from)), role_label(message_destination(m->type)));
		return;
	}
	if (to == NULL || (p = pending_add(hub->pending, from, m->id, to, m->type, NULL)) == NULL) {
		child_unanswered(from, m->id, STATUS_INTERNAL);
		return;
	}
	pass_on(to, m, p->id);
}

/* NULL: it is gone. */
static struct child *
sender_of(struct hub *hub, struct child *to, uint16_t type, uint32_t id)
{
	const struct message_rule *rule = &message_rules[type];
	struct service *service;
	struct pending *p;
	unsigned int role;

	if ((rule->flags & MESSAGE_FLAG_ASKS) != 0) {
		p = pending_find(hub->pending, to, id);
		return p == NULL || p->asked != type ? NULL : p->from;
	}
	/* Each reply has one role that may give it. */
	for (role = 0; role < ROLE_COUNT; role++)
		if ((rule->from & 1U << role) != 0 &&
		    ((rule->flags & MESSAGE_FLAG_REPLY) != 0 || role == id))
			break;
	service = service_of(hub, (enum role)role);
	return service == NULL ? NULL : service_current(service);
}

void
relay_unreadable(struct hub *hub, struct child *to, struct message *m)
{
	struct child *from;
	uint16_t type;
	char why[128];

	type = wire_get_u16(&m->body);
	if (wire_end(&m->body) == -1 || !message_relayed(type) ||
	    (message_rules[type].to & 1U << child_role(to)) == 0) {
		child_breach(to, "bad UNREADABLE");
		return;
	}
	if ((from = sender_of(hub, to, type, m->id)) != NULL) {
		snprintf(why, sizeof(why), "%s that %s cannot read", message_name(type),
		    role_label(child_role(to)));
		child_breach(from, why);
	}
	/* It ends by itself.  One that only says so would do this to others for nothing. */
	child_end(to, NULL);
}
