/* SPDX-License-Identifier: ISC */
/*
 * The root DSE first, for it says where all else is; then everything at once.
 */
#include "build.h"

#include "domain.h"

#include "filter.h"
#include "common/log.h"

#include <bsd/string.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Of a naming context; the parent takes no longer one either. */
#define DN_MAX 1023
#define TIME_MAX 32
/* Groups of the policy looked up by one search. */
#define GROUPS_IN_SEARCH 64U
/* Root DSE, or base, head, partition and the searches for groups. */
#define PARTS_MAX (4 + 2 * (POLICY_GROUPS_MAX / GROUPS_IN_SEARCH))

struct domain_reading;

struct part {
	struct domain_reading *reading;
	struct operation *operation;
	enum { PART_OPTIONAL, PART_BASE, PART_GROUPS } kind;
};

struct domain_reading {
	struct connection *connection;
	const struct directory_settings *settings;
	unsigned int timeout_ms;
	domain_fn callback;
	void *arg;
	struct domain *domain;
	struct part parts[PARTS_MAX];
	size_t part_count;
	size_t pending;
	bool no_memory;
	bool failed;
	struct failure failure;
};

static const char any[] = "(objectClass=*)";

void
domain_free(struct domain *domain)
{
	if (domain == NULL)
		return;
	policy_groups_free(&domain->policy.allow);
	policy_groups_free(&domain->policy.deny);
	free(domain->base);
	free(domain->root);
	free(domain->configuration);
	free(domain);
}

static void
reading_free(struct domain_reading *r)
{
	domain_free(r->domain);
	free(r);
}

void
domain_reading_cancel(struct domain_reading *r)
{
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; i < r->part_count; i++)
		operation_cancel(r->parts[i].operation);
	reading_free(r);
}

static void
finish(struct domain_reading *r)
{
	domain_fn callback = r->callback;
	struct domain *domain = r->domain;
	struct failure failure = r->failure;
	bool failed = r->failed;
	void *arg = r->arg;

	if (!failed)
		r->domain = NULL;
	reading_free(r);
	callback(arg, failed ? NULL : domain, failed ? &failure : NULL);
}

void
domain_realm_from_dn(char *dst, size_t size, const char *dn)
{
	size_t n;

	dst[0] = '\0';
	while (strncasecmp(dn, "DC=", 3) == 0) {
		dn += 3;
		n = strcspn(dn, ",");
		/* A component with an escape is no DNS label. */
		if (n == 0 || memchr(dn, '\\', n) != NULL || strlen(dst) + n + 2 > size) {
			dst[0] = '\0';
			return;
		}
		if (dst[0] != '\0')
			strlcat(dst, ".", size);
		strncat(dst, dn, n);
		dn += n;
		if (*dn == ',')
			dn++;
	}
	if (*dn != '\0')
		dst[0] = '\0';
}

/* AD keeps intervals as negative numbers of 100 ns; the least of all means "for ever". */
static int64_t
interval(int64_t value)
{
	if (value == INT64_MIN)
		return 0;
	return value < 0 ? -value : value;
}

void
domain_lockout_read(struct lockout_policy *policy, const struct entry *entry, const char *threshold,
    const char *window, const char *duration)
{
	int64_t value;

	memset(policy, 0, sizeof(*policy));
	if (entry_integer(entry, threshold, &value) == 0 && value >= 0) {
		policy->threshold_known = true;
		policy->threshold = value;
	}
	if (entry_integer(entry, window, &value) == 0)
		policy->window = interval(value);
	if (entry_integer(entry, duration, &value) == 0)
		policy->duration = interval(value);
}

static void
on_part_done(void *arg, const struct outcome *outcome)
{
	struct part *part = arg;
	struct domain_reading *r = part->reading;

	part->operation = NULL;
	r->pending--;
	if (outcome->code == LDAP_SERVER_DOWN)
		return; /* the owner of the connection is told why, and cancels */
	if (outcome->code == LDAP_TIMEOUT) {
		if (!r->failed)
			failure_set(&r->failure, "timeout", "reading from %s was not finished",
			    connection_host(r->connection));
		r->failed = true;
	} else if (part->kind == PART_GROUPS && outcome->code != LDAP_SUCCESS && !r->failed) {
		/* A rule whose group is not known would let everybody through. */
		r->failed = true;
		failure_set(&r->failure, "groups_unreadable",
		    "the groups of the policy could not be looked up on %s: %s",
		    connection_host(r->connection), ldap_err2string(outcome->code));
		failure_hint(&r->failure, "directory.user needs the right to read groups");
	} else if (part->kind == PART_BASE && outcome->code != LDAP_SUCCESS && !r->failed) {
		r->failed = true;
		failure_set(&r->failure, "base_not_found", "base DN %s is not there on %s: %s",
		    r->settings->base, connection_host(r->connection),
		    ldap_err2string(outcome->code));
		if (r->domain->root[0] != '\0')
			failure_hint(&r->failure, "set directory.base to this domain's base DN, %s",
			    r->domain->root);
		else
			failure_hint(&r->failure, "check directory.base");
	}
	if (r->pending == 0)
		finish(r);
}

static int
start(struct domain_reading *r, const struct search *search, operation_entry_fn entry, int kind)
{
	struct part *part = &r->parts[r->part_count];

	part->reading = r;
	part->kind = kind;
	part->operation = connection_search(r->connection, search, entry, on_part_done, part);
	if (part->operation == NULL)
		return -1;
	r->part_count++;
	r->pending++;
	return 0;
}

static void
on_head(void *arg, const struct entry *entry)
{
	struct domain *domain = ((struct part *)arg)->reading->domain;
	const struct entry_attribute *sid = entry_get(entry, "objectSid");

	if (sid != NULL)
		domain->has_sid =
		    sid_read(&domain->sid, sid->values[0].bv_val, sid->values[0].bv_len) == 0;
	domain_lockout_read(&domain->lockout, entry, "lockoutThreshold", "lockOutObservationWindow",
	    "lockoutDuration");
}

static void
on_partition(void *arg, const struct entry *entry)
{
	struct domain *domain = ((struct part *)arg)->reading->domain;

	(void)entry_text(entry, "nETBIOSName", domain->netbios, sizeof(domain->netbios));
	(void)entry_text(entry, "dnsRoot", domain->realm, sizeof(domain->realm));
}

static void
learn_group(struct policy_groups *groups, const char *name, const struct sid *sid)
{
	size_t i;

	for (i = 0; i < groups->count; i++) {
		struct policy_group *group = &groups->items[i];

		if (!group->fixed &&
		    names_equal(group->text, strlen(group->text), name, strlen(name))) {
			group->sid = *sid;
			group->known = true;
		}
	}
}

static void
on_group(void *arg, const struct entry *entry)
{
	struct domain *domain = ((struct part *)arg)->reading->domain;
	const struct entry_attribute *attribute = entry_get(entry, "objectSid");
	char name[POLICY_GROUP_NAME_SIZE];
	struct sid sid;

	/* A user may be called as a group is in another domain; only a group is meant. */
	if (attribute == NULL || !entry_has_value(entry, "objectClass", "group") ||
	    sid_read(&sid, attribute->values[0].bv_val, attribute->values[0].bv_len) == -1 ||
	    !entry_text(entry, "sAMAccountName", name, sizeof(name)))
		return;
	learn_group(&domain->policy.allow, name, &sid);
	learn_group(&domain->policy.deny, name, &sid);
}

static int
start_groups(struct domain_reading *r, const struct policy_groups *groups)
{
	static const char *const attributes[] = { "objectClass", "sAMAccountName", "objectSid",
		NULL };
	struct search search = { r->domain->root[0] != '\0' ? r->domain->root : r->domain->base,
		LDAP_SCOPE_SUBTREE, NULL, attributes, GROUPS_IN_SEARCH, r->timeout_ms };
	struct filter filter;
	size_t i = 0, n;
	int result = 0;

	while (i < groups->count && result == 0) {
		filter_init(&filter);
		filter_add(&filter, "(|");
		for (n = 0; i < groups->count && n < GROUPS_IN_SEARCH; i++) {
			if (groups->items[i].fixed)
				continue;
			filter_add_equal(&filter, "sAMAccountName", groups->items[i].text,
			    strlen(groups->items[i].text));
			n++;
		}
		filter_add(&filter, ")");
		search.filter = filter_text(&filter);
		if (n > 0 &&
		    (search.filter == NULL || start(r, &search, on_group, PART_GROUPS) == -1))
			result = -1;
		filter_free(&filter);
	}
	return result;
}

static int
start_head(struct domain_reading *r)
{
	static const char *const attributes[] = { "objectSid", "lockoutThreshold",
		"lockOutObservationWindow", "lockoutDuration", NULL };
	const struct search search = { r->domain->root, LDAP_SCOPE_BASE, any, attributes, 1,
		r->timeout_ms };

	return start(r, &search, on_head, PART_OPTIONAL);
}

static int
start_partition(struct domain_reading *r)
{
	static const char *const attributes[] = { "nETBIOSName", "dnsRoot", NULL };
	struct search search = { NULL, LDAP_SCOPE_ONELEVEL, NULL, attributes, 1, r->timeout_ms };
	struct filter filter;
	char base[DN_MAX + 16];
	int result;

	snprintf(base, sizeof(base), "CN=Partitions,%s", r->domain->configuration);
	filter_init(&filter);
	filter_add_equal(&filter, "nCName", r->domain->root, strlen(r->domain->root));
	search.base = base;
	search.filter = filter_text(&filter);
	result = search.filter == NULL ? -1 : start(r, &search, on_partition, PART_OPTIONAL);
	filter_free(&filter);
	return result;
}

static int
start_rest(struct domain_reading *r)
{
	static const char *const attributes[] = { "objectClass", NULL };
	const struct search search = { r->domain->base, LDAP_SCOPE_BASE, any, attributes, 1,
		r->timeout_ms };

	if (start(r, &search, NULL, PART_BASE) == -1 ||
	    start_groups(r, &r->domain->policy.allow) == -1 ||
	    start_groups(r, &r->domain->policy.deny) == -1)
		return -1;
	if (r->domain->root[0] == '\0')
		return 0; /* no Active Directory; nothing more to learn */
	if (start_head(r) == -1)
		return -1;
	return r->domain->configuration[0] == '\0' ? 0 : start_partition(r);
}

/* "" when there is none; NULL: no memory. */
static char *
first_string(const struct entry *entry, const char *name)
{
	char *text;

	if (entry_string(entry, name, DN_MAX, &text) == -1)
		return NULL;
	return text != NULL ? text : calloc(1, 1);
}

static void
read_clock(struct directory_clock *clock, const struct entry *entry)
{
	char text[TIME_MAX + 1];
	int64_t now;

	if (entry_text(entry, "currentTime", text, sizeof(text)) &&
	    directory_time_read(text, &now) == 0)
		directory_clock_set(clock, now);
}

static void
on_root_dse(void *arg, const struct entry *entry)
{
	struct domain_reading *r = ((struct part *)arg)->reading;
	const struct entry_attribute *contexts = entry_get(entry, "namingContexts");
	struct domain *domain = r->domain;

	if (domain->root != NULL)
		return;
	read_clock(&domain->clock, entry);
	domain->root = first_string(entry, "defaultNamingContext");
	domain->configuration = first_string(entry, "configurationNamingContext");
	if (domain->root == NULL || domain->configuration == NULL) {
		r->no_memory = true;
		return;
	}
	domain_realm_from_dn(domain->realm, sizeof(domain->realm), domain->root);
	if (r->settings->base[0] != '\0')
		r->no_memory = (domain->base = strdup(r->settings->base)) == NULL;
	else if (domain->root[0] != '\0')
		r->no_memory = (domain->base = strdup(domain->root)) == NULL;
	else if (contexts != NULL && contexts->count == 1)
		r->no_memory = entry_string(entry, "namingContexts", DN_MAX, &domain->base) == -1;
}

static void
on_root_dse_done(void *arg, const struct outcome *outcome)
{
	struct part *part = arg;
	struct domain_reading *r = part->reading;

	part->operation = NULL;
	r->pending--;
	if (outcome->code == LDAP_SERVER_DOWN)
		return;
	if (outcome->code != LDAP_SUCCESS) {
		r->failed = true;
		failure_set(&r->failure, outcome->code == LDAP_TIMEOUT ? "timeout" : "protocol",
		    "the root entry of %s could not be read: %s", connection_host(r->connection),
		    ldap_err2string(outcome->code));
	} else if (r->no_memory) {
		r->failed = true;
		failure_set(&r->failure, "internal", "no memory for what %s says of itself",
		    connection_host(r->connection));
	} else if (r->domain->base == NULL) {
		r->failed = true;
		failure_set(&r->failure, "base_unknown", "%s does not say where its entries begin",
		    connection_host(r->connection));
		failure_hint(&r->failure, "set directory.base, e.g. DC=example,DC=com");
	} else if (start_rest(r) == -1) {
		r->failed = true;
		failure_set(&r->failure, "internal", "reading from %s could not be started",
		    connection_host(r->connection));
	}
	if (r->pending == 0)
		finish(r);
}

static int
copy_groups(struct policy_groups *dst, const struct policy_groups *src)
{
	size_t i;

	for (i = 0; i < src->count; i++) {
		if (policy_groups_add(dst, src->items[i].text) == -1)
			return -1;
	}
	return 0;
}

struct domain_reading *
domain_read(struct connection *connection, const struct directory_settings *settings,
    unsigned int timeout_ms, domain_fn callback, void *arg)
{
	static const char *const attributes[] = { "defaultNamingContext",
		"configurationNamingContext", "namingContexts", "currentTime", NULL };
	const struct search search = { "", LDAP_SCOPE_BASE, any, attributes, 1, timeout_ms };
	struct domain_reading *r;
	struct part *part;

	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->domain = calloc(1, sizeof(*r->domain))) == NULL)
		goto fail;
	r->connection = connection;
	r->settings = settings;
	r->timeout_ms = timeout_ms;
	r->callback = callback;
	r->arg = arg;
	r->domain->policy.deny_privileged = settings->policy.deny_privileged;
	if (copy_groups(&r->domain->policy.allow, &settings->policy.allow) == -1 ||
	    copy_groups(&r->domain->policy.deny, &settings->policy.deny) == -1)
		goto fail;
	part = &r->parts[r->part_count++];
	part->reading = r;
	part->operation =
	    connection_search(connection, &search, on_root_dse, on_root_dse_done, part);
	if (part->operation == NULL)
		goto fail;
	r->pending = 1;
	return r;
fail:
	if (r != NULL)
		reading_free(r);
	return NULL;
}
