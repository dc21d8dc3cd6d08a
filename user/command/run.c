/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * run.c - dbleak run: a command and its children, from their first instruction to its end.
 *
 * The command waits at a gate until the probes are attached.  It keeps its own standard streams;
 * the report goes to standard error or a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/command/command.h"
#include "user/command/live.h"
#include "user/command/origin.h"
#include "user/command/parse.h"
#include "user/command/user.h"

struct child {
	pid_t pid;
	int gate;   /* writing a byte lets it start */
	int failed; /* has a byte when it could not start */
	int status;
	bool ended;
};

static pid_t passed_to; /* by signal handlers */

/* A signal sent to dbleak is meant for the command; one from the terminal has reached it already.
 */
static void pass_on(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code <= 0)
		kill(passed_to, sig);
}

static void pass_signals(const struct child *c)
{
	static const int passed[] = {SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};

	passed_to = c->pid;
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
		sigaction(passed[i], &action, NULL);
}

/* The child gives up all rights but its user's before it waits at the gate. */
static _Noreturn void child_starts(char **argv, int gate, int failed, const struct user *user)
{
	int err = user_become(user);
	char go;

	if (err) {
		fprintf(stderr, "dbleak: cannot become user %s: %s\n",
			user->name ? user->name : "without rights", strerror(-err));
		(void)!write(failed, "f", 1);
		_exit(2);
	}
	origin_restore();
	if (read(gate, &go, 1) != 1)
		_exit(2); /* we gave up before the start */
	execvp(argv[0], argv);
	err = errno;
	fprintf(stderr, "dbleak: cannot run %s: %s\n", argv[0], strerror(err));
	(void)!write(failed, "f", 1);
	_exit(err == ENOENT ? 127 : 126);
}

static int child_prepare(struct child *c, char **argv, const struct user *user)
{
	int gate[2], failed[2];

	if (pipe2(gate, O_CLOEXEC) || pipe2(failed, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	c->pid = fork();
	if (c->pid < 0)
		return -errno;
	if (!c->pid) {
		close(gate[1]);
		child_starts(argv, gate[0], failed[1], user);
	}
	close(gate[0]);
	close(failed[1]);
	c->gate = gate[1];
	c->failed = failed[0];
	pass_signals(c);
	return 0;
}

static void child_reap(struct child *c, int flags)
{
	int status;

	if (c->ended || waitpid(c->pid, &status, flags) != c->pid)
		return;
	c->ended = true;
	c->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Once it has ended: was it never the command? */
static bool child_has_failed(const struct child *c)
{
	char byte;

	return read(c->failed, &byte, 1) == 1;
}

/* The terminal sends Ctrl-C to the command too: its end is the end.  SIGTERM is passed on. */
static bool stop(struct live *l, void *context, int sig)
{
	struct child *c = context;

	if (sig == SIGTERM || sig == SIGHUP)
		kill(c->pid, sig);
	if (sig == SIGINT && ++l->interrupts > 1)
		kill(c->pid, SIGKILL);
	child_reap(c, WNOHANG);
	return c->ended;
}

static int run_run(struct options *o, struct live *l, char **argv, const struct user *user)
{
	struct child c = {};
	char pid[16];
	int status, err = child_prepare(&c, argv, user);

	if (err) {
		fprintf(stderr, "dbleak: cannot start %s: %s\n", argv[0], strerror(-err));
		return 2;
	}
	o->command = argv[0];
	l->watchdog.command = (int)syscall(SYS_pidfd_open, c.pid, 0);
	snprintf(pid, sizeof(pid), "%d", c.pid);
	status = select_add(&o->select, SELECT_PID, pid) ? 2 : live_open(l, o, EV_MODE_RUN, stderr);
	if (status < 0 && write(c.gate, "g", 1) != 1)
		status = 2;
	close(c.gate);
	if (status >= 0) {
		child_reap(&c, 0);
		return status;
	}
	origin_let_go(l->out == stdout);
	live_work(l, 0, stop, &c);
	if (child_has_failed(&c)) {
		live_discard(l);
		status = c.status;
	} else {
		l->command_status = c.status;
		status = live_report(l);
	}
	watchdog_closing(&l->watchdog, status);
	return status;
}

int command_run(int argc, char **argv)
{
	struct options o;
	static struct live l; /* the thread of its watchdog may outlive this function */
	struct user user = {};
	int status = options_parse(&o, argc, argv, COMMAND_RUN);

	if (status < 0 && o.next >= argc)
		status = options_misused(COMMAND_RUN, "which command? dbleak run -- COMMAND");
	if (status < 0)
		status = user_choose(&user, o.user);
	if (status < 0) {
		origin_keep_back(o.output);
		origin_keep_back(o.record);
		for (size_t i = 0; i < EXPORTS; i++)
			origin_keep_back(o.exports[i]);
		status = run_run(&o, &l, argv + o.next, &user);
	}
	live_close(&l);
	options_free(&o);
	user_free(&user);
	return status;
}
