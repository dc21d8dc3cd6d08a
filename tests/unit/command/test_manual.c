/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_manual.c - the man page: its sections, what stands in it, and that it is sound roff; and the
 * reference in README.md.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/command/facts.h"
#include "user/command/manual.h"
#include "user/command/reference.h"
#include "user/system/debug.h"

#define README "user/command/README.md"
#define BEGIN  "<!-- options: written by make reference -->\n"
#define END    "<!-- end of options -->\n"

static char *page;

static int write_page(void **state)
{
	size_t size;
	FILE *out = open_memstream(&page, &size);

	(void)state;
	if (!out)
		return -1;
	manual_write(out);
	return fclose(out);
}

static int free_page(void **state)
{
	(void)state;
	free(page);
	return 0;
}

/* A text as a reader sees it: without fonts, and with roff's names of letters put back. */
static char *plain(const char *from)
{
	static const char *const names[][2] = {
		{"\\(ti", "~"}, {"\\(ha", "^"}, {"\\(ga", "`"}, {"\\(aq", "'"}, {"\\fB", ""},
		{"\\fI", ""},	{"\\fR", ""},	{"\\&", ""},	{"\\-", "-"},	{"\\e", "\\"}};
	char *text = malloc(strlen(from) + 1), *to = text;

	assert_non_null(text);
	while (*from) {
		size_t i = 0, count = sizeof(names) / sizeof(names[0]);

		while (i < count && strncmp(from, names[i][0], strlen(names[i][0])) != 0)
			i++;
		if (i == count && *from == '\\')
			fail_msg("an escape that is not known: %.10s", from);
		if (i == count)
			*to++ = *from++;
		else
			to = stpcpy(to, names[i][1]), from += strlen(names[i][0]);
	}
	*to = '\0';
	return text;
}

static void expect(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("the page lacks: %s", what);
}

static void the_page_has_its_sections_in_order(void **state)
{
	static const char *const sections[] = {"NAME",	   "SYNOPSIS",	  "DESCRIPTION", "COMMANDS",
					       "OPTIONS",  "EXIT STATUS", "ENVIRONMENT", "FILES",
					       "EXAMPLES", "SEE ALSO"};
	const char *at = page;
	char head[64];

	(void)state;
	assert_memory_equal(page, ".TH DBLEAK 8 ", 13);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		snprintf(head, sizeof(head), "\n.SH %s\n", sections[i]);
		at = strstr(at, head);
		if (!at)
			fail_msg("no section %s in its place", sections[i]);
		at += strlen(head) - 1;
		assert_true(at[1] && strncmp(at, "\n.SH", 4) != 0); /* something stands there */
	}
}

static void all_of_the_tables_stands_in_the_page(void **state)
{
	char *text = plain(page), name[64];

	(void)state;
	for (int id = 0; id < COMMANDS; id++) {
		expect(text, command_table[id].synopsis);
		expect(text, command_table[id].about);
		expect(text, command_table[id].status);
	}
	for (const struct option_row *row = option_table; row->name; row++) {
		snprintf(name, sizeof(name), "--%s%s%s\n", row->name, row->argument ? " " : "",
			 row->argument ? row->argument : "");
		expect(text, name);
		expect(text, row->meaning + 1); /* behind its capital */
		expect(text, row->more ? row->more : "");
	}
	for (const struct fact *e = fact_examples; e->name; e++)
		expect(text, e->name);
	for (const struct fact *e = fact_environment; e->name; e++)
		expect(text, e->meaning);
	for (int i = 0; i < DEBUG_TOPICS; i++)
		expect(text, debug_table[i].meaning + 1);
	free(text);
}

/* A line of roff's is one of these; one of text begins with no dot and no quote. */
static void each_line_is_a_known_request_or_text(void **state)
{
	static const char *const known[] = {".TH ",  ".SH ",  ".SS ",  ".TP\n",	  ".PP\n",
					    ".br\n", ".nf\n", ".fi\n", ".RS 4\n", ".RE\n"};

	(void)state;
	for (const char *line = page; *line; line = strchr(line, '\n') + 1) {
		size_t i = 0, count = sizeof(known) / sizeof(known[0]);

		assert_non_null(strchr(line, '\n'));
		assert_true(*line != '\'' && *line != '\n');
		for (const char *c = line; *c != '\n'; c++)
			assert_true(isprint((unsigned char)*c));
		while (i < count && strncmp(line, known[i], strlen(known[i])) != 0)
			i++;
		if (*line == '.' && i == count)
			fail_msg("a request that is not known: %.20s", line);
	}
}

static char *read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		fail_msg("%s: tests run in the top folder", path);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	return text;
}

static void the_readme_has_the_reference_as_it_is_written_now(void **state)
{
	char *readme = read_file(README), *now = NULL, *begin, *end;
	size_t size;
	FILE *out = open_memstream(&now, &size);

	(void)state;
	assert_non_null(out);
	reference_write(out);
	fclose(out);
	begin = strstr(readme, BEGIN);
	assert_non_null(begin);
	begin += strlen(BEGIN);
	end = strstr(begin, END);
	assert_non_null(end);
	if ((size_t)(end - begin) != size || memcmp(begin, now, size) != 0)
		fail_msg("%s is stale: 'make reference' writes it anew", README);
	free(readme);
	free(now);
}

/* Each row of a table has the bars that part its cells, and no others. */
static void each_row_of_the_reference_has_its_cells(void **state)
{
	char *now = NULL;
	size_t size, bars = 0, rows = 0;
	FILE *out = open_memstream(&now, &size);

	(void)state;
	assert_non_null(out);
	reference_write(out);
	fclose(out);
	for (char *line = strtok(now, "\n"); line; line = strtok(NULL, "\n"), rows++) {
		size_t found = 0;

		for (const char *c = line; *c; c++)
			found += *c == '|' && (c == line || c[-1] != '\\');
		if (strstr(line, "---"))
			bars = found;
		else if (!strstr(line, " meaning |"))
			assert_int_equal(found, bars);
	}
	assert_true(rows > option_count);
	free(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_has_its_sections_in_order),
		cmocka_unit_test(all_of_the_tables_stands_in_the_page),
		cmocka_unit_test(the_readme_has_the_reference_as_it_is_written_now),
		cmocka_unit_test(each_row_of_the_reference_has_its_cells),
		cmocka_unit_test(each_line_is_a_known_request_or_text),
	};

	return cmocka_run_group_tests(tests, write_page, free_page);
}
