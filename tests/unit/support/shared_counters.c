/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * shared_counters.c - lets the lines that workers run count in the process that made them.
 *
 * gcov writes its counters to files when a process ends.  Our workers may open no file, and most
 * end by SIGKILL.  So shared_counters.ld puts all counters of a test side by side, and here their
 * pages become ones that forked children share.
 */
#include <stdlib.h>
#include <sys/mman.h>

extern char counters_begin[], counters_end[];

__attribute__((constructor)) static void share_counters(void)
{
	if (mmap(counters_begin, (size_t)(counters_end - counters_begin), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		abort();
}
