/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * harm LIBRARY HAZARD: what programs do inside a library's calls that nobody expects of them:
 * switch stacks, throw, jump, end threads, take signals, fork.  All of it is well without a tracer.
 *
 * Says on standard output what came of it, which is always the same, and on standard error how
 * many bytes of the library's code differ from its file.  With HARM_WAIT=SECONDS it begins when
 * some do: it is probed.
 */
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "harm_library.h"

#define STACK_BYTES   (256 << 10)
#define CHILDREN      8
#define SWITCHES_MOST 100
#define WAIT_STEP_US  5000
#define SETTLE_US     20000 /* until the probes of all groups are in */
#define CANCEL_US     30000 /* from its call, or its creation, to the end of a thread */

static const struct library *library;
static char *program;

static void say(const std::string &what)
{
	printf("%s\n", what.c_str());
	fflush(stdout);
}

/* A round that nothing happens in. */
static std::string plain_round(void)
{
	void (*before)(void) = hook;
	std::string said;

	hook = NULL;
	said = library->round();
	hook = before;
	return said;
}

/* --- coroutines ------------------------------------------------------------------------------ */

struct coroutine {
	ucontext_t context;
	std::string said;
	bool done;
};

static struct coroutine coroutines[2], *current;
static ucontext_t scheduler;
static int switches;

static void yield_to_scheduler(void)
{
	if (current && switches++ < SWITCHES_MOST)
		swapcontext(&current->context, &scheduler);
}

static void coroutine_runs(void)
{
	struct coroutine *me = current;

	me->said = library->round();
	me->done = true;
	swapcontext(&me->context, &scheduler);
}

static void coroutine_make(struct coroutine *c)
{
	getcontext(&c->context);
	c->context.uc_stack.ss_sp = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	c->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&c->context, coroutine_runs, 0);
}

static void resume(struct coroutine *c)
{
	current = c;
	swapcontext(&scheduler, &c->context);
	current = NULL;
}

/* Two in turn, each left in the middle of a call. */
static void two_coroutines(void)
{
	hook = yield_to_scheduler;
	for (auto &c : coroutines)
		coroutine_make(&c);
	while (!coroutines[0].done || !coroutines[1].done)
		for (auto &c : coroutines)
			if (!c.done)
				resume(&c);
	for (auto &c : coroutines)
		say(c.said);
}

/* One is left in the middle of a call while the ordinary stack makes calls of its own. */
static void beside_a_coroutine(void)
{
	struct coroutine *c = &coroutines[0];
	std::string beside;

	hook = yield_to_scheduler;
	coroutine_make(c);
	for (int i = 0; !c->done; i++) {
		resume(c);
		if (i < 3)
			beside = plain_round();
	}
	say(c->said);
	say(beside);
}

static void *resume_elsewhere(void *c)
{
	resume(static_cast<struct coroutine *>(c));
	return NULL;
}

/* Begun in one thread, gone on with in others. */
static void wandering_coroutine(void)
{
	struct coroutine *c = &coroutines[0];
	pthread_t thread;

	hook = yield_to_scheduler;
	coroutine_make(c);
	while (!c->done) {
		pthread_create(&thread, NULL, resume_elsewhere, c);
		pthread_join(thread, NULL);
	}
	say(c->said);
}

/* One that is left in the middle of a call for good. */
static void abandoned_coroutine(void)
{
	hook = yield_to_scheduler;
	coroutine_make(&coroutines[0]);
	resume(&coroutines[0]);
	munmap(coroutines[0].context.uc_stack.ss_sp, STACK_BYTES);
	say(plain_round());
}

/* --- leaving a call by another way -------------------------------------------------------------
 */

static int countdown;

static bool its_turn(void)
{
	return countdown-- == 0;
}

static void throws(void)
{
	if (its_turn())
		throw 42;
}

/* At each place where the library can be left, until it is not left any more. */
static void exceptions(void)
{
	int caught = 0;

	for (int at = 0; at < 6; at++) {
		hook = throws;
		countdown = at;
		try {
			library->round();
		} catch (int what) {
			caught += what == 42;
		}
		hook = NULL;
	}
	say("caught " + std::to_string(caught));
	say(plain_round());
}

static sigjmp_buf way_out;

static void jumps(void)
{
	if (its_turn())
		siglongjmp(way_out, 1);
}

static void long_jumps(void)
{
	volatile int jumped = 0;

	for (volatile int at = 0; at < 6; at++) {
		hook = jumps;
		countdown = at;
		if (!sigsetjmp(way_out, 1))
			library->round();
		else
			jumped++;
		hook = NULL;
	}
	say("jumped " + std::to_string(jumped));
	say(plain_round());
}

static void *thread_rounds(void *)
{
	library->round();
	is_blocked = true; /* or it would be waited for in vain */
	return NULL;
}

static void *thread_blocks(void *)
{
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	library->block();
	return NULL;
}

static void pauses(void)
{
	if (its_turn()) {
		is_blocked = true;
		for (;;)
			pause();
	}
}

static void ends_its_thread(void)
{
	if (its_turn())
		pthread_exit(reinterpret_cast<void *>(7));
}

static void tests_for_cancellation(void)
{
	pthread_testcancel();
}

/*
 * A thread that is cancelled elsewhere, as while it connects, may leave a lock of its library held
 * for ever, with or without a tracer: it is cancelled once it waits.
 */
static void cancelled_thread(void *(*run)(void *), void (*in_hook)(void), bool cancel)
{
	std::string said = "threads";

	for (int at = 0; at < 4; at++) {
		pthread_t thread;
		void *result;

		countdown = at;
		hook = in_hook;
		is_blocked = !cancel;
		pthread_create(&thread, NULL, run, NULL);
		while (!is_blocked)
			usleep(WAIT_STEP_US);
		if (cancel) {
			usleep(CANCEL_US);
			pthread_cancel(thread);
		}
		pthread_join(thread, &result);
		said += result == PTHREAD_CANCELED ? " cancelled"
						   : " " + std::to_string((intptr_t)result);
	}
	hook = NULL;
	say(said);
	say(plain_round());
}

static void cancelled_in_a_callback(void)
{
	cancelled_thread(thread_rounds, pauses, true);
}

static void cancelled_while_it_waits(void)
{
	cancelled_thread(thread_blocks, tests_for_cancellation, true);
}

static void thread_ends_inside(void)
{
	cancelled_thread(thread_rounds, ends_its_thread, false);
}

/* --- signals ---------------------------------------------------------------------------------- */

static std::string said_in_handler;

static void handler_calls(int)
{
	said_in_handler = plain_round();
}

static void handler_jumps(int)
{
	plain_round();
	siglongjmp(way_out, 1);
}

static void handle_on_another_stack(void (*handler)(int))
{
	struct sigaction action = {};
	stack_t stack = {};

	stack.ss_size = STACK_BYTES;
	stack.ss_sp = malloc(stack.ss_size);
	sigaltstack(&stack, NULL);
	action.sa_handler = handler;
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR1, &action, NULL);
}

static void raises(void)
{
	if (its_turn())
		raise(SIGUSR1);
}

static void signal_on_another_stack(void)
{
	handle_on_another_stack(handler_calls);
	for (int at = 0; at < 3; at++) {
		countdown = at;
		hook = raises;
		say(library->round());
		hook = NULL;
		say(said_in_handler);
	}
}

static void jump_out_of_another_stack(void)
{
	volatile int jumped = 0;

	handle_on_another_stack(handler_jumps);
	for (volatile int at = 0; at < 3; at++) {
		countdown = at;
		hook = raises;
		if (!sigsetjmp(way_out, 1))
			library->round();
		else
			jumped++;
		hook = NULL;
	}
	say("jumped " + std::to_string(jumped));
	say(plain_round());
}

/* --- children --------------------------------------------------------------------------------- */

static int failures;

static void reap(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	failures += status != 0;
}

static void forks(void)
{
	pid_t children[CHILDREN];

	if (!its_turn())
		return;
	hook = NULL;
	for (pid_t &child : children) {
		child = fork();
		if (!child)
			_exit(library->round() == plain_round() ? 0 : 1);
	}
	for (pid_t child : children)
		reap(child);
}

static pid_t child_inside;
static bool is_child;

static void forks_and_returns(void)
{
	if (!its_turn())
		return;
	child_inside = fork();
	is_child = child_inside == 0;
}

static void forks_and_execs(void)
{
	if (!its_turn())
		return;
	for (int i = 0; i < CHILDREN / 4; i++) {
		pid_t child = fork();

		if (!child) {
			dup2(open("/dev/null", O_WRONLY), 1);
			dup2(1, 2);
			execl(program, program, library->name, "plain", NULL);
			_exit(9);
		}
		reap(child);
	}
}

static void vforks(void)
{
	if (!its_turn())
		return;
	for (volatile int i = 0; i < CHILDREN; i++) {
		pid_t child = vfork();

		if (!child) {
			execl("/bin/true", "true", NULL);
			_exit(9);
		}
		reap(child);
	}
}

static void spawns(void)
{
	static char name[] = "true", *argv[] = {name, NULL};

	if (!its_turn())
		return;
	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = 0;

		failures += posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ) != 0;
		reap(child);
	}
}

static int shared_memory_runs(void *)
{
	said_in_handler = plain_round();
	syscall(SYS_exit, 0);
	return 0;
}

/* Another process in the same memory, which makes calls while this one waits inside its own. */
static void clones(void)
{
	char *stack;

	if (!its_turn())
		return;
	stack = static_cast<char *>(mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
	for (int i = 0; i < 5; i++)
		reap(clone(shared_memory_runs, stack + STACK_BYTES, CLONE_VM | SIGCHLD, NULL));
}

static void with_children(void (*in_hook)(void))
{
	for (int at = 0; at < 2; at++) {
		countdown = at;
		hook = in_hook;
		say(library->round());
		hook = NULL;
		say("failures " + std::to_string(failures));
	}
}

static void fork_storm(void)
{
	with_children(forks);
}

/* The child comes back out of the call that its parent has begun. */
static void fork_inside(void)
{
	std::string said;

	for (int at = 0; at < 6; at++) {
		countdown = at;
		hook = forks_and_returns;
		said = library->round();
		hook = NULL;
		if (is_child)
			_exit(said == library->round() ? 0 : 1);
		reap(child_inside);
		say(said + " failures " + std::to_string(failures));
	}
}

static void exec_storm(void)
{
	with_children(forks_and_execs);
}

static void vfork_storm(void)
{
	with_children(vforks);
}

static void spawn_storm(void)
{
	with_children(spawns);
}

static void shared_memory(void)
{
	with_children(clones);
	say(said_in_handler);
}

/* --- deaths -------------------------------------------------------------------------------------
 */

static void undefined_instruction(void)
{
	__asm__ volatile("ud2");
}

static void breakpoint(void)
{
	__asm__ volatile("int3");
}

static void null_pointer(void)
{
	*static_cast<volatile int *>(NULL) = 1;
}

static void dies_inside(void (*in_hook)(void))
{
	say(plain_round());
	hook = in_hook;
	library->round();
}

static void illegal_inside(void)
{
	dies_inside(undefined_instruction);
}

static void trap_inside(void)
{
	dies_inside(breakpoint);
}

static void abort_inside(void)
{
	dies_inside(abort);
}

static void fault_inside(void)
{
	dies_inside(null_pointer);
}

/* Long after a call that was left by a jump: its place on the stack is others' by now. */
static void abort_after_a_jump(void)
{
	long_jumps();
	abort();
}

static void abort_outside(void)
{
	say(plain_round());
	abort();
}

static void sends_itself_an_abort(void)
{
	kill(getpid(), SIGABRT);
	pause();
}

static void abort_sent_inside(void)
{
	dies_inside(sends_itself_an_abort);
}

/* --- the processor's second stack --------------------------------------------------------------
 */

static void plain(void)
{
	for (int i = 0; i < 3; i++)
		say(library->round());
}

/* ARCH_SHSTK_ENABLE: from here on no function may return that was called before. */
static void shadow_stack(void)
{
	long enabled;

	__asm__ volatile("syscall"
			 : "=a"(enabled)
			 : "a"(SYS_arch_prctl), "D"(0x5001), "S"(1)
			 : "rcx", "r11", "memory");
	if (enabled)
		_exit(4);
	plain();
	syscall(SYS_exit_group, 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} hazards[] = {
	{"plain", plain},
	{"coroutines", two_coroutines},
	{"beside", beside_a_coroutine},
	{"wandering", wandering_coroutine},
	{"abandoned", abandoned_coroutine},
	{"exception", exceptions},
	{"longjmp", long_jumps},
	{"cancel", cancelled_in_a_callback},
	{"cancel-waiting", cancelled_while_it_waits},
	{"thread-exit", thread_ends_inside},
	{"signal", signal_on_another_stack},
	{"signal-jump", jump_out_of_another_stack},
	{"fork", fork_storm},
	{"fork-inside", fork_inside},
	{"exec", exec_storm},
	{"vfork", vfork_storm},
	{"spawn", spawn_storm},
	{"clone", shared_memory},
	{"shadow-stack", shadow_stack},
	{"illegal-inside", illegal_inside},
	{"trap-inside", trap_inside},
	{"abort-inside", abort_inside},
	{"fault-inside", fault_inside},
	{"abort-outside", abort_outside},
	{"abort-after-jump", abort_after_a_jump},
	{"abort-sent", abort_sent_inside},
};

/* --- is it probed? ------------------------------------------------------------------------------
 */

static int changed_bytes(const char *path, unsigned long start, unsigned long end,
			 unsigned long offset)
{
	std::string code(end - start, '\0');
	const char *now = reinterpret_cast<const char *>(start);
	int fd = open(path, O_RDONLY | O_CLOEXEC), changed = 0;
	ssize_t n = fd < 0 ? 0 : pread(fd, &code[0], code.size(), offset);

	for (ssize_t i = 0; i < n; i++)
		changed += now[i] != code[i];
	close(fd);
	return changed;
}

/* How many bytes of the library's code are not as they are in its file. */
static int changed_code(void)
{
	unsigned long start, end, offset;
	char line[512], path[256];
	FILE *maps = fopen("/proc/self/maps", "re");
	int changed = 0;

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx r-xp %lx %*s %*s %255s", &start, &end, &offset, path) ==
			    4 &&
		    strstr(path, library->file))
			changed += changed_bytes(path, start, end, offset);
	if (maps)
		fclose(maps);
	return changed;
}

/* OpenSSL is probed when an encrypted connection is open. */
static void wait_for_probes(int seconds)
{
	PGconn *open = strcmp(library->name, "openssl") ? NULL : PQconnectdb("");

	for (long i = 0; i < seconds * 1000000L / WAIT_STEP_US && !changed_code(); i++)
		usleep(WAIT_STEP_US);
	usleep(SETTLE_US);
	PQfinish(open);
}

int main(int argc, char **argv)
{
	void (*run)(void) = NULL;

	program = argv[0];
	for (const auto &l : libraries)
		if (argc == 3 && !strcmp(argv[1], l.name))
			library = &l;
	for (const auto &h : hazards)
		if (argc == 3 && !strcmp(argv[2], h.name))
			run = h.run;
	if (!library || !run)
		return 2;
	waits_for_server = strcmp(library->name, "sqlite") != 0;
	if (getenv("HARM_WAIT"))
		wait_for_probes(atoi(getenv("HARM_WAIT")));
	fprintf(stderr, "changed %d\n", changed_code());
	run();
	fprintf(stderr, "changed %d\n", changed_code());
	say("ends well");
	return 0;
}
