/* SPDX-License-Identifier: ISC */
/*
 * Questions to the person at the terminal whose answers are no secrets; those that are, are
 * asked by terminal.h.
 */
#ifndef COMMON_PROMPT_H
#define COMMON_PROMPT_H

#include <stdbool.h>

/* Can somebody be asked? */
bool prompt_possible(void);
/* The line that is typed, malloc'ed; NULL when nothing more comes. */
char *prompt_line(const char *question);
bool prompt_yes(const char *question);

#endif
