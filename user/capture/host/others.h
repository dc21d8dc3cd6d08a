/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * others.h - is another dbleak at work?  Each adds to what the watched programs pay.
 */
#ifndef DBLEAK_CAPTURE_OTHERS_H
#define DBLEAK_CAPTURE_OTHERS_H

/* How many watch already, by their programs in the kernel, which nobody but root can imitate. Asked
 * before ours are loaded.  0 also where the kernel does not tell (it takes CAP_SYS_ADMIN). */
unsigned int others_watching(void);

#endif
