/* SPDX-License-Identifier: ISC */
/*
 * One step of a test or an explanation, shown when its line comes.
 */
#include "adconnectorctl.h"

#include "common/terminal.h"

#include <stdio.h>
#include <stdlib.h>

static void
print_labelled(const char *label, const json_t *line, const char *key)
{
	char *text;

	text = ctl_text(line, key);
	if (text[0] != '\0') {
		printf("     %s", label);
		terminal_puts(stdout, text);
		putchar('\n');
	}
	free(text);
}

void
print_step(const json_t *line)
{
	char *title, *ms;
	bool passed;

	passed = json_is_true(json_object_get(line, "passed"));
	title = ctl_text(line, "title");
	ms = ctl_text(line, "ms");
	printf(terminal_utf8() ? "  %s  " : "  %-6s ", terminal_mark(passed));
	terminal_puts(stdout, title);
	printf("  (%s ms)\n", ms);
	free(title);
	free(ms);
	print_labelled("", line, "text");
	print_labelled(passed ? "note: " : "what to do: ", line, "hint");
	ctl_flush();
}
