/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * state_text.h - what the state and settings files of container run times say.
 *
 * Pure: bytes in, an answer out.  Only a sandboxed worker calls it (state_worker.c), since users of
 * the host write some of these files.
 */
#ifndef DBLEAK_CAPTURE_STATE_TEXT_H
#define DBLEAK_CAPTURE_STATE_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum state_question {
	STATE_DOCKER_NAME = 1,	/* config.v2.json: the name of its container */
	STATE_DOCKER_ROOT = 2,	/* daemon.json: the folder of all state */
	STATE_PODMAN_NAME = 3,	/* containers.json: the first name of the container with that id */
	STATE_PODMAN_ROOTS = 4, /* storage.conf: the folders of all state */
};

/* Answers with texts, one after another, each with its NUL.  Returns the bytes of all; 0: the file
 * does not say.  The file's bytes are followed by a NUL at bytes[n] and are overwritten. */
size_t state_text(enum state_question question, const char *id, char *bytes, size_t n, char *out,
		  size_t size);

#endif
