/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * record_file.h - the file that record writes: of -o, an argument, or named by the time.
 */
#ifndef DBLEAK_COMMAND_RECORD_FILE_H
#define DBLEAK_COMMAND_RECORD_FILE_H

#include "user/command/options.h"

#define RECORD_FILE 64 /* bytes of a name of our own */

/* Writes a name of our own, made of the time now, and returns it; NULL without a calendar. */
const char *record_file_name(char name[RECORD_FILE]);
/* Sets o->output.  words: the arguments that are no options; name: room for a name of our own, as
 * long as o is used.  -1 to go on, or the status to exit with (the reason is on standard error). */
int record_file_choose(struct options *o, char name[RECORD_FILE], int count, char **words);

#endif
