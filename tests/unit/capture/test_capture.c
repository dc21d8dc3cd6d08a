/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The turn of a capture: what a step, a sweep and the end do, in which order, and what is told
 * once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/capture.h"
#include "user/capture/cost.h"
#include "user/capture/dsn/asker.h"
#include "user/capture/elf/look.h"
#include "user/capture/helpers.h"
#include "user/capture/host/container.h"
#include "user/capture/host/server.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/parts.h"
#include "user/capture/probe/probe.h"
#include "user/capture/sources.h"
#include "user/capture/watched/connection.h"
#include "user/capture/watched/owner.h"
#include "user/capture/watched/session.h"
#include "user/capture/watched/share.h"
#include "user/capture/watched/statement.h"
#include "user/capture/worker/fetcher.h"
#include "user/capture/worker/looking.h"

#define PID   77
#define START 5
#define MS    1000000ULL

const struct process_events sources_events;

/* What lies in the ring, or comes of a scan or a sweep. */
struct pile {
	const struct ev_head *records[8];
	size_t count;
};

static struct world {
	char calls[4096]; /* in their order, each followed by a blank */
	uint64_t now;
	struct pile ring, sweep, connections, servers;
	unsigned int kept; /* calls of kernel_drain that leave the ring as it is, by now */
	int drain_err, sweep_err, open_err, sources_err, step_err, scan_err, sink_err, peers_err;
	bool overdue, behind, probe_there, coming, alive[2], select_empty, refresh;
	unsigned int asked_alive;
	struct clocks clocks;
	bool slept, set;
	enum server_proof proof;
	uint32_t silent[3];
	uid_t lost[3];
	size_t silents, losts;
	uint64_t due;
	int timeout, stats_err;
	struct kernel_options kernel;
	uint16_t port;
	bool known_only;
	uint64_t path, finish_until;
	uint32_t told[64];
	size_t tolds;
	struct ev_gap gap;
	struct ev_withdrawn withdrawn;
	struct ev_begin begin;
	struct ev_host host;
	struct ev_end end;
} world;

static struct capture *capture;

static void called(const char *what)
{
	assert_true(strlen(world.calls) + strlen(what) + 2 < sizeof(world.calls));
	strcat(world.calls, what);
	strcat(world.calls, " ");
}

/* Whether both were called, the first one before the other. */
static bool is_before(const char *first, const char *other)
{
	const char *a = strstr(world.calls, first), *b = strstr(world.calls, other);

	return a && b && a < b;
}

static unsigned int times(const char *what)
{
	unsigned int n = 0;

	for (const char *at = world.calls; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static unsigned int told(uint16_t kind)
{
	unsigned int n = 0;

	for (size_t i = 0; i < world.tolds; i++)
		n += world.told[i] == kind;
	return n;
}

static int hear(void *context, const struct ev_head *record)
{
	(void)context;
	assert_true(world.tolds < 64);
	world.told[world.tolds++] = record->kind;
	switch (record->kind) {
	case EV_TICK:
		called("tick");
		break;
	case EV_GAP:
		world.gap = *(const struct ev_gap *)record;
		break;
	case EV_WITHDRAWN:
		world.withdrawn = *(const struct ev_withdrawn *)record;
		break;
	case EV_BEGIN:
		world.begin = *(const struct ev_begin *)record;
		break;
	case EV_HOST:
		world.host = *(const struct ev_host *)record;
		break;
	case EV_END:
		world.end = *(const struct ev_end *)record;
		break;
	default:
		break;
	}
	return world.sink_err;
}

/* --- the way to the sink ---------------------------------------------------------------------- */

uint64_t capture_now(void)
{
	return world.now;
}

void capture_head(struct ev_head *head, uint16_t kind, uint16_t size)
{
	*head = (struct ev_head){.ns = world.now, .kind = kind, .size = size};
}

void capture_tell(struct capture *c, const struct ev_head *record)
{
	if (c->err)
		return;
	c->err = c->options.sink(c->options.context, record);
	c->records++;
}

/* --- the kernel ------------------------------------------------------------------------------- */

static void hand_over(struct pile *pile, kernel_record_fn fn, void *context)
{
	struct pile now = *pile;

	pile->count = 0;
	for (size_t i = 0; i < now.count; i++)
		fn(context, now.records[i]);
}

int kernel_open(struct kernel **out, const struct kernel_options *options)
{
	called("kernel_open");
	world.kernel = *options;
	*out = world.open_err ? NULL : (struct kernel *)1;
	return world.open_err;
}

void kernel_close(struct kernel *k)
{
	(void)k;
	called("kernel_close");
}

const char *kernel_door(const struct kernel *k)
{
	(void)k;
	return "fexit";
}

int kernel_select(struct kernel *k, const struct select *select)
{
	(void)k, (void)select;
	called("kernel_select");
	return 0;
}

int kernel_drain(struct kernel *k, int timeout_ms, kernel_record_fn fn, void *context)
{
	(void)k;
	assert_int_equal(timeout_ms, 0);
	called("drain");
	if (world.kept) {
		world.kept--;
		return world.drain_err;
	}
	hand_over(&world.ring, fn, context);
	return world.drain_err;
}

bool kernel_is_behind(const struct kernel *k)
{
	(void)k;
	return world.behind;
}

int kernel_ring_fd(const struct kernel *k)
{
	(void)k;
	return 41;
}

int kernel_scan(struct kernel *k, uint32_t mode, kernel_record_fn fn, void *context)
{
	(void)k;
	called(mode == SCAN_CONNECTIONS ? "scan_connections"
	       : mode == SCAN_SERVERS	? "scan_servers"
					: "scan_holders");
	if (mode == SCAN_CONNECTIONS)
		hand_over(&world.connections, fn, context);
	if (mode == SCAN_SERVERS)
		hand_over(&world.servers, fn, context);
	return world.scan_err;
}

int kernel_sweep(struct kernel *k, kernel_record_fn fn, void *context)
{
	(void)k;
	called("kernel_sweep");
	hand_over(&world.sweep, fn, context);
	return world.sweep_err;
}

int kernel_serve_port(struct kernel *k, uint16_t port, uint8_t database, bool known_only)
{
	(void)k;
	assert_int_equal(database, EV_DB_POSTGRESQL);
	world.port = port;
	world.known_only = known_only;
	return 0;
}

int kernel_serve_path(struct kernel *k, uint64_t hash, uint8_t database, bool named)
{
	(void)k, (void)named;
	assert_int_equal(database, EV_DB_POSTGRESQL);
	world.path = hash;
	return 0;
}

uint8_t kernel_server_named(const char *name)
{
	(void)name;
	return EV_DB_UNKNOWN;
}

int kernel_processes(struct kernel *k, void (*fn)(void *, uint32_t, const struct process *),
		     void *context)
{
	static const struct process nobody;

	(void)k;
	called("processes");
	fn(context, PID, &nobody);
	return 0;
}

int kernel_stats(struct kernel *k, bool on)
{
	(void)k;
	assert_true(on);
	return world.stats_err;
}

void births_close(struct births *b)
{
	(void)b;
	called("births_close");
}

/* --- sources ---------------------------------------------------------------------------------- */

int sources_open(struct capture *c)
{
	(void)c;
	called("sources_open");
	return world.sources_err;
}

void sources_begin(struct capture *c)
{
	(void)c;
	called("sources_begin");
}

void sources_close(struct capture *c)
{
	(void)c;
	called("sources_close");
}

void sources_wait(const struct capture *c, struct pollfd fds[SOURCE_FDS])
{
	(void)c;
	for (int i = 0; i < SOURCE_FDS; i++)
		fds[i].fd = 50 + i;
}

uint64_t sources_due(const struct capture *c, uint64_t now)
{
	(void)c, (void)now;
	return world.due;
}

int sources_step(struct capture *c)
{
	(void)c;
	called("sources_step");
	return world.step_err;
}

int sources_sweep(struct capture *c)
{
	(void)c;
	called("sources_sweep");
	return 0;
}

void sources_look(struct capture *c)
{
	(void)c;
	called("sources_look");
}

void sources_finish(struct capture *c, uint64_t until_ns)
{
	assert_true(c->ending);
	world.finish_until = until_ns;
	called("sources_finish");
}

bool sources_record(struct capture *c, const struct ev_head *record)
{
	(void)c, (void)record;
	called("sources_record");
	return true;
}

void sources_gone(struct capture *c, uint32_t pid, uint64_t start_ns)
{
	(void)c;
	assert_int_equal(pid, PID);
	assert_int_equal(start_ns, START);
	assert_int_equal(told(EV_EXIT), 0); /* what it held comes before its end */
	called("sources_gone");
}

bool sources_have_probe(const struct capture *c, uint64_t inode, uint64_t offset)
{
	(void)c;
	return world.probe_there && inode == 10 && offset == 20;
}

void sources_account(struct capture *c)
{
	(void)c;
	called("account");
}

bool parts_follow_heap(const struct capture_options *o)
{
	return o->tier == EV_TIER_FULL;
}

/* --- what is watched -------------------------------------------------------------------------- */

void connection_reported(struct capture *c, const struct ev_head *record)
{
	(void)c, (void)record;
	called("reported");
}

void connection_identity(struct capture *c, const struct ev_head *record)
{
	(void)c, (void)record;
	called("identity");
}

bool connection_alive(struct capture *c, uint64_t id)
{
	(void)c;
	assert_int_equal(id, 9);
	called("alive");
	return world.alive[world.asked_alive++ % 2];
}

void connection_held(void *context, const struct ev_head *record)
{
	(void)context, (void)record;
}

bool connections_overdue(const struct capture *c)
{
	(void)c;
	return world.overdue;
}

void connections_tell_gone(struct capture *c)
{
	(void)c;
	called("tell_gone");
}

void statement_sql(struct capture *c, const struct ev_head *record)
{
	(void)c, (void)record;
	called("sql");
}

void statement_prepared(struct capture *c, const struct ev_head *record)
{
	(void)c, (void)record;
	called("prepared");
}

void statement_result(struct capture *c, const struct ev_head *record)
{
	(void)c, (void)record;
	called("result");
}

void statement_closed(struct capture *c, const struct ev_head *record)
{
	(void)c, (void)record;
	called("statement_closed");
}

void owner_tally(void *context, uint32_t pid, const struct process *p)
{
	(void)context, (void)pid, (void)p;
	called("tally");
}

void owners_tell_usage(struct capture *c)
{
	(void)c;
	called("usage");
}

void owners_look(struct capture *c, uint64_t now)
{
	c->next_usage_ns = now + c->usage_every_ns;
	called("owners_look");
}

void owners_refresh(struct capture *c, uint64_t now)
{
	(void)c, (void)now;
	called("refresh");
}

void owners_tell_ends(struct capture *c)
{
	(void)c;
	called("ends");
}

void owners_tell_facts(struct capture *c)
{
	(void)c;
	called("facts");
}

void share_look(struct capture *c, uint32_t pid, const struct process *p)
{
	(void)c, (void)pid, (void)p;
	called("share");
}

void shares_tell(struct capture *c)
{
	(void)c;
}

void sessions_begin(struct capture *c)
{
	(void)c;
	called("sessions_begin");
}

void sessions_step(struct capture *c)
{
	(void)c;
}

void sessions_ask(struct capture *c)
{
	(void)c;
	called("sessions_ask");
}

void sessions_finish(struct capture *c, int wait_ms)
{
	(void)c, (void)wait_ms;
	called("sessions_finish");
}

bool sessions_are_coming(const struct capture *c)
{
	(void)c;
	return world.coming;
}

/* --- the rest of the house -------------------------------------------------------------------- */

void cost_tell_losses(struct capture *c)
{
	(void)c;
	called("losses");
}

void cost_tell(struct capture *c)
{
	(void)c;
	called("cost");
}

void cost_tell_full(struct capture *c)
{
	(void)c;
	called("full");
}

void cost_keep_budget(struct capture *c, uint64_t now)
{
	(void)c, (void)now;
	called("budget");
}

void cost_sample(struct capture *c, uint64_t now)
{
	if (c->stats_until_ns && now >= c->stats_until_ns)
		c->stats_until_ns = 0;
}

pid_t asker_pid(const struct asker *a)
{
	(void)a;
	return 1234;
}

uint32_t fetcher_silent(struct fetcher *f)
{
	(void)f;
	return world.silent[world.silents] ? world.silent[world.silents++] : 0;
}

bool containers_lost(struct containers *c, uid_t *owner)
{
	(void)c;
	*owner = world.lost[world.losts] ? world.lost[world.losts++] : 0;
	return *owner;
}

const struct procfs *containers_procfs(const struct containers *c)
{
	(void)c;
	return NULL;
}

void look_through(struct nursery *nursery)
{
	called(nursery ? "look_through" : "look_through_none");
}

void looking_over(void)
{
	called("looking_over");
}

int peers_add(struct peers *p, const struct raw_server *end)
{
	(void)p, (void)end;
	return world.peers_err;
}

void peers_free(struct peers *p)
{
	(void)p;
}

enum server_proof server_prove(const struct procfs *procfs, uint32_t pid, uint64_t start_ns,
			       uint8_t database, uint8_t (*database_named)(const char *name))
{
	(void)procfs, (void)pid, (void)start_ns, (void)database, (void)database_named;
	return world.proof;
}

void probes_withdraw(void)
{
	called("withdraw");
}

bool select_is_empty(const struct select *s)
{
	(void)s;
	return world.select_empty;
}

int select_refresh(struct select *s)
{
	(void)s;
	return world.refresh;
}

void select_describe(const struct select *s, char *text, size_t size)
{
	(void)s;
	strncpy(text, "comm=api", size);
}

struct clocks clocks_read(void)
{
	return world.clocks;
}

bool clocks_differ(const struct clocks *then, const struct clocks *now, enum clocks_event event)
{
	(void)then, (void)now;
	return event == CLOCKS_SLEPT ? world.slept : world.set;
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	assert_int_equal(n, 1 + SOURCE_FDS);
	assert_int_equal(fds[0].fd, 41);
	assert_int_equal(fds[SOURCE_FDS].fd, 50 + SOURCE_FDS - 1);
	world.timeout = timeout;
	called("poll");
	return 0;
}

/* --- a capture -------------------------------------------------------------------------------- */

static struct helpers helpers = {.nursery = (struct nursery *)2};

static struct capture_options options(void)
{
	return (struct capture_options){.mode = EV_MODE_WATCH,
					.interval_ms = 1000,
					.max_overhead = 2,
					.helpers = &helpers,
					.sink = hear};
}

static void forget_calls(void)
{
	world.calls[0] = '\0';
	world.tolds = 0;
}

static int begin(void **state)
{
	const struct capture_options o = options();

	(void)state;
	memset(&world, 0, sizeof(world));
	world.now = 100 * SECOND_NS;
	world.due = UINT64_MAX;
	world.select_empty = true;
	assert_int_equal(capture_open(&capture, &o), 0);
	return 0;
}

/* What is tracked and owned is freed with it. */
static int end(void **state)
{
	(void)state;
	capture_close(capture);
	capture = NULL;
	return 0;
}

static struct tracked *track(uint64_t id, uint32_t pid, uint64_t start_ns)
{
	struct tracked *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	k->last.pid = pid;
	k->last.start_ns = start_ns;
	assert_int_equal(table_put(&capture->connections, (struct table_key){id, 0}, k), 0);
	return k;
}

static void in_ring(const void *record)
{
	world.ring.records[world.ring.count++] = record;
}

static void sweep_now(void)
{
	forget_calls();
	world.now = capture->next_sweep_ns;
	assert_int_equal(capture_step(capture, 0), 0);
}

/* --- a beginning ------------------------------------------------------------------------------ */

static void a_watch_begins_with_who_it_is_and_what_is_open_already(void **state)
{
	(void)state;
	assert_int_equal(world.told[0], EV_BEGIN);
	assert_int_equal(world.told[1], EV_HOST);
	assert_int_equal(world.begin.magic, EV_MAGIC);
	assert_int_equal(world.begin.version, EV_VERSION);
	assert_int_equal(world.begin.mode, EV_MODE_WATCH);
	assert_int_equal(world.host.budget, 2000); /* thousandths of a percent */
	assert_string_equal(world.host.selection, "comm=api");
	assert_true(is_before("kernel_open", "sources_open"));
	assert_true(is_before("sources_open", "scan_servers")); /* nothing is missed in between */
	assert_true(is_before("scan_servers", "scan_connections"));
	assert_true(is_before("scan_connections", "kernel_sweep"));
	assert_true(is_before("kernel_sweep", "sessions_begin"));
	assert_true(world.kernel.grace_ns > 0);
	assert_false(world.kernel.tell_all || world.kernel.look_only || world.kernel.asker);
}

static void reopen(const struct capture_options *o)
{
	capture_close(capture);
	forget_calls();
	assert_int_equal(capture_open(&capture, o), 0);
}

static void a_snapshot_sweeps_nothing_and_starts_no_worker(void **state)
{
	struct capture_options o = options();

	(void)state;
	o.mode = EV_MODE_SNAPSHOT;
	o.max_overhead = 0;
	reopen(&o);
	assert_true(world.kernel.look_only);
	assert_null(strstr(world.calls, "kernel_sweep"));
	assert_null(strstr(world.calls, "look_through "));
	assert_int_equal(told(EV_TICK), 0);
	assert_int_equal(world.host.budget, UNKNOWN32);
	forget_calls();
	assert_int_equal(capture_finish(capture, 100), 0);
	assert_null(strstr(world.calls, "sessions_ask"));
	assert_null(strstr(world.calls, "sources_finish"));
	assert_int_equal(told(EV_END), 1);
}

static void a_run_is_told_of_every_birth_and_of_objects_of_any_age(void **state)
{
	struct capture_options o = options();

	(void)state;
	o.mode = EV_MODE_RUN;
	o.tier = EV_TIER_FULL;
	o.heap_interval = 4096;
	o.asker = (struct asker *)3;
	reopen(&o);
	assert_true(world.kernel.tell_all);
	assert_int_equal(world.kernel.grace_ns, 0);
	assert_int_equal(world.kernel.heap_interval, 4096);
	assert_int_equal(world.kernel.asker, 1234);
	o.tier = EV_TIER_GROWTH;
	reopen(&o);
	assert_int_equal(world.kernel.heap_interval, 0);
}

static void refused(int expected)
{
	const struct capture_options o = options();
	struct capture *c = (struct capture *)1;

	forget_calls();
	assert_int_equal(capture_open(&c, &o), expected);
	assert_null(c);
	assert_non_null(strstr(world.calls, "kernel_close"));
	assert_true(is_before("sources_close", "kernel_close"));
}

static void what_cannot_be_opened_is_closed_again(void **state)
{
	(void)state;
	world.open_err = -EPERM;
	refused(-EPERM);
	assert_int_equal(world.tolds, 0);
	assert_null(strstr(world.calls, "sources_open"));
	world.open_err = 0;
	world.sources_err = -ENOMEM;
	refused(-ENOMEM);
	assert_null(strstr(world.calls, "scan_servers"));
	world.sources_err = 0;
	world.scan_err = -ENOTSUP;
	refused(-ENOTSUP);
	assert_null(strstr(world.calls, "scan_connections")); /* servers come first */
	world.scan_err = 0;
	world.sink_err = -ENOSPC;
	refused(-ENOSPC);
	assert_null(strstr(world.calls, "sources_open"));
}

/* --- a sweep ---------------------------------------------------------------------------------- */

static void a_sweep_goes_from_connections_to_sources_to_losses(void **state)
{
	uint64_t sweeps = capture->sweep;

	(void)state;
	sweep_now();
	assert_int_equal(capture->sweep, sweeps + 1);
	assert_int_equal(capture->swept_ns, world.now);
	assert_true(is_before("refresh", "tick"));
	assert_true(is_before("tick", "kernel_sweep"));
	assert_true(is_before("kernel_sweep", "processes"));
	assert_true(is_before("processes", "sources_sweep"));
	assert_true(is_before("sources_sweep", "losses"));
	assert_null(strstr(world.calls, "scan_"));
	assert_int_equal(times("share"), 1);
	assert_int_equal(times("tally"), 1);
}

/* The close that waits in the ring says more, and would end the connection twice. */
static void no_connection_is_gone_while_the_ring_holds_records(void **state)
{
	const struct ev_connection closed = {.head = {.kind = EV_CONNECTION}};

	(void)state;
	world.overdue = true;
	world.kept = 1; /* the close comes after the step has drained */
	in_ring(&closed);
	sweep_now();
	assert_true(is_before("kernel_sweep", "reported"));
	assert_true(is_before("reported", "tell_gone"));
	world.behind = true;
	sweep_now();
	assert_null(strstr(world.calls, "tell_gone"));
	world.behind = false;
	world.drain_err = -EIO;
	forget_calls();
	world.now = capture->next_sweep_ns;
	capture_step(capture, 0);
	assert_null(strstr(world.calls, "tell_gone"));
	world.drain_err = 0;
	sweep_now();
	assert_int_equal(times("tell_gone"), 1);
}

static void a_ring_is_not_read_again_where_no_connection_is_overdue(void **state)
{
	(void)state;
	sweep_now();
	assert_int_equal(times("drain"), 1);
	assert_null(strstr(world.calls, "tell_gone"));
}

static void a_sweep_that_fails_goes_no_further(void **state)
{
	(void)state;
	world.sweep_err = -EIO;
	forget_calls();
	world.now = capture->next_sweep_ns;
	assert_int_equal(capture_step(capture, 0), -EIO);
	assert_null(strstr(world.calls, "sources_sweep"));
}

/* An orphan's holders are looked for once, and all files are read again only for a new selection.
 */
static void holders_and_selections_are_looked_for_once(void **state)
{
	(void)state;
	capture->orphans = true;
	sweep_now();
	assert_int_equal(times("scan_holders"), 1);
	world.select_empty = false;
	sweep_now();
	assert_null(strstr(world.calls, "scan_"));
	assert_null(strstr(world.calls, "kernel_select"));
	world.refresh = true;
	sweep_now();
	assert_true(is_before("kernel_select", "scan_connections"));
	world.refresh = false;
	sweep_now();
	assert_null(strstr(world.calls, "scan_connections"));
}

static void clocks_that_jump_are_told_once_each(void **state)
{
	(void)state;
	world.slept = true;
	sweep_now();
	assert_int_equal(told(EV_GAP), 1);
	assert_non_null(strstr(world.gap.text, "suspended"));
	world.set = true;
	sweep_now();
	assert_int_equal(told(EV_GAP), 1);
	assert_non_null(strstr(world.gap.text, "clock of the host was set"));
	sweep_now();
	assert_int_equal(told(EV_GAP), 0);
}

static void facts_are_told_every_five_seconds(void **state)
{
	unsigned int sums = 0;

	(void)state;
	for (int second = 0; second < 10; second++) {
		sweep_now();
		sums += times("budget");
		if (times("budget")) {
			assert_true(is_before("ends", "cost"));
			assert_true(is_before("account", "kernel_sweep"));
			assert_int_equal(capture->stats_until_ns, world.now + SECOND_NS / 5);
		}
	}
	assert_int_equal(sums, 2);
	world.stats_err = -EPERM; /* nothing is measured then */
	capture->next_facts_ns = 0;
	capture->stats_until_ns = 0;
	sweep_now();
	assert_int_equal(capture->stats_until_ns, 0);
}

/* --- records ---------------------------------------------------------------------------------- */

static void comes(const void *record)
{
	forget_calls();
	in_ring(record);
	assert_int_equal(capture_step(capture, 0), 0);
}

static void each_record_goes_to_whom_it_belongs(void **state)
{
	static const struct {
		uint16_t kind;
		const char *to;
	} ways[] = {
		{EV_CONNECTION, "reported "},
		{RAW_IDENTITY, "identity "},
		{EV_SQL, "sql "},
		{EV_STATEMENT, "prepared "},
		{EV_RESULT, "result "},
		{EV_STATEMENT_CLOSED, "statement_closed "},
		{RAW_STACK, "sources_record "},
		{RAW_GROWTH, "sources_record "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		const struct ev_head head = {.kind = ways[i].kind, .size = sizeof(head)};

		comes(&head);
		assert_int_equal(times(ways[i].to), 1);
		assert_true(is_before("poll", ways[i].to));
	}
}

/* The sweep tells of one whose birth the ring still holds. */
static void a_birth_in_the_ring_is_read_before_the_sweep_is_believed(void **state)
{
	const struct ev_head alive = {.kind = RAW_ALIVE, .ns = 9};
	const struct ev_connection birth = {.head = {.kind = EV_CONNECTION}};

	(void)state;
	world.alive[0] = false, world.alive[1] = true;
	world.sweep = (struct pile){{&alive}, 1};
	world.kept = 1;
	in_ring(&birth);
	sweep_now();
	assert_int_equal(times("alive"), 2);
	assert_true(is_before("alive drain reported", "reported alive"));
	world.alive[0] = true;
	world.sweep = (struct pile){{&alive}, 1};
	sweep_now();
	assert_int_equal(times("alive"), 1);
	assert_int_equal(times("drain"), 1);
}

static void the_end_of_a_process_orphans_its_connections_alone(void **state)
{
	const struct ev_exit ev = {
		.head = {.kind = EV_EXIT, .size = sizeof(ev)}, .pid = PID, .start_ns = START};
	const struct tracked *own = track(1, PID, START), *namesake = track(2, PID, START + 1),
			     *other = track(3, PID + 1, START);
	struct owner *o = calloc(1, sizeof(*o));

	(void)state;
	assert_int_equal(table_put(&capture->owners, (struct table_key){PID, START}, o), 0);
	comes(&ev);
	assert_int_equal(times("sources_gone"), 1);
	assert_int_equal(told(EV_EXIT), 1);
	assert_int_equal(o->gone_ns, world.now);
	assert_true(own->orphan && capture->orphans);
	assert_false(namesake->orphan || other->orphan);
}

static void a_death_at_a_probe_takes_all_probes_out_once(void **state)
{
	struct raw_death d = {.head = {.kind = RAW_DEATH, .size = sizeof(d)},
			      .pid = PID,
			      .start_ns = START,
			      .signal = 11,
			      .inode = 10,
			      .offset = 20,
			      .comm = "worker"};

	(void)state;
	comes(&d); /* none of our probes is there */
	assert_null(strstr(world.calls, "withdraw"));
	assert_int_equal(told(EV_WITHDRAWN), 0);
	world.probe_there = true;
	comes(&d);
	assert_int_equal(times("withdraw"), 1);
	assert_int_equal(told(EV_WITHDRAWN), 1);
	assert_int_equal(world.withdrawn.pid, PID);
	assert_int_equal(world.withdrawn.start_ns, START);
	assert_int_equal(world.withdrawn.signal, 11);
	assert_string_equal(world.withdrawn.comm, "worker");
	comes(&d);
	assert_null(strstr(world.calls, "withdraw"));
	assert_int_equal(told(EV_WITHDRAWN), 0);
}

static void a_death_that_the_kernel_lays_to_us_needs_no_address(void **state)
{
	const struct raw_death d = {.head = {.kind = RAW_DEATH, .size = sizeof(d)}, .flags = 1};

	(void)state;
	comes(&d);
	assert_int_equal(times("withdraw"), 1);
}

static struct raw_server server(uint16_t port, uint64_t path)
{
	return (struct raw_server){.head = {.kind = RAW_SERVER, .size = sizeof(struct raw_server)},
				   .pid = PID,
				   .start_ns = START,
				   .claimed = EV_DB_POSTGRESQL,
				   .local_port = port,
				   .path = path};
}

static void a_server_teaches_its_address_as_far_as_it_is_proven(void **state)
{
	struct raw_server tcp = server(6000, 0), local = server(0, 99);

	(void)state;
	comes(&tcp); /* it only has the name */
	assert_int_equal(world.port, 0);
	assert_int_equal(capture->serving.count, 0);
	world.proof = SERVER_LIKELY;
	comes(&tcp);
	assert_int_equal(world.port, 6000);
	assert_true(world.known_only);
	assert_int_equal(capture->serving.count, 1);
	comes(&local);
	assert_int_equal(world.path, 0);
	local.named = true;
	comes(&local);
	assert_int_equal(world.path, 99);
	world.proof = SERVER_PROVEN;
	comes(&tcp);
	assert_false(world.known_only);
	tcp.claimed = EV_DB_UNKNOWN; /* an end of a connection: nothing to learn */
	tcp.local_port = 7000;
	comes(&tcp);
	assert_int_equal(world.port, 6000);
}

static void no_memory_for_a_server_ends_the_watch(void **state)
{
	const struct raw_server tcp = server(6000, 0);

	(void)state;
	world.peers_err = -ENOMEM;
	forget_calls();
	in_ring(&tcp);
	assert_int_equal(capture_step(capture, 0), -ENOMEM);
}

/* Only at the end of a pass over all files is known which processes hold server ends. */
static void news_of_a_scan_waits_for_its_end_but_for_servers(void **state)
{
	static struct ev_connection many[8];
	static const struct raw_server tcp = {.head = {.kind = RAW_SERVER, .size = sizeof(tcp)},
					      .claimed = EV_DB_POSTGRESQL,
					      .local_port = 6000};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		many[i].head = (struct ev_head){.kind = EV_CONNECTION, .size = sizeof(many[i])};
		world.connections.records[i] = &many[i].head;
	}
	world.connections.records[7] = &tcp.head;
	world.connections.count = 8;
	world.proof = SERVER_PROVEN;
	capture->rescan = true;
	sweep_now();
	assert_int_equal(times("reported"), 7);
	assert_int_equal(world.port, 6000);
	assert_false(capture->rescan);
}

/* --- a step ----------------------------------------------------------------------------------- */

static void a_step_waits_for_what_is_due_first(void **state)
{
	(void)state;
	capture->next_sweep_ns = world.now + 700 * MS;
	capture->next_usage_ns = UINT64_MAX;
	assert_int_equal(capture_step(capture, 5000), 0);
	assert_int_equal(world.timeout, 701); /* not a moment too early */
	assert_int_equal(capture_step(capture, 100), 0);
	assert_int_equal(world.timeout, 101);
	world.due = world.now + 50 * MS;
	assert_int_equal(capture_step(capture, 100), 0);
	assert_int_equal(world.timeout, 51);
	world.coming = true;
	assert_int_equal(capture_step(capture, 100), 0);
	assert_int_equal(world.timeout, 11);
	capture->stacks_come = true;
	assert_int_equal(capture_step(capture, 100), 0);
	assert_true(world.timeout <= 11);
	assert_false(capture->stacks_come);
	world.due = world.now - 1;
	assert_int_equal(capture_step(capture, 100), 0);
	assert_int_equal(world.timeout, 0);
}

static void sources_begin_with_the_first_step_and_no_other(void **state)
{
	(void)state;
	forget_calls();
	capture_step(capture, 0);
	assert_true(is_before("sources_begin", "poll"));
	forget_calls();
	capture_step(capture, 0);
	assert_null(strstr(world.calls, "sources_begin"));
}

static void memory_is_looked_at_between_sweeps(void **state)
{
	(void)state;
	capture->next_sweep_ns = world.now + SECOND_NS;
	capture->next_usage_ns = world.now;
	forget_calls();
	capture_step(capture, 0);
	assert_true(is_before("owners_look", "sources_look"));
	forget_calls();
	capture_step(capture, 0); /* it is not due again */
	assert_null(strstr(world.calls, "owners_look"));
}

static void who_does_not_answer_is_told_by_name(void **state)
{
	(void)state;
	world.silent[0] = 501;
	world.silent[1] = 502;
	forget_calls();
	capture_step(capture, 0);
	assert_int_equal(told(EV_GAP), 2);
	assert_int_equal(world.gap.pid, 502);
	assert_non_null(strstr(world.gap.text, "does not answer"));
	world.lost[0] = 1000;
	forget_calls();
	capture_step(capture, 0);
	assert_int_equal(told(EV_GAP), 1);
	assert_non_null(strstr(world.gap.text, "of user 1000 cannot be read safely"));
}

static void a_step_without_files_left_goes_on_but_tells_so(void **state)
{
	(void)state;
	world.step_err = -EMFILE;
	forget_calls();
	assert_int_equal(capture_step(capture, 0), 0);
	assert_int_equal(times("full"), 1);
	world.step_err = -EIO;
	assert_int_equal(capture_step(capture, 0), -EIO);
}

static void a_sink_that_fails_ends_the_watch(void **state)
{
	(void)state;
	world.sink_err = -ENOSPC;
	world.now = capture->next_sweep_ns;
	assert_int_equal(capture_step(capture, 0), -ENOSPC);
	world.step_err = -EMFILE;
	assert_int_equal(capture_step(capture, 0), -EMFILE); /* no longer hidden */
}

/* --- an end ----------------------------------------------------------------------------------- */

static void the_last_look_comes_before_what_is_still_read(void **state)
{
	uint64_t before = capture->records;

	(void)state;
	forget_calls();
	capture->stats_until_ns = UINT64_MAX;
	assert_int_equal(capture_finish(capture, 1500), 0);
	assert_int_equal(capture->stats_until_ns, 0); /* what was measured counts */
	assert_true(is_before("sessions_ask", "drain"));
	assert_int_equal(times("kernel_sweep"), 2); /* the second finds who is gone since */
	assert_true(is_before("kernel_sweep", "facts"));
	assert_true(is_before("facts", "sources_finish"));
	assert_true(is_before("sources_finish", "sessions_finish"));
	assert_true(is_before("sessions_finish", "account"));
	assert_int_equal(world.finish_until, world.now + 1500 * MS);
	assert_int_equal(world.told[world.tolds - 1], EV_END);
	assert_int_equal(world.end.records, before + world.tolds - 1);
}

static void a_close_takes_what_hears_of_births_first(void **state)
{
	(void)state;
	capture_close(NULL);
	forget_calls();
	track(1, PID, START);
	capture_close(capture);
	capture = NULL;
	assert_true(is_before("births_close", "sources_close"));
	assert_true(is_before("sources_close", "kernel_close"));
	assert_true(is_before("kernel_close", "look_through_none"));
}

static void progress_counts_what_is_tracked_and_all_that_was_lost(void **state)
{
	struct capture_progress p;

	(void)state;
	track(1, PID, START);
	track(2, PID, START);
	capture->loss.count[0] = 3;
	capture->loss.count[EV_LOSS_KINDS - 1] = 4;
	capture_progress(capture, &p);
	assert_int_equal(p.connections, 2);
	assert_int_equal(p.processes, 0);
	assert_int_equal(p.lost, 7);
	assert_string_equal(p.door, "fexit");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_watch_begins_with_who_it_is_and_what_is_open_already),
		CASE(a_snapshot_sweeps_nothing_and_starts_no_worker),
		CASE(a_run_is_told_of_every_birth_and_of_objects_of_any_age),
		CASE(what_cannot_be_opened_is_closed_again),
		CASE(a_sweep_goes_from_connections_to_sources_to_losses),
		CASE(no_connection_is_gone_while_the_ring_holds_records),
		CASE(a_ring_is_not_read_again_where_no_connection_is_overdue),
		CASE(a_sweep_that_fails_goes_no_further),
		CASE(holders_and_selections_are_looked_for_once),
		CASE(clocks_that_jump_are_told_once_each),
		CASE(facts_are_told_every_five_seconds),
		CASE(each_record_goes_to_whom_it_belongs),
		CASE(a_birth_in_the_ring_is_read_before_the_sweep_is_believed),
		CASE(the_end_of_a_process_orphans_its_connections_alone),
		CASE(a_death_at_a_probe_takes_all_probes_out_once),
		CASE(a_death_that_the_kernel_lays_to_us_needs_no_address),
		CASE(a_server_teaches_its_address_as_far_as_it_is_proven),
		CASE(no_memory_for_a_server_ends_the_watch),
		CASE(news_of_a_scan_waits_for_its_end_but_for_servers),
		CASE(a_step_waits_for_what_is_due_first),
		CASE(sources_begin_with_the_first_step_and_no_other),
		CASE(memory_is_looked_at_between_sweeps),
		CASE(who_does_not_answer_is_told_by_name),
		CASE(a_step_without_files_left_goes_on_but_tells_so),
		CASE(a_sink_that_fails_ends_the_watch),
		CASE(the_last_look_comes_before_what_is_still_read),
		CASE(a_close_takes_what_hears_of_births_first),
		CASE(progress_counts_what_is_tracked_and_all_that_was_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
