/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * service.h - the name by which people know what a process runs: its script, module, class or
 * archive, not the interpreter that runs it.
 */
#ifndef DBLEAK_BASE_SERVICE_H
#define DBLEAK_BASE_SERVICE_H

#include <stddef.h>

#define ARGUMENTS_CUT "[...]" /* stands in a command line for arguments that are left out */

/* Writes the name found in a command line whose arguments are separated by spaces: "manage.py
 * runserver", "gunicorn shop:app", "orders.jar", "com.example.Main"; without folders, at most size
 * - 1 bytes and a NUL.  An empty name: the command line shows no more than the program's own name.
 * Returns the length. */
size_t service_name(char *out, size_t size, const char *cmdline);

#endif
