/* SPDX-License-Identifier: ISC */
/*
 * The settings before the last change, taken back: a change like any other (change.c), tried by
 * new children first.  What becomes of the bind password follows from the rule for changes: it
 * goes to no other place than the one it was given for.
 */
#include "change.h"

#include "saved.h"

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

static bool
same_secret(const struct secret *a, const struct secret *b)
{
	return a != NULL && b != NULL && a->len == b->len && secret_equal(a->data, b->data, a->len);
}

/* The password given with the request, else the one before where it may go, else none. */
static void
take_password(struct connector *connector, const char *given)
{
	struct change *change = connector->change;
	struct deployment *now = connector->current, *next = change->next;
	struct secret *password;

	if (!settings_saved_password_allowed(next->settings))
		return;
	if (given[0] != '\0')
		password = secret_copy(given, strlen(given));
	else if (!settings_same_place(now->settings, next->settings))
		password = NULL;
	else if ((password = saved_password_load(
		      next->settings->state_dir, SAVED_PASSWORD_BEFORE)) == NULL)
		return; /* the same as now */
	secret_free(next->bind_password);
	next->bind_password = password;
	if (!same_secret(now->bind_password, password))
		change->try_directory = true;
}

/* 0, or -1 and told. */
static int
take_settings(struct connector *connector)
{
	struct change *change = connector->change;
	struct settings *settings = settings_copy(connector->previous);
	const struct settings *now = connector->current->settings;

	if (settings == NULL) {
		change_fail(connector, "internal", "no memory");
		return -1;
	}
	settings_free(change->next->settings);
	change->next->settings = settings;
	strlcpy(change->which, "as they were before", sizeof(change->which));
	change->try_directory = settings_differ(now, settings, "directory.");
	change->try_cloud = settings_differ(now, settings, "cloud.");
	return 0;
}

static void
revert(struct connector *connector, struct child *asker, uint32_t id, const char *password)
{
	char *locked = NULL;

	if (connector->previous == NULL)
		change_tell(asker, id, false, "nothing_to_revert",
		    "no settings are known that were in force before these");
	else if (strlen(password) > BIND_PASSWORD_MAX)
		change_tell(asker, id, false, "bad_request", "directory.password: too long");
	else if (password[0] != '\0' &&
	    (locked = settings_locked(connector->previous, "directory.password")) != NULL)
		change_tell(asker, id, false, "bad_request", locked);
	else if (change_new(connector, asker, id) != NULL && take_settings(connector) == 0) {
		take_password(connector, password);
		change_settings(connector);
	}
	free(locked);
}

void
change_revert(struct connector *connector, struct child *asker, struct message *m)
{
	char *password = wire_get_string_dup(&m->body, 0, m->body.len);

	if (wire_end(&m->body) == -1)
		child_breach(asker, "bad REVERT");
	else
		revert(connector, asker, m->id, password);
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(password);
}
