/* SPDX-License-Identifier: ISC */
/*
 * The values of a directory, the names that people type, and what becomes of them: filters,
 * accounts, profiles.  What is written reads back the same, and nothing typed becomes a part of a
 * filter's structure.
 */
#include "common/json.h"
#include "common/wipe.h"
#include "connector/directory/account.h"
#include "connector/directory/bind_result.h"
#include "connector/directory/domain.h"
#include "connector/directory/filter.h"
#include "connector/directory/groups.h"
#include "connector/directory/lockout.h"
#include "connector/directory/profile.h"
#include "connector/directory/request.h"
#include "fuzz.h"

static void
sid(struct fuzz_input in)
{
	struct sid binary, parsed, again;
	char text[SID_TEXT_SIZE], *given = fuzz_text(in);

	if (sid_read(&binary, in.data, in.len) == 0) {
		sid_text(&binary, text);
		fuzz_check(strncmp(text, "S-1-", 4) == 0);
		/* One without a sub-authority is nobody's, and is not taken as text. */
		fuzz_check(sid_parse(&parsed, text) == (binary.len > 8 ? 0 : -1));
		fuzz_check(binary.len == 8 || sid_equal(&binary, &parsed));
		fuzz_check(!sid_within(&binary, &binary));
	} else
		fuzz_check(binary.len == 0);
	if (sid_parse(&parsed, given) == 0) {
		sid_text(&parsed, text);
		fuzz_check(sid_parse(&again, text) == 0 && sid_equal(&parsed, &again));
		fuzz_check(sid_read(&again, parsed.data, parsed.len) == 0);
	} else
		fuzz_check(parsed.len == 0);
	free(given);
}

static void
numbers(struct fuzz_input in)
{
	char text[32], guid[GUID_TEXT_SIZE], *given = fuzz_text(in);
	uint8_t bytes[GUID_SIZE];
	struct bind_result result;
	int64_t value, again;
	uint32_t code;

	if (integer_read(&value, in.data, in.len) == 0) {
		snprintf(text, sizeof(text), "%lld", (long long)value);
		fuzz_check(integer_read(&again, text, strlen(text)) == 0 && again == value);
	}
	if (guid_read(bytes, in.data, in.len) == 0) {
		guid_text(bytes, guid);
		fuzz_check(strlen(guid) == GUID_TEXT_SIZE - 1);
	}
	if (diagnostic_code(&code, given) == 0)
		fuzz_check(strstr(given, "data ") != NULL);
	/* Whatever the words are: only a code that AD keeps for a right password proves one. */
	bind_result_read(&result, 49, given);
	fuzz_check(result.status < STATUS_COUNT && result.status != STATUS_OK);
	fuzz_check(!result.proven || diagnostic_code(&code, given) == 0);
	fuzz_check(!result.proven || result.status != STATUS_INVALID_CREDENTIALS);
	bind_result_read(&result, in.len > 0 ? in.data[0] : 80, given);
	fuzz_check(strnlen(result.reason, REASON_SIZE) < REASON_SIZE);
	free(given);
}

static int
digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* What stands between "(a=" and ")", unescaped, is what came. */
static void
escape(struct fuzz_input in)
{
	struct filter f;
	const char *p, *end;
	size_t i = 0;

	filter_init(&f);
	filter_add_equal(&f, "a", in.data, in.len);
	if ((p = filter_text(&f)) != NULL) {
		fuzz_check(strlen(p) == f.len && f.len < FILTER_MAX);
		fuzz_check(strncmp(p, "(a=", 3) == 0 && p[f.len - 1] == ')');
		for (p += 3, end = filter_text(&f) + f.len - 1; p < end; i++) {
			fuzz_check(i < in.len);
			if (*p == '\\') {
				fuzz_check(in.data[i] == (digit(p[1]) << 4 | digit(p[2])));
				p += 3;
			} else {
				fuzz_check(strchr("()*&|!=<>~\\ ,", *p) == NULL);
				fuzz_check(in.data[i] == (uint8_t)*p++);
			}
		}
		fuzz_check(i == in.len);
	} else
		fuzz_check(in.len >= FILTER_MAX / 3 - 16);
	filter_free(&f);
}

/* Typed name, NetBIOS name and realm, divided by NUL. */
static void
name(struct fuzz_input in)
{
	struct fuzz_input first = fuzz_until(&in, '\0'), second = fuzz_until(&in, '\0');
	char *typed = fuzz_text(first), *netbios = fuzz_text(second), *realm = fuzz_text(in);
	struct name_plan plan;
	char dns[64];
	size_t i;

	if (name_plan(&plan, typed, netbios, realm) == 0) {
		fuzz_check(plan.count >= 1 && plan.count <= NAME_STEPS_MAX);
		for (i = 0; i < plan.count; i++) {
			fuzz_check(plan.steps[i].value[0] != '\0');
			fuzz_check(strlen(plan.steps[i].value) < NAME_SIZE);
			fuzz_check(strstr(typed, plan.steps[i].value) != NULL);
			fuzz_check(name_attribute(plan.steps[i].attribute) != NULL);
		}
	}
	fuzz_check(names_equal(first.data, first.len, first.data, first.len));
	fuzz_check(names_equal(first.data, first.len, second.data, second.len) ==
	    names_equal(second.data, second.len, first.data, first.len));
	domain_realm_from_dn(dns, sizeof(dns), typed);
	fuzz_check(strnlen(dns, sizeof(dns)) < sizeof(dns));
	free(typed);
	free(netbios);
	free(realm);
}

static void
write_profile(const struct account *account, const struct membership *membership)
{
	struct profile_groups groups = { 0 };
	struct group_cache *cache = group_cache_new(64);
	char *text;
	json_t *json;
	size_t i;
	int whole;

	fuzz_check(cache != NULL);
	for (i = 0; i < membership->count; i++)
		fuzz_check(group_cache_put(cache, &membership->sids[i],
			       (i & 1) != 0 ? account->guid : NULL, account->sam, 0) == 0);
	fuzz_check(group_list(cache, membership, &groups) == 0);
	for (whole = 0; whole < 2; whole++) {
		text = profile_write(account, whole != 0 ? &groups : NULL, "lab.test");
		fuzz_check(text != NULL);
		json = json_read(text, strlen(text), 1 << 20, NULL);
		fuzz_check(json_is_string(json_object_get(json, "id")));
		json_decref(json);
		wiping_free(text);
	}
	free(groups.items);
	group_cache_free(cache);
}

static void
judge(const struct account *account, const struct lockout_policy *policy, int64_t now)
{
	static const struct lockout_limits limits = { 2, 3 };
	struct lockout_standing standing;
	struct lockout *lockout = lockout_new(4);

	fuzz_check(lockout != NULL);
	(void)lockout_judge(lockout, account, policy, &limits, now, now, &standing);
	lockout_failed(lockout, account->guid, policy->window, now, false);
	(void)lockout_judge(lockout, account, policy, &limits, now, now, &standing);
	lockout_free(lockout);
}

/*
 * DN up to a NUL; then values: a byte that says of which attribute, one of length, and the
 * bytes.
 */
static void
entry(struct fuzz_input in)
{
	static const char *const more[] = { "tokenGroups", "lockoutThreshold",
		"lockOutObservationWindow", "lockoutDuration" };
	static struct berval values[ENTRY_ATTRIBUTES_MAX][4];
	struct fuzz_input dn = fuzz_until(&in, '\0');
	struct entry entry = { 0 };
	struct entry_attribute *attribute;
	struct lockout_policy policy = { 0 };
	struct membership membership = { 0 };
	struct account account;
	const char *text;
	size_t known, which, len;

	for (known = 0; account_attributes[known] != NULL; known++)
		;
	memcpy(&entry.dn.bv_val, &dn.data, sizeof(dn.data));
	entry.dn.bv_len = dn.len;
	while (in.len >= 2 && entry.count < ENTRY_ATTRIBUTES_MAX) {
		which = fuzz_byte(&in);
		len = fuzz_byte(&in);
		len = len < in.len ? len : in.len;
		attribute = &entry.attributes[entry.count];
		/* One more value of the attribute before. */
		if (which >= 128 && entry.count > 0 && attribute[-1].count < 4)
			attribute--;
		else {
			which %= known + sizeof(more) / sizeof(more[0]);
			text = which < known ? account_attributes[which] : more[which - known];
			memcpy(&attribute->name.bv_val, &text, sizeof(text));
			attribute->name.bv_len = strlen(text);
			attribute->values = values[entry.count++];
		}
		memcpy(&attribute->values[attribute->count].bv_val, &in.data, sizeof(in.data));
		attribute->values[attribute->count++].bv_len = len;
		in.data += len;
		in.len -= len;
	}
	(void)membership_take(&membership, &entry);
	fuzz_check(membership.read == (membership.sids != NULL));
	domain_lockout_read(
	    &policy, &entry, "lockoutThreshold", "lockOutObservationWindow", "lockoutDuration");
	if (account_read(&account, &entry) == ACCOUNT_READ) {
		fuzz_check((account.control & UAC_NORMAL) != 0 && account.sam[0] != '\0');
		fuzz_check(strlen(account.dn) <= ACCOUNT_DN_MAX);
		write_profile(&account, &membership);
		judge(&account, &policy, filetime_from_unix(1700000000));
		account_free(&account);
	} else
		fuzz_check(account.dn == NULL && account.sam == NULL);
	membership_free(&membership);
}

/* What a parent says; the sealed text in it never opens here, see fuzz_sealed. */
static void
message(struct fuzz_input in)
{
	struct sealed_content content;
	struct request request;
	struct wire_reader r;
	struct replay *replay = replay_new(4, 4);
	const char *reason;

	fuzz_check(replay != NULL);
	wire_reader_init(&r, in.data, in.len);
	if (request_read(&request, &r) == 0) {
		fuzz_check(request.username[0] != '\0' && request.attempt[0] != '\0');
		fuzz_check(request_open(&request, "corp", replay, 1, &content, &reason) ==
		    STATUS_BAD_REQUEST);
		fuzz_check(content.password == NULL && reason != NULL);
	}
	request_wipe(&request);
	replay_free(replay);
}

/* Key up to a NUL, then the value; several items, divided by 0xff. */
static void
configuration(struct fuzz_input in)
{
	struct directory_settings settings;
	struct fuzz_input item;
	char *key;

	directory_settings_init(&settings);
	while (in.len > 0) {
		item = fuzz_until(&in, 0xff);
		key = fuzz_text(fuzz_until(&item, '\0'));
		(void)directory_settings_item(&settings, key, item.data, item.len, -1);
		free(key);
	}
	(void)directory_settings_check(&settings);
	fuzz_check(settings.server_count <= SETTINGS_SERVERS_MAX);
	policy_groups_free(&settings.policy.allow);
	policy_groups_free(&settings.policy.deny);
	free(settings.ca);
	free(settings.base);
	free(settings.user);
	free(settings.password_file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };

	switch (fuzz_byte(&in)) {
	case 's':
		sid(in);
		break;
	case 'i':
		numbers(in);
		break;
	case 'f':
		escape(in);
		break;
	case 'n':
		name(in);
		break;
	case 'e':
		entry(in);
		break;
	case 'm':
		message(in);
		break;
	default:
		configuration(in);
	}
	return 0;
}
