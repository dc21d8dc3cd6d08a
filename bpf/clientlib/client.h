/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.h - what user space tells the client-library programs, and what they keep.  Shared by
 * both halves, never recorded.
 */
#ifndef DBLEAK_CLIENT_H
#define DBLEAK_CLIENT_H

#include "bpf/event.h"

#define PROBES_MOST  8192 /* probes in all files; an attach cookie is an index below it */
#define TEXT_LEN     EV_STATEMENT_SQL_LEN
#define SITE_SAMPLES 32	  /* objects of each site that are told of one by one, each sweep */
#define SITE_TOLD    1024 /* open ones told of, beyond which one each sweep must do */
#define NO_SAMPLE    255
#define SAMPLE_TOLD  254	 /* it was a sample, and told of */
#define RUN_NS	     10000000ULL /* a run of a statement that is over sooner is not looked at */
#define RUN_ROWS     10000	 /* that it has handed out, and */
#define RUN_GROWN    (1 << 20)	 /* bytes that its process took meanwhile, to be told of */
#define OBJECT_BYTES 56		 /* what the kernel adds makes 128 of it: its head, and the key */

enum probe_role {
	PROBE_COUNT = 0, /* only counts: the canary */
	PROBE_ACQUIRE = 1,
	PROBE_RELEASE = 2,
	PROBE_USE = 3,	  /* of a connection: joins it with its socket; of others: gives a text */
	PROBE_INSIDE = 4, /* what is acquired during this call is the library's own */
	PROBE_REWIND = 5, /* of a statement: its rows are over, it may run again */
	PROBE_TLS_WRITE = 6, /* plaintext goes out */
	PROBE_TLS_READ = 7,  /* plaintext has come in */
	PROBE_TLS_END = 8,   /* the session is over */
};

/* Where a value is found: an argument, what an argument points to, or the result. */
enum probe_source {
	FROM_NOWHERE = 0,
	FROM_ARG1 = 1,
	FROM_ARG2 = 2,
	FROM_ARG3 = 3,
	FROM_ARG4 = 4,
	FROM_ARG5 = 5,
	FROM_ARG6 = 6,
	FROM_ARG7 = 7, /* on the stack */
	FROM_RETURN = 8,
	FROM_OUT = 16, /* | FROM_ARGn: what argument n points to, when the call returns */
};

/* When a call has done what it is for. */
enum probe_success {
	SUCCESS_ANY = 0,
	SUCCESS_ZERO = 1,     /* an int result of 0 */
	SUCCESS_POSITIVE = 2, /* an int result above 0 */
	SUCCESS_COUNTED = 3,  /* likewise, and `parent` points to how many bytes it were */
};

enum probe_flag {
	PROBE_RETURNS = 1,     /* probes at its ends, too, and these decide */
	PROBE_BORN_INSIDE = 2, /* counts also when the library calls it itself */
	PROBE_JOINS = 4,       /* the socket used inside belongs to the connection */
	PROBE_AFTER = 8,       /* the thread's last message may have been this connection's */
	PROBE_WIDE_TEXT = 16,  /* the text is UTF-16 */
	PROBE_UNREAD = 32,     /* what it gives is read row by row from the server */
	PROBE_ZOMBIE = 64,     /* release: the object lives on until what belongs to it is gone */
	PROBE_STATIC = 128,    /* a copy linked into a program: its callers are in the same file */
};

/* The attach cookie of a probe at an end of a call: the row's index, which word of struct pt_regs
 * holds what the call returns, whether calls of other functions come by there, too, whether it is
 * an end always (0), if the branch there is taken (1) or not (2), and that branch's condition as
 * the processor numbers it, and how many bytes the return address lies above the stack pointer. */
#define EXIT_COOKIE(probe, result, shared, when, condition, height)                             \
	((__u64)(probe) | (__u64)(result) << 16 | (__u64)(shared) << 21 | (__u64)(when) << 22 | \
	 (__u64)(condition) << 24 | (__u64)(height) << 32)
#define EXIT_PROBE(cookie)     ((__u32)(cookie)&0xffff)
#define EXIT_RESULT(cookie)    ((__u32)(cookie) >> 16 & 31)
#define EXIT_SHARED(cookie)    ((__u32)(cookie) >> 21 & 1)
#define EXIT_WHEN(cookie)      ((__u32)(cookie) >> 22 & 3)
#define EXIT_CONDITION(cookie) ((__u32)(cookie) >> 24 & 15)
#define EXIT_HEIGHT(cookie)    ((__u64)(cookie) >> 32)
#define EXIT_RAX	       10 /* of the words */

/* Hits of ends are counted behind those of beginnings. */
#define HITS_MOST	  (2 * PROBES_MOST)
#define HITS_OF_EXITS(of) ((of) + PROBES_MOST)

/* One row of the probe table in one file. */
struct probe {
	__u64 before; /* bytes from the start of the file's code to the probe */
	__u64 code;   /* how long that code is */
	/* Of the count of rows in the object: acquire, 64 bits; else those of a statement's run, as
	 * row_counter.h has it.  UNKNOWN32 none. */
	__u32 rows_at;
	__u8 role, resource, database, success;
	__u8 handle, parent, text; /* enum probe_source */
	__u8 flags;
	/* Not 0: it sits in a function that the row's function calls, and which returns to this
	 * many bytes from the probe; others call it, too. */
	__s32 outer;
	__u32 stack; /* bytes there from the stack pointer to the row's function's return address */
	__u32 next;  /* cookie of another row's, at the same place but with another outer; 0 none */
	__u64 since_ns; /* it was put there: a call that ends soon after may have begun before */
};

struct handle_key {
	__u64 handle;
	__u32 pid;
	__u32 resource;
};

/* An object that is open.  With its key it fills the smallest piece of kernel memory that holds
 * both: there may be a million. */
#define OBJECT_FIELDS                                                                        \
	__u64 born_ns;                                                                       \
	__u64 parent;                                                                        \
	__u64 place; /* of its site */                                                       \
	__u64 text;  /* hash; 0 none */                                                      \
	__u64 rows;                                                                          \
	/* Of a statement that tells of its rows: memory of its process when its run had not \
	 * begun, and when that was, in milliseconds after its birth. */                     \
	__u32 before_pages, before_ms;                                                       \
	__u32 tid;                                                                           \
	__u16 probe; /* cookie of the one that acquired it */                                \
	__u8 flags;  /* enum ev_handle_flag */                                               \
	__u8 sample; /* its place among its site's; NO_SAMPLE; SAMPLE_TOLD */

struct object {
	OBJECT_FIELDS
};

_Static_assert(sizeof(struct object) <= OBJECT_BYTES, "an object needs twice the memory");

/* A connection, which is an object and more.  Of other objects user space is shown the same. */
struct handle {
	union {
		struct object object;
		struct {
			OBJECT_FIELDS
		};
	};
	__u64 used_ns;		  /* last acquire or release of what belongs to it */
	__u64 socket;		  /* cookie of its socket; 0 not known */
	__u64 latest;		  /* hash of the text it was given last; 0 none */
	__u32 acquired, released; /* of what belongs to it */
	__u32 told;
	__u32 tries;
	__u64 opened_at; /* stack under which it was acquired; 0 none */
	__u64 begun_at;	 /* of the last BEGIN that it was given */
};

/* Where calls come from.  All calls of an interpreted program come from the same few places of its
 * language's module, so there the stack tells. */
struct site_key {
	__u64 place; /* what the call returns to, or the id of an interpreted stack */
	__u32 pid;
	__u32 probe; /* cookie */
};

struct site {
	__u64 start_ns;
	__u64 acquired, released, unseen, failed;
	__u64 first_ns, last_ns; /* of acquires */
	__u64 rows;
	__u64 told; /* sum of what was told */
	__u64 caller;
	__u64 stack; /* the latest taken; 0 none */
	__u64 stack_ns;
	__u64 stack_told;
	__u64 resident_ns; /* when the next was looked at */
	__u32 resident_pages;
	__u32 telling; /* bits: samples told of in this sweep, if its buffer has room for all */
	__u32 no_room; /* it has not */
	__u32 reserved2;
	__u64 sample[SITE_SAMPLES];
	__u64 sample_at[SITE_SAMPLES]; /* stacks */
	__u32 sampled;		       /* bits: places taken */
	__u32 unwanted; /* generation of the selection that does not want it; 0 wanted */
	__u8 resource, database;
	__u16 reserved;
	__s32 told_open; /* objects told of and not released since */
};

/* A call that has begun. */
struct call {
	__u64 ns;   /* or of the first call inside it; 0 there was none yet */
	__u64 code; /* where the file's code begins */
	__u64 caller;
	__u64 handle;
	__u64 parent;
	__u64 text;
	__u64 address; /* it returns to */
	__u64 slot;    /* where that lies */
	__u64 outer;   /* and where that of the row's function, if it is another's entry that was
			  probed */
	__u32 probe;   /* cookie */
	__u32 inside;  /* what is acquired during it is the library's own */
};

#define CALLS_MOST 8 /* that a thread may have begun at a time */

/* The calls of a thread that have begun, in no order.  One that was left in another way than by its
 * return, or goes on in another thread, stays here: it counts only while its return address lies
 * where it lay, and the stack pointer is not far below that. */
struct calls {
	__u64 stack[CALLS_MOST]; /* where its return address is; 0 none */
	struct call of[CALLS_MOST];
};

struct client_text {
	__u32 length;
	__u32 cut;
	char bytes[TEXT_LEN];
};

/* Kernel to user only. */
#define RAW_SITE   68
#define RAW_HANDLE 69
#define RAW_DEAD   70 /* a handle whose process or program is gone */
#define RAW_RUN	   73 /* a statement has handed out many rows while its process grew */

struct raw_site {
	struct ev_head head;
	struct site_key key;
	__u64 start_ns, first_ns, last_ns;
	__u64 acquired, released, unseen, failed, rows;
	__u64 caller;
	__u64 stack; /* 0: none, or told before */
	__u32 gone;  /* with its process, or its program */
	__u32 unwanted;
	__u32 resource, database;
	char comm[EV_COMM_LEN];
};

struct raw_handle {
	struct ev_head head;
	struct handle_key key;
	struct handle handle;
	__u64 start_ns;
	char comm[EV_COMM_LEN];
};

struct raw_run {
	struct ev_head head;
	struct handle_key key; /* of the statement */
	__u64 start_ns;
	__u64 parent;
	__u64 born_ns;
	__u64 text;
	__u64 rows;
	__u64 before_ns;    /* it had not begun then, */
	__u64 before_bytes; /* and so much memory the process had */
	__u64 after_bytes;
	__u64 stack; /* of the call that ended it; 0 none */
	__u32 probe; /* cookie of the one that acquired it */
	__u32 reserved;
};

/* What a thread said last, and to whom; only while some connection waits for its socket, of
 * processes that grow, and of all where allocations are followed. */

struct said {
	__u64 id;
	__u64 ns;
	__u64 stack; /* the thread's stack pointer then */
};

#endif
