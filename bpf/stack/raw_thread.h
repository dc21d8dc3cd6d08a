/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * raw_thread.h - what a look at sleeping threads finds.  Shared by both halves, never
 * recorded: user space turns it into EV_THREAD.
 */
#ifndef DBLEAK_RAW_THREAD_H
#define DBLEAK_RAW_THREAD_H

#include "bpf/event.h"
#include "bpf/raw_kind.h"
#include "bpf/stack/raw_stack.h"

#define RAW_CALL_ARGUMENTS 3
#define THREAD_PROCESSES   1024 /* processes whose threads are looked at in one pass */

/* A thread that sleeps, with the registers that it entered the kernel with. */
struct raw_thread {
	struct ev_head head;
	__u64 start_ns;	 /* of its process */
	__u64 slept_ns;	 /* time since it ran last */
	__u64 switches;	 /* how often it has left a processor: unchanged, it has not run since */
	__u64 thread_at; /* address of the C library's data of the thread (fsbase) */
	__u64 call;	 /* number of the system call that it waits in; UNKNOWN64: none */
	__u64 argument[RAW_CALL_ARGUMENTS];
	__u32 pid, tid;
	struct raw_registers registers;
};

#define THREAD_FILES 4096 /* descriptors asked for in one pass */

struct thread_file {
	__u32 pid, fd;
};

enum raw_socket_flag {
	RAW_SOCKET_ASKED = 1, /* the last data came from the other end */
	RAW_SOCKET_ASKS = 2,  /* the last data went to the other end, or it connects yet */
	RAW_SOCKET_MUTE = 4,  /* it has never sent anything */
};

/* A stream socket of such a process: one that was asked for, one that listens, or one whose last
 * data went or came.  Where both happened in one tick of the kernel's clock, neither is known. */
struct raw_socket {
	struct ev_head head;
	__u64 start_ns;		    /* of the process */
	__u64 id;		    /* socket cookie */
	__u64 received_ns, sent_ns; /* the last data; 0 not known, as for Unix sockets */
	__u8 address[16];	    /* of the other end, as in ev_identity */
	__u32 pid, fd;
	__u16 port, local_port; /* of the other end, and of this one; 0 for Unix sockets */
	__u16 family;
	__u8 state; /* TCP_LISTEN and others */
	__u8 flags; /* enum raw_socket_flag; 0 for Unix sockets */
};

#endif
