/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Client libraries from their opening on: which files are looked into at once, which wait, and what
 * for; what happens when the last process unmaps one; and when TLS libraries are probed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/capture/clientlib/client.h"
#include "user/capture/clientlib/clientlib_state.h"

#define MS     1000000ULL
#define PID    77
#define CHOSEN 88 /* by the user */
#define GONE   99 /* has ended */
#define DEVICE 3

static const char *const no_anchors[] = {NULL};

const struct probe_library probe_libraries[] = {
	{.name = "demo",
	 .bit = EV_LIBRARY_LIBPQ,
	 .database = EV_DB_POSTGRESQL,
	 .anchors = no_anchors},
	{.name = "OpenSSL", .bit = EV_LIBRARY_OPENSSL, .anchors = no_anchors},
};
const size_t probe_library_count = 2;

/* What the symbols of a file show. */
enum file_kind { PLAIN, DEMO, TLS, DEMO_INSIDE, TLS_INSIDE, NO_ELF, ENDLESS };

static struct world {
	uint64_t now, look_ns; /* each look takes so long */
	/* what opening finds */
	int programs_err, calibrate_err, reach_err, scan_err, poll_err, watch_err;
	bool kills, misfires, exits_kill, keeps_to_pid;
	enum reach_how how;
	bool ready, counts_fuse;
	uint32_t joined, held;
	/* files */
	struct file_kind_of {
		uint64_t inode;
		enum file_kind kind;
	} kinds[300];
	size_t kind_count;
	unsigned int looks, deep_looks, added, follows, holds, releases, again, told, mapped;
	unsigned int removed_later, gone, host_gone, runtimes_gone, gaps, tls_begins, budgets;
	uint64_t added_inode;
	bool added_deep, added_openssl, keeps;
	const char *host_library;
	char gap[EV_TEXT_LEN];
	uint32_t gap_pid;
	int tls_err;
	const char *found[2]; /* by glob */
	/* what a process maps */
	uint64_t maps;
	bool opened;
	unsigned int entry;
} world;

static struct clients *clients;
static struct client_host host;
static int fds[300];
static size_t fd_count;

/* --- time and files of the host -------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){(time_t)(world.now / SECOND_NS), (long)(world.now % SECOND_NS)};
	return 0;
}

int access(const char *path, int mode)
{
	(void)mode;
	return strcmp(path, "/proc/99") ? 0 : -1;
}

DIR *opendir(const char *path)
{
	assert_non_null(strstr(path, "/map_files"));
	world.entry = 0;
	return (DIR *)&world;
}

int dirfd(DIR *dir)
{
	(void)dir;
	return 1000;
}

struct dirent *readdir(DIR *dir)
{
	static struct dirent entries[] = {{.d_name = "."}, {.d_name = "1000-2000"}};

	(void)dir;
	return world.entry < 2 ? &entries[world.entry++] : NULL;
}

int closedir(DIR *dir)
{
	(void)dir;
	return 0;
}

int fstatat(int fd, const char *restrict path, struct stat *restrict st, int flags)
{
	(void)flags;
	assert_int_equal(fd, 1000);
	assert_string_equal(path, "1000-2000");
	*st = (struct stat){.st_dev = DEVICE, .st_ino = world.maps};
	return 0;
}

int glob(const char *restrict pattern, int flags, int (*on_error)(const char *, int),
	 glob_t *restrict out)
{
	(void)on_error;
	assert_non_null(strstr(pattern, "sqlite3"));
	out->gl_pathv = (char **)(uintptr_t)world.found;
	out->gl_pathc = flags & GLOB_APPEND ? 2 : 0;
	return 0;
}

void globfree(glob_t *g)
{
	(void)g;
}

/* --- what is in a file ----------------------------------------------------------------------- */

static enum file_kind kind_of(uint64_t inode)
{
	for (size_t i = 0; i < world.kind_count; i++)
		if (world.kinds[i].inode == inode)
			return world.kinds[i].kind;
	return PLAIN;
}

int elf_open(struct elf_file **out, int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	world.looks++;
	world.now += world.look_ns;
	*out = (struct elf_file *)(uintptr_t)(1 + kind_of(st.st_ino));
	return kind_of(st.st_ino) == NO_ELF ? -EBADMSG : 0;
}

static enum file_kind in_elf(const struct elf_file *e)
{
	return (enum file_kind)((uintptr_t)e - 1);
}

void elf_close(struct elf_file *e)
{
	(void)e;
}

void elf_deepen(struct elf_file *e)
{
	(void)e;
	world.deep_looks++;
}

bool elf_given_up(const struct elf_file *e)
{
	return in_elf(e) == ENDLESS;
}

bool client_has_anchors(struct elf_file *elf, const struct probe_library *l)
{
	return in_elf(elf) == (l->bit == EV_LIBRARY_OPENSSL ? TLS : DEMO);
}

void client_find_anchors_deep(struct elf_file *elf, bool *has)
{
	has[0] = in_elf(elf) == DEMO_INSIDE;
	has[1] = in_elf(elf) == TLS_INSIDE;
}

void client_add_library(struct clients *c, const struct probe_library *l, struct elf_file *elf,
			const struct library_file *file, bool deep)
{
	struct attached *a = calloc(1, sizeof(*a));

	(void)elf;
	assert_non_null(a);
	a->library = l;
	a->ev.device = file->device;
	a->ev.inode = file->inode;
	a->early = c->early;
	snprintf(a->ev.path, sizeof(a->ev.path), "%s", file->path);
	a->sets[GROUP_OBJECTS] = (struct reach_set *)&world;
	a->next = c->files;
	c->files = a;
	world.added++;
	world.added_inode = file->inode;
	world.added_deep = deep;
	world.added_openssl = l->bit == EV_LIBRARY_OPENSSL;
}

void client_tell_library(struct clients *c, struct attached *a)
{
	(void)c, (void)a;
	world.told++;
}

/* --- the budget ------------------------------------------------------------------------------ */

void client_count_hits(struct clients *c)
{
	for (struct attached *a = c->files; a; a = a->next)
		a->spent_ns[GROUP_OBJECTS] = 10;
}

void client_keep_budget(struct clients *c, uint64_t now)
{
	(void)c, (void)now;
	world.budgets++;
}

/* --- the kernel ------------------------------------------------------------------------------ */

int kernel_client_programs(struct kernel *k, enum kernel_probes which,
			   struct probe_programs *programs)
{
	(void)k;
	if (which == KERNEL_PROBES_CLIENT)
		programs->multi = world.found[0] != NULL;
	return world.programs_err;
}

int kernel_client_probe(struct kernel *k, uint32_t cookie, const struct probe *probe)
{
	(void)k;
	assert_true(cookie < PROBE_CANARIES);
	assert_int_equal(probe->role, PROBE_COUNT);
	return 0;
}

int kernel_client_hits(struct kernel *k, uint32_t first, uint32_t n, uint64_t *hits)
{
	(void)k, (void)n;
	*hits = first < PROBES_MOST ? 100 : 5;
	return first == 3 ? -EIO : 0;
}

int kernel_client_run_time(struct kernel *k, struct kernel_client_runs *out)
{
	(void)k, (void)out;
	return 0;
}

int kernel_client_tls(struct kernel *k, bool wait)
{
	(void)k;
	assert_int_equal(wait, host.eager);
	return world.tls_err;
}

void kernel_client_tls_begin(struct kernel *k)
{
	(void)k;
	world.tls_begins++;
}

int probes_calibrate(struct probe_cost *cost, const struct probe_programs *programs, uint32_t first,
		     uint64_t (*hits)(void *context, uint32_t cookie), void *context)
{
	(void)programs;
	assert_int_equal(first, 0);
	assert_int_equal(hits(context, 0), 105); /* at the beginning and at the ends */
	assert_int_equal(hits(context, 3), 0);
	*cost = (struct probe_cost){.cheap_ns = 123,
				    .fires = !world.misfires,
				    .kills = world.kills,
				    .exits_kill = world.exits_kill,
				    .keeps_to_pid = world.keeps_to_pid};
	return world.calibrate_err;
}

/* --- who maps what --------------------------------------------------------------------------- */

int libraries_open(struct libraries **out, const struct procfs *procfs)
{
	(void)procfs;
	*out = (struct libraries *)1;
	return 0;
}

void libraries_close(struct libraries *l)
{
	(void)l;
}

void libraries_on_mapping(struct libraries *l, library_mapping_fn fn)
{
	(void)l;
	assert_ptr_equal(fn, client_on_mapping);
}

void libraries_on_gone(struct libraries *l, library_gone_fn fn)
{
	(void)l;
	assert_ptr_equal(fn, client_on_gone);
}

int libraries_watch(struct libraries *l)
{
	(void)l;
	return world.watch_err;
}

int libraries_fd(const struct libraries *l)
{
	(void)l;
	return 41;
}

int libraries_scan(struct libraries *l, library_fn fn, void *context)
{
	(void)l, (void)fn, (void)context;
	return world.scan_err;
}

int libraries_poll(struct libraries *l, library_fn fn, void *context)
{
	(void)l, (void)fn, (void)context;
	return world.poll_err;
}

void libraries_follow(struct libraries *l, const struct library_file *file)
{
	(void)l, (void)file;
	world.follows++;
}

int libraries_hold(struct libraries *l, uint64_t device, uint64_t inode)
{
	(void)l, (void)device, (void)inode;
	world.holds++;
	return 0;
}

void libraries_release(struct libraries *l, uint64_t device, uint64_t inode)
{
	(void)l, (void)device, (void)inode;
	world.releases++;
}

void libraries_again(struct libraries *l)
{
	(void)l;
	world.again++;
}

struct library_counts libraries_counts(const struct libraries *l)
{
	(void)l;
	return (struct library_counts){.served = world.counts_fuse};
}

int procfs_pids(const struct procfs *p, uint32_t **pids, size_t *count)
{
	(void)p;
	*pids = calloc(1, sizeof(**pids));
	*count = 1;
	return 0;
}

int memory_maps_answer(uint32_t pid)
{
	return pid == CHOSEN ? -EAGAIN : 0;
}

uint32_t memory_maps_locked(void)
{
	return 1234;
}

void looking_at(uint32_t pid, const char *what)
{
	(void)pid, (void)what;
}

void looking_over(void)
{
}

/* --- where probes go ------------------------------------------------------------------------- */

int reach_open(struct reach **out, enum reach_how how, const struct reach_host *reach_host)
{
	assert_true(reach_host->wanted(reach_host->context, CHOSEN));
	assert_false(reach_host->wanted(reach_host->context, PID));
	world.how = how;
	*out = world.reach_err ? NULL : (struct reach *)1;
	return world.reach_err;
}

void reach_close(struct reach *r)
{
	(void)r;
}

void reach_hold(struct reach *r, uint32_t locked)
{
	(void)r;
	world.held = locked;
}

void reach_make_ready(struct reach *r)
{
	(void)r;
	world.ready = true;
}

void reach_join(struct reach *r, uint32_t pid)
{
	(void)r;
	world.joined = pid;
}

void reach_mapped(struct reach *r, uint32_t pid, uint64_t device, uint64_t inode)
{
	(void)r, (void)pid, (void)device, (void)inode;
	world.mapped++;
}

void reach_gone(struct reach *r, uint64_t device, uint64_t inode)
{
	(void)r, (void)device, (void)inode;
	world.gone++;
}

void reach_remove_later(struct reach_set *set)
{
	world.removed_later += set != NULL;
}

bool reach_is_at(struct reach *r, uint64_t inode, uint64_t offset)
{
	(void)r;
	return inode == 10 && offset == 20;
}

/* --- the rest of the room -------------------------------------------------------------------- */

int runtimes_open(struct runtimes **out, struct kernel *kernel, const struct procfs *procfs,
		  struct reach *reach)
{
	(void)kernel, (void)procfs, (void)reach;
	*out = (struct runtimes *)1;
	return 0;
}

void runtimes_close(struct runtimes *r)
{
	(void)r;
}

bool runtimes_file(struct runtimes *r, struct elf_file *elf, const struct library_file *file)
{
	(void)r, (void)elf, (void)file;
	return false;
}

bool runtimes_has(const struct runtimes *r, uint64_t device, uint64_t inode)
{
	(void)r, (void)device, (void)inode;
	return false;
}

void runtimes_gone(struct runtimes *r, uint64_t device, uint64_t inode)
{
	(void)r, (void)device, (void)inode;
	world.runtimes_gone++;
}

void runtimes_mapped(struct runtimes *r, const struct library_mapping *mapping)
{
	(void)r, (void)mapping;
}

void runtimes_step(struct runtimes *r, uint64_t now_ns)
{
	(void)r, (void)now_ns;
}

void runtimes_head_start(struct runtimes *r)
{
	(void)r;
}

int sqlites_open(struct sqlites **out, struct kernel *kernel, struct sizes *sizes,
		 const struct procfs *procfs, const struct client_host *h)
{
	(void)out, (void)kernel, (void)sizes, (void)procfs, (void)h;
	return 0;
}

void sqlites_close(struct sqlites *s)
{
	(void)s;
}

int sizes_open(struct sizes **out, struct nursery *nursery, const struct client_host *h)
{
	(void)out, (void)nursery, (void)h;
	return 0;
}

void sizes_end(struct sizes *s)
{
	(void)s;
}

void sizes_close(struct sizes *s)
{
	(void)s;
}

/* --- the host -------------------------------------------------------------------------------- */

static void tell(void *context, const struct ev_head *record)
{
	const struct ev_gap *gap = (const void *)record;

	(void)context;
	assert_int_equal(record->kind, EV_GAP);
	snprintf(world.gap, sizeof(world.gap), "%s", gap->text);
	world.gap_pid = gap->pid;
	world.gaps++;
}

static bool selected(void *context, uint32_t pid)
{
	(void)context;
	return pid == CHOSEN;
}

static void file_for_host(void *context, struct elf_file *elf, const struct library_file *file,
			  const char *library)
{
	(void)context, (void)elf, (void)file;
	world.host_library = library;
}

static void gone_for_host(void *context, uint64_t device, uint64_t inode)
{
	(void)context, (void)device, (void)inode;
	world.host_gone++;
}

static bool keeps_for_host(void *context, uint64_t device, uint64_t inode)
{
	(void)context, (void)device, (void)inode;
	return world.keeps;
}

/* --- helpers --------------------------------------------------------------------------------- */

static void open_clients(void)
{
	clients_close(clients);
	assert_int_equal(clients_open(&clients, NULL, NULL, NULL, &host), world.scan_err);
}

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.now = 1000 * SECOND_NS;
	host = (struct client_host){.tell = tell, .selected = selected};
	open_clients();
	return 0;
}

static int end(void **state)
{
	(void)state;
	clients_close(clients);
	clients = NULL;
	while (fd_count)
		close(fds[--fd_count]);
	return 0;
}

static struct library_file make(enum file_kind kind, uint32_t pid, const char *path)
{
	int fd = memfd_create("library", MFD_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0 && fd_count < 300);
	fds[fd_count++] = fd;
	assert_int_equal(fstat(fd, &st), 0);
	world.kinds[world.kind_count++] = (struct file_kind_of){st.st_ino, kind};
	return (struct library_file){
		.device = DEVICE, .inode = st.st_ino, .pid = pid, .fd = fd, .path = path};
}

static struct library_file comes(enum file_kind kind, uint32_t pid, const char *path)
{
	struct library_file file = make(kind, pid, path);

	client_on_file(clients, &file);
	return file;
}

static struct library_mapping mapping_of(const struct library_file *file, uint32_t pid)
{
	return (struct library_mapping){.device = file->device, .inode = file->inode, .pid = pid};
}

/* --- opening --------------------------------------------------------------------------------- */

static void without_a_selection_everybody_carries_probes(void **state)
{
	(void)state;
	assert_int_equal(world.how, REACH_EVERYONE);
	assert_true(world.ready);
	assert_int_equal(world.joined, 0);
	assert_int_equal(world.held, 1234);
	assert_int_equal(clients_hit_ns(clients), 123);
	assert_false(clients_keep_to_pid(clients));
	assert_int_equal(clients_fd(clients), 41);
	assert_non_null(clients_reach(clients));
	assert_non_null(clients_runtimes(clients));
	assert_true(clients_is_at(clients, 10, 20));
	assert_int_equal(world.gaps, 0);
}

static void a_selection_is_followed_as_closely_as_the_kernel_can(void **state)
{
	(void)state;
	host.selective = true;
	world.ready = false;
	open_clients();
	assert_int_equal(world.how, REACH_THEIR_FILES);
	assert_false(world.ready);
	world.keeps_to_pid = true;
	host.command = 55;
	open_clients();
	assert_int_equal(world.how, REACH_CHOSEN);
	assert_true(world.ready);
	assert_int_equal(world.joined, 55);
	assert_true(clients_keep_to_pid(clients));
}

static void assert_shut(const char *why)
{
	world.gaps = 0;
	open_clients();
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "cannot watch client libraries: "));
	assert_non_null(strstr(world.gap, why));
	assert_int_equal(clients_fd(clients), -1);
	assert_int_equal(clients_step(clients, 1), 0);
	assert_false(clients_wait(clients));
}

/* The watch goes on without them, and says why. */
static void client_libraries_that_cannot_be_watched_are_a_gap(void **state)
{
	(void)state;
	world.programs_err = -EACCES;
	assert_shut("Permission denied");
	world.programs_err = 0;
	world.kills = true;
	assert_shut("could kill processes with seccomp filters");
	world.kills = false;
	world.misfires = true;
	assert_shut("a test probe did not fire");
	world.misfires = false;
	world.calibrate_err = -ENOMEM;
	assert_shut("Cannot allocate memory");
	world.calibrate_err = 0;
	world.reach_err = -ENOMEM;
	assert_shut("Cannot allocate memory");
	assert_false(clients_keep_to_pid(clients));
	assert_false(clients_is_at(clients, 10, 20));
	assert_int_equal(world.budgets, 0);
}

static void what_is_seen_less_of_is_told(void **state)
{
	(void)state;
	world.exits_kill = true;
	open_clients();
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "results, statements, buffers are not counted"));
	world.exits_kill = false;
	world.watch_err = -EPERM;
	open_clients();
	assert_int_equal(world.gaps, 2);
	assert_non_null(strstr(world.gap, "found with delay"));
	world.scan_err = -ENOMEM;
	open_clients(); /* returns it */
}

static void an_eager_watch_without_tls_waits_for_it_no_more(void **state)
{
	(void)state;
	host.eager = true;
	open_clients();
	assert_int_equal(clients_tls_since(clients), world.now);
	comes(TLS, PID, "/usr/lib/libssl.so.3");
	assert_true(world.added_openssl);
	world.tls_err = -ENOTSUP;
	open_clients();
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "cannot read TLS connections"));
	assert_false(clients->host.eager);
}

/* Those are probed before any process maps them, and stay when none does any more. */
static void where_probes_go_in_at_once_known_libraries_get_a_head_start(void **state)
{
	char path[] = "/tmp/dbleak-library-XXXXXX";
	int fd = mkstemp(path);
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	world.kinds[world.kind_count++] = (struct file_kind_of){st.st_ino, DEMO};
	world.found[0] = "/nowhere/libpq.so.5";
	world.found[1] = path;
	open_clients();
	assert_int_equal(world.added, 1);
	assert_int_equal(world.added_inode, st.st_ino);
	assert_true(clients->files->early);
	assert_false(clients->early);
	client_on_gone(clients, st.st_dev, st.st_ino);
	assert_int_equal(clients->left, 0);
	unlink(path);
	close(fd);
	client_on_gone(clients, st.st_dev, st.st_ino); /* another one is in its place */
	assert_int_equal(clients->left, 1);
}

/* --- files ----------------------------------------------------------------------------------- */

static void a_library_is_probed_as_soon_as_it_is_mapped(void **state)
{
	struct library_file file = comes(DEMO, PID, "/usr/lib/libdemo.so");
	struct library_mapping m = mapping_of(&file, PID);

	(void)state;
	assert_int_equal(world.added, 1);
	assert_false(world.added_deep);
	assert_int_equal(world.follows, 1);
	assert_int_equal(world.holds, 1);
	client_on_mapping(clients, &m);
	assert_int_equal(world.mapped, 1);
	client_on_file(clients, &file); /* its probes are there already */
	assert_int_equal(world.added, 1);
	assert_int_equal(clients->waiting_count, 0);
}

static void what_is_no_elf_file_is_let_go(void **state)
{
	struct library_file file = comes(NO_ELF, PID, "/tmp/text");
	struct library_mapping m = mapping_of(&file, PID);

	(void)state;
	assert_int_equal(world.releases, 1);
	assert_int_equal(clients->waiting_count, 0);
	client_on_mapping(clients, &m);
	assert_int_equal(world.mapped, 0);
}

static void a_program_waits_for_a_look_at_its_full_symbol_table(void **state)
{
	struct library_file plain = comes(PLAIN, PID, "/usr/bin/plain"),
			    demo = comes(DEMO_INSIDE, PID, "/usr/bin/static");

	(void)state;
	assert_int_equal(world.added, 0);
	assert_int_equal(clients->waiting_count, 2);
	assert_int_equal(world.holds, 2);
	client_look_deeper(clients); /* one at a time, the last first */
	assert_int_equal(world.deep_looks, 1);
	assert_int_equal(world.added_inode, demo.inode);
	assert_true(world.added_deep);
	assert_int_equal(world.releases, 0);
	client_look_deeper(clients);
	assert_int_equal(clients->waiting_count, 0);
	assert_int_equal(world.added, 1);
	assert_int_equal(world.releases, 1); /* nothing of the plain one is kept */
	client_look_deeper(clients);
	assert_int_equal(world.deep_looks, 2);
	assert_int_not_equal(plain.inode, demo.inode);
}

static void the_caller_hears_of_each_file_and_what_is_in_it(void **state)
{
	(void)state;
	host.file = file_for_host;
	host.keeps = keeps_for_host;
	open_clients();
	comes(DEMO, PID, "/usr/lib/libdemo.so");
	assert_string_equal(world.host_library, "demo");
	comes(PLAIN, PID, "/usr/lib/libother.so");
	assert_null(world.host_library);
	world.keeps = true; /* it stays open for the caller alone */
	comes(ENDLESS, PID, "/usr/bin/endless");
	assert_int_equal(world.releases, 0);
}

static void a_file_that_takes_too_long_is_told_with_its_process(void **state)
{
	(void)state;
	comes(ENDLESS, PID, "/usr/bin/endless");
	assert_int_equal(world.gaps, 1);
	assert_int_equal(world.gap_pid, PID);
	assert_non_null(strstr(world.gap, "/usr/bin/endless: reading it takes too long"));
	assert_int_equal(clients->waiting_count, 0); /* nor is its full table read */
	assert_int_equal(world.releases, 1);
}

static void more_programs_than_can_wait_are_told_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < DEEP_MOST; i++)
		comes(PLAIN, PID, "/usr/bin/plain");
	assert_int_equal(world.gaps, 0);
	comes(PLAIN, PID, "/usr/bin/plain");
	comes(PLAIN, PID, "/usr/bin/plain");
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "more than 200 programs"));
}

/* --- time for looks -------------------------------------------------------------------------- */

/* Half a second at once, then a quarter of the time. */
static void files_past_the_burst_wait_for_their_turn(void **state)
{
	struct library_file late;

	(void)state;
	world.look_ns = 2 * LOOKS_BURST_NS;
	comes(NO_ELF, PID, "/tmp/first");
	late = comes(DEMO, PID, "/usr/lib/libdemo.so");
	assert_int_equal(world.looks, 1);
	assert_int_equal(world.holds, 1); /* it is followed meanwhile */
	client_look_deeper(clients);
	assert_int_equal(world.looks, 1);
	world.look_ns = MS;
	world.now += 3 * LOOKS_BURST_NS;
	client_look_deeper(clients);
	assert_int_equal(world.looks, 2);
	assert_int_equal(world.added_inode, late.inode);
	assert_int_equal(world.again, 1); /* who else maps it? */
}

static void files_of_chosen_processes_do_not_wait(void **state)
{
	struct library_file late;
	struct library_mapping m;

	(void)state;
	host.selective = true;
	open_clients();
	world.look_ns = 2 * LOOKS_BURST_NS;
	comes(NO_ELF, PID, "/tmp/first");
	comes(DEMO, CHOSEN, "/usr/lib/libdemo.so");
	assert_int_equal(world.added, 1);
	late = comes(DEMO, PID, "/usr/lib/libother.so");
	assert_int_equal(world.added, 1);
	m = mapping_of(&late, PID);
	client_on_mapping(clients, &m);
	assert_int_equal(world.added, 1);
	m.pid = CHOSEN; /* now one that was chosen maps it, too */
	client_on_mapping(clients, &m);
	assert_int_equal(world.added, 2);
	assert_int_equal(world.added_inode, late.inode);
	assert_int_equal(clients->waiting_count, 0);
}

static void files_for_which_no_place_is_left_are_told_once(void **state)
{
	(void)state;
	world.look_ns = 2 * LOOKS_BURST_NS;
	comes(NO_ELF, PID, "/tmp/first");
	for (size_t i = 0; i < DEEP_MOST + 2; i++)
		comes(PLAIN, PID, "/usr/bin/plain");
	assert_int_equal(clients->looks.skipped, 2);
	client_look_deeper(clients);
	client_look_deeper(clients);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "too many files were loaded at once"));
}

static void files_that_a_program_serves_are_told_once(void **state)
{
	(void)state;
	client_look_deeper(clients);
	assert_int_equal(world.gaps, 0);
	world.counts_fuse = true;
	client_look_deeper(clients);
	client_look_deeper(clients);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "FUSE"));
}

/* --- files that are gone --------------------------------------------------------------------- */

static void a_library_that_nobody_maps_loses_its_probes_once(void **state)
{
	struct library_file file;

	(void)state;
	host.gone = gone_for_host;
	open_clients();
	file = comes(DEMO, PID, "/usr/lib/libdemo.so");
	client_on_gone(clients, DEVICE, file.inode);
	assert_int_equal(world.removed_later, 1);
	assert_int_equal(world.told, 1); /* its hits up to now */
	assert_int_equal(clients->left, 1);
	assert_int_equal(clients->files->left_ns, world.now);
	assert_int_equal(world.gone, 1);
	assert_int_equal(world.host_gone, 1);
	assert_int_equal(world.runtimes_gone, 1);
	client_on_gone(clients, DEVICE, file.inode);
	assert_int_equal(world.removed_later, 1);
	assert_int_equal(world.told, 1);
	assert_int_equal(clients->left, 1);
	client_on_file(clients, &file); /* mapped again: probed again */
	assert_int_equal(world.added, 2);
	world.told = 0;
	clients_tell_libraries(clients);
	assert_int_equal(world.told, 1); /* of the one that is mapped */
}

static void files_that_waited_are_closed_when_nobody_maps_them(void **state)
{
	struct library_file plain = comes(PLAIN, PID, "/usr/bin/plain"),
			    tls = comes(TLS, PID, "/usr/lib/libssl.so.3");

	(void)state;
	assert_int_equal(clients->waiting_count, 1);
	assert_int_equal(clients->tls_count, 1);
	client_on_gone(clients, DEVICE + 1, plain.inode); /* another file system */
	assert_int_equal(clients->waiting_count, 1);
	client_on_gone(clients, DEVICE, plain.inode);
	assert_int_equal(clients->waiting_count, 0);
	client_on_gone(clients, DEVICE, tls.inode);
	assert_int_equal(clients->tls_count, 0);
}

/* --- TLS ------------------------------------------------------------------------------------- */

static void openssl_is_probed_when_a_connection_needs_it(void **state)
{
	struct library_file tls = comes(TLS, PID, "/usr/lib/libssl.so.3"),
			    other = comes(TLS_INSIDE, PID, "/usr/bin/other");

	(void)state;
	assert_int_equal(world.added, 0);
	client_look_deeper(clients);
	assert_int_equal(clients->tls_count, 2);
	assert_int_equal(clients_tls_since(clients), 0);
	world.maps = other.inode;
	clients_want_tls(clients, PID, 5);
	assert_int_equal(world.added, 1);
	assert_int_equal(world.added_inode, other.inode);
	assert_true(world.added_openssl && world.added_deep);
	assert_int_equal(clients->tls_count, 1);
	assert_int_equal(clients_tls_since(clients), world.now);
	clients_want_tls(clients, PID, 5); /* known already */
	assert_int_equal(world.added, 1);
	world.maps = tls.inode;
	clients_want_tls(clients, CHOSEN, 5); /* its map does not answer */
	assert_int_equal(world.added, 1);
}

/* Such short processes come again. */
static void after_an_end_every_libssl_is_probed_but_no_program(void **state)
{
	(void)state;
	comes(TLS_INSIDE, PID, "/usr/bin/other");
	client_look_deeper(clients);
	comes(TLS, PID, "/usr/lib/libssl.so.3");
	comes(TLS, PID, "libssl.so.1.1");
	clients_want_tls(clients, GONE, 5);
	assert_int_equal(world.added, 2);
	assert_false(world.added_deep);
	assert_int_equal(clients->tls_count, 1);
}

static void programs_for_tls_are_loaded_beside_the_watch(void **state)
{
	struct library_file tls = comes(TLS, PID, "/usr/lib/libssl.so.3");

	(void)state;
	client_load_tls(clients);
	client_load_tls(clients);
	assert_int_equal(world.tls_begins, 1);
	world.tls_err = -EAGAIN;
	world.maps = tls.inode;
	clients_want_tls(clients, PID, 5);
	assert_true(clients_wait(clients));
	assert_int_equal(clients_tls_since(clients), world.now);
	client_load_tls(clients);
	assert_int_equal(world.added, 0);
	world.tls_err = 0;
	client_load_tls(clients);
	assert_false(clients_wait(clients));
	assert_int_equal(world.added, 1);
}

static void a_kernel_that_refuses_is_asked_once(void **state)
{
	(void)state;
	comes(TLS, PID, "/usr/lib/libssl.so.3");
	world.tls_err = -ENOTSUP;
	clients_want_tls(clients, PID, 5);
	assert_int_equal(world.gaps, 1);
	clients_want_tls(clients, PID, 6);
	assert_int_equal(world.gaps, 1);
	assert_int_equal(clients->tls_users.count, 1);
	assert_int_equal(world.added, 0);
}

/* The library may be mapped after the first encrypted bytes. */
static void who_needs_tls_is_looked_at_ever_more_rarely(void **state)
{
	struct library_file tls;
	uint64_t since = world.now;
	unsigned int looks = 0;

	(void)state;
	clients_want_tls(clients, PID, 5);
	for (; world.now < since + 32 * SECOND_NS; world.now += SECOND_NS / 4) {
		const struct tls_user *u = table_get(&clients->tls_users,
						     (struct table_key){PID, 5});
		uint64_t next = u->next_ns;

		client_look_for_tls_again(clients, world.now);
		looks += u->next_ns != next;
	}
	assert_in_range(looks, 5, 8); /* each time twice as late */
	tls = comes(TLS, PID, "/usr/lib/libssl.so.3");
	world.maps = tls.inode;
	client_look_for_tls_again(clients, world.now); /* a new file hurries them all */
	assert_int_equal(world.added, 1);
	clients_want_tls(clients, GONE, 5);
	world.now += SECOND_NS;
	client_look_for_tls_again(clients, world.now);
	assert_int_equal(clients->tls_users.count, 1);
}

static void more_copies_of_openssl_than_can_wait_are_told_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < TLS_MOST + 2; i++)
		comes(TLS, PID, "/usr/lib/libssl.so.3");
	assert_int_equal(clients->tls_count, TLS_MOST);
	assert_int_equal(world.gaps, 1);
	assert_non_null(strstr(world.gap, "more than 64 copies of OpenSSL"));
}

/* --- steps and costs ------------------------------------------------------------------------- */

static void a_step_keeps_the_budget_even_where_a_poll_fails(void **state)
{
	(void)state;
	world.poll_err = 3; /* so many files */
	assert_int_equal(clients_step(clients, 1), 0);
	world.poll_err = -EIO;
	assert_int_equal(clients_step(clients, 1), -EIO);
	assert_int_equal(world.budgets, 2);
}

static void what_forgotten_libraries_cost_still_counts(void **state)
{
	(void)state;
	comes(DEMO, PID, "/usr/lib/libdemo.so");
	comes(DEMO, PID, "/usr/lib/libother.so");
	clients->left_cost_ns = 7;
	assert_int_equal(clients_cost_ns(clients), 27);
	assert_false(clients_stepped_down(clients));
	clients->stepped_down = true;
	assert_true(clients_stepped_down(clients));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(without_a_selection_everybody_carries_probes),
		CASE(a_selection_is_followed_as_closely_as_the_kernel_can),
		CASE(client_libraries_that_cannot_be_watched_are_a_gap),
		CASE(what_is_seen_less_of_is_told),
		CASE(an_eager_watch_without_tls_waits_for_it_no_more),
		CASE(where_probes_go_in_at_once_known_libraries_get_a_head_start),
		CASE(a_library_is_probed_as_soon_as_it_is_mapped),
		CASE(what_is_no_elf_file_is_let_go),
		CASE(a_program_waits_for_a_look_at_its_full_symbol_table),
		CASE(the_caller_hears_of_each_file_and_what_is_in_it),
		CASE(a_file_that_takes_too_long_is_told_with_its_process),
		CASE(more_programs_than_can_wait_are_told_once),
		CASE(files_past_the_burst_wait_for_their_turn),
		CASE(files_of_chosen_processes_do_not_wait),
		CASE(files_for_which_no_place_is_left_are_told_once),
		CASE(files_that_a_program_serves_are_told_once),
		CASE(a_library_that_nobody_maps_loses_its_probes_once),
		CASE(files_that_waited_are_closed_when_nobody_maps_them),
		CASE(openssl_is_probed_when_a_connection_needs_it),
		CASE(after_an_end_every_libssl_is_probed_but_no_program),
		CASE(programs_for_tls_are_loaded_beside_the_watch),
		CASE(a_kernel_that_refuses_is_asked_once),
		CASE(who_needs_tls_is_looked_at_ever_more_rarely),
		CASE(more_copies_of_openssl_than_can_wait_are_told_once),
		CASE(a_step_keeps_the_budget_even_where_a_poll_fails),
		CASE(what_forgotten_libraries_cost_still_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
