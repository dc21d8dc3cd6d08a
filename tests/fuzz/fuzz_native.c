/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_native.c - any bytes as packets of a worker that has fallen to what it read.
 */
#include "user/capture/stack/native/native.h"
#include "user/capture/stack/native/native_state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_answer(void *context, const struct native_answer *answer)
{
	(void)context;
	require(answer->count <= EV_STACK_FRAMES);
	for (size_t i = 0; i < answer->count; i++) {
		const struct frame *f = &answer->frames[i];
		const char *const texts[] = {f->function, f->file, f->module, f->build_id};
		size_t length = 0;

		for (size_t j = 0; j < 4; j++)
			length += texts[j] ? strlen(texts[j]) : 0;
		require(length <= EV_FRAME_TEXT_LEN);
	}
}

/* Two bytes of length, then a packet, and so on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct native n;

	for (n.outstanding = n.first = 0; n.outstanding < 100;)
		require(native_asked_room(&n) && !native_asked(&n, 0, &(struct asked){5, 1, 77}));
	while (size > 2) {
		size_t length = data[0] | (size_t)data[1] << 8;

		data += 2;
		size -= 2;
		length = length < size ? length : size;
		length = length < sizeof(n.in) ? length : sizeof(n.in);
		memcpy(n.in, data, length);
		data += length;
		size -= length;
		if (native_take_packet(&n, length, check_answer, NULL) < 0)
			break;
	}
	native_frames_forget(&n);
	return 0;
}
