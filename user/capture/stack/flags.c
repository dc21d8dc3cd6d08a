/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * flags.c - see flags.h.
 */
#include "user/capture/stack/flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/capture/elf/elf.h"
#include "user/capture/host/procfs.h"
#include "user/capture/stack/v8.h"

/* Does the process run a program with this file name? */
static bool is_program(uint32_t pid, const char *name)
{
	char path[32], target[1024];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	base = strrchr(target, '/');
	return base && !strcmp(base + 1, name);
}

/* The pid that the process has in its container: the last number of NSpid. */
static uint32_t inner_pid(uint32_t pid)
{
	char path[32], line[256];
	unsigned long inner = pid;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	status = fopen(path, "re");
	if (!status)
		return pid;
	while (fgets(line, sizeof(line), status)) {
		char *last = strrchr(line, '\t');

		if (!strncmp(line, "NSpid:", 6) && last)
			inner = strtoul(last, NULL, 10);
	}
	fclose(status);
	return (uint32_t)inner;
}

static bool has_map(uint32_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u/root/tmp/perf-%u.map", pid, inner_pid(pid));
	return !lstat(path, &st) && S_ISREG(st.st_mode);
}

static bool tells_of_v8(uint32_t pid)
{
	char path[32];
	struct elf_file *e;
	struct v8 *v8 = NULL;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (!elf_open(&e, fd)) {
		if (v8_open(&v8, e))
			v8 = NULL;
		elf_close(e);
	}
	close(fd);
	v8_close(v8);
	return v8 != NULL;
}

static bool node_is_read(uint32_t pid)
{
	return tells_of_v8(pid) || has_map(pid);
}

/* Counts processes of these programs, and those of them that can be read. */
static int count(const char *const programs[2], bool (*is_read)(uint32_t), unsigned int *all,
		 unsigned int *read)
{
	struct procfs *procfs;
	uint32_t *pids;
	size_t n;
	int err = procfs_open(&procfs, "");

	*all = *read = 0;
	if (err)
		return err;
	err = procfs_pids(procfs, &pids, &n);
	procfs_close(procfs);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (!is_program(pids[i], programs[0]) && !is_program(pids[i], programs[1]))
			continue;
		++*all;
		*read += is_read(pids[i]);
	}
	free(pids);
	return 0;
}

static int flags_look(const char *const programs[2], bool (*is_read)(uint32_t),
		      const char *language, char *detail, size_t size)
{
	unsigned int all, read;
	int err = count(programs, is_read, &all, &read);

	if (err)
		return err;
	if (!all)
		snprintf(detail, size, "none running");
	else
		snprintf(detail, size, "%u of %u processes that run %s can be read", read, all,
			 language);
	return !all ? 1 : read == all ? 0 : -ENOENT;
}

int flags_java(char *detail, size_t size)
{
	static const char *const programs[] = {"java", "javaw"};

	return flags_look(programs, has_map, "Java", detail, size);
}

int flags_node(char *detail, size_t size)
{
	static const char *const programs[] = {"node", "nodejs"};

	return flags_look(programs, node_is_read, "Node.js", detail, size);
}
