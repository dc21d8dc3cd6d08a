/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * kernel_thread.h - talks to bpf/stack/thread.bpf.c: which threads of a process sleep, and where.
 *
 * Each function returns 0 or -errno.
 */
#ifndef DBLEAK_CAPTURE_KERNEL_THREAD_H
#define DBLEAK_CAPTURE_KERNEL_THREAD_H

#include "bpf/stack/raw_thread.h"
#include "user/capture/kernel/kernel.h"

struct kernel_threads;

/* kernel is borrowed.  Nothing is loaded yet. */
int kernel_threads_open(struct kernel_threads **out, struct kernel *kernel);
/* Accepts NULL. */
void kernel_threads_close(struct kernel_threads *t);

/* Begins to load the program in the background. */
void kernel_threads_begin(struct kernel_threads *t);
/* Hands over the sleeping threads of n processes, at most THREAD_PROCESSES.  -EAGAIN: the programs
 * are not loaded yet.  Any other error of the first call comes from the load: this kernel cannot do
 * it (before 5.15). */
int kernel_threads_look(struct kernel_threads *t, const uint32_t *pids, size_t n,
			void (*fn)(void *context, const struct raw_thread *thread), void *context);
/* Hands over the sockets of n processes that were asked for, that listen, or that hold a request
 * without an answer.  Call it after kernel_threads_look. */
int kernel_threads_sockets(struct kernel_threads *t, const uint32_t *pids, size_t n,
			   const struct thread_file *files, size_t file_count,
			   void (*fn)(void *context, const struct raw_socket *socket),
			   void *context);

#endif
