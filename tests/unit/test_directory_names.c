/* SPDX-License-Identifier: ISC */
/*
 * What people type: which look-ups it means, and that no two people are taken
 * for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "allocations.h"
#include "name_cache.h"
#include "names.h"

#include <stdio.h>
#include <string.h>

static struct name_plan plan;

static int
make(const char *typed)
{
	return name_plan(&plan, typed, "LAB", "lab.test");
}

static void
check_step(size_t i, enum name_attribute attribute, const char *value)
{
	assert_true(i < plan.count);
	assert_int_equal(plan.steps[i].attribute, attribute);
	assert_string_equal(plan.steps[i].value, value);
}

static void
forms(void **state)
{
	(void)state;
	assert_int_equal(make("alice"), 0);
	assert_int_equal(plan.count, 1);
	check_step(0, NAME_SAM, "alice");

	assert_int_equal(make("lab\\alice"), 0);
	assert_int_equal(plan.count, 1);
	check_step(0, NAME_SAM, "alice");

	/* Only the part behind the first backslash is the name, and it is escaped later. */
	assert_int_equal(make("LAB\\a\\b@c"), 0);
	assert_int_equal(plan.count, 1);
	check_step(0, NAME_SAM, "a\\b@c");

	assert_int_equal(make("alice@lab.test"), 0);
	assert_int_equal(plan.count, 3);
	check_step(0, NAME_UPN, "alice@lab.test");
	check_step(1, NAME_SAM, "alice");
	check_step(2, NAME_MAIL, "alice@lab.test");

	assert_int_equal(make("alice@LAB.Test"), 0);
	assert_int_equal(plan.count, 3);

	/* Another suffix implies no sAMAccountName. */
	assert_int_equal(make("alice@other.test"), 0);
	assert_int_equal(plan.count, 2);
	check_step(0, NAME_UPN, "alice@other.test");
	check_step(1, NAME_MAIL, "alice@other.test");

	/* The realm is behind the last at sign. */
	assert_int_equal(make("a@lab.test@other.test"), 0);
	assert_int_equal(plan.count, 2);
	assert_int_equal(make("a@b@lab.test"), 0);
	check_step(1, NAME_SAM, "a@b");
}

static void
nobody(void **state)
{
	static const char *const names[] = { "", " ", " alice", "alice ", "\\alice", "LAB\\",
		"LAB\\ a", "LAB\\a ", "OTHER\\alice", "LABX\\alice", "LA\\alice", "@lab.test",
		"alice@", "@", "alice @lab.test", "alice@ lab.test", "ali\tce", "alice\n", "\x7f",
		"\x01", "ali\xff", "\xc3", "\\" };
	char longest[NAME_SIZE + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(make(names[i]), -1);
	memset(longest, 'a', sizeof(longest));
	longest[NAME_SIZE - 1] = '\0';
	assert_int_equal(make(longest), 0);
	longest[NAME_SIZE - 1] = 'a';
	longest[NAME_SIZE] = '\0';
	assert_int_equal(make(longest), -1);
}

static void
unknown_domain(void **state)
{
	(void)state;
	assert_int_equal(name_plan(&plan, "LAB\\alice", "", ""), -1);
	assert_int_equal(name_plan(&plan, "\\alice", "", ""), -1);
	assert_int_equal(name_plan(&plan, "alice@lab.test", "", ""), 0);
	assert_int_equal(plan.count, 2);
}

static bool
equal(const char *a, const char *b)
{
	bool one = names_equal(a, strlen(a), b, strlen(b));

	assert_int_equal(one, names_equal(b, strlen(b), a, strlen(a)));
	return one;
}

static void
comparison(void **state)
{
	static const char *const same[][2] = { { "", "" }, { "a", "A" }, { "Alice.9", "aLICE.9" },
		{ "JÜRGEN", "jürgen" }, { "ÀÞ", "àþ" }, { "Ÿ", "ÿ" }, { "ŠŽ", "šž" },
		{ "Łódź", "ŁÓDŹ" }, { "ΑΩ", "αω" }, { "ЁЖ", "ёж" }, { "王小明", "王小明" },
		{ "ẤỆ", "ấệ" } };
	static const char *const different[][2] = { { "a", "" }, { "a", "b" }, { "a", "aa" },
		{ "jurgen", "jürgen" }, { "e", "é" }, { "ss", "ß" }, { "SS", "ß" }, { "ı", "i" },
		{ "İ", "i" }, { "K", "\xe2\x84\xaa" }, { "s", "ſ" }, { "×", "÷" }, { "@", "`" },
		{ "[", "{" }, { "alice", "alice " }, { "alice", "a\xe2\x80\x8blice" },
		{ "а", "a" } /* Cyrillic */, { "ü", "u\xcc\x88" } /* not normalised */ };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_true(equal(same[i][0], same[i][1]));
	for (i = 0; i < sizeof(different) / sizeof(different[0]); i++)
		assert_false(equal(different[i][0], different[i][1]));
	/* Malformed texts equal only themselves. */
	assert_true(equal("\xff", "\xff"));
	assert_false(equal("A\xff", "a\xff"));
	assert_false(names_equal("a\0b", 3, "a", 1));
	assert_true(names_equal("a\0b", 3, "A\0B", 3));
}

/* The DN that is kept; "" for none. */
static const char *
kept(struct name_cache *cache, enum name_attribute attribute, const char *name, int64_t now)
{
	struct name_step step = { .attribute = attribute };
	const char *dn;

	snprintf(step.value, sizeof(step.value), "%s", name);
	dn = name_cache_find(cache, &step, now);
	return dn == NULL ? "" : dn;
}

static void
keep(struct name_cache *cache, enum name_attribute attribute, const char *name, const char *dn,
    int64_t now)
{
	struct name_step step = { .attribute = attribute };

	snprintf(step.value, sizeof(step.value), "%s", name);
	name_cache_put(cache, &step, dn, now);
}

static void
cache_of_places(void **state)
{
	struct name_step step = { NAME_SAM, "alice" };
	struct name_cache *cache;

	(void)state;
	assert_non_null(cache = name_cache_new(3));
	assert_string_equal(kept(cache, NAME_SAM, "alice", 0), "");
	name_cache_forget(cache, &step);
	keep(cache, NAME_SAM, "alice", "CN=old", 0);
	keep(cache, NAME_SAM, "alice", "CN=alice", 5);
	assert_string_equal(kept(cache, NAME_SAM, "alice", 5), "CN=alice");
	/* As it was typed, and as what it was taken for. */
	assert_string_equal(kept(cache, NAME_SAM, "Alice", 5), "");
	assert_string_equal(kept(cache, NAME_UPN, "alice", 5), "");
	assert_string_equal(kept(cache, NAME_SAM, "", 5), "");
	/* From the time when it was found; use does not lengthen it. */
	assert_string_equal(kept(cache, NAME_SAM, "alice", 5 + NAME_CACHE_S - 1), "CN=alice");
	assert_string_equal(kept(cache, NAME_SAM, "alice", 5 + NAME_CACHE_S), "");
	assert_string_equal(kept(cache, NAME_SAM, "alice", 5), "");
	/* The one longest unused makes room. */
	keep(cache, NAME_SAM, "a", "CN=a", 0);
	keep(cache, NAME_SAM, "b", "CN=b", 0);
	keep(cache, NAME_UPN, "b", "CN=B", 0);
	assert_string_equal(kept(cache, NAME_SAM, "a", 1), "CN=a");
	keep(cache, NAME_SAM, "c", "CN=c", 0);
	assert_string_equal(kept(cache, NAME_SAM, "b", 1), "");
	assert_string_equal(kept(cache, NAME_SAM, "a", 1), "CN=a");
	assert_string_equal(kept(cache, NAME_UPN, "b", 1), "CN=B");
	strcpy(step.value, "a");
	name_cache_forget(cache, &step);
	assert_string_equal(kept(cache, NAME_SAM, "a", 1), "");
	assert_string_equal(kept(cache, NAME_SAM, "c", 1), "CN=c");
	name_cache_free(cache);
	name_cache_free(NULL);
}

static void
cache_of_long_ones(void **state)
{
	char name[NAME_CACHE_NAME_MAX + 2], dn[NAME_CACHE_DN_MAX + 2];
	struct name_cache *cache;

	(void)state;
	assert_non_null(cache = name_cache_new(3));
	memset(name, 'n', sizeof(name));
	memset(dn, 'd', sizeof(dn));
	name[NAME_CACHE_NAME_MAX] = dn[NAME_CACHE_DN_MAX] = '\0';
	keep(cache, NAME_SAM, name, dn, 0);
	assert_string_equal(kept(cache, NAME_SAM, name, 0), dn);
	name[NAME_CACHE_NAME_MAX] = 'n';
	name[NAME_CACHE_NAME_MAX + 1] = '\0';
	keep(cache, NAME_SAM, name, dn, 0);
	assert_string_equal(kept(cache, NAME_SAM, name, 0), "");
	/* One that is too long to be kept is not where the name was before, either. */
	keep(cache, NAME_SAM, "n", "CN=n", 0);
	dn[NAME_CACHE_DN_MAX] = 'd';
	dn[NAME_CACHE_DN_MAX + 1] = '\0';
	keep(cache, NAME_SAM, "n", dn, 0);
	assert_string_equal(kept(cache, NAME_SAM, "n", 0), "");
	name_cache_free(cache);
}

static bool
without_memory(void *arg)
{
	struct name_cache *cache;
	bool whole;

	(void)arg;
	if ((cache = name_cache_new(3)) == NULL)
		return false;
	keep(cache, NAME_SAM, "alice", "CN=old", 0);
	keep(cache, NAME_SAM, "alice", "CN=alice", 0);
	/* Never where it was before. */
	assert_string_not_equal(kept(cache, NAME_SAM, "alice", 0), "CN=old");
	whole = kept(cache, NAME_SAM, "alice", 0)[0] != '\0';
	name_cache_free(cache);
	return whole;
}

static void
cache_without_memory(void **state)
{
	(void)state;
	allocations_fail_each(without_memory, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(nobody),
		cmocka_unit_test(unknown_domain),
		cmocka_unit_test(comparison),
		cmocka_unit_test(cache_of_places),
		cmocka_unit_test(cache_of_long_ones),
		cmocka_unit_test(cache_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
