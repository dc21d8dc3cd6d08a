/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The processes a capture knows: those that ended are let go, those that may still be told of are
 * not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/extent.h"
#include "user/capture/watched/owner.h"
#include "user/capture/clientlib/client.h"
#include "user/capture/host/procfs.h"
#include "user/capture/host/program_facts.h"
#include "user/capture/stack/reader.h"

#define LIVES		  extent(1000000, 200000)
#define EACH_NS		  (SECOND_NS / 100) /* between two of them */
#define LIVES_IN(seconds) ((seconds)*SECOND_NS / EACH_NS)

static uint64_t now, reported, reported_ends, gaps;
static uint64_t look_ns; /* that a look at a process takes */
static uint64_t looks, full_looks, pages = 5;
static uint32_t dead; /* that is gone; 0 none */
static unsigned reported_programs;

uint64_t capture_now(void)
{
	return now;
}

void capture_head(struct ev_head *head, uint16_t kind, uint16_t size)
{
	*head = (struct ev_head){.ns = now, .kind = kind, .size = size};
}

void capture_tell(struct capture *c, const struct ev_head *record)
{
	(void)c;
	reported += record->kind == EV_PROCESS;
	reported_programs += record->kind == EV_PROGRAM;
	gaps += record->kind == EV_GAP;
}

void capture_exited(struct capture *c, const struct ev_head *record)
{
	const struct ev_exit *ev = (const void *)record;
	struct owner *o = table_get(&c->owners, (struct table_key){ev->pid, ev->start_ns});

	assert_int_equal(record->kind, EV_EXIT);
	assert_int_equal(ev->rss_peak_bytes, UNKNOWN64);
	assert_non_null(o);
	o->gone_ns = now;
	reported_ends++;
}

int procfs_pages(const struct procfs *p, uint32_t pid, uint64_t *out)
{
	(void)p;
	looks++;
	now += look_ns;
	*out = pages;
	return pid == dead ? -ESRCH : 0;
}

#define KNOWN 77 /* of all others nothing is known: they are gone when they are looked at */

static const char known_arguments[] = "python3\0/srv/app.py\0--dsn=pg://u:geheim@h/d\0-v";

int procfs_facts(const struct procfs *p, uint32_t pid, struct process_facts *out)
{
	(void)p;
	full_looks++;
	*out = (struct process_facts){.pid = pid, .start_ns = pid, .comm = "pw=geheim"};
	return pid == KNOWN ? 0 : -ENOENT;
}

ssize_t procfs_arguments(const struct procfs *p, uint32_t pid, uint64_t start_ns, char *buf,
			 size_t size)
{
	(void)p, (void)pid, (void)start_ns;
	assert_true(size >= sizeof(known_arguments));
	memcpy(buf, known_arguments, sizeof(known_arguments));
	return sizeof(known_arguments);
}

int procfs_usage(const struct procfs *p, uint32_t pid, struct process_usage *out)
{
	(void)p, (void)pid, (void)out;
	return -ENOENT;
}

bool procfs_same_start(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns == b_ns;
}

static const char *unit = "orders.service";

void program_facts(const struct procfs *p, struct ev_program *program)
{
	(void)p;
	program->uid = 1000;
	memset(program->unit, 0, sizeof(program->unit));
	strcpy(program->unit, unit);
}

int procfs_libraries(const struct procfs *p, uint32_t pid, uint32_t *libraries)
{
	(void)p, (void)pid, (void)libraries;
	return -ENOENT;
}

int containers_of_pid(struct containers *c, uint32_t pid, const struct container **out)
{
	(void)c, (void)pid, (void)out;
	return -ENOENT;
}

bool kernel_is_server(struct kernel *k, uint32_t pid)
{
	(void)k, (void)pid;
	return false;
}

uint64_t clients_tls_since(const struct clients *c)
{
	(void)c;
	return 0;
}

static void met(struct capture *c, uint32_t pid, uint64_t start_ns)
{
	(void)c, (void)pid, (void)start_ns;
}

static void usage_read(struct capture *c, uint32_t pid, uint64_t start_ns,
		       const struct process_usage *usage)
{
	(void)c, (void)pid, (void)start_ns, (void)usage;
}

static void look_begins(struct capture *c)
{
	(void)c;
}

static bool follows(const struct capture *c, uint32_t pid, uint64_t start_ns)
{
	(void)c, (void)pid, (void)start_ns;
	return false;
}

static const struct process_events nobody = {met, usage_read, look_begins, follows};

static struct owner *lives(struct capture *c, uint32_t pid, bool ends)
{
	struct owner *o = owner_of(c, pid, pid, NULL);

	assert_non_null(o);
	if (ends)
		o->gone_ns = now;
	now += EACH_NS;
	if (pid % LIVES_IN(5) == 0)
		owners_tell_facts(c);
	return o;
}

static void close_all(struct capture *c)
{
	table_free_values(&c->owners);
	table_free(&c->connections);
}

static void of_all_that_ended_the_last_minute_is_kept(void **state)
{
	struct capture c = {.events = &nobody};
	const uint32_t count = LIVES;
	size_t most = 0;

	(void)state;
	now = SECOND_NS;
	for (uint32_t pid = 1; pid <= count; pid++) {
		lives(&c, pid, true);
		most = c.owners.count > most ? c.owners.count : most;
	}
	assert_true(most <= LIVES_IN(70));
	assert_true(c.owners.count >= LIVES_IN(59));
	close_all(&c);
}

static void who_lives_or_left_a_connection_open_is_kept(void **state)
{
	struct tracked held = {.last = {.id = 9, .pid = 2, .start_ns = 2}};
	struct capture c = {.events = &nobody};

	(void)state;
	now = SECOND_NS;
	reported = 0;
	lives(&c, 1, false);
	lives(&c, 2, true);
	lives(&c, 3, true);
	assert_int_equal(table_put(&c.connections, (struct table_key){9, 0}, &held), 0);
	now += 100 * SECOND_NS;
	owners_tell_facts(&c);
	assert_int_equal(c.owners.count, 2);
	assert_non_null(table_get(&c.owners, (struct table_key){1, 1}));
	assert_non_null(table_get(&c.owners, (struct table_key){2, 2}));
	assert_int_equal(reported, 3);
	table_remove(&c.connections, (struct table_key){9, 0});
	owners_tell_facts(&c);
	assert_int_equal(c.owners.count, 1);
	close_all(&c);
}

static void who_a_process_is_is_told_without_its_secrets(void **state)
{
	static const char comm[EV_COMM_LEN] = "token=geheim";
	struct capture c = {.events = &nobody};
	struct owner *o = owner_of(&c, KNOWN, KNOWN, comm);

	(void)state;
	assert_non_null(o);
	assert_string_equal(o->facts.comm, "pw=...");
	assert_string_equal(o->facts.cmdline, "python3 /srv/app.py --dsn=... -v");
	o = owner_of(&c, KNOWN + 1, KNOWN + 1, comm);
	assert_non_null(o);
	assert_string_equal(o->facts.comm, "token=...");
	close_all(&c);
}

/* Told when it is met, and again when it is another: after exec, or in another unit. */
static void what_a_process_runs_is_told_when_it_changes(void **state)
{
	struct capture c = {.events = &nobody, .options.max_overhead = 2};
	struct owner *o;

	(void)state;
	reported_programs = 0;
	o = owner_of(&c, KNOWN, KNOWN, NULL);
	assert_non_null(o);
	assert_int_equal(reported_programs, 1);
	assert_int_equal(o->program.uid, 1000);
	assert_string_equal(o->program.unit, "orders.service");
	unit = "billing.service";
	pages++;
	owners_tell_facts(&c);
	assert_int_equal(reported_programs, 2);
	assert_string_equal(o->program.unit, "billing.service");
	owners_tell_facts(&c);
	assert_int_equal(reported_programs, 2);
	close_all(&c);
}

static struct capture many(uint32_t count)
{
	struct capture c = {.events = &nobody, .options.max_overhead = 2};

	now = SECOND_NS;
	look_ns = 0;
	dead = 0;
	for (uint32_t pid = 1; pid <= count; pid++)
		assert_non_null(owner_of(&c, pid, pid, NULL));
	reported_ends = gaps = looks = full_looks = 0;
	return c;
}

static void the_looks_at_many_are_spread_and_ask_for_little(void **state)
{
	struct capture c = many(10000);

	(void)state;
	owners_refresh(&c, now);
	looks = full_looks = 0;
	for (int second = 0; second < 10; second++) {
		uint64_t before = looks;

		now += SECOND_NS;
		owners_refresh(&c, now);
		assert_in_range(looks - before, 1900, 2100);
	}
	assert_int_equal(full_looks, 0); /* none seems to have changed */
	pages++;
	looks = 0;
	for (int second = 0; second < 6; second++) {
		now += SECOND_NS;
		owners_refresh(&c, now);
	}
	assert_true(full_looks >= 10000);
	assert_int_equal(gaps, 0);
	close_all(&c);
}

static void the_looks_at_many_stay_within_the_budget(void **state)
{
	struct capture c = many(10000);
	uint64_t began;

	(void)state;
	now += SECOND_NS;
	owners_refresh(&c, now);
	looks = 0;
	look_ns = SECOND_NS / 1000;
	for (int second = 0; second < 10; second++) {
		now += SECOND_NS;
		began = now;
		owners_refresh(&c, now);
		assert_true(now - began <= (SECOND_NS + look_ns) / 15);
	}
	assert_in_range(looks, 300, 700);
	assert_int_equal(gaps, 1); /* which is told once */
	/* Nor does the end take for ever. */
	began = now;
	owners_tell_facts(&c);
	assert_true(now - began <= SECOND_NS);
	close_all(&c);
}

static void an_end_whose_record_was_lost_is_made_up_for(void **state)
{
	struct capture c = many(3);
	struct process gone = {.start_ns = 2, .gone = 1};

	(void)state;
	owner_tally(&c, 2, &gone); /* the kernel half lets go of it */
	owners_tell_ends(&c);
	assert_int_equal(reported_ends, 0); /* its record may be on its way */
	now += 3 * SECOND_NS;
	owners_tell_ends(&c);
	assert_int_equal(reported_ends, 1);
	dead = 3; /* that the kernel half had forgotten before */
	now += 10 * SECOND_NS;
	owners_refresh(&c, now);
	now += 3 * SECOND_NS;
	owners_tell_ends(&c);
	assert_int_equal(reported_ends, 2);
	now += 3 * SECOND_NS;
	owners_tell_ends(&c);
	assert_int_equal(reported_ends, 2);
	assert_int_equal(((struct owner *)table_get(&c.owners, (struct table_key){1, 1}))->gone_ns,
			 0);
	close_all(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_all_that_ended_the_last_minute_is_kept),
		cmocka_unit_test(who_a_process_is_is_told_without_its_secrets),
		cmocka_unit_test(what_a_process_runs_is_told_when_it_changes),
		cmocka_unit_test(the_looks_at_many_are_spread_and_ask_for_little),
		cmocka_unit_test(the_looks_at_many_stay_within_the_budget),
		cmocka_unit_test(an_end_whose_record_was_lost_is_made_up_for),
		cmocka_unit_test(who_lives_or_left_a_connection_open_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
