/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * github.c - the worst leaks as workflow commands, which GitHub shows beside the lines; see ci.h.
 *
 * The commands: https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
 * GitHub shows ten of each kind in a step.
 */
#include "user/report/ci.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/report/ci_words.h"

#define SHOWN 10

/* Text of a command.  What would end it, or one of its properties, is written as %XX. */
static void github_text(FILE *out, const char *text, bool property)
{
	struct escape_unit unit;

	for (size_t left = strlen(text); left;) {
		size_t used = escape_next(&unit, text, left);

		if (*unit.text == '%' || (property && (*unit.text == ':' || *unit.text == ',')))
			fprintf(out, "%%%02X", (unsigned char)*unit.text);
		else
			fputs(unit.text, out);
		text += used;
		left -= used;
	}
}

static void github_command(FILE *out, const struct leak *l, const char *root)
{
	static const char *const commands[] = {
		[CI_NOTE] = "notice", [CI_WARNING] = "warning", [CI_ERROR] = "error"};
	const struct frame_view *f = leak_frame(l);
	struct words title = {0};
	struct ci_message message;

	words_leak(&title, l);
	ci_message(&message, l);
	fprintf(out, "::%s ", commands[ci_level(&l->sum)]);
	if (f) {
		fputs("file=", out);
		github_text(out, ci_path(f, root), true);
		fputc(',', out);
	}
	if (f && f->line)
		fprintf(out, "line=%" PRIu32 ",", f->line);
	fputs("title=", out);
	github_text(out, title.text, true);
	fputs("::", out);
	for (size_t i = 0; i < message.count; i++) {
		fputs(i ? "%0A" : "", out); /* an end of line */
		github_text(out, message.lines[i].text, false);
	}
	fputc('\n', out);
}

int report_github(FILE *out, const struct report_view *v, const struct ci_options *o)
{
	size_t count, shown = 0;
	struct leak *leaks = leaks_list(v, &count);

	if (!leaks)
		return -ENOMEM;
	errno = 0;
	for (size_t i = 0; i < count && shown < SHOWN; i++) {
		if (leaks[i].finding->known)
			continue;
		github_command(out, &leaks[i], o->root);
		shown++;
	}
	free(leaks);
	return ferror(out) ? (errno ? -errno : -EIO) : 0;
}
