/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * library_tls.c - TLS libraries are probed once a database connection is encrypted.
 */
#include "user/capture/clientlib/client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/capture/clientlib/clientlib_state.h"
#include "user/system/clock.h"
#include "user/system/debug.h"

/* Whether the process maps this file as code. */
static bool maps_file(uint32_t pid, const struct waiting *w)
{
	char path[64], range[64];
	struct dirent *entry;
	bool found = false;
	struct stat st;
	DIR *dir;

	if (memory_maps_answer(pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%u/map_files", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(range, sizeof(range), "%.63s", entry->d_name);
		found = range[0] != '.' && !fstatat(dirfd(dir), range, &st, 0) &&
			st.st_dev == w->device && st.st_ino == w->inode;
	}
	if (dir)
		closedir(dir);
	return found;
}

static const struct probe_library *openssl(void)
{
	for (size_t i = 0; i < probe_library_count; i++)
		if (probe_libraries[i].bit == EV_LIBRARY_OPENSSL)
			return &probe_libraries[i];
	return NULL;
}

int client_begin_tls(struct clients *c)
{
	int err = kernel_client_tls(c->kernel, c->host.eager);

	c->tls_waits = err == -EAGAIN;
	if (c->tls_waits)
		return err;
	if (!err)
		err = kernel_client_programs(c->kernel, KERNEL_PROBES_TLS_WRITE,
					     &c->programs[GROUP_TLS_WRITE]);
	if (!err)
		err = kernel_client_programs(c->kernel, KERNEL_PROBES_TLS_READ,
					     &c->programs[GROUP_TLS_READ]);
	if (err)
		client_tell_gap(c, "cannot read TLS connections: the kernel refuses the probes");
	c->tls_refused = err != 0;
	debug(DEBUG_TLS, "the programs are %s", err ? strerror(-err) : "loaded");
	if (!err && !c->tls_since_ns)
		c->tls_since_ns = clock_boot_ns();
	return err;
}

uint64_t clients_tls_since(const struct clients *c)
{
	return c->tls_waits ? clock_boot_ns() : c->tls_since_ns;
}

static bool library_tls_is_alive(uint32_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return access(path, F_OK) == 0;
}

/* Whether the file is the library itself, not a copy inside some program. */
static bool is_libssl(const struct waiting *w)
{
	const char *name = strrchr(w->path, '/');

	return strncmp(name ? name + 1 : w->path, "libssl", 6) == 0;
}

/* Probes those of the waiting files that the process maps.  A process that ended already used one
 * of the libraries, and such short processes come again: then every waiting libssl is probed. */
static void probe_tls_of(struct clients *c, uint32_t pid)
{
	bool alive = library_tls_is_alive(pid);

	debug(DEBUG_TLS, "process %u%s: looks for its OpenSSL among %zu files", pid,
	      alive ? "" : " (ended)", c->tls_count);
	for (size_t i = 0; i < c->tls_count;) {
		struct waiting *w = &c->tls[i];
		struct library_file file = client_waiting_file(w);
		struct elf_file *elf;

		if (alive ? !maps_file(pid, w) : !is_libssl(w)) {
			i++;
			continue;
		}
		if (!elf_open(&elf, w->fd)) {
			client_add_library(c, openssl(), elf, &file, w->deep);
			elf_close(elf);
		}
		close(w->fd);
		*w = c->tls[--c->tls_count];
	}
}

void clients_want_tls(struct clients *c, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {pid, start_ns};
	struct tls_user *user;

	if (!c->libraries || c->cost.exits_kill || c->tls_refused || table_get(&c->tls_users, key))
		return;
	user = calloc(1, sizeof(*user));
	if (!user || table_put(&c->tls_users, key, user)) {
		free(user);
		return;
	}
	debug(DEBUG_TLS, "process %u has an encrypted database connection", pid);
	user->pid = pid;
	user->wait_ns = TLS_AGAIN_NS;
	user->next_ns = clock_boot_ns() + TLS_AGAIN_NS;
	if (!c->tls_waits && !client_begin_tls(c))
		probe_tls_of(c, pid);
}

void client_look_for_tls_again(struct clients *c, uint64_t now_ns)
{
	struct table_walk walk = table_walk(&c->tls_users);
	struct table_slot *slot;

	while ((slot = table_walk_next(&walk))) {
		struct tls_user *user = slot->value;

		if (now_ns < user->next_ns)
			continue;
		if (!library_tls_is_alive(user->pid)) {
			free(table_walk_remove(&walk));
			continue;
		}
		if (user->wait_ns < TLS_AGAIN_MOST_NS)
			user->wait_ns *= 2;
		user->next_ns = now_ns + user->wait_ns;
		if (c->tls_since_ns && !c->tls_waits && c->tls_count)
			probe_tls_of(c, user->pid);
	}
}

void client_load_tls(struct clients *c)
{
	struct table_slot *slot;
	size_t at = 0;

	if (c->tls_count && !c->tls_begun) {
		c->tls_begun = true;
		kernel_client_tls_begin(c->kernel);
	}
	if (!c->tls_waits || client_begin_tls(c))
		return;
	while ((slot = table_next(&c->tls_users, &at)))
		probe_tls_of(c, ((const struct tls_user *)slot->value)->pid);
}
