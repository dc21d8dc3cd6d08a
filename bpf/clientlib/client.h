/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.h - the orders of user space to the client-library programs, and the entries of their
 * maps.  Shared by both halves, never recorded.
 */
#ifndef DBLEAK_CLIENT_H
#define DBLEAK_CLIENT_H

#include "bpf/event.h"
#include "bpf/raw_kind.h"

#define PROBES_MOST	8192 /* probes in all files; an attach cookie is an index below it */
#define TEXT_LEN	EV_STATEMENT_SQL_LEN
#define SITE_SAMPLES	32   /* objects of each site that a sweep reports one by one */
#define SITE_REPORTED	1024 /* open reported objects of a site, above which a sweep reports one */
#define NO_SAMPLE	255
#define SAMPLE_REPORTED 254	    /* a sample that was reported */
#define RUN_NS		10000000ULL /* shorter runs of a statement are not measured */
#define RUN_ROWS	10000	    /* a run is reported if it has handed out so many rows, and */
#define RUN_GROWN	(1 << 20)   /* its process has grown by so many bytes meanwhile */
#define OBJECT_BYTES	56	    /* with the key and the kernel's header: 128 bytes */

enum probe_role {
	PROBE_COUNT = 0, /* only counts: the canary */
	PROBE_ACQUIRE = 1,
	PROBE_RELEASE = 2,
	PROBE_USE = 3,	  /* of a connection: joins it with its socket; of others: gives a text */
	PROBE_INSIDE = 4, /* objects acquired during this call are the library's own */
	PROBE_REWIND = 5, /* of a statement: its rows have ended, it may run again */
	PROBE_TLS_WRITE = 6, /* plaintext goes out */
	PROBE_TLS_READ = 7,  /* plaintext comes in */
	PROBE_TLS_END = 8,   /* a session ends */
};

/* The place of a value: an argument, memory that an argument points to, or the result. */
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
	FROM_OUT = 16, /*  FROM_ARGn: the value that argument n points to, at the end */
};

/* The results that mean success. */
enum probe_success {
	SUCCESS_ANY = 0,
	SUCCESS_ZERO = 1,     /* an int result of 0 */
	SUCCESS_POSITIVE = 2, /* an int result above 0 */
	SUCCESS_COUNTED = 3,  /* as above, and `parent` points to the count of bytes */
};

enum probe_flag {
	PROBE_RETURNS = 1,     /* also probed at its ends, where the result decides */
	PROBE_BORN_INSIDE = 2, /* counts also when the library itself calls it */
	PROBE_JOINS = 4,       /* the socket used inside belongs to the connection */
	PROBE_AFTER = 8,       /* the thread's last message may be this connection's */
	PROBE_WIDE_TEXT = 16,  /* the text is UTF-16 */
	PROBE_UNREAD = 32,     /* its result is read row by row from the server */
	PROBE_ZOMBIE = 64,     /* release: the object lives until its own objects are gone */
	PROBE_STATIC = 128,    /* a copy linked into a program: callers are in the same file */
};

/* The attach cookie of a probe at an end of a call.  probe: the row's index.  result: the word of
 * struct pt_regs that holds the call's result.  shared: 1: calls of other functions come by there,
 * too.  when: the place is an end always (0), if the branch there is taken (1) or if it is not (2).
 * condition: that branch's condition as the processor numbers it.  height: bytes from the stack
 * pointer up to the return address. */
#define EXIT_COOKIE(probe, result, shared, when, condition, height)                             \
	((__u64)(probe) | (__u64)(result) << 16 | (__u64)(shared) << 21 | (__u64)(when) << 22 | \
	 (__u64)(condition) << 24 | (__u64)(height) << 32)
#define EXIT_PROBE(cookie)     ((__u32)(cookie)&0xffff)
#define EXIT_RESULT(cookie)    ((__u32)(cookie) >> 16 & 31)
#define EXIT_SHARED(cookie)    ((__u32)(cookie) >> 21 & 1)
#define EXIT_WHEN(cookie)      ((__u32)(cookie) >> 22 & 3)
#define EXIT_CONDITION(cookie) ((__u32)(cookie) >> 24 & 15)
#define EXIT_HEIGHT(cookie)    ((__u64)(cookie) >> 32)
#define EXIT_RAX	       10 /* word of the result register rax */

/* Hits at ends are counted in the upper half of the map. */
#define HITS_MOST	  (2 * PROBES_MOST)
#define HITS_OF_EXITS(of) ((of) + PROBES_MOST)

/* A row of the probe table in one file. */
struct probe {
	__u64 before; /* bytes from the start of the file's code to the probe */
	__u64 code;   /* length of the file's code */
	/* Offset of the row count in the object.  Acquire: 64 bits; else the counter of a
	 * statement's run, as row_counter.h describes it.  UNKNOWN32: none. */
	__u32 rows_at;
	__u8 role, resource, database, success;
	__u8 handle, parent, text; /* enum probe_source */
	__u8 flags;
	/* Not 0: the probe sits in a function that the row's function calls.  That call returns to
	 * this many bytes from the probe.  Other functions call it, too. */
	__s32 outer;
	__u32 stack; /* bytes from the stack pointer to the return address of the row's function */
	__u32 next;  /* cookie of another row at this place with another outer; 0 none */
	__u64 since_ns; /* when it was attached: a call that ends soon after may have begun before
			 */
	/* enum probe_source: an int that holds the length of the text in bytes, or is not positive
	 * if a zero byte ends the text.  FROM_NOWHERE: a zero byte ends it always. */
	__u8 text_length;
	__u8 unused[7];
};

struct handle_key {
	__u64 handle;
	__u32 pid;
	__u32 resource;
};

/* An open object.  With its key it fills the smallest piece of kernel memory that holds both,
 * because there may be a million objects. */
#define OBJECT_FIELDS                                                                      \
	__u64 born_ns;                                                                     \
	__u64 parent;                                                                      \
	__u64 place; /* place of its site */                                               \
	__u64 text;  /* hash; 0 none */                                                    \
	__u64 rows;                                                                        \
	/* A statement that counts its rows: resident pages of its process before its run, \
	 * and when they were measured, in milliseconds after its birth. */                \
	__u32 before_pages, before_ms;                                                     \
	__u32 tid;                                                                         \
	__u16 probe; /* cookie of the probe that acquired it */                            \
	__u8 flags;  /* enum ev_handle_flag */                                             \
	__u8 sample; /* index among its site's samples; NO_SAMPLE; SAMPLE_TOLD */

struct object {
	OBJECT_FIELDS
};

_Static_assert(sizeof(struct object) <= OBJECT_BYTES, "an object needs twice the memory");

/* A connection is an object with more fields.  User space sees other objects in the same form. */
struct ledger_handle {
	union {
		struct object object;
		struct {
			OBJECT_FIELDS
		};
	};
	__u64 used_ns;		  /* last acquire or release of its own objects */
	__u64 socket;		  /* cookie of its socket; 0 not known */
	__u64 latest;		  /* hash of its last SQL text; 0 none */
	__u32 acquired, released; /* of its own objects */
	__u32 reported;
	__u32 tries;
	__u64 opened_at; /* stack under which it was acquired; 0 none */
	__u64 begun_at;	 /* stack of its last BEGIN; 0 none */
};

/* The place that calls come from.  All calls of an interpreted program come from the same few
 * places in its language's module, so there the stack is the place. */
struct site_key {
	__u64 place; /* return address of the call, or the id of an interpreted stack */
	__u32 pid;
	__u32 probe; /* cookie */
};

struct site {
	__u64 start_ns;
	__u64 made_ns; /* when it was entered */
	__u64 acquired, released, unseen, failed;
	__u64 first_ns, last_ns; /* of acquires */
	__u64 rows;
	__u64 reported; /* sum over the counters that were last reported */
	__u64 caller;
	__u64 stack; /* the latest stack; 0 none */
	__u64 stack_ns;
	__u64 stack_reported;
	__u64 resident_ns; /* when resident_pages was measured */
	__u32 resident_pages;
	__u32 telling; /* bits: samples reported in this sweep, if its buffer has room */
	__u32 no_room; /* 1: the sweep's buffer had no room */
	__u32 reserved2;
	__u64 sample[SITE_SAMPLES];
	__u64 sample_at[SITE_SAMPLES]; /* stacks of the samples */
	__u32 sampled;		       /* bits: places in use */
	__u32 unwanted; /* selection_generation + 1 that does not select it; 0 selected */
	__u8 resource, database;
	__u16 reserved;
	__s32 reported_open; /* objects reported and not released since */
};

/* A call that has begun. */
struct call {
	__u64 ns;   /* begin, or that of the first call inside; 0 none yet */
	__u64 code; /* start of the file's code */
	__u64 caller;
	__u64 handle;
	__u64 parent;
	__u64 text;
	__u64 address;	 /* return address */
	__u64 slot;	 /* where the return address lies */
	__u64 outer;	 /* where the return address of the row's function lies, see struct probe */
	__u32 probe;	 /* cookie */
	__u32 inside;	 /* 1: objects acquired during it are the library's own */
	__u32 text_most; /* bytes of the text at most; 0: up to its zero byte */
	__u32 unused;
};

#define CALLS_MOST 8 /* calls that one thread may have begun at a time */

/* The calls of a thread that have begun, in no order.  A call that did not return normally, or that
 * goes on in another thread, stays here.  It counts only while its return address still lies in its
 * slot, and while the stack pointer is not far below the slot. */
struct calls {
	__u64 stack[CALLS_MOST]; /* slot of the return address; 0 none */
	struct call of[CALLS_MOST];
};

struct client_text {
	__u32 length;
	__u32 cut;
	char bytes[TEXT_LEN];
};

/* RAW_SITE: a call site of a client library, and what it has acquired and released so far. */
struct raw_site {
	struct ev_head head;
	struct site_key key;
	__u64 start_ns, first_ns, last_ns;
	__u64 acquired, released, unseen, failed, rows;
	__u64 caller;
	__u64 stack; /* 0: none, or sent before */
	__u32 gone;  /* 1: its process, or its program, is gone */
	__u32 unwanted;
	__u32 resource, database;
	char comm[EV_COMM_LEN];
};

struct raw_handle {
	struct ev_head head;
	struct handle_key key;
	struct ledger_handle handle;
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
	__u64 before_ns;    /* a time before the run began */
	__u64 before_bytes; /* resident bytes of the process then */
	__u64 after_bytes;
	__u64 stack; /* stack of the call that ended the run; 0 none */
	__u32 probe; /* cookie of the probe that acquired it */
	__u32 reserved;
};

/* The last message of a thread, and its connection.  Kept for all threads where allocations are
 * followed; else for processes that grow, and while some connection waits for its socket. */

struct thread_socket {
	__u64 id;
	__u64 ns;
	__u64 stack; /* the thread's stack pointer then */
};

#endif
