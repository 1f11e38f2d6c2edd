/* SPDX-License-Identifier: ISC */
/*
 * What people type as their name, and how it is looked up.
 *
 *	user          sAMAccountName
 *	DOMAIN\user   sAMAccountName, when DOMAIN is our NetBIOS name
 *	a@b           userPrincipalName; then sAMAccountName a, when b is our
 *	              realm; then mail
 *
 * The first step that finds somebody wins.  A directory matches more loosely
 * than people write (trailing spaces, accents folded away), so what it returns
 * must equal what was typed by names_equal() as well.  Where one name could
 * mean two people the answer is nobody.
 */
#ifndef ADC_DIRECTORY_NAMES_H
#define ADC_DIRECTORY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_SIZE 1025 /* of a typed name with its NUL */
#define NAME_STEPS_MAX 3

enum name_attribute { NAME_SAM, NAME_UPN, NAME_MAIL };

struct name_step {
	enum name_attribute attribute;
	char value[NAME_SIZE];
};

struct name_plan {
	struct name_step steps[NAME_STEPS_MAX];
	size_t count;
};

/*
 * netbios and realm are our domain's, "" while unknown.  -1: the text is
 * nobody's name (empty part, white space at an end, control character, another
 * domain) and there is nothing to look up.
 */
int name_plan(struct name_plan *, const char *typed, const char *netbios, const char *realm);
/* "sAMAccountName", "userPrincipalName", "mail" */
const char *name_attribute(enum name_attribute);
/*
 * Caseless comparison of UTF-8: simple case folding for Latin, Greek and
 * Cyrillic, all else byte for byte.  No accents are dropped and nothing is
 * normalised; a malformed text equals only itself.
 */
bool names_equal(const void *a, size_t alen, const void *b, size_t blen);

#endif
