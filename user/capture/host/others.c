/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * others.c - see others.h.
 */
#include "user/capture/host/others.h"

#include <bpf/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM	     "process_exited" /* each watch loads this program once */
#define PROGRAMS_MAX 4096	      /* a host has some dozens */

static bool is_ours(uint32_t id)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    info.type == BPF_PROG_TYPE_TRACING && !strcmp(info.name, PROGRAM);

	if (fd >= 0)
		close(fd);
	return ours;
}

unsigned int others_watching(void)
{
	unsigned int found = 0;
	uint32_t id = 0;

	for (int i = 0; i < PROGRAMS_MAX && !bpf_prog_get_next_id(id, &id); i++)
		found += is_ours(id);
	return found;
}
