/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * filtered COMMAND ARGUMENT...: runs it under a seccomp filter as a container engine's: system
 * calls the filter has never heard of (above 334 and below 424, where return probes have theirs)
 * fail with EPERM.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "common.h"

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 334, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 424, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		fail("seccomp", strerror(errno));
	execvp(argv[1], argv + 1);
	fail(argv[1], strerror(errno));
}
