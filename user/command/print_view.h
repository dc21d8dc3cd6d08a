/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * print_view.h - a report in the form that was asked for: text, JSON, one line each, or reasons.
 */
#ifndef DBLEAK_COMMAND_PRINT_VIEW_H
#define DBLEAK_COMMAND_PRINT_VIEW_H

#include <stdio.h>

#include "user/command/options.h"

/* Prints a view as the options want it: 0 or -errno. */
int print_view(FILE *out, const struct report_view *v, const struct options *o);

#endif
