/* SPDX-License-Identifier: ISC */
/*
 * adconnectorctl bundle: what somebody who helps needs to see, in one document.  It is made of
 * answers that hold no secret; the file is its owner's alone all the same, for it names people
 * and hosts.
 */
#include "adconnectorctl.h"

#include "common/ctl_client.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool
take_line(void *arg, json_t *line)
{
	json_array_append(arg, line);
	return true;
}

static enum ctl_status
collect(struct ctl *ctl, json_t *bundle)
{
	json_t *status = NULL, *settings = NULL, *log = json_array();
	enum ctl_status result;

	result = ctl_request(ctl, "GET", "/api/v1/status", NULL, CTL_TIMEOUT, &status);
	if (result == CTL_DONE)
		result = ctl_request(ctl, "GET", "/api/v1/settings", NULL, CTL_TIMEOUT, &settings);
	if (result == CTL_DONE)
		result = ctl_stream(ctl, "GET", "/api/v1/log", NULL, CTL_TIMEOUT, take_line, log);
	json_object_set_new(bundle, "made", json_integer((json_int_t)time(NULL)));
	json_object_set(bundle, "status", json_object_get(status, "data"));
	json_object_set(bundle, "settings", json_object_get(settings, "settings"));
	json_object_set_new(bundle, "log", log);
	json_decref(status);
	json_decref(settings);
	return result;
}

static int
write_bundle(int fd, const json_t *bundle)
{
	FILE *file;
	int result;

	if ((file = fdopen(fd, "w")) == NULL) {
		close(fd);
		return -1;
	}
	result = json_dumpf(bundle, file, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	if (fputc('\n', file) == EOF)
		result = -1;
	return fclose(file) == EOF ? -1 : result;
}

/* A new file: what is there already is not overwritten, and no link followed. */
static enum ctl_status
make_file(struct ctl *ctl, const char *path, const json_t *bundle)
{
	int fd, saved;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return ctl_error(ctl, CTL_REFUSED, "not_saved", "%s: %s", path, strerror(errno));
	if (write_bundle(fd, bundle) == -1) {
		saved = errno;
		unlink(path);
		return ctl_error(ctl, CTL_REFUSED, "not_saved", "%s: %s", path, strerror(saved));
	}
	return CTL_DONE;
}

static void
tell_file(const struct ctl *ctl, const char *path)
{
	json_t *document;

	if (!ctl->json) {
		printf(
		    "look through it before you give it to anybody: it names people and hosts\n");
		return;
	}
	document = json_pack("{s:s}", "file", path);
	ctl_print_json(document);
	json_decref(document);
}

enum ctl_status
command_bundle(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	json_t *bundle;

	if (ctl_getopt(ctl, argc, argv, NULL, &status) == CTL_GETOPT_STOP)
		return status;
	if (argc - optind > 1)
		return ctl_usage(ctl, "one file at a time");
	bundle = json_object();
	status = collect(ctl, bundle);
	if (status == CTL_DONE && optind == argc)
		ctl_print_json(bundle);
	else if (status == CTL_DONE && (status = make_file(ctl, argv[optind], bundle)) == CTL_DONE)
		tell_file(ctl, argv[optind]);
	json_decref(bundle);
	return status;
}
