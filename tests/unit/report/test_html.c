/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_html.c - the page of --html: its policy, its words, hostile strings, and its bounds.
 */
#include "tests/unit/support/memory_story.h"

#include <jansson.h>
#include <time.h>

#include "user/report/sha256.h"
#include "user/report/html.h"
#include "user/report/html_parts.h"

#define APP	  500
#define PAGE_MOST 2000000 /* bytes, of 10,000 connections */
#define ATTACK	  "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\"'&"
#define BIDI	  "\xe2\x80\xae"
#define SEPARATOR "\xe2\x80\xa8"
#define BROKEN	  "\xff\xc3"

static struct {
	char *text;
	size_t size;
	json_t *data;
} page;

static void page_written(void)
{
	struct timeline *t;
	struct held *held;
	const char *data;
	FILE *out = open_memstream(&page.text, &page.size);

	view_close(story.view);
	story.view = judge_view(story.model, NULL);
	t = timeline_open(story.model, story.view, NULL);
	held = held_open(story.model, story.view, NULL);
	assert_non_null(out);
	assert_non_null(t);
	assert_non_null(held);
	assert_int_equal(report_html(out, story.view, t, held), 0);
	fclose(out);
	held_close(held);
	timeline_close(t);
	data = strstr(page.text, "id=\"data\">");
	assert_non_null(data);
	data = strchr(data, '>') + 1;
	page.data = json_loadb(data, (size_t)(strstr(data, "</script>") - data), 0, NULL);
	assert_non_null(page.data);
}

static void page_ends(void)
{
	json_decref(page.data);
	free(page.text);
	story_ends();
}

static size_t times_in(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

/* The text between two others, whose digest the policy must name. */
static void policy_names(const char *directive, const char *from, const char *to)
{
	char digest[SHA256_BASE64_SIZE], expected[128];
	const char *begin = strstr(page.text, from), *end;

	assert_non_null(begin);
	begin += strlen(from);
	end = strstr(begin, to);
	assert_non_null(end);
	sha256_base64(digest, begin, (size_t)(end - begin));
	snprintf(expected, sizeof(expected), "%s 'sha256-%s';", directive, digest);
	assert_int_equal(times_in(page.text, expected), 1);
}

/* Twelve connections that each leak at one line, in a transaction. */
static void twelve_leak(const char *file, const char *function, const char *sql)
{
	uint64_t stack;

	story_begins();
	process(APP);
	stack = through_sqlalchemy(APP, file, 42, function);
	for (uint32_t id = 0; id < 12; id++) {
		at(1 + id);
		opens(id, APP, 7);
		shows_of(EV_AT_OPENED, id, 0, stack);
		begins(id);
		shows_of(EV_AT_BEGUN, id, 0, stack);
		says(id, sql);
	}
	at(30);
}

static void the_policy_lets_nothing_run_but_its_own(void **state)
{
	(void)state;
	twelve_leak("/srv/shop/app/report.py", "monthly", "SELECT 1");
	page_written();
	assert_non_null(strstr(page.text, "content=\"default-src 'none'; style-src 'sha256-"));
	assert_non_null(strstr(page.text, "base-uri 'none'; form-action 'none'"));
	policy_names("style-src", "<style>", "</style>");
	policy_names("script-src", "<script>", "</script>");
	assert_int_equal(times_in(page.text, "unsafe"), 0);
	page_ends();
}

static void the_page_asks_the_network_for_nothing(void **state)
{
	static const char *const reach_out[] = {
		" src=",     "<link",	       "<iframe",	 "url(",    "@import",
		"fetch(",    "XMLHttp",	       "WebSocket",	 "import(", "innerHTML",
		"outerHTML", "insertAdjacent", "document.write", "eval(",   "Function(",
	};
	const char *parts[] = {html_style, html_views, html_script};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		assert_true(strlen(parts[i]) > 1000);
		for (size_t k = 0; k < sizeof(reach_out) / sizeof(reach_out[0]); k++)
			assert_null(strstr(parts[i], reach_out[k]));
	}
	assert_null(strstr(html_script, "</"));
	assert_null(strstr(html_views, "style="));
}

static void the_verdict_needs_no_script(void **state)
{
	const char *script, *line, *headline;

	(void)state;
	twelve_leak("/srv/shop/app/report.py", "monthly", "SELECT * FROM orders WHERE month = ?");
	page_written();
	script = strstr(page.text, "<script");
	headline = strstr(page.text, "<strong>LEAK:</strong> 1 process leaks connections");
	line = strstr(page.text, "<b>where</b> <span>/srv/shop/app/report.py:42 monthly()</span>");
	assert_non_null(headline);
	assert_non_null(line);
	assert_true(headline < line && line < script);
	assert_non_null(strstr(page.text, "<h3 class=\"bold\">11 connections leaked, all inside an "
					  "open transaction <span class=\"after\">certain, "));
	assert_non_null(strstr(page.text, "<b>last SQL</b> <span>SELECT * FROM orders"));
	page_ends();
}

static const char *string_at(const json_t *index)
{
	return json_string_value(json_array_get(json_object_get(page.data, "strings"),
						(size_t)json_integer_value(index)));
}

static void the_data_names_each_life(void **state)
{
	json_t *process, *lives, *held, *stack;

	(void)state;
	twelve_leak("/srv/shop/app/report.py", "monthly", "SELECT 1");
	page_written();
	process = json_array_get(json_object_get(page.data, "processes"), 0);
	lives = json_object_get(process, "lives");
	assert_int_equal(json_integer_value(json_object_get(page.data, "ms")), 30000);
	assert_int_equal(json_integer_value(json_object_get(process, "guilty")), 0);
	assert_int_equal(json_array_size(lives), 12 * 12);
	assert_int_equal(json_integer_value(json_array_get(lives, 12)), 2000); /* born */
	assert_string_equal(string_at(json_array_get(lives, 12 + 11)), "SELECT 1");
	held = json_array_get(json_object_get(page.data, "held"), 0);
	assert_int_equal(json_integer_value(json_array_get(held, 0)), 0);
	assert_int_equal(json_integer_value(json_array_get(held, 2)), 12);
	stack = json_array_get(json_object_get(page.data, "stacks"),
			       (size_t)json_integer_value(json_array_get(held, 1)));
	assert_int_equal(json_integer_value(json_array_get(stack, 0)), 4);
	assert_string_equal(string_at(json_array_get(stack, 5)),
			    "/srv/shop/app/report.py:42 monthly()");
	page_ends();
}

static bool is_utf8(const char *text)
{
	json_t *whole = json_string(text); /* NULL for text that is not */
	bool is = whole != NULL;

	json_decref(whole);
	return is;
}

static void hostile_strings_stay_text(void **state)
{
	(void)state;
	twelve_leak("/srv/" ATTACK BIDI "/app.py", ATTACK BROKEN SEPARATOR "f", ATTACK BIDI BROKEN);
	process_as(APP, "<b>" BIDI "\xff", EV_ROLE_CLIENT);
	identify(3, "</script>", "\"><script>");
	page_written();
	assert_int_equal(times_in(page.text, "<script"), 2);
	assert_int_equal(times_in(page.text, "</script"), 2);
	assert_int_equal(times_in(page.text, "<!--"), 0);
	assert_int_equal(times_in(page.text, "<img"), 0);
	assert_int_equal(times_in(page.text, "<b>\\x"), 0);
	assert_null(strstr(page.text, BIDI));
	assert_null(strstr(page.text, SEPARATOR));
	assert_true(is_utf8(page.text));
	assert_non_null(strstr(page.text, "&lt;/script&gt;&lt;script&gt;alert(1)"));
	assert_non_null(strstr(page.text, "\\xe2\\x80\\xae")); /* visible */
	assert_string_equal(
		string_at(json_array_get(
			json_object_get(json_array_get(json_object_get(page.data, "processes"), 0),
					"lives"),
			11)),
		ATTACK "\\xe2\\x80\\xae\\xff\\xc3");
	page_ends();
}

/* 10,000 connections of three processes, each with SQL of its own if so wanted. */
static void many_live(const char *sql, bool each)
{
	uint64_t stack;

	story_begins();
	for (uint32_t n = 0; n < 10000; n++) {
		struct ev_connection *c = reported(0);
		uint32_t pid = APP + n % 3;
		char text[480];

		if (n < 3)
			process(pid);
		at(1 + n * 0.3);
		stack = through_sqlalchemy(pid, "/srv/shop/app/report.py", n % 40, "monthly");
		opens(0, pid, pid);
		c->id = 10000 + n;
		tell(0);
		shows_of(EV_AT_OPENED, 0, 0, stack);
		snprintf(text, sizeof(text), "%u %s", each ? n : n % 200, sql);
		says(0, text);
		uses(0);
		if (n % 10)
			closes(0);
	}
}

static double seconds_of(clock_t since)
{
	return (double)(clock() - since) / CLOCKS_PER_SEC;
}

static void ten_thousand_connections_fit(void **state)
{
	clock_t since;

	(void)state;
	many_live("SELECT a, b, c FROM orders WHERE customer = ? AND month = ?", false);
	since = clock();
	page_written();
	printf("10,000 connections: %zu bytes in %.2f s, judged, and with sanitizers\n", page.size,
	       seconds_of(since));
	assert_true(page.size < PAGE_MOST);
	assert_int_equal(json_integer_value(json_object_get(page.data, "texts_left")), 0);
	page_ends();
}

/* Texts that grow when they are escaped have the same bounds; what does not fit is counted. */
static void hostile_texts_fit_too(void **state)
{
	char sql[460];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(sql); i++)
		sql[i] = "\x01<\xff&"[i % 4];
	sql[sizeof(sql) - 1] = '\0';
	many_live(sql, true);
	page_written();
	assert_true(page.size < PAGE_MOST);
	assert_true(json_integer_value(json_object_get(page.data, "texts_left")) > 5000);
	page_ends();
}

/* Of many guilty ones the first are shown whole, and each has its lives. */
static void a_crowd_fits_and_is_counted(void **state)
{
	(void)state;
	story_begins();
	for (uint32_t p = 0; p < 150; p++)
		process(APP + p);
	for (uint32_t n = 0; n < 12; n++) {
		at(1 + n);
		for (uint32_t p = 0; p < 150; p++) {
			opens(n * 150 + p, APP + p, 7);
			begins(n * 150 + p);
		}
	}
	at(30);
	page_written();
	assert_int_equal(times_in(page.text, "<article "), 100);
	assert_int_equal(times_in(page.text, "</article>"), 100);
	assert_non_null(strstr(page.text, "50 more processes are not shown here"));
	assert_int_equal(times_in(page.text, "<th scope=\"row\">"), 100);
	assert_int_equal(json_array_size(json_object_get(page.data, "processes")), 150);
	assert_true(page.size < PAGE_MOST);
	page_ends();
}

static void few_words_where_there_is_nothing(void **state)
{
	(void)state;
	story_begins();
	at(30);
	page_written();
	assert_non_null(strstr(page.text, "NO DATABASE CLIENT SEEN."));
	assert_int_equal(json_array_size(json_object_get(page.data, "processes")), 0);
	page_ends();
}

static void one_look_is_a_table(void **state)
{
	(void)state;
	story_begins_in(EV_MODE_SNAPSHOT);
	process(APP);
	stood(0, APP, 30);
	stood(1, APP, 30);
	page_written();
	assert_non_null(strstr(page.text, "<strong>ONE LOOK:</strong> 1 process with a database"));
	assert_non_null(strstr(page.text, "<pre>"));
	assert_non_null(strstr(page.text, "app[500]"));
	page_ends();
}

static void a_full_disk_is_an_error(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct timeline *t;
	struct held *held;

	(void)state;
	if (!full)
		skip();
	twelve_leak("/srv/shop/app/report.py", "monthly", "SELECT 1");
	story.view = judge_view(story.model, NULL);
	t = timeline_open(story.model, story.view, NULL);
	held = held_open(story.model, story.view, NULL);
	assert_true(report_html(full, story.view, t, held) < 0);
	fclose(full);
	held_close(held);
	timeline_close(t);
	story_ends();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_lets_nothing_run_but_its_own),
		cmocka_unit_test(the_page_asks_the_network_for_nothing),
		cmocka_unit_test(the_verdict_needs_no_script),
		cmocka_unit_test(the_data_names_each_life),
		cmocka_unit_test(hostile_strings_stay_text),
		cmocka_unit_test(ten_thousand_connections_fit),
		cmocka_unit_test(hostile_texts_fit_too),
		cmocka_unit_test(a_crowd_fits_and_is_counted),
		cmocka_unit_test(few_words_where_there_is_nothing),
		cmocka_unit_test(one_look_is_a_table),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
