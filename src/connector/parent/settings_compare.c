/* SPDX-License-Identifier: ISC */
/*
 * Two states of the settings beside each other: what a change means for the saved password and
 * for the processes that run.
 */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

static bool
same_string(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
settings_same_place(const struct settings *before, const struct settings *after)
{
	const struct endpoint *a, *b;
	size_t i;

	if (before->directory.nservers != after->directory.nservers ||
	    before->directory.tls_mode != after->directory.tls_mode ||
	    before->directory.allow_clear != after->directory.allow_clear ||
	    !same_string(before->directory.tls_ca, after->directory.tls_ca) ||
	    !same_string(before->directory.tls_name, after->directory.tls_name))
		return false;
	for (i = 0; i < before->directory.nservers; i++) {
		a = &before->directory.servers[i];
		b = &after->directory.servers[i];
		if (a->scheme != b->scheme || a->port != b->port || strcmp(a->host, b->host) != 0)
			return false;
	}
	return true;
}

bool
settings_differ(const struct settings *a, const struct settings *b, const char *prefix)
{
	enum settings_origin origin;
	char *text[2];
	bool differ = false;
	size_t i;

	for (i = 0; i < settings_nrules && !differ; i++) {
		if (strncmp(settings_rules[i].path, prefix, strlen(prefix)) != 0)
			continue;
		text[0] = settings_text(a, settings_rules[i].path, &origin);
		text[1] = settings_text(b, settings_rules[i].path, &origin);
		differ = text[0] == NULL || text[1] == NULL ? text[0] != text[1]
							    : strcmp(text[0], text[1]) != 0;
		free(text[0]);
		free(text[1]);
	}
	return differ;
}
