/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * refuse.h - the words for a host that cannot be watched: what it lacks, and what helps.
 */
#ifndef DBLEAK_COMMAND_REFUSE_H
#define DBLEAK_COMMAND_REFUSE_H

/* Says on standard error why nothing can be watched here; err: -errno of the attempt.  Returns the
 * status to exit with. */
int refuse_host(int err);

#endif
