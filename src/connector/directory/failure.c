/* SPDX-License-Identifier: ISC */
/* Texts are cut at their size, at the end of a whole UTF-8 character. */
#include "build.h"

#include "failure.h"

#include "common/wire.h"

#include <bsd/string.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 0)))
format_text(char dst[FAILURE_TEXT_SIZE], const char *format, va_list ap)
{
	size_t len, i;

	if (vsnprintf(dst, FAILURE_TEXT_SIZE, format, ap) < 0)
		dst[0] = '\0';
	/* A server's words may be in any encoding; a message to the parent may not. */
	len = strlen(dst);
	while (len > 0 && len >= FAILURE_TEXT_SIZE - 4 && ((uint8_t)dst[len - 1] & 0x80) != 0)
		dst[--len] = '\0';
	if (utf8_valid(dst, len))
		return;
	for (i = 0; i < len; i++) {
		if (((uint8_t)dst[i] & 0x80) != 0)
			dst[i] = '?';
	}
}

void
failure_set(struct failure *failure, const char *code, const char *format, ...)
{
	va_list ap;

	strlcpy(failure->code, code, sizeof(failure->code));
	failure->hint[0] = '\0';
	va_start(ap, format);
	format_text(failure->text, format, ap);
	va_end(ap);
}

void
failure_hint(struct failure *failure, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	format_text(failure->hint, format, ap);
	va_end(ap);
}

void
failure_clear(struct failure *failure)
{
	memset(failure, 0, sizeof(*failure));
}
