/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl web: the one-time address of the local page.  It goes to standard output and
 * nowhere else: it is as good as a password for five minutes.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/terminal.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum ctl_status
command_web(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	json_t *answer;
	char *url;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	if (optind < argc)
		return ctl_usage(ctl, "%s: not expected", argv[optind]);
	status = ctl_request(ctl, "POST", "/api/v1/web", NULL, CTL_TIMEOUT, &answer);
	if (status == CTL_DONE && ctl->json)
		ctl_print_json(answer);
	else if (status == CTL_DONE) {
		url = ctl_text(answer, "url");
		terminal_puts(stdout, url);
		putchar('\n');
		free(url);
	}
	json_decref(answer);
	return status;
}
