/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_secret.c - whatever a command line or SQL keeps secret comes out nowhere.
 */
#include "tests/unit/support/story.h"

#include <unistd.h>

#include "user/base/redact.h"
#include "user/base/sql.h"
#include "user/judge/forget.h"
#include "user/record/dump.h"
#include "user/record/scrub.h"
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

static bool old; /* what is recorded was not redacted */

/* As recordings once had it: the arguments with spaces between them. */
static void join(char *out, size_t size, const struct made *m)
{
	size_t n = m->length < size ? m->length : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = m->text[i] ? m->text[i] : ' ';
	out[n] = '\0';
}

static void process_of(uint32_t pid, struct choices *c)
{
	struct ev_process p = {.start_ns = process_start(pid), .nofile_limit = 1024, .pid = pid};
	struct made m;

	make_command(&m, c);
	snprintf(p.comm, sizeof(p.comm), "pw=" MARK);
	if (!old)
		redact_name(p.comm);
	if (old)
		join(p.cmdline, sizeof(p.cmdline), &m);
	else
		redact(p.cmdline, sizeof(p.cmdline), m.text, m.length, pid % 2);
	story_tell(&p, EV_PROCESS, sizeof(p));
}

static void statement_of(uint32_t id, struct choices *c)
{
	char sql[EV_SQL_LEN];
	struct made m;
	enum ev_database database = make_sql(&m, c, false);

	while (old && database != EV_DB_POSTGRESQL) /* as the story's connections */
		database = make_sql(&m, c, false);
	if (old)
		snprintf(sql, sizeof(sql), "%.*s", EV_SQL_LEN - 1, m.text);
	else
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

static void check_dump(const struct ev_head *record)
{
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(dump_record(out, record), 0);
	fclose(out);
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
		check_dump(record);
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

static FILE *record_all(void)
{
	FILE *file = tmpfile(), *copy;

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
	return copy;
}

/* The same through all that is written: text, JSON, a recording, its dump and what it replays to.
 */
static void nothing_comes_out_of_reports_and_recordings(void **state)
{
	FILE *copy = record_all();

	(void)state;
	check_report(verdict(), false);
	check_report(story.view, true);
	story_ends();
	assert_int_equal(recording_close(story.recording), 0);
	check_recording(copy);
}

static void nothing_comes_out_of_recordings_made_before_the_rules(void **state)
{
	FILE *copy;

	(void)state;
	old = true;
	copy = record_all();
	old = false;
	story_ends();
	assert_int_equal(recording_close(story.recording), 0);
	check_recording(copy);
}

/* How it is read depends on the database, which the connection's record names, if it is there. */
static void sql_of_old_recordings_is_read_as_its_database_does(void **state)
{
	struct scrub scrub = {};
	struct made m;

	(void)state;
	for (uint32_t i = 1; i <= STATEMENTS / 6; i++) {
		struct choices c = numbered(i);
		struct ev_connection connection = {.id = i % 7,
						   .database = make_sql(&m, &c, false)};
		struct ev_sql sql = {.id = i % 2 ? connection.id : UNKNOWN64};

		sql.length = m.length < sizeof(sql.text) ? m.length : sizeof(sql.text);
		memcpy(sql.text, m.text, sql.length);
		connection.head = (struct ev_head){.kind = EV_CONNECTION,
						   .size = sizeof(connection)};
		sql.head = (struct ev_head){.kind = EV_SQL, .size = sizeof(sql)};
		scrub_record(&scrub, &connection.head);
		scrub_record(&scrub, &sql.head);
		check(sql.text, sizeof(sql.text), &m);
	}
	scrub_free(&scrub);
}

static void recordings_of_today_stay_as_they_are(void **state)
{
	struct ev_host host = {.redacted = REDACTION_RULES};
	struct ev_process process = {.cmdline = "sh -c java -jar a.jar -w4"};
	struct ev_frame frame = {.function_length = 1, .file_length = 8, .text = "ffile?a=bm"};
	struct scrub scrub = {};

	(void)state;
	host.head.kind = EV_HOST;
	process.head.kind = EV_PROCESS;
	frame.head.kind = EV_FRAME;
	frame.module_length = 1;
	scrub_record(&scrub, &host.head);
	scrub_record(&scrub, &process.head);
	assert_string_equal(process.cmdline, "sh -c java -jar a.jar -w4");
	host.redacted = 0;
	scrub_record(&scrub, &host.head);
	scrub_record(&scrub, &process.head);
	assert_null(strstr(process.cmdline, "-w4"));
	scrub_record(&scrub, &frame.head);
	assert_int_equal(frame.file_length, 4);
	assert_string_equal(frame.text, "ffilem");
	scrub_free(&scrub);
}

/* Of command lines only those that these rules redacted: older ones are redacted again. */
static void sql_that_was_redacted_stays_as_it_is(void **state)
{
	char once[EV_SQL_LEN + 1], twice[EV_SQL_LEN + 1];
	struct made m;

	(void)state;
	for (uint32_t i = 0; i < STATEMENTS / 6; i++) {
		struct choices c = numbered(i);
		enum ev_database database = make_sql(&m, &c, false);
		size_t n = sql_normalise(once, sizeof(once), m.text, m.length, database, 0);

		sql_normalise(twice, sizeof(twice), once, n, database, 0);
		assert_string_equal(once, twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_on_command_lines_never_come_out),
		cmocka_unit_test(values_come_out_only_when_asked_for),
		cmocka_unit_test(literals_never_come_out),
		cmocka_unit_test(secrets_in_sql_never_come_out),
		cmocka_unit_test(nothing_comes_out_of_reports_and_recordings),
		cmocka_unit_test(nothing_comes_out_of_recordings_made_before_the_rules),
		cmocka_unit_test(sql_of_old_recordings_is_read_as_its_database_does),
		cmocka_unit_test(recordings_of_today_stay_as_they_are),
		cmocka_unit_test(sql_that_was_redacted_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
