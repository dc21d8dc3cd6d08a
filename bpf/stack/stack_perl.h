/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * stack_perl.h - facts of Perl that both halves need.
 */
#ifndef DBLEAK_STACK_PERL_H
#define DBLEAK_STACK_PERL_H

/* Perl versions with different offsets: the values of runtime_process.row. */
enum perl_row {
	PERL_5_32 = 0,
	PERL_5_34 = 1,
	PERL_5_36 = 2,
	PERL_5_38 = 3,
	PERL_5_40 = 4,
	PERL_5_42 = 5,
	PERL_ROWS = 6,
};

/* Types of contexts: enum of cop.h. */
#define PERL_SUB    9
#define PERL_FORMAT 10
#define PERL_EVAL   11

#endif
