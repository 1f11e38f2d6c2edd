/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl explain: what a login would do, step by step.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/terminal.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct explanation {
	const struct ctl *ctl;
	json_t *steps;
	json_t *end;
};

static bool
take_line(void *arg, json_t *line)
{
	struct explanation *explanation = arg;

	if (json_is_true(json_object_get(line, "end")))
		explanation->end = json_incref(line);
	else if (explanation->ctl->json)
		json_array_append(explanation->steps, line);
	else
		print_step(line);
	return true;
}

/* CTL_DONE when a login would succeed. */
static enum ctl_status
tell_end(struct explanation *explanation)
{
	char *status = ctl_text(explanation->end, "status"), *text;
	bool good = strcmp(status, "ok") == 0;

	if (explanation->ctl->json) {
		json_object_del(explanation->end, "end");
		json_object_set(explanation->end, "steps", explanation->steps);
		ctl_print_json(explanation->end);
	} else {
		text = ctl_text(explanation->end, "text");
		terminal_puts(stdout, text);
		putchar('\n');
		free(text);
	}
	free(status);
	return good ? CTL_DONE : CTL_REFUSED;
}

enum ctl_status
command_explain(struct ctl *ctl, int argc, char **argv)
{
	struct explanation explanation = { .ctl = ctl };
	enum ctl_status status;
	json_t *body;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	if (optind + 1 != argc)
		return ctl_usage(ctl, "one name is explained at a time");
	if (argv[optind][0] == '\0')
		return ctl_usage(ctl, "the name is empty");
	if ((body = json_pack("{s:s}", "username", argv[optind])) == NULL)
		return ctl_usage(ctl, "%s: not UTF-8 text", argv[optind]);
	explanation.steps = json_array();
	status =
	    ctl_stream(ctl, "POST", "/api/v1/explain", body, CTL_TIMEOUT, take_line, &explanation);
	json_decref(body);
	if (status == CTL_DONE && explanation.end == NULL)
		status = ctl_error(ctl, CTL_UNAVAILABLE, "unavailable",
		    "the explanation ended without a result; see the log of %s",
		    ctl->program->daemon);
	else if (status == CTL_DONE)
		status = tell_end(&explanation);
	json_decref(explanation.end);
	json_decref(explanation.steps);
	return status;
}
