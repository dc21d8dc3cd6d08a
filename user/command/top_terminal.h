/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * top_terminal.h - the terminal of `dbleak top`: a screen of cells shown, and keys read.
 *
 * There is one, and all but terminal_leave belong to the main thread.  What is written to standard
 * error meanwhile is kept and shown when the terminal is given back.
 */
#ifndef DBLEAK_COMMAND_TOP_TERMINAL_H
#define DBLEAK_COMMAND_TOP_TERMINAL_H

#include <stdbool.h>

#include "user/top/screen.h"

/* Can this terminal be drawn on?  -1 yes, or the status to exit with (the reason is on standard
 * error). */
int terminal_check(void);
/* Takes the terminal over; needs the right to read files.  0 or -errno. */
int terminal_open(void);
/* Gives it back.  May be called more than once. */
void terminal_close(void);
/* Gives it back in whatever thread, for the process is about to end. */
void terminal_leave(void);

bool terminal_has_utf8(void);
/* The size now.  Returns whether it has changed, or the screen has to be shown again. */
bool terminal_size(size_t *rows, size_t *columns);
/* The next key (enum top_key, or a character); 0: none is there yet. */
uint32_t terminal_key(void);
void terminal_show(const struct screen *s);

#endif
