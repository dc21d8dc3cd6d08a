/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Names as compilers mangle them, and as reports are to show them.
 */
#include "user/capture/stack/native/demangle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
	const char *mangled, *shown;
} names[] = {
	{"_ZN4shop6Orders4listEi", "shop::Orders::list"},
	{"_ZNK4shop6Orders4sizeEv", "shop::Orders::size"},
	{"_ZN4shop3sumIiEET_S1_S1_", "shop::sum<int>"},
	{"_ZN12_GLOBAL__N_14openEv", "(anonymous namespace)::open"},
	{"_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()"},
	{"_ZN3FoocvbEv", "Foo::operator bool"},
	{"_ZN3FoolsERKS_", "Foo::operator<<"},
	{"_Znwm", "operator new"},
	{"_ZNKSt8functionIFvvEEclEv", "std::function<void ()>::operator()"},
	{"_ZN4shop4listEPFviE", "shop::list"},
	{"_ZN4shop4listEv.cold", "shop::list"},
	{"_ZN4shop6orders4list17h0123456789abcdefE", "shop::orders::list"},
	{"_ZN4shop6orders4list17h0123456789abcdefE.llvm.4711", "shop::orders::list"},
	{"_ZN4shop4main28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
	 "shop::main::{{closure}}"},
	{"_ZN51_$LT$a..shop..A$LT$T$GT$$u20$as$u20$a..shop..Go$GT$2go17h0123456789abcdefE",
	 "<a::shop::A<T> as a::shop::Go>::go"},
	{"_ZN3foo30_$LT$$RF$T$C$$u20$$LP$$RP$$GT$3bar17h0123456789abcdefE", "foo::<&T, ()>::bar"},
	{"_ZN4shop14A$LT$T$GT$_b1$17h0123456789abcdefE", "shop::A<T>_b1$"},
};

static int prepare(void **state)
{
	(void)state;
	demangle_prepare();
	return 0;
}

static void names_are_shown_without_what_they_take_and_return(void **state)
{
	char buf[256];

	(void)state;
	if (!demangle_prepare())
		skip();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_true(demangle(names[i].mangled, buf, sizeof(buf)));
		assert_string_equal(buf, names[i].shown);
	}
}

static void other_names_are_left_alone(void **state)
{
	char buf[256], *endless = malloc(100001);

	(void)state;
	assert_false(demangle("main", buf, sizeof(buf)));
	assert_false(demangle("_ZN", buf, sizeof(buf)));
	assert_false(demangle("", buf, sizeof(buf)));
	memset(endless, 'P', 100000);
	memcpy(endless, "_Z1f", 4);
	endless[100000] = '\0';
	assert_false(demangle(endless, buf, sizeof(buf)));
	free(endless);
}

static void long_names_are_cut(void **state)
{
	char buf[8];

	(void)state;
	if (!demangle_prepare())
		skip();
	assert_true(demangle("_ZN4shop6Orders4listEi", buf, sizeof(buf)));
	assert_string_equal(buf, "shop::O");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_shown_without_what_they_take_and_return),
		cmocka_unit_test(other_names_are_left_alone),
		cmocka_unit_test(long_names_are_cut),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
