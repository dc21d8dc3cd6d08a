/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * State files of containers made to break whoever reads them, and workers that do not answer as
 * they should.
 */
#include "user/base/file.h"
#include "user/capture/host/memory.h"
#include "user/capture/host/state_reader.c"
#include "user/capture/worker/fetcher_state.h"
#include <signal.h>

#include "tests/unit/support/tree.h"
#include "tests/unit/support/states.h"
#include "user/system/clock.h"

#define ID   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE "containers.json"

static char answer[STATE_ANSWER_MAX];

static ssize_t ask(struct state_reader *r, enum state_question question, const char *file)
{
	int root = file_open_root(tree_root);
	ssize_t n = state_reader_ask(r, root, file, FILE_OF_ANYBODY, question, ID, answer);

	close(root);
	return n;
}

static struct state_reader *reader(void)
{
	struct state_reader *r;

	assert_int_equal(state_reader_open(&r, nursery), 0);
	return r;
}

/* Writes head, as many units as fit into size bytes, and tail. */
static void fill(const char *head, const char *unit, const char *tail, size_t size)
{
	char *text = malloc(size + 1);
	size_t n = strlen(head), step = strlen(unit);

	assert_non_null(text);
	memcpy(text, head, n);
	for (; n + step + strlen(tail) <= size; n += step)
		memcpy(text + n, unit, step);
	strcpy(text + n, tail);
	tree_file(FILE, text);
	free(text);
}

static void files_of_all_run_times_are_read(void **state)
{
	struct state_reader *r = reader();

	(void)state;
	tree_file(FILE, "{\"Name\":\"/web1\"}");
	assert_int_equal(ask(r, STATE_DOCKER_NAME, FILE), 6);
	assert_string_equal(answer, "/web1");
	tree_file(FILE, "{\"graph\":\"/old\",\"data-root\":\"/srv\"}");
	assert_int_equal(ask(r, STATE_DOCKER_ROOT, FILE), 5);
	assert_string_equal(answer, "/srv");
	tree_file(FILE, "[{\"id\":\"x\",\"names\":[\"no\"]},{\"id\":\"" ID
			"\",\"names\":[\"pod1\",\"alias\"]}]");
	assert_int_equal(ask(r, STATE_PODMAN_NAME, FILE), 5);
	assert_string_equal(answer, "pod1");
	tree_file(FILE, "# graphroot = \"/no\"\n graphroot = \"/a\"\nrunroot=\"/b\"\nrunroot = \n");
	assert_int_equal(ask(r, STATE_PODMAN_ROOTS, FILE), 6);
	assert_memory_equal(answer, "/a\0/b", 6);
	assert_int_equal(ask(r, STATE_DOCKER_NAME, "none"), -ENOENT);
	state_reader_close(r);
}

/* The worker lives on, and answers about the next file. */
static void hostile_files_say_nothing(void **state)
{
	static const struct {
		const char *head, *unit, *tail;
		size_t size;
		ssize_t answer;
	} cases[] = {
		{"[", "[],", "[]]", 16 << 20, -EFBIG},
		{"[", "[],", "[]]", 16384, 0},
		{"", "[", "", STATE_BYTES_MAX, 0},
		{"", "{\"a\":", "", STATE_BYTES_MAX, 0},
		{"{\"Name\":\"", "\xff\xfe\xc0", "\"}", 4096, 0},
		{"{\"Name\":\"", "a", "\"}", STATE_BYTES_MAX, 0}, /* larger than an answer */
		{"{\"Name\":\"/web1", "b", "", 4096, 0},
		{"{\"Name\":\"/web1\",\"x\":\"\\u0000", "\\uDC00", "\"}", 4096, 0},
		{"", "\n", "", STATE_BYTES_MAX, 0},
		{"", "\n", "", 0, 0},
	};
	struct state_reader *r = reader();
	uint32_t serial;
	uid_t owner;

	(void)state;
	tree_file("good", "{\"Name\":\"/web1\"}");
	assert_int_equal(ask(r, STATE_DOCKER_NAME, "good"), 6);
	serial = r->worker.serial;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fill(cases[i].head, cases[i].unit, cases[i].tail, cases[i].size);
		for (int q = STATE_DOCKER_NAME; q <= STATE_PODMAN_ROOTS; q++)
			assert_int_equal(ask(r, q, FILE), cases[i].answer);
		assert_int_equal(ask(r, STATE_DOCKER_NAME, "good"), 6);
	}
	assert_int_equal(r->worker.serial, serial);
	assert_false(state_reader_lost(r, &owner));
	state_reader_close(r);
}

/* As much as one file may ask of its worker: it answers, or it is left in time. */
static void the_dearest_file_costs_its_name_at_most(void **state)
{
	struct state_reader *r = reader();
	int64_t begun = clock_monotonic_ms();
	ssize_t n;

	(void)state;
	fill("[", "[],", "[]]", STATE_BYTES_MAX);
	n = ask(r, STATE_DOCKER_NAME, FILE);
	assert_true(n == 0 || n == -ETIME);
	assert_in_range(clock_monotonic_ms() - begun, 0, STATE_MS + 1000);
	state_reader_close(r);
}

static void more_folders_than_an_answer_holds_are_cut(void **state)
{
	struct state_reader *r = reader();
	ssize_t n;

	(void)state;
	fill("", "graphroot = \"/folder\"\n", "", STATE_BYTES_MAX);
	n = ask(r, STATE_PODMAN_ROOTS, FILE);
	assert_in_range(n, STATE_ANSWER_MAX - 8, STATE_ANSWER_MAX);
	assert_int_equal(answer[n - 1], '\0');
	state_reader_close(r);
}

/* --- workers that fail ------------------------------------------------------------------- */

/* Puts a worker in place that has answered with these bytes, or is gone. */
static void place_worker(struct state_reader *r, const void *bytes, size_t size, bool gone)
{
	static int other = -1;
	int pair[2];

	if (other >= 0)
		close(other);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	if (bytes)
		assert_int_equal(send(pair[1], bytes, size, 0), size);
	if (gone)
		close(pair[1]);
	other = gone ? -1 : pair[1];
	r->worker = (struct nursling){pair[0], -1, 0, 0};
	r->owner = getuid();
}

/* Its owner's other files are lost as well, but not those of root. */
static void assert_lost(struct state_reader *r)
{
	uid_t owner = 0;

	assert_true(state_reader_lost(r, &owner));
	assert_int_equal(owner, getuid());
	assert_false(state_reader_lost(r, &owner));
	assert_int_equal(ask(r, STATE_DOCKER_NAME, FILE), -EDQUOT);
	assert_int_equal(ask(r, STATE_DOCKER_NAME, "good"), getuid() ? -EDQUOT : 6);
	assert_false(state_reader_lost(r, &owner));
}

static void answers_that_make_no_sense_lose_their_owner(void **state)
{
	static const struct {
		uint32_t size;
		size_t sent;
	} lies[] = {{0, 2}, {4, 4}, {0, 12}, {8, 16}, {UINT32_MAX, 16}, {12, 16}};

	(void)state;
	tree_file(FILE, "{}");
	tree_file("good", "{\"Name\":\"/web1\"}");
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct state_reader *r = reader();
		struct state_reply reply = {.size = lies[i].size};

		memset(reply.text, 'x', sizeof(reply.text));
		place_worker(r, &reply, lies[i].sent, false);
		assert_true(ask(r, STATE_DOCKER_NAME, FILE) < 0);
		assert_lost(r);
		state_reader_close(r);
	}
}

static void a_worker_that_dies_loses_its_owner(void **state)
{
	struct state_reader *r = reader();

	(void)state;
	tree_file(FILE, "{}");
	tree_file("good", "{\"Name\":\"/web1\"}");
	place_worker(r, NULL, 0, true);
	assert_true(ask(r, STATE_DOCKER_NAME, FILE) < 0);
	assert_lost(r);
	state_reader_close(r);
}

static void a_worker_that_hangs_is_left_in_time(void **state)
{
	struct state_reader *r = reader();
	int64_t begun;

	(void)state;
	fill("", "[", "", STATE_BYTES_MAX);
	tree_file("good", "{\"Name\":\"/web1\"}");
	place_worker(r, NULL, 0, false);
	begun = clock_monotonic_ms();
	assert_int_equal(ask(r, STATE_DOCKER_NAME, FILE), -ETIME);
	assert_in_range(clock_monotonic_ms() - begun, STATE_MS, STATE_MS + 1000);
	assert_lost(r);
	state_reader_close(r);
}

/* A user's file could have taken the worker over, and lie about the containers of others. */
static void files_of_another_owner_get_a_new_worker(void **state)
{
	struct state_reader *r = reader();
	uint32_t serial;

	(void)state;
	if (getuid()) {
		state_reader_close(r);
		skip();
	}
	tree_file(FILE, "{\"Name\":\"/web1\"}");
	tree_file("his", "{\"Name\":\"/web2\"}");
	assert_int_equal(chown(tree_path("his"), 1000, 1000), 0);
	assert_int_equal(ask(r, STATE_DOCKER_NAME, FILE), 6);
	serial = r->worker.serial;
	assert_int_equal(ask(r, STATE_DOCKER_NAME, FILE), 6);
	assert_int_equal(r->worker.serial, serial);
	assert_int_equal(ask(r, STATE_DOCKER_NAME, "his"), 6);
	assert_int_not_equal(r->worker.serial, serial);
	serial = r->worker.serial;
	assert_int_equal(ask(r, STATE_DOCKER_NAME, FILE), 6);
	assert_int_not_equal(r->worker.serial, serial);
	state_reader_close(r);
}

static void folders_name_what_ends_alike(void **state)
{
	struct state_reader *r = reader();
	int root = file_open_root(tree_root);
	char names[STATE_ANSWER_MAX];

	(void)state;
	tree_file("storage/overlay-containers/a", "");
	tree_file("storage/overlay-layers/a", "");
#define LIST(folder, owner, most) \
	state_reader_list(r, root, folder, owner, "-containers", most, names)
	assert_int_equal(LIST("/storage", FILE_OF_ANYBODY, 64), sizeof("overlay-containers"));
	assert_string_equal(names, "overlay-containers");
	assert_int_equal(LIST("/storage", FILE_OF_ANYBODY, 0), 0);
	assert_int_equal(LIST("/storage", getuid() + 1, 64), -EPERM);
	assert_int_equal(LIST("/none", FILE_OF_ANYBODY, 64), -ENOENT);
	close(root);
	state_reader_close(r);
}

static ssize_t ask_of(struct state_reader *r, uid_t owner)
{
	int root = file_open_root(tree_root);
	ssize_t n = state_reader_ask(r, root, FILE, owner, STATE_DOCKER_NAME, ID, answer);

	close(root);
	return n;
}

/* A stopped fetcher looks like one that hangs in the kernel. */
static void files_that_do_not_answer_cost_their_owner_only(void **state)
{
	struct state_reader *r = reader();
	struct fetcher *fetcher;
	uid_t owner;

	(void)state;
	tree_file(FILE, "{\"Name\":\"/web1\"}");
	assert_int_equal(fetcher_open(&fetcher), 0);
	memory_use(fetcher);
	assert_int_equal(ask_of(r, getuid()), 6);
	assert_int_equal(ask_of(r, getuid() + 1), -EPERM);
	kill(fetcher->pid, SIGSTOP);
	assert_int_equal(ask_of(r, 12345), -ETIMEDOUT);
	assert_true(state_reader_lost(r, &owner));
	assert_int_equal(owner, 12345);
	assert_int_equal(ask_of(r, 12345), -EDQUOT); /* is not even tried */
	assert_false(state_reader_lost(r, &owner));
	assert_int_equal(ask_of(r, getuid()), 6);
	kill(fetcher->pid, SIGSTOP);
	assert_int_equal(ask_of(r, FILE_OF_ANYBODY), -ETIMEDOUT);
	assert_true(state_reader_lost(r, &owner));
	assert_int_equal(owner, 0);
	assert_int_equal(ask_of(r, FILE_OF_ANYBODY), -ETIMEDOUT);
	assert_false(state_reader_lost(r, &owner)); /* reported once */
	memory_use(NULL);
	fetcher_close(fetcher);
	state_reader_close(r);
}

static void without_a_nursery_nothing_is_read(void **state)
{
	struct state_reader *r;

	(void)state;
	tree_file(FILE, "{\"Name\":\"/web1\"}");
	assert_int_equal(state_reader_open(&r, NULL), 0);
	assert_int_equal(ask(r, STATE_DOCKER_NAME, FILE), -ENOTSUP);
	state_reader_close(r);
	state_reader_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(files_of_all_run_times_are_read),
		tree_test(hostile_files_say_nothing),
		tree_test(the_dearest_file_costs_its_name_at_most),
		tree_test(more_folders_than_an_answer_holds_are_cut),
		tree_test(answers_that_make_no_sense_lose_their_owner),
		tree_test(a_worker_that_dies_loses_its_owner),
		tree_test(a_worker_that_hangs_is_left_in_time),
		tree_test(files_of_another_owner_get_a_new_worker),
		tree_test(folders_name_what_ends_alike),
		tree_test(files_that_do_not_answer_cost_their_owner_only),
		tree_test(without_a_nursery_nothing_is_read),
	};

	return cmocka_run_group_tests_name("state_reader", tests, states_begin, nursery_finish);
}
