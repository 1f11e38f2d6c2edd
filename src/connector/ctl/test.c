/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl test: the four steps, each shown when its result comes.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/terminal.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
	const struct ctl *ctl;
	json_t *steps;
	bool ended;
	bool passed;
};

static bool
take_line(void *arg, json_t *line)
{
	struct test *test = arg;

	if (json_is_true(json_object_get(line, "end"))) {
		test->ended = true;
		test->passed = json_is_true(json_object_get(line, "passed"));
		return true;
	}
	if (test->ctl->json)
		json_array_append(test->steps, line);
	else
		print_step(line);
	return true;
}

enum ctl_status
run_test(struct ctl *ctl)
{
	struct test test = { .ctl = ctl };
	enum ctl_status status;
	json_t *document;

	test.steps = json_array();
	status = ctl_stream(ctl, "POST", "/api/v1/test", NULL, CTL_TIMEOUT_LONG, take_line, &test);
	if (status == CTL_DONE && !test.ended)
		status = ctl_error(ctl, CTL_UNAVAILABLE, "unavailable",
		    "the test ended without a result; see the log of %s", ctl->program->daemon);
	else if (status == CTL_DONE) {
		if (ctl->json) {
			document =
			    json_pack("{s:b,s:O}", "passed", test.passed, "steps", test.steps);
			ctl_print_json(document);
			json_decref(document);
		} else
			printf(test.passed ? "all four steps passed\n" : "the test failed\n");
		status = test.passed ? CTL_DONE : CTL_REFUSED;
	}
	json_decref(test.steps);
	return status;
}

enum ctl_status
command_test(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	if (optind < argc)
		return ctl_usage(ctl, "%s: not expected", argv[optind]);
	return run_test(ctl);
}
