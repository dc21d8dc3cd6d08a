/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_test_name.c - which test stands on a stack, by the names of each test tool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "user/judge/test_name.h"

static struct arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = arena_open();
	return !arena;
}

static int end(void **state)
{
	(void)state;
	arena_close(arena);
	return 0;
}

/* The test on a stack of one frame below the start of a program. */
static const char *test_at(enum ev_language language, const char *file, const char *function)
{
	const struct frame_view stack[] = {
		{.language = language, .function = "connect", .file = "/srv/shop/db.py", .line = 7},
		{.language = language, .function = function, .file = file, .line = 42},
		{.language = language, .function = "main", .file = "/srv/shop/main", .line = 3},
	};

	return test_name(arena, stack, 3);
}

#define TEST_IS(expected, ...) assert_string_equal(test_at(__VA_ARGS__), expected)

static void tests_of_python_are_named_as_pytest_does(void **state)
{
	(void)state;
	TEST_IS("test_orders.py::test_checkout", EV_LANG_PYTHON, "/srv/tests/test_orders.py",
		"test_checkout");
	TEST_IS("test_orders.py::TestPay::test_card", EV_LANG_PYTHON, "/srv/test_orders.py",
		"TestPay.test_card");
	TEST_IS("test_orders.py::TestPay::testCard", EV_LANG_PYTHON, "/srv/test_orders.py",
		"TestPay.testCard");
	TEST_IS("test_orders.py::test_pay", EV_LANG_PYTHON, "/srv/test_orders.py",
		"test_pay.<locals>.worker");
	TEST_IS("checks.py::checkout_test", EV_LANG_PYTHON, "/srv/checks.py", "checkout_test");
}

static void other_languages_have_their_own_names(void **state)
{
	(void)state;
	TEST_IS("pay_test.go::TestPay", EV_LANG_GO, "/srv/shop/pay_test.go",
		"example.com/shop.TestPay.func1");
	TEST_IS("PayTest.java::PayTest::refunds", EV_LANG_JAVA, "PayTest.java",
		"com.shop.PayTest.refunds");
	TEST_IS("OrderIT::pays", EV_LANG_JAVA, NULL, "com.shop.OrderIT.pays");
	TEST_IS("PayTest.php::PayTest::testCard", EV_LANG_PHP, "/srv/PayTest.php",
		"App\\PayTest::testCard");
	TEST_IS("pay.test.js:42", EV_LANG_JAVASCRIPT, "/srv/pay.test.js", "Object.<anonymous>");
	TEST_IS("pay_spec.rb:42", EV_LANG_RUBY, "/srv/spec/pay_spec.rb", "<top>");
	TEST_IS("pay.rs::refund", EV_LANG_NATIVE, "/srv/src/pay.rs", "shop::tests::refund");
	TEST_IS("pay.c::test_refund", EV_LANG_NATIVE, "/srv/pay.c", "test_refund(int)");
}

static void code_that_is_no_test_has_none(void **state)
{
	(void)state;
	assert_null(test_at(EV_LANG_PYTHON, "/srv/tests/helpers.py", "connect"));
	assert_null(test_at(EV_LANG_PYTHON, "/srv/shop/will.py", "testament"));
	assert_null(test_at(EV_LANG_PYTHON, "/srv/venv/lib/python3.11/site-packages/flask/app.py",
			    "test_client"));
	assert_null(test_at(EV_LANG_GO, "/srv/shop/pay.go", "shop.TestData"));
	assert_null(test_at(EV_LANG_JAVA, "Pay.java", "com.shop.EXIT.run"));
	assert_null(test_at(EV_LANG_JAVA, "PayService.java", "com.shop.PayService.pay"));
	assert_null(test_at(EV_LANG_NATIVE, NULL, NULL));
	assert_null(test_name(arena, NULL, 0));
}

static void the_outermost_is_the_test(void **state)
{
	const struct frame_view stack[] = {
		{.language = EV_LANG_PYTHON, .function = "test_connection", .file = "/srv/db.py"},
		{.language = EV_LANG_PYTHON, .function = "test_pay", .file = "/srv/test_pay.py"},
		{.language = EV_LANG_PYTHON, .function = "<module>", .file = "/srv/test_pay.py"},
	};

	(void)state;
	assert_string_equal(test_name(arena, stack, 3), "test_pay.py::test_pay");
	assert_string_equal(test_name(arena, stack + 2, 1), "test_pay.py");
}

static void a_fixture_is_named_with_its_file(void **state)
{
	(void)state;
	TEST_IS("test_pay.py::database", EV_LANG_PYTHON, "/srv/test_pay.py", "database");
	TEST_IS("test_pay.py::TestPay::setUp", EV_LANG_PYTHON, "/srv/test_pay.py", "TestPay.setUp");
}

static void a_name_has_no_end_of_its_own(void **state)
{
	char function[4000];

	(void)state;
	memset(function, 'x', sizeof(function) - 1);
	memcpy(function, "test_", 5);
	function[sizeof(function) - 1] = '\0';
	assert_true(strlen(test_at(EV_LANG_PYTHON, "/srv/test_a.py", function)) < 500);
	assert_null(test_at(EV_LANG_NATIVE, "/srv/::", "test_.:>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tests_of_python_are_named_as_pytest_does, begin,
						end),
		cmocka_unit_test_setup_teardown(other_languages_have_their_own_names, begin, end),
		cmocka_unit_test_setup_teardown(code_that_is_no_test_has_none, begin, end),
		cmocka_unit_test_setup_teardown(the_outermost_is_the_test, begin, end),
		cmocka_unit_test_setup_teardown(a_fixture_is_named_with_its_file, begin, end),
		cmocka_unit_test_setup_teardown(a_name_has_no_end_of_its_own, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
