/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_state.c - any bytes as each of the state files of containers.  What it says must be texts,
 * each with its NUL.
 */
#include <stdlib.h>
#include <string.h>

#include "user/capture/host/state_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[64], *bytes = malloc(size + 1);

	for (int q = STATE_DOCKER_NAME; q < STATE_QUESTIONS && bytes; q++) {
		size_t n;

		memcpy(bytes, data, size);
		bytes[size] = '\0';
		n = state_text(q, "feed", bytes, size, out, sizeof(out));
		if (n > sizeof(out) || (n && out[n - 1]))
			abort();
	}
	free(bytes);
	return 0;
}
