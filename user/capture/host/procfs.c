/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * procfs.c - facts of one process from /proc.
 *
 * Parses text only and keeps nothing between calls.  Does not escape names that programs choose:
 * comm and arguments leave this file as raw bytes.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/capture/host/memory.h"
#include "user/capture/host/procfs.h"

#define NS_PER_SECOND	  1000000000ULL
#define KERNEL_THREAD	  0x00200000UL /* PF_KTHREAD in the flags of stat */
#define COUNTED_FILES_MAX (1U << 20)
#define MAPS_BYTES_MAX	  (256UL << 20) /* a process maps at most a few 10,000 areas of 100 bytes */

struct procfs {
	int dir;
	bool real; /* a proc file system, not a test folder: only there directories have sizes */
};

/* Fields of /proc/PID/stat, with the numbers of proc(5). */
enum { STAT_PPID = 4, STAT_FLAGS = 9, STAT_START = 22 };

int procfs_open(struct procfs **out, const char *root)
{
	struct procfs *p = calloc(1, sizeof(*p));
	int fd = file_open_root(root);
	struct statfs fs;
	int err = -ENOMEM;

	if (!p || fd < 0)
		goto fail;
	p->dir = openat(fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0) {
		err = -errno;
		goto fail;
	}
	close(fd);
	p->real = !fstatfs(p->dir, &fs) && fs.f_type == PROC_SUPER_MAGIC;
	*out = p;
	return 0;
fail:
	if (fd >= 0)
		close(fd);
	free(p);
	return fd < 0 ? fd : err;
}

void procfs_close(struct procfs *p)
{
	if (!p)
		return;
	close(p->dir);
	free(p);
}

int procfs_folder(const struct procfs *p)
{
	return p->dir;
}

/* A process that ends during a read gives ENOENT or ESRCH. */
static int gone(int err)
{
	return err == -ENOENT ? -ESRCH : err;
}

static int open_pid(const struct procfs *p, uint32_t pid)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%u", pid);
	fd = openat(p->dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? gone(-errno) : fd;
}

bool procfs_same_start(uint64_t a_ns, uint64_t b_ns)
{
	long hertz = sysconf(_SC_CLK_TCK);
	uint64_t tick = NS_PER_SECOND / (uint64_t)(hertz > 0 ? hertz : 100);
	uint64_t apart = a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns;

	return apart < tick;
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
	long hertz = sysconf(_SC_CLK_TCK);

	return ticks * (NS_PER_SECOND / (uint64_t)(hertz > 0 ? hertz : 100));
}

struct stat_line {
	uint64_t field[STAT_START + 1];
};

/* comm may hold any bytes, even ')' and digits, so the last ')' of the line ends it. */
static int read_stat(int dir, struct stat_line *line)
{
	char text[2048];
	ssize_t got = file_read(dir, "stat", text, sizeof(text));
	char *at;

	if (got < 0)
		return gone((int)got);
	at = strrchr(text, ')');
	if (!at || at[1] != ' ' || !at[2])
		return got ? -EPROTO : -ESRCH;
	at += 3; /* past the letter of field 3 */
	for (int i = STAT_PPID; i <= STAT_START; i++) {
		char *end;

		line->field[i] = (uint64_t)strtoll(at, &end, 10);
		if (end == at)
			return -EPROTO;
		at = end;
	}
	return 0;
}

static void read_comm(int dir, char comm[EV_COMM_LEN])
{
	char text[EV_COMM_LEN + 1]; /* room for the newline after 15 bytes */
	ssize_t got = file_read(dir, "comm", text, sizeof(text));

	if (got > 0 && text[got - 1] == '\n')
		text[got - 1] = '\0';
	text[EV_COMM_LEN - 1] = '\0';
	memcpy(comm, text, EV_COMM_LEN);
}

static uint64_t read_nofile(int dir)
{
	char text[4096];
	char *at, *end;
	uint64_t soft;

	if (file_read(dir, "limits", text, sizeof(text)) < 0)
		return UNKNOWN64;
	at = strstr(text, "Max open files");
	if (!at)
		return UNKNOWN64;
	at += strlen("Max open files");
	soft = strtoull(at, &end, 10);
	return end == at ? UNKNOWN64 : soft; /* "unlimited" is not a number */
}

int procfs_facts(const struct procfs *p, uint32_t pid, struct process_facts *facts)
{
	int dir = open_pid(p, pid);
	struct stat_line line;
	int err;

	memset(facts, 0, sizeof(*facts));
	if (dir < 0)
		return dir;
	err = read_stat(dir, &line);
	if (!err) {
		facts->pid = pid;
		facts->parent_pid = (uint32_t)line.field[STAT_PPID];
		facts->kernel_thread = line.field[STAT_FLAGS] & KERNEL_THREAD;
		facts->start_ns = ticks_to_ns(line.field[STAT_START]);
		facts->nofile_limit = read_nofile(dir);
		read_comm(dir, facts->comm);
	}
	close(dir);
	return err;
}

/* Checks the start time after reading, to prove that the arguments are this process's own. */
ssize_t procfs_arguments(const struct procfs *p, uint32_t pid, uint64_t start_ns, char *buf,
			 size_t size)
{
	int dir = open_pid(p, pid);
	struct stat_line line;
	ssize_t got;
	int err;

	if (dir < 0)
		return dir;
	got = p->real ? memory_cmdline(pid, buf, size) : file_read(dir, "cmdline", buf, size);
	err = read_stat(dir, &line);
	close(dir);
	if (got < 0)
		return gone((int)got);
	if (err)
		return err;
	return procfs_same_start(ticks_to_ns(line.field[STAT_START]), start_ns) ? got : -ESRCH;
}

static uint64_t status_bytes(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	char *end;
	uint64_t kib;

	if (!at)
		return UNKNOWN64;
	at += strlen(key);
	kib = strtoull(at, &end, 10);
	return end == at ? UNKNOWN64 : kib * 1024;
}

static uint32_t count_entries(int dir)
{
	int fd = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint32_t count = 0;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return UNKNOWN32;
	}
	while (count < COUNTED_FILES_MAX && (entry = readdir(d)))
		count += entry->d_name[0] != '.';
	closedir(d);
	return count;
}

/* Since 6.2 the size of the directory fd is the number of open files; before it was 0. */
static uint32_t read_open_files(const struct procfs *p, int dir)
{
	struct stat st;

	if (p->real && !fstatat(dir, "fd", &st, 0) && st.st_size > 0)
		return st.st_size < UNKNOWN32 ? (uint32_t)st.st_size : UNKNOWN32;
	return count_entries(dir);
}

/* A key begins with a newline, so that a comm "VmRSS:" cannot match: status escapes its newlines.
 */
static void read_status(int dir, struct process_usage *usage)
{
	char status[8192];
	uint64_t shared;

	file_read(dir, "status", status, sizeof(status));
	usage->rss_bytes = status_bytes(status, "\nVmRSS:");
	usage->rss_peak_bytes = status_bytes(status, "\nVmHWM:");
	usage->anonymous_bytes = status_bytes(status, "\nRssAnon:");
	usage->swapped_bytes = status_bytes(status, "\nVmSwap:");
	usage->file_bytes = status_bytes(status, "\nRssFile:");
	usage->space_bytes = status_bytes(status, "\nVmSize:");
	usage->data_bytes = status_bytes(status, "\nVmData:");
	shared = status_bytes(status, "\nRssShmem:");
	if (usage->file_bytes != UNKNOWN64 && shared != UNKNOWN64)
		usage->file_bytes += shared;
}

int procfs_usage(const struct procfs *p, uint32_t pid, struct process_usage *usage)
{
	int dir = open_pid(p, pid);
	struct stat_line line;
	int err;

	memset(usage, 0, sizeof(*usage));
	if (dir < 0)
		return dir;
	err = read_stat(dir, &line);
	if (!err) {
		usage->start_ns = ticks_to_ns(line.field[STAT_START]);
		read_status(dir, usage);
		usage->open_files = read_open_files(p, dir);
	}
	close(dir);
	return err;
}

int procfs_pages(const struct procfs *p, uint32_t pid, uint64_t *pages)
{
	char text[64];
	ssize_t n = procfs_read(p, pid, "statm", text, sizeof(text));

	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	*pages = strtoull(text, NULL, 10);
	return *pages ? 0 : -ESRCH;
}

static const struct library {
	const char *stem;
	uint32_t bit;
} libraries_known[] = {
	{"libpq", EV_LIBRARY_LIBPQ},	      {"libmariadb", EV_LIBRARY_MYSQL},
	{"libmysqlclient", EV_LIBRARY_MYSQL}, {"libmysqlclient_r", EV_LIBRARY_MYSQL},
	{"libssl", EV_LIBRARY_OPENSSL},	      {"libsqlite3", EV_LIBRARY_SQLITE},
	{"libhiredis", EV_LIBRARY_HIREDIS},
};

#define LIBRARIES_KNOWN (sizeof(libraries_known) / sizeof(libraries_known[0]))
#define LIBRARIES_ALL                                                                   \
	(EV_LIBRARY_LIBPQ | EV_LIBRARY_MYSQL | EV_LIBRARY_OPENSSL | EV_LIBRARY_SQLITE | \
	 EV_LIBRARY_HIREDIS)

/* Python wheels carry copies with names such as libpq-9b38f5e3.so.5.16. */
static uint32_t library_of(const char *line)
{
	const char *file = strrchr(line, '/');

	if (!file++)
		return 0;
	for (size_t i = 0; i < LIBRARIES_KNOWN; i++) {
		size_t len = strlen(libraries_known[i].stem);

		if (strncmp(file, libraries_known[i].stem, len))
			continue;
		if ((file[len] == '.' || file[len] == '-') && strstr(file + len, ".so"))
			return libraries_known[i].bit;
	}
	return 0;
}

/* Handles the whole lines in buf and moves the rest of the last one to its front. */
static size_t take_lines(char *buf, size_t have, uint32_t *found)
{
	char *line = buf, *end;

	while ((end = memchr(line, '\n', have - (size_t)(line - buf)))) {
		*end = '\0';
		*found |= library_of(line);
		line = end + 1;
	}
	have -= (size_t)(line - buf);
	memmove(buf, line, have);
	return have;
}

static int scan_maps(int fd, uint32_t *found)
{
	char buf[32768];
	size_t have = 0, total = 0;
	ssize_t got;

	while (*found != LIBRARIES_ALL && total < MAPS_BYTES_MAX) {
		got = read(fd, buf + have, sizeof(buf) - have);
		if (got <= 0)
			return got < 0 ? gone(-errno) : 0;
		total += (size_t)got;
		have = take_lines(buf, have + (size_t)got, found);
		if (have == sizeof(buf))
			have = 0; /* no line of maps is so long: not a maps file */
	}
	return 0;
}

int procfs_libraries(const struct procfs *p, uint32_t pid, uint32_t *libraries)
{
	int dir = open_pid(p, pid);
	int fd, err = p->real ? memory_maps_answer(pid) : 0;

	*libraries = 0;
	if (dir < 0)
		return dir;
	if (err) {
		close(dir);
		return gone(err);
	}
	fd = openat(dir, "maps", O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? gone(-errno) : scan_maps(fd, libraries);
	if (fd >= 0)
		close(fd);
	close(dir);
	return err;
}

ssize_t procfs_read(const struct procfs *p, uint32_t pid, const char *name, char *buf, size_t size)
{
	int dir = open_pid(p, pid);
	ssize_t got;

	buf[0] = '\0';
	if (dir < 0)
		return dir;
	got = p->real && !strcmp(name, "cmdline") ? memory_cmdline(pid, buf, size)
						  : file_read(dir, name, buf, size);
	close(dir);
	return got < 0 ? gone((int)got) : got;
}

int procfs_open_root(const struct procfs *p, uint32_t pid)
{
	int dir = open_pid(p, pid);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = gone(-errno);
	close(dir);
	return fd;
}

static int compare_pids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool parse_pid(const char *name, uint32_t *pid)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)*name))
		return false;
	value = strtoul(name, &end, 10);
	*pid = (uint32_t)value;
	return !*end && value > 0 && value <= INT32_MAX;
}

static int collect_pids(DIR *d, uint32_t **pids, size_t *count)
{
	size_t room = 0;
	struct dirent *entry;
	uint32_t pid;

	while ((entry = readdir(d))) {
		if (!parse_pid(entry->d_name, &pid))
			continue;
		if (*count == room) {
			uint32_t *more;

			room = room ? room * 2 : 512;
			more = realloc(*pids, room * sizeof(**pids));
			if (!more)
				return -ENOMEM;
			*pids = more;
		}
		(*pids)[(*count)++] = pid;
	}
	return 0;
}

int procfs_pids(const struct procfs *p, uint32_t **pids, size_t *count)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int err;

	*pids = NULL;
	*count = 0;
	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	err = collect_pids(d, pids, count);
	closedir(d);
	if (err) {
		free(*pids);
		*pids = NULL;
		*count = 0;
	} else if (*count) {
		qsort(*pids, *count, sizeof(**pids), compare_pids);
	}
	return err;
}
