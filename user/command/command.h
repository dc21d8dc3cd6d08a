/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * command.h - the subcommands, one file each; main.c holds their table.
 *
 * argv[0] is the subcommand's name.  Each returns the exit status of the program.
 */
#ifndef DBLEAK_COMMAND_COMMAND_H
#define DBLEAK_COMMAND_COMMAND_H

int command_watch(int argc, char **argv);
int command_top(int argc, char **argv);
int command_run(int argc, char **argv);
int command_snapshot(int argc, char **argv);
int command_record(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_report(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_help(int argc, char **argv);

#endif
