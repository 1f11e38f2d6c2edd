/* SPDX-License-Identifier: ISC */
/*
 * The tunnel on request: opened anew, which is a change without new settings (change.c), or
 * closed for good, and the keys deleted.
 */
#include "change.h"

#include "common/log.h"

#include <stdio.h>
#include <string.h>

bool
change_is_enrolled(const struct connector *connector, struct child *asker, uint32_t id)
{
	if (connector->current->identity != NULL)
		return true;
	change_tell(asker, id, false, "not_enrolled", "this connector is not enrolled with a hub");
	return false;
}

void
change_reconnect(struct connector *connector, struct child *asker, struct message *m)
{
	if (wire_end(&m->body) == -1) {
		child_breach(asker, "bad RECONNECT");
		return;
	}
	if (!change_is_enrolled(connector, asker, m->id) ||
	    change_new(connector, asker, m->id) == NULL)
		return;
	connector->change->reconnect = true;
	connector->change->try_cloud = true;
	change_start(connector);
}

/* From here on nothing of the identity is left; those who knew of it go or start anew. */
static void
forget_identity(struct connector *connector)
{
	identity_free(connector->current->identity);
	connector->current->identity = NULL;
	rekey_begin(connector);
	connector->tunnel_waits = false;
	event_del(connector->tunnel_timer);
	service_stop(connector->cloud);
	memset(&connector->tunnel, 0, sizeof(connector->tunnel));
	connector->tunnel.since = time(NULL);
	change_start_anew(connector->dial);
	if (deployment_directory_ready(connector->current))
		change_start_anew(connector->directory);
}

void
change_unenrol(struct connector *connector, struct child *asker, struct message *m)
{
	const struct deployment *d = connector->current;
	const char *why = NULL;
	char text[512];

	if (wire_end(&m->body) == -1) {
		child_breach(asker, "bad UNENROL");
		return;
	}
	if (!change_is_enrolled(connector, asker, m->id) || change_busy(connector, asker, m->id))
		return;
	if (identity_remove(d->settings->state_dir, &why) == -1) {
		snprintf(text, sizeof(text), "the keys cannot be deleted: %s", why);
		change_tell(asker, m->id, false, "not_saved", text);
		return;
	}
	snprintf(text, sizeof(text),
	    "left connection %s: the keys are deleted; the hub knows this connector until it is "
	    "revoked there: adhubctl connector revoke %s",
	    d->identity->connection, d->identity->connector_id);
	forget_identity(connector);
	log_info("%s", text);
	change_tell(asker, m->id, true, "ok", text);
}
