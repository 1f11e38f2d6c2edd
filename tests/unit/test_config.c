/* SPDX-License-Identifier: ISC */
/*
 * The strict reader and the writer of configuration files, with a table of
 * rules of its own: what libconfig would take and we must not, the edges of each
 * type, and that what is written is read back the same.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/wire.h"

#include "allocations.h"

static const char *const colours[] = { "red", "green", "blue", NULL };

static int
check_no_x(const char *value, char *why, size_t size)
{
	if (strchr(value, 'x') == NULL)
		return 0;
	snprintf(why, size, "holds an x");
	return -1;
}

static const struct config_rule rules[] = {
	{ .path = "name", .type = CONFIG_STRING, .min = 2, .max = 8 },
	{ .path = "free", .type = CONFIG_STRING, .min = 0, .max = 4096 },
	{ .path = "checked", .type = CONFIG_STRING, .min = 1, .max = 64, .check = check_no_x },
	{ .path = "colour", .type = CONFIG_STRING, .min = 1, .max = 64, .choices = colours },
	{ .path = "hidden",
	    .type = CONFIG_STRING,
	    .min = 1,
	    .max = 64,
	    .choices = colours,
	    .flags = CONFIG_SECRET },
	{ .path = "a.small", .type = CONFIG_INTEGER, .min = -5, .max = 10 },
	{ .path = "a.b.large", .type = CONFIG_INTEGER, .min = INT64_MIN, .max = INT64_MAX },
	{ .path = "other", .type = CONFIG_BOOLEAN },
	/* Apart from the rest of its group on purpose. */
	{ .path = "a.b.flag", .type = CONFIG_BOOLEAN, .flags = CONFIG_SETTABLE },
	{ .path = "a.wait", .type = CONFIG_DURATION, .min = 5, .max = 86400 },
	{ .path = "a.b.c.list",
	    .type = CONFIG_STRING_LIST,
	    .min = 1,
	    .max = 16,
	    .items_min = 1,
	    .items_max = 3 },
	{ .path = "many",
	    .type = CONFIG_STRING_LIST,
	    .min = 0,
	    .max = 4096,
	    .items_min = 0,
	    .items_max = 64 },
};

#define NRULES (sizeof(rules) / sizeof(rules[0]))

/*
 * libconfig 1.5 keeps a few bytes for good each time it finds a syntax error
 * behind a string.  The program reads files only when it starts.
 */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

static char folder[] = "/tmp/test_config.XXXXXX";

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static struct config *
parse_bytes(const char *text, size_t len, char **error)
{
	return config_parse(rules, NRULES, "f.conf", text, len, error);
}

static struct config *
taken(const char *text)
{
	struct config *c;
	char *error;

	if ((c = parse_bytes(text, strlen(text), &error)) == NULL)
		fail_msg("refused: %s", error);
	assert_null(error);
	return c;
}

/* Refused with exactly this text. */
static void
refused(const char *text, const char *want)
{
	struct config *c;
	char *error;

	if ((c = parse_bytes(text, strlen(text), &error)) != NULL)
		fail_msg("taken: %s", text);
	assert_non_null(error);
	assert_string_equal(error, want);
	free(error);
}

/* Refused with a text that holds this. */
static void
refused_part(const char *text, const char *want)
{
	struct config *c;
	char *error;

	if ((c = parse_bytes(text, strlen(text), &error)) != NULL)
		fail_msg("taken: %s", text);
	assert_non_null(error);
	if (strstr(error, want) == NULL || strncmp(error, "f.conf", 6) != 0)
		fail_msg("\"%s\" does not say \"%s\"", error, want);
	free(error);
}

static int64_t
integer(const struct config *c, const char *path)
{
	const struct config_value *v = config_value_find(c, path);

	assert_non_null(v);
	return v->integer;
}

static void
reads_values_and_lines(void **state)
{
	static const char text[] = "# comment\n"
				   "name = \"abc\"; // more\n"
				   "a = {\n"
				   "  small : -5,\n"
				   "  wait\n"
				   "  =\n"
				   "  \"5m\"\n"
				   "  b { /* in\n"
				   "  between */ large = 3000000000L\n"
				   "    c = { list = [ \"x\", \"y\" ] }\n"
				   "    flag = TRUE;\n"
				   "  };\n"
				   "};\n"
				   "many = ( \"p\" , \"q\" \"r\" )\n"
				   "other=false # the end, without a newline";
	const struct config_value *v;
	struct config *c;

	(void)state;
	c = taken(text);
	assert_string_equal(config_value_string(c, "name"), "abc");
	assert_int_equal(config_value_find(c, "name")->line, 2);
	assert_int_equal(integer(c, "a.small"), -5);
	assert_int_equal(config_value_find(c, "a.small")->line, 4);
	assert_int_equal(integer(c, "a.wait"), 300);
	assert_int_equal(config_value_find(c, "a.wait")->line, 5);
	assert_int_equal(integer(c, "a.b.large"), 3000000000);
	assert_int_equal(config_value_find(c, "a.b.large")->line, 9);
	v = config_value_find(c, "a.b.c.list");
	assert_int_equal(v->line, 10);
	assert_int_equal(v->count, 2);
	assert_string_equal(v->items[0], "x");
	assert_string_equal(v->items[1], "y");
	assert_null(v->items[2]);
	assert_int_equal(integer(c, "a.b.flag"), 1);
	assert_int_equal(config_value_find(c, "a.b.flag")->line, 11);
	v = config_value_find(c, "many");
	assert_int_equal(v->count, 2);
	assert_string_equal(v->items[1], "qr");
	assert_int_equal(integer(c, "other"), 0);
	assert_null(config_value_find(c, "free"));
	assert_null(config_value_string(c, "free"));
	assert_null(config_value_find(c, "nothing.like.it"));
	assert_null(config_value_find(c, "a"));
	config_free(c);
	config_free(taken(""));
	config_free(taken("\n\n# nothing\n/* at all */"));
	config_free(taken("a { };"));
	config_free(taken("a{}"));
	config_free(taken("a\n{\n}"));
	config_free(taken("a /* { */ : { }"));
	config_free(taken("a # {\n{ b\t{ c{}flag=true } }"));
	config_free(taken("\r\nname = \"abc\";\r\n"));
	config_free(NULL);
}

static void
unknown_keys(void **state)
{
	(void)state;
	refused("nam = \"abc\";", "f.conf:1: nam: unknown key");
	refused("\nName = \"abc\";", "f.conf:2: Name: unknown key");
	refused("name = \"abc\";\nnames = 1;", "f.conf:2: names: unknown key");
	refused("a {\n small = 1;\n big = 2;\n};", "f.conf:3: a.big: unknown key");
	refused("a { b {\n x = 2; }; };", "f.conf:2: a.b.x: unknown key");
	refused("a { b { c {\n lis = 2; }; }; };", "f.conf:2: a.b.c.lis: unknown key");
	refused("small = 1;", "f.conf:1: small: unknown key");
	refused("b { };", "f.conf:1: b: unknown key");
	refused("a { a { }; };", "f.conf:1: a.a: unknown key");
	refused("name* = 1", "f.conf:1: name*: unknown key");
	refused_part(
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1",
	    "unknown key");
}

/* Every type in the place of every other. */
static void
wrong_types(void **state)
{
	static const struct {
		const char *path;
		const char *before, *after;
		const char *needs;
		bool string, number, boolean, list;
	} keys[] = {
		{ "name", "", "", "a string", true, false, false, false },
		{ "a.small", "a {", "}", "a whole number", false, true, false, false },
		{ "a.b.flag", "a { b {", "} }", "true or false", false, false, true, false },
		{ "a.wait", "a {", "}", "a duration", true, false, false, false },
		{ "a.b.c.list", "a { b { c {", "} } }", "a list of strings", true, false, false,
		    true },
	};
	static const struct {
		const char *text, *is;
		int kind;
	} values[] = {
		{ "\"10s\"", "a string", 0 },
		{ "7", "a whole number", 1 },
		{ "7L", "a whole number", 1 },
		{ "true", "true or false", 2 },
		{ "[ \"10s\" ]", "a list", 3 },
		{ "( \"10s\" )", "a list", 3 },
		{ "{ }", "a group { }", 4 },
		{ "{ x = 1; }", "a group { }", 4 },
		{ "1.5", "a fraction", 4 },
		{ "-1e3", "a fraction", 4 },
		{ ".5", "a fraction", 4 },
	};
	const char *name;
	char text[256], want[256];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const bool good[] = { keys[i].string, keys[i].number, keys[i].boolean, keys[i].list,
			false };

		name = strrchr(keys[i].path, '.');
		name = name == NULL ? keys[i].path : name + 1;
		for (j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			snprintf(text, sizeof(text), "\n%s %s = %s %s", keys[i].before, name,
			    values[j].text, keys[i].after);
			if (good[values[j].kind]) {
				config_free(taken(text));
				continue;
			}
			snprintf(want, sizeof(want), "f.conf:2: %s: this is %s; it needs %s",
			    keys[i].path, values[j].is, keys[i].needs);
			refused_part(text, want);
		}
	}
	refused("a = 1;", "f.conf:1: a: this is a whole number; it needs a group, a { }");
	refused("a { b = \"x\"; };", "f.conf:1: a.b: this is a string; it needs a group, b { }");
	refused("many = ( \"x\", 1 );",
	    "f.conf:1: many: item 2 of the list is a whole number, "
	    "not a string");
	refused(
	    "many = ( ( \"x\" ) );", "f.conf:1: many: item 1 of the list is a list, not a string");
	refused("many = ( { x = 1 } );",
	    "f.conf:1: many: item 1 of the list is a group { }, not a string");
	refused("many = [ true ];",
	    "f.conf:1: many: item 1 of the list is true or false, not a string");
}

static void
string_edges(void **state)
{
	struct config *c;

	(void)state;
	refused("name = \"\";", "f.conf:1: name: empty");
	refused("name = \"a\";", "f.conf:1: name: shorter than 2 bytes");
	config_free(taken("name = \"ab\";"));
	config_free(taken("name = \"abcdefgh\";"));
	refused("name = \"abcdefghi\";", "f.conf:1: name: longer than 8 bytes");
	/* Bytes, not characters. */
	refused(
	    "name = \"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4x\";", "f.conf:1: name: longer than 8 bytes");
	config_free(taken("free = \"\";"));
	c = taken("free = \"\\\\ \\\" \xf0\x9f\x98\x80 \\x41 'q' // # /* \";");
	assert_string_equal(
	    config_value_string(c, "free"), "\\ \" \xf0\x9f\x98\x80 A 'q' // # /* ");
	config_free(c);
	refused("checked = \"xyz\";", "f.conf:1: checked: holds an x");
	config_free(taken("checked = \"yz\";"));
	config_free(taken("colour = \"green\";"));
	refused("\n\ncolour = \"Green\";",
	    "f.conf:3: colour: \"Green\" is not one of red, green, blue");
	refused("hidden = \"hunter2\";", "f.conf:1: hidden: not one of red, green, blue");
	/* What is quoted is kept short. */
	refused("colour = \"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffff\";",
	    "f.conf:1: colour: \"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffff\" "
	    "is not one of red, green, blue");
	refused_part("colour = \"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
		     "\xc3\xa4\xc3\xa4\";",
	    "ffffffffff\xc3\xa4\xc3\xa4\" is");

	/* Control characters, which libconfig's escapes make of "EXAMPLE\reader". */
	refused_part("free = \"EXAMPLE\\reader\";", "(a backslash is written \\\\)");
	refused_part("free = \"a\\nb\";", "control character");
	refused_part("free = \"a\\x1fb\";", "control character");
	refused_part("free = \"a\\x7fb\";", "control character");
	refused("free = \"a\nb\";", "f.conf:1: free: string without its closing quote");
	/* Escapes that libconfig passes through as they are. */
	refused_part("free = \"EXAMPLE\\admin\";", "free: backslash without a meaning");
	refused_part("free = \"a\\x4\";", "backslash without a meaning");
	refused_part("free = \"a\\xg0\";", "backslash without a meaning");
	refused_part("free = \"a\\\nb\";", "backslash without a meaning");
	/* A NUL, which libconfig drops. */
	refused("free = \"a\\x00b\";", "f.conf:1: free: \\x00 in a string");
	refused("free = \"a\\X00b\";", "f.conf:1: free: \\x00 in a string");
	refused("many = [ \"a\",\n\"\\x00\" ];", "f.conf:2: many: \\x00 in a string");
	/* Bad UTF-8 by way of escapes. */
	refused("free = \"a\\xffb\";", "f.conf:1: free: not UTF-8");
	refused("free = \"\\xc3\";", "f.conf:1: free: not UTF-8");
	config_free(taken("free = \"\\xc3\\xa4\";"));
	/* Not closed. */
	refused("name = \"abc;\n\n", "f.conf:1: name: string without its closing quote");
	refused("a { b { c { list = [ \"x\",\n\"y;\n\"z\" ] } } }",
	    "f.conf:2: a.b.c.list: string without its closing quote");
	refused("\nname = \"abc;\nfree = \"reader@example\";\nother = true;\n",
	    "f.conf:2: name: string without its closing quote");
	refused("name = \"abc", "f.conf:1: name: string without its closing quote");
	refused("name = \"", "f.conf:1: name: string without its closing quote");
	refused("\nname = \"abc\\",
	    "f.conf:2: name: backslash without a meaning in a string; a "
	    "backslash itself is written \\\\");
	refused("name = \"abc\";\n/* open", "f.conf:2: comment without its closing */");
	refused("/*/", "f.conf:1: comment without its closing */");
}

static void
bytes_of_the_text(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *want;
	} table[] = {
		{ "name = \"a\0b\";", 13, "f.conf:1: NUL byte in the file" },
		{ "name = \"abc\";\0", 14, "f.conf:1: NUL byte in the file" },
		{ "\n\n\0", 3, "f.conf:3: NUL byte in the file" },
		{ "# \xff\n", 4, "f.conf:1: text is not UTF-8" },
		{ "\n# \xc0\xaf\n", 6, "f.conf:2: text is not UTF-8" },
		{ "# \xed\xa0\x80\n", 6, "f.conf:1: text is not UTF-8" },
		{ "# \xf4\x90\x80\x80\n", 7, "f.conf:1: text is not UTF-8" },
		{ "name = \"abc\"\n\n# \xc3", 17, "f.conf:3: text is not UTF-8" },
		{ "\xef\xbb\xbfname = \"abc\";", 16,
		    "f.conf:1: begins with a byte order mark; save it without" },
	};
	struct config *c;
	char *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		c = parse_bytes(table[i].bytes, table[i].len, &error);
		assert_null(c);
		assert_string_equal(error, table[i].want);
		free(error);
	}
	config_free(taken("# \xf4\x8f\xbf\xbf \xed\x9f\xbf\n"));
}

static void
integer_edges(void **state)
{
	struct config *c;

	(void)state;
	config_free(taken("a { small = -5 }"));
	config_free(taken("a { small = 10 }"));
	config_free(taken("a { small = +10L }"));
	config_free(taken("a { small = 0 }"));
	refused("a { small = -6 }", "f.conf:1: a.small: -6 is out of range (-5 to 10)");
	refused("a { small = 11 }", "f.conf:1: a.small: 11 is out of range (-5 to 10)");
	refused("a { small = 4294967297L }",
	    "f.conf:1: a.small: 4294967297 is out of range (-5 to 10)");
	/* What libconfig 1.5 wraps at 32 bits: 4294967297 would come out as 1. */
	refused_part("a { small = 4294967297 }", "f.conf:1: a.small: number out of range");
	refused_part("a { small = 2147483648 }", "f.conf:1: a.small: number out of range");
	refused_part("a { small = -2147483649 }", "f.conf:1: a.small: number out of range");
	refused_part("a { b { large = 9223372036854775808L } }", "a.b.large: number out of range");
	refused_part("a { b { large = -9223372036854775809L } }", "a.b.large: number out of range");
	refused_part("a { b { large = 99999999999999999999999999 } }", "number out of range");
	refused("a { small = 0x5 }", "f.conf:1: a.small: write the number in decimal");
	refused("a { small = 0xfffffffff }", "f.conf:1: a.small: write the number in decimal");
	refused(
	    "a { small = 07 }", "f.conf:1: a.small: number with leading zeros; write it without");
	refused_part("a { small = 5x }", "a.small: write the number in decimal");
	refused_part("a { small = 5y }", "f.conf:1: syntax error");
	refused_part("a { small = - }", "f.conf:1: a.small: this is no string, number");
	refused_part("a { small = .5 }", "a.small: this is a fraction; it needs a whole number");
	refused_part("a { small = -.5 }", "a.small: this is a fraction; it needs a whole number");
	refused_part("a { small = +.5 }", "a.small: this is a fraction; it needs a whole number");
	refused_part("a { small = -. }", "f.conf:1: ");

	c = taken("a { b { large = 2147483647 } }");
	assert_int_equal(integer(c, "a.b.large"), INT32_MAX);
	config_free(c);
	c = taken("a { b { large = -2147483648 } }");
	assert_int_equal(integer(c, "a.b.large"), INT32_MIN);
	config_free(c);
	c = taken("a { b { large = 9223372036854775807L } }");
	assert_true(integer(c, "a.b.large") == INT64_MAX);
	config_free(c);
	c = taken("a { b { large = -9223372036854775808LL } }");
	assert_true(integer(c, "a.b.large") == INT64_MIN);
	config_free(c);
}

static void
duration_edges(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* 0: refused */
	} table[] = {
		{ "5s", 5 }, { "05s", 5 }, { "86400s", 86400 }, { "1m", 60 }, { "1440m", 86400 },
		{ "24h", 86400 }, { "1d", 86400 }, { "4s", 0 }, { "86401s", 0 }, { "1441m", 0 },
		{ "25h", 0 }, { "2d", 0 }, { "0s", 0 }, { "", 0 }, { "s", 0 }, { "5", 0 },
		{ "-5s", 0 }, { "+5s", 0 }, { " 5s", 0 }, { "5 s", 0 }, { "5s ", 0 }, { "5S", 0 },
		{ "5ms", 0 }, { "5x", 0 }, { "1h30m", 0 }, { "5.5s", 0 },
		{ "9223372036854775807s", 0 }, { "9223372036854775808s", 0 },
		{ "9223372036854775807d", 0 }, { "213503982334601d", 0 }, /* 64 bits overflow */
		{ "18446744073709551621s", 0 },				  /* 5 modulo 2^64 */
	};
	char text[128];
	struct config *c;
	char *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(text, sizeof(text), "a { wait = \"%s\" }", table[i].text);
		if (table[i].seconds == 0) {
			refused_part(text, "f.conf:1: a.wait: ");
			continue;
		}
		c = taken(text);
		assert_int_equal(integer(c, "a.wait"), table[i].seconds);
		config_free(c);
	}
	refused("a { wait = \"4s\" }", "f.conf:1: a.wait: 4 s is out of range (5 to 86400 s)");
	refused("a { wait = \"soon\" }",
	    "f.conf:1: a.wait: \"soon\" is not a duration such as "
	    "\"30s\", \"5m\", \"24h\" or \"7d\"");
	c = config_new(rules, NRULES, "n");
	assert_int_equal(config_change(c, "a.wait", "5q", &error), -1);
	free(error);
	config_free(c);
}

static void
list_edges(void **state)
{
	struct config *c;

	(void)state;
	refused("a { b { c { list = [ ] } } }",
	    "f.conf:1: a.b.c.list: list of 0; at least 1 are needed");
	refused("a { b { c { list = ( ) } } }",
	    "f.conf:1: a.b.c.list: list of 0; at least 1 are needed");
	config_free(taken("a { b { c { list = [ \"1\", \"2\", \"3\" ] } } }"));
	refused("a { b { c { list = [ \"1\", \"2\", \"3\", \"4\" ] } } }",
	    "f.conf:1: a.b.c.list: list of 4; no more than 3 are taken");
	refused("a { b { c { list = [ \"1\", \"\" ] } } }", "f.conf:1: a.b.c.list: empty");
	refused("a { b { c { list = [ \"12345678901234567\" ] } } }",
	    "f.conf:1: a.b.c.list: longer than 16 bytes");
	refused("a { b { c { list = [ \"1\", \"2\", \"1\" ] } } }",
	    "f.conf:1: a.b.c.list: item 3 of the list is the same as item 1");
	c = taken("many = [ ]");
	assert_non_null(config_value_find(c, "many"));
	assert_int_equal(config_value_find(c, "many")->count, 0);
	assert_null(config_value_string(c, "many"));
	config_free(c);
	c = taken("many = \"alone\"");
	assert_int_equal(config_value_find(c, "many")->count, 1);
	config_free(c);
	refused_part("many = [ \"x\", ]", "f.conf:1: syntax error");
	refused_part("many = [ \"x\", 1 ]", "f.conf:1: ");
}

static void
duplicates(void **state)
{
	(void)state;
	refused("name = \"abc\";\nname = \"abc\";", "f.conf:2: name: given twice, first on line 1");
	refused("a { b { flag = true;\n\n flag = true; } }",
	    "f.conf:3: a.b.flag: given twice, first on line 1");
	refused("a { small = 1 };\nother = true;\na { wait = \"5s\" };",
	    "f.conf:3: a: given twice, first on line 1");
	/* The same name in another group is another key. */
	refused("a { small = 1; b { small = 1 } }", "f.conf:1: a.b.small: unknown key");
}

static void
includes(void **state)
{
	static const char *const table[] = {
		"@include \"x\"\n",
		"@include \"/etc/passwd\"",
		"name = \"abc\";\n@include \"x\"\n",
		"\t @include\t\"x\"\n",
		"\r@include \"x\"\n",
		"name = \"abc\"; @include \"x\"\n",
		"a {\n@include \"x\"\n}",
		"many = (\n@include \"x\"\n)",
		"many = @include \"x\"",
		"/* */@include \"x\"\n",
		"/*\n*/@include \"x\"\n",
		"name = \"abc\" /* \" */\n@include \"x\"\n",
		"// \"\n@include \"x\"\n",
		"# /*\n@include \"x\"\n",
		"name = \"\\\\\"\n@include \"x\"\n",
		"free = \"//\"\n@include \"x\"\n",
		"@include\n\"x\"\n",
		"@include\"x\"\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		refused_part(table[i], "@include is not taken");
	refused_part("@Include \"x\"\n", "stray @");
	refused_part("name@x = 1\n", "stray @");
	refused_part("name = \"abc\"; @", "stray @");
	/* Where libconfig does not look, neither do we. */
	config_free(taken("# @include \"x\"\n"));
	config_free(taken("/*\n@include \"x\"\n*/"));
	config_free(taken("// a\n//@include \"x\"\n"));
	config_free(taken("free = \"@include \\\"x\\\"\";"));
}

static void
syntax(void **state)
{
	static const char *const table[] = { "name", "name =", "= 1", "name \"abc\"", "a {",
		"a { small", "}", "a } {", "name = \"abc\";;", "a.small = 1", "\"name\" = 1",
		"1 = 1", "many = [", "many = ( \"x\"", "many = [ \"x\" )", "a { ) }", "a = ( }",
		"name = abc", "%", "name = 'abc'", "\x01", "(", "]", "{}", "a {}}", "\\", "\"" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		refused_part(table[i], "f.conf:1: ");
	refused("\n\nname abc", "f.conf:3: syntax error");
}

/* What people write most that libconfig would only call a syntax error. */
static void
advice(void **state)
{
	static const char no_value[] =
	    ": this is no string, number, true or false; a string stands in \"quotes\"";
	static const char *const values[] = { "abc", "'abc'", "\xe2\x80\x9cinfo\xe2\x80\x9d",
		"/var/lib/x", "reader@example.com", "yes", "truest", "tru", "f", "*", "= 1", ": 1",
		"-", "+", "%", "\\", "$HOME" };
	static const char *const missing[] = { "", ";", "\n", "\n\n\n", " # \"x\"\n",
		";\nother = true", "\nother = true", "\nother: true\n", "\na { }", "\n;", "\n}",
		"}", "]", ")", "," };
	static const char *const booleans[] = { "true", "FALSE", "False", "tRuE" };
	char text[100], why[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(text, sizeof(text), "\nname = %s", values[i]);
		snprintf(why, sizeof(why), "f.conf:2: name%s", no_value);
		refused(text, why);
		snprintf(text, sizeof(text), "a {\nsmall: /**/ %s; }", values[i]);
		snprintf(why, sizeof(why), "f.conf:2: a.small%s", no_value);
		refused(text, why);
	}
	for (i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		snprintf(text, sizeof(text), "\nname =%s", missing[i]);
		refused(text, "f.conf:2: name: its value is missing");
	}
	refused("a {\nsmall =\n}", "f.conf:2: a.small: its value is missing");
	for (i = 0; i < sizeof(booleans) / sizeof(booleans[0]); i++) {
		snprintf(text, sizeof(text), "other = %s", booleans[i]);
		config_free(taken(text));
		snprintf(text, sizeof(text), "other =\n\n%s", booleans[i]);
		config_free(taken(text));
	}
	config_free(taken("name\n=\n# what it is\n\"abc\""));
	refused("\na.small = 1", "f.conf:2: a.: what is in a group is written in it: a { ... }");
	refused("a { b.flag = true }",
	    "f.conf:1: a.b.: what is in a group is written in it: b { ... }");
	refused_part("a . small = 1", "f.conf:1: a.: what is in a group is written in it: a {");
}

static void
nesting(void **state)
{
	static char text[CONFIG_TEXT_MAX + 1];
	static const char kinds[] = "([{";
	struct config *c;
	char *error;
	size_t i, k;

	(void)state;
	for (k = 0; kinds[k] != '\0'; k++) {
		/* As deep as is taken: libconfig then finds that it does not end. */
		memcpy(text, "many = ", 7);
		for (i = 0; i < CONFIG_DEPTH_MAX; i++)
			text[7 + i] = kinds[k];
		text[7 + i] = '\0';
		refused_part(text, "syntax error");
		text[7 + i++] = kinds[k];
		text[7 + i] = '\0';
		refused_part(text, "nested more than 8 deep");
		/* And a whole file of it. */
		memset(text + 7, kinds[k], CONFIG_TEXT_MAX - 7);
		c = parse_bytes(text, CONFIG_TEXT_MAX, &error);
		assert_null(c);
		assert_non_null(strstr(error, "nested more than 8 deep"));
		free(error);
	}
	memset(text, '}', CONFIG_TEXT_MAX);
	assert_null(parse_bytes(text, CONFIG_TEXT_MAX, &error));
	assert_non_null(strstr(error, "syntax error"));
	free(error);
	for (i = 0; i + 4 <= CONFIG_TEXT_MAX; i += 4)
		memcpy(text + i, "a { ", 4);
	assert_null(parse_bytes(text, CONFIG_TEXT_MAX, &error));
	free(error);
}

static void
sizes(void **state)
{
	static char text[CONFIG_TEXT_MAX + 2];
	struct config *c;
	char *error;
	size_t i, at;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "name = \"abc\";", 13);
	assert_non_null(c = parse_bytes(text, CONFIG_TEXT_MAX, &error));
	config_free(c);
	assert_null(parse_bytes(text, CONFIG_TEXT_MAX + 1, &error));
	assert_string_equal(error, "f.conf: larger than 262144 bytes");
	free(error);
	/* Many keys. */
	for (i = 0, at = 0; i <= CONFIG_KEYS_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "k%zu = 1;\n", i);
	assert_null(parse_bytes(text, at, &error));
	assert_string_equal(error, "f.conf:1025: more than 1024 keys in one file");
	free(error);
	for (i = 0, at = 0; i < CONFIG_KEYS_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "k%zu = 1;\n", i);
	assert_null(parse_bytes(text, at, &error));
	assert_string_equal(error, "f.conf:1: k0: unknown key");
	free(error);
	/* A long list is counted before it is copied. */
	at = (size_t)snprintf(text, sizeof(text), "many = [ \"0\"");
	for (i = 1; i <= 64; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ", \"%zu\"", i);
	at += (size_t)snprintf(text + at, sizeof(text) - at, " ];");
	refused(text, "f.conf:1: many: list of 65; no more than 64 are taken");
}

static void
changes(void **state)
{
	static const struct {
		const char *path, *text, *why; /* NULL: taken */
	} table[] = {
		{ "name", "abc", NULL },
		{ "name", "a", "name: shorter than 2 bytes" },
		{ "name", "", "name: empty" },
		{ "name", "ab\ncd",
		    "name: control character in a string (a backslash is written \\\\)" },
		{ "name", "ab\xff", "name: not UTF-8" },
		{ "nothing", "x", "nothing: unknown key" },
		{ "a", "x", "a: unknown key" },
		{ "", "x", ": unknown key" },
		{ "x\ny", "x", "x?y: unknown key" },
		{ "a.small", "-5", NULL },
		{ "a.small", "10", NULL },
		{ "a.small", "11", "a.small: 11 is out of range (-5 to 10)" },
		{ "a.small", "", "a.small: \"\" is not a whole number" },
		{ "a.small", "-", "a.small: \"-\" is not a whole number" },
		{ "a.small", "5 ", "a.small: \"5 \" is not a whole number" },
		{ "a.small", "0x5", "a.small: \"0x5\" is not a whole number" },
		{ "a.small", "--5", "a.small: \"--5\" is not a whole number" },
		{ "a.small", "9223372036854775808",
		    "a.small: \"9223372036854775808\" is not a whole number" },
		{ "a.b.large", "9223372036854775807", NULL },
		{ "a.b.flag", "true", NULL },
		{ "a.b.flag", "false", NULL },
		{ "a.b.flag", "TRUE", "a.b.flag: \"TRUE\" is not true or false" },
		{ "a.b.flag", "1", "a.b.flag: \"1\" is not true or false" },
		{ "a.wait", "5m", NULL },
		{ "a.wait", "5",
		    "a.wait: \"5\" is not a duration such as \"30s\", \"5m\", \"24h\" or "
		    "\"7d\"" },
		{ "a.b.c.list", "one", NULL },
		{ "a.b.c.list", " one, two\tthree ,", NULL },
		{ "a.b.c.list", "1,2,3,4", "a.b.c.list: no more than 3 are taken" },
		{ "a.b.c.list", " , ", "a.b.c.list: list of 0; at least 1 are needed" },
		{ "many", "", NULL },
	};
	const struct config_value *v;
	struct config *c, *before;
	char *error, *text;
	size_t i;

	(void)state;
	c = config_new(rules, NRULES, "typed");
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		before = config_copy(c);
		if (table[i].why == NULL) {
			if (config_change(c, table[i].path, table[i].text, &error) == -1)
				fail_msg("refused: %s", error);
		} else {
			assert_int_equal(
			    config_change(c, table[i].path, table[i].text, &error), -1);
			assert_string_equal(error, table[i].why);
			free(error);
			/* The old value stands. */
			assert_true(config_equal(c, before));
		}
		config_free(before);
	}
	v = config_value_find(c, "a.b.c.list");
	assert_int_equal(v->count, 3);
	assert_string_equal(v->items[0], "one");
	assert_string_equal(v->items[2], "three");
	assert_int_equal(v->line, 0);
	text = config_value_text(c, "a.b.c.list");
	assert_string_equal(text, "one, two, three");
	free(text);
	text = config_value_text(c, "a.wait");
	assert_string_equal(text, "300s");
	free(text);
	text = config_value_text(c, "a.b.flag");
	assert_string_equal(text, "false");
	free(text);
	text = config_value_text(c, "a.small");
	assert_string_equal(text, "10");
	free(text);
	text = config_value_text(c, "name");
	assert_string_equal(text, "abc");
	free(text);
	assert_null(config_value_text(c, "free"));
	config_unset(c, "name");
	assert_null(config_value_find(c, "name"));
	config_unset(c, "no.such");
	config_free(c);
}

/* A file beside the test, with these bytes and this mode. */
static void
put(const char *name, const void *bytes, size_t len, mode_t mode, char path[256])
{
	int fd;

	snprintf(path, 256, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
load_refused(const char *path, int number, const char *why)
{
	char *error = NULL;

	errno = 0;
	assert_null(config_load(rules, NRULES, path, &error));
	assert_int_equal(errno, number);
	assert_non_null(error);
	if (strstr(error, why) == NULL || strncmp(error, path, strlen(path)) != 0)
		fail_msg("\"%s\" does not say \"%s\"", error, why);
	free(error);
}

static void
files(void **state)
{
	static char large[CONFIG_TEXT_MAX + 1];
	static const mode_t bad[] = { 0620, 0602, 0666, 0664, 0777 }, good[] = { 0600, 0644, 0400 };
	static const char text[] = "name = \"abc\";\n";
	char path[256], link[256];
	struct config *c;
	char *error;
	size_t i;

	(void)state;
	snprintf(path, sizeof(path), "%s/absent", folder);
	load_refused(path, ENOENT, "cannot open: No such file");
	load_refused(folder, EINVAL, "not a regular file");
	load_refused("/dev/null", EINVAL, "not a regular file");
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	load_refused(path, EINVAL, "not a regular file");
	unlink(path);

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		put("f", text, sizeof(text) - 1, good[i], path);
		c = config_load(rules, NRULES, path, &error);
		assert_non_null(c);
		assert_string_equal(c->name, path);
		config_free(c);
		unlink(path);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("f", text, sizeof(text) - 1, bad[i], path);
		load_refused(path, EINVAL, "group or others can write to it");
		unlink(path);
	}
	put("f", text, sizeof(text) - 1, 0600, path);
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink(path, link), 0);
	load_refused(link, ELOOP, "is a symbolic link");
	unlink(link);
	unlink(path);

	put("f", text, 0, 0600, path);
	c = config_load(rules, NRULES, path, &error);
	assert_non_null(c);
	config_free(c);

	memset(large, '\n', sizeof(large));
	put("f", large, CONFIG_TEXT_MAX, 0600, path);
	c = config_load(rules, NRULES, path, &error);
	assert_non_null(c);
	config_free(c);
	put("f", large, CONFIG_TEXT_MAX + 1, 0600, path);
	load_refused(path, EINVAL, "larger than 262144 bytes");
	put("f", "\nname = 1;\n", 11, 0600, path);
	load_refused(path, EINVAL, ":2: name: this is a whole number");
	unlink(path);
}

/* Numbers that look random and are the same in each run. */
static uint64_t
next_number(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* A string that a rule without choices takes, full of what a syntax could trip on. */
static void
make_string(uint64_t *seed, char *out, size_t most)
{
	static const char *const parts[] = { "\\", "\"", "\\\\", "\\\"", "@include ", "//", "#",
		"/*", "*/", "\xc3\xa4", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80", " ", "{", "}", ";", "=",
		"\\n", "\\x41", "$", "'", "a", "Z", "0", ",", "DC=example", "%s%n" };
	size_t n = next_number(seed) % (most + 1), at = 0, len;
	const char *part;

	for (;;) {
		part = parts[next_number(seed) % (sizeof(parts) / sizeof(parts[0]))];
		len = strlen(part);
		if (at + len > n)
			break;
		memcpy(out + at, part, len);
		at += len;
	}
	out[at] = '\0';
}

static struct config *
make_config(uint64_t *seed)
{
	static const char *const paths[] = { "free", "many" };
	struct config *c = config_new(rules, NRULES, "made");
	char string[256], list[8][64], *error;
	char text[1024];
	size_t i, n;

	assert_non_null(c);
	if (next_number(seed) % 4 != 0) {
		make_string(seed, string, 200);
		assert_int_equal(config_change(c, paths[0], string, &error), 0);
	}
	if (next_number(seed) % 4 != 0) {
		n = next_number(seed) % 8;
		text[0] = '\0';
		for (i = 0; i < n; i++) {
			snprintf(list[i], sizeof(list[i]), "%zu", i);
			make_string(seed, list[i] + 1, 50);
			/* Commas and blanks divide what is typed. */
			list[i][strcspn(list[i], ", ")] = '\0';
			strncat(text, list[i], sizeof(text) - strlen(text) - 2);
			strncat(text, ",", 2);
		}
		assert_int_equal(config_change(c, paths[1], text, &error), 0);
		assert_int_equal(config_value_find(c, "many")->count, n);
	}
	if (next_number(seed) % 2 != 0) {
		snprintf(text, sizeof(text), "%" PRId64,
		    (int64_t)next_number(seed) >> (next_number(seed) % 63));
		/* INT64_MIN itself cannot be typed, and need not be. */
		assert_int_equal(config_change(c, "a.b.large", text, &error), 0);
	}
	if (next_number(seed) % 2 != 0)
		config_change(c, "a.b.flag", next_number(seed) % 2 ? "true" : "false", &error);
	if (next_number(seed) % 2 != 0)
		config_change(c, "other", next_number(seed) % 2 ? "true" : "false", &error);
	if (next_number(seed) % 2 != 0) {
		snprintf(text, sizeof(text), "%" PRIu64 "s", 5 + next_number(seed) % 86396);
		assert_int_equal(config_change(c, "a.wait", text, &error), 0);
	}
	if (next_number(seed) % 2 != 0)
		config_change(c, "colour", colours[next_number(seed) % 3], &error);
	return c;
}

static void
written_is_read_back(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15;
	struct config *c, *back;
	char *text, *error;
	int i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		c = make_config(&seed);
		assert_non_null(text = config_format(c));
		back = config_parse(rules, NRULES, "back", text, strlen(text), &error);
		if (back == NULL)
			fail_msg("%s in:\n%s", error, text);
		if (!config_equal(c, back))
			fail_msg("not the same:\n%s", text);
		config_free(back);
		back = config_copy(c);
		assert_true(config_equal(c, back));
		config_free(back);
		free(text);
		config_free(c);
	}
}

static void
equal_sees_differences(void **state)
{
	struct config *a, *b;

	(void)state;
	a = taken("many = [ \"x\", \"y\" ]; free = \"\";");
#define DIFFERS(text)                                                                              \
	b = taken(text);                                                                           \
	assert_false(config_equal(a, b));                                                          \
	config_free(b)
	DIFFERS("many = [ \"x\", \"y\" ];");
	DIFFERS("many = [ \"x\" ]; free = \"\";");
	DIFFERS("many = [ \"x\", \"z\" ]; free = \"\";");
	DIFFERS("many = [ \"x\", \"y\" ]; free = \"1\";");
	DIFFERS("many = [ \"x\", \"y\" ]; free = \"\"; other = false;");
#undef DIFFERS
	b = taken("\n\nfree = \"\";\nmany = ( \"x\", \"y\" );");
	assert_true(config_equal(a, b));
	config_free(b);
	config_free(a);
}

static void
saves(void **state)
{
	char path[256], fresh[256], folder_in_the_way[256];
	uint64_t seed = 42;
	struct config *c, *back;
	struct stat st;
	char *error;
	int i;

	(void)state;
	snprintf(path, sizeof(path), "%s/saved.conf", folder);
	snprintf(fresh, sizeof(fresh), "%s/saved.conf.new", folder);
	umask(0);
	for (i = 0; i < 20; i++) {
		c = make_config(&seed);
		assert_int_equal(config_save(c, path, &error), 0);
		assert_int_equal(lstat(path, &st), 0);
		assert_true(S_ISREG(st.st_mode));
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(lstat(fresh, &st), -1);
		assert_non_null(back = config_load(rules, NRULES, path, &error));
		assert_true(config_equal(c, back));
		config_free(back);
		config_free(c);
	}
	umask(077);

	/* What a crash left behind, and a link that somebody laid, are not written through. */
	c = taken("name = \"abc\";");
	assert_int_equal(symlink("/nonexistent/target", fresh), 0);
	assert_int_equal(config_save(c, path, &error), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));

	/* A failure leaves the old file as it is, and says what failed. */
	assert_int_equal(mkdir(fresh, 0700), 0);
	config_unset(c, "name");
	assert_int_equal(config_save(c, path, &error), -1);
	assert_non_null(strstr(error, "saved.conf.new: cannot write: "));
	free(error);
	assert_non_null(back = config_load(rules, NRULES, path, &error));
	assert_string_equal(config_value_string(back, "name"), "abc");
	config_free(back);
	rmdir(fresh);
	unlink(path);

	snprintf(folder_in_the_way, sizeof(folder_in_the_way), "%s/saved.conf", folder);
	assert_int_equal(mkdir(folder_in_the_way, 0700), 0);
	assert_int_equal(config_save(c, path, &error), -1);
	assert_non_null(strstr(error, "cannot rename"));
	free(error);
	assert_int_equal(lstat(fresh, &st), -1);
	rmdir(folder_in_the_way);

	assert_int_equal(config_save(c, "/nonexistent/folder/saved.conf", &error), -1);
	assert_non_null(strstr(error, "cannot write: No such file"));
	free(error);
	config_free(c);
}

/*
 * Bytes of a good file changed, left out and doubled: taken or refused with a
 * text, and what is taken can be written and read back.
 */
static void
broken_text(void **state)
{
	static const char good[] =
	    "# c\nname = \"abc\"; free = \"\\\\ \\x41 \xc3\xa4\";\n"
	    "a { small = -5, wait = \"5m\"; /* x */ b { large = 30L; flag = true;\n"
	    "c { list = [ \"x\", \"y\" ]; }; }; };\nmany = ( \"p\", \"q\" );\n";
	char text[sizeof(good) + 8];
	uint64_t seed = 7;
	struct config *c, *back;
	char *error, *written;
	size_t len, at, i, n, refusals = 0;

	(void)state;
	config_free(taken(good));
	for (i = 0; i < 20000; i++) {
		len = sizeof(good) - 1;
		memcpy(text, good, len);
		for (n = 1 + next_number(&seed) % 3; n > 0 && len > 0; n--) {
			at = next_number(&seed) % len;
			switch (next_number(&seed) % 4) {
			case 0:
				text[at] = (char)next_number(&seed);
				break;
			case 1:
				text[at] = "\"\\@{}[]();=:,#/*0xL\n"[next_number(&seed) % 20];
				break;
			case 2:
				memmove(text + at, text + at + 1, len - at - 1);
				len--;
				break;
			default:
				len = at + 1;
				break;
			}
		}
		error = NULL;
		if ((c = parse_bytes(text, len, &error)) == NULL) {
			assert_non_null(error);
			assert_int_equal(strncmp(error, "f.conf:", 7), 0);
			assert_true(utf8_valid(error, strlen(error)));
			free(error);
			refusals++;
			continue;
		}
		assert_non_null(written = config_format(c));
		back = config_parse(rules, NRULES, "b", written, strlen(written), &error);
		assert_non_null(back);
		assert_true(config_equal(c, back));
		config_free(back);
		config_free(c);
		free(written);
	}
	assert_true(refusals > 5000);
}

static void
path_check(void **state)
{
	static const char *const good[] = { "/a", "/a/b", "/a/.b", "/a/..b", "/a/b..",
		"/\xc3\xa4/x y" };
	static const char *const bad[] = { "a", "./a", "", "/", "//a", "/a/", "/a//b", "/a/./b",
		"/a/../b", "/..", "/." };
	char why[CONFIG_WHY_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(config_check_path(good[i], why, sizeof(why)), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(config_check_path(bad[i], why, sizeof(why)), -1);
}

/* A value is as it was, or the new one whole.  libconfig, which ends the process, is left out. */
static bool
changed_without_memory(void *arg)
{
	struct config *c = config_new(rules, NRULES, "name"), *copy;
	char *error = NULL;
	bool changed;

	(void)arg;
	if (c == NULL)
		return false;
	changed = config_change(c, "many", "one two three", &error) == 0;
	free(error);
	error = NULL;
	if (changed) {
		changed = config_change(c, "many", "four five", &error) == 0;
		assert_int_equal(config_value_find(c, "many")->count, changed ? 2 : 3);
		assert_string_equal(config_value_string(c, "many"), changed ? "four" : "one");
		free(error);
	}
	assert_int_equal(config_change(c, "name", "x", &error), -1);
	free(error);
	copy = config_copy(c);
	if (copy != NULL && changed)
		assert_string_equal(config_value_string(copy, "many"), "four");
	config_free(copy);
	config_free(c);
	return changed && copy != NULL;
}

static void
want_of_memory(void **state)
{
	(void)state;
	allocations_fail_each(changed_without_memory, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_values_and_lines),
		cmocka_unit_test(unknown_keys),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(string_edges),
		cmocka_unit_test(bytes_of_the_text),
		cmocka_unit_test(integer_edges),
		cmocka_unit_test(duration_edges),
		cmocka_unit_test(list_edges),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(includes),
		cmocka_unit_test(syntax),
		cmocka_unit_test(advice),
		cmocka_unit_test(nesting),
		cmocka_unit_test(sizes),
		cmocka_unit_test(changes),
		cmocka_unit_test(files),
		cmocka_unit_test(written_is_read_back),
		cmocka_unit_test(equal_sees_differences),
		cmocka_unit_test(saves),
		cmocka_unit_test(broken_text),
		cmocka_unit_test(path_check),
		cmocka_unit_test(want_of_memory),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
