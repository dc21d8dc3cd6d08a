/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * watchdog.c - see watchdog.h.
 *
 * The watchdog takes no lock that the main thread may hold, and writes with write(2).  A thread
 * that hangs in the middle of a printf has its stream locked.
 */
#include "user/command/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "user/base/escape.h"
#include "user/capture/worker/looking.h"
#include "user/system/clock.h"
#include "user/system/writes.h"

#define MS_NS	  1000000ULL
#define SECOND_NS (1000 * MS_NS)

#define ROUND_NS (50 * MS_NS)
/* timeout(1) and terminals send one signal twice at once: to the process and to its group. */
#define SAME_NS (100 * MS_NS)
#define TELL_NS (2 * SECOND_NS) /* without a move before it is said where it hangs */
/* A report is out within a second of its time, so the last look has most of it. */
#define OVERTIME_NS (800 * MS_NS)
#define ANSWER_NS   (2 * SECOND_NS) /* for a first signal */
#define LOOK_MS	    1500	    /* of it for stacks still being read */
/* A slow machine works on, one step after the other; a thread that hangs takes no step. */
#define STEP_NS	 (400 * MS_NS)
#define SLOW_NS	 (4 * SECOND_NS) /* beyond its time, for a thread that takes steps */
#define CLOSE_NS SECOND_NS	 /* to give everything back; the end of the process does it too */

/* On a terminal that is stopped nothing is said: that would wait, and the end with it. */
static void say(const char *text)
{
	char line[LOOKING_TEXT * 4 + 128];
	int n = snprintf(line, sizeof(line), "\ndbleak: %s\n", text);
	const char *from = isatty(STDERR_FILENO) ? line : line + 1; /* the line of progress ends */

	if (n > 0 && writes_at_once(STDERR_FILENO))
		(void)!write(STDERR_FILENO, from, strlen(from));
}

static void watchdog_leave(const struct watchdog *w)
{
	if (w->host.leave)
		w->host.leave();
}

static void end_now(const struct watchdog *w, const char *why)
{
	watchdog_leave(w);
	say(why);
	_exit(2);
}

static bool asks_to_end(int sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGHUP;
}

/* The terminal sends both signals to the command of run as well. */
static void second(struct watchdog *w, int sig)
{
	if (w->command <= 0)
		end_now(w, "ended at the second signal, without a report");
	if (sig == SIGINT)
		syscall(SYS_pidfd_send_signal, w->command, SIGKILL, NULL, 0);
}

/* A terminal that goes away says so twice: a second SIGHUP asks for nothing new. */
static void watchdog_take(struct watchdog *w, int sig)
{
	uint64_t at = clock_monotonic_ns();
	bool same = w->asked && sig == w->last_signal && at - w->last_ns < SAME_NS;

	if (sig == SIGQUIT)
		end_now(w, "ended by SIGQUIT, without a report");
	w->last_signal = sig;
	w->last_ns = at;
	if (same || (w->asked && sig == SIGHUP))
		return;
	if (atomic_load(&w->stage) == STAGE_REPORTING)
		end_now(w, "ended by a signal before the report was out");
	if (!w->asked++ || w->asked == 2)
		w->asked_ns = at;
	if (w->asked > 1)
		second(w, sig);
	if (w->asked > 2)
		end_now(w, "ended at the third signal, without a report");
	atomic_fetch_or(&w->pending, 1U << sig);
}

/* Says once where the main thread hangs. */
static void watchdog_tell(struct watchdog *w, const struct looking *l)
{
	char where[LOOKING_TEXT * 2], text[sizeof(where) + 96];

	if (w->told_moves == l->moves)
		return;
	w->told_moves = l->moves;
	escape_line(where, sizeof(where), l->what, strlen(l->what), LOOKING_TEXT);
	if (l->pid)
		snprintf(text, sizeof(text), "still looking at %s of process %u", where, l->pid);
	else
		snprintf(text, sizeof(text), "still looking at %s", where);
	say(text);
}

struct late {
	struct watchdog *w;
	struct looking at;
};

static void *watchdog_report(void *context)
{
	struct late *l = context;

	watchdog_leave(l->w);
	l->w->host.report(l->w->host.context, l->at.pid, l->at.what);
	end_now(l->w, "cannot make the report: the main thread does not come back");
	return NULL;
}

/* Reports in a thread of its own: the reader may be slow, and a second signal must end that, too.
 */
static void report_late(struct watchdog *w, const struct looking *at)
{
	static struct late late;
	pthread_t thread;
	int expected = atomic_load(&w->stage);

	if (expected >= STAGE_REPORTING ||
	    !atomic_compare_exchange_strong(&w->stage, &expected, STAGE_REPORTING))
		return;
	late = (struct late){w, *at};
	if (pthread_create(&thread, NULL, watchdog_report, &late))
		end_now(w, "cannot make the report: no thread is to be had");
}

/* The time at which the report is due, whatever the main thread does; UINT64_MAX: it is not. */
static uint64_t due(const struct watchdog *w)
{
	uint64_t opened = atomic_load(&w->opened_ns), duration = atomic_load(&w->duration_ns);
	uint64_t from = opened ? opened : atomic_load(&w->started_ns);
	uint64_t end = duration ? from + duration + OVERTIME_NS : UINT64_MAX;
	uint64_t answer = w->command > 0 ? OVERTIME_NS : ANSWER_NS;

	if (w->asked > (w->command > 0 ? 1U : 0U) && w->asked_ns + answer < end)
		end = w->asked_ns + answer;
	return end;
}

/* Programs are loaded into the kernel in long steps, and nothing of others delays them. */
static bool is_late(const struct watchdog *w, const struct looking *l, uint64_t at)
{
	uint64_t end = due(w);
	bool hangs = at - w->moved_ns >= STEP_NS;

	if (at < end)
		return false;
	if (atomic_load(&w->stage) == STAGE_OPENING && !l->what[0])
		return w->asked && at >= w->asked_ns + SLOW_NS;
	return hangs || at >= end + SLOW_NS;
}

static void watchdog_look(struct watchdog *w)
{
	uint64_t at = clock_monotonic_ns();
	struct looking l;

	if (!looking_read(&l) || l.moves != w->moves) {
		w->moves = l.moves;
		w->moved_ns = at;
	}
	if (l.what[0] && at - w->moved_ns >= TELL_NS && atomic_load(&w->stage) < STAGE_REPORTING)
		watchdog_tell(w, &l);
	if (is_late(w, &l, at))
		report_late(w, &l);
}

static void close_in_time(struct watchdog *w, uint64_t *since)
{
	if (!*since)
		*since = clock_monotonic_ns();
	if (clock_monotonic_ns() - *since >= CLOSE_NS)
		_exit(atomic_load(&w->status));
}

/* nohup(1) has SIGHUP ignored: a program that it starts must stay. */
static bool is_ignored(int sig)
{
	struct sigaction action;

	return !sigaction(sig, NULL, &action) && action.sa_handler == SIG_IGN;
}

static void signals_of(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	if (!is_ignored(SIGHUP))
		sigaddset(set, SIGHUP);
	sigaddset(set, SIGQUIT);
}

/* SIGQUIT asks the command for a thread dump, and is no end of dbleak.  The terminal sends it to
 * the command itself. */
static void pass_quit(const struct watchdog *w, const siginfo_t *info)
{
	if (info->si_code <= 0)
		syscall(SYS_pidfd_send_signal, w->command, SIGQUIT, NULL, 0);
}

static void *work(void *context)
{
	const struct timespec round = {.tv_nsec = ROUND_NS};
	struct watchdog *w = context;
	uint64_t closing = 0;
	siginfo_t info;
	sigset_t set;

	if (w->host.begin)
		w->host.begin();
	signals_of(&set);
	for (;;) {
		int sig = sigtimedwait(&set, &info, &round);

		if (sig == SIGQUIT && w->command > 0)
			pass_quit(w, &info);
		else if (sig > 0 && (asks_to_end(sig) || sig == SIGQUIT))
			watchdog_take(w, sig);
		if (atomic_load(&w->stage) == STAGE_CLOSING)
			close_in_time(w, &closing);
		else
			watchdog_look(w);
	}
	return NULL;
}

int watchdog_start(struct watchdog *w, const struct watchdog_host *host)
{
	sigset_t set;
	int err;

	*w = (struct watchdog){.host = *host, .command = w->command};
	atomic_store(&w->started_ns, clock_monotonic_ns());
	w->moved_ns = clock_monotonic_ns();
	signals_of(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	err = pthread_create(&w->thread, NULL, work, w);
	if (!err)
		pthread_detach(w->thread);
	return -err;
}

void watchdog_duration(struct watchdog *w, double seconds)
{
	atomic_store(&w->duration_ns, (uint64_t)(seconds * 1e9));
}

/* The watchdog may have taken the report over: then this thread is to make none. */
static void watchdog_enter(struct watchdog *w, int stage)
{
	int before = atomic_load(&w->stage);

	while (before < stage && !atomic_compare_exchange_strong(&w->stage, &before, stage))
		;
	if (before >= stage && stage == STAGE_REPORTING)
		for (;;)
			pause();
}

void watchdog_stage(struct watchdog *w, enum watchdog_stage stage)
{
	if (stage == STAGE_WORKING)
		atomic_store(&w->opened_ns, clock_monotonic_ns());
	watchdog_enter(w, stage);
}

void watchdog_closing(struct watchdog *w, int status)
{
	atomic_store(&w->status, status);
	atomic_store(&w->stage, STAGE_CLOSING);
}

/* A part of the overtime is for the judge's work. */
int watchdog_left_ms(const struct watchdog *w)
{
	return atomic_load(&w->duration_ns) ? OVERTIME_NS / MS_NS * 5 / 8 : LOOK_MS;
}

int watchdog_signal(struct watchdog *w)
{
	unsigned int pending = atomic_load(&w->pending);
	int sig = pending ? __builtin_ctz(pending) : 0;

	if (sig)
		atomic_fetch_and(&w->pending, ~(1U << sig));
	return sig;
}
