/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_name.h - the test that a call stack runs in, by the names that test tools ask for.
 *
 * Known are pytest and unittest, Go, JUnit, PHPUnit, minitest and RSpec, the runners of Node, and
 * functions test_* and *_test of any language.  The outermost such frame is the test: what it calls
 * may have such a name, too.  Refuses to guess: a file that only lies in a folder tests is no test.
 */
#ifndef DBLEAK_JUDGE_TEST_NAME_H
#define DBLEAK_JUDGE_TEST_NAME_H

#include "user/base/table.h"
#include "user/judge/view.h"

/* "test_orders.py::test_checkout", "orders_test.go::TestCheckout", of a stack with its innermost
 * frame first.  Lives in the arena.  NULL: no test stands on it, or no memory. */
const char *test_name(struct arena *a, const struct frame_view *stack, size_t count);

#endif
