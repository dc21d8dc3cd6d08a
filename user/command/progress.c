/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * progress.c - see progress.h.
 */
#include "user/command/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "user/base/count.h"
#include "user/system/clock.h"
#include "user/system/debug.h"
#include "user/system/writes.h"

#define FIRST_NS 500000000ULL
#define NEXT_NS	 500000000ULL
#define COLUMNS	 80 /* where the terminal does not tell */

static bool can_take_back(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
}

void progress_begin(struct progress *p, bool wanted)
{
	*p = (struct progress){.wanted = wanted && !debug_chosen && can_take_back(),
			       .due_ns = clock_monotonic_ns() + FIRST_NS};
}

bool progress_is_due(struct progress *p)
{
	return p->wanted && clock_monotonic_ns() >= p->due_ns;
}

/* A line that wraps cannot be taken back. */
static int progress_columns(void)
{
	struct winsize size;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col - 1
								       : COLUMNS - 1;
}

void progress_show(struct progress *p, const char *format, ...)
{
	char line[256];
	va_list args;

	if (!p->wanted)
		return;
	p->due_ns = clock_monotonic_ns() + NEXT_NS;
	if (!writes_at_once(STDERR_FILENO))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "\r\033[K%.*s", progress_columns(), line);
	p->shown = true;
}

void progress_end(struct progress *p)
{
	if (p->shown && writes_at_once(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	p->shown = false;
}

void progress_written(const char *name, const char *path, uint64_t bytes)
{
	char size[COUNT_SIZE];

	if (bytes)
		fprintf(stderr, "dbleak: %s written to %s (%s bytes)\n", name, path,
			count_text(size, bytes));
	else
		fprintf(stderr, "dbleak: %s written to %s\n", name, path);
}
