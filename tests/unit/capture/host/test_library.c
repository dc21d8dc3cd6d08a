/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Which files are mapped as code, from a fake /proc: lines of maps, and what is told of when.
 */
#include "user/capture/host/procfs.h"
#include "user/capture/host/library.h"
#include "user/capture/host/library_state.h"
#include "user/capture/host/overlay.h"
#include "tests/unit/support/tree.h"

struct heard {
	unsigned count;
	struct library_file last;
	char path[PATH_MAX];
	char bytes[16]; /* the first of the file, through its descriptor */
};

struct world {
	struct procfs *procfs;
	struct libraries *libraries;
	struct heard heard;
};

static void hear(void *context, const struct library_file *file)
{
	struct heard *h = context;
	ssize_t got = pread(file->fd, h->bytes, sizeof(h->bytes) - 1, 0);

	assert_true(got >= 0);
	h->bytes[got] = '\0';
	h->count++;
	h->last = *file;
	strcpy(h->path, file->path);
}

static struct world open_world(void)
{
	struct world w = {0};

	tree_folder("proc");
	assert_int_equal(procfs_open(&w.procfs, tree_root), 0);
	assert_int_equal(libraries_open(&w.libraries, w.procfs), 0);
	return w;
}

static void close_world(struct world *w)
{
	libraries_close(w->libraries);
	procfs_close(w->procfs);
}

/* How many files a scan tells of. */
static unsigned scanned(struct world *w)
{
	unsigned before = w->heard.count;

	assert_int_equal(libraries_scan(w->libraries, hear, &w->heard), 0);
	return w->heard.count - before;
}

static void see_event(struct world *w, unsigned pid, const char *file, uint64_t generation)
{
	struct stat st;
	struct mapped m = {.pid = pid, .address = 0x7f0000, .length = 0x1000};

	assert_int_equal(stat(tree_path(file), &st), 0);
	m.major = major(st.st_dev);
	m.minor = minor(st.st_dev);
	m.inode = st.st_ino;
	m.generation = generation;
	library_begin(w->libraries, hear, &w->heard);
	assert_int_equal(library_see_mapped(w->libraries, &m), 0);
}

/* Process pid maps file, with an error of the inode number if one is asked for. */
static void map_as(unsigned pid, const char *file, unsigned shift)
{
	char name[128], text[256], target[PATH_MAX];
	struct stat st;

	strcpy(target, tree_path(file));
	assert_int_equal(stat(target, &st), 0);
	snprintf(text, sizeof(text), "7f0000-7f1000 r-xp 00001000 %02x:%02x %lu   /lib/%s\n",
		 major(st.st_dev), minor(st.st_dev), (unsigned long)st.st_ino + shift, file);
	snprintf(name, sizeof(name), "proc/%u/maps", pid);
	tree_file(name, text);
	snprintf(name, sizeof(name), "proc/%u/map_files", pid);
	tree_folder(name);
	strcat(name, "/7f0000-7f1000");
	unlink(tree_path(name));
	assert_int_equal(symlink(target, tree_path(name)), 0);
}

static void map(unsigned pid, const char *file)
{
	map_as(pid, file, 0);
}

static void a_line_of_code_is_parsed(void **state)
{
	struct sighting s = {0};

	(void)state;
	assert_true(library_parse_line("55d8421cd000-7fffffffffff r-xp 00002000 fe:10 247134   "
				       "                  /usr/bin/a file (deleted)\n",
				       &s));
	assert_int_equal(s.start, 0x55d8421cd000);
	assert_int_equal(s.end, 0x7fffffffffff);
	assert_int_equal(s.device, makedev(0xfe, 0x10));
	assert_int_equal(s.inode, 247134);
	assert_true(library_parse_line(
		"0-ffffffffffffffff --xs 0 fffff:fffff 18446744073709551615\n", &s));
	assert_int_equal(s.end, UINT64_MAX);
	assert_int_equal(s.device, makedev(0xfffff, 0xfffff));
	assert_int_equal(s.inode, UINT64_MAX);
	assert_true(library_parse_line("1-2 rwxp 0 00:01 9 /a\\012r-xp 1-2 \\ b\n", &s));
	assert_int_equal(s.inode, 9);
}

static void lines_that_are_no_files_with_code_are_passed_over(void **state)
{
	static const char *const lines[] = {
		"\n",
		" \n",
		"1\n",
		"1-\n",
		"1-2\n",
		"1-2 \n",
		"1-2 r\n",
		"1-2 r-x\n",
		"1-2 r-xp\n",
		"1-2 r-xp \n",
		"1-2 r-xp 0\n",
		"1-2 r-xp 0 \n",
		"1-2 r-xp 0 fe\n",
		"1-2 r-xp 0 fe:\n",
		"1-2 r-xp 0 fe:00\n",
		"1-2 r-xp 0 fe:00 \n",
		"1-2 r-xp 0 fe:00 x\n",
		"1-2 r-xp 0 fe:00 /a\n",
		"1-2 r-xp 0 fe:00 9x /a\n",
		"1-2 r-xp 0 fe:00 -9 /a\n",
		"1-2 r-xp 0 fe00 9 /a\n",
		"1-2 r-xp 0 fe:00 0 [vdso]\n",
		"1-2 r-xp 0 00:00 0\n",
		"1-2 r--p 0 fe:00 9 /x\n",
		"1-2 rw-p 0 fe:00 9 /r-xp\n",
		"2-2 r-xp 0 fe:00 9 /a\n",
		"2-1 r-xp 0 fe:00 9 /a\n",
		"-2 r-xp 0 fe:00 9 /a\n",
		"1- r-xp 0 fe:00 9 /a\n",
		"0x1-2 r-xp 0 fe:00 9 /a\n",
		"A-B r-xp 0 fe:00 9 /a\n",
		"10000000000000000-2 r-xp 0 fe:00 9 /a\n",
		"1-10000000000000000 r-xp 0 fe:00 9 /a\n",
		"1-2 r-xp 0 100000000:00 9 /a\n",
		"1-2 r-xp 0 fe:100000000 9 /a\n",
		"1-2 r-xp 0 fe:00 18446744073709551616 /a\n",
		"1-2 r-xp 0 fe:00 99999999999999999999999999 /a\n",
		"1-2  r-xp 0 fe:00 9 /a\n",
		"1-2 r-xp0 fe:00 9 /a\n",
		"\xff\xfe-2 r-xp 0 fe:00 9 /a\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		/* Exactly as large as the line: a step past its end is seen. */
		char *line = malloc(strlen(lines[i]));
		struct sighting s = {0};

		assert_non_null(line);
		memcpy(line, lines[i], strlen(lines[i]));
		if (library_parse_line(line, &s))
			fail_msg("taken: %s", lines[i]);
		free(line);
	}
}

static void no_cut_of_a_line_is_overrun(void **state)
{
	static const char whole[] = "7f0000-7f1000 r-xp 00001000 fe:00 123   /lib/a b\\012c\n";

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		char *line = malloc(len + 1);
		struct sighting s = {0};
		bool taken;

		assert_non_null(line);
		memcpy(line, whole, len);
		line[len] = '\n';
		taken = library_parse_line(line, &s);
		assert_int_equal(taken, len > strlen("7f0000-7f1000 r-xp 00001000 fe:00 "));
		free(line);
	}
}

static void a_file_is_told_of_once(void **state)
{
	struct world w = open_world();
	struct stat st;

	(void)state;
	tree_file("a.so", "A");
	map(42, "a.so");
	map(43, "a.so");
	assert_int_equal(scanned(&w), 1);
	assert_int_equal(stat(tree_path("a.so"), &st), 0);
	assert_int_equal(w.heard.last.device, st.st_dev);
	assert_int_equal(w.heard.last.inode, st.st_ino);
	assert_int_equal(w.heard.last.pid, 42);
	assert_false(w.heard.last.deleted);
	assert_true(w.heard.last.seen_ns > 0);
	assert_string_equal(w.heard.path, tree_path("a.so"));
	assert_string_equal(w.heard.bytes, "A");
	assert_int_equal(fcntl(w.heard.last.fd, F_GETFD), -1);
	assert_int_equal(scanned(&w), 0);
	map(44, "a.so");
	assert_int_equal(scanned(&w), 0);
	tree_file("b.so", "B");
	map(44, "b.so");
	assert_int_equal(scanned(&w), 1);
	assert_string_equal(w.heard.bytes, "B");
	close_world(&w);
}

static void what_maps_shows_may_differ_from_what_stat_tells(void **state)
{
	struct world w = open_world();

	(void)state;
	tree_file("a.so", "A");
	tree_file("b.so", "B");
	map_as(42, "a.so", 1000000);
	map_as(43, "a.so", 2000000);
	assert_int_equal(scanned(&w), 1);
	assert_int_equal(scanned(&w), 0);
	/* Another subvolume: shown as the same, yet another file. */
	map_as(42, "b.so", 0);
	map_as(43, "a.so", 0);
	assert_int_equal(scanned(&w), 1);
	assert_string_equal(w.heard.bytes, "B");
	close_world(&w);
}

static void a_mapping_that_changes_under_our_hands_is_not_mistaken(void **state)
{
	struct world w = open_world();
	char line[256];
	struct stat st;

	(void)state;
	tree_file("a.so", "A");
	tree_file("b.so", "B");
	assert_int_equal(stat(tree_path("b.so"), &st), 0);
	map(42, "a.so");
	snprintf(line, sizeof(line), "7f0000-7f1000 r-xp 0 %x:%x %lu /b.so\n", major(st.st_dev),
		 minor(st.st_dev), (unsigned long)st.st_ino);
	tree_file("proc/42/maps", line); /* says b, is a */
	assert_int_equal(scanned(&w), 1);
	assert_string_equal(w.heard.bytes, "A");
	map(43, "b.so");
	assert_int_equal(scanned(&w), 1);
	assert_string_equal(w.heard.bytes, "B");
	close_world(&w);
}

static void a_failure_does_not_make_a_file_known(void **state)
{
	struct world w = open_world();

	(void)state;
	tree_file("a.so", "A");
	map(42, "a.so");
	assert_int_equal(unlink(tree_path("proc/42/map_files/7f0000-7f1000")), 0);
	assert_int_equal(scanned(&w), 0);
	assert_int_equal(libraries_counts(w.libraries).vanished, 1);
	see_event(&w, 42, "a.so", 5);
	see_event(&w, 77, "a.so", 5); /* no such process */
	assert_int_equal(w.heard.count, 0);
	assert_int_equal(libraries_counts(w.libraries).vanished, 3);
	map(43, "a.so");
	see_event(&w, 43, "a.so", 5);
	assert_int_equal(w.heard.count, 1);
	assert_int_equal(w.heard.last.pid, 43);
	close_world(&w);
}

static void an_event_of_a_known_file_looks_at_nothing(void **state)
{
	struct world w = open_world();

	(void)state;
	tree_file("a.so", "A");
	map(42, "a.so");
	see_event(&w, 42, "a.so", 5);
	assert_int_equal(w.heard.count, 1);
	for (unsigned pid = 1000; pid < 1100; pid++)
		see_event(&w, pid, "a.so", 5); /* would count as vanished */
	assert_int_equal(w.heard.count, 1);
	assert_int_equal(libraries_counts(w.libraries).vanished, 0);
	close_world(&w);
}

static void the_first_event_after_a_scan_tells_the_generation(void **state)
{
	struct world w = open_world();

	(void)state;
	tree_file("a.so", "A");
	map(42, "a.so");
	assert_int_equal(scanned(&w), 1);
	see_event(&w, 77, "a.so", 5);
	assert_int_equal(libraries_counts(w.libraries).vanished, 1);
	see_event(&w, 42, "a.so", 5);
	see_event(&w, 77, "a.so", 5);
	assert_int_equal(libraries_counts(w.libraries).vanished, 1);
	assert_int_equal(w.heard.count, 1);
	close_world(&w);
}

static void a_reused_inode_number_is_another_file(void **state)
{
	struct world w = open_world();
	struct code_file *file;
	struct stat st;

	(void)state;
	tree_file("a.so", "A");
	map(42, "a.so");
	see_event(&w, 42, "a.so", 5);
	assert_int_equal(w.heard.count, 1);
	/* As if the number had been an earlier file's. */
	assert_int_equal(stat(tree_path("a.so"), &st), 0);
	file = library_known_file(w.libraries, st.st_dev, st.st_ino);
	assert_non_null(file);
	file->stamp_ns -= 1;
	see_event(&w, 42, "a.so", 5);
	assert_int_equal(w.heard.count, 1); /* dropped unseen, as the generation is the same */
	see_event(&w, 42, "a.so", 6);
	assert_int_equal(w.heard.count, 2);
	see_event(&w, 42, "a.so", 6);
	assert_int_equal(w.heard.count, 2);
	file = library_known_file(w.libraries, st.st_dev, st.st_ino);
	file->stamp_ns -= 1;
	assert_int_equal(scanned(&w), 1);
	assert_int_equal(scanned(&w), 0);
	close_world(&w);
}

static void a_split_mapping_is_found_in_the_maps(void **state)
{
	struct world w = open_world();
	struct mapped m = {.pid = 42, .address = 0x6f0000, .length = 0x9000, .inode = 1};

	(void)state;
	tree_file("a.so", "A");
	map(42, "a.so");
	library_begin(w.libraries, hear, &w.heard);
	assert_int_equal(library_see_mapped(w.libraries, &m), 0);
	assert_int_equal(w.heard.count, 1);
	close_world(&w);
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
	struct world w = open_world();

	(void)state;
	tree_folder("proc");
	assert_int_equal(mkfifo(tree_path("pipe"), 0600), 0);
	map(42, "pipe");
	tree_folder("folder");
	map(43, "folder");
	assert_int_equal(scanned(&w), 0);
	assert_int_equal(libraries_counts(w.libraries).unreadable, 0);
	close_world(&w);
}

static void only_the_dead_lose_the_mark_of_the_deleted(void **state)
{
	struct world w = open_world();

	(void)state;
	tree_file("a.so (deleted)", "A");
	map(42, "a.so (deleted)");
	assert_int_equal(scanned(&w), 1);
	assert_false(w.heard.last.deleted);
	assert_string_equal(w.heard.path, tree_path("a.so (deleted)"));
	tree_file("b\n\\012 c.so", "B");
	map(42, "b\n\\012 c.so"); /* this maps file does not escape it: the rest is no line */
	assert_int_equal(scanned(&w), 1);
	assert_string_equal(w.heard.path, tree_path("b\n\\012 c.so"));
	close_world(&w);
}

static void files_past_the_limit_are_counted(void **state)
{
	struct world w = open_world();

	(void)state;
	w.libraries->limit = 2;
	w.libraries->forget_at = UINT64_MAX;
	tree_file("a.so", "A");
	tree_file("b.so", "B");
	tree_file("c.so", "C");
	map(41, "a.so");
	map(42, "b.so");
	map(43, "c.so");
	assert_int_equal(scanned(&w), 2);
	assert_int_equal(libraries_counts(w.libraries).refused, 1);
	assert_int_equal(scanned(&w), 0);
	assert_int_equal(libraries_counts(w.libraries).refused, 2);
	/* Room comes when nobody maps a file any more, not sooner. */
	w.libraries->forget_at = 0;
	tree_delete("proc/42");
	assert_int_equal(scanned(&w), 0);
	assert_int_equal(scanned(&w), 1);
	assert_string_equal(w.heard.bytes, "C");
	assert_int_equal(w.libraries->files.count, 2);
	close_world(&w);
}

static unsigned gone_count;

static void hear_gone(void *context, uint64_t device, uint64_t inode)
{
	struct stat st;

	(void)context;
	assert_int_equal(stat(tree_path("a.so"), &st), 0);
	assert_int_equal(device, st.st_dev);
	assert_int_equal(inode, st.st_ino);
	gone_count++;
}

/* Looks at what is held, and scans if that asks for it. */
static unsigned looked(struct world *w)
{
	w->libraries->look_at = 0;
	library_begin(w->libraries, hear, &w->heard);
	assert_int_equal(library_look_at_held(w->libraries), 0);
	return w->libraries->scan_due ? scanned(w) : 0;
}

static void a_held_file_is_gone_with_the_last_that_maps_it(void **state)
{
	struct world w = open_world();

	(void)state;
	gone_count = 0;
	tree_file("a.so", "A");
	map(41, "a.so");
	map(42, "a.so");
	libraries_on_gone(w.libraries, hear_gone);
	assert_int_equal(scanned(&w), 1);
	assert_int_equal(libraries_hold(w.libraries, w.heard.last.device, 1), -ENOENT);
	assert_int_equal(libraries_hold(w.libraries, w.heard.last.device, w.heard.last.inode), 0);
	looked(&w);
	assert_false(w.libraries->scan_due); /* who was seen to map it still does */
	/* Each in turn ends; the other one is found. */
	tree_delete("proc/42");
	for (int i = 0; i < 4; i++)
		assert_int_equal(looked(&w), 0);
	assert_int_equal(gone_count, 0);
	map(43, "a.so");
	tree_delete("proc/41");
	for (int i = 0; i < 4; i++)
		assert_int_equal(looked(&w), 0);
	assert_int_equal(gone_count, 0);
	tree_delete("proc/43");
	looked(&w);
	assert_int_equal(gone_count, 0); /* one scan may miss a child that is born meanwhile */
	looked(&w);
	assert_int_equal(gone_count, 1);
	for (int i = 0; i < 4; i++)
		looked(&w);
	assert_int_equal(gone_count, 1);
	/* If it comes back, it is told of again, and may be held again. */
	map(44, "a.so");
	assert_int_equal(scanned(&w), 1);
	assert_int_equal(libraries_hold(w.libraries, w.heard.last.device, w.heard.last.inode), 0);
	libraries_release(w.libraries, w.heard.last.device, w.heard.last.inode);
	tree_delete("proc/44");
	for (int i = 0; i < 4; i++)
		looked(&w);
	assert_int_equal(gone_count, 1);
	close_world(&w);
}

/* Its place in memory may change, and another file may come to where it was. */
static void a_held_file_is_where_it_is_mapped_now(void **state)
{
	struct world w = open_world();

	(void)state;
	gone_count = 0;
	tree_file("a.so", "A");
	tree_file("b.so", "B");
	map(42, "a.so");
	libraries_on_gone(w.libraries, hear_gone);
	assert_int_equal(scanned(&w), 1);
	assert_int_equal(libraries_hold(w.libraries, w.heard.last.device, w.heard.last.inode), 0);
	assert_int_equal(rename(tree_path("proc/42/map_files/7f0000-7f1000"),
				strcat(strcpy((char[PATH_MAX]){}, tree_root),
				       "/proc/42/map_files/7f0000-7f0800")),
			 0);
	tree_file("proc/42/maps", "");
	looked(&w);
	looked(&w);
	assert_int_equal(gone_count, 1);
	map(42, "a.so");
	assert_int_equal(scanned(&w), 1);
	assert_int_equal(libraries_hold(w.libraries, w.heard.last.device, w.heard.last.inode), 0);
	map(42, "b.so"); /* the program is another one now */
	looked(&w);
	looked(&w);
	assert_int_equal(gone_count, 2);
	close_world(&w);
}

static void threads_are_asked_when_the_first_one_has_ended(void **state)
{
	struct world w = open_world();

	(void)state;
	tree_file("a.so", "A");
	tree_file("proc/42/maps", "");
	tree_folder("proc/42/task/42");
	tree_folder("proc/42/task/44");
	map(44, "a.so");
	assert_int_equal(library_scan_process(w.libraries, 41), 0);
	library_begin(w.libraries, hear, &w.heard);
	assert_int_equal(library_scan_process(w.libraries, 42), 0);
	assert_int_equal(w.heard.count, 1);
	assert_int_equal(w.heard.last.pid, 44);
	close_world(&w);
}

static void a_long_maps_file_is_read_to_its_end(void **state)
{
	struct world w = open_world();
	char tail[256];
	size_t len;
	FILE *f;

	(void)state;
	tree_file("a.so", "A");
	map(42, "a.so");
	len = (size_t)file_read(AT_FDCWD, tree_path("proc/42/maps"), tail, sizeof(tail));
	f = fopen(tree_path("proc/42/maps"), "w");
	assert_non_null(f);
	for (int i = 1; i < 20000; i++)
		fprintf(f, "%x-%x rw-p 00000000 00:00 0 %*s\n", i, i + 1, i % 97, "");
	fwrite(tail, 1, len, f);
	fclose(f);
	assert_int_equal(scanned(&w), 1);
	close_world(&w);
}

static void a_maps_file_of_one_endless_line_ends(void **state)
{
	struct world w = open_world();
	char *text = malloc(300000);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 300000);
	tree_bytes("proc/42/maps", text, 300000);
	free(text);
	assert_int_equal(scanned(&w), 0);
	tree_file("proc/43/maps", "no line ends here");
	assert_int_equal(scanned(&w), 0);
	close_world(&w);
}

/* On the real /proc: what is not readable without root counts alike. */
static void both_ways_to_read_maps_agree(void **state)
{
	ssize_t (*const ways[])(struct libraries *, uint32_t, int) = {library_see_text,
								      library_see_queried};
	uint64_t files[2], failures[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world w = {0};
		struct library_counts counts;
		int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
		ssize_t got;

		assert_int_equal(procfs_open(&w.procfs, ""), 0);
		assert_int_equal(libraries_open(&w.libraries, w.procfs), 0);
		library_begin(w.libraries, hear, &w.heard);
		w.libraries->round = 1;
		got = ways[i](w.libraries, (uint32_t)getpid(), fd);
		close(fd);
		counts = libraries_counts(w.libraries);
		files[i] = w.libraries->files.count;
		failures[i] = counts.unreadable;
		close_world(&w);
		if (got == -ENOTTY)
			skip(); /* before 6.11 */
		assert_true(got > 0);
	}
	assert_true(files[0] + failures[0] > 2);
	assert_int_equal(files[0], files[1]);
	assert_int_equal(failures[0], failures[1]);
}

/* A ring in our own memory, written as the kernel does. */
static struct ring fake_ring(void)
{
	struct ring ring = {.fd = -1};

	ring.page = mmap(NULL, library_ring_bytes() + library_page_size(), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(ring.page != MAP_FAILED);
	return ring;
}

static void write_record(struct ring *ring, const void *record, size_t len)
{
	char *data = (char *)ring->page + library_page_size();

	for (size_t i = 0; i < len; i++)
		data[(ring->page->data_head + i) & (library_ring_bytes() - 1)] = ((
			const char *)record)[i];
	ring->page->data_head += len;
}

static void records_are_read_around_the_end_of_the_ring(void **state)
{
	struct world w = open_world();
	struct ring ring = fake_ring();
	struct mapped m = {.head = {PERF_RECORD_MMAP2, 0, sizeof(m)},
			   .address = 0x7f0000,
			   .length = 0x1000,
			   .pid = 42};
	struct stat st;

	(void)state;
	tree_file("a.so", "A");
	map(42, "a.so");
	assert_int_equal(stat(tree_path("a.so"), &st), 0);
	m.major = major(st.st_dev);
	m.minor = minor(st.st_dev);
	m.inode = st.st_ino;
	library_begin(w.libraries, hear, &w.heard);
	for (unsigned cut = 0; cut <= sizeof(m); cut += 8) {
		ring.page->data_head = ring.page->data_tail = library_ring_bytes() * 3 - cut;
		library_forget(w.libraries, 0);
		write_record(&ring, &m, sizeof(m));
		assert_int_equal(library_drain_ring(w.libraries, &ring), 1);
		assert_int_equal(ring.page->data_tail, ring.page->data_head);
		assert_int_equal(library_drain_ring(w.libraries, &ring), 0);
	}
	assert_int_equal(w.heard.count, sizeof(m) / 8 + 1);
	assert_false(w.libraries->scan_due);
	library_ring_close(&ring);
	close_world(&w);
}

static void a_loss_or_a_full_ring_leads_to_a_scan(void **state)
{
	struct world w = open_world();
	struct ring ring = fake_ring();
	struct dropped d = {.head = {PERF_RECORD_LOST, 0, sizeof(d)}, .count = 7};
	struct perf_event_header other = {PERF_RECORD_THROTTLE, 0, sizeof(other)};
	struct perf_event_header broken = {PERF_RECORD_MMAP2, 0, 0};

	(void)state;
	write_record(&ring, &other, sizeof(other));
	assert_int_equal(library_drain_ring(w.libraries, &ring), 1);
	assert_false(w.libraries->scan_due);
	write_record(&ring, &d, sizeof(d));
	assert_int_equal(library_drain_ring(w.libraries, &ring), 1);
	assert_true(w.libraries->scan_due);
	assert_int_equal(libraries_lost(w.libraries), 7);
	w.libraries->scan_due = false;
	while (ring.page->data_head - ring.page->data_tail <= library_ring_bytes() - RECORD_MAX)
		write_record(&ring, &other, sizeof(other));
	assert_int_equal(library_drain_ring(w.libraries, &ring), 1);
	assert_true(w.libraries->scan_due);
	w.libraries->scan_due = false;
	write_record(&ring, &broken, sizeof(broken));
	assert_int_equal(library_drain_ring(w.libraries, &ring), 1);
	assert_true(w.libraries->scan_due);
	assert_int_equal(ring.page->data_tail, ring.page->data_head);
	library_ring_close(&ring);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_code_is_parsed),
		cmocka_unit_test(lines_that_are_no_files_with_code_are_passed_over),
		cmocka_unit_test(no_cut_of_a_line_is_overrun),
		tree_test(a_file_is_told_of_once),
		tree_test(what_maps_shows_may_differ_from_what_stat_tells),
		tree_test(a_mapping_that_changes_under_our_hands_is_not_mistaken),
		tree_test(a_failure_does_not_make_a_file_known),
		tree_test(an_event_of_a_known_file_looks_at_nothing),
		tree_test(the_first_event_after_a_scan_tells_the_generation),
		tree_test(a_reused_inode_number_is_another_file),
		tree_test(a_split_mapping_is_found_in_the_maps),
		tree_test(what_is_no_regular_file_is_not_opened),
		tree_test(only_the_dead_lose_the_mark_of_the_deleted),
		tree_test(files_past_the_limit_are_counted),
		tree_test(a_held_file_is_gone_with_the_last_that_maps_it),
		tree_test(a_held_file_is_where_it_is_mapped_now),
		tree_test(threads_are_asked_when_the_first_one_has_ended),
		tree_test(a_long_maps_file_is_read_to_its_end),
		tree_test(a_maps_file_of_one_endless_line_ends),
		cmocka_unit_test(both_ways_to_read_maps_agree),
		tree_test(records_are_read_around_the_end_of_the_ring),
		tree_test(a_loss_or_a_full_ring_leads_to_a_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
