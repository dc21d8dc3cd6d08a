/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_platform.c - platforms without eBPF are called by name, and no host is taken for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/capture/host/platform.h"

static const char *of(const char *release, const char *version)
{
	struct utsname host = {.sysname = "Linux"};

	strcpy(host.release, release);
	strcpy(host.version, version);
	return platform_without_bpf(&host);
}

static void kernels_are_told_by_what_they_say(void **state)
{
	(void)state;
	assert_string_equal(of("4.4.0", "#1 SMP Sun Jan 10 15:06:54 PST 2016"), "gVisor");
	assert_string_equal(of("4.4.0-19041-Microsoft", "#1237-Microsoft"), "WSL 1");
}

static void an_old_or_a_new_kernel_is_none_of_them(void **state)
{
	(void)state;
	assert_null(of("4.4.0", "#1 SMP Debian 4.4.6-1 (2016-03-17)"));
	assert_null(of("5.15.90.1-microsoft-standard-WSL2", "#1 SMP"));
	assert_null(of("6.1.0-35-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.137-1"));
}

static void services_are_told_by_their_environment(void **state)
{
	(void)state;
	setenv("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE", 1);
	assert_string_equal(of("5.10.219", "#1 SMP"), "AWS Fargate");
	setenv("AWS_EXECUTION_ENV", "AWS_ECS_EC2", 1);
	assert_null(of("5.10.219", "#1 SMP"));
	setenv("AWS_LAMBDA_FUNCTION_NAME", "orders", 1);
	assert_string_equal(of("5.10.219", "#1 SMP"), "AWS Lambda");
}

static int clear(void **state)
{
	(void)state;
	unsetenv("AWS_EXECUTION_ENV");
	unsetenv("AWS_LAMBDA_FUNCTION_NAME");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels_are_told_by_what_they_say),
		cmocka_unit_test(an_old_or_a_new_kernel_is_none_of_them),
		cmocka_unit_test_setup_teardown(services_are_told_by_their_environment, clear,
						clear),
	};

	return cmocka_run_group_tests(tests, clear, clear);
}
