/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_metrics.c - the metrics: both formats, hostile names, the bound of series, counters that do
 * not fall, and the time that 200 processes take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "user/report/metrics.h"
#include "user/report/metrics_fit.h"
#include "tests/unit/support/sample_view.h"

static char *exposition(const struct report_view *v, enum metrics_format format,
			struct metrics_totals *totals)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_metrics(out, v, format, totals), 0);
	fclose(out);
	return text;
}

static void expect_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("%s is not in:\n%s", part, text);
}

/* Samples, and a check that each line is one or a comment. */
static size_t samples_in(const char *text)
{
	size_t samples = 0;

	assert_int_equal(text[strlen(text) - 1], '\n');
	for (; *text; text = strchr(text, '\n') + 1) {
		for (const char *c = text; *c != '\n'; c++)
			assert_true((unsigned char)*c >= ' ' && *c != 127);
		samples += *text != '#';
	}
	return samples;
}

/* The value of the sample that begins so. */
static double sample(const char *text, const char *begin)
{
	const char *line = strstr(text, begin);

	if (!line)
		fail_msg("%s is not in:\n%s", begin, text);
	return strtod(line + strlen(begin), NULL);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Prometheus refuses an exposition that has a series twice. */
static void expect_no_twins(const char *text)
{
	char *copy = strdup(text), *lines[METRICS_SERIES + 100], *save = NULL;
	size_t count = 0;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (*line == '#')
			continue;
		assert_true(count < COUNT(lines));
		*strrchr(line, ' ') = '\0';
		lines[count++] = line;
	}
	qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 1; i < count; i++)
		if (!strcmp(lines[i - 1], lines[i]))
			fail_msg("comes twice: %s", lines[i]);
	free(copy);
}

static struct report_view leaking_view(struct process_view *p, struct endpoint_view *e,
				       struct finding_view *f, struct frame_view frames[2])
{
	*f = sample_finding();
	sample_site(f, frames);
	snprintf(f->fingerprint, sizeof(f->fingerprint), "0123456789abcdef");
	*e = sample_endpoint(12);
	e->connections.opened = 15;
	e->connections.closed = 3;
	*p = sample_process(812, VERDICT_LEAKING, e, f);
	p->unit = "orders.service";
	return sample_view(p, 1);
}

#define CLIENT "process=\"python3\",script=\"orders-api\",unit=\"orders.service\""

static void a_leak_is_told_in_both_formats(void **state)
{
	struct process_view p;
	struct endpoint_view e;
	struct finding_view f;
	struct frame_view frames[2];
	struct report_view v = leaking_view(&p, &e, &f, frames);
	char *plain, *open;

	(void)state;
	v.version = "0.1.0";
	plain = exposition(&v, METRICS_PLAIN, NULL);
	open = exposition(&v, METRICS_OPEN, NULL);
	expect_text(plain, "dbleak_processes{" CLIENT ",verdict=\"leaking\"} 1\n");
	expect_text(plain, "dbleak_connections_opened_total{" CLIENT ",database=\"postgresql\","
			   "endpoint=\"10.0.0.5:5432/shop as app\"} 15\n");
	expect_text(plain,
		    "db_client_connection_count{" CLIENT
		    ",db_system_name=\"postgresql\",db_client_connection_pool_name="
		    "\"10.0.0.5:5432/shop as app\",db_client_connection_state=\"idle\"} 12\n");
	expect_text(plain,
		    "dbleak_finding_objects{" CLIENT
		    ",cause=\"unclosed-connection\",verdict=\"leaking\","
		    "endpoint=\"10.0.0.5:5432/shop as app\",site=\"/srv/shop/app/report.py:42 "
		    "monthly\",fingerprint=\"0123456789abcdef\"} 12\n");
	expect_text(plain, "dbleak_finding_exhausts_seconds{");
	expect_text(plain, "dbleak_build_info{version=\"0.1.0\"} 1\n");
	expect_text(plain, "# TYPE dbleak_connections_opened_total counter\n");
	expect_text(open, "# TYPE dbleak_connections_opened counter\n");
	expect_text(open, "# UNIT dbleak_watch_seconds seconds\n");
	assert_null(strstr(plain, "# UNIT"));
	assert_null(strstr(plain, "# EOF"));
	assert_null(strstr(plain, "SELECT"));
	assert_string_equal(open + strlen(open) - 6, "# EOF\n");
	assert_int_equal(samples_in(plain), samples_in(open));
	expect_no_twins(plain);
	free(plain);
	free(open);
}

static void what_is_not_known_has_no_series(void **state)
{
	struct endpoint_view e = sample_endpoint(2);
	struct process_view p = sample_process(7, VERDICT_OK, &e, NULL);
	struct report_view v = sample_view(&p, 1);
	char *text;

	(void)state;
	e.connections.idle = e.connections.in_transaction = UNKNOWN64;
	e.oldest_idle_seconds = -1;
	v.cpu_percent = -1;
	text = exposition(&v, METRICS_PLAIN, NULL);
	assert_null(strstr(text, "db_client_connection_state=\"idle\""));
	assert_null(strstr(text, "dbleak_connections_in_transaction"));
	assert_null(strstr(text, "oldest_idle"));
	assert_null(strstr(text, "dbleak_cpu_ratio"));
	assert_null(strstr(text, "db_client_connection_max"));
	assert_null(strstr(text, "nan"));
	expect_text(text, "db_client_connection_state=\"used\"} 2\n");
	free(text);
}

static void a_full_pool_tells_its_size_and_who_waits(void **state)
{
	struct endpoint_view e = sample_endpoint(10);
	struct process_view p = sample_process(7, VERDICT_STUCK, &e, NULL);
	struct report_view v = sample_view(&p, 1);
	char *text;

	(void)state;
	e.saturated = "held";
	e.waiters = (struct waiters_view){.count = 3, .oldest_seconds = 4.5};
	text = exposition(&v, METRICS_PLAIN, NULL);
#define POOL_OF                                                      \
	"{process=\"python3\",script=\"orders-api\",db_system_name=" \
	"\"postgresql\",db_client_connection_pool_name=\"10.0.0.5:5432/shop as app\"} "
	expect_text(text, "db_client_connection_max" POOL_OF "10\n");
	expect_text(text, "db_client_connection_pending_requests" POOL_OF "3\n");
	expect_text(text, "dbleak_waiting_longest_seconds{");
	free(text);
}

static void took(struct endpoint_view *e, double seconds)
{
	durations_add(&e->created, (uint64_t)(seconds * 1e9));
}

static void times_of_openings_are_one_histogram_of_all_clients(void **state)
{
	struct endpoint_view e[] = {sample_endpoint(2), sample_endpoint(2), sample_endpoint(2)};
	struct process_view p[COUNT(e)];
	struct report_view v = sample_view(p, COUNT(p));
	static const char *const units[] = {"a", "b", "c"};
	char *text;

	(void)state;
	for (uint32_t i = 0; i < COUNT(p); i++) {
		p[i] = sample_process(7 + i, VERDICT_OK, &e[i], NULL);
		p[i].unit = units[i];
	}
	took(&e[0], 0.0005);
	took(&e[0], 2.5);
	took(&e[1], 0.004);
	p[1].exited = true;
	e[2].address = "elsewhere"; /* nothing is known of it */
	text = exposition(&v, METRICS_OPEN, NULL);
#define CREATED "db_client_connection_create_time_seconds"
#define SERVER                                                                     \
	"{db_system_name=\"postgresql\",db_client_connection_pool_name=\"10.0.0.5" \
	":5432/shop as app\""
	expect_text(text, "# TYPE " CREATED " histogram\n# UNIT " CREATED " seconds\n" CREATED
			  "_bucket" SERVER ",le=\"0.001\"} 1\n" CREATED "_bucket" SERVER
			  ",le=\"0.005\"} 2\n");
	expect_text(text, CREATED "_bucket" SERVER ",le=\"1.0\"} 2\n");
	expect_text(text, CREATED "_bucket" SERVER ",le=\"5.0\"} 3\n");
	expect_text(text, CREATED "_bucket" SERVER ",le=\"+Inf\"} 3\n");
	expect_text(text, CREATED "_sum" SERVER "} 2.5045\n" CREATED "_count" SERVER "} 3\n");
	assert_null(strstr(text, "elsewhere\",le="));
	expect_no_twins(text);
	free(text);
}

/* Each bound of the rows is that of its class. */
static void a_time_is_in_the_bucket_that_its_label_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < DURATION_BOUNDS; i++) {
		struct endpoint_view e = sample_endpoint(1);
		struct process_view p = sample_process(7, VERDICT_OK, &e, NULL);
		struct report_view v = sample_view(&p, 1);
		const char *at;
		char *text;

		took(&e, duration_bounds[i]);
		text = exposition(&v, METRICS_PLAIN, NULL);
		for (at = strstr(text, CREATED "_bucket"); at; at = strstr(at + 1, CREATED "_b")) {
			const char *le = strstr(at, "le=\"") + 4;
			double bound = strtod(le, NULL);

			assert_true(strtod(strchr(le, ' '), NULL) == (bound >= duration_bounds[i]));
		}
		free(text);
	}
}

static void processes_of_one_name_are_one_client(void **state)
{
	struct endpoint_view e[3];
	struct process_view p[3];
	struct report_view v = sample_view(p, COUNT(p));
	char *text;

	(void)state;
	for (uint32_t i = 0; i < COUNT(p); i++) {
		e[i] = sample_endpoint(i + 1);
		p[i] = sample_process(100 + i, i ? VERDICT_OK : VERDICT_STUCK, &e[i], NULL);
	}
	p[2].exited = true;
	text = exposition(&v, METRICS_PLAIN, NULL);
	expect_text(text, "verdict=\"stuck\"} 1\n");
	expect_text(text, "verdict=\"ok\"} 1\n"); /* the third has ended */
	expect_text(text, "db_client_connection_state=\"idle\"} 3\n");
	expect_text(text, "endpoint=\"10.0.0.5:5432/shop as app\"} 6\n");
	expect_no_twins(text);
	free(text);
}

static void findings_of_what_has_ended_are_no_alarm(void **state)
{
	struct process_view p;
	struct endpoint_view e;
	struct finding_view f;
	struct frame_view frames[2];
	struct report_view v = leaking_view(&p, &e, &f, frames);
	char *text;

	(void)state;
	p.exited = true;
	text = exposition(&v, METRICS_PLAIN, NULL);
	assert_null(strstr(text, "dbleak_finding"));
	assert_null(strstr(text, "dbleak_processes"));
	expect_text(text, "dbleak_connections_opened_total{");
	free(text);
}

static void hostile_names_stay_inside_their_label(void **state)
{
	static const char *const names[] = {"a\"} 1\nevil{x=\"",
					    "back\\slash\\",
					    "\xff\xfe\x80",
					    "\x1b[31mred\x7f",
					    "\xe2\x80\xae"
					    "rtl",
					    "",
					    "\xf0\x9f\x90\x98",
					    "nul"};
	struct endpoint_view e[COUNT(names)];
	struct finding_view f[COUNT(names)];
	struct frame_view site[COUNT(names)];
	struct process_view p[COUNT(names)];
	struct report_view v = sample_view(p, COUNT(p));
	char *text;

	(void)state;
	for (uint32_t i = 0; i < COUNT(names); i++) {
		const char *n = names[i];

		e[i] = sample_endpoint(1);
		e[i].address = e[i].name = e[i].user = n;
		site[i] = (struct frame_view){.file = n, .function = n, .module = n, .line = i};
		f[i] = sample_finding();
		f[i].endpoint = n;
		f[i].site = &site[i];
		p[i] = sample_process(i, VERDICT_LEAKING, &e[i], &f[i]);
		p[i].comm = p[i].cmdline = p[i].unit = p[i].container_name = p[i].pod =
			p[i].pod_namespace = n;
	}
	v.version = names[0];
	text = exposition(&v, METRICS_OPEN, NULL);
	samples_in(text);
	expect_no_twins(text);
	assert_null(strstr(text, "\nevil"));
	expect_text(text, "process=\"back\\\\slash\\\\\"");
	expect_text(text, "process=\"\\\\xff\\\\xfe\\\\x80\"");
	expect_text(text, "process=\"?\"");
	free(text);
}

static void names_that_look_the_same_are_one_series(void **state)
{
	char name[2][600];
	struct endpoint_view e[2];
	struct process_view p[2];
	struct report_view v = sample_view(p, 2);
	char *text;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		memset(name[i], 'x', sizeof(name[i]) - 1);
		name[i][sizeof(name[i]) - 1] = '\0';
		name[i][300] = (char)('a' + i); /* in the middle, which is cut out */
		e[i] = sample_endpoint(1);
		e[i].address = name[i];
		p[i] = sample_process(i, VERDICT_OK, &e[i], NULL);
		p[i].unit = name[i];
	}
	text = exposition(&v, METRICS_PLAIN, NULL);
	expect_no_twins(text);
	expect_text(text, "verdict=\"ok\"} 2\n");
	free(text);
}

/* --- many --------------------------------------------------------------------------------- */

#define MANY_PARTS 8

struct many {
	struct process_view *p;
	struct endpoint_view *e;
	struct finding_view *f;
	char (*unit)[32], (*address)[32];
	struct report_view view;
};

/* Each process has a name of its own, and so has each of its endpoints. */
static void many_open(struct many *m, size_t processes, size_t parts, enum verdict verdict)
{
	*m = (struct many){.p = calloc(processes, sizeof(*m->p)),
			   .e = calloc(processes * parts, sizeof(*m->e)),
			   .f = calloc(processes * parts, sizeof(*m->f)),
			   .unit = calloc(processes, sizeof(*m->unit)),
			   .address = calloc(processes * parts, sizeof(*m->address))};
	for (size_t i = 0; i < processes; i++) {
		snprintf(m->unit[i], sizeof(m->unit[i]), "service-%zu", i);
		for (size_t k = i * parts; k < (i + 1) * parts; k++) {
			snprintf(m->address[k], sizeof(m->address[k]), "10.0.0.1:%zu", k);
			m->e[k] = sample_endpoint(1);
			m->e[k].address = m->address[k];
			durations_add(&m->e[k].created, 2000000);
			m->f[k] = sample_finding();
			m->f[k].endpoint = m->address[k];
		}
		m->p[i] = sample_process((uint32_t)i + 1, verdict, &m->e[i * parts],
					 &m->f[i * parts]);
		m->p[i].start_realtime_ns = i + 1;
		m->p[i].unit = m->unit[i];
		m->p[i].endpoint_count = m->p[i].finding_count = parts;
	}
	m->view = sample_view(m->p, processes);
}

static void many_close(struct many *m)
{
	free(m->p);
	free(m->e);
	free(m->f);
	free(m->unit);
	free(m->address);
}

static double sum_of(const char *text, const char *name)
{
	double sum = 0;

	for (const char *at = text; (at = strstr(at, name)); at += strlen(name))
		if (at[strlen(name)] == '{')
			sum += strtod(strstr(at, "} ") + 2, NULL);
	return sum;
}

static void a_hundred_thousand_series_become_five_thousand(void **state)
{
	struct many m;
	char *text;
	size_t samples;

	(void)state;
	many_open(&m, 800, MANY_PARTS, VERDICT_LEAKING); /* 800 * 8 * (15 + 6) and more */
	m.p[799].findings[0].exhausts_seconds = 1;	 /* the most urgent one */
	text = exposition(&m.view, METRICS_PLAIN, NULL);
	samples = samples_in(text);
	assert_in_range(samples, 3500, METRICS_SERIES);
	assert_true(sample(text, "\ndbleak_series_dropped ") > 100000);
	assert_true(sample(text, "\ndbleak_series ") <= METRICS_SERIES);
	expect_text(text, "unit=\"service-799\"");
	expect_text(text, "dbleak_processes{process=\"other\",verdict=\"leaking\"} ");
	assert_true(sum_of(text, "dbleak_processes") == 800);
	assert_true(sum_of(text, "dbleak_findings") == 800 * MANY_PARTS);
	assert_true(sum_of(text, "dbleak_connections_opened_total") == 800 * MANY_PARTS);
	assert_true(sum_of(text, CREATED "_count") == 800 * MANY_PARTS);
	expect_no_twins(text);
	free(text);
	many_close(&m);
}

static void a_client_with_many_endpoints_leaves_room_for_others(void **state)
{
	struct many m;
	char *text;

	(void)state;
	many_open(&m, 2, 6000, VERDICT_STUCK);
	text = exposition(&m.view, METRICS_PLAIN, NULL);
	assert_true(samples_in(text) <= METRICS_SERIES);
	expect_text(text, "unit=\"service-0\",database=\"postgresql\",endpoint=\"other\"");
	expect_text(text, "unit=\"service-1\",database=\"postgresql\",endpoint=\"other\"");
	assert_true(sum_of(text, "dbleak_connections_opened_total") == 12000);
	expect_no_twins(text);
	free(text);
	many_close(&m);
}

/* --- counters ----------------------------------------------------------------------------- */

static void counters_go_on_when_processes_are_forgotten(void **state)
{
	struct metrics_totals *totals = metrics_totals_open();
	struct endpoint_view e[2];
	struct process_view p[2];
	struct report_view v = sample_view(p, 2);
	static const char opened[] = "endpoint=\"10.0.0.5:5432/shop as app\"} ";
	const char *at;
	char *text;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		e[i] = sample_endpoint(10);
		p[i] = sample_process(i + 1, VERDICT_OK, &e[i], NULL);
		p[i].start_realtime_ns = 1000 + i;
	}
	for (int round = 0; round < 3; round++) {
		text = exposition(&v, METRICS_PLAIN, totals);
		at = strstr(text, "dbleak_connections_opened_total{");
		assert_non_null(at);
		/* 20; one is forgotten; the other opens five more */
		assert_true(sample(at, opened) == (round == 2 ? 25 : 20));
		free(text);
		v.process_count = 1;
		if (round == 1)
			e[0].connections.opened += 5;
	}
	metrics_totals_close(totals);
}

static void counters_do_not_fall_when_a_client_becomes_one_of_the_others(void **state)
{
	struct metrics_totals *totals = metrics_totals_open();
	struct many m;
	double before = 0;

	(void)state;
	many_open(&m, 400, 2, VERDICT_LEAKING);
	for (int round = 0; round < 4; round++) {
		char *text;
		double now;

		for (size_t i = 0; i < 400; i++) /* other ones are urgent each time */
			m.p[i].findings[0].exhausts_seconds =
				(double)((i * 7 + (size_t)round * 131) % 400);
		m.e[(size_t)round].connections.opened++;
		text = exposition(&m.view, METRICS_PLAIN, totals);
		now = sample(strstr(text, "dbleak_connections_opened_total{process=\"other\""),
			     "dbleak_connections_opened_total{process=\"other\",database="
			     "\"postgresql\",endpoint=\"other\"} ");
		assert_true(now >= before);
		before = now;
		free(text);
	}
	metrics_totals_close(totals);
	many_close(&m);
}

static void histograms_do_not_fall_when_processes_are_forgotten(void **state)
{
	struct metrics_totals *totals = metrics_totals_open();
	struct endpoint_view e[2] = {sample_endpoint(1), sample_endpoint(1)};
	struct process_view p[2];
	struct report_view v = sample_view(p, 2);

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		p[i] = sample_process(i + 1, VERDICT_OK, &e[i], NULL);
		p[i].start_realtime_ns = 1000 + i;
		took(&e[i], 0.25);
	}
	for (int round = 0; round < 3; round++) {
		char *text = exposition(&v, METRICS_PLAIN, totals);

		/* two; one is forgotten; the other opens one more */
		expect_text(text, round == 2 ? CREATED "_sum" SERVER "} 1.5\n"
					     : CREATED "_sum" SERVER "} 0.5\n");
		assert_true(sum_of(text, CREATED "_count") == (round == 2 ? 3 : 2));
		free(text);
		v.process_count = 1;
		if (round == 1)
			took(&e[0], 1);
	}
	metrics_totals_close(totals);
}

/* Two endpoints that nothing tells apart are counted once each. */
static void twins_are_counted_once_each(void **state)
{
	struct metrics_totals *totals = metrics_totals_open();
	struct endpoint_view e[2] = {sample_endpoint(3), sample_endpoint(4)};
	struct process_view p = sample_process(9, VERDICT_OK, e, NULL);
	struct report_view v = sample_view(&p, 1);

	(void)state;
	p.endpoint_count = 2;
	for (int round = 0; round < 3; round++) {
		char *text = exposition(&v, METRICS_PLAIN, totals);

		expect_text(text, "endpoint=\"10.0.0.5:5432/shop as app\"} 7\n");
		assert_true(sum_of(text, "dbleak_connections_opened_total") == 7);
		free(text);
	}
	metrics_totals_close(totals);
}

static void an_output_that_is_full_is_an_error(void **state)
{
	struct report_view v = sample_view(NULL, 0);
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(full);
	assert_int_equal(report_metrics(full, &v, METRICS_PLAIN, NULL), -ENOSPC);
	fclose(full);
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Here the sanitizers slow it down: the bound is that of the fast program, 10 ms, times ten. */
static void two_hundred_processes_take_milliseconds(void **state)
{
	struct metrics_totals *totals = metrics_totals_open();
	struct many m;
	double best = 1;
	size_t samples = 0;

	(void)state;
	many_open(&m, 200, 1, VERDICT_LEAKING);
	for (int i = 0; i < 5; i++) {
		double begin = seconds_now(), took;
		char *text = exposition(&m.view, METRICS_OPEN, totals);

		took = seconds_now() - begin;
		best = took < best ? took : best;
		samples = samples_in(text);
		free(text);
	}
	print_message("200 processes, %zu series: %.1f ms\n", samples, best * 1000);
	assert_true(best < 0.1);
	metrics_totals_close(totals);
	many_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leak_is_told_in_both_formats),
		cmocka_unit_test(what_is_not_known_has_no_series),
		cmocka_unit_test(a_full_pool_tells_its_size_and_who_waits),
		cmocka_unit_test(times_of_openings_are_one_histogram_of_all_clients),
		cmocka_unit_test(a_time_is_in_the_bucket_that_its_label_names),
		cmocka_unit_test(processes_of_one_name_are_one_client),
		cmocka_unit_test(findings_of_what_has_ended_are_no_alarm),
		cmocka_unit_test(hostile_names_stay_inside_their_label),
		cmocka_unit_test(names_that_look_the_same_are_one_series),
		cmocka_unit_test(a_hundred_thousand_series_become_five_thousand),
		cmocka_unit_test(a_client_with_many_endpoints_leaves_room_for_others),
		cmocka_unit_test(counters_go_on_when_processes_are_forgotten),
		cmocka_unit_test(counters_do_not_fall_when_a_client_becomes_one_of_the_others),
		cmocka_unit_test(histograms_do_not_fall_when_processes_are_forgotten),
		cmocka_unit_test(twins_are_counted_once_each),
		cmocka_unit_test(an_output_that_is_full_is_an_error),
		cmocka_unit_test(two_hundred_processes_take_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
