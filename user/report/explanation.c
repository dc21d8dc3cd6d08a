/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * explanation.c - see explanation.h.
 */
#include "user/report/explanation.h"

#include <string.h>

#include "user/report/block.h"
#include "user/report/names.h"
#include "user/report/page.h"

#define LINES_SHOWN 24 /* of one rule, without what it proved and found */
#define GAPS_SHOWN  8

static const struct {
	const char *label, *before;
} kinds[] = {
	[EXPLAINED_SAW] = {"saw", ""},
	[EXPLAINED_PROVEN] = {"so", "proven: "},
	[EXPLAINED_NOT] = {"so", "not proven: "},
	[EXPLAINED_FOUND] = {"found", ""},
};

static void print_part(struct page *page, const char *label, const char *before, const char *text)
{
	struct page_field field = {.indent = 4, .label = label, .label_columns = PAGE_LABEL};
	struct words w = {0};

	words_add(&w, "%s%s", before, text);
	page_field(page, &field, w.text);
}

static bool is_result(const struct explained_line *line)
{
	return line->what == EXPLAINED_PROVEN || line->what == EXPLAINED_FOUND;
}

static void print_rule(struct page *page, const struct explained_rule *r, bool all)
{
	struct page_field title = {.indent = 2, .label = ""};
	size_t shown = 0, hidden = 0;
	const char *last = "";
	struct words w = {0};

	words_add(&w, "%s (%s)", r->title, r->function);
	page_field(page, &title, w.text);
	print_part(page, "asked", "", r->question);
	for (size_t i = 0; i < r->line_count; i++) {
		const struct explained_line *line = &r->lines[i];
		const char *label = kinds[line->what].label;

		if (!all && !is_result(line) && ++shown > LINES_SHOWN) {
			hidden++;
			continue;
		}
		print_part(page, strcmp(label, last) != 0 ? label : "", kinds[line->what].before,
			   line->text);
		last = label;
	}
	if (!hidden)
		return;
	w = (struct words){0};
	words_add(&w, "... and ");
	words_plural(&w, hidden, "more line; -v shows it", "more lines; -v shows them");
	print_part(page, "", "", w.text);
}

static void print_endpoint_name(struct page *page, const struct endpoint_view *e)
{
	struct page_field field = {.label = ""};
	struct words w = {0};

	if (e)
		words_endpoint(&w, e);
	else
		words_add(&w, "the process as a whole");
	page_field(page, &field, w.text);
}

/* Parts not seen of the process, or of the whole host. */
static void print_unseen(struct page *page, const struct report_view *v, uint32_t pid, bool all)
{
	size_t shown = 0;

	for (size_t i = 0; i < v->gap_count && (all || shown < GAPS_SHOWN); i++)
		if ((!v->gaps[i].pid || v->gaps[i].pid == pid) && v->gaps[i].reason)
			print_part(page, shown++ ? "" : "not seen", "", v->gaps[i].reason);
}

static void print_explanation(struct page *page, const struct report_view *v,
			      const struct process_view *p, bool all)
{
	const struct explanation *e = p->explanation;
	struct words title = {0};

	words_title(&title, p);
	page_headline(page, 0, PAGE_BOLD, title.text, verdict_name(p->verdict));
	if (p->verdict_reason)
		print_part(page, "because", "", p->verdict_reason);
	block_memory(page, p);
	block_endpoints(page, p);
	print_unseen(page, v, p->pid, all);
	if (e->not_judged)
		print_part(page, "so", "not judged: ", e->not_judged);
	for (size_t i = 0; i < e->rule_count; i++) {
		if (!i || e->rules[i].endpoint != e->rules[i - 1].endpoint) {
			page_line(page);
			print_endpoint_name(page, e->rules[i].endpoint);
		}
		print_rule(page, &e->rules[i], all);
	}
}

int report_explanation(FILE *out, const struct report_view *v, const struct text_options *o)
{
	struct page page = {.out = out, .colour = o->colour};
	size_t printed = 0;

	page.columns = o->wide ? PAGE_COLUMNS_WIDE : page_width(o->columns);
	for (size_t i = 0; i < v->process_count; i++) {
		if (!v->processes[i].explanation)
			continue;
		if (printed++)
			page_line(&page);
		print_explanation(&page, v, &v->processes[i], o->show_all);
	}
	return page_finish(&page);
}
