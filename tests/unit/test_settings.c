/* SPDX-License-Identifier: ISC */
/*
 * The settings of both parents: defaults, each key's edges, the layers, what may
 * be set and when the saved password is forgotten; and that the examples and
 * manual pages know every key.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/connector/parent/settings.h"
#include "../../src/hub/parent/settings.h"

#include "common/message.h"

/* See test_config.c. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

static char folder[] = "/tmp/test_settings.XXXXXX";
static char file[64], saved[64];

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/f.conf", folder);
	snprintf(saved, sizeof(saved), "%s/saved.conf", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(file);
	unlink(saved);
	return rmdir(folder);
}

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t len = strlen(text);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static struct settings *
load(const char *text, const char *saved_text)
{
	struct settings *s;
	char *error;

	put(file, text);
	if (saved_text != NULL)
		put(saved, saved_text);
	else
		unlink(saved);
	if ((s = settings_load(file, saved, &error)) == NULL)
		fail_msg("refused: %s", error);
	return s;
}

/* The error begins with the file's name; the rest is this. */
static void
refused(const char *text, const char *want)
{
	struct settings *s;
	char *error;

	put(file, text);
	unlink(saved);
	if ((s = settings_load(file, saved, &error)) != NULL)
		fail_msg("taken: %s", text);
	assert_non_null(error);
	if (strncmp(error, file, strlen(file)) != 0 || strstr(error, want) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, want);
	free(error);
}

static void
set_good(struct settings *s, const char *key, const char *value)
{
	char *error;

	if (settings_set(s, key, value, &error) == -1)
		fail_msg("refused: %s", error);
}

static void
set_bad(struct settings *s, const char *key, const char *value, const char *want)
{
	struct config *before = config_copy(s->saved);
	char *error;

	assert_int_equal(settings_set(s, key, value, &error), -1);
	assert_non_null(error);
	if (strstr(error, want) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, want);
	free(error);
	assert_true(config_equal(before, s->saved));
	config_free(before);
}

static void
missing_is(const char *text, const char *saved_text, bool password, const char *want_text,
    const char *want_hint)
{
	char told[SETTINGS_MISSING_SIZE], hint[SETTINGS_MISSING_SIZE];
	struct settings *s = load(text, saved_text);

	assert_int_equal(settings_missing(s, password, told, hint), want_text[0] != '\0');
	assert_string_equal(told, want_text);
	assert_string_equal(hint, want_hint);
	settings_free(s);
}

static void
missing(void **state)
{
	char hint[256];

	(void)state;
	missing_is("", NULL, false, "no AD server, user or password is set",
	    "adconnectorctl set directory.server=ldaps://DC directory.user=USER "
	    "directory.password");
	missing_is("", "directory { server = \"ldaps://dc1\"; user = \"a@b\" }", false,
	    "directory.password is missing", "adconnectorctl set directory.password");
	missing_is("", "directory { server = \"ldaps://dc1\" }", false,
	    "directory.user and directory.password are missing",
	    "adconnectorctl set directory.user=USER directory.password");
	missing_is("", "directory { server = \"ldaps://dc1\"; user = \"a@b\" }", true, "", "");
	/* Beside these nothing could be set. */
	snprintf(hint, sizeof(hint),
	    "add directory.user and directory.password_file to %s, which gives directory.server "
	    "in line 2, and start adconnectord again",
	    file);
	missing_is("\ndirectory { server = \"ldaps://dc1\" }", NULL, true,
	    "directory.user and directory.password_file are missing", hint);
	snprintf(hint, sizeof(hint),
	    "add directory.server, directory.user and directory.password_file to %s, which gives "
	    "directory.tls.ca in line 1, and start adconnectord again",
	    file);
	missing_is("directory { tls { ca = \"/ca\" } }",
	    "directory { server = \"ldaps://dc1\"; user = \"a@b\" }", true,
	    "directory.server, directory.user and directory.password_file are missing", hint);
	missing_is("directory { server = \"ldaps://dc1\"; user = \"a@b\"; password_file = \"/p\" }",
	    NULL, true, "", "");
}

static void
defaults(void **state)
{
	struct settings *s;
	char *error, *text;
	enum settings_origin origin;

	(void)state;
	s = settings_load(NULL, saved, &error);
	assert_non_null(s);
	assert_int_equal(s->uid_base, 0);
	assert_int_equal(s->log.level, LOG_LEVEL_INFO);
	assert_false(s->log.json);
	assert_int_equal(s->directory.nservers, 0);
	assert_null(s->directory.base);
	assert_null(s->directory.user);
	assert_null(s->directory.password_file);
	assert_int_equal(s->directory.tls_mode, SETTINGS_TLS_LDAPS);
	assert_false(s->directory.allow_clear);
	assert_int_equal(s->directory.connections_min, 4);
	assert_int_equal(s->directory.connections_max, 256);
	assert_false(s->cloud.has_proxy);
	assert_int_equal(s->policy.allow, SETTINGS_ALLOW_AUTHENTICATE | SETTINGS_ALLOW_TEST);
	assert_true(s->policy.deny_privileged);
	assert_int_equal(s->policy.allow_groups.count, 0);
	assert_int_equal(s->policy.deny_groups.count, 0);
	assert_int_equal(s->policy.lockout_margin, 2);
	assert_int_equal(s->policy.lockout_threshold_unknown, 3);
	assert_true(s->web.on);
	assert_string_equal(s->web.listen.host, "127.0.0.1");
	assert_int_equal(s->web.listen.port, 9743);
	assert_false(settings_directory_ready(s));
	assert_true(settings_saved_password_allowed(s));
	text = settings_text(s, "state_dir", &origin);
	assert_non_null(strstr(text, "/adconnector"));
	assert_string_equal(text, s->state_dir);
	assert_int_equal(origin, SETTINGS_DEFAULT);
	free(text);
	text = settings_text(s, "directory.tls.mode", &origin);
	assert_string_equal(text, "ldaps");
	free(text);
	assert_null(settings_text(s, "directory.base", &origin));
	settings_free(s);
	settings_free(NULL);
}

static void
full_file(void **state)
{
	static const char text[] =
	    "state_dir = \"/srv/adc\"; runtime_dir = \"/run/adc\"; uid_base = 60000;\n"
	    "log { level = \"debug\"; format = \"json\"; };\n"
	    "directory {\n"
	    "  server = [ \"ldap://dc1.example.com\", \"ldap://10.0.0.2:3389\" ];\n"
	    "  base = \"DC=example,DC=com\";\n"
	    "  user = \"EXAMPLE\\\\reader\";\n"
	    "  password_file = \"/etc/adconnector/password\";\n"
	    "  tls { mode = \"starttls\"; ca = \"/etc/adconnector/ca.pem\"; name = "
	    "\"dc.example.com\"; };\n"
	    "  connections { min = 2; max = 8; };\n"
	    "};\n"
	    "cloud { proxy = \"http://al%20ice@proxy.example.com:3128\";\n"
	    "  proxy_password_file = \"/etc/adconnector/proxy\"; ca = "
	    "\"/etc/adconnector/hub.pem\"; };\n"
	    "policy { allow = [ \"authenticate\", \"reset_password\" ]; deny_privileged = false;\n"
	    "  allow_groups = [ \"Staff\", \"S-1-5-21-1-2-3-1105\" ]; deny_groups = ( \"Guests, "
	    "all\" );\n"
	    "  lockout_margin = 0; lockout_threshold_unknown = 0; };\n";
	struct settings *s, *copy;

	(void)state;
	s = load(text, NULL);
	copy = settings_copy(s);
	settings_free(s);
	s = copy;
	assert_string_equal(s->state_dir, "/srv/adc");
	assert_string_equal(s->runtime_dir, "/run/adc");
	assert_int_equal(s->uid_base, 60000);
	assert_int_equal(s->log.level, LOG_LEVEL_DEBUG);
	assert_true(s->log.json);
	assert_int_equal(s->directory.nservers, 2);
	assert_string_equal(s->directory.servers[0].host, "dc1.example.com");
	assert_int_equal(s->directory.servers[0].port, 389);
	assert_string_equal(s->directory.servers[1].host, "10.0.0.2");
	assert_int_equal(s->directory.servers[1].port, 3389);
	assert_string_equal(s->directory.base, "DC=example,DC=com");
	assert_string_equal(s->directory.user, "EXAMPLE\\reader");
	assert_string_equal(s->directory.password_file, "/etc/adconnector/password");
	assert_int_equal(s->directory.tls_mode, SETTINGS_TLS_STARTTLS);
	assert_string_equal(s->directory.tls_ca, "/etc/adconnector/ca.pem");
	assert_string_equal(s->directory.tls_name, "dc.example.com");
	assert_int_equal(s->directory.connections_min, 2);
	assert_int_equal(s->directory.connections_max, 8);
	assert_true(s->cloud.has_proxy);
	assert_string_equal(s->cloud.proxy.host, "proxy.example.com");
	assert_string_equal(s->cloud.proxy_user, "al ice");
	assert_string_equal(s->cloud.proxy_password_file, "/etc/adconnector/proxy");
	assert_string_equal(s->cloud.ca, "/etc/adconnector/hub.pem");
	assert_int_equal(
	    s->policy.allow, SETTINGS_ALLOW_AUTHENTICATE | SETTINGS_ALLOW_RESET_PASSWORD);
	assert_false(s->policy.deny_privileged);
	assert_int_equal(s->policy.allow_groups.count, 2);
	assert_string_equal(s->policy.allow_groups.items[0], "Staff");
	assert_string_equal(s->policy.deny_groups.items[0], "Guests, all");
	assert_int_equal(s->policy.lockout_margin, 0);
	assert_int_equal(s->policy.lockout_threshold_unknown, 0);
	assert_true(settings_directory_ready(s));
	assert_false(settings_saved_password_allowed(s));
	settings_free(s);

	s = load("policy { allow = [ ] }", NULL);
	assert_int_equal(s->policy.allow, 0);
	settings_free(s);
	s = load("policy { allow = [ \"authenticate\", \"test\", \"search_users\", \"get_user\", "
		 "\"change_password\", \"reset_password\", \"sync_now\" ] }",
	    NULL);
	assert_int_equal(s->policy.allow, 0x7f);
	settings_free(s);
}

/* "a.b.c" and a value as text: a { b { c = VALUE } } */
static void
nest(const char *path, const char *value, char *out, size_t size)
{
	const char *dot;
	size_t at = 0, depth = 0;

	for (; (dot = strchr(path, '.')) != NULL; path = dot + 1, depth++)
		at += (size_t)snprintf(out + at, size - at, "%.*s { ", (int)(dot - path), path);
	at += (size_t)snprintf(out + at, size - at, "%s = %s", path, value);
	while (depth-- > 0)
		at += (size_t)snprintf(out + at, size - at, " }");
}

static void
check_each_key(const struct config_rule *rules, size_t nrules, bool hub)
{
	static const struct {
		const char *text;
		bool fits[5]; /* by enum config_type */
	} values[] = {
		{ "\"\"", { true, false, false, true, true } },
		{ "1", { false, true, false, false, false } },
		{ "true", { false, false, true, false, false } },
		{ "[ \"\" ]", { false, false, false, false, true } },
		{ "{ }", { false, false, false, false, false } },
		{ "1.5", { false, false, false, false, false } },
	};
	char text[256], twice[640], want[256], *error;
	struct config *c;
	size_t i, j;

	for (i = 0; i < nrules; i++) {
		for (j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			if (values[j].fits[rules[i].type])
				continue;
			nest(rules[i].path, values[j].text, text, sizeof(text));
			c = config_parse(rules, nrules, "f", text, strlen(text), &error);
			assert_null(c);
			snprintf(want, sizeof(want), "f:1: %s: this is", rules[i].path);
			if (strncmp(error, want, strlen(want)) != 0)
				fail_msg("%s: %s", text, error);
			free(error);
		}
		/* An empty string, where it has no meaning, and a key below or beside it. */
		if ((rules[i].type == CONFIG_STRING || rules[i].type == CONFIG_STRING_LIST) &&
		    rules[i].min > 0) {
			nest(rules[i].path, "\"\"", text, sizeof(text));
			assert_null(config_parse(rules, nrules, "f", text, strlen(text), &error));
			snprintf(want, sizeof(want), "f:1: %s: empty", rules[i].path);
			assert_string_equal(error, want);
			free(error);
		}
		if (rules[i].type == CONFIG_INTEGER) {
			snprintf(want, sizeof(want), "%lldL", (long long)rules[i].max + 1);
			nest(rules[i].path, want, text, sizeof(text));
			assert_null(config_parse(rules, nrules, "f", text, strlen(text), &error));
			assert_non_null(strstr(error, "out of range"));
			free(error);
			snprintf(want, sizeof(want), "%lldL", (long long)rules[i].min - 1);
			nest(rules[i].path, want, text, sizeof(text));
			assert_null(config_parse(rules, nrules, "f", text, strlen(text), &error));
			assert_non_null(strstr(error, "out of range"));
			free(error);
			snprintf(want, sizeof(want), "%lld", (long long)rules[i].max);
			nest(rules[i].path, want, text, sizeof(text));
			assert_non_null(
			    c = config_parse(rules, nrules, "f", text, strlen(text), &error));
			config_free(c);
			snprintf(want, sizeof(want), "%lld", (long long)rules[i].min);
			nest(rules[i].path, want, text, sizeof(text));
			assert_non_null(
			    c = config_parse(rules, nrules, "f", text, strlen(text), &error));
			config_free(c);
		}
		snprintf(want, sizeof(want), "%sx", rules[i].path);
		nest(want, "1", text, sizeof(text));
		assert_null(config_parse(rules, nrules, "f", text, strlen(text), &error));
		snprintf(twice, sizeof(twice), "f:1: %s: unknown key", want);
		assert_string_equal(error, twice);
		free(error);
	}
	assert_true(hub ? nrules > 8 : nrules > 20);
}

static void
each_key(void **state)
{
	(void)state;
	check_each_key(settings_rules, settings_nrules, false);
	check_each_key(hub_settings_rules, hub_settings_nrules, true);
	/* Known to the design, not to this version: a key that does nothing is refused. */
	refused("metrics = \"127.0.0.1:9744\";", ":1: metrics: unknown key");
	refused("web { port = 9743 }", ":1: web.port: unknown key");
	refused("sync { sweep = \"5m\" }", ":1: sync: unknown key");
	refused("policy { rate = 5 }", ":1: policy.rate: unknown key");
	refused("directory { keytab = \"/etc/krb5.keytab\" }", ":1: directory.keytab: unknown key");
	refused("directory { password = \"hunter2\" }", ":1: directory.password: unknown key");
	refused(
	    "directory {\n tls {\n insecure = true } }", ":3: directory.tls.insecure: unknown key");
}

static void
key_edges(void **state)
{
	struct settings *s;
	size_t i;

	(void)state;
	refused("state_dir = \"var\"", "state_dir: not an absolute path");
	refused("state_dir = \"/var/../etc\"", "state_dir: path with");
	refused(
	    "runtime_dir = \"/run/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaa\"",
	    "runtime_dir: longer than 94 bytes");
	refused("uid_base = 0", "uid_base: 0 is out of range");
	refused("log { level = \"trace\" }",
	    "log.level: \"trace\" is not one of error, warning, info, debug");
	refused("\n\n\n\ndirectory {\n tls {\n mode = \"ldap\" } }",
	    ":7: directory.tls.mode: \"ldap\" is not one of ldaps, starttls, none");
	refused("directory { server = [ ] }", "directory.server: list of 0");
	refused("directory { server = \"dc1\" }", "write ldaps://HOST");
	refused("directory { server = \"https://hub.example.com/t/SECRETSECRET\" }",
	    "directory.server: https://hub.example.com is a cloud address; the ticket goes to "
	    "'adconnectorctl enroll', here belongs ldaps://HOST");
	refused("directory { base = \"example.com\" }", "directory.base: not a DN");
	refused("directory { base = \"DC=\" }", "directory.base: not a DN");
	refused("directory { base = \"=x\" }", "directory.base: not a DN");
	refused("directory { base = \"foo,DC=x\" }", "directory.base: not a DN");
	refused("directory { user = \"reader\" }", "directory.user: not a DN, USER@DOMAIN");
	refused("directory { user = \"@example.com\" }", "directory.user: not a DN");
	refused("directory { user = \"reader@\" }", "directory.user: not a DN");
	refused("directory { user = \"\\\\reader\" }", "directory.user: not a DN");
	refused("directory { user = \"EXAMPLE\\\\\" }", "directory.user: not a DN");
	refused("directory { user = \"A\\\\b\\\\c\" }", "directory.user: not a DN");
	refused("directory { user = \"EXAMPLE\\reader\" }", "a backslash is written \\\\");
	refused("directory { tls { name = \"https://dc1\" } }", "directory.tls.name: neither");
	refused("cloud { proxy = \"proxy:3128\" }", "cloud.proxy: a proxy is written http://");
	refused("policy { allow = [ \"login\" ] }", "policy.allow: \"login\" is not one of");
	refused("policy { allow_groups = [ ] }", "policy.allow_groups: list of 0");
	refused("policy { deny_groups = [ \"S-1-5\" ] }", "policy.deny_groups: not a SID");
	refused("policy { deny_groups = [ \"S-1-5-\" ] }", "policy.deny_groups: not a SID");
	refused("policy { deny_groups = [ \"S-1-5-21-\" ] }", "policy.deny_groups: not a SID");
	refused("policy { deny_groups = [ \"S-1-5-21-x\" ] }", "policy.deny_groups: not a SID");
	refused("policy { deny_groups = [ \"S-1-5-21-99999999999\" ] }", "not a SID");
	refused("policy { deny_groups = [ \"S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16\" ] }",
	    "not a SID");
	settings_free(
	    load("policy { deny_groups = [ \"S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15\", "
		 "\"S-1-1-0\", \"S-2\" ] }",
		NULL));
	settings_free(load("directory { user = \"CN=reader,DC=example,DC=com\" }", NULL));
	settings_free(load("directory { user = \"re@der@example.com\" }", NULL));
	refused("web { listen = \"0.0.0.0:9743\" }", "web.listen: not an address of this host");
	refused("web { listen = 9743 }", "web.listen");
	s = load("web { listen = \"[::1]:9743\" }", NULL);
	assert_true(s->web.on);
	assert_string_equal(s->web.listen.host, "::1");
	settings_free(s);
	for (i = 0; i < 2; i++) {
		s = load(i == 0 ? "web { listen = \"\" }" : "web { listen = \"none\" }", NULL);
		assert_false(s->web.on);
		settings_free(s);
	}
}

static void
secrets_stay_out_of_errors(void **state)
{
	struct settings *s;
	char *error;

	(void)state;
	put(file, "cloud { proxy = \"http://alice:hunter2@proxy:3128\" }");
	assert_null(settings_load(file, saved, &error));
	assert_null(strstr(error, "hunter2"));
	assert_non_null(strstr(error, "cloud.proxy_password_file"));
	free(error);
	s = settings_load(NULL, saved, &error);
	assert_int_equal(
	    settings_set(s, "cloud.proxy", "http://alice:hunter2@proxy:3128", &error), -1);
	assert_null(strstr(error, "hunter2"));
	free(error);
	assert_int_equal(
	    settings_set(s, "directory.server", "https://hub/t/hunter2hunter2", &error), -1);
	assert_null(strstr(error, "hunter2"));
	free(error);
	assert_int_equal(settings_set(s, "directory.password", "hunter2\xff", &error), -1);
	assert_null(strstr(error, "hunter2"));
	free(error);
	settings_free(s);
}

static void
keys_together(void **state)
{
	struct settings *s;

	(void)state;
	/* Scheme and mode. */
	s = load("directory { server = \"ldap://10.0.0.1\" }", NULL);
	assert_int_equal(s->directory.tls_mode, SETTINGS_TLS_STARTTLS);
	settings_free(s);
	s = load("directory { server = \"ldaps://10.0.0.1\" }", NULL);
	assert_int_equal(s->directory.tls_mode, SETTINGS_TLS_LDAPS);
	settings_free(s);
	s = load("directory { server = \"example.com\"; tls { mode = \"starttls\" } }", NULL);
	assert_int_equal(s->directory.tls_mode, SETTINGS_TLS_STARTTLS);
	assert_int_equal(s->directory.servers[0].scheme, ENDPOINT_DOMAIN);
	settings_free(s);
	refused("directory { server = \"ldap://10.0.0.1\";\n tls { mode = \"ldaps\" } }",
	    ":2: directory.tls.mode: \"ldaps\" does not go with ldap://");
	refused("directory { server = \"ldaps://10.0.0.1\";\n tls { mode = \"starttls\" } }",
	    ":2: directory.tls.mode: \"starttls\" does not go with ldaps://");
	refused("directory { server = \"ldaps://10.0.0.1\";\n tls { mode = \"none\"; allow_clear = "
		"true } }",
	    ":2: directory.tls.mode: \"none\" does not go with ldaps://");
	refused("directory {\n server = [ \"ldaps://a\", \"ldap://b\" ] }",
	    ":2: directory.server: ldap:// and ldaps:// in one list");
	refused("directory {\n server = [ \"example.com\", \"ldaps://b\" ] }",
	    ":2: directory.server: a domain name stands alone");
	refused("directory {\n server = [ \"ldaps://b\", \"example.com\" ] }",
	    ":2: directory.server: a domain name stands alone");

	/* In clear to loopback only, or said so. */
	settings_free(load("directory { server = [ \"ldap://127.0.0.1\", \"ldap://[::1]\", "
			   "\"ldap://localhost\" ]; tls { mode = \"none\" } }",
	    NULL));
	refused("directory { server = [ \"ldap://127.0.0.1\", \"ldap://dc1.example.com\" ];\n"
		"tls {\n mode = \"none\" } }",
	    ":3: directory.tls.mode: \"none\" would send passwords in clear to dc1.example.com");
	refused("directory { server = \"ldap://10.0.0.1\"; tls { mode = \"none\"; allow_clear = "
		"false } }",
	    "would send passwords in clear to 10.0.0.1");
	refused("directory { server = \"example.com\"; tls { mode = \"none\" } }",
	    "would send passwords in clear to example.com");
	s = load("directory { server = \"ldap://10.0.0.1\"; tls { mode = \"none\"; allow_clear = "
		 "true } }",
	    NULL);
	assert_true(s->directory.allow_clear);
	settings_free(s);

	refused("directory { connections {\n min = 5; max = 4 } }",
	    ":2: directory.connections.max: 4 is less than directory.connections.min, 5");
	settings_free(load("directory { connections { min = 4; max = 4 } }", NULL));
	refused("directory { connections { max = 3 } }",
	    ":1: directory.connections.max: 3 is less than directory.connections.min, 4");
	refused("cloud { proxy = \"http://proxy:1\";\nproxy_password_file = \"/p\" }",
	    ":2: cloud.proxy_password_file: a password without a user");
}

static void
layers(void **state)
{
	struct settings *s;
	enum settings_origin origin;
	char *text, want[128];

	(void)state;
	/* Saved values count, the file's win. */
	s = load("cloud {\n ca = \"/file.pem\" }",
	    "cloud { ca = \"/saved.pem\"; proxy = \"http://p:1\" };"
	    "directory { server = [ \"ldaps://dc1\" ]; user = \"a@example.com\" }");
	assert_string_equal(s->cloud.ca, "/file.pem");
	assert_true(s->cloud.has_proxy);
	assert_int_equal(s->directory.nservers, 1);
	assert_true(settings_directory_ready(s));
	text = settings_text(s, "cloud.ca", &origin);
	assert_string_equal(text, "/file.pem");
	assert_int_equal(origin, SETTINGS_FILE);
	free(text);
	text = settings_text(s, "directory.server", &origin);
	assert_string_equal(text, "ldaps://dc1");
	assert_int_equal(origin, SETTINGS_SAVED);
	free(text);
	text = settings_locked(s, "cloud.ca");
	snprintf(want, sizeof(want), "locked by %s:2", file);
	assert_string_equal(text, want);
	free(text);
	assert_null(settings_locked(s, "cloud.proxy"));
	assert_null(settings_locked(s, "directory.server"));
	assert_null(settings_locked(s, "directory.password"));
	set_bad(s, "cloud.ca", "/other.pem", "cloud.ca: locked by ");
	set_bad(s, "policy.deny_privileged", "false",
	    "policy.deny_privileged: only the configuration file");
	set_bad(s, "policy.allow", "authenticate", "only the configuration file");
	set_bad(s, "uid_base", "5", "only the configuration file");
	set_bad(s, "web.listen", "127.0.0.1:9999", "only the configuration file");
	set_bad(s, "state_dir", "/x", "only the configuration file");
	set_bad(s, "runtime_dir", "/x", "only the configuration file");
	set_bad(s, "directory.password_file", "/x", "only the configuration file");
	set_bad(s, "cloud.proxy_password_file", "/x", "only the configuration file");
	set_bad(s, "directory.server", "dc1", "write ldaps://HOST");
	set_bad(s, "no.such", "x", "no.such: unknown key");
	set_bad(s, "no.such", "", "no.such: unknown key");
	set_bad(s, "directory", "x", "directory: unknown key");
	settings_free(s);
}

/* Each of the keys that stand together locks all of them, and the password. */
static void
fixed_in_the_file(void **state)
{
	static const struct {
		const char *key, *value, *set;
	} keys[] = {
		{ "directory.server", "\"ldaps://dc9\"", "ldaps://dc2" },
		{ "directory.base", "\"DC=file\"", "DC=set" },
		{ "directory.user", "\"file@example.com\"", "set@example.com" },
		{ "directory.password_file", "\"/file\"", NULL },
		{ "directory.tls.mode", "\"ldaps\"", "ldaps" },
		{ "directory.tls.ca", "\"/file.pem\"", "/set.pem" },
		{ "directory.tls.name", "\"dc9\"", "dc2" },
		{ "directory.tls.allow_clear", "false", "true" },
		{ "directory.password", NULL, "hunter2" },
	};
	struct settings *s;
	char text[128], want[256], *locked;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].value == NULL)
			continue;
		nest(keys[i].key, keys[i].value, text, sizeof(text));
		s = load(text,
		    "directory = { server = [ \"ldaps://evil\" ]; user = \"s@example.com\"; "
		    "base = \"DC=saved\"; tls = { ca = \"/saved.pem\"; name = \"evil\"; }; };");
		/* The saved ones are as if they were not there. */
		assert_int_equal(s->directory.nservers, i == 0 ? 1 : 0);
		if (i == 0)
			assert_string_equal(s->directory.servers[0].host, "dc9");
		if (i != 1)
			assert_null(s->directory.base);
		if (i != 2)
			assert_null(s->directory.user);
		if (i != 5)
			assert_null(s->directory.tls_ca);
		if (i != 6)
			assert_null(s->directory.tls_name);
		assert_false(settings_saved_password_allowed(s));
		for (j = 0; j < sizeof(keys) / sizeof(keys[0]); j++) {
			locked = settings_locked(s, keys[j].key);
			assert_non_null(locked);
			if (i == j)
				snprintf(want, sizeof(want), "locked by %s:1", file);
			else
				snprintf(want, sizeof(want),
				    "locked by %s:1, which gives %s: server, "
				    "base, user, password and TLS stand together",
				    file, keys[i].key);
			assert_string_equal(locked, want);
			free(locked);
			if (keys[j].set != NULL)
				set_bad(s, keys[j].key, keys[j].set, "locked by");
			set_bad(s, keys[j].key, "", "locked by");
		}
		/* Others stay free. */
		set_good(s, "cloud.ca", "/x.pem");
		settings_free(s);
	}
}

static void
saved_file_is_checked(void **state)
{
	static const struct {
		const char *text, *why;
	} table[] = {
		{ "policy { deny_privileged = false }",
		    ":1: policy.deny_privileged: not a key for" },
		{ "\nuid_base = 7", ":2: uid_base: not a key for the saved file" },
		{ "directory { password_file = \"/x\" }", "not a key for the saved file" },
		{ "directory { password = \"x\" }", ":1: directory.password: unknown key" },
		{ "directory {", ":1: syntax error" },
		{ "directory { server = \"x\" }", ":1: directory.server: " },
		{ "directory { server = \"ldap://dc1\";\n tls { mode = \"none\" } }",
		    ":2: directory.tls.mode: \"none\" would send" },
	};
	char *error;
	size_t i;

	(void)state;
	put(file, "");
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		put(saved, table[i].text);
		assert_null(settings_load(file, saved, &error));
		if (strncmp(error, saved, strlen(saved)) != 0 ||
		    strstr(error, table[i].why) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", error, table[i].why);
		free(error);
	}
	unlink(saved);
	assert_int_equal(symlink(file, saved), 0);
	assert_null(settings_load(file, saved, &error));
	assert_non_null(strstr(error, "symbolic link"));
	free(error);
	unlink(saved);
	assert_null(settings_load("/nonexistent/f.conf", saved, &error));
	assert_non_null(strstr(error, "/nonexistent/f.conf: cannot open"));
	free(error);
}

static void
set_and_save(void **state)
{
	struct settings *s, *back;
	char text[128], *error;

	(void)state;
	/* The saved file's place comes from state_dir. */
	snprintf(text, sizeof(text), "state_dir = \"%s\"", folder);
	put(file, text);
	unlink(saved);
	assert_non_null(s = settings_load(file, NULL, &error));
	set_good(s, "directory.server", "ldaps://dc1.example.com, ldaps://dc2.example.com");
	set_good(s, "directory.user", "EXAMPLE\\rea\"der");
	set_good(s, "directory.base", "DC=example,DC=com");
	set_good(s, "cloud.proxy", "http://proxy:3128");
	assert_true(settings_directory_ready(s));
	assert_int_equal(settings_save(s, saved, &error), 0);
	assert_non_null(back = settings_load(file, NULL, &error));
	assert_true(config_equal(s->saved, back->saved));
	assert_int_equal(back->directory.nservers, 2);
	assert_string_equal(back->directory.user, "EXAMPLE\\rea\"der");
	settings_free(back);

	/* "" takes a value back. */
	set_good(s, "directory.base", "");
	assert_null(s->directory.base);
	set_good(s, "directory.base", "");
	set_good(s, "directory.server", "");
	assert_int_equal(s->directory.nservers, 0);
	assert_int_equal(settings_save(s, saved, &error), 0);
	assert_non_null(back = settings_load(file, NULL, &error));
	assert_int_equal(back->directory.nservers, 0);
	settings_free(back);
	settings_free(s);
}

static void
all_or_none(void **state)
{
	const struct settings_change good[] = { { "directory.server", "ldap://10.0.0.1" },
		{ "directory.tls.mode", "starttls" } },
				     bad[] = { { "cloud.ca", "/x.pem" },
					     { "directory.base", "x" } },
				     twice[] = { { "cloud.ca", "/x" }, { "cloud.ca", "/y" } },
				     together[] = { { "cloud.ca", "/x" },
					     { "directory.tls.mode", "none" } };
	struct settings_change many[SETTINGS_CHANGES_MAX + 1];
	struct settings *s;
	char *error;
	size_t i;

	(void)state;
	s = load("", "directory { server = [ \"ldaps://10.0.0.1\" ]; tls { mode = \"ldaps\" } }");
	/* One after the other neither would go. */
	set_bad(s, "directory.server", "ldap://10.0.0.1", "does not go with");
	set_bad(s, "directory.tls.mode", "starttls", "does not go with");
	assert_int_equal(settings_set_all(s, good, 2, &error), 0);
	assert_int_equal(s->directory.tls_mode, SETTINGS_TLS_STARTTLS);
	assert_int_equal(settings_set_all(s, bad, 2, &error), -1);
	assert_non_null(strstr(error, "directory.base: not a DN"));
	free(error);
	assert_null(s->cloud.ca);
	assert_int_equal(settings_set_all(s, twice, 2, &error), -1);
	assert_string_equal(error, "cloud.ca: given twice");
	free(error);
	assert_int_equal(settings_set_all(s, together, 2, &error), -1);
	assert_non_null(
	    strstr(error, "directory.tls.mode: \"none\" would send passwords in clear"));
	free(error);
	assert_null(s->cloud.ca);
	assert_int_equal(s->directory.tls_mode, SETTINGS_TLS_STARTTLS);
	for (i = 0; i <= SETTINGS_CHANGES_MAX; i++)
		many[i] = good[0];
	assert_int_equal(settings_set_all(s, many, SETTINGS_CHANGES_MAX + 1, &error), -1);
	assert_string_equal(error, "more than 32 changes at once");
	free(error);
	assert_int_equal(settings_set_all(s, NULL, 0, &error), 0);
	settings_free(s);
}

static void
password_is_forgotten(void **state)
{
	static const char start[] = "directory { server = [ \"ldap://10.0.0.1\" ]; user = "
				    "\"a@example.com\"; base = \"DC=a\"; }; "
				    "cloud { ca = \"/c.pem\" }";
	static const struct {
		const char *key, *value;
		bool forgets;
	} table[] = {
		{ "directory.server", "ldap://10.0.0.2", true },
		{ "directory.server", "ldap://10.0.0.1:390", true },
		{ "directory.server", "ldaps://10.0.0.1", true },
		{ "directory.server", "ldap://10.0.0.1 ldap://10.0.0.2", true },
		{ "directory.server", "example.com", true },
		{ "directory.server", "", true },
		{ "directory.server", "ldap://10.0.0.1:389/", false },
		{ "directory.tls.mode", "starttls", false },
		{ "directory.tls.ca", "/x.pem", true },
		{ "directory.tls.name", "dc1", true },
		{ "directory.tls.allow_clear", "true", true },
		{ "directory.tls.allow_clear", "false", false },
		{ "directory.user", "b@example.com", false },
		{ "directory.base", "DC=b", false },
		{ "cloud.ca", "/x.pem", false },
		{ "cloud.ca", "", false },
	};
	const struct settings_change both[] = { { "directory.password", "new" },
		{ "directory.server", "ldap://10.0.0.9" } };
	char password[BIND_PASSWORD_MAX + 2];
	struct settings *s;
	char *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		s = load("", start);
		set_good(s, table[i].key, table[i].value);
		if (s->forget_password != table[i].forgets)
			fail_msg(
			    "%s=%s: forgets %d", table[i].key, table[i].value, s->forget_password);
		assert_false(s->password_changed);
		settings_free(s);
	}
	s = load("", start);
	set_good(s, "directory.password", "p\xc3\xa4ss \"\\ ");
	assert_true(s->password_changed);
	assert_false(s->forget_password);
	/* A refused change tells nothing new. */
	set_bad(s, "directory.server", "x", "directory.server");
	assert_true(s->password_changed);
	assert_int_equal(settings_set_all(s, both, 2, &error), 0);
	assert_true(s->password_changed);
	assert_false(s->forget_password);
	set_good(s, "directory.password", "");
	assert_false(s->password_changed);
	assert_true(s->forget_password);
	set_good(s, "cloud.ca", "/y.pem");
	assert_false(s->forget_password);

	memset(password, 'x', sizeof(password));
	password[BIND_PASSWORD_MAX] = '\0';
	set_good(s, "directory.password", password);
	password[BIND_PASSWORD_MAX] = 'x';
	password[BIND_PASSWORD_MAX + 1] = '\0';
	set_bad(s, "directory.password", password, "longer than 1024 bytes");
	set_bad(s, "directory.password", "\xff", "not UTF-8");
	settings_free(s);

	/* Without a server it has no place: whoever names the next one would be sent it. */
	s = load("", NULL);
	set_bad(s, "directory.password", "first", "directory.password: it goes to one server");
	set_good(s, "directory.user", "a@example.com");
	set_good(s, "directory.server", "ldaps://dc1");
	assert_true(s->forget_password);
	set_good(s, "directory.password", "first");
	set_good(s, "directory.server", "ldaps://dc2");
	assert_true(s->forget_password);
	set_good(s, "directory.server", "");
	set_bad(s, "directory.password", "second", "give directory.server as well");
	assert_int_equal(settings_set_all(s, both, 2, &error), 0);
	assert_true(s->password_changed);
	settings_free(s);
}

static struct hub_settings *
hub(const char *text)
{
	struct hub_settings *s;
	char *error;

	put(file, text);
	if ((s = hub_settings_load(file, "Hub.example.com", &error)) == NULL)
		fail_msg("refused: %s", error);
	return s;
}

static void
hub_refused(const char *text, const char *host_name, const char *want)
{
	char *error;

	put(file, text);
	assert_null(hub_settings_load(file, host_name, &error));
	assert_non_null(error);
	if (strstr(error, want) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, want);
	free(error);
}

static void
hub_public_url(const char *text, const char *want)
{
	char origin[ENDPOINT_ORIGIN_SIZE];
	struct hub_settings *s = hub(text);

	assert_int_equal(endpoint_format(&s->public_url, origin, sizeof(origin)), 0);
	assert_string_equal(origin, want);
	hub_settings_free(s);
}

static void
hub_values(void **state)
{
	struct hub_settings *s;
	char *error;

	(void)state;
	s = hub_settings_load(NULL, "hub", &error);
	assert_non_null(s);
	assert_non_null(strstr(s->state_dir, "/adhub"));
	assert_non_null(strstr(s->runtime_dir, "/adhub"));
	assert_int_equal(s->uid_base, 0);
	assert_int_equal(s->log.level, LOG_LEVEL_INFO);
	assert_int_equal(s->nlisten, 1);
	assert_true(s->listen[0].any);
	assert_int_equal(s->listen[0].port, HUB_DEFAULT_PORT);
	assert_null(s->tls.certificate);
	assert_null(s->tls.key);
	assert_int_equal(s->throttle.per_address, 60);
	assert_int_equal(s->throttle.per_name, 20);
	assert_int_equal(s->throttle.per_connection, 6000);
	hub_settings_free(s);
	hub_settings_free(NULL);
	/* The host's own name is whatever it is: taken, or refused with the way out. */
	s = hub_settings_load(NULL, NULL, &error);
	if (s == NULL) {
		assert_non_null(strstr(error, "write public_url"));
		free(error);
	}
	hub_settings_free(s);

	s = hub("state_dir = \"/srv/hub\"; runtime_dir = \"/run/hub\"; uid_base = 7;\n"
		"log { level = \"error\"; format = \"json\" };\n"
		"listen = [ \"https://10.0.0.1:443\", \"http://127.0.0.1:8080\" ];\n"
		"public_url = \"https://login.example.com\";\n"
		"tls { certificate = \"/c.pem\"; key = \"/k.pem\" };\n"
		"throttle { per_address = 0; per_name = 1; per_connection = 1000000 };\n");
	assert_string_equal(s->state_dir, "/srv/hub");
	assert_string_equal(s->runtime_dir, "/run/hub");
	assert_int_equal(s->uid_base, 7);
	assert_int_equal(s->log.level, LOG_LEVEL_ERROR);
	assert_true(s->log.json);
	assert_int_equal(s->nlisten, 2);
	assert_string_equal(s->listen[1].host, "127.0.0.1");
	assert_int_equal(s->listen[1].scheme, ENDPOINT_HTTP);
	assert_string_equal(s->public_url.host, "login.example.com");
	assert_string_equal(s->tls.certificate, "/c.pem");
	assert_string_equal(s->tls.key, "/k.pem");
	assert_int_equal(s->throttle.per_address, 0);
	assert_int_equal(s->throttle.per_name, 1);
	assert_int_equal(s->throttle.per_connection, 1000000);
	hub_settings_free(s);

	hub_public_url("", "https://hub.example.com:8855");
	hub_public_url("listen = \"https://*:443\"", "https://hub.example.com:443");
	hub_public_url("listen = \"https://0.0.0.0:1\"", "https://hub.example.com:1");
	hub_public_url("listen = \"https://[::]:1\"", "https://hub.example.com:1");
	hub_public_url("listen = \"https://10.0.0.1:8855\"", "https://10.0.0.1:8855");
	hub_public_url("listen = \"https://[2001:db8::1]:8855\"", "https://[2001:db8::1]:8855");
	hub_public_url("listen = \"http://127.0.0.1:8855\"", "http://127.0.0.1:8855");
	hub_public_url("public_url = \"https://x.example.com:444/\"", "https://x.example.com:444");
}

static void
hub_refusals(void **state)
{
	(void)state;
	hub_refused("listen = [ ]", "h", ":1: listen: list of 0");
	hub_refused(
	    "listen = \"http://*:8855\"", "h", ":1: listen: http:// is taken on loopback only");
	hub_refused("listen = \"https://hub:8855\"", "h", "an address, not a name");
	hub_refused("\nlisten = [ \"https://*:1\", \"https://127.0.0.1:1\" ]", "h",
	    ":2: listen: items 1 and 2 of the list both take port 1");
	hub_refused(
	    "listen = [ \"https://10.0.0.1:1\", \"https://[::1]:2\", \"http://localhost:3\", "
	    "\"http://127.0.0.1:3\" ]",
	    "h", "items 3 and 4");
	hub_settings_free(hub("listen = [ \"https://10.0.0.1:1\", \"https://10.0.0.2:1\" ]"));
	hub_refused(
	    "listen = [ \"https://*:1\", \"https://*:2\", \"https://*:3\", \"https://*:4\", "
	    "\"https://*:5\", \"https://*:6\", \"https://*:7\", \"https://*:8\", \"https://*:9\" ]",
	    "h", "no more than 8");
	hub_refused(
	    "public_url = \"http://hub.example.com\"", "h", ":1: public_url: http:// is taken");
	hub_refused("public_url = \"https://hub/x\"", "h", "public_url: nothing may follow");
	hub_refused("public_url = \"http://127.0.0.1:8855\"", "h",
	    ":1: public_url: http://, but every listener is https://");
	hub_refused("tls { certificate = \"/c.pem\" }", "h", ":1: tls.certificate: needs tls.key");
	hub_refused("tls { key = \"/k.pem\" }", "h", ":1: tls.key: needs tls.certificate");
	hub_refused("throttle { per_name = -1 }", "h", "throttle.per_name: -1 is out of range");
	hub_refused("", "not a name", "public_url: not given, and the host's name cannot stand");
	hub_refused("", "", "write public_url = \"https://HOST:8855\"");
	hub_refused("directory { server = \"ldaps://dc1\" }", "h", ":1: directory: unknown key");
}

/* The bytes of a file in the source tree, malloc'ed. */
static char *
source_file(const char *name)
{
	const char *top = getenv("srcdir");
	char path[512], *text;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top == NULL ? "." : top, name);
	if ((f = fopen(path, "r")) == NULL)
		fail_msg("%s: %s (run from the top of the sources, or set srcdir)", path,
		    strerror(errno));
	text = calloc(1, 65536);
	len = fread(text, 1, 65535, f);
	assert_true(len > 0 && len < 65535);
	fclose(f);
	return text;
}

/*
 * In the manual each key has its item, and the example, with its comments taken
 * away, still is taken: so each line that the example shows in a comment is good.
 */
static void
documented(const struct config_rule *rules, size_t nrules, const char *example, const char *manual)
{
	char *text = source_file(example), *page = source_file(manual), item[160], *line, *error;
	struct config *c;
	size_t i;

	for (i = 0; i < nrules; i++) {
		snprintf(item, sizeof(item), ".It Ic %s ", rules[i].path);
		if (strstr(page, item) == NULL)
			fail_msg("%s does not explain %s", manual, rules[i].path);
	}
	if ((c = config_parse(rules, nrules, example, text, strlen(text), &error)) == NULL)
		fail_msg("%s", error);
	config_free(c);
	/* "#key = value" is a setting that is switched off; "# text" is text. */
	for (line = text; line != NULL; line = strchr(line + 1, '\n')) {
		char *p = *line == '\n' ? line + 1 : line;

		p += strspn(p, " \t");
		if (p[0] == '#' && p[1] >= 'a' && p[1] <= 'z')
			p[0] = ' ';
	}
	if ((c = config_parse(rules, nrules, example, text, strlen(text), &error)) == NULL)
		fail_msg("%s", error);
	for (i = 0; i < nrules; i++)
		if (!c->values[i].set)
			fail_msg("%s does not show %s", example, rules[i].path);
	config_free(c);
	free(text);
	free(page);
}

static void
examples_and_manuals(void **state)
{
	struct hub_settings *h;
	struct settings *s;
	char *text, *error;

	(void)state;
	documented(
	    settings_rules, settings_nrules, "etc/adconnector.conf", "man/adconnector.conf.5");
	documented(hub_settings_rules, hub_settings_nrules, "etc/adhub.conf", "man/adhub.conf.5");
	text = source_file("etc/adconnector.conf");
	put(file, text);
	unlink(saved);
	if ((s = settings_load(file, saved, &error)) == NULL)
		fail_msg("%s", error);
	settings_free(s);
	free(text);
	text = source_file("etc/adhub.conf");
	put(file, text);
	if ((h = hub_settings_load(file, "hub", &error)) == NULL)
		fail_msg("%s", error);
	hub_settings_free(h);
	free(text);
}

static void
named(void **state)
{
	(void)state;
	assert_string_equal(settings_named("directory.base: not a DN"), "directory.base");
	assert_string_equal(
	    settings_named("/etc/a.conf:12: directory.tls.mode: no"), "directory.tls.mode");
	assert_string_equal(settings_named("directory.password: too long"), "directory.password");
	assert_string_equal(
	    settings_named("directory.password_file: x"), "directory.password_file");
	assert_string_equal(settings_named("directory.bases: unknown"), "");
	assert_string_equal(settings_named("dc1: directory.base: is not its name"), "");
	assert_string_equal(settings_named(": directory.base: x"), "");
	assert_string_equal(settings_named("dc1.lab.test refused"), "");
	assert_string_equal(settings_named(""), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named),
		cmocka_unit_test(defaults),
		cmocka_unit_test(full_file),
		cmocka_unit_test(each_key),
		cmocka_unit_test(key_edges),
		cmocka_unit_test(secrets_stay_out_of_errors),
		cmocka_unit_test(keys_together),
		cmocka_unit_test(layers),
		cmocka_unit_test(fixed_in_the_file),
		cmocka_unit_test(saved_file_is_checked),
		cmocka_unit_test(set_and_save),
		cmocka_unit_test(missing),
		cmocka_unit_test(all_or_none),
		cmocka_unit_test(password_is_forgotten),
		cmocka_unit_test(hub_values),
		cmocka_unit_test(hub_refusals),
		cmocka_unit_test(examples_and_manuals),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
