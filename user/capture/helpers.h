/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * helpers.h - the processes that read foreign bytes, and touch what may hang, for dbleak.
 */
#ifndef DBLEAK_CAPTURE_HELPERS_H
#define DBLEAK_CAPTURE_HELPERS_H

struct nursery;
struct fetcher;
struct remover;

struct helpers {
	struct nursery *nursery; /* starts sandboxed workers; NULL: none */
	struct fetcher *fetcher;
	struct remover *remover; /* takes probes out; NULL: none, and that may hang */
};

/* Forks all of them.  Call before opening anything: a helper has what we have at that moment.  From
 * then on memory.h reads through the fetcher.  0 or -errno; close also after a failure. */
int helpers_open(struct helpers *h);
/* Ends all workers.  Close first whatever uses them. */
void helpers_close(struct helpers *h);

#endif
