/* SPDX-License-Identifier: ISC */
/*
 * What the asker of a change that was taken is told: what was tried, what was not, and what the
 * directory still needs.  It decides nothing.
 */
#include "change.h"

#include <bsd/string.h>
#include <stdio.h>

const char *
change_taken_text(
    const struct connector *connector, const struct change *change, char *text, size_t size)
{
	const struct deployment *d = connector->current;
	char missing[SETTINGS_MISSING_SIZE], hint[SETTINGS_MISSING_SIZE], untried[192] = "";

	if (change->rekey)
		return "the keys were changed; the old ones are good for nothing but what was "
		       "sealed for them in the last minutes";
	if (!change->settings)
		return "the tunnel was opened anew";
	if (change->untried && d->identity == NULL)
		strlcpy(untried,
		    "; the new values of cloud were not tried: this connector is not enrolled with "
		    "a hub yet",
		    sizeof(untried));
	else if (change->untried)
		strlcpy(untried,
		    "; the new values of cloud were not tried, because the tunnel did not stand "
		    "before either: adconnectorctl status tells how it fares",
		    sizeof(untried));
	if (change->directory != NULL) {
		snprintf(text, size,
		    "saved; the directory was signed in to with the new settings%s", untried);
		return text;
	}
	if (change->cloud != NULL)
		return "saved; the tunnel was opened with the new settings";
	if (settings_missing(d->settings, d->bind_password != NULL, missing, hint)) {
		if (!settings_saved_password_allowed(d->settings))
			snprintf(text, size, "saved; %s: %s%s", missing, hint, untried);
		else
			snprintf(text, size, "saved; the directory still needs:%s%s%s%s",
			    d->settings->directory.nservers == 0 ? " directory.server" : "",
			    d->settings->directory.user == NULL ? " directory.user" : "",
			    d->bind_password == NULL ? " directory.password" : "", untried);
		return text;
	}
	snprintf(text, size, "saved%s", untried);
	return text;
}
