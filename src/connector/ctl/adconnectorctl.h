/* SPDX-License-Identifier: ISC */
/*
 * The commands of adconnectorctl(8).
 */
#ifndef ADC_ADCONNECTORCTL_H
#define ADC_ADCONNECTORCTL_H

#include "common/ctl.h"

#include <stdbool.h>

/* The line of a step for people: mark, title, time, and what is to be said below it. */
void print_step(const json_t *line);

/* A change that is answered when it is made: its message is shown. */
enum ctl_status post_and_tell(struct ctl *, const char *path, const json_t *body);
/* "KEY=VALUE" becomes a member of the changes. */
enum ctl_status add_setting(struct ctl *, json_t *changes, const char *argument);
/* Whether the connector is enrolled. */
enum ctl_status enrolled(struct ctl *, bool *joined);
/* Asks for a ticket and uses it; optional: no answer is no mistake. */
enum ctl_status enroll(struct ctl *, const char *question, bool optional);
/* The four steps. */
enum ctl_status run_test(struct ctl *);

enum ctl_status command_status(struct ctl *, int argc, char **argv);
enum ctl_status command_test(struct ctl *, int argc, char **argv);
enum ctl_status command_enroll(struct ctl *, int argc, char **argv);
enum ctl_status command_explain(struct ctl *, int argc, char **argv);
enum ctl_status command_settings(struct ctl *, int argc, char **argv);
enum ctl_status command_reconnect(struct ctl *, int argc, char **argv);
enum ctl_status command_unenroll(struct ctl *, int argc, char **argv);
enum ctl_status command_rekey(struct ctl *, int argc, char **argv);
enum ctl_status command_bundle(struct ctl *, int argc, char **argv);
enum ctl_status command_setup(struct ctl *, int argc, char **argv);
enum ctl_status command_set(struct ctl *, int argc, char **argv);
enum ctl_status command_web(struct ctl *, int argc, char **argv);
enum ctl_status command_log(struct ctl *, int argc, char **argv);

#endif
