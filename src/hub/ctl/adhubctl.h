/* SPDX-License-Identifier: ISC */
/*
 * The commands of adhubctl(8).
 */
#ifndef ADC_ADHUBCTL_H
#define ADC_ADHUBCTL_H

#include "common/ctl.h"

enum ctl_status command_connection_add(struct ctl *, int argc, char **argv);
enum ctl_status command_connection_list(struct ctl *, int argc, char **argv);
enum ctl_status command_connection_show(struct ctl *, int argc, char **argv);
enum ctl_status command_connection_remove(struct ctl *, int argc, char **argv);
enum ctl_status command_ticket_new(struct ctl *, int argc, char **argv);
enum ctl_status command_ticket_list(struct ctl *, int argc, char **argv);
enum ctl_status command_ticket_revoke(struct ctl *, int argc, char **argv);
enum ctl_status command_connector_list(struct ctl *, int argc, char **argv);
enum ctl_status command_connector_approve(struct ctl *, int argc, char **argv);
enum ctl_status command_connector_revoke(struct ctl *, int argc, char **argv);
enum ctl_status command_login(struct ctl *, int argc, char **argv);
enum ctl_status command_audit(struct ctl *, int argc, char **argv);
enum ctl_status command_audit_verify(struct ctl *, int argc, char **argv);

/*
 * The command line of a command without options of its own and with min to max
 * arguments, which then begin at argv[optind].  False: the command returns *status.
 */
bool
plain_arguments(struct ctl *, int argc, char **argv, int min, int max, enum ctl_status *status);
/* The same after the options of its own. */
bool positional_arguments(
    struct ctl *, int argc, char **argv, int min, int max, enum ctl_status *status);
/*
 * A list: GET of path, with ?connection= when an identifier is given, as a table or
 * a document.
 */
enum ctl_status print_list(struct ctl *, const char *path, const char *identifier, const char *key,
    const struct ctl_column *, size_t n, const char *none);
/* A request without body whose answer needs no showing: `done` is printed with what it was about.
 */
enum ctl_status simple_change(
    struct ctl *, const char *method, const char *path, const char *what, const char *done);

#endif
