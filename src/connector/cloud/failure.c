/* SPDX-License-Identifier: ISC */
/*
 * See failure.h.  What the hub says about itself comes in here, so a text that
 * was cut is cut between characters and is always UTF-8.
 */
#include "failure.h"

#include "common/wire.h"

#include <stdarg.h>
#include <stdio.h>

void
failure_set(struct failure *f, const char *code, const char *format, ...)
{
	va_list ap;

	f->code = code;
	va_start(ap, format);
	vsnprintf(f->text, sizeof(f->text), format, ap);
	va_end(ap);
	utf8_trim(f->text);
}
