/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl log: the daemon's ring of log lines, and what comes next.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"
#include "common/json.h"
#include "common/terminal.h"

#include <bsd/stdlib.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LATEST_TIME_MS INT64_C(253402300799999) /* the end of the year 9999 */

struct reading {
	const struct ctl *ctl;
	bool follow;
	json_t *lines;
};

static void
print_line(const json_t *line)
{
	char stamp[64];
	struct tm tm;
	char *level, *tag, *text;
	int64_t ms;
	time_t seconds;

	if (json_get_integer(line, "time", 0, LATEST_TIME_MS, &ms) == -1)
		ms = 0;
	seconds = (time_t)(ms / 1000);
	if (localtime_r(&seconds, &tm) == NULL ||
	    strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		stamp[0] = '\0';
	level = ctl_text(line, "level");
	tag = ctl_text(line, "tag");
	text = ctl_text(line, "text");
	printf("%s.%03d ", stamp, (int)(ms % 1000));
	terminal_puts(stdout, level);
	putchar(' ');
	terminal_puts(stdout, tag);
	fputs(": ", stdout);
	terminal_puts(stdout, text);
	putchar('\n');
	ctl_flush();
	free(level);
	free(tag);
	free(text);
}

static bool
take_line(void *arg, json_t *line)
{
	struct reading *reading = arg;

	if (json_is_true(json_object_get(line, "end")))
		return true;
	if (!reading->ctl->json)
		print_line(line);
	else if (reading->follow)
		ctl_print_json_line(line); /* without an end there is no one document */
	else
		json_array_append(reading->lines, line);
	/* The reader may have gone. */
	return ferror(stdout) == 0;
}

enum ctl_status
command_log(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "follow", no_argument, NULL, 256 },
		{ "since", required_argument, NULL, 257 },
		{ NULL, 0, NULL, 0 },
	};
	struct reading reading = { .ctl = ctl };
	const char *why;
	enum ctl_status status;
	json_t *document;
	char *path;
	long long since;
	int option;

	since = 0;
	while ((option = ctl_getopt(ctl, argc, argv, options, &status)) != -1) {
		switch (option) {
		case 256:
			reading.follow = true;
			break;
		case 257:
			since = strtonum(optarg, 0, INT64_MAX, &why);
			if (why != NULL)
				return ctl_usage(ctl, "--since %s: %s", optarg, why);
			break;
		default:
			return status;
		}
	}
	if (optind < argc)
		return ctl_usage(ctl, "%s: not expected", argv[optind]);
	if (asprintf(&path, "/api/v1/log?follow=%d&since=%lld", reading.follow, since) == -1)
		return ctl_error(ctl, CTL_REFUSED, "internal", "out of memory");
	reading.lines = json_array();
	status = ctl_stream(ctl, "GET", path, NULL, reading.follow ? CTL_TIMEOUT_NONE : CTL_TIMEOUT,
	    take_line, &reading);
	free(path);
	if (status == CTL_DONE && ctl->json && !reading.follow) {
		document = json_pack("{s:O}", "lines", reading.lines);
		ctl_print_json(document);
		json_decref(document);
	}
	json_decref(reading.lines);
	if (status == CTL_DONE && reading.follow && ferror(stdout) == 0)
		status = ctl_error(ctl, CTL_UNAVAILABLE, "unavailable", "%s has ended the log",
		    ctl->program->daemon);
	return status;
}
