/* SPDX-License-Identifier: ISC */
/*
 * The hub's settings: what adhub.conf(5) says and the defaults, checked as a
 * whole.  Nothing is settable while the hub runs.
 */
#ifndef ADC_HUB_SETTINGS_H
#define ADC_HUB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/endpoint.h"
#include "common/log.h"

#define HUB_LISTEN_MAX 8
#define HUB_DEFAULT_PORT 8855

/* All pointers live as long as the settings. */
struct hub_settings {
	const char *state_dir;
	const char *runtime_dir;
	uint32_t uid_base; /* 0: not given */

	struct {
		enum log_level level;
		bool json;
	} log;

	struct endpoint listen[HUB_LISTEN_MAX];
	size_t nlisten; /* at least 1 */

	/*
	 * What tickets begin with.  When not given: the scheme and port of the first
	 * listener, with its address, or the host's name when that is "*".
	 */
	struct endpoint public_url;

	struct {
		const char *certificate; /* PEM files, both or none; */
		const char *key;	 /* NULL: self-signed in state_dir */
	} tls;

	/* Attempts a minute at the login faces open to the public; 0: no limit. */
	struct {
		unsigned int per_address;
		unsigned int per_name;
		unsigned int per_connection;
	} throttle;

	/* Internal. */
	struct config *file;
	char *host_name;
};

/*
 * file: adhub.conf, or NULL for the defaults.  host_name: stands for the host's
 * own name in public_url, or NULL to ask gethostname(2).  Returns NULL with
 * *error set (malloc'ed) when something is refused.
 */
struct hub_settings *hub_settings_load(const char *file, const char *host_name, char **error);
void hub_settings_free(struct hub_settings *);

extern const struct config_rule hub_settings_rules[];
extern const size_t hub_settings_nrules;

#endif
