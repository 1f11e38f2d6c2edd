/* SPDX-License-Identifier: ISC */
/*
 * Values as text: in libconfig syntax for the saved file, plain for showing.
 * What is written is read back and compared before it takes the old file's
 * place.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
write_string(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			fprintf(f, "\\x%02x", (unsigned char)*s);
		else
			putc(*s, f);
	}
	putc('"', f);
}

static void
write_value(FILE *f, const struct config_rule *r, const struct config_value *v)
{
	size_t i;

	switch (r->type) {
	case CONFIG_STRING:
		write_string(f, v->items[0]);
		break;
	case CONFIG_STRING_LIST:
		putc('[', f);
		for (i = 0; i < v->count; i++) {
			fputs(i == 0 ? " " : ", ", f);
			write_string(f, v->items[i]);
		}
		fputs(" ]", f);
		break;
	case CONFIG_INTEGER:
		/* libconfig 1.5 wraps larger ones at 32 bits unless they carry an L. */
		fprintf(f, "%" PRId64 "%s", v->integer,
		    v->integer < INT32_MIN || v->integer > INT32_MAX ? "L" : "");
		break;
	case CONFIG_BOOLEAN:
		fputs(v->integer ? "true" : "false", f);
		break;
	case CONFIG_DURATION:
		fprintf(f, "\"%" PRId64 "s\"", v->integer);
		break;
	}
}

/* Is path inside the group that prefix ("directory.", or "") stands for? */
static bool
inside(const char *path, const char *prefix)
{
	return strncmp(path, prefix, strlen(prefix)) == 0;
}

/*
 * Was this group met before, at a rule ahead of number i?  libconfig takes a
 * group once only, wherever its rules stand in the table.
 */
static bool
group_done(const struct config *c, size_t i, const char *group)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (c->values[j].set && inside(c->rules[j].path, group))
			return true;
	return false;
}

static void
write_group(FILE *f, const struct config *c, const char *prefix, int depth)
{
	char group[CONFIG_PATH_MAX];
	const char *name, *dot;
	size_t i;

	for (i = 0; i < c->nrules; i++) {
		if (!c->values[i].set || !inside(c->rules[i].path, prefix))
			continue;
		name = c->rules[i].path + strlen(prefix);
		if ((dot = strchr(name, '.')) == NULL) {
			fprintf(f, "%*s%s = ", depth * 2, "", name);
			write_value(f, &c->rules[i], &c->values[i]);
			fputs(";\n", f);
			continue;
		}
		snprintf(group, sizeof(group), "%.*s", (int)(dot + 1 - c->rules[i].path),
		    c->rules[i].path);
		if (group_done(c, i, group))
			continue;
		fprintf(f, "%*s%.*s = {\n", depth * 2, "", (int)(dot - name), name);
		write_group(f, c, group, depth + 1);
		fprintf(f, "%*s};\n", depth * 2, "");
	}
}

char *
config_format(const struct config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f;
	int failed;

	if ((f = open_memstream(&text, &len)) == NULL)
		return NULL;
	fputs("# Saved by adconnectorctl. Change it there, not here.\n", f);
	write_group(f, c, "", 0);
	failed = ferror(f);
	if (fclose(f) == EOF || failed) {
		free(text);
		return NULL;
	}
	return text;
}

char *
config_value_text(const struct config *c, const char *path)
{
	const struct config_rule *r = config_rule_find(c->rules, c->nrules, path);
	const struct config_value *v = config_value_find(c, path);
	char *text = NULL;
	size_t i, len;
	FILE *f;
	int failed;

	if (v == NULL)
		return NULL;
	switch (r->type) {
	case CONFIG_STRING:
		return strdup(v->items[0]);
	case CONFIG_INTEGER:
		return config_text("%" PRId64, v->integer);
	case CONFIG_BOOLEAN:
		return strdup(v->integer ? "true" : "false");
	case CONFIG_DURATION:
		return config_text("%" PRId64 "s", v->integer);
	case CONFIG_STRING_LIST:
		break;
	}
	if ((f = open_memstream(&text, &len)) == NULL)
		return NULL;
	for (i = 0; i < v->count; i++)
		fprintf(f, "%s%s", i == 0 ? "" : ", ", v->items[i]);
	failed = ferror(f);
	if (fclose(f) == EOF || failed) {
		free(text);
		return NULL;
	}
	return text;
}

bool
config_equal(const struct config *a, const struct config *b)
{
	size_t i, j;

	if (a->rules != b->rules || a->nrules != b->nrules)
		return false;
	for (i = 0; i < a->nrules; i++) {
		const struct config_value *v = &a->values[i], *w = &b->values[i];

		if (v->set != w->set || v->integer != w->integer || v->count != w->count)
			return false;
		for (j = 0; j < v->count; j++)
			if (strcmp(v->items[j], w->items[j]) != 0)
				return false;
	}
	return true;
}

/* The directory a path is in, malloc'ed. */
static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		if ((n = write(fd, text, len)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A new file with this text, on the disk when this returns 0. */
static int
write_new(const char *path, const char *text)
{
	int fd, saved;

	/* What a crash left behind. */
	if (unlink(path) == -1 && errno != ENOENT)
		return -1;
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) == -1)
		return -1;
	if (fchmod(fd, 0600) == -1 || write_all(fd, text, strlen(text)) == -1 || fsync(fd) == -1) {
		saved = errno;
		close(fd);
		unlink(path);
		errno = saved;
		return -1;
	}
	return close(fd);
}

static int
sync_directory(const char *path)
{
	int fd, result, saved;

	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	result = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

int
config_save(const struct config *c, const char *path, char **error)
{
	struct config *back = NULL;
	char *text, *fresh = NULL, *directory = NULL;
	int result = -1;

	*error = NULL;
	if ((text = config_format(c)) == NULL || (fresh = config_text("%s.new", path)) == NULL ||
	    (directory = directory_of(path)) == NULL) {
		*error = config_text("%s: %s", path, strerror(errno));
		goto out;
	}
	if ((back = config_parse(c->rules, c->nrules, path, text, strlen(text), error)) == NULL)
		goto out;
	if (!config_equal(c, back)) {
		*error =
		    config_text("%s: not written: the text would not be read back the same", path);
		goto out;
	}
	if (write_new(fresh, text) == -1) {
		*error = config_text("%s: cannot write: %s", fresh, strerror(errno));
		goto out;
	}
	if (rename(fresh, path) == -1) {
		*error = config_text("%s: cannot rename to it: %s", path, strerror(errno));
		unlink(fresh);
		goto out;
	}
	if (sync_directory(directory) == -1) {
		*error = config_text("%s: cannot sync: %s", directory, strerror(errno));
		goto out;
	}
	result = 0;
out:
	config_free(back);
	free(directory);
	free(fresh);
	free(text);
	return result;
}
