/* SPDX-License-Identifier: ISC */
/*
 * adhubctl connection.
 */
#include "adhubctl.h"

#include "common/ctl_client.h"
#include "common/prompt.h"
#include "common/terminal.h"
#include "logo.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct ctl_column connection_columns[] = {
	{ "CONNECTION", "identifier" },
	{ "NAME", "display_name" },
	{ "APPROVED", "approved" },
	{ "PENDING", "pending" },
	{ "ONLINE", "online" },
	{ "CREATED", "created" },
};

static const struct ctl_column connector_columns[] = {
	{ "CONNECTOR", "id" },
	{ "STATE", "state" },
	{ "ONLINE", "online" },
	{ "NAME", "name" },
	{ "VERSION", "version" },
	{ "HOST", "host" },
	{ "ADDRESS", "address" },
	{ "LAST SEEN", "last_seen" },
};

static const struct ctl_column ticket_columns[] = {
	{ "TICKET", "id" },
	{ "STATE", "state" },
	{ "USES LEFT", "uses_left" },
	{ "EXPIRES", "expires" },
	{ "AUTO-APPROVE", "auto_approve" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum ctl_status
command_connection_add(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 256 },
		{ "logo", required_argument, NULL, 257 },
		{ NULL, 0, NULL, 0 },
	};
	const char *logo_file, *name, *why;
	enum ctl_status status;
	json_t *body, *document;
	char *logo;
	int option;

	name = "";
	logo_file = NULL;
	while ((option = ctl_getopt(ctl, argc, argv, options, &status)) != -1) {
		if (option == 256)
			name = optarg;
		else if (option == 257)
			logo_file = optarg;
		else
			return status;
	}
	if (argc - optind != 1 || argv[optind][0] == '\0')
		return ctl_usage(ctl, "one identifier is needed");
	logo = NULL;
	if (logo_file != NULL && (logo = logo_read(logo_file, &why)) == NULL)
		return ctl_error(ctl, CTL_REFUSED, "bad_request", "%s: %s", logo_file, why);
	body = json_pack("{s:s,s:s,s:s}", "identifier", argv[optind], "display_name", name, "logo",
	    logo == NULL ? "" : logo);
	free(logo);
	if (body == NULL)
		return ctl_usage(ctl, "identifier or name is not UTF-8 text");
	status = ctl_request(ctl, "POST", "/api/v1/connections", body, CTL_TIMEOUT, &document);
	json_decref(body);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		ctl_print_json(document);
	else {
		terminal_puts(stdout, argv[optind]);
		fputs(
		    ": added; a connector joins with a ticket from: adhubctl ticket new ", stdout);
		terminal_puts(stdout, argv[optind]);
		putchar('\n');
	}
	json_decref(document);
	return CTL_DONE;
}

enum ctl_status
command_connection_list(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;

	if (!plain_arguments(ctl, argc, argv, 0, 0, &status))
		return status;
	return print_list(ctl, "/api/v1/connections", NULL, "connections", connection_columns,
	    COUNT(connection_columns), "no connections; make one with: adhubctl connection add");
}

static void
print_connection(json_t *document)
{
	json_t *members;

	members = json_copy(document);
	json_object_del(members, "connectors");
	json_object_del(members, "tickets");
	json_object_del(members, "logo"); /* has_logo tells what a terminal can show of it */
	json_object_del(members, "more");
	ctl_print_members(members);
	json_decref(members);
	putchar('\n');
	ctl_print_table(
	    document, "connectors", connector_columns, COUNT(connector_columns), "no connectors");
	putchar('\n');
	ctl_print_table(document, "tickets", ticket_columns, COUNT(ticket_columns), "no tickets");
}

enum ctl_status
command_connection_show(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	json_t *document;
	char *path;

	if (!plain_arguments(ctl, argc, argv, 1, 1, &status))
		return status;
	path = ctl_path("/api/v1/connections/", argv[optind], "");
	status = ctl_request(ctl, "GET", path, NULL, CTL_TIMEOUT, &document);
	free(path);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		ctl_print_json(document);
	else
		print_connection(document);
	if (json_is_true(json_object_get(document, "more")))
		ctl_note(ctl, "there are more; only the newest are shown");
	json_decref(document);
	return CTL_DONE;
}

/* Only about one that is there: a mistyped name is no question. */
static enum ctl_status
confirm_removal(struct ctl *ctl, const char *identifier)
{
	enum ctl_status status;
	json_t *document;
	char *path;

	path = ctl_path("/api/v1/connections/", identifier, "");
	status = ctl_request(ctl, "GET", path, NULL, CTL_TIMEOUT, &document);
	free(path);
	if (status != CTL_DONE)
		return status;
	json_decref(document);
	ctl_note(ctl,
	    "%s: nobody will log in through it any more, and its connectors and tickets are "
	    "revoked for good",
	    identifier);
	if (!prompt_yes("Remove it? [y/N] "))
		return ctl_error(ctl, CTL_REFUSED, "cancelled", "nothing was changed");
	return CTL_DONE;
}

enum ctl_status
command_connection_remove(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	char *path;
	bool yes;

	if (!ctl_getopt_yes(ctl, argc, argv, &yes, &status) ||
	    !positional_arguments(ctl, argc, argv, 1, 1, &status))
		return status;
	if (!yes && prompt_possible() && (status = confirm_removal(ctl, argv[optind])) != CTL_DONE)
		return status;
	path = ctl_path("/api/v1/connections/", argv[optind], "");
	status = simple_change(
	    ctl, "DELETE", path, argv[optind], "removed; its connectors and tickets are revoked");
	free(path);
	return status;
}
