/* SPDX-License-Identifier: ISC */
/*
 * What a change leaves in the state directory: settings and bind passwords, those in force and
 * those before them, all of them or none, and no certificates that nothing names.  Whether it is
 * saved is decided in change.c.
 */
#include "change.h"

#include "saved.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The passwords that are saved with the settings; they stay as they are while the file names the
 * place, for they are of another one and not in use.  The one before stays only while it would go
 * to the same place, and while there is one at all: a password that is to be forgotten is gone.
 */
static int
prepare_passwords(const struct deployment *now, const struct deployment *next, char *actions)
{
	const char *state_dir = next->settings->state_dir;
	const struct secret *before = NULL;

	if (!settings_saved_password_allowed(next->settings)) {
		actions[SAVED_PASSWORD] = actions[SAVED_PASSWORD_BEFORE] = SAVED_KEEP;
		return 0;
	}
	if (next->bind_password != NULL && settings_same_place(now->settings, next->settings))
		before = now->bind_password;
	return saved_password_prepare(state_dir, SAVED_PASSWORD, next->bind_password,
		   &actions[SAVED_PASSWORD]) == -1 ||
		saved_password_prepare(
		    state_dir, SAVED_PASSWORD_BEFORE, before, &actions[SAVED_PASSWORD_BEFORE]) == -1
	    ? -1
	    : 0;
}

int
change_save(struct connector *connector, char **error)
{
	const struct deployment *now = connector->current, *next = connector->change->next;
	const char *state_dir = next->settings->state_dir;
	char actions[SAVED_FILES], path[PATH_MAX], before[PATH_MAX];
	int saved;

	actions[SAVED_SETTINGS] = actions[SAVED_SETTINGS_BEFORE] = SAVED_REPLACE;
	/* First what an earlier change may have left to do. */
	if (saved_recover(state_dir) == -1 ||
	    saved_next_path(state_dir, SAVED_SETTINGS, path) == -1 ||
	    saved_next_path(state_dir, SAVED_SETTINGS_BEFORE, before) == -1)
		goto fail;
	if (settings_save(next->settings, path, error) == -1 ||
	    settings_save(now->settings, before, error) == -1) {
		(void)saved_forget(state_dir);
		return -1;
	}
	if (prepare_passwords(now, next, actions) == -1) {
		saved = errno;
		(void)saved_forget(state_dir);
		errno = saved;
		goto fail;
	}
	if (saved_commit(state_dir, actions) == -1)
		goto fail;
	return 0;
fail:
	if (asprintf(error, "%s: %s", state_dir, strerror(errno)) == -1)
		*error = NULL;
	return -1;
}

/*
 * What was saved counts, also where the file has another one now: without it the saved one is in
 * force again.
 */
static size_t
add_certificates(const struct settings *settings, char *paths[2])
{
	size_t n = 0;

	if ((paths[n] = settings_saved_text(settings, "directory.tls.ca")) != NULL)
		n++;
	if ((paths[n] = settings_saved_text(settings, "cloud.ca")) != NULL)
		n++;
	return n;
}

/* Those of the settings in force and before them: n paths to be freed. */
static size_t
kept_certificates(const struct connector *connector, char *paths[4])
{
	size_t n = add_certificates(connector->current->settings, paths);

	return n + add_certificates(connector->previous, paths + n);
}

static void
free_all(char **paths, size_t n)
{
	while (n > 0)
		free(paths[--n]);
}

void
change_remove_certificates(const struct connector *connector, const struct settings *forgotten)
{
	char *gone[2], *kept[4];
	size_t ngone = add_certificates(forgotten, gone);
	size_t nkept = kept_certificates(connector, kept), i, j;

	for (i = 0; i < ngone; i++) {
		for (j = 0; j < nkept && strcmp(kept[j], gone[i]) != 0; j++)
			;
		if (j == nkept)
			saved_certificate_remove(connector->current->settings->state_dir, gone[i]);
	}
	free_all(gone, ngone);
	free_all(kept, nkept);
}

void
change_tidy_certificates(const struct connector *connector)
{
	char *kept[4];
	size_t n;

	/* What those before name is known only where they could be read. */
	if (connector->previous == NULL)
		return;
	n = kept_certificates(connector, kept);
	saved_certificates_tidy(connector->current->settings->state_dir, kept, n);
	free_all(kept, n);
}
