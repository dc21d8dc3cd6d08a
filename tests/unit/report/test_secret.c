/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_secret.c - whatever a command line or SQL keeps secret comes out nowhere.
 */
#include "tests/unit/support/story.h"

#include <unistd.h>

#include "user/base/redact.h"
#include "user/base/sql.h"
#include "user/judge/forget.h"
#include "user/report/json.h"
#include "user/report/text.h"
#include "tests/unit/support/secret_grammar.h"

#define COMMANDS   40000
#define UNMARKED   20000
#define STATEMENTS 60000
#define CUT_WHOLE  400 /* statements cut at every byte */
#define REPORTED   300 /* processes with both in one report */

static struct choices numbered(uint32_t n)
{
	return (struct choices){.seed = n * 2654435761U + 1};
}

static void check(const char *out, size_t len, const struct made *m)
{
	if (!has_mark(out, len))
		return;
	for (size_t i = 0; i < m->length; i++)
		putchar(m->text[i] ? m->text[i] : '|');
	fail_msg(" becomes %s", out);
}

static void passwords_on_command_lines_never_come_out(void **state)
{
	struct made m;
	char out[EV_TEXT_LEN];

	(void)state;
	for (uint32_t i = 0; i < COMMANDS; i++) {
		struct choices c = numbered(i);

		make_command(&m, &c);
		for (unsigned int flags = 0; flags <= REDACT_SHOW_VALUES; flags++)
			check(out, redact(out, sizeof(out), m.text, m.length, flags), &m);
		/* /proc gave only so much */
		check(out,
		      redact(out, sizeof(out), m.text, choose(&c, m.length),
			     REDACT_SHOW_VALUES | REDACT_CUT),
		      &m);
	}
}

static void values_come_out_only_when_asked_for(void **state)
{
	struct made m;
	char out[EV_TEXT_LEN];

	(void)state;
	for (uint32_t i = 0; i < UNMARKED; i++) {
		struct choices c = numbered(i);

		make_unmarked_command(&m, &c);
		check(out, redact(out, sizeof(out), m.text, m.length, 0), &m);
	}
}

static void check_sql(const struct made *m, size_t len, enum ev_database database,
		      unsigned int flags)
{
	char out[EV_SQL_LEN + 1];

	check(out, sql_normalise(out, sizeof(out), m->text, len, database, flags), m);
	check(out, sql_normalise(out, sizeof(out), m->text, len, EV_DB_UNKNOWN, flags), m);
}

static void literals_never_come_out(void **state)
{
	struct made m;

	(void)state;
	for (uint32_t i = 0; i < STATEMENTS; i++) {
		struct choices c = numbered(i);
		enum ev_database database = make_sql(&m, &c, false);

		check_sql(&m, m.length, database, 0);
		check_sql(&m, choose(&c, m.length), database, 0);
		for (size_t len = 0; i < CUT_WHOLE && len < m.length; len++)
			check_sql(&m, len, database, 0);
	}
}

static void secrets_in_sql_never_come_out(void **state)
{
	struct made m;

	(void)state;
	for (uint32_t i = 0; i < STATEMENTS / 3; i++) {
		struct choices c = numbered(i);
		enum ev_database database = make_sql(&m, &c, true);

		check_sql(&m, m.length, database, SQL_KEEP_LITERALS);
		for (size_t len = 0; i < CUT_WHOLE && len < m.length; len++)
			check_sql(&m, len, database, 0);
	}
}

static void process_of(uint32_t pid, struct choices *c)
{
	struct ev_process p = {.start_ns = process_start(pid), .nofile_limit = 1024, .pid = pid};
	struct made m;

	make_command(&m, c);
	snprintf(p.comm, sizeof(p.comm), "pw=" MARK);
	redact_name(p.comm);
	redact(p.cmdline, sizeof(p.cmdline), m.text, m.length, pid % 2);
	story_tell(&p, EV_PROCESS, sizeof(p));
}

static void statement_of(uint32_t id, struct choices *c)
{
	char sql[EV_SQL_LEN];
	struct made m;
	enum ev_database database = make_sql(&m, c, false);

	sql_normalise(sql, sizeof(sql), m.text, m.length, database, 0);
	says(id, sql);
}

/* Digits alone may stand in any figure of a report. */
static void check_whole(const char *bytes, size_t size)
{
	assert_null(memmem(bytes, size, MARK, strlen(MARK)));
}

static void check_report(const struct report_view *v, bool json)
{
	const struct text_options all = {.show_all = true};
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(json ? report_json(out, v) : report_text(out, v, &all), 0);
	fclose(out);
	assert_true(size > 10000);
	check_whole(text, size);
	free(text);
}

static void check_recording(FILE *file)
{
	struct model *model = model_open();
	const struct ev_head *record;
	struct recording *r = NULL;
	struct report_view *v;

	rewind(file);
	assert_int_equal(recording_open_read(&r, file), 0);
	while (recording_next(r, &record) > 0) {
		check_whole((const char *)record, record->size);
		assert_int_equal(judge_apply(model, record), 0);
	}
	v = judge_view(model, NULL);
	assert_non_null(v);
	check_report(v, false);
	check_report(v, true);
	view_close(v);
	model_close(model);
	recording_close(r);
}

/* The same through all that is written: text, JSON, a recording and what it replays to. */
static void nothing_comes_out_of_reports_and_recordings(void **state)
{
	FILE *file = tmpfile(), *copy;

	(void)state;
	assert_non_null(file);
	copy = fdopen(dup(fileno(file)), "r+");
	assert_int_equal(recording_open_write(&story.recording, file), 0);
	story_begins();
	for (uint32_t i = 1; i <= REPORTED; i++) {
		struct choices c = numbered(i);

		process_of(i, &c);
		opens(i, i, i);
		statement_of(i, &c);
		begins(i);
	}
	at(600);
	check_report(verdict(), false);
	check_report(story.view, true);
	story_ends();
	assert_int_equal(recording_close(story.recording), 0);
	check_recording(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_on_command_lines_never_come_out),
		cmocka_unit_test(values_come_out_only_when_asked_for),
		cmocka_unit_test(literals_never_come_out),
		cmocka_unit_test(secrets_in_sql_never_come_out),
		cmocka_unit_test(nothing_comes_out_of_reports_and_recordings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
