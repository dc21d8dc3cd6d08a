/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * text.c - the report for people, part by part.
 *
 * Order: the answer; a table of the guilty, if there are more than one; a block for each; the
 * processes without a leak.  Then comes what was not covered, what was lost, and dbleak's cost.
 */
#include "user/report/text.h"

#include <errno.h>
#include <stdlib.h>

#include "user/report/answer.h"
#include "user/report/block.h"
#include "user/report/coverage.h"
#include "user/report/guilty_table.h"
#include "user/report/page.h"
#include "user/report/rank.h"
#include "user/report/rest.h"
#include "user/report/snapshot.h"

#define BLOCKS_SHOWN 10
#define ROWS_SHOWN   20

static void print_nothing(struct page *page, const struct report_view *v)
{
	struct words w = {0};

	page_line(page);
	if (v->mode == EV_MODE_SNAPSHOT)
		words_add(&w, "No database connection is open now.");
	else
		words_add(&w, "No process had a database connection.");
	words_add(&w, " dbleak knows PostgreSQL and MySQL by what they say, not by their port%s.",
		  v->library_count ? ", and client libraries by their calls" : "");
	if (v->mode != EV_MODE_SNAPSHOT)
		words_add(&w, " If one is only idle, `dbleak snapshot` shows it.");
	words_add(&w, " `dbleak doctor` tells what this host hides.");
	page_field(page, &(struct page_field){.label = ""}, w.text);
}

static bool has_endpoint(const struct report_view *v)
{
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].endpoint_count)
			return true;
	return false;
}

/* An ended process can wait: while others run, its row in the table is enough. */
static bool has_block(const struct process_view *p, const struct process_view *first, size_t shown)
{
	return (first->exited || !p->exited) && shown < BLOCKS_SHOWN;
}

static int print_guilty(struct page *page, const struct process_view *const *guilty, size_t count,
			bool all)
{
	size_t shown = 0;
	int err = 0;

	if (count > 1)
		guilty_table_print(page, guilty, count, all ? count : ROWS_SHOWN);
	for (size_t i = 0; i < count && !err; i++)
		if (all || has_block(guilty[i], guilty[0], shown)) {
			err = block_print(page, guilty[i], all);
			shown++;
		}
	if (shown < count) {
		struct words w = {0};

		page_line(page);
		words_add(&w, "-v shows the details of ");
		words_plural(&w, count - shown, "more process.", "more processes.");
		page_field(page, &(struct page_field){.label = ""}, w.text);
	}
	return err;
}

static int print_watch(struct page *page, const struct report_view *v,
		       const struct process_view *const *guilty, size_t count, bool all)
{
	int err = print_guilty(page, guilty, count, all);

	if (err)
		return err;
	if (v->process_count || v->forgotten_processes) {
		page_line(page);
		rest_print(page, v, all);
	} else {
		print_nothing(page, v);
	}
	return 0;
}

static int print_snapshot(struct page *page, const struct report_view *v, bool all)
{
	if (has_endpoint(v))
		return snapshot_table(page, v, all);
	print_nothing(page, v);
	return 0;
}

int report_text(FILE *out, const struct report_view *v, const struct text_options *o)
{
	struct page page = {.out = out, .colour = o->colour};
	const struct process_view **guilty;
	size_t count;
	int err;

	page.columns = o->wide ? PAGE_COLUMNS_WIDE : page_width(o->columns);
	guilty = rank_guilty(v, &count);
	if (!guilty)
		return -ENOMEM;
	coverage_print_harm(&page, v);
	answer_print(&page, v, guilty, count);
	if (v->mode == EV_MODE_SNAPSHOT)
		err = print_snapshot(&page, v, o->show_all);
	else
		err = print_watch(&page, v, guilty, count, o->show_all);
	free(guilty);
	coverage_print(&page, v, o->show_all);
	return err ? err : page_finish(&page);
}
