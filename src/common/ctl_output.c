/* SPDX-License-Identifier: ISC */
/*
 * Documents of the API as people or programs read them: see ctl.h.  Every
 * string in a document came from somewhere else and is escaped on its way out.
 */
#include "ctl.h"

#include "terminal.h"
#include "wipe.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER_DEPTH_MAX 8

/* Why standard output could not be written: stdio tells that only once. */
static int output_error;

void
ctl_flush(void)
{
	if (fflush(stdout) != 0 && output_error == 0)
		output_error = errno;
}

int
ctl_output_error(void)
{
	ctl_flush();
	return output_error == 0 && ferror(stdout) ? EIO : output_error;
}

static void
print_dump(const json_t *value, size_t flags)
{
	char *text;

	/* ASCII only: C1 controls and direction marks leave as \uNNNN as well. DEL needs help. */
	if ((text = json_dumps(value, flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY)) == NULL)
		errx(1, "document cannot be written as JSON");
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\x7f')
			fputs("\\u007f", stdout);
		else
			putchar(*p);
	}
	putchar('\n');
	ctl_flush();
	explicit_bzero(text, strlen(text));
	wiping_free(text);
}

void
ctl_print_json(const json_t *value)
{
	print_dump(value, JSON_INDENT(2));
}

void
ctl_print_json_line(const json_t *value)
{
	print_dump(value, JSON_COMPACT);
}

static char *
value_text(const json_t *value)
{
	char *text;
	int n;

	switch (json_typeof(value)) {
	case JSON_STRING:
		text = strdup(json_string_value(value));
		n = text == NULL ? -1 : 0;
		break;
	case JSON_INTEGER:
		n = asprintf(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		n = asprintf(&text, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		text = strdup(json_is_true(value) ? "yes" : "no");
		n = text == NULL ? -1 : 0;
		break;
	default:
		text = strdup("");
		n = text == NULL ? -1 : 0;
		break;
	}
	if (n == -1)
		err(1, "malloc");
	return text;
}

char *
ctl_text(const json_t *object, const char *key)
{
	const json_t *value;
	char *text;

	if ((value = json_object_get(object, key)) != NULL)
		return value_text(value);
	if ((text = strdup("")) == NULL)
		err(1, "strdup");
	return text;
}

json_t *
ctl_array(json_t *document, const char *key)
{
	json_t *array;

	if (json_is_array(document))
		return document;
	array = json_object_get(document, key);
	return json_is_array(array) ? array : NULL;
}

void
ctl_print_table(
    json_t *document, const char *key, const struct ctl_column *columns, size_t n, const char *none)
{
	const char *headings[TERMINAL_COLUMNS_MAX], *cells[TERMINAL_COLUMNS_MAX];
	char *texts[TERMINAL_COLUMNS_MAX];
	struct terminal_table *table;
	json_t *array, *row;
	size_t at, i;

	array = ctl_array(document, key);
	if (array == NULL || json_array_size(array) == 0) {
		printf("%s\n", none);
		return;
	}
	for (i = 0; i < n; i++)
		headings[i] = columns[i].heading;
	table = terminal_table_new(n, headings);
	json_array_foreach (array, at, row) {
		for (i = 0; i < n; i++)
			cells[i] = texts[i] = ctl_text(row, columns[i].key);
		terminal_table_row(table, cells);
		for (i = 0; i < n; i++)
			free(texts[i]);
	}
	terminal_table_print(table, stdout);
	terminal_table_free(table);
}

/* Lines "path   value", aligned to the widest path at this place. */
static void
add_members(struct terminal_table *table, const char *prefix, json_t *value, int depth)
{
	const char *cells[2];
	const char *key;
	char *path, *text;
	json_t *member;
	size_t at;

	if (json_is_object(value) && depth < MEMBER_DEPTH_MAX) {
		/* jansson keeps the order in which members came. */
		json_object_foreach (value, key, member) {
			if (asprintf(&path, "%s%s%s", prefix, *prefix == '\0' ? "" : ".", key) ==
			    -1)
				err(1, "asprintf");
			add_members(table, path, member, depth + 1);
			free(path);
		}
		return;
	}
	if (json_is_array(value) && depth < MEMBER_DEPTH_MAX) {
		json_array_foreach (value, at, member) {
			/* {id, name}: what a person looks for is the name. */
			if (json_is_string(json_object_get(member, "name")))
				add_members(
				    table, prefix, json_object_get(member, "name"), depth + 1);
			else
				add_members(table, prefix, member, depth + 1);
		}
		return;
	}
	text = value_text(value);
	cells[0] = prefix;
	cells[1] = text;
	terminal_table_row(table, cells);
	free(text);
}

void
ctl_print_members(json_t *object)
{
	static const char *const headings[] = { "", "" };
	struct terminal_table *table;

	table = terminal_table_new(2, headings);
	add_members(table, "", object, 0);
	terminal_table_print_rows(table, stdout);
	terminal_table_free(table);
}
