/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * program_facts.h - what a process runs and for whom: its user, its program, its systemd unit.
 */
#ifndef DBLEAK_CAPTURE_PROGRAM_FACTS_H
#define DBLEAK_CAPTURE_PROGRAM_FACTS_H

#include "user/capture/host/procfs.h"

/* Fills uid, exe and unit of a record.  What cannot be read is UNKNOWN32 or empty, and so is what
 * may be another process's that has the pid now: ask procfs_facts() for its start afterwards. */
void program_facts(const struct procfs *p, struct ev_program *program);

#endif
