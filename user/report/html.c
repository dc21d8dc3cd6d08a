/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * html.c - see html.h.
 *
 * Order: the answer; the guilty, the most urgent first; what the script draws; the other
 * processes; what was not covered, and dbleak's cost.
 */
#include "user/report/html.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/report/sha256.h"
#include "user/report/answer.h"
#include "user/report/block.h"
#include "user/report/coverage.h"
#include "user/report/guilty_table.h"
#include "user/report/html_data.h"
#include "user/report/html_parts.h"
#include "user/report/markup.h"
#include "user/report/names.h"
#include "user/report/rank.h"
#include "user/report/rest.h"
#include "user/report/snapshot.h"

#define BLOCKS_SHOWN 100    /* rows of the table lead to them */
#define BLOCKS_BYTES 600000 /* behind so many, no further block */

/* The policy comes first in the page: what stands before it would not be bound by it. */
static void put_head(FILE *out, const struct report_view *v)
{
	char style[SHA256_BASE64_SIZE], script[SHA256_BASE64_SIZE];

	sha256_base64(style, html_style, strlen(html_style));
	sha256_base64(script, html_script, strlen(html_script));
	fprintf(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; "
		"form-action 'none'\">\n",
		style, script);
	fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=\"referrer\" content=\"no-referrer\">\n"
	      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>dbleak",
	      out);
	if (v->host_name && *v->host_name) {
		fputs(": ", out);
		markup_text(out, v->host_name);
	}
	fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", html_style);
}

static int put_blocks(struct page *page, const struct process_view *const *guilty, size_t count)
{
	off_t begin = ftello(page->out);
	size_t shown;
	int err = 0;

	for (shown = 0; shown < count && shown < BLOCKS_SHOWN && !err; shown++) {
		if (ftello(page->out) - begin > BLOCKS_BYTES)
			break;
		fprintf(page->out, "<article id=\"p%zu\" tabindex=\"-1\">\n", shown);
		err = block_print(page, guilty[shown], false);
		fputs("</article>\n", page->out);
	}
	if (shown < count) {
		struct words w = {0};

		words_plural(&w, count - shown, "more process is", "more processes are");
		words_add(&w, " not shown here; `dbleak report -v` prints all");
		markup_paragraph(page->out, "plain", "And", w.text);
	}
	return err;
}

static int put_verdicts(struct page *page, const struct report_view *v,
			const struct process_view *const *guilty, size_t count)
{
	int err = 0;

	fputs("<header>\n<h1>dbleak report</h1>\n", page->out);
	coverage_print_harm(page, v);
	answer_print(page, v, guilty, count);
	fputs("</header>\n<main>\n<section aria-label=\"Findings\">\n", page->out);
	if (v->mode == EV_MODE_SNAPSHOT && v->process_count) {
		fputs("<pre>", page->out);
		err = snapshot_table(page, v, false);
		fputs("</pre>\n", page->out);
	} else {
		if (count > 1)
			guilty_table_print(page, guilty, count, BLOCKS_SHOWN);
		err = put_blocks(page, guilty, count);
	}
	fputs("</section>\n", page->out);
	return err;
}

static void put_rest(struct page *page, const struct report_view *v)
{
	fputs("<section aria-label=\"Other processes\" class=\"rest\">\n<h2>Other processes</h2>\n",
	      page->out);
	if (v->mode != EV_MODE_SNAPSHOT && (v->process_count || v->forgotten_processes))
		rest_print(page, v, false);
	fputs("</section>\n<section aria-label=\"Coverage and cost\" class=\"rest\">\n"
	      "<h2>Coverage and cost</h2>\n",
	      page->out);
	coverage_print(page, v, true);
	fputs("</section>\n</main>\n", page->out);
}

static int put_page(FILE *out, const struct html_input *in)
{
	struct page page = {.out = out, .markup = true, .columns = PAGE_COLUMNS_WIDE};
	int err;

	put_head(out, in->view);
	err = put_verdicts(&page, in->view, in->guilty, in->guilty_count);
	if (err)
		return err;
	fputs(html_views, out);
	put_rest(&page, in->view);
	fputs("<script type=\"application/json\" id=\"data\">", out);
	err = html_data(out, in);
	if (err)
		return err;
	fprintf(out, "</script>\n<script>%s</script>\n</body>\n</html>\n", html_script);
	return page_finish(&page);
}

int report_html(FILE *out, const struct report_view *v, const struct timeline *t,
		const struct held *held)
{
	struct html_input in = {.view = v, .timeline = t, .held = held};
	int err = -ENOMEM;

	in.guilty = rank_guilty(v, &in.guilty_count);
	if (in.guilty)
		err = put_page(out, &in);
	free(in.guilty);
	return err;
}
