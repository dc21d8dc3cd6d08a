/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ci_words.c - see ci_words.h.
 */
#include "user/report/ci_words.h"

#include "user/report/finding.h"
#include "user/report/names.h"

enum ci_level ci_level(const struct finding_view *f)
{
	if (f->verdict == VERDICT_BIG)
		return CI_NOTE;
	return f->verdict == VERDICT_LEAKING && f->confidence > CONFIDENCE_POSSIBLE ? CI_ERROR
										    : CI_WARNING;
}

const char *ci_rule_sentence(enum cause cause)
{
	static const char *const sentences[] = {
		[CAUSE_UNCLOSED_CONNECTION] = "A database connection is opened and never closed.",
		[CAUSE_OPEN_TRANSACTION] = "A transaction is begun and never ended.",
		[CAUSE_UNCLOSED_STATEMENT] = "A prepared statement is never closed.",
		[CAUSE_CACHE_GROWTH] = "A cache grows without limit.",
		[CAUSE_UNBOUNDED_RESULT] = "A large result is read into memory at once.",
		[CAUSE_UNFREED_RESULT] = "A result of a query is never freed.",
		[CAUSE_UNCLOSED_CURSOR] = "A cursor is opened and never closed.",
		[CAUSE_WAL_GROWTH] = "An unfinished reader lets the write-ahead log grow.",
		[CAUSE_UNFREED_MEMORY] = "A buffer of a database library is never freed.",
	};

	return sentences[cause];
}

static struct words *message_line(struct ci_message *m)
{
	return &m->lines[m->count++];
}

void ci_message(struct ci_message *m, const struct leak *l)
{
	const struct finding_view *f = &l->sum;
	struct words bad = {0}, *w;

	*m = (struct ci_message){0};
	w = message_line(m);
	words_leak(w, l);
	words_add(w, " (");
	words_sure(w, f);
	words_add(w, ").");
	words_how_bad(&bad, f);
	if (bad.length)
		words_add(w, " %s.", bad.text);
	w = message_line(m);
	words_add(w, "Where: ");
	words_leak_line(w, l);
	if (f->test)
		words_add(message_line(m), "Test: %s", f->test);
	w = message_line(m);
	words_add(w, "Process: ");
	words_title(w, l->process);
	if (f->advice)
		words_add(message_line(m), "Fix: %s", f->advice);
}

const char *ci_path(const struct frame_view *f, const char *root)
{
	const char *below = path_below(f->file, root);

	return below ? below : f->file;
}
