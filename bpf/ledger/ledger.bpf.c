/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * ledger.bpf.c - owns the ledger's maps and everything that changes an entry's life.
 */
#include <asm-generic/errno-base.h>

#include "bpf/ledger/ledger.bpf.h"
#include "bpf/ledger/plaintext.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/verifier.bpf.h"

struct marks_map marks SEC(".maps");
struct connections_map connections SEC(".maps");
struct statements_map statements SEC(".maps");
struct processes_map processes SEC(".maps");
struct tls_states_map tls_states SEC(".maps");

__s64 births_allowed = 256;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ev_result);
} result_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ledger_statement);
} statement_scratch SEC(".maps");

/* In a map, because callers leave little of the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct process);
} process_scratch SEC(".maps");

static __always_inline void process_enter(__u32 pid, __u64 start_ns, __u32 server)
{
	struct process *p = bpf_map_lookup_elem(&processes, &pid), *fresh;
	__u32 zero = 0;

	if (p && p->start_ns == start_ns) {
		if (server)
			p->server = 1;
		return;
	}
	fresh = bpf_map_lookup_elem(&process_scratch, &zero); /* no other field of it is ever set */
	if (!fresh)
		return;
	fresh->start_ns = start_ns;
	fresh->server = server;
	fresh->short_lived.pid = pid;
	if (bpf_map_update_elem(&processes, &pid, fresh, BPF_ANY))
		count(COUNTER_LOSS + EV_LOSS_MAP_FULL);
}

__noinline int ledger_process(__u32 pid, __u64 start_ns, __u32 server)
{
	process_enter(pid, start_ns, server);
	return 0;
}

__noinline int ledger_client(__u32 pid, __u64 start_ns)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct process *p;

	ledger_process(pid, start_ns, 0);
	p = bpf_map_lookup_elem(&processes, &pid);
	if (!p)
		return 0;
	p->client = 1;
	BPF_CORE_READ_INTO(&p->comm, task, group_leader, comm);
	return 0;
}

/* Must the first connection of a process be reported, whatever the limit on births?  Yes for a
 * process older than a second: user space knows the process by nothing else. */
static __always_inline int is_due(const struct tracked_connection *c)
{
	__u32 pid = c->ev.pid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	return p && !p->reported && c->now - c->ev.start_ns > 1000000000ULL;
}

__noinline int ledger_tell(struct tracked_connection *c)
{
	if (!c || c->reported || (births_allowed <= 0 && !is_due(c)))
		return 0;
	__sync_fetch_and_add(&births_allowed, -1);
	ledger_reported(c);
	c->ev.head.ns = c->now;
	emit_of(c->ev.pid, &c->ev, sizeof(c->ev));
	c->identity_reported = c->identity_version;
	c->identity.head.ns = c->now;
	emit_of(c->ev.pid, &c->identity, sizeof(c->identity));
	return 0;
}

static __always_inline void fold(struct tracked_connection *c)
{
	__u32 pid = c->ev.pid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	if (!p || p->start_ns != c->ev.start_ns)
		return;
	p->short_lived.database = c->ev.database;
	__sync_fetch_and_add(&p->short_lived.opened, 1);
	__sync_fetch_and_add(&p->short_lived.requests, c->ev.requests);
	__sync_fetch_and_add(&p->short_lived.begun, c->ev.begun);
	__sync_fetch_and_add(&p->short_lived.committed, c->ev.committed);
	__sync_fetch_and_add(&p->short_lived.rolled_back, c->ev.rolled_back);
	__sync_fetch_and_add(&p->short_lived.abandoned, c->ev.abandoned);
	__sync_fetch_and_add(&p->short_lived.prepared, c->ev.prepared);
	__sync_fetch_and_add(&p->short_lived.unprepared, c->ev.unprepared);
}

/* Reports the connection again, and its identity if it changed: the plaintext of a login may be
 * read only after the first report. */
static __always_inline void tell_again(struct tracked_connection *c)
{
	if (c->identity_reported != c->identity_version) {
		c->identity_reported = c->identity_version;
		c->identity.head.ns = c->now;
		emit_of(c->ev.pid, &c->identity, sizeof(c->identity));
	}
	c->ev.head.ns = c->now;
	emit_of(c->ev.pid, &c->ev, sizeof(c->ev));
}

__noinline int ledger_hung_up(struct tracked_connection *c)
{
	if (!c || (c->ev.flags & EV_CONN_CLOSED))
		return 0;
	if (c->ev.flags & EV_CONN_TLS)
		tls_state_merge(c);
	ledger_tell(c);
	if (c->reported)
		tell_again(c);
	return 0;
}

__noinline int ledger_close(struct tracked_connection *c, __u32 exiting)
{
	if (!c || (c->ev.flags & EV_CONN_CLOSED))
		return 0;
	if (c->ev.flags & EV_CONN_TLS) {
		tls_state_merge(c);
		tls_state_end(c);
	}
	ledger_tell(c); /* while births are allowed */
	c->ev.flags |= EV_CONN_CLOSED;
	if (exiting)
		c->ev.flags |= EV_CONN_EXIT;
	if (c->ev.status >= EV_STATUS_TRANSACTION)
		c->ev.abandoned++;
	if (c->reported) {
		/* The last SQL is evidence only if a transaction stayed open. */
		if (c->ev.status >= EV_STATUS_TRANSACTION && c->sql_reported_ns != c->sql.sent_ns) {
			c->sql.head.ns = c->now;
			emit_of(c->ev.pid, &c->sql, sizeof(c->sql));
		}
		tell_again(c);
	} else {
		c->reported = 1;
		fold(c);
	}
	return 0;
}

/* Hashes the text of a statement.  Equal texts have equal hashes in this run, and in no other.  The
 * slot ends with zeros. */
static __always_inline __u64 text_hash(const struct tracked_connection *c)
{
	__u64 hash = settings.hash_seed, word;
	__u32 i, at = c->body;

	for (i = 0; i < EV_SQL_LEN / 8; i++, at += 8) {
		if (at >= c->sql.length)
			break;
		OPAQUE(at);
		if (at > EV_SQL_LEN - 8)
			break;
		__builtin_memcpy(&word, c->sql.text + at, 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return hash;
}

/* Returns the process whose share a statement fills: the opener of its connection.  If that has
 * ended and another process holds the connection, then the one that prepares the statement.
 * Inlined: no call frame is left here. */
static __always_inline struct process *statement_owner(const struct tracked_connection *c,
						       __u32 *pid)
{
	struct process *p;

	*pid = c->ev.pid;
	p = process_of(*pid);
	if (p && !p->gone && p->start_ns == c->ev.start_ns)
		return p;
	*pid = bpf_get_current_pid_tgid() >> 32;
	process_enter(*pid, task_start(bpf_get_current_task_btf()), 0);
	return process_of(*pid);
}

static __always_inline void statement_remove(const struct statement_key *key, __u32 pid,
					     __u64 born_ns)
{
	if (!bpf_map_delete_elem(&statements, key))
		share_give(pid, born_ns, EV_TABLE_STATEMENTS);
}

/* Enters a statement.  -EEXIST: its name is in use.  Other errors: no room, which is counted. */
static __always_inline long statement_put(const struct tracked_connection *c,
					  const struct statement_key *key,
					  struct ledger_statement *s)
{
	const struct ledger_statement *old = bpf_map_lookup_elem(&statements, key);
	struct process *p;
	long err;

	if (old && !(c->dropped_ns && old->born_ns < c->dropped_ns))
		return -EEXIST;
	if (old) /* closed together with all others; user space would remove it later */
		statement_remove(key, old->pid, old->born_ns);
	p = statement_owner(c, &s->pid);
	err = share_take(p, EV_TABLE_STATEMENTS);
	if (err)
		return err;
	err = bpf_map_update_elem(&statements, key, s, BPF_NOEXIST);
	if (err == -EEXIST)
		share_return(p, EV_TABLE_STATEMENTS);
	else if (err)
		share_crowded(p, EV_TABLE_STATEMENTS);
	return err;
}

__noinline int ledger_statement_open(struct tracked_connection *c, __u64 statement)
{
	struct statement_key key = {};
	struct ledger_statement *s;
	__u32 zero = 0;
	long err;

	s = bpf_map_lookup_elem(&statement_scratch, &zero);
	if (!c || !s)
		return -1;
	key.id = c->ev.id;
	key.statement = statement;
	s->born_ns = c->now;
	s->text_hash = text_hash(c);
	s->length = c->sql.length < EV_STATEMENT_SQL_LEN ? c->sql.length : EV_STATEMENT_SQL_LEN;
	s->cut = c->sql.cut || c->sql.length > EV_STATEMENT_SQL_LEN;
	s->reported = 0;
	s->prepared_at = c->preparing_at;
	__builtin_memcpy(s->text, c->sql.text, EV_STATEMENT_SQL_LEN);
	err = statement_put(c, &key, s);
	if (err == -EEXIST) /* the server refuses a name in use */
		return -1;
	if (err)
		c->unlisted++;
	c->ev.prepared++;
	c->prepared = statement;
	if (!c->preparing_at)
		c->asks |= ASK_PREPARED;
	return 0;
}

__noinline int ledger_statement_close(struct tracked_connection *c, __u64 statement)
{
	struct ev_statement_closed gone = {};
	struct statement_key key = {};
	struct ledger_statement *s;

	if (!c)
		return 0;
	key.id = c->ev.id;
	key.statement = statement;
	s = bpf_map_lookup_elem(&statements, &key);
	if (s && c->dropped_ns && s->born_ns < c->dropped_ns)
		return 0;
	if (!s) { /* no room for it, or opened before dbleak started, or unknown */
		if (!c->unlisted)
			return 0;
		c->unlisted--;
		c->ev.unprepared++;
		return 0;
	}
	c->ev.unprepared++;
	if (s->reported) {
		gone.head.ns = c->now;
		gone.head.kind = EV_STATEMENT_CLOSED;
		gone.head.size = sizeof(gone);
		gone.id = key.id;
		gone.statement = statement;
		emit_of(c->ev.pid, &gone, sizeof(gone));
	}
	statement_remove(&key, s->pid, s->born_ns);
	return 0;
}

__noinline int ledger_statements_drop(struct tracked_connection *c)
{
	struct ev_statement_closed gone = {};

	if (!c || c->ev.prepared == c->ev.unprepared)
		return 0;
	c->ev.unprepared = c->ev.prepared;
	c->unlisted = 0;
	c->dropped_ns = c->now;
	gone.head.ns = c->now;
	gone.head.kind = EV_STATEMENT_CLOSED;
	gone.head.size = sizeof(gone);
	gone.id = c->ev.id;
	emit_of(c->ev.pid, &gone, sizeof(gone));
	return 0;
}

__noinline __u64 ledger_resident(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__s64 pages = 0;

	if (!mm)
		return UNKNOWN64;
	if (bpf_core_field_exists(mm->rss_stat[0].count))
		pages = BPF_CORE_READ(mm, rss_stat[1].count);
	else
		pages = BPF_CORE_READ((struct mm_struct___old *)mm, rss_stat.count[1].counter);
	return pages > 0 ? (__u64)pages * PAGE_BYTES : 0;
}

__noinline int ledger_result(struct tracked_connection *c)
{
	struct ev_result *r;
	__u32 zero = 0;
	__u64 after;

	r = bpf_map_lookup_elem(&result_scratch, &zero);
	if (!c || !r)
		return 0;
	/* Report one reply a second for each connection, unless a reply is twice as large as the
	 * last. */
	if (c->result_reported_ns && c->now - c->result_reported_ns < 1000000000ULL &&
	    c->reply_bytes < 2 * c->result_reported_bytes)
		return 0;
	after = ledger_resident();
	c->asks |= ASK_RESULT;
	c->result_reported_ns = c->now;
	c->result_reported_bytes = c->reply_bytes;
	ledger_tell(c);
	r->head.ns = c->now;
	r->head.crc = 0;
	r->head.kind = EV_RESULT;
	r->head.size = sizeof(*r);
	r->id = c->ev.id;
	r->rows = c->reply_rows;
	r->bytes = c->reply_bytes;
	r->began_ns = c->reply_began_ns;
	r->grown_bytes = after > c->resident && c->resident ? after - c->resident : 0;
	r->rss_bytes = after;
	r->rows_exact = !c->rows_estimated && c->reply_rows != UNKNOWN64;
	r->length = c->sql.length;
	r->cut = c->sql.cut;
	r->cache_kib = 0;
	__builtin_memcpy(r->text, c->sql.text, EV_SQL_LEN);
	emit_of(c->ev.pid, r, sizeof(*r));
	return 0;
}
