/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * event.h - every record, shared by the kernel half and the user half.
 *
 * A recording is a row of these records: first EV_BEGIN, last EV_END.  The types have fixed widths,
 * widest first, with no holes and no pointers; numbers are append-only.
 *
 * Unless a field says otherwise: times are nanoseconds of CLOCK_BOOTTIME, which also passes while a
 * host is suspended.  So an age is that which a server elsewhere sees, and a time can be compared
 * with the start of a process.  0 in a time means "not known or not yet".  UNKNOWN32/UNKNOWN64 in a
 * count means "not known".  Unknown is not zero.
 */
#ifndef DBLEAK_EVENT_H
#define DBLEAK_EVENT_H

#include <linux/types.h>

/* No record has a hole: each byte is somebody's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

#define EV_VERSION 1
#define EV_MAGIC   0x314b41454c4244ULL /* "DBLEAK1" little endian */

#define UNKNOWN32 0xffffffffU
#define UNKNOWN64 0xffffffffffffffffULL

#define EV_COMM_LEN	     16
#define EV_PATH_LEN	     108 /* sun_path of unix(7) */
#define EV_NAME_LEN	     64	 /* NAMEDATALEN of PostgreSQL; MySQL's longest user name is 32 */
#define EV_SQL_LEN	     512
#define EV_STATEMENT_SQL_LEN 192
#define EV_TEXT_LEN	     256
#define EV_SYMBOL_LEN	     32
#define EV_FRAME_TEXT_LEN    1024
#define EV_STACK_FRAMES	     128
#define EV_UNIT_LEN	     128

enum ev_kind {
	EV_BEGIN = 1,
	EV_END = 2,
	EV_TICK = 3,
	EV_PROCESS = 4,
	EV_USAGE = 5,
	EV_EXIT = 6,
	EV_CONNECTION = 7,
	EV_IDENTITY = 8,
	EV_SQL = 9,
	EV_STATEMENT = 10,
	EV_STATEMENT_CLOSED = 11,
	EV_RESULT = 12,
	EV_TALLY = 13,
	EV_LOSS = 14,
	EV_COST = 15,
	EV_GAP = 16,
	EV_HOLDER = 17,
	EV_GONE = 18,
	EV_LIBRARY = 19,
	EV_SITE = 20,
	EV_HANDLE = 21,
	EV_HANDLE_CLOSED = 22,
	EV_FILE = 23,
	EV_FRAME = 24,
	EV_STACK = 25,
	EV_EVIDENCE = 26,
	EV_MEMORY = 27,
	EV_MEMORY_SITE = 28,
	EV_WITHDRAWN = 29,
	EV_UNFOLLOWED = 30,
	EV_HOST = 31,
	EV_PROGRAM = 32,
	EV_THREAD = 33,
	EV_REQUESTS = 34,
	EV_SESSION = 35,
	EV_COLLECTIONS = 36,
	EV_SERVING = 37,
	EV_CONTAINER = 38,
	EV_KIND_MAX = 39,
};

/* The head of every record.  crc is zlib's crc32 of all other bytes of the record, set by the
 * recording's writer only.  size counts the whole record, a multiple of 8. */
struct ev_head {
	__u64 ns; /* when the fact was observed */
	__u32 crc;
	__u16 kind; /* enum ev_kind */
	__u16 size;
};

enum ev_mode {
	EV_MODE_WATCH = 0,    /* a window of time on a live system */
	EV_MODE_RUN = 1,      /* a program from its first instruction to its end */
	EV_MODE_SNAPSHOT = 2, /* one look */
};

struct ev_begin {
	struct ev_head head;
	__u64 magic;	   /* EV_MAGIC */
	__u64 realtime_ns; /* CLOCK_REALTIME at head.ns */
	__u64 min_age_ns;  /* --min-age */
	__u32 version;	   /* EV_VERSION */
	__u32 mode;	   /* enum ev_mode */
	char kernel[64];   /* uname -r */
	char arch[16];	   /* uname -m */
};

/* The clean end.  A recording without it was cut. */
struct ev_end {
	struct ev_head head;
	__u64 records; /* records before this one, EV_BEGIN included */
};

struct ev_tick {
	struct ev_head head;
};

/* The identity of a process.  Sent when the process is first seen with a database connection,
 * and again after exec or when its container becomes known.  A later record replaces the earlier
 * one. */
struct ev_process {
	struct ev_head head;
	__u64 start_ns;	    /* start of the process (start_boottime); identity is (pid, start_ns) */
	__u64 nofile_limit; /* soft RLIMIT_NOFILE; UNKNOWN64 */
	__u32 pid;
	__u32 parent_pid;
	__u32 role;	 /* enum ev_role */
	__u32 libraries; /* bits of enum ev_client_library: client libraries mapped */
	char comm[EV_COMM_LEN];
	char cmdline[EV_TEXT_LEN]; /* one line: program, script, names of options; see redact.h */
	char runtime[16];	   /* "docker", "podman", "" on the host */
	char container_id[72];
	char container_name[EV_NAME_LEN];
};

enum ev_role {
	EV_ROLE_CLIENT = 0,
	EV_ROLE_POOLER = 1, /* holds server ends and client ends, so idle connections are its job */
	EV_ROLE_SERVER = 2, /* a database server */
};

enum ev_client_library {
	EV_LIBRARY_LIBPQ = 1,
	EV_LIBRARY_MYSQL = 2, /* libmariadb or libmysqlclient */
	EV_LIBRARY_OPENSSL = 4,
	EV_LIBRARY_SQLITE = 8,
	EV_LIBRARY_HIREDIS = 16,
};

/* The resources that a process uses now. */
struct ev_usage {
	struct ev_head head;
	__u64 start_ns;
	__u64 rss_bytes;      /* UNKNOWN64 */
	__u64 rss_peak_bytes; /* UNKNOWN64 */
	__u32 pid;
	__u32 open_files; /* descriptors in use; UNKNOWN32 */
};

/* A process that had database connections is gone.  Connections that no other process holds were
 * released by its exit. */
struct ev_exit {
	struct ev_head head;
	__u64 start_ns;
	__u64 rss_peak_bytes; /* UNKNOWN64 */
	__u32 pid;
	__u32 exit_code; /* as wait(2) gives it */
};

enum ev_database {
	EV_DB_UNKNOWN = 0,
	EV_DB_POSTGRESQL = 1,
	EV_DB_MYSQL = 2, /* MySQL and MariaDB */
	EV_DB_SQLITE = 3,
	EV_DB_REDIS = 4,
};

/* Signs of the protocol that a connection speaks.  Two signs name a database, one is a guess. */
enum ev_sign {
	EV_SIGN_PORT = 1,      /* a database's port or socket path */
	EV_SIGN_HANDSHAKE = 2, /* its first bytes, both sides seen: enough alone */
	EV_SIGN_REQUEST = 4,   /* requests framed and tagged as the protocol says */
	EV_SIGN_REPLY = 8,     /* replies framed and ended as the protocol says */
	EV_SIGN_SERVER = 16,  /* a known server program holds the other end or the listening port */
	EV_SIGN_LIBRARY = 32, /* the client maps the database's client library */
};

enum ev_status {
	EV_STATUS_UNKNOWN = 0,
	EV_STATUS_IDLE = 1,	   /* outside any transaction */
	EV_STATUS_TRANSACTION = 2, /* inside one */
	EV_STATUS_FAILED = 3,	   /* inside one that can only be rolled back (PostgreSQL) */
};

enum ev_connection_flag {
	EV_CONN_PRE_EXISTING = 0x1,	/* opened before dbleak started; born_ns is 0 */
	EV_CONN_TLS = 0x2,		/* encrypted: state not readable */
	EV_CONN_COMPRESSED = 0x4,	/* compressed: state not readable */
	EV_CONN_LISTENING = 0x8,	/* LISTEN was sent: waits by design */
	EV_CONN_REPLICATION = 0x10,	/* replication or binlog stream: waits by design */
	EV_CONN_CANCEL = 0x20,		/* carried a cancel request only */
	EV_CONN_TERMINATED = 0x40,	/* the client said goodbye (Terminate, COM_QUIT) */
	EV_CONN_CLOSED = 0x80,		/* the client's socket is closed: this is its last record */
	EV_CONN_EXIT = 0x100,		/* closed while its process was exiting */
	EV_CONN_UNALIGNED = 0x200,	/* message boundaries are lost until the next request */
	EV_CONN_TRUNCATED = 0x400,	/* bytes of this connection went unread at least once */
	EV_CONN_PIPELINED = 0x800,	/* replies outstanding could not be counted exactly */
	EV_CONN_WROTE = 0x1000,		/* the open transaction has changed data */
	EV_CONN_AUTHENTICATED = 0x2000, /* the server accepted the login */
	EV_CONN_REFUSED = 0x4000,	/* the server refused it (too many connections, password) */
	EV_CONN_HIDDEN_IO = 0x8000,	/* io_uring: its bytes cannot be read */
	EV_CONN_DECRYPTED = 0x10000,	/* with EV_CONN_TLS: its plaintext is read at the library */
	EV_CONN_TENTATIVE = 0x20000,	/* its plaintext was found by order and size alone */
	EV_CONN_CURSOR = 0x40000,	/* the open transaction has a cursor or portal open */
	EV_CONN_ASKED = 0x80000,   /* unreadable, or silent since dbleak started: its client sent
				      last, so the reply may be outstanding */
	EV_CONN_UNREAD = 0x100000, /* TCP: bytes wait in its socket, and the client has taken none
				      since the sweep before */
	EV_CONN_MISSED = 0x200000, /* with EV_CONN_CLOSED: a sweep found it closed, so it may have
				      been closed at any time since the sweep before */
};

/* The whole state of one client connection, as the kernel's ledger has it.  Each record replaces
 * the one before. */
struct ev_connection {
	struct ev_head head;
	__u64 id;	      /* socket cookie, never reused while the kernel runs */
	__u64 start_ns;	      /* start of the opener; (pid, start_ns) is its identity */
	__u64 born_ns;	      /* when it was seen opening; 0 before dbleak started */
	__u64 used_ns;	      /* last message in either direction; 0 not known */
	__u64 request_ns;     /* the oldest request without its full reply; 0 none outstanding */
	__u64 transaction_ns; /* begin of the current transaction; 0 none or not known */
	__u64 hung_up_ns;     /* when the server closed its end; 0 not closed */
	__u64 longest_gap_ns; /* longest finished wait of the client inside a transaction */
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 requests; /* commands sent */
	__u64 rows;	/* rows of all replies whose count is known */
	__u32 begun;	/* transactions */
	__u32 committed;
	__u32 rolled_back;
	__u32 abandoned;  /* ended by the end of the connection */
	__u32 prepared;	  /* statements opened by name or id */
	__u32 unprepared; /* statements closed */
	__u32 pid;	  /* the opener */
	__u32 tid;
	__u32 user_pid; /* last process to send or receive on it */
	__u32 user_tid;
	__u32 flags;		/* enum ev_connection_flag */
	__u8 database;		/* enum ev_database */
	__u8 signs;		/* enum ev_sign */
	__u8 status;		/* enum ev_status */
	__u8 cursors;		/* open beyond their transaction (WITH HOLD); at most 255 */
	char comm[EV_COMM_LEN]; /* of the opener, at the time of opening */
};

/* The server that a connection leads to.  Sent once, and again when more becomes known. */
struct ev_identity {
	struct ev_head head;
	__u64 id;
	__u8 address[16]; /* IPv6, or IPv4 mapped into it; zero for Unix sockets */
	__u16 port;	  /* host byte order; 0 for Unix sockets */
	__u16 local_port;
	__u16 family; /* AF_INET, AF_INET6, AF_UNIX */
	__u16 reserved;
	char path[EV_PATH_LEN]; /* Unix: the server's path; first byte '@' for an abstract one */
	char user[EV_NAME_LEN]; /* "" not known */
	char name[EV_NAME_LEN]; /* of the database; "" not known */
	char application[EV_NAME_LEN];
	__u32 reserved2;
};

/* SQL of a connection's last request, literals already replaced unless the user asked for them.
 * The record is cut after the text. */
struct ev_sql {
	struct ev_head head;
	__u64 id;
	__u64 sent_ns;
	__u32 length; /* of text */
	__u32 cut;    /* 1: the text went on */
	char text[EV_SQL_LEN];
};

/* A prepared statement that outlived the grace period. */
struct ev_statement {
	struct ev_head head;
	__u64 id;	 /* of the connection */
	__u64 statement; /* hash of its name (PostgreSQL) or its id (MySQL) */
	__u64 born_ns;
	__u64 text_hash; /* salted anew in each run: equal texts have equal hashes */
	__u32 length;
	__u32 cut;
	char text[EV_STATEMENT_SQL_LEN]; /* literals replaced */
};

struct ev_statement_closed {
	struct ev_head head;
	__u64 id;
	__u64 statement; /* 0: all of the connection's */
};

/* A reply that is out of proportion. */
struct ev_result {
	struct ev_head head;
	__u64 id;
	__u64 rows;	   /* UNKNOWN64 */
	__u64 bytes;	   /* UNKNOWN64: SQLite, whose replies go through no socket */
	__u64 began_ns;	   /* when its request was sent */
	__u64 grown_bytes; /* resident memory of the process: growth while the reply was read */
	__u64 rss_bytes;   /* after it */
	__u32 rows_exact;  /* 0: estimated from the mean row length */
	__u32 length;
	__u32 cut;
	__u32 cache_kib; /* SQLite: KiB of grown_bytes that may be cache; UNKNOWN32: any */
	char text[EV_SQL_LEN];
};

/* Connections of one process that opened and closed before they were worth a record. */
struct ev_tally {
	struct ev_head head;
	__u64 start_ns;
	__u64 opened; /* opened and closed, since the start of the window */
	__u64 requests;
	__u64 begun;
	__u64 committed;
	__u64 rolled_back;
	__u64 abandoned;
	__u64 prepared;
	__u64 unprepared;
	__u32 pid;
	__u32 database; /* enum ev_database */
};

enum ev_loss_kind {
	EV_LOSS_RING_FULL = 0,
	EV_LOSS_MAP_FULL = 1,
	EV_LOSS_READ_FAULT = 2,
	EV_LOSS_MISSED_RETURN = 3,
	EV_LOSS_TRUNCATED = 4,
	EV_LOSS_KINDS = 5,
};

/* Losses so far, of the whole window. */
struct ev_loss {
	struct ev_head head;
	__u64 count[EV_LOSS_KINDS];
	__u64 reserved;
};

/* The cost of dbleak so far. */
struct ev_cost {
	struct ev_head head;
	__u64 cpu_ns;	      /* our own process */
	__u64 bpf_ns;	      /* our programs in the kernel, estimated from sampled run times */
	__u64 events;	      /* records through the ring */
	__u64 messages;	      /* database socket messages seen */
	__u64 other_messages; /* messages of other sockets */
	__u64 rss_bytes;
	__u64 kernel_bytes; /* maps, socket storage and programs; UNKNOWN64 */
	__u32 stepped_down;
	__u32 reserved;
};

/* A blind spot: something dbleak cannot see.  Text is one clause without a full stop. */
struct ev_gap {
	struct ev_head head;
	__u64 start_ns;	   /* start of the process; 0 with pid 0 */
	__u32 pid;	   /* 0: the whole host */
	__u32 connections; /* how many connections it hides; 0 does not apply */
	char text[EV_TEXT_LEN];
};

/* The opener of a connection is gone or gave it away: another process holds the connection now. */
struct ev_holder {
	struct ev_head head;
	__u64 id;
	__u64 start_ns;
	__u32 pid;
	__u32 holders; /* processes that hold it */
};

/* A connection vanished between two looks without a closing record. */
struct ev_gone {
	struct ev_head head;
	__u64 id;
	__u64 last_seen_ns;
};

/* A client library with dbleak's probes in it: one inode, however many processes map it. */
struct ev_library {
	struct ev_head head;
	__u64 device, inode;
	__u64 seen_ns;	   /* when dbleak learned that a process maps it */
	__u64 attached_ns; /* when its probes were in place; 0 not in place */
	__u64 hits;	   /* of all its probes so far */
	__u32 library;	   /* enum ev_client_library */
	__u32 probes;
	__u32 cheap;	   /* probes at an instruction that the kernel emulates */
	__u32 detached;	   /* 1: probes were removed to keep the budget */
	char build_id[64]; /* hexadecimal; "" not known */
	char path[EV_TEXT_LEN];
};

/* The kinds of objects that a library hands out and must get back. */
enum ev_resource {
	EV_RES_CONNECTION = 1,
	EV_RES_STATEMENT = 3,
	EV_RES_CURSOR = 4,
	EV_RES_RESULT = 5,
	EV_RES_MEMORY = 6, /* a buffer the caller must free */
};

/* The calls from one place of one process that acquire one kind of object.  Each record replaces
 * the one before.  acquired - released are open now, those in use at this moment included. */
struct ev_site {
	struct ev_head head;
	__u64 start_ns; /* of the process */
	__u64 site;	/* identity within the process */
	__u64 caller;	/* where the call returns to; 0 not known */
	__u64 acquired;
	__u64 released; /* with those whose release was not seen, but whose address came back */
	__u64 unseen;	/* releases that were not seen */
	__u64 failed;	/* calls that gave no object */
	__u64 first_ns; /* of the first acquire; 0 not known */
	__u64 last_ns;	/* of the latest acquire */
	__u64 rows;	/* of all acquired; UNKNOWN64 */
	__u32 pid;
	__u32 resource;		     /* enum ev_resource */
	__u32 database;		     /* enum ev_database */
	__u32 detached;		     /* 1: its probes are removed: the figures are older */
	char object[EV_SYMBOL_LEN];  /* type of the object: "PGresult" */
	char release[EV_SYMBOL_LEN]; /* the call that frees it: "PQclear" */
};

enum ev_handle_flag {
	EV_HANDLE_PRE_EXISTING = 1, /* found in use; born_ns is when it was found */
	EV_HANDLE_UNREAD = 2,	    /* a result whose rows still wait at the server */
	EV_HANDLE_TENTATIVE = 4,    /* connection: its socket is a guess */
	EV_HANDLE_ZOMBIE = 8,	    /* closed while statements were open: lives on until they go */
};

/* An object that outlived the grace period: every connection, and the first few of each site. */
struct ev_handle {
	struct ev_head head;
	__u64 start_ns;	  /* of the process */
	__u64 handle;	  /* its address: with pid, start_ns, resource and born_ns its identity */
	__u64 parent;	  /* address of its connection; 0 none or not known */
	__u64 connection; /* resource connection: id of its socket; 0 not known */
	__u64 born_ns;
	__u64 used_ns; /* 0 not known */
	__u64 site;
	__u64 rows;		  /* UNKNOWN64 */
	__u64 bytes;		  /* UNKNOWN64 */
	__u32 acquired, released; /* its statements and results acquired, released */
	__u32 pid;
	__u32 tid;
	__u32 resource;
	__u32 database;
	__u32 flags; /* enum ev_handle_flag */
	__u32 reserved;
};

struct ev_handle_closed {
	struct ev_head head;
	__u64 start_ns;
	__u64 handle;
	__u64 born_ns;
	__u32 pid;
	__u32 resource;
};

/* The way in which a SQLite connection holds its database's files back.  id is that of its
 * EV_CONNECTION. */
struct ev_file {
	struct ev_head head;
	__u64 id;
	__u64 wal_bytes;  /* size of the write-ahead log; UNKNOWN64 */
	__u64 reading_ns; /* when its oldest unfinished statement began to read; 0 none */
	__u32 reading;	  /* statements stepped and neither reset nor finished */
	__u32 zombie;	  /* 1: closed, but statements keep it open */
	__u32 length;
	__u32 cut;
	char text[EV_STATEMENT_SQL_LEN]; /* SQL of the oldest unfinished statement, literals
					    replaced */
};

enum ev_language {
	EV_LANG_UNKNOWN = 0,
	EV_LANG_NATIVE = 1, /* C, C++, Rust: all that is compiled to machine code */
	EV_LANG_PYTHON = 2,
	EV_LANG_PERL = 3,
	EV_LANG_PHP = 4,
	EV_LANG_RUBY = 5,
	EV_LANG_JAVASCRIPT = 6,
	EV_LANG_JAVA = 7,
	EV_LANG_GO = 8,
};

enum ev_frame_flag {
	EV_FRAME_INLINED = 1, /* inlined, no call of its own: the next frame out holds its code */
	EV_FRAME_DEFINED = 2, /* line is where the function begins, not the place in it */
	EV_FRAME_EXPORTED =
		4,	    /* function is the nearest exported name before the address, a guess */
	EV_FRAME_TAKES = 8, /* the line, or its function, speaks of connections or of their pool */
};

/* A place in a program's code, named once however many stacks pass through it.  Its texts follow
 * one another in text, without NULs; the record is cut after them.  A length of 0 means "not
 * known". */
struct ev_frame {
	struct ev_head head;
	__u64 id;	/* never 0; the same place of the same file has the same id */
	__u64 offset;	/* native: address as the module's ELF file has it; else 0 */
	__u32 line;	/* 0 not known */
	__u32 column;	/* 0 not known */
	__u16 language; /* enum ev_language */
	__u16 flags;	/* enum ev_frame_flag */
	__u16 function_length, file_length, module_length, build_length;
	__u32 reserved;
	char text[EV_FRAME_TEXT_LEN]; /* function, file, module, build id (hexadecimal) */
};

enum ev_stack_flag {
	EV_STACK_CUT = 1,      /* frames further out are missing */
	EV_STACK_CALLER = 2,   /* the caller of the library alone */
	EV_STACK_GREENLET = 4, /* begins where a greenlet was entered: its starter is not seen */
	EV_STACK_NAMELESS = 8, /* the process was gone before its frames could be named */
};

/* A call stack, sent once however many objects were acquired under it. */
struct ev_stack {
	struct ev_head head;
	__u64 id;	/* never 0 */
	__u64 start_ns; /* of the process */
	__u32 pid;
	__u32 flags; /* enum ev_stack_flag */
	__u32 count; /* of frames; the record is cut after them */
	__u32 reserved;
	__u64 frame[EV_STACK_FRAMES]; /* ids, the innermost first */
};

/* The action that a stack is evidence for. */
enum ev_evidence_kind {
	EV_AT_OPENED = 1,   /* a connection; object: its id */
	EV_AT_BEGUN = 2,    /* the transaction a connection began last; object: its id */
	EV_AT_PREPARED = 3, /* a statement; object: its connection's id, second: its own */
	EV_AT_ACQUIRED = 4, /* a library's object; object: its address, second: its born_ns */
	EV_AT_SITE = 5,	    /* a site: the call itself, or the latest call that was sampled */
	EV_AT_RESULT = 6,   /* the EV_RESULT sent last; object: the connection's id */
};

/* Links a stack with an object.  A later record replaces the earlier one; its stack may come after
 * it. */
struct ev_evidence {
	struct ev_head head;
	__u64 object;
	__u64 second;
	__u64 start_ns; /* of the process */
	__u64 stack;
	__u64 at_ns; /* when it was taken */
	__u32 pid;
	__u16 kind;	/* enum ev_evidence_kind */
	__u16 resource; /* EV_AT_ACQUIRED: enum ev_resource; else 0 */
};

/* The closeness with which a process's memory is watched, or which tier a figure of it comes from.
 */
enum ev_tier {
	EV_TIER_OFF = 0,
	EV_TIER_GROWTH = 1, /* its size, and sampled first touches of pages while it grows */
	EV_TIER_CLIENT = 2, /* also memory that client libraries allocate and free */
	EV_TIER_FULL = 3,   /* also its allocator's calls */
};

enum ev_limit {
	EV_LIMIT_NONE = 0,
	EV_LIMIT_CGROUP = 1,  /* of its cgroup, or of one above it */
	EV_LIMIT_PROCESS = 2, /* RLIMIT_AS or RLIMIT_DATA */
	EV_LIMIT_HOST = 3,    /* what the host has */
};

/* The memory of a process, and its limit.  Each record replaces the one before. */
struct ev_memory {
	struct ev_head head;
	__u64 start_ns;
	__u64 anonymous_bytes;	/* resident and backed by no file; UNKNOWN64 */
	__u64 swapped_bytes;	/* UNKNOWN64 */
	__u64 file_bytes;	/* resident and backed by files, or shared; UNKNOWN64 */
	__u64 limit_bytes;	/* the limit with the least room left; UNKNOWN64: none */
	__u64 limit_used_bytes; /* used by all under the limit, without reclaimable memory;
				   UNKNOWN64 */
	__u32 pid;
	__u16 limit; /* enum ev_limit */
	__u16 tier;  /* enum ev_tier: how closely it is watched from now on */
};

enum ev_memory_flag {
	EV_MEMORY_ESTIMATED = 1,   /* from samples: error_bytes tells the error */
	EV_MEMORY_LOWER_BOUND = 2, /* some blocks found no room in the tables */
	EV_MEMORY_WINDOWS = 4,	   /* measured in short windows, extrapolated to the whole time */
};

/* Memory that one process allocated under one call stack, as one tier sees it.  Each record
 * replaces the one before with its site and tier. */
struct ev_memory_site {
	struct ev_head head;
	__u64 start_ns;
	__u64 site;		 /* identity within process and tier */
	__u64 stack;		 /* id of an EV_STACK sent before; 0 not known */
	__u64 caller;		 /* of the allocator; 0 not known or does not apply */
	__u64 taken_bytes;	 /* since the watch began */
	__u64 held_bytes;	 /* allocated and not freed; UNKNOWN64 */
	__u64 error_bytes;	 /* 95 % bound on the error of held_bytes; 0 exact */
	__u64 taken, freed;	 /* blocks; UNKNOWN64 */
	__u64 first_ns, last_ns; /* of the allocations seen */
	__u64 connection;	 /* its reply was being read or made into objects; 0 not known */
	__u64 reply_bytes;	 /* part of taken_bytes allocated during such a reply */
	__u32 pid;
	__u16 tier;		    /* enum ev_tier */
	__u16 flags;		    /* enum ev_memory_flag */
	char object[EV_SYMBOL_LEN]; /* allocator: "malloc", "libpq", "" pages of the process */
};

/* A process died at a probe, or inside a probed call.  All probes were removed, and no further
 * probes are attached. */
struct ev_withdrawn {
	struct ev_head head;
	__u64 start_ns;
	__u32 pid, signal;
	char comm[EV_COMM_LEN];
};

/* The tables of the kernel half that all processes share.  Each process may fill a share of each.
 */
enum ev_table {
	EV_TABLE_STATEMENTS = 0,  /* prepared statements */
	EV_TABLE_ENCRYPTED = 1,	  /* encrypted connections whose plaintext is read */
	EV_TABLE_CONNECTIONS = 2, /* of client libraries */
	EV_TABLE_SITES = 3,	  /* places that call client libraries */
	EV_TABLE_OBJECTS = 4,	  /* of client libraries */
	EV_TABLE_TEXTS = 5,	  /* new SQL texts of client libraries, in one second */
	EV_TABLES = 6,
};

/* The parts of one process that were not followed, for lack of room, so far.  Each record replaces
 * the one before.  EV_LOSS counts the same, but for the texts, for all processes together. */
struct ev_unfollowed {
	struct ev_head head;
	__u64 start_ns;
	__u32 pid;
	__u32 unsent;		  /* records that did not fit the ring */
	__u32 refused[EV_TABLES]; /* entries that found no room */
	__u32 crowded[EV_TABLES]; /* of those: while the process was within its share */
	__u32 share[EV_TABLES];	  /* entries that a process may have at once */
};

/* The place and manner of the watch.  Once, after EV_BEGIN. */
struct ev_host {
	struct ev_head head;
	__u32 budget;	/* --max-overhead, in thousandths of a percent of one CPU; UNKNOWN32 */
	__u32 redacted; /* by which rules texts were: REDACTION_RULES of redact.h; 0: older ones */
	char name[EV_NAME_LEN];	     /* uname -n */
	char version[EV_SYMBOL_LEN]; /* of dbleak */
	char selection[EV_TEXT_LEN]; /* as options name it; "": the whole host */
};

/* The programs of a process, beside what EV_PROCESS says.  Sent after it, and again when it
 * changes. */
struct ev_program {
	struct ev_head head;
	__u64 start_ns;
	__u32 pid;
	__u32 uid;		/* the real one; UNKNOWN32 */
	char exe[EV_TEXT_LEN];	/* the end of its path; "": not known */
	char unit[EV_UNIT_LEN]; /* of systemd: "orders.service"; "": none, or not known */
};

/* The owner of a process's container, beside what EV_PROCESS says.  Sent after it where anything
 * is known, and again when that changes. */
struct ev_container {
	struct ev_head head;
	__u64 start_ns;
	__u32 pid;
	__u32 reserved;
	char pod[EV_TEXT_LEN];		 /* of Kubernetes; "": none, or not known */
	char pod_namespace[EV_NAME_LEN]; /* of Kubernetes, as the pod */
	char image[EV_TEXT_LEN];	 /* the name it was started by; "": not known */
};

enum ev_thread_state {
	EV_THREAD_SLEEPS = 1, /* in a system call, and has not run between two looks at its stack */
	EV_THREAD_MOVES = 2,  /* it ran, or ended: nothing is known of where it is */
};

/* The reason why a thread sleeps, by the system call that it is in. */
enum ev_wait {
	EV_WAIT_UNKNOWN = 0,
	EV_WAIT_LOCK = 1,   /* futex: a lock, a condition, a semaphore, a queue */
	EV_WAIT_SOCKET = 2, /* to read from one descriptor, or to write to it */
	EV_WAIT_MANY = 3,   /* one of several descriptors: an event loop, a server */
	EV_WAIT_TIME = 4,
	EV_WAIT_CHILD = 5,
	EV_WAIT_TASK = 6, /* a task of an event loop, which has no thread of its own */
};

/* The place where a thread is now.  Each record replaces the one before of the same thread; a
 * sleeping thread is not told again while it sleeps on. */
struct ev_thread {
	struct ev_head head;
	__u64 start_ns;	  /* of the process */
	__u64 stack;	  /* id of an EV_STACK sent before; 0 not known */
	__u64 since_ns;	  /* when it ran last; of a task: since when it is seen there */
	__u64 socket;	  /* EV_WAIT_SOCKET: id as in ev_connection; 0 not known, or no socket */
	__u8 address[16]; /* of that socket's other end, as in ev_identity */
	__u16 port, family;
	__u16 state;	/* enum ev_thread_state */
	__u16 wait;	/* enum ev_wait */
	__u32 pid, tid; /* tid of a task: a number above those of threads */
};

/* Told by older versions: the same as EV_SERVING, in less detail. */
struct ev_requests {
	struct ev_head head;
	__u64 start_ns;	 /* of the process */
	__u64 oldest_ns; /* when the oldest of them came; 0: there is none */
	__u32 pid;
	__u32 unanswered;
};

#define EV_SERVING_CAME	  32
#define EV_SERVING_CALLED 8

/* Requests that a process accepted over TCP and has not begun to answer, and what it does
 * meanwhile.  Told while there are some, about once a second; each record replaces the one before.
 */
struct ev_serving {
	struct ev_head head;
	__u64 start_ns;			/* of the process */
	__u64 cpu_ns;			/* that the process has used so far; 0 not known */
	__u64 came_ns[EV_SERVING_CAME]; /* when the oldest of them came, oldest first; 0 no more */
	/* Ids of sockets, not accepted ones, that wait for an answer, or to be connected, in no
	 * order; 0 no more.  Sockets to databases are among them. */
	__u64 called[EV_SERVING_CALLED];
	__u32 first; /* bit i: nothing was ever sent on the socket of came_ns[i] */
	__u32 unanswered;
	__u32 calls; /* sockets as in called, all of them */
	__u32 pid;
};

/* The way by which a server's word on a connection came. */
enum ev_session_source {
	EV_SESSION_TITLE = 1,	   /* the title of the server's process on this host */
	EV_SESSION_STATISTICS = 2, /* its answer to --dsn */
};

enum ev_session_flag {
	EV_SESSION_BUSY = 1, /* a command runs */
};

/* The words of a server about its end of a connection.  Each record replaces the one before, but a
 * title never replaces an answer.  Its texts are the server's: a finding may show them, and none
 * rests on them. */
struct ev_session {
	struct ev_head head;
	__u64 id;	      /* of the connection */
	__u64 session;	      /* as pg_terminate_backend() and KILL take it; UNKNOWN64 */
	__u64 transaction_ns; /* begin of its open transaction; 0 none or not known */
	__u64 since_ns;	      /* begin of its present state; 0 not known */
	__u32 pid;	      /* of the server's process on this host; 0 not known */
	__u8 source;	      /* enum ev_session_source */
	__u8 status;	      /* enum ev_status */
	__u16 flags;	      /* enum ev_session_flag */
	char user[EV_NAME_LEN];
	char name[EV_NAME_LEN]; /* of the database */
	char application[EV_NAME_LEN];
	__u32 length; /* of text */
	__u32 cut;
	char text[EV_SQL_LEN]; /* its last SQL, literals replaced unless the user asked for them */
};

/* The run time whose collections are counted. */
enum ev_collector {
	EV_COLLECTOR_UNKNOWN =
		0, /* looked for: nothing tells when the process collects, if it does */
	EV_COLLECTOR_PYTHON = 1,  /* full: its oldest generation */
	EV_COLLECTOR_HOTSPOT = 2, /* full: the whole heap at once; concurrent cycles are none */
};

enum ev_collections_flag {
	EV_COLLECTIONS_STOPPED = 1, /* too many to count: counted until this record only */
};

/* The garbage collections of a process.  Each record replaces the one before.  The last one counted
 * may still be at work. */
struct ev_collections {
	struct ev_head head;
	__u64 start_ns;
	__u64 since_ns; /* counted from here on */
	__u64 full;	/* full collections that began */
	__u64 partial;	/* all others */
	__u64 full_ns;	/* start of the last full one */
	__u64 last_ns;	/* start of the last of all */
	__u32 pid;
	__u16 collector; /* enum ev_collector */
	__u16 flags;	 /* enum ev_collections_flag */
};

#pragma GCC diagnostic pop

#endif
