/* SPDX-License-Identifier: ISC */
/*
 * adhubctl connector.
 */
#include "adhubctl.h"

#include "common/ctl_client.h"

#include <getopt.h>
#include <stdlib.h>

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
change(struct ctl *ctl, int argc, char **argv, const char *verb, const char *done)
{
	enum ctl_status status;
	char *path;

	if (!plain_arguments(ctl, argc, argv, 1, 1, &status))
		return status;
	path = ctl_path("/api/v1/connectors/", argv[optind], verb);
	status = simple_change(ctl, "POST", path, argv[optind], done);
	free(path);
	return status;
}

enum ctl_status
command_connector_approve(struct ctl *ctl, int argc, char **argv)
{
	return change(
	    ctl, argc, argv, "/approve", "approved; it answers logins while it is online");
}

enum ctl_status
command_connector_revoke(struct ctl *ctl, int argc, char **argv)
{
	return change(ctl, argc, argv, "/revoke", "revoked; it is shut out for good");
}
