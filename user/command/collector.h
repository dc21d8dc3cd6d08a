/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * collector.h - hands findings to the collector of --otlp, as they come.
 */
#ifndef DBLEAK_COMMAND_COLLECTOR_H
#define DBLEAK_COMMAND_COLLECTOR_H

#include <sys/types.h>

#include "user/judge/judge.h"

struct collector;

/* Starts the child that sends, before any thread is there and while we have our rights.  url is
 * borrowed.  0 or -errno. */
int collector_open(struct collector **out, const char *url);
/* The judgement of so many milliseconds ago is still good enough: 5000 while a watch goes on, 0 at
 * its end. */
void collector_look(struct collector *c, const struct model *m, const struct site_patterns *library,
		    unsigned int ago_ms);
/* The same of a view that is there. */
void collector_take(struct collector *c, const struct report_view *v);
pid_t collector_pid(const struct collector *c);
/* Waits for some seconds for what is under way, says what was lost, and ends the child.  Accepts
 * NULL. */
void collector_close(struct collector *c);

#endif
