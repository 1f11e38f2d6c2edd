/* SPDX-License-Identifier: ISC */
/*
 * The keys of adconnector.conf(5), what each may hold, and the defaults.  A key
 * stands here only when the program does what it says: one that nothing reads
 * would be a promise to the person who writes it.
 */
#include "settings_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ADC_STATEDIR
#define ADC_STATEDIR "/var/lib"
#endif
#ifndef ADC_RUNSTATEDIR
#define ADC_RUNSTATEDIR "/run"
#endif

#define SID_PARTS_MAX 15 /* MS-DTYP 2.4.2: sub-authorities */

static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };
static const char *const tls_modes[] = { "ldaps", "starttls", "none", NULL };
static const char *const allow_words[] = { "authenticate", "test", "search_users", "get_user",
	"change_password", "reset_password", "sync_now", NULL };

static const struct {
	const char *key;
	const char *value;
} defaults[] = {
	{ "state_dir", ADC_STATEDIR "/adconnector" },
	{ "runtime_dir", ADC_RUNSTATEDIR "/adconnector" },
	{ "log.level", "info" },
	{ "log.format", "text" },
	{ "directory.tls.allow_clear", "false" },
	{ "directory.connections.min", "4" },
	{ "directory.connections.max", "256" },
	{ "policy.allow", "authenticate, test" },
	{ "policy.deny_privileged", "true" },
	{ "policy.lockout_margin", "2" },
	{ "policy.lockout_threshold_unknown", "3" },
	{ "web.listen", "127.0.0.1:9743" },
};

static int check_server(const char *, char *, size_t);
static int check_base(const char *, char *, size_t);
static int check_user(const char *, char *, size_t);
static int check_proxy(const char *, char *, size_t);
static int check_group(const char *, char *, size_t);
static int check_page(const char *, char *, size_t);

#define PATH(key, flag)                                                                            \
	{                                                                                          \
		.path = key, .type = CONFIG_STRING, .min = 2, .max = 1024, .flags = flag,          \
		.check = config_check_path                                                         \
	}
#define STRING(key, most, flag, test)                                                              \
	{                                                                                          \
		.path = key, .type = CONFIG_STRING, .min = 1, .max = most, .flags = flag,          \
		.check = test                                                                      \
	}
#define WORD(key, words, flag)                                                                     \
	{                                                                                          \
		.path = key, .type = CONFIG_STRING, .min = 1, .max = 32, .choices = words,         \
		.flags = flag                                                                      \
	}
#define INTEGER(key, least, most)                                                                  \
	{                                                                                          \
		.path = key, .type = CONFIG_INTEGER, .min = least, .max = most                     \
	}
#define BOOLEAN(key, flag)                                                                         \
	{                                                                                          \
		.path = key, .type = CONFIG_BOOLEAN, .flags = flag                                 \
	}

const struct config_rule settings_rules[] = {
	PATH("state_dir", 0),
	/* A socket's path has 108 bytes (unix(7)), and "/control.sock" needs 14 of them. */
	{ .path = "runtime_dir",
	    .type = CONFIG_STRING,
	    .min = 2,
	    .max = 94,
	    .check = config_check_path },
	/* Not root, and room above for one id a process. */
	INTEGER("uid_base", 1, 2147483000),
	WORD("log.level", log_levels, 0),
	WORD("log.format", log_formats, 0),

	{ .path = "directory.server",
	    .type = CONFIG_STRING_LIST,
	    .min = 1,
	    .max = 512,
	    .items_min = 1,
	    .items_max = SETTINGS_SERVERS_MAX,
	    .flags = CONFIG_SETTABLE | CONFIG_SECRET,
	    .check = check_server },
	STRING("directory.base", 1024, CONFIG_SETTABLE, check_base),
	STRING("directory.user", 1024, CONFIG_SETTABLE, check_user),
	PATH("directory.password_file", 0),
	WORD("directory.tls.mode", tls_modes, CONFIG_SETTABLE),
	PATH("directory.tls.ca", CONFIG_SETTABLE),
	STRING("directory.tls.name", 253, CONFIG_SETTABLE, endpoint_check_host),
	BOOLEAN("directory.tls.allow_clear", CONFIG_SETTABLE),
	INTEGER("directory.connections.min", 1, 256),
	/* The process may hold 1,024 descriptors, and needs some for others. */
	INTEGER("directory.connections.max", 1, 960),

	STRING("cloud.proxy", 1024, CONFIG_SETTABLE | CONFIG_SECRET, check_proxy),
	PATH("cloud.proxy_password_file", 0),
	PATH("cloud.ca", CONFIG_SETTABLE),

	{ .path = "policy.allow",
	    .type = CONFIG_STRING_LIST,
	    .min = 1,
	    .max = 32,
	    .items_min = 0,
	    .items_max = sizeof(allow_words) / sizeof(allow_words[0]) - 1,
	    .choices = allow_words },
	BOOLEAN("policy.deny_privileged", 0),
	/* Empty could be read as "nobody" and as "everybody": refused. */
	{ .path = "policy.allow_groups",
	    .type = CONFIG_STRING_LIST,
	    .min = 1,
	    .max = 256,
	    .items_min = 1,
	    .items_max = SETTINGS_GROUPS_MAX,
	    .check = check_group },
	{ .path = "policy.deny_groups",
	    .type = CONFIG_STRING_LIST,
	    .min = 1,
	    .max = 256,
	    .items_min = 1,
	    .items_max = SETTINGS_GROUPS_MAX,
	    .check = check_group },
	INTEGER("policy.lockout_margin", 0, 10),
	INTEGER("policy.lockout_threshold_unknown", 0, 999),

	{ .path = "web.listen", .type = CONFIG_STRING, .min = 0, .max = 64, .check = check_page },
};
const size_t settings_nrules = sizeof(settings_rules) / sizeof(settings_rules[0]);

static int
check_server(const char *value, char *why, size_t size)
{
	struct endpoint e;

	return endpoint_parse_directory(value, &e, why, size);
}

static int
check_base(const char *value, char *why, size_t size)
{
	const char *equals = strchr(value, '=');

	/* RFC 4514 3 in outline; the directory is the judge of the rest. */
	if (isalpha((unsigned char)value[0]) && equals != NULL && equals[1] != '\0' &&
	    value[strcspn(value, "=,+\"\\<>;")] == '=')
		return 0;
	snprintf(why, size, "not a DN such as \"DC=example,DC=com\"");
	return -1;
}

/* The names that AD takes in a simple bind, MS-ADTS 5.1.1.1.1; a bare name is not among them. */
static int
check_user(const char *value, char *why, size_t size)
{
	const char *back = strchr(value, '\\'), *at = strrchr(value, '@');

	if (strchr(value, '=') != NULL)
		return check_base(value, why, size);
	if (back != NULL && back != value && back[1] != '\0' && strchr(back + 1, '\\') == NULL)
		return 0;
	if (back == NULL && at != NULL && at != value && endpoint_host_name_valid(at + 1))
		return 0;
	snprintf(why, size,
	    "not a DN, USER@DOMAIN or DOMAIN\\USER (in a file the backslash is written \\\\)");
	return -1;
}

static int
check_proxy(const char *value, char *why, size_t size)
{
	struct endpoint_login login;
	struct endpoint e;
	int result;

	if ((result = endpoint_parse_proxy(value, &e, &login, why, size)) == 0 &&
	    login.password[0] != '\0') {
		snprintf(why, size,
		    "a password does not belong here; put it into a file that "
		    "cloud.proxy_password_file names");
		result = -1;
	}
	explicit_bzero(&login, sizeof(login));
	return result;
}

/* A name, or a SID as in MS-DTYP 2.4.2.1. */
static int
check_group(const char *value, char *why, size_t size)
{
	const char *p = value + 3;
	size_t len, parts;

	if (strncmp(value, "S-1-", 4) != 0)
		return 0;
	/* The authority has 48 bits, each sub-authority 32. */
	for (parts = 0; *p == '-'; p += 1 + len, parts++)
		if ((len = strspn(p + 1, "0123456789")) == 0 || len > (parts == 0 ? 15 : 10))
			break;
	if (*p == '\0' && parts >= 2 && parts <= SID_PARTS_MAX + 1)
		return 0;
	snprintf(why, size, "not a SID such as S-1-5-21-1-2-3-513");
	return -1;
}

bool
settings_page_off(const char *value)
{
	return value[0] == '\0' || strcmp(value, "none") == 0;
}

static int
check_page(const char *value, char *why, size_t size)
{
	struct endpoint e;

	return settings_page_off(value) ? 0 : endpoint_parse_local(value, &e, why, size);
}

struct config *
settings_defaults(char **error)
{
	struct config *c;
	size_t i;

	*error = NULL;
	if ((c = config_new(settings_rules, settings_nrules, "defaults")) == NULL)
		return NULL;
	for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (config_change(c, defaults[i].key, defaults[i].value, error) == -1) {
			config_free(c);
			return NULL;
		}
	return c;
}

unsigned int
settings_allow_bit(const char *word)
{
	static const struct {
		const char *word;
		unsigned int bit;
	} bits[] = {
		{ "authenticate", SETTINGS_ALLOW_AUTHENTICATE },
		{ "test", SETTINGS_ALLOW_TEST },
		{ "search_users", SETTINGS_ALLOW_SEARCH_USERS },
		{ "get_user", SETTINGS_ALLOW_GET_USER },
		{ "change_password", SETTINGS_ALLOW_CHANGE_PASSWORD },
		{ "reset_password", SETTINGS_ALLOW_RESET_PASSWORD },
		{ "sync_now", SETTINGS_ALLOW_SYNC_NOW },
	};
	size_t i;

	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (strcmp(bits[i].word, word) == 0)
			return bits[i].bit;
	return 0;
}

const char *
settings_tls_mode_name(enum settings_tls_mode mode)
{
	return tls_modes[mode];
}

/* Does ":LINE: " end here? */
static bool
is_behind_line(const char *text, const char *at)
{
	if (at - text < 4 || at[-1] != ' ' || at[-2] != ':')
		return false;
	for (at -= 3; at > text && isdigit((unsigned char)*at); at--)
		;
	return *at == ':' && isdigit((unsigned char)at[1]);
}

/* Is the text about this key? A file's name in front of it may hold anything. */
static bool
is_about(const char *error, const char *key)
{
	size_t len = strlen(key);
	const char *at;

	for (at = error; (at = strstr(at, key)) != NULL; at++)
		if ((at == error || is_behind_line(error, at)) && at[len] == ':')
			return true;
	return false;
}

const char *
settings_named(const char *error)
{
	size_t i;

	for (i = 0; i < settings_nrules; i++)
		if (is_about(error, settings_rules[i].path))
			return settings_rules[i].path;
	return is_about(error, "directory.password") ? "directory.password" : "";
}
