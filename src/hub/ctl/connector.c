/* SPDX-License-Identifier: ISC */
/*
 * adhubctl connector.
 */
#include "adhubctl.h"

#include "common/ctl_client.h"
#include "common/json.h"
#include "common/prompt.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX 128

enum ctl_status
command_connector_list(struct ctl *ctl, int argc, char **argv)
{
	static const struct ctl_column columns[] = {
		{ "CONNECTOR", "id" },
		{ "CONNECTION", "connection" },
		{ "STATE", "state" },
		{ "ONLINE", "online" },
		{ "NAME", "name" },
		{ "VERSION", "version" },
		{ "HOST", "host" },
		{ "ADDRESS", "address" },
		{ "LAST SEEN", "last_seen" },
	};
	enum ctl_status status;

	if (!plain_arguments(ctl, argc, argv, 0, 1, &status))
		return status;
	return print_list(ctl, "/api/v1/connectors", optind < argc ? argv[optind] : NULL,
	    "connectors", columns, sizeof(columns) / sizeof(columns[0]),
	    "no connectors; one joins with a ticket from: adhubctl ticket new");
}

static enum ctl_status
change(struct ctl *ctl, const char *id, const char *verb, const char *done)
{
	enum ctl_status status;
	char *path;

	path = ctl_path("/api/v1/connectors/", id, verb);
	status = simple_change(ctl, "POST", path, id, done);
	free(path);
	return status;
}

enum ctl_status
command_connector_approve(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;

	if (!plain_arguments(ctl, argc, argv, 1, 1, &status))
		return status;
	return change(
	    ctl, argv[optind], "/approve", "approved; it answers logins while it is online");
}

/* Borrowed; NULL when the list does not have it. */
static json_t *
find_connector(json_t *list, const char *id)
{
	const char *other;
	json_t *connector;
	size_t i;

	json_array_foreach (list, i, connector) {
		other = json_get_string(connector, "id", 1, ID_MAX);
		if (other != NULL && strcmp(other, id) == 0)
			return connector;
	}
	return NULL;
}

/* With what people know it by; connector may be NULL. */
static bool
ask_to_revoke(struct ctl *ctl, const char *id, const json_t *connector)
{
	char *connection, *host;

	connection = ctl_text(connector, "connection");
	host = ctl_text(connector, "host");
	ctl_note(ctl, "%s%s%s%s%s: it is shut out for good, and joins again only with a new ticket",
	    id, *connection == '\0' ? "" : ", of ", connection, *host == '\0' ? "" : ", host ",
	    host);
	free(connection);
	free(host);
	return prompt_yes("Revoke it? [y/N] ");
}

/* Only about one that is there: a mistyped id is no question. */
static enum ctl_status
confirm_revocation(struct ctl *ctl, const char *id)
{
	enum ctl_status status;
	json_t *connector, *document;
	bool yes;

	status = ctl_request(ctl, "GET", "/api/v1/connectors", NULL, CTL_TIMEOUT, &document);
	if (status != CTL_DONE)
		return status;
	connector = find_connector(ctl_array(document, "connectors"), id);
	if (connector == NULL && !json_is_true(json_object_get(document, "more"))) {
		json_decref(document);
		return ctl_error(ctl, CTL_REFUSED, "not_found",
		    "connector %s: there is none; \"adhubctl connector list\" shows what there is",
		    id);
	}
	yes = ask_to_revoke(ctl, id, connector);
	json_decref(document);
	if (!yes)
		return ctl_error(ctl, CTL_REFUSED, "cancelled", "nothing was changed");
	return CTL_DONE;
}

enum ctl_status
command_connector_revoke(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	bool yes;

	if (!ctl_getopt_yes(ctl, argc, argv, &yes, &status) ||
	    !positional_arguments(ctl, argc, argv, 1, 1, &status))
		return status;
	if (!yes && prompt_possible() &&
	    (status = confirm_revocation(ctl, argv[optind])) != CTL_DONE)
		return status;
	return change(ctl, argv[optind], "/revoke", "revoked; it is shut out for good");
}
