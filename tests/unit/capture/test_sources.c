/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The table of sources: which are opened for which options, in which order each is called, and that
 * those that are closed are passed over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "bpf/clientlib/client.h"
#include "bpf/memory/growth.h"
#include "bpf/memory/pool.h"
#include "bpf/stack/raw_stack.h"
#include "user/capture/clientlib/client.h"
#include "user/capture/memory/collections.h"
#include "user/capture/memory/growth.h"
#include "user/capture/memory/heap.h"
#include "user/capture/memory/library_heap.h"
#include "user/capture/parts.h"
#include "user/capture/sources.h"
#include "user/capture/stack/present.h"
#include "user/capture/stack/reader.h"
#include "user/capture/worker/looking.h"

#define PID   77
#define START 5
#define MS    1000000ULL

static struct world {
	char calls[2048]; /* in their order, each followed by a blank */
	uint64_t now;
	const char *fails; /* the call that returns -EIO */
	bool waits, last;
	uint64_t due[4];   /* of presents, library heap, collections, growth */
	const char *holds; /* the call that says yes */
	int timeout;
	uint64_t at_ns;
} world;

static struct capture capture;

static int called(const char *what, const void *source)
{
	assert_non_null(source); /* nobody calls what is not open */
	assert_true(strlen(world.calls) + strlen(what) + 2 < sizeof(world.calls));
	strcat(world.calls, what);
	strcat(world.calls, " ");
	return world.fails && !strcmp(world.fails, what) ? -EIO : 0;
}

static bool says(const char *what, const void *source)
{
	called(what, source);
	return world.holds && !strcmp(world.holds, what);
}

uint64_t capture_now(void)
{
	return world.now;
}

void looking_over(void)
{
	called("over", &world);
}

/* --- parts ------------------------------------------------------------------------------------ */

static int opens(const char *what, void *member, void *source)
{
	int err = called(what, source);

	if (!err)
		memcpy(member, &source, sizeof(source));
	return err;
}

int parts_open_readers(struct capture *c)
{
	return opens("+readers", &c->readers, (void *)3);
}

int parts_open_presents(struct capture *c)
{
	return opens("+presents", &c->presents, (void *)1);
}

int parts_open_growth(struct capture *c)
{
	return opens("+growth", &c->growth, (void *)7);
}

int parts_open_clients(struct capture *c)
{
	return opens("+clients", &c->clients, (void *)2);
}

int parts_open_library_heap(struct capture *c)
{
	return opens("+library_heap", &c->library_heap, (void *)5);
}

int parts_open_heap(struct capture *c)
{
	return opens("+heap", &c->heap, (void *)4);
}

int parts_open_collections(struct capture *c)
{
	return opens("+collections", &c->collections, (void *)6);
}

int parts_attach(struct capture *c)
{
	return called("attach", c);
}

void parts_births(struct capture *c)
{
	called("births", c);
}

void parts_tier(void *context, enum ev_tier tier)
{
	assert_int_equal(tier, EV_TIER_CLIENT);
	called("tier", context);
}

bool parts_follow_heap(const struct capture_options *o)
{
	return o->tier == EV_TIER_FULL;
}

/* --- what each source can be asked ------------------------------------------------------------ */

#define CLOSES(name, type)                    \
	void name##_close(struct type *s)     \
	{                                     \
		if (s)                        \
			called("-" #name, s); \
	}
CLOSES(clients, clients)
CLOSES(readers, readers)
CLOSES(presents, presents)
CLOSES(heap, heap)
CLOSES(library_heap, library_heap)
CLOSES(collections, collections)
CLOSES(growth, growth)

#define PROCESS(name, type)                                        \
	void name(struct type *s, uint32_t pid, uint64_t start_ns) \
	{                                                          \
		assert_int_equal(pid, PID);                        \
		assert_int_equal(start_ns, START);                 \
		called(#name, s);                                  \
	}
PROCESS(readers_process, readers)
PROCESS(presents_gone, presents)
PROCESS(collections_met, collections)
PROCESS(collections_gone, collections)
PROCESS(growth_met, growth)
PROCESS(growth_gone, growth)

#define RECORD(name, type)                                      \
	void name(struct type *s, const struct ev_head *record) \
	{                                                       \
		assert_non_null(record);                        \
		called(#name, s);                               \
	}
RECORD(clients_record, clients)
RECORD(readers_stack, readers)
RECORD(readers_evidence, readers)
RECORD(growth_sample, growth)
RECORD(growth_pool, growth)
RECORD(growth_pool_seen, growth)

#define AT(name, type)                                                           \
	bool name##_is_at(const struct type *s, uint64_t inode, uint64_t offset) \
	{                                                                        \
		return says(#name "_at", s) && inode == 10 && offset == 20;      \
	}
AT(clients, clients)
AT(heap, heap)
AT(collections, collections)

#define LESS(name, type)                               \
	bool name##_stepped_down(const struct type *s) \
	{                                              \
		return says(#name "_less", s);         \
	}
LESS(clients, clients)
LESS(heap, heap)
LESS(library_heap, library_heap)
LESS(collections, collections)

#define COSTS(name, type, is_const, ns)                  \
	uint64_t name##_cost_ns(is_const struct type *s) \
	{                                                \
		assert_non_null(s);                      \
		return ns;                               \
	}
COSTS(clients, clients, , 1)
COSTS(heap, heap, , 10)
COSTS(library_heap, library_heap, const, 100)
COSTS(collections, collections, const, 1000)
COSTS(growth_pools, growth, const, 10000)

uint64_t growth_cost_ns(struct growth *g, uint64_t faults)
{
	assert_non_null(g);
	return 100000 * faults;
}

#define DESCRIPTOR(name, fd)                \
	int name##_fd(const struct name *s) \
	{                                   \
		assert_non_null(s);         \
		return fd;                  \
	}
DESCRIPTOR(clients, 32)
DESCRIPTOR(readers, 33)
DESCRIPTOR(heap, 34)

#define DUE(name, type, i)                  \
	uint64_t name(const struct type *s) \
	{                                   \
		assert_non_null(s);         \
		return world.due[i];        \
	}
DUE(presents_due, presents, 0)
DUE(library_heap_next, library_heap, 1)
DUE(collections_next, collections, 2)
DUE(growth_next, growth, 3)

bool clients_wait(const struct clients *c)
{
	assert_non_null(c);
	return world.waits;
}

#define STEP(name, result, type, last)            \
	result name(struct type *s, uint64_t now) \
	{                                         \
		assert_int_equal(now, world.now); \
		last called(#name, s);            \
	}
STEP(clients_step, int, clients, return )
STEP(clients_sweep, int, clients, return )
STEP(heap_step, int, heap, return )
STEP(presents_step, void, presents, )
STEP(library_heap_step, void, library_heap, )
STEP(collections_step, void, collections, )
STEP(collections_sweep, void, collections, )
STEP(growth_step, void, growth, )
STEP(clients_exit, void, clients, )

int readers_step(struct readers *r)
{
	return called("readers_step", r);
}

#define SWEEP(name, type)                                  \
	void name(struct type *s, uint64_t now, bool last) \
	{                                                  \
		assert_int_equal(now, world.now);          \
		world.last = last;                         \
		called(#name, s);                          \
	}
SWEEP(heap_sweep, heap)
SWEEP(library_heap_sweep, library_heap)

#define LAST(name, type)                     \
	void name(struct type *s, bool last) \
	{                                    \
		world.last = last;           \
		called(#name, s);            \
	}
LAST(presents_tell, presents)
LAST(growth_sweep, growth)

#define ALONE(name, type)         \
	void name(struct type *s) \
	{                         \
		called(#name, s); \
	}
ALONE(clients_end, clients)
ALONE(clients_tell_libraries, clients)
ALONE(presents_begin, presents)
ALONE(presents_finish, presents)
ALONE(library_heap_begin, library_heap)
ALONE(growth_begin, growth)
ALONE(growth_look, growth)

void readers_finish(struct readers *r, int timeout_ms)
{
	world.timeout = timeout_ms;
	called("readers_finish", r);
}

bool growth_follows(const struct growth *g, uint32_t pid, uint64_t start_ns)
{
	assert_int_equal(pid, PID);
	assert_int_equal(start_ns, START);
	return says("growth_follows", g);
}

void growth_usage(struct growth *g, uint32_t pid, uint64_t start_ns,
		  const struct process_usage *usage)
{
	(void)pid, (void)start_ns, (void)usage;
	called("growth_usage", g);
}

/* --- helpers ---------------------------------------------------------------------------------- */

static void start(enum ev_mode mode, enum ev_tier tier, bool libraries, bool stacks)
{
	memset(&world, 0, sizeof(world));
	world.now = 100 * SECOND_NS;
	for (size_t i = 0; i < 4; i++)
		world.due[i] = UINT64_MAX;
	capture = (struct capture){.options = {.mode = mode,
					       .tier = tier,
					       .probe_libraries = libraries,
					       .take_stacks = stacks}};
}

/* All seven are open, and what opening them called is forgotten. */
static int all_open(void **state)
{
	(void)state;
	start(EV_MODE_WATCH, EV_TIER_FULL, true, true);
	assert_int_equal(sources_open(&capture), 0);
	world.calls[0] = '\0';
	return 0;
}

static int none_open(void **state)
{
	(void)state;
	start(EV_MODE_WATCH, EV_TIER_OFF, false, false);
	assert_int_equal(sources_open(&capture), 0);
	world.calls[0] = '\0';
	return 0;
}

static void assert_opened(const char *expected)
{
	assert_int_equal(sources_open(&capture), 0);
	assert_string_equal(world.calls, expected);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void programs_are_attached_between_those_that_hear_them_and_the_rest(void **state)
{
	(void)state;
	start(EV_MODE_WATCH, EV_TIER_FULL, true, true);
	assert_opened("+readers +presents +growth attach +library_heap +clients +heap "
		      "+collections ");
}

static void what_the_options_do_not_ask_for_is_not_opened(void **state)
{
	(void)state;
	start(EV_MODE_WATCH, EV_TIER_OFF, false, false);
	assert_opened("attach ");
	start(EV_MODE_WATCH, EV_TIER_GROWTH, false, true);
	assert_opened("+readers +presents +growth attach ");
	start(EV_MODE_WATCH, EV_TIER_CLIENT, true, false);
	assert_opened("+growth attach +library_heap +clients +collections tier ");
	/* A snapshot only reads sizes. */
	start(EV_MODE_SNAPSHOT, EV_TIER_CLIENT, true, true);
	assert_opened("+growth attach tier ");
	assert_null(capture.clients);
}

static void the_first_that_cannot_be_opened_ends_the_opening(void **state)
{
	(void)state;
	start(EV_MODE_WATCH, EV_TIER_CLIENT, true, true);
	world.fails = "+presents";
	assert_int_equal(sources_open(&capture), -EIO);
	assert_string_equal(world.calls, "+readers +presents ");
	start(EV_MODE_WATCH, EV_TIER_CLIENT, true, true);
	world.fails = "attach";
	assert_int_equal(sources_open(&capture), -EIO);
	assert_string_equal(world.calls, "+readers +presents +growth attach ");
	start(EV_MODE_WATCH, EV_TIER_CLIENT, true, true);
	world.fails = "+clients";
	assert_int_equal(sources_open(&capture), -EIO);
	assert_null(strstr(world.calls, "tier"));
}

/* The library heap gives its probes back to the clients, and all may still ask the readers. */
static void who_lends_closes_after_who_borrows(void **state)
{
	(void)state;
	sources_close(&capture);
	assert_string_equal(
		world.calls,
		"-library_heap -heap -collections -clients -growth -presents -readers ");
}

static void closed_sources_are_passed_over(void **state)
{
	struct pollfd fds[SOURCE_FDS];
	const struct ev_head other = {.kind = EV_TICK};

	(void)state;
	sources_begin(&capture);
	assert_string_equal(world.calls, "births ");
	world.calls[0] = '\0';
	sources_wait(&capture, fds);
	for (size_t i = 0; i < SOURCE_FDS; i++)
		assert_int_equal(fds[i].fd, -1);
	assert_true(sources_due(&capture, world.now) == UINT64_MAX);
	assert_int_equal(sources_step(&capture), 0);
	assert_int_equal(sources_sweep(&capture), 0);
	sources_look(&capture);
	sources_finish(&capture, world.now);
	sources_gone(&capture, PID, START);
	sources_account(&capture);
	sources_events.met(&capture, PID, START);
	sources_events.usage(&capture, PID, START, NULL);
	sources_events.look_begins(&capture);
	assert_false(sources_events.follows(&capture, PID, START));
	assert_false(sources_have_probe(&capture, 10, 20));
	assert_false(sources_stepped_down(&capture));
	assert_true(sources_cost_ns(&capture, 5) == 0);
	assert_false(sources_record(&capture, &other));
	sources_close(&capture);
	assert_string_equal(world.calls, "");
}

/* --- work ------------------------------------------------------------------------------------- */

static void threads_that_wait_in_a_full_pool_are_read_first(void **state)
{
	(void)state;
	sources_begin(&capture);
	assert_string_equal(world.calls, "births presents_begin library_heap_begin growth_begin ");
}

static void each_descriptor_is_waited_for(void **state)
{
	struct pollfd fds[SOURCE_FDS];

	(void)state;
	sources_wait(&capture, fds);
	for (size_t i = 0; i < SOURCE_FDS; i++) {
		assert_int_equal(fds[i].fd, 32 + i);
		assert_int_equal(fds[i].events, POLLIN);
	}
	capture.readers = NULL;
	sources_wait(&capture, fds);
	assert_int_equal(fds[0].fd, 32);
	assert_int_equal(fds[1].fd, -1);
	assert_int_equal(fds[2].fd, 34);
}

static void the_nearest_time_is_the_one_that_is_due(void **state)
{
	(void)state;
	assert_true(sources_due(&capture, world.now) == UINT64_MAX);
	for (size_t i = 0; i < 4; i++) {
		world.due[i] = world.now + 90 - i;
		assert_int_equal(sources_due(&capture, world.now), world.now + 90 - i);
	}
	world.waits = true; /* a library being loaded is looked at a hundred times a second */
	world.due[3] = world.now + SECOND_NS;
	world.due[0] = world.due[1] = world.due[2] = UINT64_MAX;
	assert_int_equal(sources_due(&capture, world.now), world.now + 10 * MS);
}

static void a_library_is_probed_before_stacks_are_read(void **state)
{
	(void)state;
	assert_int_equal(sources_step(&capture), 0);
	assert_string_equal(world.calls, "presents_step clients_step readers_step heap_step "
					 "library_heap_step collections_step growth_step ");
}

static void a_step_that_fails_is_the_last(void **state)
{
	(void)state;
	world.fails = "readers_step";
	assert_int_equal(sources_step(&capture), -EIO);
	assert_string_equal(world.calls, "presents_step clients_step readers_step ");
	world.calls[0] = '\0';
	world.fails = "clients_sweep";
	assert_int_equal(sources_sweep(&capture), -EIO);
	assert_string_equal(world.calls, "presents_tell clients_sweep ");
}

static void a_sweep_asks_each_what_changed(void **state)
{
	(void)state;
	world.last = true;
	assert_int_equal(sources_sweep(&capture), 0);
	assert_string_equal(world.calls, "presents_tell clients_sweep heap_sweep "
					 "library_heap_sweep collections_sweep growth_sweep ");
	assert_false(world.last);
}

static void only_memory_is_looked_at_between_sweeps(void **state)
{
	(void)state;
	world.last = true;
	sources_look(&capture);
	assert_string_equal(world.calls, "growth_sweep ");
	assert_false(world.last);
}

/* Clients do not look for libraries any more. */
static void at_the_end_stacks_are_waited_for_before_the_last_sweep(void **state)
{
	(void)state;
	sources_finish(&capture, world.now + 1500 * MS);
	assert_int_equal(world.timeout, 1500);
	assert_string_equal(world.calls,
			    "presents_finish over readers_finish presents_tell "
			    "clients_end heap_sweep library_heap_sweep collections_sweep "
			    "growth_sweep ");
	assert_true(world.last);
}

static void an_end_that_is_late_waits_for_nothing(void **state)
{
	(void)state;
	world.timeout = -1;
	sources_finish(&capture, world.now);
	assert_int_equal(world.timeout, 0);
	assert_null(strstr(world.calls, "presents_finish"));
	assert_non_null(strstr(world.calls, "growth_sweep"));
}

/* --- records and processes -------------------------------------------------------------------- */

static void each_raw_record_has_one_reader(void **state)
{
	static const struct {
		uint16_t kind;
		const char *reader;
		bool stack;
	} ways[] = {
		{EV_HANDLE_CLOSED, "clients_record ", false},
		{RAW_HANDLE, "clients_record ", false},
		{RAW_RUN, "clients_record ", false},
		{RAW_STACK, "readers_stack ", true},
		{RAW_EVIDENCE, "readers_evidence ", false},
		{RAW_GROWTH, "growth_sample ", false},
		{RAW_POOL, "growth_pool ", false},
		{RAW_POOL_SEEN, "growth_pool_seen ", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		const struct ev_head head = {.kind = ways[i].kind};

		capture.stacks_come = false;
		world.calls[0] = '\0';
		assert_true(sources_record(&capture, &head));
		assert_string_equal(world.calls, ways[i].reader);
		assert_int_equal(capture.stacks_come, ways[i].stack);
	}
}

static void whoever_is_met_is_known_to_all_that_keep_processes(void **state)
{
	(void)state;
	sources_events.met(&capture, PID, START);
	assert_string_equal(world.calls, "readers_process collections_met growth_met ");
}

/* In the opposite order: what memory held is told before its libraries and stacks go. */
static void whoever_ends_is_forgotten_backwards(void **state)
{
	(void)state;
	sources_gone(&capture, PID, START);
	assert_string_equal(world.calls, "growth_gone collections_gone heap_sweep clients_exit "
					 "presents_gone ");
}

static void memory_alone_hears_of_usage(void **state)
{
	(void)state;
	sources_events.look_begins(&capture);
	sources_events.usage(&capture, PID, START, NULL);
	assert_string_equal(world.calls, "growth_look growth_usage ");
	assert_false(sources_events.follows(&capture, PID, START));
	world.holds = "growth_follows";
	assert_true(sources_events.follows(&capture, PID, START));
}

/* --- probes and their cost -------------------------------------------------------------------- */

static void a_probe_of_any_source_is_ours(void **state)
{
	static const char *const owners[] = {"clients_at", "heap_at", "collections_at"};

	(void)state;
	assert_false(sources_have_probe(&capture, 10, 20));
	for (size_t i = 0; i < 3; i++) {
		world.holds = owners[i];
		assert_true(sources_have_probe(&capture, 10, 20));
		assert_false(sources_have_probe(&capture, 10, 21));
	}
}

static void costs_add_up(void **state)
{
	(void)state;
	assert_true(sources_cost_ns(&capture, 2) == 211111);
	capture.heap = NULL;
	assert_true(sources_cost_ns(&capture, 0) == 11101);
}

static void one_that_gave_up_detail_is_enough(void **state)
{
	static const char *const who[] = {"clients_less", "heap_less", "library_heap_less",
					  "collections_less"};

	(void)state;
	assert_false(sources_stepped_down(&capture));
	for (size_t i = 0; i < 4; i++) {
		world.holds = who[i];
		assert_true(sources_stepped_down(&capture));
	}
}

static void only_libraries_have_an_account(void **state)
{
	(void)state;
	sources_account(&capture);
	assert_string_equal(world.calls, "clients_tell_libraries ");
}

#define ALL(name) cmocka_unit_test_setup(name, all_open)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_attached_between_those_that_hear_them_and_the_rest),
		cmocka_unit_test(what_the_options_do_not_ask_for_is_not_opened),
		cmocka_unit_test(the_first_that_cannot_be_opened_ends_the_opening),
		ALL(who_lends_closes_after_who_borrows),
		cmocka_unit_test_setup(closed_sources_are_passed_over, none_open),
		ALL(threads_that_wait_in_a_full_pool_are_read_first),
		ALL(each_descriptor_is_waited_for),
		ALL(the_nearest_time_is_the_one_that_is_due),
		ALL(a_library_is_probed_before_stacks_are_read),
		ALL(a_step_that_fails_is_the_last),
		ALL(a_sweep_asks_each_what_changed),
		ALL(only_memory_is_looked_at_between_sweeps),
		ALL(at_the_end_stacks_are_waited_for_before_the_last_sweep),
		ALL(an_end_that_is_late_waits_for_nothing),
		ALL(each_raw_record_has_one_reader),
		ALL(whoever_is_met_is_known_to_all_that_keep_processes),
		ALL(whoever_ends_is_forgotten_backwards),
		ALL(memory_alone_hears_of_usage),
		ALL(a_probe_of_any_source_is_ours),
		ALL(costs_add_up),
		ALL(one_that_gave_up_detail_is_enough),
		ALL(only_libraries_have_an_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
