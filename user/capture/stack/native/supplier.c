/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * supplier.c - parses maps line by line, and opens files through map_files.  There the kernel gives
 * exactly the file that is mapped: in whatever container, deleted or replaced.
 */
#include "user/capture/stack/native/supplier.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "user/base/file.h"
#include "user/base/table.h"
#include "user/capture/host/procfs.h"
#include "user/capture/stack/native/supplier_state.h"
#include "user/system/debug.h"

#define NS_PER_SECOND 1000000000ULL
#define DEBUG_FOLDER  "/usr/lib/debug"
#define MAPPINGS_MAX  65536
#define PATHS_MAX     (8U << 20) /* bytes of all paths of one process */
#define NAMED_MAX     65536 /* processes; then all are forgotten, and named again as they come */
#define GIVEN_MAX     65536
#define REQUESTS      64 /* answered at a time */

int supplier_open(struct supplier **out)
{
	struct supplier *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	*out = s;
	return 0;
}

void supplier_forget(struct supplier *s)
{
	table_free(&s->named);
	table_free(&s->given);
	s->pid = 0;
}

void supplier_close(struct supplier *s)
{
	if (!s)
		return;
	table_free(&s->named);
	table_free(&s->given);
	free(s->lines);
	free(s->paths);
	free(s);
}

void supplier_name(struct supplier *s, uint32_t pid, uint64_t start_ns)
{
	struct table_key key = {pid, start_ns};

	if (table_get(&s->named, key))
		return;
	if (s->named.count >= NAMED_MAX)
		table_free(&s->named);
	debug(DEBUG_STACK, "process %u: compiled code, unwound by a worker", pid);
	table_put(&s->named, key, s);
}

uint64_t supplier_start_of(int dir)
{
	long hertz = sysconf(_SC_CLK_TCK);
	char text[2048], *at;

	if (file_read(dir, "stat", text, sizeof(text)) <= 0 || !(at = strrchr(text, ')')))
		return 0;
	for (int field = 2; field < 22 && at; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) * (NS_PER_SECOND / (uint64_t)(hertz > 0 ? hertz : 100))
		  : 0;
}

/* Opens the process's folder in /proc.  -ESRCH: the process is gone. */
static int process_open(uint32_t pid, uint64_t start_ns)
{
	char path[32];
	int dir;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && procfs_same_start(supplier_start_of(dir), start_ns))
		return dir;
	if (dir >= 0)
		close(dir);
	return -ESRCH;
}

/* Reads a file's attributes, without waiting for a file system that does not answer. */
static int supplier_look_at(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		     STATX_TYPE | STATX_INO | STATX_MTIME | STATX_SIZE | STATX_UID, st)
		       ? -errno
		       : 0;
}

static int root_of(int dir)
{
	return openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Opens the file at a mapping's path if it is the mapped file: for when the mapping itself may not
 * be opened. */
static int mapped_path(const struct supplier *s, int dir, const struct supplier_line *line)
{
	int root = root_of(dir), fd;
	struct statx st;

	if (root < 0)
		return -errno;
	fd = file_open_in(root, s->paths + line->path, 0);
	close(root);
	if (fd >= 0 && (supplier_look_at(fd, &st) || st.stx_ino != line->inode ||
			makedev(st.stx_dev_major, st.stx_dev_minor) != line->device)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static void range_name(char name[64], uint64_t start, uint64_t end)
{
	snprintf(name, 64, "map_files/%llx-%llx", (unsigned long long)start,
		 (unsigned long long)end);
}

/* Opens a mapped file by its path alone (O_PATH), as a rule.  To open something else than a regular
 * file for reading can have effects, so that is never done. */
static int mapped_open(const struct supplier *s, int dir, const struct supplier_line *line)
{
	char name[64];
	int fd;

	range_name(name, line->start, line->end);
	fd = openat(dir, name, O_PATH | O_CLOEXEC);
	return fd >= 0 ? fd : mapped_path(s, dir, line);
}

/* Parses "start-end perms offset major:minor inode path".  False: not a mapping of code. */
static bool parse_line(char *text, struct supplier_line *line, char **path)
{
	uint64_t major, minor;
	char *at;

	line->start = strtoull(text, &at, 16);
	if (*at != '-')
		return false;
	line->end = strtoull(at + 1, &at, 16);
	if (at[0] != ' ' || strlen(at) < 6 || at[3] != 'x')
		return false;
	line->offset = strtoull(at + 6, &at, 16);
	major = strtoull(at, &at, 16);
	if (*at != ':')
		return false;
	minor = strtoull(at + 1, &at, 16);
	line->device = makedev((unsigned int)major, (unsigned int)minor);
	line->inode = strtoull(at, &at, 10);
	while (*at == ' ')
		at++;
	*path = at;
	return true;
}

static bool supplier_grow(void **array, size_t *room, size_t wanted, size_t limit, size_t size)
{
	size_t bigger = *room ? *room : 64;
	void *grown;

	while (bigger < wanted)
		bigger *= 2;
	if (wanted > limit)
		return false;
	if (bigger == *room)
		return true;
	grown = realloc(*array, bigger * size);
	if (!grown)
		return false;
	*array = grown;
	*room = bigger;
	return true;
}

/* Cuts off the " (deleted)" that the kernel adds to the path of a file without a name. */
static void cut_deleted(char *path)
{
	char *deleted = strstr(path, " (deleted)");

	if (deleted && !deleted[10])
		*deleted = '\0';
}

static enum mapping_kind supplier_kind_of(const struct supplier_line *line, const char *path)
{
	if (line->inode)
		return MAPPING_FILE;
	if (!strcmp(path, "[vdso]"))
		return MAPPING_VDSO;
	return strcmp(path, "[uprobes]") ? MAPPING_ANONYMOUS : MAPPING_UPROBES;
}

static void add_line(struct supplier *s, char *text)
{
	struct supplier_line line = {.start = 0};
	char *path;

	if (!parse_line(text, &line, &path))
		return;
	line.kind = supplier_kind_of(&line, path);
	if (line.kind != MAPPING_FILE)
		*path = '\0';
	cut_deleted(path);
	line.path = (uint32_t)s->used;
	line.path_size = (uint32_t)strlen(path) + 1;
	if (!supplier_grow((void **)&s->paths, &s->paths_room, s->used + line.path_size, PATHS_MAX,
			   1) ||
	    !supplier_grow((void **)&s->lines, &s->room, s->count + 1, MAPPINGS_MAX, sizeof(line)))
		return;
	memcpy(s->paths + s->used, path, line.path_size);
	s->used += line.path_size;
	s->lines[s->count++] = line;
}

/* Reads the maps of a process.  The kernel gives whole lines; those with the longest paths have
 * some 4,200 bytes. */
static int maps_read(struct supplier *s, const struct supply_request *r)
{
	int dir = process_open(r->pid, r->start_ns), fd;
	char line[8192];
	FILE *file;

	s->pid = 0;
	s->count = s->used = 0;
	if (dir < 0)
		return dir;
	fd = openat(dir, "maps", O_RDONLY | O_CLOEXEC);
	close(dir);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file) {
		if (fd >= 0)
			close(fd);
		return -ESRCH;
	}
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		add_line(s, line);
	}
	fclose(file);
	s->pid = r->pid;
	s->start_ns = r->start_ns;
	return 0;
}

static bool is_current(const struct supplier *s, const struct supply_request *r)
{
	return s->pid && s->pid == r->pid && s->start_ns == r->start_ns;
}

/* Adds `size` zeroed bytes to the reply; NULL: the packet is full. */
static void *reply_add(struct supplier *s, size_t size)
{
	uint8_t *at = s->out.reply.bytes + s->size;

	size = (size + 7) & ~(size_t)7;
	if (size > sizeof(s->out) - sizeof(s->out.reply) - s->size)
		return NULL;
	s->size += size;
	s->out.reply.count++;
	return memset(at, 0, size);
}

static int give_maps(struct supplier *s, const struct supply_request *r)
{
	uint32_t i = r->count ? r->index[0] : 0;
	int err = i && is_current(s, r) ? 0 : maps_read(s, r);

	for (; !err && i < s->count; i++) {
		const struct supplier_line *line = &s->lines[i];
		struct supply_mapping *m = reply_add(s, sizeof(*m) + line->path_size);

		if (!m) {
			s->out.reply.more = i;
			break;
		}
		*m = (struct supply_mapping){line->start, line->end,  line->offset,   line->device,
					     line->inode, line->kind, line->path_size};
		memcpy(m->path, s->paths + line->path, line->path_size);
	}
	return err;
}

/* Finds the line of an index, if it is the line of a file. */
static const struct supplier_line *line_of(const struct supplier *s, uint32_t index)
{
	return index < s->count && s->lines[index].kind == MAPPING_FILE ? &s->lines[index] : NULL;
}

static void supplier_identify(int fd, struct supply_file *file)
{
	struct statx st;

	if (supplier_look_at(fd, &st) || !S_ISREG(st.stx_mode))
		return;
	file->device = makedev(st.stx_dev_major, st.stx_dev_minor);
	file->inode = st.stx_ino;
	file->changed_ns = (uint64_t)st.stx_mtime.tv_sec * NS_PER_SECOND + st.stx_mtime.tv_nsec;
	file->size = st.stx_size;
}

static int give_files(struct supplier *s, const struct supply_request *r)
{
	int dir = is_current(s, r) ? process_open(r->pid, r->start_ns) : -ESTALE;

	if (dir < 0)
		return dir;
	for (uint32_t i = 0; i < r->count; i++) {
		const struct supplier_line *line = line_of(s, r->index[i]);
		struct supply_file *file = reply_add(s, sizeof(*file));
		int fd = line ? mapped_open(s, dir, line) : -1;

		if (fd < 0)
			continue;
		supplier_identify(fd, file);
		close(fd);
	}
	close(dir);
	return 0;
}

/* A file that finds no room is one that the worker has not got, and cannot blame. */
static void note_given(struct supplier *s, const struct supply_file *file)
{
	if (s->given.count >= GIVEN_MAX)
		table_free(&s->given);
	table_put(&s->given, (struct table_key){file->device, file->inode}, s);
}

bool supplier_gave(const struct supplier *s, uint64_t device, uint64_t inode)
{
	return table_get(&s->given, (struct table_key){device, inode});
}

static int give_file(struct supplier *s, const struct supply_request *r)
{
	const struct supplier_line *line = is_current(s, r) && r->count ? line_of(s, r->index[0])
									: NULL;
	struct supply_file *file = reply_add(s, sizeof(*file));
	int dir = line ? process_open(r->pid, r->start_ns) : -ESTALE, fd;

	if (dir < 0)
		return dir;
	fd = mapped_open(s, dir, line);
	close(dir);
	if (fd < 0)
		return fd;
	supplier_identify(fd, file);
	s->fd = file_open_held(fd, 0);
	close(fd);
	if (s->fd < 0)
		return s->fd;
	note_given(s, file);
	return 0;
}

/* The paths that a debug file can have, below a root; "" none. */
struct names {
	char path[5][PATH_MAX];
};

static void name_build_id(char *path, const struct supply_request *r)
{
	size_t at;

	if (r->id_size < 2 || r->id_size > SUPPLY_ID_MAX)
		return;
	at = (size_t)sprintf(path, DEBUG_FOLDER "/.build-id/%02x/", r->build_id[0]);
	for (size_t i = 1; i < r->id_size; i++)
		at += (size_t)sprintf(path + at, "%02x", r->build_id[i]);
	strcpy(path + at, ".debug");
}

/* Accepts only names of debug files.  The name comes from a file that may be hostile, and other
 * files beside a program may be secret. */
static bool is_debug_name(const char *name)
{
	size_t length = strlen(name);

	return !strchr(name, '/') && length > 6 &&
	       (!strcmp(name + length - 6, ".debug") || !strcmp(name + length - 4, ".dbg"));
}

/* Makes the paths of a linked debug file: beside the program, in a folder beside it, and in the
 * folder of all such files. */
static void name_links(struct names *n, const struct supply_request *r, int dir)
{
	static const char *const forms[] = {"%.*s/%s", "%.*s/.debug/%s", DEBUG_FOLDER "%.*s/%s"};
	char range[64], program[PATH_MAX], *slash;
	ssize_t length;

	if (dir < 0 || !is_debug_name(r->link))
		return;
	range_name(range, r->start, r->end);
	length = readlinkat(dir, range, program, sizeof(program) - 1);
	if (length <= 0)
		return;
	program[length] = '\0';
	slash = strrchr(program, '/');
	for (size_t i = 0; i < 3 && *program == '/'; i++)
		if (snprintf(n->path[1 + i], PATH_MAX, forms[i], (int)(slash - program), program,
			     r->link) >= PATH_MAX)
			n->path[1 + i][0] = '\0';
}

static void names_make(struct names *n, const struct supply_request *r, int dir)
{
	for (size_t i = 0; i < 5; i++)
		n->path[i][0] = '\0';
	name_build_id(n->path[0], r);
	name_links(n, r, dir);
	if (!strncmp(r->alternate, DEBUG_FOLDER "/", sizeof(DEBUG_FOLDER)) &&
	    !strstr(r->alternate, ".."))
		strcpy(n->path[4], r->alternate);
}

/* Opens a debug file: one of this host first, then one of the process's own files. */
static int give_debug(struct supplier *s, const struct supply_request *r)
{
	int dir = process_open(r->pid, r->start_ns);
	int root[2] = {open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), dir < 0 ? -1 : root_of(dir)};
	struct names names;

	names_make(&names, r, dir);
	for (uint32_t i = r->candidate; i < 10 && s->fd < 0; i++) {
		const char *path = names.path[i % 5];

		if (root[i / 5] >= 0 && *path)
			s->fd = file_open_in(root[i / 5], path, 0);
		s->out.reply.more = i + 1;
	}
	for (size_t i = 0; i < 2; i++)
		if (root[i] >= 0)
			close(root[i]);
	if (dir >= 0)
		close(dir);
	return s->fd < 0 ? -ENOENT : 0;
}

/* Reads the pid that the process has in its container, and its user. */
static bool read_owner(int dir, uint32_t *inner_pid, uid_t *owner)
{
	char text[4096], *at;

	if (file_read(dir, "status", text, sizeof(text)) <= 0 || !(at = strstr(text, "\nUid:")))
		return false;
	*owner = (uid_t)strtoul(at + 5, NULL, 10);
	at = strstr(text, "\nNSpid:");
	if (!at)
		return false;
	at[strcspn(at + 1, "\n") + 1] = '\0';
	at = strrchr(at, '\t');
	*inner_pid = at ? (uint32_t)strtoul(at, NULL, 10) : 0;
	return at;
}

static int give_jit(struct supplier *s, const struct supply_request *r)
{
	int dir = process_open(r->pid, r->start_ns), root;
	uint32_t inner_pid;
	struct statx st;
	char path[64];
	uid_t owner;

	if (dir < 0)
		return dir;
	root = read_owner(dir, &inner_pid, &owner) ? root_of(dir) : -1;
	close(dir);
	if (root < 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", inner_pid);
	s->fd = file_open_in(root, path, O_NOFOLLOW);
	close(root);
	if (s->fd < 0)
		return s->fd;
	if (!supplier_look_at(s->fd, &st) && (st.stx_uid == owner || st.stx_uid == 0))
		return 0;
	close(s->fd);
	s->fd = -1;
	return -EPERM;
}

int supplier_give(struct supplier *s, const struct supply_request *r)
{
	if (!table_get(&s->named, (struct table_key){r->pid, r->start_ns}))
		return -EPERM;
	switch (r->kind) {
	case SUPPLY_MAPS:
		return give_maps(s, r);
	case SUPPLY_FILES:
		return give_files(s, r);
	case SUPPLY_FILE:
		return give_file(s, r);
	case SUPPLY_DEBUG:
		return give_debug(s, r);
	case SUPPLY_JIT:
		return give_jit(s, r);
	default:
		return -EPROTO;
	}
}

static bool makes_sense(const struct supply_request *r)
{
	return r->count <= SUPPLY_INDEXES_MAX && r->id_size <= SUPPLY_ID_MAX &&
	       memchr(r->link, '\0', sizeof(r->link)) &&
	       memchr(r->alternate, '\0', sizeof(r->alternate));
}

static int reply_send(struct supplier *s, int asking)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} with;
	struct iovec vec = {&s->out, sizeof(s->out.reply) + s->size};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};
	int err;

	if (s->fd >= 0) {
		message.msg_control = &with;
		message.msg_controllen = sizeof(with);
		with.head.cmsg_level = SOL_SOCKET;
		with.head.cmsg_type = SCM_RIGHTS;
		with.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&with.head), &s->fd, sizeof(int));
	}
	err = sendmsg(asking, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return err;
}

int supplier_answer(struct supplier *s, const struct supply_request *r, int asking)
{
	int err;

	if (!makes_sense(r))
		return -EPROTO;
	s->out.reply = (struct supply_reply){.error = 0};
	s->size = 0;
	s->fd = -1;
	err = supplier_give(s, r);
	if (err) {
		s->out.reply.error = err;
		s->size = 0;
	}
	return reply_send(s, asking);
}

int supplier_step(struct supplier *s, struct nursling *worker)
{
	struct supply_request request;

	s->asked = false;
	for (int i = 0; i < REQUESTS; i++) {
		ssize_t got = nursling_receive(worker, &request, sizeof(request));
		int err = got == sizeof(request) ? supplier_answer(s, &request, worker->asking)
			  : got >= 0		 ? -EPROTO
						 : (int)got;

		if (err)
			return err == -EAGAIN ? 0 : err;
		s->asked = true;
	}
	return 0;
}

bool supplier_is_asked(const struct supplier *s)
{
	return s->asked;
}
