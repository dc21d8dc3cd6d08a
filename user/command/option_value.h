/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * option_value.h - the setters of options: what each kind of value may be.
 *
 * All are a row's set; see option_row.h.  Texts are kept, not copied.
 */
#ifndef DBLEAK_COMMAND_OPTION_VALUE_H
#define DBLEAK_COMMAND_OPTION_VALUE_H

#include "user/command/option_row.h"

/* Into the row's field: a bool, a const char *, a double from least to most, bytes; seconds from
 * least to most, with or without a unit. */
int value_flag(const struct option_row *row, struct options *o, const char *value);
int value_text(const struct option_row *row, struct options *o, const char *value);
int value_number(const struct option_row *row, struct options *o, const char *value);
int value_time(const struct option_row *row, struct options *o, const char *value);
int value_size(const struct option_row *row, struct options *o, const char *value);

/* Values of one option each, or of one kind of selection each. */
int value_process(const struct option_row *row, struct options *o, const char *value);
int value_pid(const struct option_row *row, struct options *o, const char *value);
int value_comm(const struct option_row *row, struct options *o, const char *value);
int value_cgroup(const struct option_row *row, struct options *o, const char *value);
int value_container(const struct option_row *row, struct options *o, const char *value);
int value_pod(const struct option_row *row, struct options *o, const char *value);
int value_namespace(const struct option_row *row, struct options *o, const char *value);
int value_heap(const struct option_row *row, struct options *o, const char *value);
int value_heap_sample(const struct option_row *row, struct options *o, const char *value);
int value_probe_at(const struct option_row *row, struct options *o, const char *value);
int value_fail_on(const struct option_row *row, struct options *o, const char *value);
int value_exitcode(const struct option_row *row, struct options *o, const char *value);
int value_dsn(const struct option_row *row, struct options *o, const char *value);
int value_otlp(const struct option_row *row, struct options *o, const char *value);
int value_shell(const struct option_row *row, struct options *o, const char *value);
int value_by(const struct option_row *row, struct options *o, const char *value);
int value_sort(const struct option_row *row, struct options *o, const char *value);
int value_github(const struct option_row *row, struct options *o, const char *value);
int value_baseline(const struct option_row *row, struct options *o, const char *value);
int value_library(const struct option_row *row, struct options *o, const char *value);

#endif
