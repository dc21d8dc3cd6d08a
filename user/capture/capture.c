/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * capture.c - drains, sweeps, looks up facts, and tells what changed.
 *
 * A sweep lists every connection; only what differs from the last time goes on as a record.  A
 * connection missing from two sweeps in a row is gone (one may miss it: the kernel's iterator
 * counts its way through a list that changes under it).
 */
#include "capture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../../bpf/pool.h"
#include "../../bpf/stack.h"
#include "../base/redact.h"
#include "../base/sql.h"
#include "../base/table.h"
#include "client.h"
#include "growth.h"
#include "heap.h"
#include "kernel.h"
#include "kernel_client.h"
#include "library_heap.h"
#include "peer.h"
#include "procfs.h"
#include "reader.h"

#define SECOND_NS 1000000000ULL
#define GRACE_NS  (SECOND_NS / 2)
#define FACTS_EVERY_NS (5 * SECOND_NS)
#define STATS_FOR_NS   (SECOND_NS / 5)
#define VEILED_NS      (3 * SECOND_NS)
#define LEARNED_PORTS  64
#define OWNERS_FEW     32 /* processes whose memory is looked at each time; of more, those that grow */
#define LONGEST_INTERVAL_MS 8000
#define LAST_READ_MS   1500 /* for stacks still being read when the window ends */

struct known { /* a connection told of */
	struct ev_connection last;
	uint64_t sweep; /* the last one that listed it */
	enum ev_status told_by_server; /* until its own bytes tell */
	bool replication;	       /* the server says so */
	bool orphan;
};

struct owner { /* a process told of */
	struct ev_process facts;
	struct ev_usage usage;
	uint32_t gaps; /* enum gap_kind told */
	bool tls_read; /* some of its encrypted connections could be read */
	uint64_t veiled_ns; /* since when one is known that could not be; 0 none */
	bool gone;
};

struct capture {
	struct capture_options options;
	struct kernel *kernel;
	struct clients *clients; /* NULL in a snapshot */
	struct readers *readers; /* NULL: no stacks are taken */
	struct heap *heap;	 /* NULL: the allocator's calls are not followed */
	struct library_heap *library_heap; /* NULL: nor are those of client libraries */
	struct growth *growth;	 /* NULL: memory is not looked at */
	const struct procfs *procfs;
	struct table connections, owners;
	struct peers peers;
	uint64_t sweep, next_sweep_ns, next_facts_ns, next_usage_ns, stats_until_ns, begun_ns;
	uint64_t usage_every_ns;
	uint64_t records;
	uint64_t run_ns, runs; /* sampled */
	struct ev_loss loss;
	uint16_t learned[LEARNED_PORTS];
	size_t learned_count;
	uint64_t cpu_ns, cpu_at_ns; /* our own, when last looked at */
	bool rescan, orphans, stepped_down, ending;
	bool stacks_come; /* more may be in the ring, and nobody is woken for them */
	int err; /* the first of the sink or of memory */
};

static uint64_t now_boot(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void head_init(struct ev_head *head, uint16_t kind, uint16_t size)
{
	head->ns = now_boot();
	head->crc = 0;
	head->kind = kind;
	head->size = size;
}

#define INIT(record, kind) head_init(&(record).head, kind, sizeof(record))

static void tell(struct capture *c, const struct ev_head *record)
{
	if (c->err)
		return;
	c->err = c->options.sink(c->options.context, record);
	c->records++;
}

/* Tells a record that ends with a text of that length. */
static void tell_cut(struct capture *c, struct ev_head *record, size_t offset, size_t length)
{
	record->size = (offset + length + 7) & ~7ULL;
	tell(c, record);
}

enum gap_kind { GAP_TLS = 1, GAP_COMPRESSED = 2, GAP_IO = 4, GAP_BYTES = 8 };

static const struct {
	enum gap_kind kind;
	uint32_t flag;
	const char *text;
} gap_texts[] = {
	{GAP_TLS, EV_CONN_TLS, "TLS, state unknown: its connections are counted, not read"},
	{GAP_COMPRESSED, EV_CONN_COMPRESSED,
	 "compressed, state unknown: its connections are counted, not read"},
	{GAP_IO, EV_CONN_HIDDEN_IO,
	 "io_uring or 32-bit: its connections are counted, its bytes pass unseen"},
	{GAP_BYTES, 0, "a database's port, but the bytes are of no protocol known here"},
};

/* Encrypted, and its library did not let us read it in the time that takes. */
static bool is_veiled(const struct capture *c, const struct owner *o)
{
	uint64_t since = o->veiled_ns, now = now_boot();

	if (!since || o->tls_read)
		return false;
	if (c->clients && clients_tls_since(c->clients) > since)
		since = clients_tls_since(c->clients);
	return !c->clients || c->ending || now - since > VEILED_NS;
}

static void tell_gaps(struct capture *c, struct owner *o, const struct ev_connection *ev)
{
	for (size_t i = 0; i < sizeof(gap_texts) / sizeof(gap_texts[0]); i++) {
		struct ev_gap gap = {};
		bool hit = gap_texts[i].flag ? ev->flags & gap_texts[i].flag
					     : ev->database == EV_DB_UNKNOWN;

		if (gap_texts[i].kind == GAP_TLS && !is_veiled(c, o))
			hit = false;
		if (!hit || o->gaps & gap_texts[i].kind)
			continue;
		o->gaps |= gap_texts[i].kind;
		INIT(gap, EV_GAP);
		gap.start_ns = o->facts.start_ns;
		gap.pid = o->facts.pid;
		snprintf(gap.text, sizeof(gap.text), "%s", gap_texts[i].text);
		tell(c, &gap.head);
	}
}

/* Asks /proc and the container run times who that is.  What is unknown stays as it was. */
static void look_up(struct capture *c, struct owner *o)
{
	const struct container *container = NULL;
	struct process_facts facts;
	struct ev_process *p = &o->facts;

	if (procfs_facts(c->procfs, p->pid, &facts) ||
	    !procfs_same_start(facts.start_ns, p->start_ns))
		return;
	p->nofile_limit = facts.nofile_limit;
	p->parent_pid = facts.parent_pid;
	memcpy(p->comm, facts.comm, sizeof(p->comm));
	memcpy(p->cmdline, facts.cmdline, sizeof(p->cmdline));
	redact(p->cmdline);
	p->role = kernel_is_server(c->kernel, p->pid) ? EV_ROLE_POOLER : EV_ROLE_CLIENT;
	procfs_libraries(c->procfs, p->pid, &p->libraries);
	if (containers_of_pid(c->options.containers, p->pid, &container) || !container)
		return;
	snprintf(p->runtime, sizeof(p->runtime), "%s", container->runtime);
	snprintf(p->container_id, sizeof(p->container_id), "%s", container->id);
	snprintf(p->container_name, sizeof(p->container_name), "%.*s",
		 (int)sizeof(p->container_name) - 1, container->name);
}

static struct owner *owner_of(struct capture *c, uint32_t pid, uint64_t start_ns, const char *comm)
{
	struct table_key key = {pid, start_ns};
	struct owner *o = table_get(&c->owners, key);

	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o || table_put(&c->owners, key, o)) {
		c->err = -ENOMEM;
		free(o);
		return NULL;
	}
	INIT(o->facts, EV_PROCESS);
	o->facts.start_ns = start_ns;
	o->facts.pid = pid;
	o->facts.nofile_limit = UNKNOWN64;
	if (comm)
		memcpy(o->facts.comm, comm, EV_COMM_LEN - 1);
	look_up(c, o);
	tell(c, &o->facts.head);
	if (c->readers)
		readers_process(c->readers, pid, start_ns);
	if (c->growth)
		growth_met(c->growth, pid, start_ns);
	return o;
}

static uint8_t library_sign(const struct owner *o, uint8_t database)
{
	uint32_t wanted = database == EV_DB_POSTGRESQL ? EV_LIBRARY_LIBPQ
			  : database == EV_DB_MYSQL    ? EV_LIBRARY_MYSQL
						       : 0;

	return o->facts.libraries & wanted ? EV_SIGN_LIBRARY : 0;
}

static void connection_gone(struct capture *c, uint64_t id)
{
	struct known *k = table_remove(&c->connections, (struct table_key){id, 0});

	if (k && k->last.prepared)
		kernel_statements_forget(c->kernel, id, UINT64_MAX);
	if (k && k->last.flags & EV_CONN_TLS)
		kernel_client_forget_veil(c->kernel, id);
	free(k);
}

static bool same_state(const struct ev_connection *a, const struct ev_connection *b)
{
	return !memcmp((const char *)a + sizeof(a->head), (const char *)b + sizeof(b->head),
		       sizeof(*a) - sizeof(a->head));
}

/* Silent since before we came: what its server says of it stands until its own bytes tell more. */
static void trust_server(const struct capture *c, const struct known *k, struct ev_connection *ev)
{
	if (k->replication)
		ev->flags |= EV_CONN_REPLICATION;
	if (!k->told_by_server || ev->status != EV_STATUS_UNKNOWN || ev->bytes_sent ||
	    ev->bytes_received)
		return;
	ev->status = k->told_by_server;
	if (!ev->used_ns)
		ev->used_ns = c->begun_ns; /* or earlier: nothing was sent since */
}

static void on_connection(struct capture *c, const struct ev_head *record)
{
	struct ev_connection ev = *(const struct ev_connection *)record;
	struct table_key key = {ev.id, 0};
	struct known *k = table_get(&c->connections, key);
	struct owner *o = owner_of(c, ev.pid, ev.start_ns, ev.comm);

	if (!o)
		return;
	ev.signs |= library_sign(o, ev.database);
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k || table_put(&c->connections, key, k)) {
			c->err = -ENOMEM;
			free(k);
			return;
		}
	}
	k->sweep = c->sweep;
	trust_server(c, k, &ev);
	o->tls_read |= !!(ev.flags & EV_CONN_DECRYPTED);
	if (ev.flags & EV_CONN_TLS && !(ev.flags & EV_CONN_DECRYPTED) && !o->veiled_ns)
		o->veiled_ns = now_boot();
	tell_gaps(c, o, &ev);
	if (ev.flags & EV_CONN_TLS && c->clients)
		clients_want_tls(c->clients, ev.pid, ev.start_ns);
	if (same_state(&k->last, &ev))
		return;
	k->last = ev;
	tell(c, &ev.head);
	if (ev.flags & EV_CONN_CLOSED)
		connection_gone(c, ev.id);
}

/* PostgreSQL's startup message: keys and values, each ended by a NUL. */
static void read_startup(struct ev_identity *id, const char *at, size_t length)
{
	const char *end = at + length;

	while (at < end && *at) {
		size_t key = strnlen(at, end - at);
		const char *value = at + key + 1;
		size_t n = value < end ? strnlen(value, end - value) : 0;
		char *to = !strcmp(at, "user")		      ? id->user
			   : !strcmp(at, "database")	      ? id->name
			   : !strcmp(at, "application_name") ? id->application
							      : NULL;

		if (value >= end || value + n >= end)
			return;
		if (to)
			snprintf(to, EV_NAME_LEN, "%s", value);
		at = value + n + 1;
	}
}

static void learn_port(struct capture *c, const struct raw_identity *raw)
{
	if (!raw->port || !raw->startup_length || c->learned_count == LEARNED_PORTS)
		return;
	for (size_t i = 0; i < c->learned_count; i++)
		if (c->learned[i] == raw->port)
			return;
	c->learned[c->learned_count++] = raw->port;
	kernel_learn_port(c->kernel, raw->port, raw->database);
	c->rescan = true;
}

/* A connection older than we are: its server may be here to ask. */
static void ask_server(struct capture *c, const struct raw_identity *raw, struct ev_identity *id)
{
	struct known *k = table_get(&c->connections, (struct table_key){raw->id, 0});
	struct peer_state state;
	struct ev_connection ev;

	if (!k || !(k->last.flags & EV_CONN_PRE_EXISTING) ||
	    peers_ask(&c->peers, c->procfs, raw, &state))
		return;
	memcpy(id->user, state.user, sizeof(id->user));
	memcpy(id->name, state.name, sizeof(id->name));
	k->told_by_server = state.status;
	k->replication = state.replication;
	ev = k->last;
	trust_server(c, k, &ev);
	if (same_state(&k->last, &ev))
		return;
	k->last = ev;
	tell(c, &ev.head);
}

static void on_identity(struct capture *c, const struct ev_head *record)
{
	const struct raw_identity *raw = (const void *)record; /* cut after the startup's bytes */
	struct ev_identity id = {};

	INIT(id, EV_IDENTITY);
	id.id = raw->id;
	memcpy(id.address, raw->address, sizeof(id.address));
	id.port = raw->port;
	id.local_port = raw->local_port;
	id.family = raw->family;
	memcpy(id.path, raw->path, sizeof(id.path));
	if (raw->database == EV_DB_POSTGRESQL) {
		read_startup(&id, raw->startup, raw->startup_length);
		/* The protocol's own default. */
		if (id.user[0] && !id.name[0])
			memcpy(id.name, id.user, sizeof(id.name));
	} else if (raw->startup_length) {
		memcpy(id.user, raw->startup, EV_NAME_LEN - 1);
		memcpy(id.name, raw->startup + EV_NAME_LEN, EV_NAME_LEN - 1);
	}
	if (!raw->startup_length)
		ask_server(c, raw, &id);
	learn_port(c, raw);
	tell(c, &id.head);
}

/* What may be kept of an SQL text: without its literals.  cut and length are updated. */
static void privatise(const struct capture *c, uint64_t id, char *text, size_t size,
		      uint32_t *length, uint32_t *cut)
{
	const struct known *k = table_get(&c->connections, (struct table_key){id, 0});
	enum ev_database database = k ? k->last.database : EV_DB_UNKNOWN;
	size_t n = *length < size ? *length : size, there = strnlen(text, n);
	char out[EV_SQL_LEN + 1];

	if (there < n)
		*cut = 0; /* the text ended by itself */
	n = sql_normalise(out, sizeof(out), text, there, database,
			  c->options.show_literals ? SQL_KEEP_LITERALS : 0);
	if (n > size)
		n = size;
	memset(text, 0, size);
	memcpy(text, out, n);
	*length = n;
}

static void on_sql(struct capture *c, const struct ev_head *record)
{
	struct ev_sql ev = *(const struct ev_sql *)record;

	privatise(c, ev.id, ev.text, sizeof(ev.text), &ev.length, &ev.cut);
	tell_cut(c, &ev.head, offsetof(struct ev_sql, text), ev.length);
}

/* PREPARE name AS text: the statement is the text, whatever its name. */
static void strip_prepare(struct ev_statement *ev)
{
	char text[EV_STATEMENT_SQL_LEN + 1];
	const char *as;
	size_t skip;

	memcpy(text, ev->text, ev->length);
	text[ev->length] = 0;
	as = strncasecmp(text, "prepare ", 8) ? NULL : strcasestr(text, " as ");
	if (!as)
		return;
	skip = as + 4 - text;
	memmove(ev->text, ev->text + skip, ev->length - skip);
	memset(ev->text + ev->length - skip, 0, skip);
	ev->length -= skip;
}

/* MySQL has the statement in a literal; with it gone, all would be one. */
static void open_literal(struct ev_statement *ev)
{
	size_t length = ev->length < sizeof(ev->text) ? ev->length : sizeof(ev->text), n;
	const char *text = sql_prepared(ev->text, strnlen(ev->text, length), &n);

	if (!text)
		return;
	memmove(ev->text, text, n);
	memset(ev->text + n, 0, sizeof(ev->text) - n);
	ev->length = n;
}

static void on_statement(struct capture *c, const struct ev_head *record)
{
	struct ev_statement ev = *(const struct ev_statement *)record;

	if (!table_get(&c->connections, (struct table_key){ev.id, 0})) {
		kernel_statements_forget(c->kernel, ev.id, UINT64_MAX);
		return;
	}
	open_literal(&ev);
	privatise(c, ev.id, ev.text, sizeof(ev.text), &ev.length, &ev.cut);
	strip_prepare(&ev);
	tell_cut(c, &ev.head, offsetof(struct ev_statement, text), ev.length);
}

static void on_result(struct capture *c, const struct ev_head *record)
{
	struct ev_result ev = *(const struct ev_result *)record;

	privatise(c, ev.id, ev.text, sizeof(ev.text), &ev.length, &ev.cut);
	tell_cut(c, &ev.head, offsetof(struct ev_result, text), ev.length);
}

static void on_statement_closed(struct capture *c, const struct ev_head *record)
{
	const struct ev_statement_closed *ev = (const void *)record;

	if (!ev->statement)
		kernel_statements_forget(c->kernel, ev->id, ev->head.ns);
	tell(c, record);
}

static void on_exit_record(struct capture *c, const struct ev_head *record)
{
	const struct ev_exit *ev = (const void *)record;
	struct owner *o = table_get(&c->owners, (struct table_key){ev->pid, ev->start_ns});
	struct table_slot *slot;
	size_t at = 0;

	if (o)
		o->gone = true;
	if (c->growth)
		growth_gone(c->growth, ev->pid, ev->start_ns);
	/* What it held at its end is told before its end. */
	if (c->clients)
		clients_exit(c->clients, now_boot());
	if (c->heap)
		heap_sweep(c->heap, now_boot(), false);
	while ((slot = table_next(&c->connections, &at))) {
		struct known *k = slot->value;

		if (k->last.pid != ev->pid || k->last.start_ns != ev->start_ns)
			continue;
		k->orphan = true;
		c->orphans = true;
	}
	tell(c, record);
}

static void on_alive(struct capture *c, uint64_t id)
{
	struct known *k = table_get(&c->connections, (struct table_key){id, 0});

	if (k)
		k->sweep = c->sweep;
}

static void on_record(void *context, const struct ev_head *record)
{
	struct capture *c = context;

	switch (record->kind) {
	case EV_CONNECTION:
		on_connection(c, record);
		break;
	case RAW_ALIVE:
		on_alive(c, record->ns);
		break;
	case RAW_IDENTITY:
		on_identity(c, record);
		break;
	case RAW_SERVER:
		if (peers_add(&c->peers, (const struct raw_server *)record))
			c->err = -ENOMEM;
		break;
	case EV_SQL:
		on_sql(c, record);
		break;
	case EV_STATEMENT:
		on_statement(c, record);
		break;
	case EV_STATEMENT_CLOSED:
		on_statement_closed(c, record);
		break;
	case EV_RESULT:
		on_result(c, record);
		break;
	case EV_EXIT:
		on_exit_record(c, record);
		break;
	case EV_HANDLE_CLOSED:
	case RAW_HANDLE:
	case RAW_RUN:
		clients_record(c->clients, record);
		break;
	case RAW_STACK:
		readers_stack(c->readers, record);
		c->stacks_come = true;
		break;
	case RAW_EVIDENCE:
		readers_evidence(c->readers, record);
		break;
	case RAW_GROWTH:
		growth_sample(c->growth, record);
		break;
	case RAW_POOL:
		growth_pool(c->growth, record);
		break;
	case RAW_POOL_SEEN:
		growth_pool_seen(c->growth, record);
		break;
	default:
		break;
	}
}

/* What a pass over all files tells, but for server ends, waits until its end: only then is known
 * which processes hold any. */
struct later {
	struct capture *capture;
	char *bytes;
	size_t used, size;
};

static void on_scanned(void *context, const struct ev_head *record)
{
	struct later *l = context;

	if (record->kind == RAW_SERVER) {
		on_record(l->capture, record);
		return;
	}
	if (l->size - l->used < record->size) {
		size_t size = l->size ? 2 * l->size : 1 << 16;
		char *bytes = realloc(l->bytes, size);

		if (!bytes) {
			l->capture->err = -ENOMEM;
			return;
		}
		l->bytes = bytes;
		l->size = size;
	}
	memcpy(l->bytes + l->used, record, record->size);
	l->used += record->size;
}

static int scan_connections(struct capture *c)
{
	struct later later = {.capture = c};
	int err = kernel_scan(c->kernel, SCAN_CONNECTIONS, on_scanned, &later);

	for (size_t at = 0; at < later.used;) {
		const struct ev_head *record = (const void *)(later.bytes + at);

		on_record(c, record);
		at += record->size;
	}
	free(later.bytes);
	return err;
}

static void tell_gone(struct capture *c)
{
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->connections, &at))) {
		struct known *k = slot->value;
		struct ev_gone gone = {};

		if (k->sweep + 2 > c->sweep)
			continue;
		INIT(gone, EV_GONE);
		gone.id = k->last.id;
		gone.last_seen_ns = k->last.head.ns;
		tell(c, &gone.head);
		connection_gone(c, gone.id);
		at--; /* the table closed the gap from behind */
	}
}

static void on_holder(void *context, const struct ev_head *record)
{
	const struct raw_holder *raw = (const void *)record;
	struct capture *c = context;
	struct ev_holder holder = {};
	struct known *k;

	if (record->kind != RAW_HOLDER)
		return;
	k = table_get(&c->connections, (struct table_key){raw->id, 0});
	if (!k || !k->orphan)
		return;
	k->orphan = false;
	if (!owner_of(c, raw->pid, raw->start_ns, NULL))
		return;
	INIT(holder, EV_HOLDER);
	holder.id = raw->id;
	holder.start_ns = raw->start_ns;
	holder.pid = raw->pid;
	tell(c, &holder.head);
}


static void on_process(void *context, uint32_t pid, const struct process *p)
{
	struct capture *c = context;
	struct ev_tally tally = p->brief;

	if (!p->brief.opened || !owner_of(c, pid, p->start_ns, NULL))
		return;
	INIT(tally, EV_TALLY);
	tally.pid = pid;
	tally.start_ns = p->start_ns;
	tell(c, &tally.head);
}

static void tell_losses(struct capture *c)
{
	uint64_t counters[COUNTERS];
	struct ev_loss loss = {};

	if (kernel_counters(c->kernel, counters))
		return;
	INIT(loss, EV_LOSS);
	for (int i = 0; i < EV_LOSS_KINDS; i++)
		loss.count[i] = counters[COUNTER_LOSS + i];
	loss.count[EV_LOSS_MISSED_RETURN] += kernel_missed(c->kernel);
	if (c->readers)
		loss.count[EV_LOSS_TRUNCATED] += readers_lost(c->readers);
	if (!memcmp(loss.count, c->loss.count, sizeof(loss.count)))
		return;
	c->loss = loss;
	tell(c, &loss.head);
}

static uint64_t own_rss(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static uint64_t own_cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SECOND_NS +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ULL;
}

/* Over budget since the last look: sweep half as often. */
static void keep_budget(struct capture *c, uint64_t now)
{
	uint64_t cpu = own_cpu();

	if (c->cpu_at_ns && c->options.interval_ms < LONGEST_INTERVAL_MS &&
	    100.0 * (cpu - c->cpu_ns) > c->options.max_overhead * (now - c->cpu_at_ns)) {
		c->options.interval_ms *= 2;
		c->stepped_down = true;
	}
	c->cpu_ns = cpu;
	c->cpu_at_ns = now;
}

static void tell_cost(struct capture *c)
{
	uint64_t counters[COUNTERS];
	struct ev_cost cost = {};

	if (kernel_counters(c->kernel, counters))
		return;
	INIT(cost, EV_COST);
	cost.cpu_ns = own_cpu() + (c->readers ? readers_cpu_ns(c->readers) : 0);
	cost.stepped_down = c->stepped_down || (c->clients && clients_stepped_down(c->clients));
	cost.stepped_down |= c->heap && heap_stepped_down(c->heap);
	cost.messages = counters[COUNTER_MESSAGES];
	cost.other_messages = counters[COUNTER_OTHER_MESSAGES];
	cost.events = counters[COUNTER_EVENTS];
	if (c->runs)
		cost.bpf_ns = (double)c->run_ns / c->runs *
			      (cost.messages + cost.other_messages);
	if (c->clients)
		cost.bpf_ns += clients_cost_ns(c->clients);
	if (c->heap)
		cost.bpf_ns += heap_cost_ns(c->heap);
	if (c->library_heap)
		cost.bpf_ns += library_heap_cost_ns(c->library_heap);
	if (c->growth)
		cost.bpf_ns += growth_cost_ns(c->growth, counters[COUNTER_FAULTS]) +
			       growth_pools_cost_ns(c->growth);
	cost.rss_bytes = own_rss();
	cost.kernel_bytes = kernel_bytes(c->kernel);
	tell(c, &cost.head);
}

static void tell_usage(struct capture *c, struct owner *o)
{
	struct ev_usage ev = {};
	struct process_usage usage;

	if (o->gone || procfs_usage(c->procfs, o->facts.pid, &usage) ||
	    !procfs_same_start(usage.start_ns, o->facts.start_ns))
		return;
	INIT(ev, EV_USAGE);
	ev.start_ns = o->facts.start_ns;
	ev.pid = o->facts.pid;
	ev.rss_bytes = usage.rss_bytes;
	ev.rss_peak_bytes = usage.rss_peak_bytes;
	ev.open_files = usage.open_files;
	if (c->growth)
		growth_usage(c->growth, ev.pid, ev.start_ns, &usage);
	if (ev.rss_bytes == o->usage.rss_bytes && ev.open_files == o->usage.open_files)
		return;
	o->usage = ev;
	tell(c, &ev.head);
}

/* A process may exec, become a server, or move into a container after we first met it. */
static void refresh_facts(struct capture *c, struct owner *o)
{
	struct ev_process before = o->facts;

	if (o->gone)
		return;
	look_up(c, o);
	if (!memcmp(&before, &o->facts, sizeof(before)))
		return;
	o->facts.head.ns = now_boot();
	tell(c, &o->facts.head);
}

static void tell_all_usage(struct capture *c)
{
	struct table_slot *slot;
	size_t at = 0;

	if (c->growth)
		growth_look(c->growth);
	while ((slot = table_next(&c->owners, &at)))
		tell_usage(c, slot->value);
}

/* Not less often where sweeps are: whether memory grows is told by many looks, and each is cheap. */
static void look_at_usage(struct capture *c, uint64_t now)
{
	bool few = c->owners.count <= OWNERS_FEW;
	struct table_slot *slot;
	size_t at = 0;

	c->next_usage_ns = now + c->usage_every_ns;
	if (c->growth)
		growth_look(c->growth);
	while ((slot = table_next(&c->owners, &at))) {
		struct owner *o = slot->value;

		if (few || (c->growth && growth_follows(c->growth, o->facts.pid, o->facts.start_ns)))
			tell_usage(c, o);
	}
}

/* Their connections have not changed, or are gone, since it might have been told. */
static void tell_late_gaps(struct capture *c)
{
	const struct ev_connection veiled = {.flags = EV_CONN_TLS, .database = EV_DB_POSTGRESQL};
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->owners, &at))) {
		struct owner *o = slot->value;

		if (o->veiled_ns)
			tell_gaps(c, o, &veiled);
	}
}

static void tell_facts(struct capture *c)
{
	struct table_slot *slot;
	size_t at = 0;

	tell_late_gaps(c);
	while ((slot = table_next(&c->owners, &at)))
		refresh_facts(c, slot->value);
	tell_all_usage(c);
}

/* The run time of our programs is sampled: counting it costs each run a little. */
static void sample_stats(struct capture *c, uint64_t now)
{
	if (c->stats_until_ns && now >= c->stats_until_ns) {
		kernel_run_time(c->kernel, &c->run_ns, &c->runs);
		kernel_stats(c->kernel, false);
		c->stats_until_ns = 0;
	}
}

static int sweep(struct capture *c)
{
	struct ev_tick tick = {};
	int err;

	c->sweep++;
	INIT(tick, EV_TICK);
	tell(c, &tick.head);
	if (c->rescan) {
		c->rescan = false;
		scan_connections(c);
	}
	err = kernel_sweep(c->kernel, on_record, c);
	if (err)
		return err;
	if (c->orphans) {
		c->orphans = false;
		kernel_scan(c->kernel, SCAN_HOLDERS, on_holder, c);
	}
	tell_gone(c);
	if (c->clients)
		err = clients_sweep(c->clients, now_boot());
	if (err)
		return err;
	if (c->heap)
		heap_sweep(c->heap, now_boot(), false);
	if (c->library_heap)
		library_heap_sweep(c->library_heap, now_boot(), false);
	kernel_processes(c->kernel, on_process, c);
	if (c->growth)
		growth_sweep(c->growth, false);
	tell_losses(c);
	return c->err;
}

static void follow_selection(struct capture *c)
{
	if (select_is_empty(c->options.select) || select_refresh(c->options.select) != 1)
		return;
	kernel_select(c->kernel, c->options.select);
	c->rescan = true;
}

static void tell_for_readers(void *context, struct ev_head *record)
{
	record->ns = now_boot();
	tell(context, record);
}

static int open_readers(struct capture *c)
{
	const struct readers_host host = {.context = c, .tell = tell_for_readers};

	return readers_open(&c->readers, c->kernel, &host);
}

static void tell_for_clients(void *context, const struct ev_head *record)
{
	tell(context, record);
}

static void site_for_clients(void *context, const struct ev_site *site, uint64_t stack,
			     bool is_caller)
{
	struct capture *c = context;

	if (c->readers)
		readers_site(c->readers, site, stack, is_caller);
}

static void evidence_for_clients(void *context, const struct ev_evidence *evidence)
{
	struct capture *c = context;

	if (c->readers)
		readers_evidence(c->readers, &evidence->head);
}

static bool owner_for_clients(void *context, uint32_t pid, uint64_t start_ns, const char *comm)
{
	return owner_of(context, pid, start_ns, comm) != NULL;
}

static bool wanted_for_clients(void *context, uint32_t pid, const char *comm)
{
	struct capture *c = context;

	return select_has(c->options.select, pid, comm);
}

static void file_for_clients(void *context, struct elf_file *elf, const struct library_file *file,
			     const char *library)
{
	struct capture *c = context;

	library_heap_file(c->library_heap, elf, file, library);
}

static int open_clients(struct capture *c)
{
	const struct client_host host = {.context = c,
					 .file = c->library_heap ? file_for_clients : NULL,
					 .tell = tell_for_clients,
					 .evidence = evidence_for_clients,
					 .site = site_for_clients,
					 .owner = owner_for_clients,
					 .wanted = wanted_for_clients,
					 .show_literals = c->options.show_literals,
					 .eager = c->options.mode == EV_MODE_RUN,
					 .at_entry = c->options.probe_at_entry,
					 .max_overhead = c->options.max_overhead};
	int err = clients_open(&c->clients, c->kernel, c->procfs, &host);

	if (!err && c->readers)
		readers_runtimes(c->readers, clients_runtimes(c->clients));
	return err;
}

static void tell_for_growth(void *context, struct ev_head *record)
{
	record->ns = now_boot();
	tell(context, record);
}

static void ask_for_growth(void *context, uint32_t pid)
{
	struct capture *c = context;
	struct table_slot *slot;
	size_t at = 0;

	while ((slot = table_next(&c->connections, &at))) {
		const struct ev_connection *ev = &((const struct known *)slot->value)->last;

		if (ev->user_pid == pid && ev->used_ns)
			growth_spoke(c->growth, pid, ev->user_tid, ev->id, ev->used_ns);
	}
}

static int open_growth(struct capture *c)
{
	bool look_only = c->options.mode == EV_MODE_SNAPSHOT;
	const struct growth_host host = {.context = c,
					 .tell = tell_for_growth,
					 .ask = ask_for_growth,
					 .kernel = look_only ? NULL : c->kernel,
					 .readers = c->readers,
					 .max_overhead = c->options.max_overhead,
					 .eager = c->options.mode == EV_MODE_RUN,
					 .procfs = c->procfs,
					 .cgroups = containers_cgroups(c->options.containers)};

	return growth_open(&c->growth, &host);
}

static bool owner_for_heap(void *context, uint32_t pid, uint64_t start_ns)
{
	return owner_of(context, pid, start_ns, NULL) != NULL;
}

static void met_for_heap(void *context, uint32_t pid, uint64_t start_ns)
{
	struct capture *c = context;

	if (c->readers)
		readers_process(c->readers, pid, start_ns);
}

static int stack_for_heap(void *context, uint64_t sample, uint64_t *stack)
{
	struct capture *c = context;

	*stack = 0;
	return c->readers ? readers_told(c->readers, sample, stack) : 0;
}

static void tier_for_heap(void *context, enum ev_tier tier)
{
	struct capture *c = context;

	if (c->growth)
		growth_tier(c->growth, tier);
	if (c->library_heap && c->clients && tier == EV_TIER_CLIENT)
		library_heap_start(c->library_heap, clients_hit_ns(c->clients), now_boot());
	else if (c->library_heap)
		library_heap_stop(c->library_heap, now_boot());
}

/* It waits for its turn where the allocator itself is followed. */
static int open_library_heap(struct capture *c)
{
	const struct library_heap_host host = {.balances = {.context = c,
							    .tell = tell_for_growth,
							    .owner = owner_for_heap,
							    .stack = stack_for_heap},
					       .max_overhead = c->options.max_overhead};

	return library_heap_open(&c->library_heap, c->kernel, &host);
}

static int open_heap(struct capture *c)
{
	const struct heap_host host = {.context = c,
				       .tell = tell_for_readers,
				       .owner = owner_for_heap,
				       .met = met_for_heap,
				       .stack = stack_for_heap,
				       .wanted = wanted_for_clients,
				       .tier = tier_for_heap,
				       .interval = c->options.heap_interval,
				       .command = c->options.command,
				       .at_entry = c->options.probe_at_entry,
				       .max_overhead = c->options.max_overhead};

	return heap_open(&c->heap, c->kernel, c->procfs, &host, now_boot());
}

static void tell_begin(struct capture *c)
{
	struct ev_begin begin = {};
	struct timespec t;
	struct utsname u;

	INIT(begin, EV_BEGIN);
	clock_gettime(CLOCK_REALTIME, &t);
	begin.magic = EV_MAGIC;
	begin.realtime_ns = t.tv_sec * SECOND_NS + t.tv_nsec;
	begin.min_age_ns = c->options.min_age_ns;
	begin.version = EV_VERSION;
	begin.mode = c->options.mode;
	uname(&u);
	snprintf(begin.kernel, sizeof(begin.kernel), "%.63s", u.release);
	snprintf(begin.arch, sizeof(begin.arch), "%.15s", u.machine);
	c->begun_ns = begin.head.ns;
	tell(c, &begin.head);
}

/* The children that selected processes have already; later ones the kernel half follows. */
static int follow_children(struct capture *c)
{
	struct table chosen = {};
	struct process_facts facts;
	uint32_t *pids = NULL;
	size_t count = 0;
	int err = 0;
	bool more;

	for (size_t i = 0; i < c->options.select->pid_count && !err; i++)
		err = table_put(&chosen, (struct table_key){c->options.select->pids[i].pid, 0}, c);
	if (!err && chosen.count)
		err = procfs_pids(c->procfs, &pids, &count);
	for (more = count > 0; more && !err;) {
		more = false;
		for (size_t i = 0; i < count && !err; i++) {
			struct table_key key = {pids[i], 0};

			if (table_get(&chosen, key) || procfs_facts(c->procfs, pids[i], &facts) ||
			    !table_get(&chosen, (struct table_key){facts.parent_pid, 0}))
				continue;
			more = true;
			err = table_put(&chosen, key, c);
			if (!err)
				err = kernel_select_pid(c->kernel, pids[i]);
		}
	}
	free(pids);
	table_free(&chosen);
	return err;
}

/* What is open already.  Two passes: who listens as a database server, then who talks to them. */
static int first_look(struct capture *c)
{
	int err = kernel_scan(c->kernel, SCAN_SERVERS, on_record, c);

	if (!err)
		err = scan_connections(c);
	/* Where no probe is attached the ledger holds nothing but what has just been told. */
	if (!err && c->options.mode != EV_MODE_SNAPSHOT)
		err = sweep(c);
	tell_losses(c);
	tell_all_usage(c); /* who they are was looked up as each was met */
	return err ? err : c->err;
}

static bool follows_heap(const struct capture_options *o)
{
	return o->tier == EV_TIER_FULL && o->mode != EV_MODE_SNAPSHOT;
}

int capture_open(struct capture **out, const struct capture_options *options)
{
	struct kernel_options kernel = {
		.look_only = options->mode == EV_MODE_SNAPSHOT,
		.tell_all = options->mode == EV_MODE_RUN,
		.take_stacks = options->take_stacks,
		.heap_interval = follows_heap(options) ? options->heap_interval : 0,
		.grace_ns = options->mode == EV_MODE_RUN ? 0 : GRACE_NS,
		.select = options->select,
	};
	struct capture *c = calloc(1, sizeof(*c));
	int err;

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->options = *options;
	c->procfs = containers_procfs(options->containers);
	err = kernel_open(&c->kernel, &kernel);
	if (!err) {
		tell_begin(c);
		err = c->err;
	}
	if (!err && options->mode != EV_MODE_SNAPSHOT && options->take_stacks)
		err = open_readers(c);
	if (!err && options->tier != EV_TIER_OFF)
		err = open_growth(c);
	if (!err && options->mode != EV_MODE_SNAPSHOT)
		err = kernel_attach(c->kernel);
	if (!err && options->mode != EV_MODE_SNAPSHOT &&
	    !kernel_stats(c->kernel, true))
		c->stats_until_ns = now_boot() + SECOND_NS;
	if (!err)
		err = follow_children(c);
	if (!err && options->mode != EV_MODE_SNAPSHOT && options->tier >= EV_TIER_CLIENT)
		err = open_library_heap(c);
	if (!err && options->mode != EV_MODE_SNAPSHOT && options->probe_libraries)
		err = open_clients(c);
	if (!err && options->tier == EV_TIER_CLIENT)
		tier_for_heap(c, EV_TIER_CLIENT);
	if (!err && follows_heap(options))
		err = open_heap(c);
	if (!err)
		err = first_look(c);
	if (err) {
		capture_close(c);
		return err;
	}
	c->usage_every_ns = options->interval_ms * 1000000ULL;
	c->next_sweep_ns = now_boot() + c->usage_every_ns;
	c->next_facts_ns = now_boot() + FACTS_EVERY_NS;
	*out = c;
	return 0;
}

static int periodic(struct capture *c, uint64_t now)
{
	sample_stats(c, now);
	if (now >= c->next_usage_ns) {
		look_at_usage(c, now);
		if (c->growth && now < c->next_sweep_ns)
			growth_sweep(c->growth, false);
	}
	if (now < c->next_sweep_ns)
		return 0;
	c->next_sweep_ns = now + c->options.interval_ms * 1000000ULL;
	follow_selection(c);
	if (now >= c->next_facts_ns) {
		c->next_facts_ns = now + FACTS_EVERY_NS;
		tell_facts(c);
		tell_cost(c);
		if (c->clients)
			clients_tell_libraries(c->clients);
		keep_budget(c, now);
		if (!kernel_stats(c->kernel, true))
			c->stats_until_ns = now + STATS_FOR_NS;
	}
	return sweep(c);
}

int capture_step(struct capture *c, int timeout_ms)
{
	uint64_t now = now_boot(), deadline = now + timeout_ms * 1000000ULL;
	struct pollfd fds[] = {{.fd = kernel_ring_fd(c->kernel), .events = POLLIN},
			       {.fd = c->clients ? clients_fd(c->clients) : -1, .events = POLLIN},
			       {.fd = c->readers ? readers_fd(c->readers) : -1, .events = POLLIN},
			       {.fd = c->heap ? heap_fd(c->heap) : -1, .events = POLLIN}};
	int err;

	if (deadline > c->next_sweep_ns)
		deadline = c->next_sweep_ns;
	if (c->library_heap && deadline > library_heap_next(c->library_heap))
		deadline = library_heap_next(c->library_heap);
	if (c->growth && deadline > growth_next(c->growth))
		deadline = growth_next(c->growth);
	if (c->stacks_come && deadline > now + STACK_WAKE_NS)
		deadline = now + STACK_WAKE_NS;
	c->stacks_come = false;
	poll(fds, 4, deadline > now ? (deadline - now) / 1000000 + 1 : 0);
	err = kernel_drain(c->kernel, 0, on_record, c);
	if (!err && c->clients)
		err = clients_step(c->clients, now_boot());
	if (!err && c->readers)
		err = readers_step(c->readers);
	if (!err && c->heap)
		err = heap_step(c->heap, now_boot());
	if (!err && c->library_heap)
		library_heap_step(c->library_heap, now_boot());
	if (!err && c->growth)
		growth_step(c->growth, now_boot());
	if (!err)
		err = periodic(c, now_boot());
	return err ? err : c->err;
}

int capture_finish(struct capture *c)
{
	struct ev_end end = {};

	kernel_drain(c->kernel, 0, on_record, c);
	if (c->stats_until_ns) {
		c->stats_until_ns = 1;
		sample_stats(c, 1);
	}
	if (c->options.mode != EV_MODE_SNAPSHOT) {
		sweep(c);
		sweep(c);
		kernel_drain(c->kernel, 0, on_record, c);
		c->ending = true;
		tell_facts(c);
		if (c->readers)
			readers_finish(c->readers, LAST_READ_MS);
		if (c->heap)
			heap_sweep(c->heap, now_boot(), true);
		if (c->library_heap)
			library_heap_sweep(c->library_heap, now_boot(), true);
		if (c->growth)
			growth_sweep(c->growth, true);
	}
	if (c->clients)
		clients_tell_libraries(c->clients);
	tell_cost(c);
	INIT(end, EV_END);
	end.records = c->records;
	tell(c, &end.head);
	return c->err;
}

void capture_close(struct capture *c)
{
	struct table_slot *slot;
	size_t at;

	if (!c)
		return;
	library_heap_close(c->library_heap);
	heap_close(c->heap);
	clients_close(c->clients);
	growth_close(c->growth);
	readers_close(c->readers);
	kernel_close(c->kernel);
	for (at = 0; (slot = table_next(&c->connections, &at));)
		free(slot->value);
	for (at = 0; (slot = table_next(&c->owners, &at));)
		free(slot->value);
	table_free(&c->connections);
	table_free(&c->owners);
	peers_free(&c->peers);
	free(c);
}

void capture_progress(const struct capture *c, struct capture_progress *p)
{
	p->connections = c->connections.count;
	p->processes = c->owners.count;
	p->lost = 0;
	for (int i = 0; i < EV_LOSS_KINDS; i++)
		p->lost += c->loss.count[i];
	p->door = kernel_door(c->kernel);
}
