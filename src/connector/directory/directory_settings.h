/* SPDX-License-Identifier: ISC */
/*
 * What the parent tells this process once, before the sandbox.  It never
 * changes: new settings mean a new process.
 */
#ifndef ADC_DIRECTORY_SETTINGS_H
#define ADC_DIRECTORY_SETTINGS_H

#include "lockout.h"
#include "policy.h"

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_SERVERS_MAX 16
#define SETTINGS_NAME_SIZE 256
#define SETTINGS_CA_MAX (4U << 20)

enum server_scheme { SERVER_LDAP, SERVER_LDAPS, SERVER_DISCOVERY };
enum tls_mode { TLS_MODE_LDAPS, TLS_MODE_STARTTLS, TLS_MODE_NONE };

struct server_setting {
	uint16_t index; /* in the parent's list of endpoints */
	enum server_scheme scheme;
	char host[SETTINGS_NAME_SIZE];
	uint16_t port;
};

struct directory_settings {
	struct server_setting servers[SETTINGS_SERVERS_MAX];
	size_t server_count;
	enum tls_mode tls_mode;
	char tls_name[SETTINGS_NAME_SIZE]; /* "": the server's own */
	char *ca;			   /* PEM text */
	size_t ca_len;
	char *base; /* "": the default naming context */
	char *user;
	char *password_file; /* its name, for people; NULL: the password was saved */
	char connection[65]; /* "": not enrolled */
	unsigned int connections_min;
	unsigned int connections_max;
	struct policy policy;
	struct lockout_limits lockout;
};

/* Defaults, for what is not sent. */
void directory_settings_init(struct directory_settings *);
/* A proc_config_fn; arg is the settings. */
int directory_settings_item(void *arg, const char *key, const void *value, size_t len, int fd);
/* NULL, or what is missing or does not fit together. */
const char *directory_settings_check(const struct directory_settings *);

#endif
