/* SPDX-License-Identifier: ISC */
/*
 * Names of the status values.
 */
#include "status.h"

#include <string.h>

static const char *const words[STATUS_COUNT] = {
#define STATUS(name, word) [STATUS_##name] = word,
#include "status.def"
#undef STATUS
};

const char *
status_word(enum status status)
{
	if ((unsigned int)status >= STATUS_COUNT)
		return "internal";
	return words[status];
}

enum status
status_from_word(const char *word)
{
	unsigned int i;

	for (i = 0; i < STATUS_COUNT; i++) {
		if (strcmp(words[i], word) == 0)
			return (enum status)i;
	}
	return STATUS_COUNT;
}
