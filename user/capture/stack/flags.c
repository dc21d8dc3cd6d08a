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
#include "user/capture/stack/perl.h"
#include "user/capture/stack/php.h"
#include "user/capture/stack/python_build.h"
#include "user/capture/stack/v8.h"

/* Does the process run a program with this file name, behind which its version may stand? */
static bool is_program(uint32_t pid, const char *name)
{
	char path[32], target[1024];
	const char *base, *version;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	base = strrchr(target, '/');
	if (!base || strncmp(base + 1, name, strlen(name)) != 0)
		return false;
	version = base + 1 + strlen(name);
	return !version[strspn(version, "0123456789.")];
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

/* Finds a file that the process maps as code and whose name begins so. */
static bool find_mapped(uint32_t pid, const char *name, char *path, size_t size)
{
	char line[1024], maps[32];
	FILE *file;
	bool found = false;

	snprintf(maps, sizeof(maps), "/proc/%u/maps", pid);
	file = fopen(maps, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		char *from = strchr(line, '/'), *base = strrchr(line, '/');

		if (!from || strncmp(base + 1, name, strlen(name)) != 0)
			continue;
		from[strcspn(from, "\n")] = '\0';
		found = snprintf(path, size, "/proc/%u/root%s", pid, from) < (int)size;
	}
	if (file)
		fclose(file);
	return found;
}

/* 0: its lines are read; -ENOENT: not in that file; else they are not read. */
typedef int identify_fn(struct elf_file *e);

static int identify_in(const char *path, identify_fn *identify)
{
	struct elf_file *e = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int err = fd < 0 ? -errno : elf_open(&e, fd);

	if (!err) {
		err = identify(e);
		elf_close(e);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* The interpreter is in the program itself, or in a library of this name. */
static bool interpreter_is_read(uint32_t pid, const char *library, identify_fn *identify)
{
	char path[1200];
	int err;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	err = identify_in(path, identify);
	if (err == -ENOENT && find_mapped(pid, library, path, sizeof(path)))
		err = identify_in(path, identify);
	return !err;
}

static int identify_python(struct elf_file *e)
{
	struct python_build build;
	int err = python_identify(e, &build);

	return err ? err : build.refusal ? -ENOTSUP : 0;
}

static int identify_php(struct elf_file *e)
{
	struct runtime_process found;
	const char *why;

	return php_probe(e, &found, &why);
}

static int identify_perl(struct elf_file *e)
{
	struct runtime_process found;
	const char *why;

	return perl_probe(e, &found, &why);
}

static bool python_is_read(uint32_t pid)
{
	return interpreter_is_read(pid, "libpython", identify_python);
}

static bool php_is_read(uint32_t pid)
{
	return interpreter_is_read(pid, "libphp", identify_php);
}

static bool perl_is_read(uint32_t pid)
{
	return interpreter_is_read(pid, "libperl", identify_perl);
}

static bool never_read(uint32_t pid)
{
	(void)pid;
	return false;
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
		snprintf(detail, size, "%u of %u %s process%s can be read", read, all, language,
			 all == 1 ? "" : "es");
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

int flags_python(char *detail, size_t size)
{
	static const char *const programs[] = {"python", "python"};

	return flags_look(programs, python_is_read, "Python", detail, size);
}

int flags_php(char *detail, size_t size)
{
	static const char *const programs[] = {"php", "php-fpm"};

	return flags_look(programs, php_is_read, "PHP", detail, size);
}

int flags_perl(char *detail, size_t size)
{
	static const char *const programs[] = {"perl", "perl"};

	return flags_look(programs, perl_is_read, "Perl", detail, size);
}

int flags_ruby(char *detail, size_t size)
{
	static const char *const programs[] = {"ruby", "puma"};

	return flags_look(programs, never_read, "Ruby", detail, size);
}

static bool maps_openssl(uint32_t pid)
{
	char path[1200];

	return find_mapped(pid, "libssl.so", path, sizeof(path));
}

static bool maps_gnutls(uint32_t pid)
{
	char path[1200];

	return !maps_openssl(pid) && find_mapped(pid, "libgnutls", path, sizeof(path));
}

int flags_tls(char *detail, size_t size)
{
	struct procfs *procfs;
	size_t n, openssl = 0, gnutls = 0;
	uint32_t *pids;
	int err = procfs_open(&procfs, "");

	if (err)
		return err;
	err = procfs_pids(procfs, &pids, &n);
	procfs_close(procfs);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		openssl += maps_openssl(pids[i]);
		gnutls += maps_gnutls(pids[i]);
	}
	free(pids);
	snprintf(detail, size, "OpenSSL is readable (processes: %zu), GnuTLS is not (%zu)", openssl,
		 gnutls);
	return !openssl && !gnutls;
}
