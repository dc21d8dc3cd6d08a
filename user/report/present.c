/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * present.c - see present.h.
 */
#include "user/report/present.h"

#include "user/report/names.h"
#include "user/report/where.h"

#define HOLDER_REST 1 /* seconds of sleep that say something */

static void words_at(struct words *w, const struct frame_view *site, size_t columns)
{
	if (!site)
		return;
	words_add(w, ", at ");
	words_frame(w, site, columns);
}

void words_waiters(struct words *w, const struct waiters_view *v, size_t columns)
{
	if (!v->count)
		return;
	words_plural(w, v->count, "thread waits for a connection", "threads wait for a connection");
	words_add(w, " in %s, %s", v->pool, v->count == 1 ? "for " : "the first for ");
	words_duration(w, v->oldest_seconds);
	words_at(w, v->site, columns);
}

void words_holder(struct words *w, const struct holder_view *v, size_t columns)
{
	/* A thread that began to sleep just now is at work. */
	if (v->state != HOLDER_WAITING || (v->since_seconds >= 0 && v->since_seconds < HOLDER_REST))
		return;
	words_add(w, "the thread that used the oldest one last sleeps");
	if (v->waits_for)
		words_add(w, ", waiting for %s", v->waits_for);
	if (v->since_seconds >= 0) {
		words_add(w, " for ");
		words_duration(w, v->since_seconds);
	}
	words_at(w, v->site, columns);
}

void words_threads(struct words *w, const struct finding_view *f, size_t columns)
{
	for (size_t i = 0; i < f->thread_lines; i++) {
		const struct threads_view *t = &f->threads[i];

		words_add(w, "%s", i ? "; " : "");
		words_count(w, t->count);
		words_add(w, " at ");
		words_frame(w, t->site, columns);
		if (t->waits_for)
			words_add(w, ", waiting for %s", t->waits_for);
		words_add(w, ", for ");
		words_duration(w, t->longest_seconds);
	}
}
