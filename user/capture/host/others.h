/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * others.h - is another dbleak at work?  Each one slows the watched programs down further.
 */
#ifndef DBLEAK_CAPTURE_OTHERS_H
#define DBLEAK_CAPTURE_OTHERS_H

/* The number of running watches, counted by a BPF program of theirs, which only root could fake.
 * Call before loading our own.  0 also where the kernel refuses to list programs (the list takes
 * CAP_SYS_ADMIN). */
unsigned int others_watching(void);

#endif
