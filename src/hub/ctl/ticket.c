/* SPDX-License-Identifier: ISC */
/*
 * adhubctl ticket.  The URL of a new ticket is a secret on its way to another
 * host: it is the only thing on standard output, ready for a pipe, and all
 * remarks go to standard error.
 */
#include "adhubctl.h"

#include "common/ctl_client.h"
#include "common/terminal.h"

#include <bsd/stdlib.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USES_MAX 1000
#define HOURS_MAX (24 * 365)

struct wish {
	const char *identifier;
	long long uses;
	long long hours;
	bool auto_approve;
};

static bool
read_wish(struct ctl *ctl, int argc, char **argv, struct wish *wish, enum ctl_status *status)
{
	static const struct option options[] = {
		{ "uses", required_argument, NULL, 256 },
		{ "hours", required_argument, NULL, 257 },
		{ "auto-approve", no_argument, NULL, 258 },
		{ NULL, 0, NULL, 0 },
	};
	const char *why;
	int option;

	why = NULL;
	while ((option = ctl_getopt(ctl, argc, argv, options, status)) != -1) {
		if (option == 256)
			wish->uses = strtonum(optarg, 1, USES_MAX, &why);
		else if (option == 257)
			wish->hours = strtonum(optarg, 1, HOURS_MAX, &why);
		else if (option == 258)
			wish->auto_approve = true;
		else
			return false;
		if (why != NULL) {
			*status = ctl_usage(ctl, "--%s %s: %s (1 to %d)",
			    option == 256 ? "uses" : "hours", optarg, why,
			    option == 256 ? USES_MAX : HOURS_MAX);
			return false;
		}
	}
	if (argc - optind != 1 || argv[optind][0] == '\0') {
		*status = ctl_usage(ctl, "one identifier of a connection is needed");
		return false;
	}
	wish->identifier = argv[optind];
	return true;
}

enum ctl_status
command_ticket_new(struct ctl *ctl, int argc, char **argv)
{
	struct wish wish = { .uses = 1, .hours = 24 };
	enum ctl_status status;
	json_t *body, *document;
	const char *url;
	char *expires, *id;

	if (!read_wish(ctl, argc, argv, &wish, &status))
		return status;
	body = json_pack("{s:s,s:I,s:I,s:b}", "connection", wish.identifier, "uses",
	    (json_int_t)wish.uses, "hours", (json_int_t)wish.hours, "auto_approve",
	    wish.auto_approve);
	if (body == NULL)
		return ctl_usage(ctl, "%s: not UTF-8 text", wish.identifier);
	status = ctl_request(ctl, "POST", "/api/v1/tickets", body, CTL_TIMEOUT, &document);
	json_decref(body);
	if (status != CTL_DONE)
		return status;
	if (ctl->json) {
		ctl_print_json(document);
		json_decref(document);
		return CTL_DONE;
	}
	url = json_string_value(json_object_get(document, "url"));
	if (url == NULL || *url == '\0')
		status = ctl_error(ctl, CTL_UNAVAILABLE, "bad_answer",
		    "adhubd answered without a URL; see its log");
	else {
		terminal_puts(stdout, url);
		putchar('\n');
		ctl_flush();
		id = ctl_text(document, "id");
		expires = ctl_text(document, "expires");
		ctl_note(ctl,
		    "ticket %s for %s: %lld %s, until %s%s; give it to: adconnectorctl enroll", id,
		    wish.identifier, wish.uses, wish.uses == 1 ? "use" : "uses", expires,
		    wish.auto_approve ? ", approved by itself" : "");
		free(id);
		free(expires);
	}
	json_decref(document);
	return status;
}

enum ctl_status
command_ticket_list(struct ctl *ctl, int argc, char **argv)
{
	static const struct ctl_column columns[] = {
		{ "TICKET", "id" },
		{ "CONNECTION", "connection" },
		{ "STATE", "state" },
		{ "USES LEFT", "uses_left" },
		{ "EXPIRES", "expires" },
		{ "AUTO-APPROVE", "auto_approve" },
		{ "CREATED", "created" },
	};
	enum ctl_status status;

	if (!plain_arguments(ctl, argc, argv, 0, 1, &status))
		return status;
	return print_list(ctl, "/api/v1/tickets", optind < argc ? argv[optind] : NULL, "tickets",
	    columns, sizeof(columns) / sizeof(columns[0]), "no tickets");
}

enum ctl_status
command_ticket_revoke(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	char *path;

	if (!plain_arguments(ctl, argc, argv, 1, 1, &status))
		return status;
	/* People have the URL at hand, not the id; it must not end up in a log. */
	if (strstr(argv[optind], "://") != NULL)
		return ctl_usage(
		    ctl, "that is the ticket's URL; give its id, which \"ticket list\" shows");
	path = ctl_path("/api/v1/tickets/", argv[optind], "");
	status = simple_change(ctl, "DELETE", path, argv[optind], "revoked");
	free(path);
	return status;
}
