/* SPDX-License-Identifier: ISC */
/*
 * The connector's settings: what adconnector.conf(5) says, what was saved through
 * ctl, and the defaults, put together and checked as a whole.
 *
 * The file wins.  Server, base, user, credential and TLS stand together: when
 * the file gives one of them, none can be set elsewhere, so that nobody who may
 * only set an address can have the bind password sent to it.
 *
 * No secret is kept here, only the names of files that hold one.
 */
#ifndef ADC_CONNECTOR_SETTINGS_H
#define ADC_CONNECTOR_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/endpoint.h"
#include "common/log.h"

#define SETTINGS_SERVERS_MAX 16
#define SETTINGS_GROUPS_MAX 256
#define SETTINGS_CHANGES_MAX 32
#define SETTINGS_MISSING_SIZE 512
#define SETTINGS_SAVED_NAME "saved.conf" /* in state_dir */

enum settings_tls_mode { SETTINGS_TLS_LDAPS, SETTINGS_TLS_STARTTLS, SETTINGS_TLS_NONE };

/* Bits of policy.allow. */
#define SETTINGS_ALLOW_AUTHENTICATE 0x01U
#define SETTINGS_ALLOW_TEST 0x02U
#define SETTINGS_ALLOW_SEARCH_USERS 0x04U
#define SETTINGS_ALLOW_GET_USER 0x08U
#define SETTINGS_ALLOW_CHANGE_PASSWORD 0x10U
#define SETTINGS_ALLOW_RESET_PASSWORD 0x20U
#define SETTINGS_ALLOW_SYNC_NOW 0x40U

enum settings_origin { SETTINGS_DEFAULT, SETTINGS_SAVED, SETTINGS_FILE };

/* A list of strings, owned by the settings. */
struct settings_list {
	char *const *items;
	size_t count;
};

/* All pointers live as long as the settings and change with settings_set(). */
struct settings {
	const char *state_dir;
	const char *runtime_dir;
	uint32_t uid_base; /* 0: not given */

	struct {
		enum log_level level;
		bool json;
	} log;

	struct {
		/* One ENDPOINT_DOMAIN alone, or up to 16 of one scheme. 0: not set up yet. */
		struct endpoint servers[SETTINGS_SERVERS_MAX];
		size_t nservers;
		const char *base;	   /* NULL: from the rootDSE */
		const char *user;	   /* NULL: not set up yet */
		const char *password_file; /* NULL: the saved password, if any */
		enum settings_tls_mode tls_mode;
		const char *tls_ca;   /* PEM file; NULL: the system's */
		const char *tls_name; /* NULL: the server's own host name or address */
		bool allow_clear;
		unsigned int connections_min;
		unsigned int connections_max;
	} directory;

	struct {
		bool has_proxy;
		struct endpoint proxy;
		char proxy_user[ENDPOINT_LOGIN_SIZE]; /* empty: none */
		const char *proxy_password_file;      /* NULL: none */
		const char *ca;			      /* PEM file; NULL: the system's */
	} cloud;

	struct {
		unsigned int allow; /* SETTINGS_ALLOW_* */
		bool deny_privileged;
		struct settings_list allow_groups; /* names or SIDs; empty: everyone */
		struct settings_list deny_groups;
		unsigned int lockout_margin;
		unsigned int lockout_threshold_unknown;
	} policy;

	struct {
		bool on;
		struct endpoint listen; /* a numeric address of loopback, and a port */
	} web;

	/*
	 * Left by the last settings_set() or settings_set_all() that succeeded.
	 * password_changed: directory.password was among the changes; its value is
	 * with the caller, to be stored.  forget_password: the place that the saved
	 * password goes to has changed; wipe it.  Never both.
	 */
	bool password_changed;
	bool forget_password;

	/* Internal. */
	struct config *file;
	struct config *saved;
	struct config *defaults;
};

struct settings_change {
	const char *key;
	const char *value; /* "" takes a saved value back */
};

/*
 * file: adconnector.conf, or NULL for none.  saved: the saved file, or NULL for
 * SETTINGS_SAVED_NAME in state_dir; it need not exist.  Returns NULL with
 * *error set (malloc'ed) when something is refused.
 */
struct settings *settings_load(const char *file, const char *saved, char **error);
struct settings *settings_copy(const struct settings *);
/* The same configuration file with other saved values; NULL with *error, errno ENOENT: no file. */
struct settings *settings_with_saved(const struct settings *, const char *path, char **error);
void settings_free(struct settings *);

/*
 * Changes saved values in memory and checks the whole; all or none.  Returns -1
 * with *error when a key is unknown, not settable, locked by the file, or
 * refused.  directory.password is checked but not kept: see password_changed;
 * "" for it means forget_password.  Error texts never hold it.
 */
int settings_set_all(struct settings *, const struct settings_change *, size_t count, char **error);
int settings_set(struct settings *, const char *key, const char *value, char **error);

/* Is this the write-only key directory.password? */
bool settings_is_password(const char *key);

/* Is the value of this key given as the text of certificates, and kept as the name of a file? */
bool settings_is_certificate(const char *key);

/* Writes the saved values to a file, atomically. */
int settings_save(const struct settings *, const char *path, char **error);

/* Would the saved password go to the same place, as well guarded as before? */
bool settings_same_place(const struct settings *before, const struct settings *after);
/* Does any key that begins so have another value in force? */
bool settings_differ(const struct settings *, const struct settings *, const char *prefix);

/* The rules that bind several keys. 0, or -1 with *error. Done by load and set as well. */
int settings_check(const struct settings *, char **error);

/* Server and user are there: a directory process can be started. */
bool settings_directory_ready(const struct settings *);

/*
 * May the password saved through ctl be used?  Not when the file gives server,
 * base, user, credential or TLS: it was meant for another place.
 */
bool settings_saved_password_allowed(const struct settings *);

/*
 * The first key in the file of those that stand together with the bind password, and its line;
 * NULL: none of them is locked.
 */
const char *settings_fixed(const struct settings *, size_t *line);

/*
 * Whether server, user or password are missing; password: one is saved.  text says which, hint
 * how to give them; both "" when nothing is.
 */
bool settings_missing(const struct settings *, bool password, char text[SETTINGS_MISSING_SIZE],
    char hint[SETTINGS_MISSING_SIZE]);

/*
 * For showing.  The text of a key's value in force, malloc'ed, or NULL: not set
 * and no default.  *origin says where it comes from.
 */
char *settings_text(const struct settings *, const char *key, enum settings_origin *origin);

/* The text of what was saved for a key, in force or not, malloc'ed; NULL: nothing. */
char *settings_saved_text(const struct settings *, const char *key);

/*
 * Why a key cannot be set, malloc'ed: "locked by FILE:LINE", or that it is no key
 * for ctl.  NULL: it can be set, or memory is short; settings_set() tells.
 */
char *settings_locked(const struct settings *, const char *key);

/* The table, for showing all keys. */
extern const struct config_rule settings_rules[];
extern const size_t settings_nrules;

/* The key that an error text is about ("KEY: …", "FILE:LINE: KEY: …"), "": none. */
const char *settings_named(const char *error);

/* "ldaps", "starttls", "none" */
const char *settings_tls_mode_name(enum settings_tls_mode);

#endif
