/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_wire.c - any bytes, cut in any way, through the wire parsers.
 *
 * Input: a byte of kind (database, joined or greeted), then pieces: direction and length in two
 * bytes, then their bytes.  A piece that goes beyond the input is what is left of it.
 */
#include "tests/unit/support/wire_shim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KIND_MYSQL  1
#define KIND_JOINED 2
#define KIND_GREETS 4 /* MySQL: the first piece is the greeting */

static void check(const struct tracked_connection *c)
{
	shim_check(c);
	if (!shim.broken)
		return;
	fprintf(stderr, "fuzz_wire: %s\n", shim.broken);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tracked_connection *c;
	uint8_t kind;
	bool greets;

	if (!size)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	memset(&shim, 0, sizeof(shim));
	kind = *data++;
	size--;
	c->now = 1000000;
	c->ev.id = 7;
	c->ev.database = kind & KIND_MYSQL ? EV_DB_MYSQL : EV_DB_POSTGRESQL;
	c->phase = kind & KIND_JOINED ? PHASE_READY : PHASE_STARTUP;
	if (kind & KIND_JOINED)
		c->ev.flags = EV_CONN_PRE_EXISTING;
	greets = kind & KIND_GREETS && kind & KIND_MYSQL;
	while (size > 2) {
		uint32_t n = (data[0] & 0x7f) << 8 | data[1];
		int sending = data[0] >> 7;

		data += 2;
		size -= 2;
		n = n < size ? n : size;
		if (greets && n >= MY_HEADER)
			shim_greet(c, data, n);
		else if (n)
			shim_feed(c, sending, data, n);
		greets = false;
		check(c);
		data += n;
		size -= n;
	}
	free(c);
	return 0;
}
