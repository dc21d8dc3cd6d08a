/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What each source of a capture is opened with, and what it is answered when it asks for processes,
 * stacks and tiers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/clientlib/client.h"
#include "user/capture/clientlib/client_host.h"
#include "user/capture/host/container.h"
#include "user/capture/kernel/kernel.h"
#include "user/capture/memory/collections.h"
#include "user/capture/memory/growth.h"
#include "user/capture/memory/heap.h"
#include "user/capture/memory/library_heap.h"
#include "user/capture/parts.h"
#include "user/capture/probe/reach.h"
#include "user/capture/stack/present.h"
#include "user/capture/stack/reader.h"
#include "user/capture/watched/owner.h"

#define PID   77
#define START 5

static struct world {
	uint64_t now;
	/* what the parts were opened with */
	struct readers_host readers;
	struct presents_host presents;
	struct client_host clients;
	struct growth_host growth;
	struct library_heap_host library_heap;
	struct heap_host heap;
	struct collections_host collections;
	unsigned int collections_opened;
	kernel_task_fn births;
	void *births_context;
	/* the host */
	uint32_t pids[8], parents[8]; /* of all processes */
	size_t pid_count;
	uint32_t selected[8];
	size_t selected_count;
	int attach_err, stats_err, births_err, select_err;
	bool attached, stacks_known, reach, heap_starts, keeps_to_pid, targets;
	/* what was called */
	char tasks[64];
	enum ev_tier tier;
	unsigned int tiers, stopped, started, met, told, sites, evidences, files;
	uint32_t spoke[4];
	size_t spoken;
	struct ev_gap gap;
	uint64_t told_ns;
	const struct runtimes *reader_runtimes, *present_runtimes;
} world;

static struct capture *capture;
static struct select chosen;
static struct select_pid chosen_pids[2];

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
	assert_ptr_equal(c, capture);
	world.told++;
	world.told_ns = record->ns;
	if (record->kind == EV_GAP)
		world.gap = *(const struct ev_gap *)record;
}

/* --- the kernel and /proc --------------------------------------------------------------------- */

int kernel_attach(struct kernel *k)
{
	(void)k;
	world.attached = true;
	return world.attach_err;
}

int kernel_stats(struct kernel *k, bool on)
{
	(void)k;
	assert_true(on && world.attached);
	return world.stats_err;
}

int kernel_select_pid(struct kernel *k, uint32_t pid)
{
	(void)k;
	if (world.select_err)
		return world.select_err;
	world.selected[world.selected_count++] = pid;
	return 0;
}

bool kernel_targets(struct kernel *k, uint32_t pid)
{
	(void)k;
	return world.targets && pid == PID;
}

int births_open(struct births **out, struct kernel *kernel, kernel_task_fn fn, void *context)
{
	(void)kernel;
	*out = NULL;
	world.births = fn;
	world.births_context = context;
	return world.births_err;
}

int procfs_pids(const struct procfs *p, uint32_t **pids, size_t *count)
{
	(void)p;
	*pids = calloc(8, sizeof(**pids));
	assert_non_null(*pids);
	memcpy(*pids, world.pids, sizeof(world.pids));
	*count = world.pid_count;
	return 0;
}

int procfs_facts(const struct procfs *p, uint32_t pid, struct process_facts *facts)
{
	(void)p;
	memset(facts, 0, sizeof(*facts));
	for (size_t i = 0; i < world.pid_count; i++) {
		if (world.pids[i] != pid)
			continue;
		facts->parent_pid = world.parents[i];
		strcpy(facts->comm, "api");
		return 0;
	}
	return -ESRCH;
}

struct owner *owner_of(struct capture *c, uint32_t pid, uint64_t start_ns, const char *comm)
{
	static struct owner known;

	(void)c, (void)comm;
	return pid == PID && start_ns == START ? &known : NULL;
}

bool select_is_empty(const struct select *s)
{
	return !s->pid_count && !s->comm_count;
}

bool select_has(const struct select *s, uint32_t pid, const char *comm)
{
	(void)s;
	return pid == PID + 1 || !strcmp(comm, "api");
}

const struct cgroups *containers_cgroups(const struct containers *c)
{
	(void)c;
	return (const struct cgroups *)9;
}

/* --- the parts -------------------------------------------------------------------------------- */

int readers_open(struct readers **out, struct kernel *kernel, struct nursery *nursery,
		 const struct readers_host *host)
{
	(void)kernel, (void)nursery;
	world.readers = *host;
	*out = (struct readers *)1;
	return 0;
}

void readers_runtimes(struct readers *r, const struct runtimes *runtimes)
{
	(void)r;
	world.reader_runtimes = runtimes;
}

void readers_process(struct readers *r, uint32_t pid, uint64_t start_ns)
{
	(void)r, (void)pid, (void)start_ns;
	world.met++;
}

int readers_reported(struct readers *r, uint64_t sample, uint64_t *stack)
{
	(void)r;
	*stack = sample + 1;
	return world.stacks_known ? 0 : -EAGAIN;
}

void readers_site(struct readers *r, const struct ev_site *site, uint64_t stack, bool is_caller)
{
	(void)r, (void)site, (void)stack, (void)is_caller;
	world.sites++;
}

void readers_evidence(struct readers *r, const struct ev_head *record)
{
	(void)r, (void)record;
	world.evidences++;
}

int presents_open(struct presents **out, struct kernel *kernel, struct readers *readers,
		  const struct presents_host *host)
{
	(void)kernel;
	assert_ptr_equal(readers, capture->readers);
	world.presents = *host;
	*out = (struct presents *)2;
	return 0;
}

void presents_runtimes(struct presents *p, const struct runtimes *runtimes)
{
	(void)p;
	world.present_runtimes = runtimes;
}

int clients_open(struct clients **out, struct kernel *kernel, struct nursery *nursery,
		 const struct procfs *procfs, const struct client_host *host)
{
	(void)kernel, (void)nursery, (void)procfs;
	world.clients = *host;
	*out = (struct clients *)3;
	return 0;
}

struct runtimes *clients_runtimes(const struct clients *c)
{
	(void)c;
	return (struct runtimes *)4;
}

struct reach *clients_reach(const struct clients *c)
{
	(void)c;
	return world.reach ? (struct reach *)5 : NULL;
}

uint64_t clients_hit_ns(const struct clients *c)
{
	(void)c;
	return 123;
}

bool clients_keep_to_pid(const struct clients *c)
{
	(void)c;
	return world.keeps_to_pid;
}

struct reach *heap_reach(const struct heap *h)
{
	(void)h;
	return (struct reach *)6;
}

void reach_task(struct reach *r, const struct raw_task *task)
{
	(void)task;
	strcat(world.tasks, r == (struct reach *)6 ? "heap " : "clients ");
}

int growth_open(struct growth **out, const struct growth_host *host)
{
	world.growth = *host;
	*out = (struct growth *)7;
	return 0;
}

void growth_tier(struct growth *g, enum ev_tier tier)
{
	(void)g;
	world.tier = tier;
	world.tiers++;
}

void growth_spoke(struct growth *g, uint32_t pid, uint32_t tid, uint64_t connection, uint64_t ns)
{
	(void)g;
	assert_int_equal(pid, PID);
	assert_int_equal(ns, 100 + connection);
	assert_true(world.spoken < 4);
	world.spoke[world.spoken++] = tid;
}

int library_heap_open(struct library_heap **out, struct kernel *kernel,
		      const struct library_heap_host *host)
{
	(void)kernel;
	world.library_heap = *host;
	*out = (struct library_heap *)8;
	return 0;
}

bool library_heap_start(struct library_heap *h, struct reach *reach, uint64_t hit_ns,
			uint64_t now_ns)
{
	(void)h, (void)reach;
	assert_int_equal(hit_ns, 123);
	assert_int_equal(now_ns, world.now);
	world.started++;
	return world.heap_starts;
}

void library_heap_stop(struct library_heap *h, uint64_t now_ns)
{
	(void)h, (void)now_ns;
	world.stopped++;
}

void library_heap_file(struct library_heap *h, struct elf_file *elf,
		       const struct library_file *file, const char *name)
{
	(void)h, (void)elf, (void)file, (void)name;
	world.files++;
}

void library_heap_gone(struct library_heap *h, uint64_t device, uint64_t inode)
{
	(void)h;
	assert_int_equal(device, 3);
	assert_int_equal(inode, 10);
	world.files--;
}

bool library_heap_keeps(const struct library_heap *h, uint64_t device, uint64_t inode)
{
	(void)h;
	return device == 3 && inode == 10;
}

int heap_open(struct heap **out, struct kernel *kernel, const struct procfs *procfs,
	      const struct heap_host *host, uint64_t now_ns)
{
	(void)kernel, (void)procfs;
	assert_int_equal(now_ns, world.now);
	world.heap = *host;
	*out = (struct heap *)9;
	return 0;
}

int collections_open(struct collections **out, const struct collections_host *host)
{
	world.collections = *host;
	world.collections_opened++;
	*out = (struct collections *)10;
	return 0;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.now = 1000;
	chosen = (struct select){};
	capture = calloc(1, sizeof(*capture));
	assert_non_null(capture);
	capture->options.mode = EV_MODE_WATCH;
	capture->options.select = &chosen;
	return 0;
}

static int end(void **state)
{
	(void)state;
	table_free_values(&capture->connections);
	free(capture);
	return 0;
}

static void choose(uint32_t pid)
{
	chosen_pids[chosen.pid_count].pid = pid;
	chosen.pids = chosen_pids;
	chosen.pid_count++;
}

static void process(uint32_t pid, uint32_t parent)
{
	world.pids[world.pid_count] = pid;
	world.parents[world.pid_count++] = parent;
}

static struct ev_connection *connect(uint64_t id, uint32_t pid, uint64_t start_ns)
{
	struct tracked *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	k->last = (struct ev_connection){.id = id, .pid = pid, .start_ns = start_ns};
	assert_int_equal(table_put(&capture->connections, (struct table_key){id, 0}, k), 0);
	return &k->last;
}

/* --- attaching -------------------------------------------------------------------------------- */

static void run_time_is_measured_from_the_start(void **state)
{
	(void)state;
	assert_int_equal(parts_attach(capture), 0);
	assert_int_equal(capture->stats_until_ns, world.now + SECOND_NS);
	capture->stats_until_ns = 0;
	world.stats_err = -EPERM;
	assert_int_equal(parts_attach(capture), 0);
	assert_int_equal(capture->stats_until_ns, 0);
	world.attach_err = -EACCES;
	assert_int_equal(parts_attach(capture), -EACCES);
}

static void a_snapshot_attaches_nothing(void **state)
{
	(void)state;
	capture->options.mode = EV_MODE_SNAPSHOT;
	assert_int_equal(parts_attach(capture), 0);
	assert_false(world.attached);
}

/* Whatever the order of their numbers. */
static void children_and_their_children_are_selected_too(void **state)
{
	(void)state;
	choose(100);
	process(10, 30); /* grandchild of a child, found in a later round */
	process(20, 1);
	process(30, 40);
	process(40, 100);
	process(100, 1);
	assert_int_equal(parts_attach(capture), 0);
	assert_int_equal(world.selected_count, 3);
	assert_int_equal(world.selected[0], 40);
	assert_int_equal(world.selected[1], 30);
	assert_int_equal(world.selected[2], 10);
	world.select_err = -E2BIG;
	assert_int_equal(parts_attach(capture), -E2BIG);
}

static void nobody_is_followed_where_nobody_was_selected(void **state)
{
	(void)state;
	process(10, 0);
	process(20, 10);
	assert_int_equal(parts_attach(capture), 0);
	assert_int_equal(world.selected_count, 0);
}

/* --- births ----------------------------------------------------------------------------------- */

static void births_are_heard_of_only_where_somebody_was_selected(void **state)
{
	(void)state;
	capture->clients = (struct clients *)3;
	parts_births(capture);
	assert_null(world.births);
	choose(100);
	capture->clients = NULL;
	parts_births(capture); /* nor where nobody would probe them */
	assert_null(world.births);
	capture->clients = (struct clients *)3;
	parts_births(capture);
	assert_non_null(world.births);
	assert_int_equal(world.told, 0);
	world.births_err = -EAGAIN;
	parts_births(capture);
	assert_int_equal(world.told, 1);
	assert_non_null(strstr(world.gap.text, "found late"));
}

static void the_allocator_of_a_new_process_is_probed_first(void **state)
{
	const struct raw_task task = {.pid = PID};

	(void)state;
	choose(100);
	world.reach = true;
	capture->clients = (struct clients *)3;
	capture->heap = (struct heap *)9;
	parts_births(capture);
	world.births(world.births_context, &task);
	assert_string_equal(world.tasks, "heap clients ");
	world.tasks[0] = '\0';
	capture->heap = NULL;
	world.births(world.births_context, &task);
	assert_string_equal(world.tasks, "clients ");
	world.tasks[0] = '\0';
	world.reach = false; /* they could not be opened */
	world.births(world.births_context, &task);
	assert_string_equal(world.tasks, "");
}

/* --- who holds connections -------------------------------------------------------------------- */

static void each_process_with_open_connections_is_listed_once(void **state)
{
	struct present_process out[4];

	(void)state;
	connect(1, PID, START);
	connect(2, PID, START);
	connect(3, PID + 1, START);
	connect(4, PID + 2, START)->flags = EV_CONN_CLOSED;
	assert_int_equal(parts_open_presents(capture), 0);
	assert_int_equal(world.presents.processes(world.presents.context, out, 4), 2);
	assert_int_equal(out[0].pid + out[1].pid, 2 * PID + 1);
	assert_int_equal(out[0].start_ns, START);
	assert_int_equal(world.presents.processes(world.presents.context, out, 1), 1);
}

static void memory_hears_who_used_which_connection_last(void **state)
{
	struct ev_connection *ev;

	(void)state;
	ev = connect(1, PID, START);
	ev->user_pid = PID, ev->user_tid = 5, ev->used_ns = 101;
	ev = connect(2, PID, START);
	ev->user_pid = PID + 1, ev->user_tid = 6, ev->used_ns = 102; /* given to a child */
	ev = connect(3, PID, START);
	ev->user_pid = PID, ev->user_tid = 7; /* never used */
	assert_int_equal(parts_open_growth(capture), 0);
	world.growth.ask(world.growth.context, PID);
	assert_int_equal(world.spoken, 1);
	assert_int_equal(world.spoke[0], 5);
}

/* --- what parts are opened with --------------------------------------------------------------- */

static void a_snapshot_reads_sizes_without_the_kernel(void **state)
{
	(void)state;
	capture->kernel = (struct kernel *)1;
	assert_int_equal(parts_open_growth(capture), 0);
	assert_ptr_equal(world.growth.kernel, capture->kernel);
	assert_false(world.growth.eager);
	capture->options.mode = EV_MODE_SNAPSHOT;
	assert_int_equal(parts_open_growth(capture), 0);
	assert_null(world.growth.kernel);
	capture->options.mode = EV_MODE_RUN;
	assert_int_equal(parts_open_growth(capture), 0);
	assert_true(world.growth.eager);
}

/* The process that run is about to start waits for us. */
static void the_command_of_run_is_known_to_those_that_probe(void **state)
{
	(void)state;
	choose(100);
	assert_int_equal(parts_open_clients(capture), 0);
	assert_int_equal(world.clients.command, 0);
	assert_true(world.clients.selective);
	capture->options.mode = EV_MODE_RUN;
	assert_int_equal(parts_open_clients(capture), 0);
	assert_int_equal(world.clients.command, 100);
	assert_true(world.clients.eager);
	capture->options.command = "api";
	capture->options.heap_interval = 4096;
	assert_int_equal(parts_open_heap(capture), 0);
	assert_int_equal(world.heap.command_pid, 100);
	assert_string_equal(world.heap.command, "api");
	assert_int_equal(world.heap.interval, 4096);
	chosen.pid_count = 0;
	chosen.comm_count = 1;
	assert_int_equal(parts_open_clients(capture), 0);
	assert_int_equal(world.clients.command, 0);
	assert_true(world.clients.selective);
}

static void readers_learn_of_interpreters_from_clients(void **state)
{
	(void)state;
	assert_int_equal(parts_open_clients(capture), 0);
	assert_null(world.reader_runtimes);
	assert_int_equal(parts_open_readers(capture), 0);
	assert_int_equal(parts_open_clients(capture), 0);
	assert_non_null(world.reader_runtimes);
	assert_null(world.present_runtimes);
	assert_int_equal(parts_open_presents(capture), 0);
	assert_int_equal(parts_open_clients(capture), 0);
	assert_ptr_equal(world.present_runtimes, world.reader_runtimes);
}

static void files_are_handed_on_only_where_their_allocations_are_counted(void **state)
{
	(void)state;
	assert_int_equal(parts_open_clients(capture), 0);
	assert_null(world.clients.file);
	assert_null(world.clients.gone);
	assert_null(world.clients.keeps);
	assert_int_equal(parts_open_library_heap(capture), 0);
	assert_int_equal(parts_open_clients(capture), 0);
	world.clients.file(world.clients.context, NULL, NULL, "libpq");
	assert_int_equal(world.files, 1);
	assert_true(world.clients.keeps(world.clients.context, 3, 10));
	assert_false(world.clients.keeps(world.clients.context, 3, 11));
	world.clients.gone(world.clients.context, 3, 10);
	assert_int_equal(world.files, 0);
}

static void collectors_are_looked_at_where_a_probe_can_keep_to_one_process(void **state)
{
	(void)state;
	assert_int_equal(parts_open_collections(capture), 0);
	capture->clients = (struct clients *)3;
	assert_int_equal(parts_open_collections(capture), 0);
	assert_int_equal(world.collections_opened, 0);
	world.keeps_to_pid = true;
	assert_int_equal(parts_open_collections(capture), 0);
	assert_int_equal(world.collections_opened, 1);
	assert_int_equal(world.collections.hit_ns, 123);
}

static void the_heap_is_followed_at_the_full_tier_of_a_watch(void **state)
{
	struct capture_options o = {.mode = EV_MODE_WATCH, .tier = EV_TIER_FULL};

	(void)state;
	assert_true(parts_follow_heap(&o));
	o.tier = EV_TIER_CLIENT;
	assert_false(parts_follow_heap(&o));
	o.tier = EV_TIER_FULL;
	o.mode = EV_MODE_SNAPSHOT;
	assert_false(parts_follow_heap(&o));
}

/* --- what parts are answered ------------------------------------------------------------------ */

static void who_is_selected_is_asked_of_the_kernel_and_the_user(void **state)
{
	(void)state;
	process(PID, 1);
	process(PID + 1, 1);
	assert_int_equal(parts_open_clients(capture), 0);
	world.targets = true;
	assert_true(world.clients.selected(capture, PID));
	world.targets = false;
	assert_false(world.clients.selected(capture, PID)); /* names were not asked for */
	assert_true(world.clients.selected(capture, PID + 1));
	chosen.comm_count = 1;
	assert_true(world.clients.selected(capture, PID));
	assert_false(world.clients.selected(capture, PID + 2)); /* it has ended */
	assert_true(world.clients.wanted(capture, 1, "api"));
	assert_false(world.clients.wanted(capture, 1, "cron"));
	assert_true(world.clients.owner(capture, PID, START, "api"));
	assert_false(world.clients.owner(capture, PID, START + 1, "api"));
}

static void without_readers_there_are_no_stacks(void **state)
{
	const struct ev_site site = {};
	const struct ev_evidence evidence = {};
	uint64_t stack = 99;

	(void)state;
	assert_int_equal(parts_open_clients(capture), 0);
	assert_int_equal(parts_open_heap(capture), 0);
	world.clients.site(capture, &site, 5, true);
	world.clients.evidence(capture, &evidence);
	world.heap.met(capture, PID, START);
	assert_int_equal(world.heap.stack(capture, 5, &stack), 0);
	assert_int_equal(stack, 0);
	assert_int_equal(world.sites + world.evidences + world.met, 0);
	assert_int_equal(parts_open_readers(capture), 0);
	world.clients.site(capture, &site, 5, true);
	world.clients.evidence(capture, &evidence);
	world.heap.met(capture, PID, START);
	assert_int_equal(world.sites + world.evidences + world.met, 3);
	assert_int_equal(world.heap.stack(capture, 5, &stack), -EAGAIN);
	world.stacks_known = true;
	assert_int_equal(world.heap.stack(capture, 5, &stack), 0);
	assert_int_equal(stack, 6);
}

static void records_of_readers_and_memory_get_the_time_of_their_telling(void **state)
{
	struct ev_head record = {.kind = EV_MEMORY, .ns = 1};

	(void)state;
	parts_open_readers(capture);
	parts_open_growth(capture);
	parts_open_clients(capture);
	world.readers.tell(world.readers.context, &record);
	assert_int_equal(world.told_ns, world.now);
	world.now = 2000;
	world.growth.tell(world.growth.context, &record);
	assert_int_equal(world.told_ns, 2000);
	record.ns = 7; /* a client library has set its own */
	world.clients.tell(world.clients.context, &record);
	assert_int_equal(world.told_ns, 7);
	assert_int_equal(world.told, 3);
}

/* --- tiers ------------------------------------------------------------------------------------ */

static void the_client_tier_needs_probes_that_could_be_put_in(void **state)
{
	(void)state;
	parts_open_growth(capture);
	parts_tier(capture, EV_TIER_CLIENT);
	assert_int_equal(world.tier, EV_TIER_GROWTH); /* without a library heap */
	parts_open_library_heap(capture);
	parts_open_clients(capture);
	parts_tier(capture, EV_TIER_CLIENT);
	assert_int_equal(world.tier, EV_TIER_GROWTH); /* clients have no probes */
	assert_int_equal(world.started, 0);
	world.reach = true;
	parts_tier(capture, EV_TIER_CLIENT);
	assert_int_equal(world.tier, EV_TIER_GROWTH); /* it does not start */
	assert_int_equal(world.started, 1);
	world.stopped = 0;
	world.heap_starts = true;
	parts_tier(capture, EV_TIER_CLIENT);
	assert_int_equal(world.tier, EV_TIER_CLIENT);
	assert_int_equal(world.stopped, 0);
}

static void a_lower_tier_stops_the_library_heap(void **state)
{
	(void)state;
	parts_open_library_heap(capture);
	world.library_heap.tier(capture, EV_TIER_GROWTH);
	assert_int_equal(world.stopped, 1);
	assert_int_equal(world.tiers, 0); /* memory is not looked at */
	parts_open_growth(capture);
	parts_open_heap(capture);
	world.heap.tier(capture, EV_TIER_FULL);
	assert_int_equal(world.tier, EV_TIER_FULL);
	assert_int_equal(world.stopped, 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(run_time_is_measured_from_the_start),
		CASE(a_snapshot_attaches_nothing),
		CASE(children_and_their_children_are_selected_too),
		CASE(nobody_is_followed_where_nobody_was_selected),
		CASE(births_are_heard_of_only_where_somebody_was_selected),
		CASE(the_allocator_of_a_new_process_is_probed_first),
		CASE(each_process_with_open_connections_is_listed_once),
		CASE(memory_hears_who_used_which_connection_last),
		CASE(a_snapshot_reads_sizes_without_the_kernel),
		CASE(the_command_of_run_is_known_to_those_that_probe),
		CASE(readers_learn_of_interpreters_from_clients),
		CASE(files_are_handed_on_only_where_their_allocations_are_counted),
		CASE(collectors_are_looked_at_where_a_probe_can_keep_to_one_process),
		CASE(the_heap_is_followed_at_the_full_tier_of_a_watch),
		CASE(who_is_selected_is_asked_of_the_kernel_and_the_user),
		CASE(without_readers_there_are_no_stacks),
		CASE(records_of_readers_and_memory_get_the_time_of_their_telling),
		CASE(the_client_tier_needs_probes_that_could_be_put_in),
		CASE(a_lower_tier_stops_the_library_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
