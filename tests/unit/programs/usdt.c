/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * usdt.c - a program with static probes in its notes: some true, some lies.
 */

/* A note as sys/sdt.h of systemtap writes it. */
#define NOTE(place, semaphore, name, arguments)      \
	".pushsection .note.stapsdt,\"\",\"note\"\n" \
	".balign 4\n"                                \
	".4byte 2f-1f, 4f-3f, 3\n"                   \
	"1: .asciz \"stapsdt\"\n"                    \
	"2: .balign 4\n"                             \
	"3: .8byte " place "\n"                      \
	".8byte _.stapsdt.base\n"                    \
	".8byte " semaphore "\n"                     \
	".asciz \"demo\"\n"                          \
	".asciz \"" name "\"\n"                      \
	".asciz \"" arguments "\"\n"                 \
	"4: .balign 4\n"                             \
	".popsection\n"

__asm__(".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
	".weak _.stapsdt.base\n"
	".hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n"
	".size _.stapsdt.base,1\n"
	".popsection\n");

unsigned short counted __attribute__((section(".probes"))) = 0;
unsigned short never_kept; /* in .bss: the file has no bytes of it */
const unsigned short written_never = 1;

int work(int n);

__attribute__((noinline)) int work(int n)
{
	__asm__ volatile(
		"900: nop\n"
		"901: nop\n"
		"903: .fill 9, 1, 0x90\n"
		"902: movabs $0x9090909090909090, %%rax\n" /* NOPs within an instruction */
		NOTE("900b", "counted", "ready", "-4@%%edi 8@%%rsi") NOTE(
			"901b", "0", "twice", "1@$1") NOTE("900b", "0", "twice", "4@-8(%%rsp)")
			NOTE("902b", "0", "no_nop", "") NOTE("902b+4", "0", "inside", "") NOTE(
				"counted", "0", "in_data", "") NOTE("0x10", "0", "nowhere", "")
				NOTE("900b", "never_kept", "without_bytes",
				     "") NOTE("900b", "written_never", "unwritable",
					      "") NOTE("900b", "work", "semaphore_in_code",
						       "") NOTE("903b+0", "0", "many",
								"") NOTE("903b+1", "0", "many", "")
					NOTE("903b+2", "0", "many",
					     "") NOTE("903b+3", "0", "many",
						      "") NOTE("903b+4", "0", "many",
							       "") NOTE("903b+5", "0", "many", "")
						NOTE("903b+6", "0", "many",
						     "") NOTE("903b+7", "0", "many",
							      "") NOTE("903b+8", "0", "many", "")
							NOTE("900b", "0", "same", "")
								NOTE("900b", "0", "same", "")
		:
		:
		: "rax");
	return n + counted + never_kept + written_never;
}

int main(int argc, char **argv)
{
	(void)argv;
	return work(argc);
}
