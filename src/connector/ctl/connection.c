/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl enroll, reconnect, rekey and unenroll: a connection joined, the tunnel opened
 * anew, with the keys that it has or with new ones, and given up for good.  The ticket is a
 * secret: it comes from standard input or a prompt and goes into a request body, nowhere else.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/prompt.h"
#include "common/terminal.h"

#include <getopt.h>
#include <stdbool.h>
#include <string.h>

#define TICKET_TEXT_MAX 2048 /* as ENDPOINT_TEXT_MAX */

enum ctl_status
enrolled(struct ctl *ctl, bool *joined)
{
	json_t *document;
	enum ctl_status status;

	status = ctl_request(ctl, "GET", "/api/v1/status", NULL, CTL_TIMEOUT, &document);
	if (status != CTL_DONE)
		return status;
	*joined = json_object_get(json_object_get(document, "data"), "connector_id") != NULL;
	json_decref(document);
	return CTL_DONE;
}

enum ctl_status
enroll(struct ctl *ctl, const char *question, bool optional)
{
	const char *why;
	enum ctl_status status;
	json_t *body;
	char *ticket;
	size_t len;

	if (secret_input(question, TICKET_TEXT_MAX, &ticket, &len, &why) == -1)
		return ctl_error(ctl, CTL_REFUSED, "bad_request", "ticket: %s", why);
	if (strspn(ticket, " \t\r\n") == len) {
		secret_input_free(ticket, len);
		if (optional)
			return CTL_DONE;
		return ctl_error(ctl, CTL_REFUSED, "bad_request",
		    "ticket: nothing was given; the hub makes one with: adhubctl ticket new "
		    "IDENTIFIER");
	}
	body = json_pack("{s:s%}", "ticket", ticket, len);
	secret_input_free(ticket, len);
	status = post_and_tell(ctl, "/api/v1/enroll", body);
	json_decref(body);
	return status;
}

/* Another ticket makes another connector of it; only somebody at a terminal can be asked. */
static enum ctl_status
confirm_another(struct ctl *ctl)
{
	enum ctl_status status;
	bool joined;

	if ((status = enrolled(ctl, &joined)) != CTL_DONE || !joined)
		return status;
	ctl_note(ctl,
	    "this connector is enrolled already; with another ticket it becomes another connector "
	    "for the hub, which may have to be approved before it gets logins");
	if (!prompt_yes("Enrol it anew? [y/N] "))
		return ctl_error(ctl, CTL_REFUSED, "cancelled", "nothing was changed");
	return CTL_DONE;
}

enum ctl_status
command_enroll(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	bool yes;

	if (!ctl_getopt_yes(ctl, argc, argv, &yes, &status))
		return status;
	if (optind < argc)
		return ctl_usage(ctl,
		    "the ticket is a secret and is not taken as an argument, where every user of "
		    "this host can read it: give it on standard input or at the prompt, and have "
		    "the hub revoke this one if others use this host");
	if (!yes && prompt_possible() && (status = confirm_another(ctl)) != CTL_DONE)
		return status;
	return enroll(ctl, "Provisioning ticket URL: ", false);
}

static enum ctl_status
post_alone(struct ctl *ctl, int argc, char **argv, const char *path)
{
	enum ctl_status status;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	if (optind < argc)
		return ctl_usage(ctl, "%s: not expected", argv[optind]);
	return post_and_tell(ctl, path, NULL);
}

enum ctl_status
command_reconnect(struct ctl *ctl, int argc, char **argv)
{
	return post_alone(ctl, argc, argv, "/api/v1/reconnect");
}

enum ctl_status
command_rekey(struct ctl *ctl, int argc, char **argv)
{
	return post_alone(ctl, argc, argv, "/api/v1/rekey");
}

enum ctl_status
command_unenroll(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	bool yes;

	if (!ctl_getopt_yes(ctl, argc, argv, &yes, &status))
		return status;
	if (optind < argc)
		return ctl_usage(ctl, "%s: not expected", argv[optind]);
	if (!yes && !prompt_possible())
		return ctl_usage(
		    ctl, "it asks at a terminal whether that is meant; elsewhere say --yes");
	if (!yes) {
		ctl_note(ctl,
		    "nobody will log in through this connector any more, and its keys are deleted; "
		    "joining again needs a new ticket");
		if (!prompt_yes("Leave the connection? [y/N] "))
			return ctl_error(ctl, CTL_REFUSED, "cancelled", "nothing was changed");
	}
	return post_and_tell(ctl, "/api/v1/unenroll", NULL);
}
