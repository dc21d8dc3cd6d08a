/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * view.h - what the judge says and the reports print: one plain tree, no behaviour.
 *
 * The judge builds the view (judge_view), and the view owns every string and array in it until
 * view_close.  Strings are raw bytes of watched programs: each report escapes them for its own
 * format. NULL strings and UNKNOWN64 / negative numbers mean "not known" and print as such.
 */
#ifndef DBLEAK_MODEL_VIEW_H
#define DBLEAK_MODEL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "user/base/durations.h"

enum verdict {
	VERDICT_OK,
	VERDICT_UNKNOWN,
	VERDICT_BOUNDED,
	VERDICT_BIG,
	VERDICT_STUCK,
	VERDICT_LEAKING
};
enum confidence { CONFIDENCE_POSSIBLE, CONFIDENCE_LIKELY, CONFIDENCE_CERTAIN };
enum kind { KIND_FREQUENT, KIND_SPORADIC, KIND_ONE_TIME, KIND_IMPLICIT };
enum cause {
	CAUSE_UNCLOSED_CONNECTION,
	CAUSE_OPEN_TRANSACTION,
	CAUSE_UNCLOSED_STATEMENT,
	CAUSE_CACHE_GROWTH,
	CAUSE_UNBOUNDED_RESULT,
	CAUSE_UNFREED_RESULT,
	CAUSE_UNCLOSED_CURSOR,
	CAUSE_WAL_GROWTH,
	CAUSE_UNFREED_MEMORY,
};
enum resource {
	RESOURCE_CONNECTION,
	RESOURCE_TRANSACTION,
	RESOURCE_STATEMENT,
	RESOURCE_CURSOR,
	RESOURCE_RESULT,
	RESOURCE_MEMORY
};

#define SESSIONS_SHOWN 20 /* of one finding */

/* A place in a program's code.  NULL and 0: not known. */
struct frame_view {
	enum ev_language language;
	const char *function, *file, *module, *build_id;
	uint64_t offset; /* native: address as the module's ELF file has it */
	uint32_t line, column;
	uint32_t flags; /* enum ev_frame_flag */
};

/* The memory that a finding costs.  Bytes. */
struct memory_cost {
	enum ev_tier tier;    /* that measured it; EV_TIER_OFF: nothing is known, all else is 0 */
	bool placed;	      /* held and error are of what was taken at the finding's place */
	uint64_t held, error; /* not given back, within error 19 times of 20; error 0: exact */
	bool at_least;	      /* not all could be counted */
	uint64_t grown;	      /* how much the whole process grew for good; 0: not reported */
	double seconds;	      /* the duration of that growth */
	double per_minute;    /* growth of held, or of the process if not placed */
};

/* Threads that wait for what a finding counts, tasks of event loops, or requests that get no
 * answer. */
struct waiters_view {
	size_t count; /* 0: nobody is known to wait */
	size_t tasks; /* of them */
	double oldest_seconds;
	const char *pool;   /* what they wait in: "QueuePool"; NULL: not known */
	bool requests;	    /* clients wait for an answer; no thread is seen to wait */
	const char *unseen; /* why nobody can see where; NULL: the site is known, or just missing */
	const struct frame_view *site, *stack;
	size_t stack_count;
};

/* The place where the thread that took the oldest object of a finding is now. */
enum holder_state {
	HOLDER_UNKNOWN,
	HOLDER_RUNNING, /* does something else */
	HOLDER_WAITING, /* for a lock, a socket or a time */
	HOLDER_GONE,	/* the thread has ended */
};

struct holder_view {
	enum holder_state state;
	double since_seconds;  /* < 0 not known */
	const char *waits_for; /* "203.0.113.7:443"; NULL not known */
	const struct frame_view *site, *stack;
	size_t stack_count;
};

/* Threads of a process that sleep at one line, or tasks that are suspended there. */
struct threads_view {
	size_t count;
	bool tasks;
	double longest_seconds;
	const char *waits_for;	       /* as above */
	const struct frame_view *site; /* never NULL */
};

/* The facts of a sentence of evidence, for scripts. */
#define EVIDENCE_NUMBERS 4
struct evidence_view {
	const char *code;		  /* see evidence.h */
	double numbers[EVIDENCE_NUMBERS]; /* those of the sentence, in its order */
	size_t number_count;
};

#define FINDING_PORTS 3
/* The words of a server about its end of a connection that a finding is about. */
struct session_view {
	uint64_t session; /* as pg_terminate_backend() and KILL take it; UNKNOWN64 */
	uint32_t pid;	  /* of the server's process on this host; 0 not known */
	enum ev_session_source source;
	enum ev_status status;
	bool busy;		       /* a command runs */
	double transaction_seconds;    /* age of its transaction; < 0 none or not known */
	double state_seconds;	       /* since it is in that state; < 0 not known */
	const char *application, *sql; /* NULL not known */
};

struct finding_view {
	enum verdict verdict;
	enum confidence confidence;
	enum cause cause;
	enum kind kind;
	enum resource resource;
	enum ev_database database;
	const char *endpoint; /* "10.0.0.5:5432/shop as app" */
	const char *server;   /* "10.0.0.5:5432", where each takes a connection or a statement, else
				 NULL */
	uint64_t acquired;    /* UNKNOWN64 not known, as released */
	uint64_t released;
	uint64_t open;
	uint64_t earlier;   /* of those acquired, the ones from before the watch, else 0 */
	const char *object; /* what a library calls it: "PGresult"; NULL does not apply */
	uint64_t caller;    /* address its acquiring calls return to; 0 not known */
	const struct frame_view *site;	/* the owner's line; one of stack, or NULL */
	const struct frame_view *stack; /* a call stack that led there, the innermost first */
	size_t stack_count;		/* 0 not known */
	uint32_t stack_flags;		/* enum ev_stack_flag */
	const char *test;	  /* on that stack: "test_orders.py::test_pay"; NULL: none is */
	const char *to_get_line;  /* without a site: what gives one; NULL not known */
	double oldest_seconds;	  /* < 0 not known */
	bool oldest_is_minimum;	  /* at least so old: it was there before the watch */
	double growth_per_minute; /* < 0 does not apply */
	uint64_t in_transaction;  /* of the open ones (connections), else 0 */
	bool changed_rows;	  /* inside transactions that are open: these stay locked */
	/* the local ports of its connections, as the server sees them: idle for longest first */
	uint16_t ports[FINDING_PORTS];
	size_t port_count;
	uint64_t bytes; /* UNKNOWN64 does not apply */
	uint64_t rows;	/* UNKNOWN64 does not apply */
	bool rows_exact;
	const char *sql;		     /* NULL not known; literals already replaced */
	bool begin_unseen;		     /* of a transaction: none of them was seen to begin */
	const struct session_view *sessions; /* of the open ones, as far as a server told */
	size_t session_count;		     /* at most SESSIONS_SHOWN */
	uint64_t sessions_known;	     /* all that a server told of */
	const char **evidence;		     /* one sentence each, without a full stop */
	const struct evidence_view *evidence_facts; /* of each sentence; NULL: not known */
	size_t evidence_count;
	const char *advice; /* one sentence for the code's owner: which call is missing */
	const char *now;    /* one sentence for who is on call; NULL there is nothing to say */
	/* the finding of the same process that this one is another aspect of, as of a connection
	 * its open transaction; NULL it stands for itself */
	const struct finding_view *part_of;
	bool known;	      /* the baseline has it (baseline.h) */
	char fingerprint[17]; /* the same for the same leak in another report; see fingerprint.h */
	size_t order; /* the order in which the judge found it: decides between equal ones */
	const char *exhausts_limit; /* "open files 1024"; NULL no estimate */
	double exhausts_seconds;
	double exhausts_earliest, exhausts_latest; /* 19 times of 20; 0: not known */
	uint64_t exhausts_realtime_ns;		   /* when; 0: not known */
	struct memory_cost memory;
	struct waiters_view waiters;
	struct holder_view holder;
	/* where the holder is not known: the lines where other threads sleep, most threads first */
	const struct threads_view *threads;
	size_t thread_lines;
};

/* Memory taken at one place and still held. */
struct memory_site_view {
	enum ev_tier tier;
	const struct frame_view *site; /* NULL not known */
	const char *object; /* who took it: "malloc", "libpq"; NULL pages of the process */
	uint64_t held, error, taken_bytes; /* bytes; held UNKNOWN64 not known */
	uint64_t taken, freed;		   /* blocks; UNKNOWN64 */
	uint32_t flags;			   /* enum ev_memory_flag */
};

/* Anonymous memory of a process, with what is swapped out of it, in bytes; UNKNOWN64: not known. */
struct memory_view {
	enum ev_tier tier;
	uint64_t start, end, peak;
	uint64_t swapped;
	uint64_t limit, limit_used;
	enum ev_limit limit_kind;
	const char *limit_of;		/* "docker web1"; NULL there is none */
	struct memory_site_view *sites; /* the largest, the largest first */
	size_t site_count;
};

struct endpoint_view {
	enum ev_database database;
	const char *address; /* "127.0.0.1:5432", "[::1]:5432", "/run/x/.s.PGSQL.5432" */
	const char *name;    /* of the database; NULL not known */
	const char *user;    /* NULL not known */
	bool guessed;	     /* named by one sign only (its port) */
	struct {
		uint64_t open, peak, opened, closed, pre_existing, idle, in_transaction, close_wait;
		uint64_t at_exit; /* of those closed: by the end of the process */
	} connections;
	struct durations created; /* of those opened one by one: how long it took, if known */
	struct {
		uint64_t open, prepared, closed;
	} statements;
	struct {
		uint64_t begun, committed, rolled_back, open, abandoned;
	} transactions;
	double oldest_idle_seconds;  /* the longest idle open connection; < 0 not known */
	struct waiters_view waiters; /* who waits for one of its connections */
	const char *
		saturated; /* a full pool: "held" by idle connections, "busy"; NULL: none is seen */
};

/* The notes of a rule, in its order: a fact that it saw; what it proved and by what; what it
 * did not prove and why; a finding that it added. */
enum explained { EXPLAINED_SAW, EXPLAINED_PROVEN, EXPLAINED_NOT, EXPLAINED_FOUND };

struct explained_line {
	enum explained what;
	const char *text; /* without a full stop */
};

struct explained_rule {
	const char *title, *question;
	const char *function;		      /* in the source of dbleak */
	const struct endpoint_view *endpoint; /* NULL: the process as a whole */
	struct explained_line *lines;
	size_t line_count;
};

/* The reasons of the rules for their judgement of a process. */
struct explanation {
	const char *not_judged; /* why no rule was asked; NULL: all were */
	struct explained_rule *rules;
	size_t rule_count;
};

/* The garbage collections of a process while they were counted. */
struct collections_view {
	bool known;	     /* false: they were not counted */
	bool hidden;	     /* dbleak looked, and nothing tells of them */
	bool stopped;	     /* counted at first only: they came too often */
	const char *runtime; /* "CPython", "HotSpot" */
	uint64_t full, partial;
	double seconds;		  /* counted for so long */
	double last_full_seconds; /* since the last full one began; < 0: none did */
};

struct process_view {
	uint32_t pid;
	uint32_t number; /* of the process in the model, from 1 */
	const char *comm;
	const char *cmdline;
	bool exited;
	enum ev_role role;
	const char *runtime;	    /* NULL on the host */
	const char *exe, *unit;	    /* NULL not known, or no systemd unit */
	uint32_t parent_pid;	    /* 0 not known */
	uint32_t uid;		    /* UNKNOWN32 */
	uint64_t start_realtime_ns; /* 0 not known */
	const char *container_id;
	const char *container_name;
	const char *pod, *pod_namespace; /* of Kubernetes; NULL: none, or not known */
	const char *image;		 /* of the container; NULL not known */
	enum verdict verdict;
	const char *verdict_reason; /* for bounded and unknown: why, one clause; NULL */
	struct endpoint_view *endpoints;
	size_t endpoint_count;
	uint64_t rss_start, rss_end, rss_peak; /* UNKNOWN64 */
	struct memory_view memory;
	struct collections_view collections;
	struct finding_view *findings; /* worst first */
	size_t finding_count;
	struct explanation *explanation; /* NULL: nobody asked for it */
};

struct gap_view {
	uint32_t pid; /* 0: the whole host */
	const char *comm;
	const char *subject; /* first words of the reason; NULL: a process's, or the host's */
	const char *reason;
	bool withdrawn; /* died at a probe, so all probes were taken out: listed first */
};

/* A client library that had probes. */
struct library_view {
	const char *path;
	const char *build_id;	/* NULL not known */
	uint64_t probes, cheap; /* cheap: those whose instruction the kernel emulates */
	uint64_t hits;
	double attach_seconds; /* from when its mapping was seen; < 0: never attached */
	bool detached;	       /* to keep the budget */
};

/* What is known already, of a former report. */
struct baseline_view {
	bool given;
	size_t known, fresh;	 /* findings that stand for themselves */
	const char *const *gone; /* fingerprints of it that no finding has */
	size_t gone_count;
};

struct report_view {
	enum ev_mode mode;
	uint64_t start_realtime_ns;
	double seconds;
	const char *kernel;
	const char *arch;
	const char *host_name, *version; /* of dbleak; NULL not known */
	const char *selection; /* as options name it; "": the whole host; NULL not known */
	double budget_percent; /* --max-overhead; < 0 not known */
	bool cut;	       /* the recording has no clean end */
	int exit_status;       /* of dbleak; the judge sets it as without options */
	struct baseline_view baseline;
	struct process_view *processes; /* worst verdict first, then by pid */
	size_t process_count;
	struct library_view *libraries; /* in the order they were met */
	size_t library_count;
	struct gap_view *gaps;
	size_t gap_count;
	uint64_t losses[EV_LOSS_KINDS];
	double cpu_percent; /* of one CPU; < 0 not known */
	uint64_t events;
	uint64_t rss_bytes;
	uint64_t kernel_bytes; /* UNKNOWN64 */
	bool stepped_down;
	uint64_t forgotten_processes, forgotten_connections; /* ended long ago: dropped */
};

const char *verdict_name(enum verdict v); /* the names of the JSON contract */
const char *confidence_name(enum confidence c);
const char *kind_name(enum kind k);
const char *cause_name(enum cause c);
const char *resource_name(enum resource r);
const char *database_name(enum ev_database d);
const char *language_name(enum ev_language l);
const char *tier_name(enum ev_tier t);
const char *limit_name(enum ev_limit l);

/* 1: a process is leaking or stuck; 0: none is. */
int view_exit_status(const struct report_view *v);

/* Number of the objects that are open and not accused: too new, or too busy to tell. UNKNOWN64: not
 * known. */
uint64_t finding_not_judged(const struct finding_view *f);

/* Frees a view and all it owns.  Accepts NULL. */
void view_close(struct report_view *v);

#endif
