/* SPDX-License-Identifier: ISC */
/*
 * adhubctl: connections, tickets and connectors of adhubd, and test logins, over
 * its control socket.  Holds no state and no right of its own: what a caller
 * may do, the daemon decides by the user at the other end of the socket.
 */
#include "adhubctl.h"

#include "common/ctl_client.h"
#include "common/terminal.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct ctl_command commands[] = {
	{ "connection add", "IDENTIFIER [--name NAME] [--logo FILE]", "make a connection",
	    "A connection is one Active Directory. Its identifier (a-z, 0-9 and -) never changes.\n"
	    "  --name NAME   what people see on the login page, at most 200 bytes\n"
	    "  --logo FILE   PNG or JPEG of at most 43 KiB\n",
	    command_connection_add },
	{ "connection list", "", "list the connections", NULL, command_connection_list },
	{ "connection show", "IDENTIFIER", "show one with its connectors and tickets", NULL,
	    command_connection_show },
	{ "connection remove", "IDENTIFIER [--yes]",
	    "remove one; its connectors and tickets are revoked", NULL, command_connection_remove },
	{ "ticket new", "IDENTIFIER [--uses N] [--hours N] [--auto-approve]",
	    "make a provisioning ticket",
	    "Prints the ticket's URL alone on standard output, so that it can be piped into\n"
	    "adconnectorctl enroll. Whoever holds it may join the connection.\n"
	    "  --uses N        connectors that may join with it (default 1)\n"
	    "  --hours N       hours until it expires (default 24)\n"
	    "  --auto-approve  they need no approval, also beside a connector that is live\n",
	    command_ticket_new },
	{ "ticket list", "[IDENTIFIER]", "list the tickets, without their secrets", NULL,
	    command_ticket_list },
	{ "ticket revoke", "ID", "revoke a ticket", NULL, command_ticket_revoke },
	{ "connector list", "[IDENTIFIER]", "list the connectors", NULL, command_connector_list },
	{ "connector approve", "ID", "let a pending connector answer logins", NULL,
	    command_connector_approve },
	{ "connector revoke", "ID [--yes]", "shut a connector out for good", NULL,
	    command_connector_revoke },
	{ "login", "IDENTIFIER USERNAME", "try to log a person in",
	    "The password is read from standard input (up to its end, without one final line\n"
	    "feed) or at a prompt, and sealed for the connectors before it leaves this program.\n"
	    "Exit status is 0 only for the status \"ok\", 2 when it could not be checked.\n",
	    command_login },
	{ "audit", "[-f] [--after N] [--limit N]", "show the latest rows of the audit",
	    "  -f, --follow   go on with new rows as they come\n"
	    "  --after N      begin behind the row of this number\n"
	    "  --limit N      rows to begin with (default 50, or all behind N)\n",
	    command_audit },
	{ "audit verify", "", "check that no row was changed or taken out", NULL,
	    command_audit_verify },
	{ NULL, NULL, NULL, NULL, NULL },
};

static const struct ctl_program program = {
	.name = "adhubctl",
	.daemon = "adhubd",
	.default_socket = ADC_RUNSTATEDIR "/adhub/control.sock",
	.summary = "controls the hub on this host",
	.commands = commands,
};

bool
positional_arguments(
    struct ctl *ctl, int argc, char **argv, int min, int max, enum ctl_status *status)
{
	if (argc - optind < min) {
		*status = ctl_usage(ctl, "an argument is missing");
		return false;
	}
	if (argc - optind > max) {
		*status = ctl_usage(ctl, "%s: not expected", argv[optind + max]);
		return false;
	}
	for (int i = optind; i < argc; i++) {
		if (argv[i][0] == '\0') {
			*status = ctl_usage(ctl, "an argument is empty");
			return false;
		}
	}
	return true;
}

bool
plain_arguments(struct ctl *ctl, int argc, char **argv, int min, int max, enum ctl_status *status)
{
	return ctl_getopt(ctl, argc, argv, NULL, status) != CTL_GETOPT_STOP &&
	    positional_arguments(ctl, argc, argv, min, max, status);
}

enum ctl_status
print_list(struct ctl *ctl, const char *path, const char *identifier, const char *key,
    const struct ctl_column *columns, size_t n, const char *none)
{
	enum ctl_status status;
	json_t *document;
	char *prefix, *whole;

	if (asprintf(&prefix, "%s%s", path, identifier == NULL ? "" : "?connection=") == -1)
		return ctl_error(ctl, CTL_REFUSED, "internal", "out of memory");
	whole = ctl_path(prefix, identifier == NULL ? "" : identifier, "");
	free(prefix);
	status = ctl_request(ctl, "GET", whole, NULL, CTL_TIMEOUT, &document);
	free(whole);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		ctl_print_json(document);
	else
		ctl_print_table(document, key, columns, n, none);
	if (json_is_true(json_object_get(document, "more")))
		ctl_note(ctl, "there are more; only the newest are shown");
	json_decref(document);
	return CTL_DONE;
}

enum ctl_status
simple_change(
    struct ctl *ctl, const char *method, const char *path, const char *what, const char *done)
{
	enum ctl_status status;
	json_t *document;

	status = ctl_request(ctl, method, path, NULL, CTL_TIMEOUT, &document);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		ctl_print_json(document);
	else {
		terminal_puts(stdout, what);
		printf(": %s\n", done);
	}
	json_decref(document);
	return CTL_DONE;
}

int
main(int argc, char *argv[])
{
	return ctl_main(&program, argc, argv);
}
