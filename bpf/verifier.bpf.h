/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * verifier.bpf.h - helpers for code that the kernel's verifier must be able to follow.
 *
 * Tests compile the same code outside the kernel, with the other half of each definition.
 */
#ifndef DBLEAK_VERIFIER_BPF_H
#define DBLEAK_VERIFIER_BPF_H

#ifdef __bpf__
#include "bpf/kernel.h"
#else
#include <linux/types.h>
#endif

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#ifdef __bpf__
/* Hides the value of x from the compiler, so that it must compare x itself next.  Otherwise it
 * may merge the comparison with another one or compare a copy, and the verifier of 6.1 loses the
 * bound. */
#define OPAQUE(x) asm volatile("" : "+r"(x))

/* Reads four bytes of a map's value at any alignment.  Not for bytes on the stack. */
static __always_inline __u32 word_at(const __u8 *p)
{
	typedef __u32 __attribute__((may_alias)) word;

	return *(const word *)p;
}

/* Zeroes eight bytes of a map's value. */
static __always_inline void zero_at(void *p)
{
	typedef __u64 __attribute__((may_alias)) word;

	*(volatile word *)p = 0;
}
#else
#define OPAQUE(x) (void)(x)

static inline __u32 word_at(const __u8 *p)
{
	__u32 word;

	__builtin_memcpy(&word, p, sizeof(word));
	return word;
}

static inline void zero_at(void *p)
{
	__builtin_memset(p, 0, 8);
}
#endif

/* Zeroes size bytes, a multiple of eight. */
static __always_inline void zero_all(void *p, __u32 size)
{
	__u32 i;

	for (i = 0; i < size; i += 8)
		zero_at((char *)p + i);
}

#endif
