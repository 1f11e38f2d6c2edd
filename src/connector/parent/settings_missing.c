/* SPDX-License-Identifier: ISC */
/*
 * What a directory process cannot be started without: who is to be told gets the names of the
 * settings, and where they can be given.  Beside a server that the file gives, a user set through
 * ctl would be refused as locked, so it is the file that has to be completed.
 */
#include "settings.h"

#include "common/wire.h"

#include <stdio.h>
#include <string.h>

/* list: as people write one, with commas and "and"; else as arguments. */
static void
join(char *text, size_t size, const char *const *items, size_t n, bool list)
{
	size_t i, len = 0;

	text[0] = '\0';
	for (i = 0; i < n && len < size; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s",
		    i == 0	     ? ""
			: !list	     ? " "
			: i + 1 == n ? " and "
				     : ", ",
		    items[i]);
}

bool
settings_missing(const struct settings *s, bool password, char text[SETTINGS_MISSING_SIZE],
    char hint[SETTINGS_MISSING_SIZE])
{
	const size_t size = SETTINGS_MISSING_SIZE;
	const char *names[3], *arguments[3], *key;
	char list[128];
	bool locked;
	size_t n = 0, line = 0;

	locked = (key = settings_fixed(s, &line)) != NULL;
	if (s->directory.nservers == 0) {
		arguments[n] = "directory.server=ldaps://DC";
		names[n++] = "directory.server";
	}
	if (s->directory.user == NULL) {
		arguments[n] = "directory.user=USER";
		names[n++] = "directory.user";
	}
	if (locked ? s->directory.password_file == NULL : !password) {
		arguments[n] = "directory.password";
		names[n++] = locked ? "directory.password_file" : "directory.password";
	}
	text[0] = hint[0] = '\0';
	if (n == 0)
		return false;
	if (n == 3 && !locked)
		snprintf(text, size, "no AD server, user or password is set");
	else {
		join(list, sizeof(list), names, n, true);
		snprintf(text, size, "%s %s missing", list, n == 1 ? "is" : "are");
	}
	if (locked) {
		snprintf(hint, size,
		    "add %s to %s, which gives %s in line %zu, and start adconnectord again", list,
		    s->file->name, key, line);
		utf8_trim(hint);
	} else {
		join(list, sizeof(list), arguments, n, false);
		snprintf(hint, size, "adconnectorctl set %s", list);
	}
	return true;
}
