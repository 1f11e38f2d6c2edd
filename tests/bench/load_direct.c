/* SPDX-License-Identifier: ISC */
/*
 * Logins straight at the directory, as an application inside the network makes them:
 * search the person on a bound connection, read tokenGroups if asked to, bind as
 * the DN found on a second connection.  What a login through the hub is measured
 * against.
 *
 * Each thread has its two connections to itself, with libldap's plain blocking calls: nothing
 * is shared that could hold the others up.  The attributes are those a connector reads.
 */
#include "load.h"

#include <err.h>
#include <ldap.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILTER_SIZE 1024

struct settings {
	const char *url, *base, *service_dn, *ca_file;
	char *service_password;
	struct load_users users;
	unsigned int concurrency, seconds;
	bool token_groups;
};

struct worker {
	const struct settings *settings;
	pthread_t thread;
	pthread_barrier_t *ready, *go;
	const uint64_t *deadline_ns; /* set before go */
	LDAP *service, *user;
	size_t next; /* index of a user */
	struct load_result result;
};

static const char *const attributes[] = { "objectClass", "objectGUID", "objectSid",
	"sAMAccountName", "userPrincipalName", "mail", "displayName", "givenName", "sn",
	"telephoneNumber", "mobile", "title", "department", "manager", "userAccountControl",
	"msDS-User-Account-Control-Computed", "adminCount", "lockoutTime", "badPwdCount",
	"badPasswordTime", "msDS-ResultantPSO", NULL };
static const char *const group_attributes[] = { "tokenGroups", NULL };

static void usage(void) __attribute__((noreturn));

static void
usage(void)
{
	fputs(
	    "usage: load_direct -H URL -b BASE -D DN -y PASSWORD_FILE -u USERS_FILE [-a CA_FILE]\n"
	    "                   [-c CONCURRENCY] [-s SECONDS] [-g]\n",
	    stderr);
	exit(64);
}

/* The settings of libldap that connections are made with. */
static void
set_options(const struct settings *settings)
{
	struct timeval limit = { .tv_sec = LOAD_DEADLINE_S };
	int demand = LDAP_OPT_X_TLS_DEMAND, server = 0, version = LDAP_VERSION3;

	if (ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(NULL, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(NULL, LDAP_OPT_NETWORK_TIMEOUT, &limit) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(NULL, LDAP_OPT_TIMEOUT, &limit) != LDAP_OPT_SUCCESS)
		errx(1, "libldap refuses a setting");
	if (settings->ca_file != NULL &&
	    (ldap_set_option(NULL, LDAP_OPT_X_TLS_CACERTFILE, settings->ca_file) !=
		    LDAP_OPT_SUCCESS ||
		ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != LDAP_OPT_SUCCESS ||
		ldap_set_option(NULL, LDAP_OPT_X_TLS_NEWCTX, &server) != LDAP_OPT_SUCCESS))
		errx(1, "%s: libldap does not take it", settings->ca_file);
}

static int
bind_as(LDAP *ld, const char *dn, char *password)
{
	struct berval credentials = { .bv_val = password, .bv_len = strlen(password) };

	return ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL, NULL);
}

static LDAP *
connect_to(const char *url)
{
	LDAP *ld;
	int code;

	if ((code = ldap_initialize(&ld, url)) != LDAP_SUCCESS)
		errx(1, "%s: %s", url, ldap_err2string(code));
	return ld;
}

/* RFC 4515 section 3 for all that is not a letter, a digit or a plain sign. */
static void
equality_filter(char filter[FILTER_SIZE], const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789.-_@ ";
	size_t at;

	at = (size_t)snprintf(filter, FILTER_SIZE, "(sAMAccountName=");
	for (; *name != '\0'; name++) {
		if (at + 5 > FILTER_SIZE)
			errx(1, "a name of the list is too long");
		if (strchr(plain, *name) != NULL)
			filter[at++] = *name;
		else
			at += (size_t)snprintf(
			    filter + at, FILTER_SIZE - at, "\\%02x", (unsigned char)*name);
	}
	filter[at++] = ')';
	filter[at] = '\0';
}

/* LDAP_SUCCESS and the DN, for ldap_memfree(3). */
static int
find(LDAP *ld, const char *base, const char *name, char **dn)
{
	char filter[FILTER_SIZE];
	LDAPMessage *answer = NULL;
	int code;

	*dn = NULL;
	equality_filter(filter, name);
	/* libldap takes attributes without const and only reads them. */
	code = ldap_search_ext_s(ld, base, LDAP_SCOPE_SUBTREE, filter,
	    (char **)(uintptr_t)attributes, 0, NULL, NULL, NULL, 2, &answer);
	if (code == LDAP_SUCCESS && ldap_count_entries(ld, answer) != 1)
		code = LDAP_NO_SUCH_OBJECT;
	if (code == LDAP_SUCCESS && (*dn = ldap_get_dn(ld, ldap_first_entry(ld, answer))) == NULL)
		code = LDAP_NO_MEMORY;
	ldap_msgfree(answer);
	return code;
}

static int
read_groups(LDAP *ld, const char *dn)
{
	struct berval **values;
	LDAPMessage *answer = NULL;
	int code;

	code = ldap_search_ext_s(ld, dn, LDAP_SCOPE_BASE, "(objectClass=*)",
	    (char **)(uintptr_t)group_attributes, 0, NULL, NULL, NULL, 1, &answer);
	if (code == LDAP_SUCCESS) {
		values = ldap_get_values_len(ld, ldap_first_entry(ld, answer), "tokenGroups");
		if (values == NULL)
			code = LDAP_NO_SUCH_ATTRIBUTE;
		ldap_value_free_len(values);
	}
	ldap_msgfree(answer);
	return code;
}

static int
log_in(struct worker *worker, struct load_user *user)
{
	const struct settings *settings = worker->settings;
	char *dn;
	int code;

	code = find(worker->service, settings->base, user->name, &dn);
	if (code == LDAP_SUCCESS && settings->token_groups)
		code = read_groups(worker->service, dn);
	if (code == LDAP_SUCCESS)
		code = bind_as(worker->user, dn, user->password);
	ldap_memfree(dn);
	return code;
}

static struct load_user *
next_user(struct worker *worker)
{
	const struct load_users *users = &worker->settings->users;

	worker->next = (worker->next + 1) % users->n;
	return &users->items[worker->next];
}

static void *
work(void *arg)
{
	struct worker *worker = arg;
	const struct settings *settings = worker->settings;
	struct load_user *user;
	uint64_t begun, now;
	const char *word;
	int code;

	worker->service = connect_to(settings->url);
	worker->user = connect_to(settings->url);
	code = bind_as(worker->service, settings->service_dn, settings->service_password);
	if (code != LDAP_SUCCESS)
		errx(1, "%s: %s", settings->service_dn, ldap_err2string(code));
	/* Opens the second connection, TLS included. */
	user = next_user(worker);
	if ((code = log_in(worker, user)) != LDAP_SUCCESS)
		errx(1, "%s: %s", user->name, ldap_err2string(code));

	pthread_barrier_wait(worker->ready);
	pthread_barrier_wait(worker->go);
	for (now = load_now_ns(); now < *worker->deadline_ns;) {
		begun = now;
		code = log_in(worker, next_user(worker));
		now = load_now_ns();
		word = code == LDAP_SUCCESS ? "ok" : ldap_err2string(code);
		load_count(&worker->result, word, strlen(word));
		if (code == LDAP_SUCCESS)
			load_time_add(&worker->result.times, now - begun);
		worker->result.ended_ns = now;
		if (code == LDAP_SERVER_DOWN || code == LDAP_TIMEOUT)
			break;
	}
	ldap_unbind_ext_s(worker->service, NULL, NULL);
	ldap_unbind_ext_s(worker->user, NULL, NULL);
	return NULL;
}

static int
run(const struct settings *settings)
{
	pthread_barrier_t ready, go;
	struct load_result result;
	struct worker *workers;
	uint64_t deadline_ns;
	unsigned int i;
	int code;

	memset(&result, 0, sizeof(result));
	if ((workers = calloc(settings->concurrency, sizeof(*workers))) == NULL)
		err(1, "workers");
	pthread_barrier_init(&ready, NULL, settings->concurrency + 1);
	pthread_barrier_init(&go, NULL, settings->concurrency + 1);
	for (i = 0; i < settings->concurrency; i++) {
		workers[i].settings = settings;
		workers[i].ready = &ready;
		workers[i].go = &go;
		workers[i].deadline_ns = &deadline_ns;
		workers[i].next = settings->users.n * i / settings->concurrency;
		if ((code = pthread_create(&workers[i].thread, NULL, work, &workers[i])) != 0)
			errx(1, "thread: %s", strerror(code));
	}
	pthread_barrier_wait(&ready);
	load_begin(&result, true);
	deadline_ns = result.started_ns + settings->seconds * 1000000000ULL;
	pthread_barrier_wait(&go);
	for (i = 0; i < settings->concurrency; i++) {
		pthread_join(workers[i].thread, NULL);
		load_merge(&result, &workers[i].result);
	}
	pthread_barrier_destroy(&ready);
	pthread_barrier_destroy(&go);
	free(workers);
	return load_report(&result);
}

int
main(int argc, char **argv)
{
	struct settings settings = { .concurrency = 1, .seconds = 5 };
	const char *password_file = NULL, *users_file = NULL;
	int option, status;

	while ((option = getopt(argc, argv, "H:b:D:y:u:a:c:s:g")) != -1) {
		switch (option) {
		case 'H':
			settings.url = optarg;
			break;
		case 'b':
			settings.base = optarg;
			break;
		case 'D':
			settings.service_dn = optarg;
			break;
		case 'y':
			password_file = optarg;
			break;
		case 'u':
			users_file = optarg;
			break;
		case 'a':
			settings.ca_file = optarg;
			break;
		case 'c':
			settings.concurrency =
			    load_number(optarg, "concurrency", 1, LOAD_MAX_CONCURRENCY);
			break;
		case 's':
			settings.seconds = load_number(optarg, "seconds", 1, LOAD_MAX_SECONDS);
			break;
		case 'g':
			settings.token_groups = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || settings.url == NULL || settings.base == NULL ||
	    settings.service_dn == NULL || password_file == NULL || users_file == NULL)
		usage();
	settings.service_password = load_read_line(password_file);
	load_read_users(users_file, &settings.users);
	set_options(&settings);
	status = run(&settings);
	load_free_users(&settings.users);
	free(settings.service_password);
	return status;
}
