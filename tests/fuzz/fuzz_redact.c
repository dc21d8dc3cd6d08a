/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_redact.c - command lines: any bytes are survived, and no password comes out.
 *
 * Input: a byte of kind, then either the arguments themselves or the choices of a grammar that puts
 * a mark into a password.
 */
#include <stdlib.h>

#include "user/base/redact.h"
#include "tests/unit/support/secret_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KIND_RAW 1
#define KIND_CUT 2

static void show(const char *arguments, size_t len, unsigned int flags, bool marked)
{
	char out[EV_TEXT_LEN], name[EV_COMM_LEN] = "";
	size_t n = redact(out, sizeof(out), arguments, len, flags);

	if (n >= sizeof(out) || strlen(out) != n || (marked && has_mark(out, n))) {
		fprintf(stderr, "fuzz_redact: %.*s becomes %s\n", (int)len, arguments, out);
		abort();
	}
	memcpy(name, arguments, len < sizeof(name) ? len : sizeof(name) - 1);
	redact_name(name);
	if (redact_path(out) > n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices c = {.bytes = data + 1, .left = size - 1};
	struct made m;
	unsigned int cut;

	if (!size)
		return 0;
	cut = *data & KIND_CUT ? REDACT_CUT : 0;
	if (*data & KIND_RAW) {
		for (unsigned int flags = 0; flags <= REDACT_SHOW_VALUES; flags++)
			show((const char *)data + 1, size - 1, flags | cut, false);
		return 0;
	}
	make_command(&m, &c);
	for (unsigned int flags = 0; flags <= REDACT_SHOW_VALUES; flags++)
		show(m.text, cut ? choose(&c, m.length) : m.length, flags | cut, true);
	return 0;
}
