/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_exporter.c - documents for a collector: taken, refused, tried again, lost, and counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/serve/exporter.h"

#define HEARD_SIZE 65536

/* A collector that gives one answer after the other to whoever comes. */
static struct {
	int listening;
	pthread_t thread;
	const char *const *answers; /* ends with NULL; "" hangs up at once */
	char heard[HEARD_SIZE];	    /* the last request */
	int requests;
} far;

static struct exporter *exporter;

static void hear_request(int fd)
{
	size_t have = 0, whole = 0;

	while (have < HEARD_SIZE - 1 && (!whole || have < whole)) {
		ssize_t n = recv(fd, far.heard + have, HEARD_SIZE - 1 - have, 0);
		char *end, *length;

		if (n <= 0)
			break;
		have += (size_t)n;
		far.heard[have] = '\0';
		end = strstr(far.heard, "\r\n\r\n");
		length = strstr(far.heard, "Content-Length: ");
		if (end && length)
			whole = (size_t)(end + 4 - far.heard) + strtoul(length + 16, NULL, 10);
	}
}

static void *collect(void *context)
{
	(void)context;
	for (const char *const *answer = far.answers; *answer; answer++) {
		int fd = accept(far.listening, NULL, NULL);

		if (fd < 0)
			break;
		far.requests++;
		if (**answer) {
			hear_request(fd);
			send(fd, *answer, strlen(*answer), MSG_NOSIGNAL);
		}
		close(fd);
	}
	return NULL;
}

/* answers NULL: nobody listens there. */
static void begin_export(const char *const *answers)
{
	struct export_target t;
	struct listen_address address;
	char url[64];
	uint16_t port;

	memset(&far, 0, sizeof(far));
	assert_true(listen_parse(&address, "127.0.0.1:0"));
	far.listening = listen_open(&address);
	assert_true(far.listening >= 0);
	port = listen_port(far.listening);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	assert_int_equal(export_target_parse(&t, url), EXPORT_URL_GOOD);
	assert_int_equal(exporter_open(&exporter, &t, NULL), 0);
	far.answers = answers;
	if (!answers) {
		close(far.listening);
		far.listening = -1;
		return;
	}
	fcntl(far.listening, F_SETFL, 0); /* it may block */
	assert_int_equal(pthread_create(&far.thread, NULL, collect, NULL), 0);
}

static void expect_counts(uint64_t sent, uint64_t lost, const char *word)
{
	const char *why;

	assert_int_equal(exporter_lost(exporter, &why), lost);
	assert_int_equal(exporter_sent(exporter), sent);
	if (!strstr(why, word))
		fail_msg("\"%s\" does not say \"%s\"", why, word);
}

static int end_export(void **state)
{
	(void)state;
	exporter_close(exporter);
	exporter = NULL;
	if (far.listening >= 0) {
		shutdown(far.listening, SHUT_RDWR);
		pthread_join(far.thread, NULL);
		close(far.listening);
	}
	return 0;
}

static void offer_text(const char *text, size_t records)
{
	exporter_offer(exporter, text, strlen(text), records);
}

static void urls_are_http_and_numbers(void **state)
{
	static const char *const bad[] = {"",
					  "127.0.0.1:4318",
					  "ftp://127.0.0.1:1",
					  "http://",
					  "http://127.0.0.1",
					  "http://collector:4318",
					  "http://127.0.0.1:4318/a b",
					  "http://127.0.0.1:4318/\r\nX: y",
					  "http://user@127.0.0.1:4318",
					  "http://unix:/x",
					  "http://:4318",
					  "http://[::1]"};
	struct export_target t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (export_target_parse(&t, bad[i]) != EXPORT_URL_BAD)
			fail_msg("\"%s\" is taken", bad[i]);
	assert_int_equal(export_target_parse(&t, "https://127.0.0.1:4318"), EXPORT_URL_HTTPS);
	assert_int_equal(export_target_parse(&t, "http://localhost:4318/"), EXPORT_URL_GOOD);
	assert_string_equal(t.path, "/v1/logs");
	assert_int_equal(export_target_parse(&t, "http://[::1]:4318/x/y"), EXPORT_URL_GOOD);
	assert_string_equal(t.path, "/x/y");
	assert_string_equal(t.host, "[::1]:4318");
}

static void a_document_arrives_whole(void **state)
{
	static const char *const answers[] = {"HTTP/1.1 200 OK\r\n\r\n{}", "HTTP/1.1 202 x\r\n\r\n",
					      NULL};

	(void)state;
	begin_export(answers);
	offer_text("{\"a\":1}", 3);
	offer_text("{\"b\":2}", 4);
	exporter_drain(exporter, 5000);
	expect_counts(7, 0, "");
	assert_non_null(strstr(far.heard, "POST /v1/logs HTTP/1.1\r\n"));
	assert_non_null(strstr(far.heard, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(far.heard, "\r\n\r\n{\"b\":2}"));
}

static void a_collector_without_time_is_asked_again(void **state)
{
	static const char *const answers[] = {"HTTP/1.1 503 busy\r\n\r\n", "",
					      "HTTP/1.1 200 OK\r\n\r\n", NULL};

	(void)state;
	begin_export(answers);
	offer_text("{}", 2);
	exporter_drain(exporter, 5000);
	expect_counts(2, 0, "");
	assert_int_equal(far.requests, 3);
}

static void what_the_collector_refuses_is_lost_at_once(void **state)
{
	static const char *const answers[] = {"HTTP/1.1 400 no\r\n\r\n", NULL};

	(void)state;
	begin_export(answers);
	offer_text("{}", 2);
	exporter_drain(exporter, 5000);
	expect_counts(0, 2, "400");
	assert_int_equal(far.requests, 1);
}

static void where_nobody_listens_all_is_lost_after_some_seconds(void **state)
{
	(void)state;
	begin_export(NULL);
	offer_text("{}", 2);
	exporter_drain(exporter, 6000);
	expect_counts(0, 2, "refused");
}

static void what_is_too_late_or_too_much_is_lost(void **state)
{
	char *large = malloc(EXPORT_MOST + 1);

	(void)state;
	begin_export(NULL);
	for (int i = 0; i < EXPORT_QUEUE + 3; i++)
		offer_text("{}", 1);
	expect_counts(0, 3, "too many");
	exporter_offer(exporter, large, EXPORT_MOST + 1, 10);
	expect_counts(0, 13, "too many");
	exporter_drain(exporter, 100);
	expect_counts(0, EXPORT_QUEUE + 13, "in time");
	free(large);
}

static void what_answers_in_another_language_is_no_collector(void **state)
{
	static const char *const answers[] = {"SSH-2.0-x_1234567\r\n",
					      "\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
					      "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 2", NULL};

	(void)state;
	begin_export(answers);
	offer_text("{}", 1);
	exporter_drain(exporter, 6000);
	expect_counts(0, 1, "");
	assert_int_equal(far.requests, 4);
}

static void the_end_of_the_child_loses_what_waits(void **state)
{
	(void)state;
	begin_export(NULL);
	offer_text("{}", 1);
	assert_int_equal(kill(exporter_pid(exporter), SIGKILL), 0);
	exporter_drain(exporter, 2000);
	expect_counts(0, 1, "has ended");
	offer_text("{}", 1);
	expect_counts(0, 2, "has ended");
}

#define with_collector(f) cmocka_unit_test_teardown(f, end_export)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_http_and_numbers),
		with_collector(a_document_arrives_whole),
		with_collector(a_collector_without_time_is_asked_again),
		with_collector(what_the_collector_refuses_is_lost_at_once),
		with_collector(where_nobody_listens_all_is_lost_after_some_seconds),
		with_collector(what_is_too_late_or_too_much_is_lost),
		with_collector(what_answers_in_another_language_is_no_collector),
		with_collector(the_end_of_the_child_loses_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
