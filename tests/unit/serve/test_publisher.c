/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * test_publisher.XX - the process that serves: answers, refusals, hostile readers, and its end.
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
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "user/serve/publisher.h"

#define LARGE (3 << 20)

static atomic_int written, delay_ms;

static int write_count(FILE *out, void *context)
{
	if (delay_ms)
		poll(NULL, 0, delay_ms);
	return fprintf(out, "%s %d\n", (const char *)context, ++written) < 0 ? -EIO : 0;
}

static int write_large(FILE *out, void *context)
{
	(void)context;
	for (int i = 0; i < LARGE; i++)
		putc('a' + i % 26, out);
	return 0;
}

static int write_nothing(FILE *out, void *context)
{
	(void)context;
	fputs("not yet\n", out);
	return -EAGAIN;
}

static const struct served_page pages[] = {
	{"/count", "text/new", .accepted = "text/new", .write = write_count},
	{"/count", "text/plain", .write = write_count},
	{"/large", "text/plain", .write = write_large},
	{"/none", "text/plain", .write = write_nothing},
	{"/open", "text/plain", .open = true, .write = write_count},
	{"/own", "text/plain", .policy = "", .fresh_ms = 60000, .write = write_count},
	{"/some", "text/plain", .policy = "default-src 'self'", .write = write_count},
};
static const struct page_table table = {pages, 7};
static struct publisher *publisher;
static struct listen_address address;
static uint16_t port;

static void begin_with(const char *secret, unsigned int fresh_ms)
{
	struct access_token token = {.length = strlen(secret)};
	struct http_setup setup = {
		.address = &address, .table = &table, .token = &token, .fresh_ms = fresh_ms};

	memcpy(token.text, secret, token.length);
	assert_true(listen_parse(&address, "127.0.0.1:0"));
	setup.listening = listen_open(&address);
	assert_true(setup.listening >= 0);
	port = listen_port(setup.listening);
	written = delay_ms = 0;
	assert_int_equal(publisher_open(&publisher, &setup), 0);
	assert_int_equal(publisher_begin(publisher, NULL, "page"), 0);
	assert_true(publisher_is_alive(publisher));
}

static int end(void **state)
{
	(void)state;
	publisher_close(publisher);
	publisher = NULL;
	return 0;
}

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* All that comes until the server closes; the caller frees it. */
static char *hear(int fd)
{
	size_t size = 0, room = 1 << 16;
	char *text = malloc(room);
	ssize_t n;

	while ((n = recv(fd, text + size, room - size - 1, 0)) > 0) {
		size += (size_t)n;
		if (room - size < 4096)
			text = realloc(text, room *= 2);
	}
	text[size] = '\0';
	close(fd);
	return text;
}

static char *ask_text(const char *request)
{
	int fd = dial();

	send(fd, request, strlen(request), MSG_NOSIGNAL);
	return hear(fd);
}

static char *get(const char *path, const char *headers)
{
	char request[4096];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
		 headers);
	return ask_text(request);
}

static void expect(char *answer, const char *status, const char *part)
{
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0 ||
	    !strstr(answer, part))
		fail_msg("not %s with \"%s\": %.600s", status, part, answer);
	free(answer);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pages_are_told_and_kept_for_a_while(void **state)
{
	(void)state;
	begin_with("", 60000);
	expect(get("/count", ""), "200", "\r\n\r\npage 1\n");
	expect(get("/count", ""), "200", "\r\n\r\npage 1\n");
	expect(get("/count", "Accept: text/new\r\n"), "200", "Content-Type: text/new\r\n");
	expect(get("/count?query=1", ""), "200", "page 1\n");
	expect(get("/open", ""), "200", "\r\n\r\npage 3\n");
	expect(get("/none", ""), "503", "not yet\n");
	expect(get("/", ""), "404",
	       "\r\n\r\nno such page; there are: /count /large /none /open /own /some\n");
	expect(get("/count", ""), "200", "Connection: close\r\n");
	assert_int_equal(written, 3);
}

static void a_page_that_is_old_is_written_anew(void **state)
{
	(void)state;
	begin_with("", 1);
	expect(get("/count", ""), "200", "page 1\n");
	poll(NULL, 0, 5);
	expect(get("/count", ""), "200", "page 2\n");
}

static void a_page_may_have_a_policy_and_a_time_of_its_own(void **state)
{
	char *answer;

	(void)state;
	begin_with("", 1);
	expect(get("/count", ""), "200", "Content-Security-Policy: default-src 'none'\r\n");
	expect(get("/some", ""), "200", "Content-Security-Policy: default-src 'self'\r\n");
	answer = get("/own", "");
	assert_null(strstr(answer, "Content-Security-Policy"));
	expect(answer, "200", "page 3\n");
	poll(NULL, 0, 5);
	expect(get("/own", ""), "200", "page 3\n");
	expect(get("/nosuch", ""), "404", "Content-Security-Policy: default-src 'none'\r\n");
}

static void a_large_page_comes_whole(void **state)
{
	char *answer;

	(void)state;
	begin_with("", 1000);
	answer = get("/large", "");
	assert_int_equal(strlen(strstr(answer, "\r\n\r\n") + 4), LARGE);
	free(answer);
}

static void methods_that_change_something_are_refused(void **state)
{
	static const char *const methods[] = {"POST",  "PUT",	  "DELETE", "OPTIONS", "PATCH",
					      "TRACE", "CONNECT", "get",    "X"};
	char request[256], *answer;

	(void)state;
	begin_with("", 1000);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(request, sizeof(request),
			 "%s /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
			 methods[i]);
		expect(ask_text(request), "405", "Allow: GET, HEAD\r\n");
	}
	assert_int_equal(written, 0);
	answer = ask_text("HEAD /count HTTP/1.1\r\nHost: localhost\r\n\r\n");
	assert_non_null(strstr(answer, "Content-Length: 7\r\n"));
	assert_null(strstr(answer, "page"));
	expect(answer, "200", "text/plain");
}

static void names_of_other_hosts_are_refused(void **state)
{
	(void)state;
	begin_with("", 1000);
	expect(ask_text("GET /count HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "421", "no name");
	expect(ask_text("GET /open HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "421", "no name");
	expect(ask_text("GET /count HTTP/1.1\r\n\r\n"), "400", "");
	assert_int_equal(written, 0);
}

static void a_token_opens_all_pages_and_one_needs_none(void **state)
{
	(void)state;
	begin_with("0123456789abcdef", 1000);
	expect(get("/count", ""), "401", "WWW-Authenticate: Bearer");
	expect(get("/nosuch", ""), "401", "WWW-Authenticate: Bearer");
	expect(get("/count", "Authorization: Bearer 0123456789abcdeg\r\n"), "401", "wrong");
	assert_int_equal(written, 0);
	expect(get("/count", "Authorization: Bearer 0123456789abcdef\r\n"), "200", "page 1\n");
	expect(get("/open", ""), "200", "page 2\n");
}

static void what_is_no_request_is_refused(void **state)
{
	static const char *const requests[] = {
		"\x16\x03\x01\x02", /* a TLS hello */
		"GET /count HTTP/9.9\r\n\r\n",
		"GET\r\n\r\n",
		"\r\n\r\n\r\n\r\n",
		"GET /count HTTP/1.1\r\nHost localhost\r\n\r\n",
		"GET /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: evil\r\n\r\n"};

	(void)state;
	begin_with("", 1000);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int fd = dial();

		send(fd, requests[i], strlen(requests[i]), MSG_NOSIGNAL);
		poll(NULL, 0, 20);
		close(fd);
	}
	expect(get("/open", ""), "200", "page");
}

/* The server may close while there is more to send. */
static void a_megabyte_of_headers_is_refused(void **state)
{
	static const char head[] = "GET /count HTTP/1.1\r\nHost: localhost\r\nX: ";
	char *much = malloc(1 << 20), *answer;
	int fd;

	(void)state;
	begin_with("", 1000);
	memset(much, 'x', 1 << 20);
	fd = dial();
	send(fd, head, strlen(head), MSG_NOSIGNAL);
	for (size_t sent = 0; sent < 1 << 20;) {
		ssize_t n = send(fd, much + sent, (1 << 20) - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	answer = hear(fd);
	assert_true(!*answer || !strncmp(answer + 9, "431", 3) || !strncmp(answer + 9, "413", 3));
	free(answer);
	free(much);
	expect(get("/count", ""), "200", "page 1\n");
}

/* More than the server keeps: each sends a byte and no more. */
static void a_thousand_slow_readers_keep_nobody_out(void **state)
{
	enum { N = 1000 };
	static int fds[N];
	double began, took;

	(void)state;
	begin_with("", 1000);
	for (int i = 0; i < N; i++) {
		fds[i] = dial();
		send(fds[i], "G", 1, MSG_NOSIGNAL);
	}
	began = seconds();
	expect(get("/count", ""), "200", "page 1\n");
	took = seconds() - began;
	if (took > 2)
		fail_msg("took %.1f s", took);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	expect(get("/count", ""), "200", "page");
}

static void a_writer_that_hangs_is_no_end_of_the_server(void **state)
{
	double began, took;

	(void)state;
	begin_with("", 1);
	delay_ms = 4000;
	began = seconds();
	expect(get("/count", ""), "503", "does not answer");
	took = seconds() - began;
	assert_true(took > 2 && took < 3.9);
	delay_ms = 0;
	expect(get("/count", ""), "503", "does not answer"); /* the first is still awaited */
	poll(NULL, 0, 1500);
	expect(get("/count", ""), "200", "page 2\n");
}

static void the_end_of_the_server_is_seen(void **state)
{
	(void)state;
	begin_with("", 1000);
	assert_int_equal(kill(publisher_pid(publisher), SIGKILL), 0);
	for (int i = 0; i < 200 && publisher_is_alive(publisher); i++)
		poll(NULL, 0, 10);
	assert_false(publisher_is_alive(publisher));
}

static void nothing_is_left_at_the_end(void **state)
{
	pid_t pid;

	(void)state;
	begin_with("", 1000);
	pid = publisher_pid(publisher);
	for (int sig = SIGHUP; sig <= SIGTERM; sig++) /* Ctrl-C reaches it, too */
		if (sig != SIGKILL)
			kill(pid, sig);
	expect(get("/open", ""), "200", "page 1\n");
	publisher_close(publisher);
	publisher = NULL;
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

#define with_end(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_end(pages_are_told_and_kept_for_a_while),
		with_end(a_page_that_is_old_is_written_anew),
		with_end(a_page_may_have_a_policy_and_a_time_of_its_own),
		with_end(a_large_page_comes_whole),
		with_end(methods_that_change_something_are_refused),
		with_end(names_of_other_hosts_are_refused),
		with_end(a_token_opens_all_pages_and_one_needs_none),
		with_end(what_is_no_request_is_refused),
		with_end(a_megabyte_of_headers_is_refused),
		with_end(a_thousand_slow_readers_keep_nobody_out),
		with_end(a_writer_that_hangs_is_no_end_of_the_server),
		with_end(the_end_of_the_server_is_seen),
		with_end(nothing_is_left_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
