/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * program_facts.c - see program_facts.h.  Sources: proc(5), cgroups(7), systemd.unit(5).
 */
#include "user/capture/host/program_facts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/redact.h"
#include "user/capture/host/cgroup.h"

#define DELETED " (deleted)" /* which the kernel adds */

static uint32_t read_uid(const struct procfs *p, uint32_t pid)
{
	char text[4096];
	const char *at;

	if (procfs_read(p, pid, "status", text, sizeof(text)) <= 0)
		return UNKNOWN32;
	at = strstr(text, "\nUid:\t");
	return at ? (uint32_t)strtoul(at + strlen("\nUid:\t"), NULL, 10) : UNKNOWN32;
}

/* A path too long keeps its end, which names the program. */
static void read_exe(const struct procfs *p, uint32_t pid, char *exe, size_t size)
{
	char name[32], path[PATH_MAX];
	ssize_t len;
	size_t shown;

	memset(exe, 0, size);
	snprintf(name, sizeof(name), "%u/exe", pid);
	len = readlinkat(procfs_folder(p), name, path, sizeof(path) - 1);
	if (len <= 0)
		return;
	path[len] = '\0';
	if ((size_t)len > strlen(DELETED) && !strcmp(path + len - strlen(DELETED), DELETED))
		path[len - (ssize_t)strlen(DELETED)] = '\0';
	shown = redact_path(path);
	path[shown] = '\0';
	memcpy(exe, shown < size ? path : path + shown - (size - 1),
	       shown < size ? shown : size - 1);
}

/* The innermost service; those of a user's manager (user@1000.service) hold no single service. */
static void find_unit(const char *path, size_t len, char *unit, size_t size)
{
	static const char suffix[] = ".service";
	const char *at = path, *end = path + len;

	while (at < end) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		size_t n = (size_t)((slash ? slash : end) - at);

		if (n > strlen(suffix) && n < size && strncmp(at, "user@", 5) != 0 &&
		    !memcmp(at + n - strlen(suffix), suffix, strlen(suffix)))
			snprintf(unit, size, "%.*s", (int)n, at);
		at += n + 1;
	}
}

static void read_unit(const struct procfs *p, uint32_t pid, char *unit, size_t size)
{
	char text[8192];
	const char *at = text;
	struct cgroup_line line;

	memset(unit, 0, size);
	if (procfs_read(p, pid, "cgroup", text, sizeof(text)) <= 0)
		return;
	while (!*unit && cgroup_next(&at, &line))
		find_unit(line.path, (size_t)line.length, unit, size);
}

void program_facts(const struct procfs *p, struct ev_program *program)
{
	program->uid = read_uid(p, program->pid);
	read_exe(p, program->pid, program->exe, sizeof(program->exe));
	read_unit(p, program->pid, program->unit, sizeof(program->unit));
}
