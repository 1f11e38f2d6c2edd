/* SPDX-License-Identifier: ISC */
/*
 * The value types of Active Directory: SID, GUID, FILETIME, integers in text,
 * and the code in a diagnostic message.  Pure decoders: bytes in, value or -1
 * out; they own nothing and read nothing past len.
 */
#ifndef ADC_DIRECTORY_ATTRIBUTES_H
#define ADC_DIRECTORY_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUID_SIZE 16
#define GUID_TEXT_SIZE 37 /* 8-4-4-4-12 and NUL */

/* MS-DTYP 2.4.2.2: revision, count of at most 15, authority, sub-authorities. */
#define SID_SUBS_MAX 15
#define SID_SIZE (8 + 4 * SID_SUBS_MAX)
#define SID_TEXT_SIZE 192

struct sid {
	uint8_t data[SID_SIZE]; /* as in LDAP; what is behind len is zero */
	uint8_t len;		/* 8..SID_SIZE; 0: none */
};

/* -1 unless value is exactly one SID of revision 1. */
int sid_read(struct sid *, const void *value, size_t len);
/* "S-1-5-21-…" (MS-DTYP 2.4.2.1). */
void sid_text(const struct sid *, char dst[SID_TEXT_SIZE]);
/* The way back; -1 for anything that is not a SID's text. */
int sid_parse(struct sid *, const char *text);
bool sid_equal(const struct sid *, const struct sid *);
/* The last sub-authority; 0 when there is none. */
uint32_t sid_rid(const struct sid *);
/* Is it domain's SID with one more sub-authority? */
bool sid_within(const struct sid *, const struct sid *domain);
/* Is it in the domain BUILTIN (S-1-5-32)? */
bool sid_builtin(const struct sid *);

/* objectGUID, kept as LDAP carries it (MS-DTYP 2.3.4.2). -1 unless len is 16. */
int guid_read(uint8_t dst[GUID_SIZE], const void *value, size_t len);
/*
 * Its text in lower case (RFC 4122 section 3): the first three fields are
 * little-endian in the bytes.
 */
void guid_text(const uint8_t guid[GUID_SIZE], char dst[GUID_TEXT_SIZE]);

/* A decimal integer (LDAP syntax INTEGER, RFC 4517 3.3.16): no spaces, no plus. */
int integer_read(int64_t *dst, const void *value, size_t len);

/* 100 ns units in a second; FILETIME counts them from 1601 (MS-DTYP 2.3.3). */
#define FILETIME_SECOND 10000000LL
#define FILETIME_NEVER INT64_MAX
/* FILETIME of a time in seconds since 1970. */
int64_t filetime_from_unix(int64_t seconds);

/*
 * The hexadecimal number behind "data " in the diagnostic message of a refused
 * bind ("80090308: LdapErr: DSID-…, comment: AcceptSecurityContext error, data
 * 52e, v1db1").  -1 when there is none, or it stands elsewhere; text may be NULL.
 */
int diagnostic_code(uint32_t *code, const char *text);

#endif
