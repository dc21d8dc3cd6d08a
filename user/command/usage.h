/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * usage.h - what --help prints, in 80 columns.
 */
#ifndef DBLEAK_COMMAND_USAGE_H
#define DBLEAK_COMMAND_USAGE_H

#include <stdio.h>

#include "user/command/command_table.h"

void usage_program(FILE *out);
void usage_command(FILE *out, enum command_id id);

#endif
