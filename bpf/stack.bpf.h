/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack.bpf.h - who called: the stack of the current thread, taken at an event.
 *
 * A stack is sent to user space once; what it is evidence for keeps its id.
 */
#ifndef DBLEAK_STACK_BPF_H
#define DBLEAK_STACK_BPF_H

#include "emit.bpf.h"
#include "stack.h"

/* Takes the stack of the current thread, in whatever program: Python (or other interpreted) frames
 * where its process runs such code, else a copy of registers and the top of the stack.  ip: where
 * the thread is, if not where its saved registers say (in a return probe: the address returned
 * to); 0 they are right.  Returns its id; 0: none, for it could not be read, or the process has
 * had its share for now. */
__u64 stack_take(__u64 ip);

#endif
