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

#include "names.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(nobody),
		cmocka_unit_test(unknown_domain),
		cmocka_unit_test(comparison),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
