/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * keyword.bpf.h - compares the keywords of SQL a word at a time.
 */
#ifndef DBLEAK_KEYWORD_BPF_H
#define DBLEAK_KEYWORD_BPF_H

#define LETTERS 0x2020202020202020ULL
/* The first letters of a keyword as the low bytes of a word, lower case. */
#define W6(a, b, c, d, e, f)                                                                     \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | \
	 (__u64)(f) << 40)
#define W8(a, b, c, d, e, f, g, h) (W6(a, b, c, d, e, f) | (__u64)(g) << 48 | (__u64)(h) << 56)
#define FIRST6			   0xffffffffffffULL

#endif
