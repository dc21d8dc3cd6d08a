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
	STATE_DOCKER_NAME = 1,	/* config.v2.json: the names of its container and of the image */
	STATE_DOCKER_ROOT = 2,	/* daemon.json: the folder of all state */
	STATE_PODMAN_NAME = 3,	/* containers.json: the first name of the container with that id */
	STATE_PODMAN_ROOTS = 4, /* storage.conf: the folders of all state */
	STATE_CRI_SPEC = 5,	/* config.json of containerd: texts as enum state_spec tells */
	STATE_CRIO_SPEC = 6,	/* config.json of CRI-O: the same */
	STATE_CONTAINERD_ROOT =
		7,	      /* config.toml: the folder of all state that ends with the host */
	STATE_NERDCTL_ID = 8, /* a file that is called as a container: its id */
	STATE_QUESTIONS,
};

/* The texts that a spec leads to, in this order; "": it does not say.  Other specs than those of
 * Kubernetes have no type. */
enum state_spec {
	SPEC_TYPE, /* "container", or "sandbox" */
	SPEC_NAME,
	SPEC_POD,
	SPEC_POD_NAMESPACE,
	SPEC_IMAGE,
	SPEC_NERDCTL_NAME,
	SPEC_TEXTS,
};

/* Answers with texts, one after another, each with its NUL.  Returns the bytes of all; 0: the file
 * does not say.  The file's bytes are followed by a NUL at bytes[n] and are overwritten. */
size_t state_text(enum state_question question, const char *id, char *bytes, size_t n, char *out,
		  size_t size);

#endif
