/* SPDX-License-Identifier: ISC */
/*
 * Reading of files.  This is all that knows libconfig; the text goes through
 * config_screen() first and never names another file.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_screen.h"
#include "config_store.h"

static const char *
type_found(const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_GROUP:
		return "a group { }";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a whole number";
	case CONFIG_TYPE_FLOAT:
		return "a fraction";
	case CONFIG_TYPE_STRING:
		return "a string";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		return "a list";
	default:
		return "nothing";
	}
}

static int
load_list(struct config *c, const struct config_rule *r, const struct config_source *from,
    const config_setting_t *s, char **error)
{
	const config_setting_t *item;
	const char **items;
	int i, n = config_setting_length(s), result = -1;

	/* Before the allocation, so that a file cannot choose its size. */
	if ((size_t)n > r->items_max)
		return config_fail(error, from, r->path, "list of %d; no more than %zu are taken",
		    n, r->items_max);
	if ((items = calloc((size_t)n + 1, sizeof(*items))) == NULL)
		return config_fail(error, from, r->path, "%s", strerror(errno));
	for (i = 0; i < n; i++) {
		item = config_setting_get_elem(s, (unsigned int)i);
		if (config_setting_type(item) != CONFIG_TYPE_STRING) {
			config_fail(error, from, r->path, "item %d of the list is %s, not a string",
			    i + 1, type_found(item));
			goto out;
		}
		items[i] = config_setting_get_string(item);
	}
	result = config_store_strings(c, r, from, items, (size_t)n, error);
out:
	free(items);
	return result;
}

static int
load_value(struct config *c, const struct config_rule *r, const struct config_source *from,
    const config_setting_t *s, char **error)
{
	int type = config_setting_type(s);
	const char *string = type == CONFIG_TYPE_STRING ? config_setting_get_string(s) : NULL;

	switch (r->type) {
	case CONFIG_STRING:
		if (string != NULL)
			return config_store_strings(c, r, from, &string, 1, error);
		break;
	case CONFIG_STRING_LIST:
		if (string != NULL)
			return config_store_strings(c, r, from, &string, 1, error);
		if (type == CONFIG_TYPE_LIST || type == CONFIG_TYPE_ARRAY)
			return load_list(c, r, from, s, error);
		break;
	case CONFIG_INTEGER:
		if (type == CONFIG_TYPE_INT)
			return config_store_integer(c, r, from, config_setting_get_int(s), error);
		if (type == CONFIG_TYPE_INT64)
			return config_store_integer(c, r, from, config_setting_get_int64(s), error);
		break;
	case CONFIG_BOOLEAN:
		if (type == CONFIG_TYPE_BOOL)
			return config_store_integer(
			    c, r, from, config_setting_get_bool(s) != 0, error);
		break;
	case CONFIG_DURATION:
		if (string != NULL)
			return config_store_duration(c, r, from, string, error);
		break;
	}
	return config_fail(error, from, r->path, "this is %s; it needs %s", type_found(s),
	    config_type_wanted(r->type));
}

static bool
is_group(const struct config *c, const char *path)
{
	size_t i, len = strlen(path);

	for (i = 0; i < c->nrules; i++)
		if (strncmp(c->rules[i].path, path, len) == 0 && c->rules[i].path[len] == '.')
			return true;
	return false;
}

static int
load_group(struct config *c, const config_setting_t *group, const char *prefix,
    const struct config_keys *keys, char **error)
{
	const struct config_rule *r;
	struct config_source from = { .name = c->name };
	const config_setting_t *s;
	char path[CONFIG_PATH_MAX];
	int i;

	for (i = 0; i < config_setting_length(group); i++) {
		s = config_setting_get_elem(group, (unsigned int)i);
		if (snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix == '\0' ? "" : ".",
			config_setting_name(s)) >= (int)sizeof(path)) {
			from.line = (int)config_setting_source_line(s);
			return config_fail(error, &from, path, "unknown key");
		}
		if ((from.line = config_keys_line(keys, path)) == 0)
			from.line = (int)config_setting_source_line(s);
		if ((r = config_rule_find(c->rules, c->nrules, path)) != NULL) {
			if (load_value(c, r, &from, s, error) == -1)
				return -1;
		} else if (!is_group(c, path)) {
			return config_fail(error, &from, path, "unknown key");
		} else if (!config_setting_is_group(s)) {
			return config_fail(error, &from, path,
			    "this is %s; it needs a group, %s { }", type_found(s),
			    config_setting_name(s));
		} else if (load_group(c, s, path, keys, error) == -1)
			return -1;
	}
	return 0;
}

/*
 * The text for libconfig: with a newline at its end, for a comment in the last
 * line is taken only so, and with "=" before the braces that lack it.
 */
static char *
complete(const char *text, size_t len, const struct config_keys *keys)
{
	size_t i, at = 0, from = 0;
	char *out;

	if ((out = malloc(len + keys->count + 2)) == NULL)
		return NULL;
	for (i = 0; i < keys->count; i++) {
		if (!keys->keys[i].bare)
			continue;
		memcpy(out + at, text + from, keys->keys[i].brace - from);
		at += keys->keys[i].brace - from;
		from = keys->keys[i].brace;
		out[at++] = '=';
	}
	memcpy(out + at, text + from, len - from);
	at += len - from;
	out[at++] = '\n';
	out[at] = '\0';
	return out;
}

/* libconfig finds a missing end behind the last line. */
static int
error_line(const config_t *parsed, const char *text)
{
	int last = 1, line = config_error_line(parsed);

	for (; *text != '\0'; text++)
		if (*text == '\n' && text[1] != '\0')
			last++;
	return line > last ? last : line;
}

struct config *
config_parse(const struct config_rule *rules, size_t nrules, const char *name, const char *text,
    size_t len, char **error)
{
	struct config *c = NULL, *result = NULL;
	struct config_keys keys = { 0 };
	config_t parsed;
	char *copy = NULL, *whole = NULL;

	*error = NULL;
	config_init(&parsed);
	/* config_screen() refuses @include; were it to miss one, nothing is found here. */
	config_set_include_dir(&parsed, "/dev/null");
	if (len > CONFIG_TEXT_MAX) {
		*error = config_text("%s: larger than %u bytes", name, CONFIG_TEXT_MAX);
		goto out;
	}
	if ((copy = malloc(len + 1)) == NULL) {
		*error = config_text("%s: %s", name, strerror(errno));
		goto out;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (config_screen(name, copy, len, &keys, error) == -1)
		goto out;
	if ((whole = complete(copy, len, &keys)) == NULL ||
	    (c = config_new(rules, nrules, name)) == NULL) {
		*error = config_text("%s: %s", name, strerror(errno));
		goto out;
	}
	if (config_read_string(&parsed, whole) != CONFIG_TRUE) {
		*error = config_text("%s:%d: %s", name, error_line(&parsed, copy),
		    config_error_text(&parsed) != NULL ? config_error_text(&parsed) : "refused");
		goto out;
	}
	if (load_group(c, config_root_setting(&parsed), "", &keys, error) == -1)
		goto out;
	result = c;
	c = NULL;
out:
	config_free(c);
	config_keys_free(&keys);
	config_destroy(&parsed);
	free(whole);
	free(copy);
	return result;
}

static int
config_open(const char *path, char **error)
{
	struct stat st;
	int fd, saved;

	/* O_NONBLOCK: a FIFO in the file's place must not hold us. */
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) == -1) {
		saved = errno;
		if (saved == ELOOP)
			*error = config_text("%s: is a symbolic link; name the file itself", path);
		else
			*error = config_text("%s: cannot open: %s", path, strerror(saved));
		errno = saved;
		return -1;
	}
	if (fstat(fd, &st) == -1)
		*error = config_text("%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		*error = config_text("%s: not a regular file", path);
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		*error = config_text("%s: group or others can write to it; chmod go-w it", path);
	else
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

struct config *
config_load(const struct config_rule *rules, size_t nrules, const char *path, char **error)
{
	struct config *c = NULL;
	char *text;
	size_t len = 0;
	ssize_t n;
	int fd;

	*error = NULL;
	if ((fd = config_open(path, error)) == -1)
		return NULL;
	if ((text = malloc(CONFIG_TEXT_MAX + 1)) == NULL) {
		*error = config_text("%s: %s", path, strerror(errno));
		close(fd);
		return NULL;
	}
	/* One byte more than the limit tells a file that is too large. */
	while (len < CONFIG_TEXT_MAX + 1) {
		n = read(fd, text + len, CONFIG_TEXT_MAX + 1 - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (n == -1)
		*error = config_text("%s: cannot read: %s", path, strerror(errno));
	else
		c = config_parse(rules, nrules, path, text, len, error);
	free(text);
	close(fd);
	if (c == NULL)
		errno = EINVAL;
	return c;
}
