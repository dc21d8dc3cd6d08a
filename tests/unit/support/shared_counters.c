/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * shared_counters.c - lets the lines that workers run count in the process that made them.
 *
 * gcov writes its counters to files when a process ends.  Our workers may open no file, and most
 * end by SIGKILL.  So shared_counters.ld puts all counters of a test side by side, and here their
 * pages become ones that forked children share.  With --coverage the compiler calls __gcov_fork for
 * fork, and that of libgcov sets a child's counters to zero: shared ones would lose all that was
 * counted before.  The one below takes its place.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

pid_t __gcov_fork(void);
pid_t fork_as_it_is(void) __asm__("fork"); /* a name that the compiler does not know */
extern char counters_begin[], counters_end[];

__attribute__((constructor)) static void share_counters(void)
{
	if (mmap(counters_begin, (size_t)(counters_end - counters_begin), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		abort();
}

pid_t __gcov_fork(void)
{
	return fork_as_it_is();
}
