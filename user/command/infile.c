/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * infile.c - see infile.h.
 */
#include "user/command/infile.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/record/recording.h"

#define HEAD 8 /* bytes that tell a kind of file */

static const struct file_kind {
	const char *head, *words;
	size_t length;
} file_kinds[] = {
	{"\x1f\x8b", "it is compressed: gunzip it first", 2},
	{"\x28\xb5\x2f\xfd", "it is compressed: unzstd it first", 4},
	{"\xfd"
	 "7zXZ",
	 "it is compressed: unxz it first", 5},
	{"BZh", "it is compressed: bunzip2 it first", 3},
	{"PK\3\4", "it is compressed: unzip it first", 4},
	{"{", "it is JSON, perhaps a report: read it with jq", 1},
	{"dbleak ", "it is a report, not a recording", 7},
	{"PERFILE2", "it is a recording of perf", 8},
};

/* A pipe is not looked into: its bytes would be lost. */
static const char *look_into(int fd, const struct stat *st)
{
	char head[HEAD];
	ssize_t n = S_ISREG(st->st_mode) ? pread(fd, head, sizeof(head), 0) : -1;

	if (!n)
		return "it is empty";
	for (size_t i = 0; i < sizeof(file_kinds) / sizeof(*file_kinds); i++)
		if (n >= (ssize_t)file_kinds[i].length &&
		    !memcmp(head, file_kinds[i].head, file_kinds[i].length))
			return file_kinds[i].words;
	return NULL;
}

static int infile_complain(const struct infile *in, const char *why)
{
	fprintf(stderr, "dbleak: cannot read %s: %s\n", in->name, why);
	return 2;
}

int infile_open(struct infile *in, const char *path)
{
	bool stream = !strcmp(path, "-");
	struct stat st;

	*in = (struct infile){.name = stream ? "standard input" : path};
	in->file = stream ? stdin : fopen(path, "re");
	if (!in->file || fstat(fileno(in->file), &st))
		return infile_complain(in, strerror(errno));
	if (S_ISDIR(st.st_mode) || isatty(fileno(in->file))) {
		fclose(in->file);
		return infile_complain(in, S_ISDIR(st.st_mode)
						   ? "it is a directory"
						   : "it is a terminal, not a recording");
	}
	in->instead = look_into(fileno(in->file), &st);
	return -1;
}

int infile_refuse(const struct infile *in, int err)
{
	return infile_complain(in,
			       err == -EPROTO && in->instead ? in->instead : recording_why(err));
}
