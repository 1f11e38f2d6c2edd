/* SPDX-License-Identifier: ISC */
/*
 * A strict reader and writer of configuration files over libconfig.  A table of
 * rules says which keys exist; whatever the table does not say is refused with
 * file, line and key.  libconfig by itself ignores unknown keys, follows
 * @include, and wraps or truncates odd values without a word; so the text is
 * read and screened here before libconfig sees it.
 *
 * Nothing here knows what a key means: see settings.h of each parent.
 */
#ifndef ADC_CONFIG_FILE_H
#define ADC_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_TEXT_MAX (256U * 1024U) /* bytes in one file */
#define CONFIG_DEPTH_MAX 8	       /* nested groups, lists and arrays */
#define CONFIG_KEYS_MAX 1024	       /* keys in one file */
#define CONFIG_PATH_MAX 128	       /* "directory.tls.mode", with NUL */
#define CONFIG_WHY_SIZE 512	       /* buffer given to a rule's check */

enum config_type {
	CONFIG_STRING,
	CONFIG_INTEGER,
	CONFIG_BOOLEAN,
	CONFIG_DURATION,   /* "30s", "5m", "24h", "7d"; kept in seconds */
	CONFIG_STRING_LIST /* [ "a", "b" ], ( "a", "b" ), or one string alone */
};

#define CONFIG_SETTABLE 0x1 /* may come from ctl and the saved file */
#define CONFIG_SECRET 0x2   /* the value is not repeated in error texts */

struct config_rule {
	const char *path; /* dotted, at most CONFIG_PATH_MAX - 1 bytes */
	enum config_type type;
	/* Bounds, both included: bytes of a string and of each list item; an integer's value;
	 * seconds. */
	int64_t min;
	int64_t max;
	/* Bounds of a list's length. */
	size_t items_min;
	size_t items_max;
	/* NULL, or the only strings allowed, ended by NULL. */
	const char *const *choices;
	unsigned int flags;
	/* NULL, or a further test of a string or of each list item: 0, or -1 with the reason in
	 * why. */
	int (*check)(const char *value, char *why, size_t size);
};

struct config_value {
	bool set;
	int line;	 /* 1 and up; 0 when it did not come from a file */
	int64_t integer; /* INTEGER, DURATION (seconds), BOOLEAN (0 or 1) */
	char **items;	 /* STRING: one item; STRING_LIST: count items, then NULL */
	size_t count;
};

/* What one file says: one value a rule, in the order of the rules. */
struct config {
	char *name; /* the file, for messages */
	const struct config_rule *rules;
	size_t nrules;
	struct config_value *values;
};

/*
 * Functions that can fail return NULL or -1 and put a malloc'ed text into
 * *error, which the caller frees: "FILE:LINE: KEY: what is wrong".
 * *error may be NULL when memory is short.
 */

/* Nothing set. */
struct config *config_new(const struct config_rule *rules, size_t nrules, const char *name);

/*
 * Reads a regular file of at most CONFIG_TEXT_MAX bytes.  A symbolic link, and a
 * file that group or others can write to, are refused.  errno is ENOENT when
 * there is no such file and EINVAL when its contents are refused.
 */
struct config *
config_load(const struct config_rule *rules, size_t nrules, const char *path, char **error);

/* The same for a text in memory; name stands for the file in messages. */
struct config *config_parse(const struct config_rule *rules, size_t nrules, const char *name,
    const char *text, size_t len, char **error);

struct config *config_copy(const struct config *);
void config_free(struct config *);

/* The rule of a key, or NULL: there is no such key. */
const struct config_rule *
config_rule_find(const struct config_rule *rules, size_t nrules, const char *path);

/* The value of a key, or NULL when it is not set or there is no such key. */
const struct config_value *config_value_find(const struct config *, const char *path);

/* The first item of a STRING, or NULL when it is not set. */
const char *config_value_string(const struct config *, const char *path);

/*
 * Sets a key from a text as typed on a command line: a list is divided at commas
 * and white space, a boolean is "true" or "false".  On failure the old value
 * stands.
 */
int config_change(struct config *, const char *path, const char *text, char **error);
void config_unset(struct config *, const char *path);

/* The value as text, the way config_change() takes it; NULL when not set. malloc'ed. */
char *config_value_text(const struct config *, const char *path);

/* Same keys set, to the same values; lines do not count. */
bool config_equal(const struct config *, const struct config *);

/* The values in libconfig syntax: config_parse() of it gives them back. malloc'ed. */
char *config_format(const struct config *);

/*
 * Writes config_format() to path: into a new file beside it, mode 0600, fsync,
 * rename, fsync of the directory.  At any crash the file is the old or the new
 * one.
 */
int config_save(const struct config *, const char *path, char **error);

/* Checks for rules. An absolute path without "." or ".." and empty parts. */
int config_check_path(const char *value, char *why, size_t size);

/* asprintf() that returns NULL on failure. */
char *config_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
