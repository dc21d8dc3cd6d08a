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

/* "1 task waits"; "6 threads wait". */
void words_who_waits(struct words *w, uint64_t count, uint64_t tasks)
{
	if (tasks == count)
		words_plural(w, count, "task waits", "tasks wait");
	else if (!tasks)
		words_plural(w, count, "thread waits", "threads wait");
	else
		words_plural(w, count, "thread or task waits", "threads and tasks wait");
	words_add(w, " for a connection");
}

void words_requests_wait(struct words *w, uint64_t count)
{
	words_plural(w, count, "request waits for an answer", "requests wait for an answer");
}

void words_waiters(struct words *w, const struct waiters_view *v, size_t columns)
{
	if (!v->count)
		return;
	if (v->requests)
		words_requests_wait(w, v->count);
	else
		words_who_waits(w, v->count, v->tasks);
	if (v->pool)
		words_add(w, " in %s", v->pool);
	words_add(w, ", %s%sfor ", v->count == 1 ? "" : "the first ",
		  v->tasks ? "seen there " : "");
	words_duration(w, v->oldest_seconds);
	words_at(w, v->site, columns);
	if (v->unseen)
		words_add(w, "; where is unknown: %s", v->unseen);
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

bool all_tasks(const struct finding_view *f)
{
	for (size_t i = 0; i < f->thread_lines; i++)
		if (!f->threads[i].tasks)
			return false;
	return f->thread_lines > 0;
}

void words_threads(struct words *w, const struct finding_view *f, size_t columns)
{
	bool mixed = !all_tasks(f);

	for (size_t i = 0; i < f->thread_lines; i++) {
		const struct threads_view *t = &f->threads[i];

		words_add(w, "%s", i ? "; " : "");
		words_count(w, t->count);
		words_add(w, t->tasks && mixed ? " (tasks) at " : " at ");
		words_frame(w, t->site, columns);
		if (t->waits_for)
			words_add(w, ", waiting for %s", t->waits_for);
		words_add(w, t->tasks ? ", seen there for " : ", for ");
		words_duration(w, t->longest_seconds);
	}
}
