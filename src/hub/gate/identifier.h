/* SPDX-License-Identifier: ISC */
/* The forms of names and ids that come from outside, and their greatest sizes with NUL. */
#ifndef GATE_IDENTIFIER_H
#define GATE_IDENTIFIER_H

#include <stdbool.h>

#define CONNECTION_SIZE 65
#define CONNECTOR_ID_SIZE 65
#define USERNAME_MAX 1024 /* bytes */
#define URL_SIZE 1025

/* 1 to 64 of a-z, 0-9 and '-'. */
bool is_connection_identifier(const char *);
/* min to max of A-Z, a-z, 0-9, '_' and '-': ids, ticket secrets. */
bool is_token(const char *, unsigned long min, unsigned long max);

#endif
