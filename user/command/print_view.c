/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * print_view.c - see print_view.h.
 */
#include "user/command/print_view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "user/command/outfile.h"
#include "user/report/brief.h"
#include "user/report/explanation.h"
#include "user/report/json.h"
#include "user/report/text.h"

static bool colour_wanted(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

/* 0: it is no terminal, or does not tell. */
static size_t terminal_columns(FILE *out)
{
	struct winsize size;

	return isatty(fileno(out)) && !ioctl(fileno(out), TIOCGWINSZ, &size) ? size.ws_col : 0;
}

static int print_plain(FILE *out, const struct report_view *v, const struct options *o)
{
	struct text_options text = {.colour = colour_wanted(out),
				    .columns = terminal_columns(out),
				    .show_all = o->verbose,
				    .wide = o->wide};

	if (o->explain)
		return report_explanation(out, v, &text);
	if (o->brief)
		return report_brief(out, v);
	return o->json ? report_json(out, v) : report_text(out, v, &text);
}

/* GitHub reads each line of both standard streams, and a line of a report may begin with a name or
 * with SQL of a watched program.  Between these two commands it takes none. */
static bool needs_guard(const struct options *o)
{
	return *o->github_word && (!o->output || outfile_is_same("-", o->output) ||
				   outfile_is_same("/dev/stderr", o->output));
}

int print_view(FILE *out, const struct report_view *v, const struct options *o)
{
	bool guard = needs_guard(o);
	int err;

	if (guard)
		fprintf(out, "::stop-commands::%s\n", o->github_word);
	err = print_plain(out, v, o);
	if (guard)
		fprintf(out, "::%s::\n", o->github_word);
	return err;
}
