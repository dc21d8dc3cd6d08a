/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * What real processes map, seen by libraries_*: across mount name spaces, chroots, deletions and
 * bursts; with the figures.  Needs root.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <pthread.h>

#include "user/capture/host/library.h"

#define FILE_BYTES  8192
#define PATIENCE_MS 5000
#define HEARD_MAX   4096
#define TARGET_LEN  128

static char folder[] = "/tmp/dbleak-libraries-XXXXXX";
static struct procfs *procfs;
static struct libraries *libraries;

/* Files of ours begin with this and a word. */
static const char mark[] = "\177ELF dbleak test ";

struct heard {
	char word[32];
	uint64_t device, inode, ns;
	uint64_t open_device, open_inode; /* of the descriptor */
	uint32_t pid;
	bool deleted;
	char path[128];
};

static struct heard heard[HEARD_MAX];
static size_t heard_count;

static struct library_mapping mappings[HEARD_MAX];
static size_t mapping_count;

static void hear_mapping(void *context, const struct library_mapping *m)
{
	(void)context;
	mappings[mapping_count++ % HEARD_MAX] = *m;
}

/* The latest mapping of this process that was told of; NULL none. */
static const struct library_mapping *mapping_of(pid_t pid)
{
	for (size_t i = mapping_count < HEARD_MAX ? mapping_count : HEARD_MAX; i-- > 0;)
		if (mappings[i].pid == (uint32_t)pid)
			return &mappings[i];
	return NULL;
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void hear(void *context, const struct library_file *file)
{
	char text[64] = "";
	struct heard *h = &heard[heard_count];
	struct stat st;

	(void)context;
	assert_int_equal(fstat(file->fd, &st), 0);
	if (pread(file->fd, text, sizeof(text) - 1, 0) <= 0 || strncmp(text, mark, strlen(mark)))
		return;
	if (!strstr(text, "overlay")) { /* else it is what is below */
		assert_int_equal(st.st_dev, file->device);
		assert_int_equal(st.st_ino, file->inode);
	}
	libraries_follow(libraries, file);
	assert_true(heard_count < HEARD_MAX);
	heard_count++;
	snprintf(h->word, sizeof(h->word), "%.31s", text + strlen(mark));
	snprintf(h->path, sizeof(h->path), "%s", file->path);
	h->device = file->device;
	h->inode = file->inode;
	h->ns = file->seen_ns;
	h->open_device = st.st_dev;
	h->open_inode = st.st_ino;
	h->pid = file->pid;
	h->deleted = file->deleted;
}

/* The file with this word among those told of since from; NULL none. */
static const struct heard *find(const char *word, size_t from)
{
	for (size_t i = from; i < heard_count; i++)
		if (!strcmp(heard[i].word, word))
			return &heard[i];
	return NULL;
}

static const struct heard *wait_for(const char *word, size_t from)
{
	struct pollfd p = {.fd = libraries_fd(libraries), .events = POLLIN};
	uint64_t until = now(CLOCK_BOOTTIME) + PATIENCE_MS * 1000000ULL;

	while (!find(word, from) && now(CLOCK_BOOTTIME) < until) {
		poll(&p, 1, 100);
		assert_true(libraries_poll(libraries, hear, NULL) >= 0);
	}
	return find(word, from);
}

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *path, const char *word)
{
	char bytes[FILE_BYTES] = "";
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	snprintf(bytes, sizeof(bytes), "%s%s", mark, word);
	if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || close(fd))
		abort();
}

static void *map_code(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *at = fd < 0 ? MAP_FAILED
			  : mmap(NULL, FILE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	if (at == MAP_FAILED)
		_exit(9);
	close(fd);
	return at;
}

struct child {
	pid_t pid;
	int go, done; /* a byte on go lets it do its part; it answers on done, then waits */
};

static struct child start(void (*part)(const char *), const char *argument)
{
	int go[2], done[2];
	struct child c;
	char byte;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	c.pid = fork();
	if (!c.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		close(done[0]);
		if (read(go[0], &byte, 1) != 1)
			_exit(8);
		part(argument);
		if (write(done[1], "", 1) != 1)
			_exit(8);
		for (;;)
			pause();
	}
	close(go[0]);
	close(done[1]);
	c.go = go[1];
	c.done = done[0];
	return c;
}

static void let_go(struct child *c)
{
	char byte;

	assert_int_equal(write(c->go, "", 1), 1);
	if (read(c->done, &byte, 1) != 1)
		fail_msg("a child could not do its part");
}

static void end(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->go);
	close(c->done);
}

static struct child map_in_child(void (*part)(const char *), const char *argument)
{
	struct child c = start(part, argument);

	let_go(&c);
	return c;
}

static void map_it(const char *path)
{
	map_code(path);
}

static void map_hidden(const char *name)
{
	char path[PATH_MAX];

	if (unshare(CLONE_NEWNS) || mount("", "/", "", MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", path_of("."), "tmpfs", 0, NULL))
		_exit(7);
	snprintf(path, sizeof(path), "%s", path_of(name));
	write_file(path, "hidden inside");
	map_code(path);
}

static void map_in_chroot(const char *root)
{
	if (chroot(root) || chdir("/"))
		_exit(7);
	map_code("/inner.so");
}

/* In the second thread, after the first one's end. */
static void *map_late(void *path)
{
	usleep(50000);
	map_code(path);
	pause();
	return NULL;
}

static void map_in_thread(const char *path)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, map_late, (void *)path))
		_exit(7);
	pthread_exit(NULL);
}

/* --- what must hold ---------------------------------------------------------------------- */

static void copy_library(const char *symbol_of, const char *to)
{
	char command[2 * PATH_MAX];
	Dl_info info;

	assert_true(dladdr(dlsym(RTLD_DEFAULT, symbol_of), &info));
	snprintf(command, sizeof(command), "cp %s %s", info.dli_fname, to);
	assert_int_equal(system(command), 0);
}

static void load_it(const char *path)
{
	if (!dlopen(path, RTLD_NOW | RTLD_LOCAL))
		_exit(7);
}

struct wanted {
	uint64_t device, inode, ns;
};

static void hear_inode(void *context, const struct library_file *file)
{
	struct wanted *wanted = context;

	if (file->device == wanted->device && file->inode == wanted->inode)
		wanted->ns = file->seen_ns;
}

static void a_library_loaded_late_is_noticed_at_once(void **state)
{
	struct pollfd p = {.fd = libraries_fd(libraries), .events = POLLIN};
	char path[PATH_MAX];
	struct wanted wanted = {0};
	struct child c;
	struct stat st;
	uint64_t began;

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of("libcmocka-copy.so"));
	copy_library("_run_test", path);
	assert_int_equal(stat(path, &st), 0);
	wanted.device = st.st_dev;
	wanted.inode = st.st_ino;
	c = start(load_it, path);
	began = now(CLOCK_BOOTTIME);
	let_go(&c);
	while (!wanted.ns && now(CLOCK_BOOTTIME) < began + PATIENCE_MS * 1000000ULL) {
		poll(&p, 1, 100);
		assert_true(libraries_poll(libraries, hear_inode, &wanted) >= 0);
	}
	assert_true(wanted.ns);
	print_message("figure: dlopen to callback %.1f ms\n", (double)(wanted.ns - began) / 1e6);
	assert_true(wanted.ns - began < 100000000);
	end(&c);
}

static const struct library_mapping *wait_for_mapping(pid_t pid)
{
	struct pollfd p = {.fd = libraries_fd(libraries), .events = POLLIN};
	uint64_t until = now(CLOCK_BOOTTIME) + PATIENCE_MS * 1000000ULL;

	while (!mapping_of(pid) && now(CLOCK_BOOTTIME) < until) {
		poll(&p, 1, 100);
		assert_true(libraries_poll(libraries, hear, NULL) >= 0);
	}
	return mapping_of(pid);
}

static void each_process_that_maps_a_followed_file_is_told_of(void **state)
{
	size_t from = heard_count;
	char path[PATH_MAX];
	struct child c[2];

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of("followed.so"));
	write_file(path, "followed");
	for (int i = 0; i < 2; i++) {
		const struct library_mapping *m;

		c[i] = map_in_child(map_it, path);
		m = wait_for_mapping(c[i].pid);
		assert_non_null(m);
		assert_int_equal(m->device, find("followed", from)->device);
		assert_int_equal(m->inode, find("followed", from)->inode);
		assert_int_equal(m->end - m->start, FILE_BYTES);
		assert_int_equal(m->offset, 0);
	}
	assert_int_equal(heard_count, from + 1);
	for (int i = 0; i < 2; i++)
		end(&c[i]);
}

static void a_deleted_library_and_its_successor_are_two(void **state)
{
	size_t from = heard_count;
	const struct heard *old, *new;
	char path[PATH_MAX];
	struct child first, second;

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of("replaced.so"));
	write_file(path, "old");
	first = map_in_child(map_it, path);
	unlink(path);
	write_file(path, "new");
	old = wait_for("old", from);
	assert_non_null(old);
	assert_int_equal(old->pid, first.pid);
	assert_true(old->deleted);
	assert_string_equal(old->path, path);
	second = map_in_child(map_it, path);
	new = wait_for("new", from);
	assert_non_null(new);
	assert_int_equal(new->pid, second.pid);
	assert_false(new->deleted);
	assert_true(new->inode != old->inode);
	end(&first);
	end(&second);
}

static void a_file_hidden_from_us_by_a_mount_is_read(void **state)
{
	size_t from = heard_count;
	const struct heard *h;
	struct child c;

	(void)state;
	write_file(path_of("hidden.so"), "hidden outside");
	c = map_in_child(map_hidden, "hidden.so");
	h = wait_for("hidden inside", from);
	assert_non_null(h);
	assert_int_equal(h->pid, c.pid);
	assert_null(find("hidden outside", from));
	end(&c);
}

static void a_file_in_a_chroot_is_read(void **state)
{
	size_t from = heard_count;
	const struct heard *h;
	struct child c;

	(void)state;
	assert_int_equal(mkdir(path_of("root"), 0755), 0);
	write_file(path_of("root/inner.so"), "chroot");
	c = map_in_child(map_in_chroot, path_of("root"));
	h = wait_for("chroot", from);
	assert_non_null(h);
	assert_string_equal(h->path, path_of("root/inner.so"));
	end(&c);
}

static bool mount_overlay(const char *lower, char which, char target[TARGET_LEN])
{
	static const char *const names[] = {"upper", "work", "merged"};
	char options[PATH_MAX], name[32];

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%c", names[i], which);
		mkdir(path_of(name), 0755);
	}
	snprintf(target, TARGET_LEN, "%s/merged%c", folder, which);
	snprintf(options, sizeof(options), "lowerdir=%s/%s,upperdir=%s/upper%c,workdir=%s/work%c",
		 folder, lower, folder, which, folder, which);
	return !mount("overlay", target, "overlay", 0, options);
}

/* Of two containers of one image.  Probes would sit twice on what is below. */
static void a_file_below_two_overlays_is_told_of_once(const char *lower, const char *word,
						      const char *which)
{
	char path[PATH_MAX], targets[2][TARGET_LEN];
	size_t from = heard_count;
	struct child c[4];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s/over.so", folder, lower);
	write_file(path, word);
	snprintf(path, sizeof(path), "%s/%s/other.so", folder, lower);
	write_file(path, "other overlay");
	for (int i = 0; i < 2; i++) {
		if (!mount_overlay(lower, which[i], targets[i]))
			skip();
		snprintf(path, sizeof(path), "%s/over.so", targets[i]);
		c[i] = map_in_child(map_it, path);
		assert_non_null(wait_for(word, from));
	}
	snprintf(path, sizeof(path), "%s/other.so", targets[1]);
	c[2] = map_in_child(map_it, path);
	assert_non_null(wait_for("other overlay", from));
	assert_int_equal(libraries_scan(libraries, hear, NULL), 0);
	assert_int_equal(heard_count, from + 2);
	/* Nothing of the overlays is held open. */
	snprintf(path, sizeof(path), "%s/%s/over.so", folder, lower);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(find(word, from)->open_device, st.st_dev);
	assert_int_equal(find(word, from)->open_inode, st.st_ino);
	assert_non_null(mapping_of(c[1].pid)); /* as the one that was told of */
	assert_int_equal(mapping_of(c[1].pid)->device, find(word, from)->device);
	assert_int_equal(mapping_of(c[1].pid)->inode, find(word, from)->inode);
	/* Nor is it another file where the host maps it. */
	c[3] = map_in_child(map_it, path);
	assert_int_equal(libraries_scan(libraries, hear, NULL), 0);
	assert_int_equal(heard_count, from + 2);
	for (int i = 0; i < 4; i++)
		end(&c[i]);
	for (int i = 0; i < 2; i++)
		umount2(targets[i], MNT_DETACH);
}

static void a_file_of_two_containers_is_told_of_once(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path_of("image"), 0755), 0);
	a_file_below_two_overlays_is_told_of_once("image", "overlay", "12");
}

/* Then what is shown has other numbers than stat(2) tells. */
static void the_same_with_overlays_over_two_file_systems(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path_of("lower"), 0755), 0);
	assert_int_equal(mount("tmpfs", path_of("lower"), "tmpfs", 0, NULL), 0);
	a_file_below_two_overlays_is_told_of_once("lower", "overlay of two", "34");
	umount2(path_of("lower"), MNT_DETACH);
}

static void a_process_whose_first_thread_has_ended_is_read(void **state)
{
	size_t from = heard_count;
	struct libraries *fresh;
	char path[PATH_MAX];
	struct child c;

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of("thread.so"));
	write_file(path, "thread");
	c = start(map_in_thread, path);
	assert_int_equal(write(c.go, "", 1), 1);
	assert_non_null(wait_for("thread", from));
	from = heard_count;
	assert_int_equal(libraries_open(&fresh, procfs), 0);
	assert_int_equal(libraries_scan(fresh, hear, NULL), 0);
	assert_non_null(find("thread", from));
	libraries_close(fresh);
	end(&c);
}

static void an_inode_number_that_comes_back_is_another_file(void **state)
{
	size_t from = heard_count;
	char path[PATH_MAX], word[32];
	unsigned reused = 0;
	uint64_t before = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of("again.so"));
	for (int i = 0; i < 20; i++) {
		struct child c;
		const struct heard *h;

		snprintf(word, sizeof(word), "again %d", i);
		write_file(path, word);
		c = map_in_child(map_it, path);
		h = wait_for(word, from);
		assert_non_null(h);
		reused += h->inode == before;
		before = h->inode;
		end(&c);
		unlink(path);
	}
	print_message("figure: %u of 19 files had their predecessor's inode number\n", reused);
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

#define LATENCIES 200

static void the_latency_from_mapping_to_callback(void **state)
{
	static uint64_t took[LATENCIES];
	char path[PATH_MAX], word[32];

	(void)state;
	for (int i = 0; i < LATENCIES; i++) {
		size_t from = heard_count;
		uint64_t *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		const struct heard *h;
		pid_t pid;

		assert_true(mapped != MAP_FAILED);
		snprintf(word, sizeof(word), "late %d", i);
		snprintf(path, sizeof(path), "%s/late-%d.so", folder, i);
		write_file(path, word);
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			usleep(3000 + (unsigned)i * 50);
			*mapped = now(CLOCK_BOOTTIME);
			map_code(path);
			for (;;)
				pause();
		}
		h = wait_for(word, from);
		assert_non_null(h);
		took[i] = h->ns - *mapped;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		munmap(mapped, 4096);
		unlink(path);
	}
	qsort(took, LATENCIES, sizeof(*took), compare_times);
	print_message("figure: mapping to callback, median %.2f ms, 99 %% %.2f ms, max %.2f ms\n",
		      (double)took[LATENCIES / 2] / 1e6, (double)took[LATENCIES * 99 / 100] / 1e6,
		      (double)took[LATENCIES - 1] / 1e6);
	assert_true(took[LATENCIES / 2] < 100000000);
}

static uint64_t own_cpu(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}

/* Starts programs one after the other, as a shell does. */
static void run_programs(int count)
{
	static char *const argv[] = {"true", NULL};
	pid_t pid;

	for (int i = 0; i < count; i++)
		if (!posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ))
			waitpid(pid, NULL, 0);
}

#define BURST 2000

static void a_burst_of_programs_costs_little_and_hides_nothing(void **state)
{
	struct pollfd p = {.fd = libraries_fd(libraries), .events = POLLIN};
	size_t from = heard_count;
	uint64_t cpu, began, lost = libraries_lost(libraries);
	unsigned polls = 0;
	struct child c;
	pid_t pid;

	(void)state;
	write_file(path_of("burst.so"), "burst");
	run_programs(2);
	assert_true(libraries_poll(libraries, hear, NULL) >= 0);
	cpu = own_cpu();
	began = now(CLOCK_BOOTTIME);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_programs(BURST);
		_exit(0);
	}
	c = map_in_child(map_it, path_of("burst.so"));
	while (!waitpid(pid, NULL, WNOHANG)) {
		polls += poll(&p, 1, 100) > 0;
		assert_true(libraries_poll(libraries, hear, NULL) >= 0);
	}
	print_message("figure: %d programs in %.1f s: %.1f ms of CPU, %u wake-ups, %llu lost\n",
		      BURST, (double)(now(CLOCK_BOOTTIME) - began) / 1e9,
		      (double)(own_cpu() - cpu) / 1e6, polls,
		      (unsigned long long)(libraries_lost(libraries) - lost));
	assert_non_null(wait_for("burst", from));
	assert_true(own_cpu() - cpu < BURST * 500000ULL); /* many times what it takes */
	end(&c);
}

/* Nobody polls, so that the rings overflow: what came last is found by the scan. */
static void events_that_are_lost_are_made_good(void **state)
{
	size_t from = heard_count;
	uint64_t lost = libraries_lost(libraries);
	struct child c;

	(void)state;
	write_file(path_of("lost.so"), "lost");
	for (int i = 0; i < 20000; i++)
		munmap(map_code(path_of("burst.so")), FILE_BYTES);
	c = map_in_child(map_it, path_of("lost.so"));
	assert_non_null(wait_for("lost", from));
	for (int i = 0; i < 200 && libraries_lost(libraries) == lost; i++) {
		munmap(map_code(path_of("burst.so")), FILE_BYTES);
		assert_true(libraries_poll(libraries, hear, NULL) >= 0);
	}
	assert_true(libraries_lost(libraries) > lost);
	end(&c);
}

#define CROWD 300
#define AREAS 100

static void stay(const char *path)
{
	for (int i = 0; i < AREAS / 3; i++) {
		map_code(path);
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
}

static void the_time_of_a_scan(void **state)
{
	static struct child crowd[CROWD];
	struct libraries *fresh;
	uint64_t began, first, second;

	(void)state;
	write_file(path_of("crowd.so"), "crowd");
	for (int i = 0; i < CROWD; i++)
		crowd[i] = map_in_child(stay, path_of("crowd.so"));
	assert_int_equal(libraries_open(&fresh, procfs), 0);
	began = now(CLOCK_BOOTTIME);
	assert_int_equal(libraries_scan(fresh, hear, NULL), 0);
	first = now(CLOCK_BOOTTIME) - began;
	began = now(CLOCK_BOOTTIME);
	assert_int_equal(libraries_scan(fresh, hear, NULL), 0);
	second = now(CLOCK_BOOTTIME) - began;
	libraries_close(fresh);
	for (int i = 0; i < CROWD; i++)
		end(&crowd[i]);
	print_message(
		"figure: a scan beside %d processes of %d areas: first %.1f ms, then %.1f ms\n",
		CROWD, AREAS, (double)first / 1e6, (double)second / 1e6);
	assert_true(first < 1000000000); /* the machine may be busy; ten times what is due */
}

/* Others may map something now and then, so not every wait is quiet. */
static void without_news_it_sleeps_and_a_poll_costs_nothing(void **state)
{
	struct pollfd p = {.fd = libraries_fd(libraries), .events = POLLIN};
	unsigned quiet = 0;
	uint64_t cpu;

	(void)state;
	for (int i = 0; i < 1000 && !quiet; i++) {
		quiet += poll(&p, 1, 15) == 0; /* longer than it rests between two looks */
		assert_true(libraries_poll(libraries, hear, NULL) >= 0);
	}
	assert_true(quiet);
	cpu = own_cpu();
	for (int i = 0; i < 100000; i++)
		assert_true(libraries_poll(libraries, hear, NULL) >= 0);
	cpu = own_cpu() - cpu;
	print_message("figure: a poll without news %.0f ns\n", (double)cpu / 100000);
	assert_true(cpu / 100000 < 20000);
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

static unsigned files_at_start;

static void no_descriptor_is_left(void **state)
{
	(void)state;
	libraries_close(libraries);
	libraries = NULL;
	assert_int_equal(open_files(), files_at_start);
}

static int open_all(void **state)
{
	(void)state;
	/* What the tests mount goes with this process. */
	if (unshare(CLONE_NEWNS) || mount("", "/", "", MS_REC | MS_PRIVATE, NULL))
		return -1;
	if (!mkdtemp(folder) || procfs_open(&procfs, ""))
		return -1;
	files_at_start = open_files();
	if (libraries_open(&libraries, procfs) || libraries_watch(libraries))
		return -1;
	libraries_on_mapping(libraries, hear_mapping);
	return libraries_scan(libraries, hear, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int close_all(void **state)
{
	(void)state;
	libraries_close(libraries);
	procfs_close(procfs);
	for (char which = '1'; which <= '4'; which++) {
		char name[] = "merged0";

		name[6] = which;
		umount2(path_of(name), MNT_DETACH);
	}
	umount2(path_of("lower"), MNT_DETACH);
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_library_loaded_late_is_noticed_at_once),
		cmocka_unit_test(each_process_that_maps_a_followed_file_is_told_of),
		cmocka_unit_test(a_deleted_library_and_its_successor_are_two),
		cmocka_unit_test(a_file_hidden_from_us_by_a_mount_is_read),
		cmocka_unit_test(a_file_in_a_chroot_is_read),
		cmocka_unit_test(a_file_of_two_containers_is_told_of_once),
		cmocka_unit_test(the_same_with_overlays_over_two_file_systems),
		cmocka_unit_test(a_process_whose_first_thread_has_ended_is_read),
		cmocka_unit_test(an_inode_number_that_comes_back_is_another_file),
		cmocka_unit_test(the_latency_from_mapping_to_callback),
		cmocka_unit_test(a_burst_of_programs_costs_little_and_hides_nothing),
		cmocka_unit_test(events_that_are_lost_are_made_good),
		cmocka_unit_test(the_time_of_a_scan),
		cmocka_unit_test(without_news_it_sleeps_and_a_poll_costs_nothing),
		cmocka_unit_test(no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
