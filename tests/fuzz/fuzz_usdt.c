/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_usdt.c - any bytes as a library with static probes, and as the words of an argument.  Each
 * place is a NOP of its code, and each semaphore lies within the file and outside of its code.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/capture/probe/usdt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_places(struct elf_file *e, const uint8_t *data, size_t size)
{
	struct usdt_places places;
	uint64_t start, length;
	int err = usdt_find(e, "demo", "ready", &places);

	require(places.count <= USDT_PLACES_MOST && err <= 0);
	require(err ? !places.count : places.count);
	for (uint32_t i = 0; i < places.count; i++) {
		const struct usdt_place *p = &places.all[i];

		require(p->offset < size && data[p->offset] == 0x90);
		require(!elf_segment(e, p->offset, &start, &length));
		require(!p->semaphore || p->semaphore + 2 <= size);
		require(!p->semaphore || elf_segment(e, p->semaphore, &start, &length));
	}
}

static void check_argument(const uint8_t *data, size_t size)
{
	struct usdt_place place = {};
	char *words = malloc(size + 1);

	require(words != NULL);
	memcpy(words, data, size);
	words[size] = '\0';
	usdt_argument(words, &place);
	require(place.how <= USDT_MEMORY && place.base < USDT_REGISTERS);
	require(place.how != USDT_UNKNOWN || !place.size);
	free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct elf_file *e;

	check_argument(data, size);
	if (fd < 0)
		fd = memfd_create("library", MFD_CLOEXEC);
	require(fd >= 0 && !ftruncate(fd, 0));
	require(pwrite(fd, data, size, 0) == (ssize_t)size);
	if (elf_open(&e, fd))
		return 0;
	check_places(e, data, size);
	elf_close(e);
	return 0;
}
