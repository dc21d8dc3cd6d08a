/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The watchdog, in processes whose main thread does not come back: signals and the end of a watch
 * are kept all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/command/watchdog.h"
#include "user/capture/worker/looking.h"

enum { REPORTED = 7, NORMAL = 5 };

struct story {
	void (*main_thread)(struct watchdog *w);
	double duration_s;
	bool cannot_report;
	void (*leave)(void);
	int command;
};

static void report_it(void *context, uint32_t pid, const char *where)
{
	const struct story *s = context;

	(void)pid;
	if (s->cannot_report)
		return;
	(void)!write(STDERR_FILENO, where, strlen(where));
	_exit(REPORTED);
}

static void leave_it(void)
{
	(void)!write(STDERR_FILENO, "left;", 5);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct outcome {
	pid_t pid;
	int err; /* what it says on standard error */
	double start;
	char text[1024];
	double took;
	int status;
};

static void begin(struct outcome *o, const struct story *s)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	o->start = seconds();
	o->pid = fork();
	if (!o->pid) {
		static struct watchdog w;
		const struct watchdog_host host = {
			.report = report_it, .leave = s->leave, .context = (void *)(uintptr_t)s};

		dup2(ends[1], STDERR_FILENO);
		w.command = s->command;
		if (watchdog_start(&w, &host))
			_exit(99);
		watchdog_duration(&w, s->duration_s);
		s->main_thread(&w);
		_exit(NORMAL);
	}
	close(ends[1]);
	o->err = ends[0];
}

static void end(struct outcome *o)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(o->err, o->text + used, sizeof(o->text) - 1 - used)) > 0)
		used += (size_t)n;
	o->text[used] = '\0';
	close(o->err);
	assert_int_equal(waitpid(o->pid, &o->status, 0), o->pid);
	o->took = seconds() - o->start;
}

static void wait_s(double s)
{
	usleep((useconds_t)(s * 1e6));
}

static void hang(void)
{
	for (;;)
		pause();
}

static void hangs_at_a_file(struct watchdog *w)
{
	watchdog_stage(w, STAGE_WORKING);
	looking_at(4711, "/tmp/a\033[31mfile");
	hang();
}

static void hangs_while_opening(struct watchdog *w)
{
	(void)w;
	looking_at(4711, "/tmp/file");
	hang();
}

static void loads_programs(struct watchdog *w)
{
	wait_s(2.5);
	watchdog_stage(w, STAGE_WORKING);
}

static void obeys(struct watchdog *w)
{
	watchdog_stage(w, STAGE_WORKING);
	while (!watchdog_signal(w))
		looking_over(), wait_s(0.05);
	watchdog_stage(w, STAGE_FINISHING);
	watchdog_stage(w, STAGE_REPORTING);
}

static void is_slow(struct watchdog *w)
{
	double end = seconds() + 2;

	watchdog_stage(w, STAGE_WORKING);
	while (seconds() < end)
		looking_over(), wait_s(0.05);
	watchdog_stage(w, STAGE_REPORTING);
}

static void comes_back_late(struct watchdog *w)
{
	watchdog_stage(w, STAGE_WORKING);
	wait_s(1.5);
	watchdog_stage(w, STAGE_REPORTING);
}

static void has_a_slow_reader(struct watchdog *w)
{
	watchdog_stage(w, STAGE_WORKING);
	watchdog_stage(w, STAGE_REPORTING);
	hang();
}

static void cannot_close(struct watchdog *w)
{
	watchdog_closing(w, 3);
	hang();
}

static void a_report_comes_within_a_second_of_the_duration(void **state)
{
	const struct story s = {hangs_at_a_file, .duration_s = 1.5};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), REPORTED);
	assert_true(o.took > 1.5 && o.took < 2.5 + 0.3);
	assert_non_null(strstr(o.text, "looking at /tmp/a\\x1b[31mfile of process 4711"));
}

static void a_report_comes_when_the_opening_hangs(void **state)
{
	const struct story s = {hangs_while_opening, .duration_s = 0.5};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), REPORTED);
	assert_true(o.took < 1.8);
}

static void loading_programs_has_its_time(void **state)
{
	const struct story s = {loads_programs, .duration_s = 0.5};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), NORMAL);
}

static void a_slow_machine_ends_its_work(void **state)
{
	const struct story s = {is_slow, .duration_s = 0.5};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), NORMAL);
}

static void one_report_comes_not_two(void **state)
{
	const struct story s = {comes_back_late, .duration_s = 0.3};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), REPORTED);
}

static void without_a_report_it_ends_and_says_so(void **state)
{
	const struct story s = {hangs_at_a_file, .duration_s = 0.2, .cannot_report = true};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), 2);
	assert_non_null(strstr(o.text, "dbleak: cannot make the report"));
}

/* So that a terminal shows both. */
static void what_was_taken_is_left_before_the_report_and_the_last_words(void **state)
{
	const struct story late = {hangs_at_a_file, .duration_s = 0.2, .leave = leave_it};
	const struct story quits = {.main_thread = obeys, .leave = leave_it};
	struct outcome o;

	(void)state;
	begin(&o, &late);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), REPORTED);
	assert_non_null(strstr(o.text, "left;/tmp/a"));
	begin(&o, &quits);
	wait_s(0.3);
	kill(o.pid, SIGQUIT);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), 2);
	assert_int_equal(strncmp(o.text, "left;dbleak: ended by SIGQUIT", 29), 0);
}

static void the_first_signal_is_handed_on(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	const struct story s = {.main_thread = obeys};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct outcome o;

		begin(&o, &s);
		wait_s(0.3);
		kill(o.pid, signals[i]);
		end(&o);
		assert_int_equal(WEXITSTATUS(o.status), NORMAL);
		assert_true(o.took < 1);
	}
}

static void a_first_signal_without_answer_makes_the_report(void **state)
{
	const struct story s = {.main_thread = hangs_at_a_file};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	wait_s(0.3);
	kill(o.pid, SIGINT);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), REPORTED);
	assert_true(o.took < 3);
}

static void a_second_signal_ends_it(void **state)
{
	static void (*const threads[])(struct watchdog *) = {hangs_at_a_file, hangs_while_opening,
							     has_a_slow_reader};
	static const int signals[][2] = {{SIGINT, SIGINT}, {SIGINT, SIGTERM}, {SIGTERM, SIGINT}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct story s = {.main_thread = threads[i]};
		struct outcome o;

		begin(&o, &s);
		wait_s(0.3);
		kill(o.pid, signals[i][0]);
		wait_s(0.3);
		kill(o.pid, signals[i][1]);
		end(&o);
		assert_true(WIFEXITED(o.status));
		assert_int_equal(WEXITSTATUS(o.status), 2);
		assert_true(o.took < 1.2);
	}
}

/* timeout(1) sends it to the process and to its group, a terminal that closes sends two. */
static void one_signal_sent_twice_at_once_is_one(void **state)
{
	static const int signals[] = {SIGTERM, SIGHUP};
	const struct story s = {.main_thread = hangs_at_a_file};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct outcome o;

		begin(&o, &s);
		wait_s(0.3);
		kill(o.pid, signals[i]);
		wait_s(0.02 + 0.3 * (double)i);
		kill(o.pid, signals[i]);
		end(&o);
		assert_int_equal(WEXITSTATUS(o.status), REPORTED);
	}
}

static void sigquit_ends_it_without_a_core(void **state)
{
	const struct story s = {.main_thread = hangs_at_a_file};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	wait_s(0.3);
	kill(o.pid, SIGQUIT);
	end(&o);
	assert_true(WIFEXITED(o.status));
	assert_int_equal(WEXITSTATUS(o.status), 2);
}

static void what_cannot_be_closed_is_left(void **state)
{
	const struct story s = {.main_thread = cannot_close};
	struct outcome o;

	(void)state;
	begin(&o, &s);
	end(&o);
	assert_int_equal(WEXITSTATUS(o.status), 3);
	assert_true(o.took < 2);
}

static void a_command_decides_about_the_first_and_is_killed_by_the_second(void **state)
{
	pid_t command = fork();
	struct story s = {.main_thread = hangs_at_a_file};
	struct outcome o;
	int status;

	(void)state;
	if (!command) {
		signal(SIGINT, SIG_IGN);
		hang();
	}
	s.command = (int)syscall(SYS_pidfd_open, command, 0);
	begin(&o, &s);
	wait_s(0.3);
	kill(o.pid, SIGINT);
	wait_s(2.5);
	assert_int_equal(waitpid(o.pid, &status, WNOHANG), 0);
	assert_int_equal(waitpid(command, &status, WNOHANG), 0);
	kill(o.pid, SIGINT);
	end(&o);
	assert_int_equal(waitpid(command, &status, 0), command);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(WEXITSTATUS(o.status), REPORTED);
	assert_true(o.took < 4.2);
	close(s.command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_comes_within_a_second_of_the_duration),
		cmocka_unit_test(a_report_comes_when_the_opening_hangs),
		cmocka_unit_test(loading_programs_has_its_time),
		cmocka_unit_test(a_slow_machine_ends_its_work),
		cmocka_unit_test(one_report_comes_not_two),
		cmocka_unit_test(without_a_report_it_ends_and_says_so),
		cmocka_unit_test(what_was_taken_is_left_before_the_report_and_the_last_words),
		cmocka_unit_test(the_first_signal_is_handed_on),
		cmocka_unit_test(a_first_signal_without_answer_makes_the_report),
		cmocka_unit_test(a_second_signal_ends_it),
		cmocka_unit_test(one_signal_sent_twice_at_once_is_one),
		cmocka_unit_test(sigquit_ends_it_without_a_core),
		cmocka_unit_test(what_cannot_be_closed_is_left),
		cmocka_unit_test(a_command_decides_about_the_first_and_is_killed_by_the_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
