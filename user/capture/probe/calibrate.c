/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * calibrate.c - measures probes on test functions, and tests whether they can kill.
 *
 * The test functions (canaries) show that probes fire.  The tests run in children of ours, before
 * dbleak puts a probe into another program.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "user/capture/probe/probe.h"
#include "user/system/clock.h"

#define BATCHES	       16
#define BATCH_CALLS    25
#define CONFINED_CALLS 3
#define CALLS	       (BATCHES * BATCH_CALLS)

/* Functions of our own to probe.  canary_cheap begins with an instruction that the kernel emulates,
 * canary_dear with one that it single-steps.  canary_both has a probe at its end too.  The kernel
 * may turn the first instruction of canary_nop into a call of its own (6.18).  canary_through calls
 * the function that it is given. */
void canary_cheap(void);
void canary_dear(void);
void canary_both(void);
void canary_both_end(void);
void canary_nop(void);
void canary_through(void (*function)(void *), void *argument);
void canary_through_end(void);
#define CANARY(name, code)                                                                         \
	".p2align 4\n.type " name ", @function\n" name ": " code " ret\n.size " name ", . - " name \
	"\n"
#define END(name) " .globl " name "\n" name ":"
__asm__(".text\n" CANARY("canary_cheap", "push %rbp\n pop %rbp\n") CANARY(
	"canary_dear", "test %rdi, %rdi\n") CANARY("canary_both",
						   "push %rbp\n pop %rbp\n" END("canary_both_end"))
		CANARY("canary_nop", "nopl 0(%rax, %rax, 1)\n") CANARY(
			"canary_through",
			".cfi_startproc\n push %rbx\n .cfi_adjust_cfa_offset 8\n mov %rdi, %rax\n"
			" mov %rsi, %rdi\n call *%rax\n pop %rbx\n .cfi_adjust_cfa_offset -8\n" END(
				"canary_through_end")) ".cfi_endproc\n");

/* The offset of this address in our own executable; 0: not found. */
static uint64_t own_offset(uintptr_t address)
{
	unsigned long start, end, offset;
	uint64_t found = 0;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
		    address >= start && address < end)
			found = address - start + offset;
	if (f)
		fclose(f);
	return found;
}

/* Nanoseconds of a call, from the fastest of a few batches: other work disturbed the slower ones.
 */
static uint64_t time_calls(void (*function)(void))
{
	uint64_t least = UINT64_MAX, began, took;

	for (int batch = 0; batch < BATCHES; batch++) {
		began = clock_monotonic_ns();
		for (int i = 0; i < BATCH_CALLS; i++)
			function();
		took = clock_monotonic_ns() - began;
		least = took < least ? took : least;
	}
	return least / BATCH_CALLS;
}

/* Strict mode: the kernel allows only read, write, exit and sigreturn. */
static int allow_least(void)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
}

/* A filter that does not know the system calls of probes, and kills on every call but exit. */
static int allow_end(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

/* Calls more than once: the kernel may change the code at the first hit. */
static void call_confined(void)
{
	for (int i = 0; i < CONFINED_CALLS; i++) {
		canary_both();
		canary_nop();
	}
	syscall(SYS_exit, 0);
}

/* A kernel without this mode of seccomp has no such hazard. */
static void live_by_filter(void)
{
	if (!allow_end())
		call_confined();
}

static void live_strictly(void)
{
	if (!allow_least())
		call_confined();
}

/* Does a child of ours that runs this function die? */
static bool dies(void (*live)(void))
{
	int status = 0;
	pid_t child = fork();

	if (child < 0)
		return true; /* not known: take no risk */
	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 0);
		live();
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return true;
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

/* --- ways to leave a call without returning ------------------------------------------------- */

/* Two coroutines of one thread are both in the middle of a call.  The one that began first ends
 * first, which breaks the last-in, first-out order of return probes. */
enum { COROUTINES = 2, COROUTINE_BYTES = 65536 };

struct coroutine {
	ucontext_t context, *back;
};

static void yield(void *argument)
{
	struct coroutine *c = argument;

	swapcontext(&c->context, c->back);
}

static struct coroutine *starting;

static void run_coroutine(void)
{
	canary_through(yield, starting);
}

static void live_on_two_stacks(void)
{
	static char stacks[COROUTINES][COROUTINE_BYTES] __attribute__((aligned(16)));
	static struct coroutine all[COROUTINES];
	static ucontext_t back;

	for (volatile int i = 0; i < COROUTINES; i++) {
		getcontext(&all[i].context);
		all[i].context.uc_stack.ss_sp = stacks[i];
		all[i].context.uc_stack.ss_size = COROUTINE_BYTES;
		all[i].context.uc_link = &back;
		all[i].back = &back;
		makecontext(&all[i].context, run_coroutine, 0);
		starting = &all[i];
		swapcontext(&back, &all[i].context);
	}
	for (volatile int i = 0; i < COROUTINES; i++)
		swapcontext(&back, &all[i].context);
}

static void jump(void *argument)
{
	longjmp(argument, 1);
}

/* Jumps more than once: state that the first jump left behind may harm the next call. */
static void live_by_jumps(void)
{
	static jmp_buf there;

	for (volatile int i = 0; i < CONFINED_CALLS; i++)
		if (!setjmp(there))
			canary_through(jump, there);
}

struct unwinding {
	jmp_buf out;
	struct _Unwind_Exception exception;
	int frames;
};

static _Unwind_Reason_Code unwind_frame(int version, _Unwind_Action actions,
					_Unwind_Exception_Class class,
					struct _Unwind_Exception *exception,
					struct _Unwind_Context *context, void *argument)
{
	struct unwinding *u = argument;

	(void)version;
	(void)class;
	(void)exception;
	(void)context;
	/* Frames 1 and 2 are `throw` and the canary, so the next one catches. */
	if (++u->frames > 2 || actions & _UA_END_OF_STACK)
		longjmp(u->out, actions & _UA_END_OF_STACK ? 2 : 1);
	return _URC_NO_REASON;
}

static void throw(void *argument)
{
	struct unwinding *u = argument;

	_Unwind_ForcedUnwind(&u->exception, unwind_frame, u);
}

/* Unwinds by force, in the way of an exception, of pthread_exit and of pthread_cancel. */
static void live_by_exceptions(void)
{
	static struct unwinding u;
	int how = setjmp(u.out);

	if (!how)
		canary_through(throw, &u);
	if (how != 1)
		_exit(1);
}

/* Turns a shadow stack on (ARCH_SHSTK_ENABLE, since 6.6), makes calls, and exits.  Either a call or
 * its return is probed.  canary_shadowed must not return: its own return address is not on the new
 * shadow stack. */
void canary_shadowed(void);
void canary_call(void);
void canary_called(void);
__asm__(".text\n.p2align 4\n.type canary_shadowed, @function\n"
	"canary_shadowed: mov $158, %eax\n mov $0x5001, %edi\n mov $1, %esi\n syscall\n"
	" test %rax, %rax\n jnz 1f\n call canary_calls\n"
	"1: mov $60, %eax\n xor %edi, %edi\n syscall\n"
	".size canary_shadowed, . - canary_shadowed\n"
	"canary_calls: nop\n"
	"canary_call: call canary_called\n ret\n"
	"canary_called: ret\n");

static uint64_t calibrate_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Does a probe at this place kill a child that runs `live`?  True also if it cannot be tried. */
static bool place_kills(const struct probe_programs *programs, int fd, struct probe_place place,
			void (*live)(void))
{
	struct probe_links *links = NULL;
	bool kills = true;

	if (place.offset && !probes_attach(&links, programs, fd, &place, 1))
		kills = dies(live);
	probes_detach_later(links);
	return kills;
}

static bool exits_kill(const struct probe_programs *programs, int fd, uint64_t cookie)
{
	const struct probe_place through = {.offset = own_offset((uintptr_t)canary_through_end),
					    .cookie = cookie,
					    .leaves = true};
	const struct probe_place called = {
		.offset = own_offset((uintptr_t)canary_called), .cookie = cookie, .leaves = true};

	return place_kills(programs, fd, through, live_on_two_stacks) ||
	       place_kills(programs, fd, through, live_by_jumps) ||
	       place_kills(programs, fd, through, live_by_exceptions) ||
	       place_kills(programs, fd, called, canary_shadowed);
}

/* --- calibration ---------------------------------------------------------------------------- */

/* Do only probes at the ends of functions see the end of a call, and no return probe? */
static bool ends_alone(const struct probe_programs *programs)
{
	return programs->left > 0 && programs->returned <= 0 && !programs->session;
}

/* The probes on our own functions, in the order of their cookies, then the end of canary_both. */
static size_t canary_places(const struct probe_programs *programs, uint32_t first,
			    struct probe_place places[PROBE_CANARIES + 1])
{
	bool leaves = ends_alone(programs);

	places[0] = (struct probe_place){.offset = own_offset((uintptr_t)canary_cheap),
					 .cookie = first};
	places[1] = (struct probe_place){.offset = own_offset((uintptr_t)canary_dear),
					 .cookie = first + 1};
	places[2] = (struct probe_place){.offset = own_offset((uintptr_t)canary_both),
					 .cookie = first + 2,
					 .returns = !leaves};
	places[3] = (struct probe_place){.offset = own_offset((uintptr_t)canary_nop),
					 .cookie = first + 3};
	places[4] = (struct probe_place){.offset = own_offset((uintptr_t)canary_both_end),
					 .cookie = first + 2,
					 .leaves = true};
	return PROBE_CANARIES + leaves;
}

static void measure(struct probe_cost *cost, const struct probe_programs *programs, uint64_t bare)
{
	uint64_t *end_ns = ends_alone(programs) ? &cost->exit_ns : &cost->return_ns;

	cost->cheap_ns = calibrate_less(time_calls(canary_cheap), bare);
	cost->dear_ns = calibrate_less(time_calls(canary_dear), bare);
	*end_ns = calibrate_less(time_calls(canary_both), bare + cost->cheap_ns);
	cost->kills = dies(live_by_filter) || dies(live_strictly);
}

static void *call_in_thread(void *context)
{
	(void)context;
	canary_nop();
	return NULL;
}

/* Does a probe limited to our process see a hit in its second thread?  Kernels 6.6 to 6.9 may watch
 * the first thread alone. */
static bool keeps_to_pid(struct probe_programs programs, int fd, const struct probe_place *place,
			 uint64_t (*hits)(void *context, uint32_t cookie), void *context)
{
	uint64_t before = hits(context, place->cookie);
	struct probe_links *links;
	pthread_t thread;
	bool seen;

	programs.pid = getpid();
	if ((!programs.multi && !programs.taxed) || probes_attach(&links, &programs, fd, place, 1))
		return false;
	seen = !pthread_create(&thread, NULL, call_in_thread, NULL) &&
	       !pthread_join(thread, NULL) && hits(context, place->cookie) == before + 1;
	probes_detach_later(links);
	return seen;
}

int probes_calibrate(struct probe_cost *cost, const struct probe_programs *programs, uint32_t first,
		     uint64_t (*hits)(void *context, uint32_t cookie), void *context)
{
	struct probe_place places[PROBE_CANARIES + 1];
	size_t n = canary_places(programs, first, places);
	uint64_t bare = time_calls(canary_cheap), ends = ends_alone(programs) ? 2 * CALLS : CALLS;
	struct probe_links *links;
	int fd, err;

	memset(cost, 0, sizeof(*cost));
	for (size_t i = 0; i < n; i++)
		if (!places[i].offset)
			return -ENOENT;
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	cost->keeps_to_pid = keeps_to_pid(*programs, fd, &places[3], hits, context);
	err = probes_attach(&links, programs, fd, places, n);
	if (!err) {
		measure(cost, programs, bare);
		cost->exits_kill = programs->left > 0 && exits_kill(programs, fd, first + 2);
		cost->fires = hits(context, first) >= (uint64_t)CALLS &&
			      hits(context, first + 1) >= (uint64_t)CALLS &&
			      hits(context, first + 2) >= ends;
		probes_detach_later(links);
	}
	close(fd);
	return err;
}

bool probes_kill_shadowed(const struct probe_programs *programs, uint64_t cookie)
{
	const struct probe_place place = {.offset = own_offset((uintptr_t)canary_call),
					  .cookie = cookie};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bool kills = fd < 0 || place_kills(programs, fd, place, canary_shadowed);

	if (fd >= 0)
		close(fd);
	return kills;
}
