/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl reconnect, rekey and unenroll: the tunnel opened anew, with the keys that it has
 * or with new ones, and given up for good.
 */
#include "adconnectorctl.h"

#include <getopt.h>
#include <stdbool.h>

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
	static const struct option options[] = {
		{ "yes", no_argument, NULL, 256 },
		{ NULL, 0, NULL, 0 },
	};
	enum ctl_status status;
	bool yes = false;
	int option;

	while ((option = ctl_getopt(ctl, argc, argv, options, &status)) != -1) {
		if (option != 256)
			return status;
		yes = true;
	}
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
