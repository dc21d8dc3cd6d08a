/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * fuzz_probe_point.c - any bytes as the code of a function.
 *
 * Input: a byte of wishes (with a return probe, wanted arguments), then the code.
 */
#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>

#include "user/capture/probe/probe_point.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* What the kernel emulates, by its first bytes. */
static bool is_emulated(const uint8_t *code, size_t length)
{
	switch (code[0]) {
	case 0x0f:
		return length == 6 && code[1] >= 0x80 && code[1] < 0x90;
	case 0x41:
		return length == 2 && code[1] >= 0x50 && code[1] < 0x58;
	case 0x90:
	case 0xe8:
	case 0xe9:
	case 0xeb:
		return true;
	default:
		return (code[0] >= 0x50 && code[0] < 0x58) || (code[0] >= 0x70 && code[0] < 0x80);
	}
}

static ZydisDecodedInstruction decode(const uint8_t *code, size_t n)
{
	ZydisDecodedInstruction is;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	require(ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code, n, &is)));
	return is;
}

/* The way to the probe: whole instructions, none of which leaves it or moves the stack, but for
 * the jump of calls with NULL. */
static void check_way(const uint8_t *code, size_t n, const struct probe_point *point)
{
	ZydisDecodedInstruction is;
	size_t at = 0;

	for (; at < point->delta; at += is.length) {
		is = decode(code + at, n - at);
		if (at + is.length == point->delta && point->nonzero)
			require(is.mnemonic == ZYDIS_MNEMONIC_JZ);
		else
			require(!is.raw.imm[0].is_relative);
		require(is.meta.category != ZYDIS_CATEGORY_PUSH &&
			is.meta.category != ZYDIS_CATEGORY_POP &&
			is.meta.category != ZYDIS_CATEGORY_RET);
	}
	require(at == point->delta);
	is = decode(code + at, n - at);
	require(is_emulated(code + at, is.length) && (!at || code[at] != 0xe8));
}

static void check_point(const uint8_t *code, size_t n, bool with_return, unsigned int arguments)
{
	struct probe_point point = probe_point_choose(code, n, with_return, arguments);

	require(!point.delta || (point.delta < n && point.cheap));
	require(!point.nonzero || (point.delta && !with_return && (arguments & PROBE_RDI)));
	if (point.cheap)
		check_way(code, n, &point);
}

/* The call it tells of ends where it says, and the function holds it as a whole. */
static void check_inner(const uint8_t *code, size_t n, unsigned int arguments)
{
	struct probe_inner inner;
	ZydisDecodedInstruction is;
	size_t at = 0;

	if (probe_point_inner(code, n, arguments, &inner))
		return;
	require(inner.after >= 5 && inner.after < n && inner.stack >= 16 && inner.stack % 8 == 0);
	do {
		is = decode(code + at, n - at);
		at += is.length;
	} while (at < inner.after);
	require(at == inner.after && is.mnemonic == ZYDIS_MNEMONIC_CALL);
	for (int i = 0; i < PROBE_ARGUMENTS; i++)
		require(inner.holder[i] <= PROBE_ARGUMENTS &&
			(inner.holder[i] || !(arguments & 1U << i)));
}

static void check_field(const uint8_t *code, size_t n)
{
	struct probe_field field;

	if (probe_field_of(code, n, &field))
		return;
	require(field.size == 1 || field.size == 2 || field.size == 4 || field.size == 8);
	require(field.offset <= INT32_MAX && field.value <= UINT64_MAX >> (64 - 8 * field.size));
	require(field.compared || !field.value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *code;

	if (!size)
		return 0;
	/* Of its own, so that a byte beyond is noticed. */
	code = malloc(size - 1);
	require(code);
	memcpy(code, data + 1, size - 1);
	check_point(code, size - 1, data[0] & 1, data[0] >> 1 & 127);
	check_inner(code, size - 1, data[0] >> 1 & 127);
	check_field(code, size - 1);
	free(code);
	return 0;
}
