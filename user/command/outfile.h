/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * outfile.h - files that hold what we saw: for their owner's eyes only, whole or not at all.
 *
 * A file is written under another name beside its own and takes its place when it is whole, so
 * nobody's file is emptied, followed or shared.  A child made at once does that last step: by then
 * we have given up the rights that it takes.  Streams (/dev/stdout, /dev/fd/N, a device, a pipe
 * with a reader) are written to as they are.
 *
 * Under sudo a file belongs to the caller, who then reads it without sudo: in folders alone where
 * the caller could have made it.
 */
#ifndef DBLEAK_COMMAND_OUTFILE_H
#define DBLEAK_COMMAND_OUTFILE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct outfile {
	FILE *file;   /* to write to; whoever closes it sets it to NULL */
	pid_t keeper; /* 0: a stream, nothing takes a place */
	int wire;
};

/* path: "-" is standard output.  input: a file that is read and may not be replaced, NULL: none.
 * 0 or -errno; o is zero then. */
int outfile_open(struct outfile *o, const char *path, FILE *input);
/* The same for a path as somebody gave it; NULL: none, and nothing is opened.  -1 to go on, or the
 * status to exit with (the reason is on standard error). */
int outfile_begin(struct outfile *o, const char *path, FILE *input);
/* From now on what is written takes its place even if we are killed. */
void outfile_keep_part(struct outfile *o);
/* Is it a file with a place to take, and not a stream? */
bool outfile_has_place(const struct outfile *o);
/* Flushes and closes what is open.  Without an error, and if it is whole, the file takes its
 * place; else it is gone.  0 or -errno of anything that went wrong.  May be called more than once.
 */
int outfile_end(struct outfile *o, bool whole);
/* Do both paths name one file or one stream?  A device such as /dev/null may serve both. */
bool outfile_is_same(const char *one, const char *other);
/* The path, or the words for standard output ("-", or NULL: no file was asked for). */
const char *outfile_name(const char *path);
/* A few words for errors of outfile_open that strerror(3) tells badly. */
const char *outfile_why(int err);

#endif
