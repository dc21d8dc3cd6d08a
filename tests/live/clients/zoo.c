/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * zoo.c - what a program may map, mount and pretend so that whoever looks at it never ends.
 *
 *   zoo files N         maps N files as code, of each kind in turn, as user 65534
 *   zoo serve FOLDER    a FUSE file system with one file, "f", whose reads are never answered
 *   zoo code FILE       maps FILE as code
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DYNAMIC_AT = 0x200, SYMBOLS_AT = 0x400, STRINGS_AT = 0x600, HASH_AT = 0x800, HEAD = 0x2000 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void be_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void stay(void)
{
	be_ready();
	for (;;)
		pause();
}

enum kind { SPARSE, NO_HASH, SECTIONS, CUT, KINDS };

/* Two variables that only PHP exports.  SPARSE: a version is to be found in 2^62 bytes; NO_HASH:
 * names in 128 MiB; SECTIONS: a section among 2^31; CUT: shorter than it says. */
static int make(enum kind kind)
{
	static const char names[] = "\0executor_globals\0module_registry";
	static uint8_t head[HEAD];
	const unsigned char info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	const Elf64_Sym symbols[] = {{0}, {1, info, 0, 5, 0x1000, 8}, {18, info, 0, 5, 0x1000, 8}};
	const uint32_t hash[] = {1, 3, 1, 0, 2, 0};
	const Elf64_Dyn dynamic[] = {{DT_STRTAB, {kind == NO_HASH ? 0x10000 : STRINGS_AT}},
				     {DT_SYMTAB, {SYMBOLS_AT}},
				     {DT_STRSZ, {kind == NO_HASH ? 1 << 27 : sizeof(names)}},
				     {kind == NO_HASH ? DT_NULL : DT_HASH, {HASH_AT}},
				     {DT_NULL, {0}}};
	const off_t size = kind == SPARSE ? (off_t)1 << 62 : 1 << 29;
	const Elf64_Phdr phdrs[] = {
		{PT_LOAD, PF_R | PF_X, 0, 0, 0, (Elf64_Xword)size, (Elf64_Xword)size, 0x1000},
		{PT_DYNAMIC, PF_R, DYNAMIC_AT, DYNAMIC_AT, DYNAMIC_AT, sizeof(dynamic),
		 sizeof(dynamic), 8}};
	const Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			      .e_type = ET_DYN,
			      .e_machine = EM_X86_64,
			      .e_phoff = sizeof(e),
			      .e_phentsize = sizeof(phdrs[0]),
			      .e_phnum = 2,
			      .e_shoff = kind == SECTIONS ? 0x10000 : 0,
			      .e_shentsize = sizeof(Elf64_Shdr)};
	const Elf64_Shdr first = {.sh_size = 1U << 31};
	int fd = memfd_create("zoo", 0);

	memset(head, 0, sizeof(head));
	memcpy(head, &e, sizeof(e));
	memcpy(head + sizeof(e), phdrs, sizeof(phdrs));
	memcpy(head + DYNAMIC_AT, dynamic, sizeof(dynamic));
	memcpy(head + SYMBOLS_AT, symbols, sizeof(symbols));
	memcpy(head + STRINGS_AT, names, sizeof(names));
	memcpy(head + HASH_AT, hash, sizeof(hash));
	if (fd < 0 || write(fd, head, sizeof(head)) != sizeof(head) ||
	    (kind != CUT && ftruncate(fd, size)) ||
	    (kind == SECTIONS && pwrite(fd, &first, sizeof(first), 0x10000) != sizeof(first)))
		fail("memfd");
	return fd;
}

static void map(int fd)
{
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		fail("mmap");
	close(fd);
}

static void files(int count)
{
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		fail("setuid");
	for (int i = 0; i < count; i++)
		map(make((enum kind)(i % KINDS)));
	stay();
}

static void code(const char *file)
{
	int fd = open(file, O_RDONLY);

	if (fd < 0)
		fail(file);
	map(fd);
	stay();
}

/* --- a file system that does not answer ------------------------------------------------------- */

static int device;

static void reply(const struct fuse_in_header *in, int err, const void *data, size_t size)
{
	struct {
		struct fuse_out_header head;
		char bytes[4096];
	} out = {.head = {.len = (uint32_t)(sizeof(out.head) + size),
			  .error = -err,
			  .unique = in->unique}};

	if (size)
		memcpy(out.bytes, data, size);
	if (write(device, &out, out.head.len) < 0 && errno != ENOENT)
		exit(0);
}

static struct fuse_attr attributes(uint64_t inode)
{
	return (struct fuse_attr){.ino = inode,
				  .size = inode == 1 ? 0 : 1 << 20,
				  .mode = inode == 1 ? S_IFDIR | 0755 : S_IFREG | 0755,
				  .nlink = 1,
				  .blksize = 4096};
}

static void answer(const struct fuse_in_header *in)
{
	const struct fuse_init_out init = {.major = 7,
					   .minor = 31,
					   .max_readahead = 4096,
					   .max_write = 4096,
					   .max_background = 10};
	const struct fuse_entry_out entry = {
		.nodeid = 2, .attr_valid = 3600, .entry_valid = 3600, .attr = attributes(2)};
	const struct fuse_attr_out attr = {.attr_valid = 3600, .attr = attributes(in->nodeid)};
	const struct fuse_open_out open = {.fh = 1};

	switch (in->opcode) {
	case FUSE_INIT:
		reply(in, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		reply(in, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		reply(in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		reply(in, 0, &open, sizeof(open));
		break;
	case FUSE_READ: /* never */
	case FUSE_STATFS:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		reply(in, 0, NULL, 0);
		break;
	default:
		reply(in, ENOSYS, NULL, 0);
	}
}

static void serve(const char *folder)
{
	static char request[1 << 17];
	char options[128];

	device = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 device);
	if (device < 0 || mount("zoo", folder, "fuse", 0, options))
		fail("mount");
	be_ready();
	for (;;) {
		ssize_t n = read(device, request, sizeof(request));

		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			answer((const void *)request);
		else if (n < 0 && errno != EINTR && errno != ENOENT)
			exit(0);
	}
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "files"))
		files(atoi(argv[2]));
	else if (!strcmp(argv[1], "serve"))
		serve(argv[2]);
	else if (!strcmp(argv[1], "code"))
		code(argv[2]);
	return 2;
}
