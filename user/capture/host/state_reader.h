/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * state_reader.h - asks sandboxed workers what state files of container run times say.
 *
 * Users of the host write some of these files.  So a worker reads the files of one owner only: a
 * file that takes over its worker cannot lie about the containers of others.  A worker that is late
 * or dies is replaced, and the files of its owner are not read again; of root, only that file.  The
 * fetcher opens and reads the files (state_file.h).  A user whose file system does not answer it
 * loses all files, too.
 */
#ifndef DBLEAK_CAPTURE_STATE_READER_H
#define DBLEAK_CAPTURE_STATE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "user/capture/host/state_text.h"
#include "user/capture/host/state_wire.h"

struct nursery;
struct state_reader;

/* The nursery is borrowed.  NULL: no state file is read.  0 or -errno. */
int state_reader_open(struct state_reader **out, struct nursery *nursery);
/* Ends the worker.  Accepts NULL. */
void state_reader_close(struct state_reader *r);

/* Asks about the regular file at path below root.  owner: who it must belong to, or
 * FILE_OF_ANYBODY.  Returns the bytes of the answer: texts, each with its NUL, whose content is not
 * trusted; 0: the file does not say; or -errno.  -EDQUOT: its owner's files are given up. */
ssize_t state_reader_ask(struct state_reader *r, int root, const char *path, uid_t owner,
			 enum state_question question, const char *id,
			 char answer[STATE_ANSWER_MAX]);

/* Lists names in a folder, as state_folder_list.  -EDQUOT: its owner's files are given up. */
ssize_t state_reader_list(struct state_reader *r, int root, const char *path, uid_t owner,
			  const char *tail, int most, char names[STATE_ANSWER_MAX]);

/* An owner whose file a worker failed on since the last call, each failure once.  False: none. */
bool state_reader_lost(struct state_reader *r, uid_t *owner);

#endif
