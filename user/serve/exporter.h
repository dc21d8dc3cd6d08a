/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * exporter.h - a child process that hands finished documents to a collector (HTTP POST).
 *
 * The child has the network and no other right.  A document that the collector does not take is
 * tried again for some seconds, then it is lost; so are those that find no place in the queue.
 */
#ifndef DBLEAK_SERVE_EXPORTER_H
#define DBLEAK_SERVE_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/serve/post.h"

#define EXPORT_QUEUE 32 /* documents that wait */

struct exporter;

/* Starts the child, before any thread is there.  confine gives up its rights: 0 or -errno (NULL:
 * nothing).  0 or -errno. */
int exporter_open(struct exporter **out, const struct export_target *t, int (*confine)(void));
/* Takes a document of so many records into the queue, or counts them as lost. */
void exporter_offer(struct exporter *e, const char *text, size_t length, size_t records);
/* Takes answers and sends what waits; never blocks. */
void exporter_step(struct exporter *e);
/* Does it until all is told, for at most that time. */
void exporter_drain(struct exporter *e, int timeout_ms);
/* Records that the collector took, and those that were lost; why: the last reason, "": none. */
uint64_t exporter_sent(const struct exporter *e);
uint64_t exporter_lost(const struct exporter *e, const char **why);
pid_t exporter_pid(const struct exporter *e);
/* Ends the child.  Accepts NULL. */
void exporter_close(struct exporter *e);

#endif
