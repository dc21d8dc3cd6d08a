/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* Whatever hiredis hands out: kept, given back, or lost where something goes wrong (rows.h). */
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>

#include "rows.h"

#define CONN  "redisContext"
#define REPLY "redisReply"

static const char *host, *path;
static int port;

static void finish(int i, redisContext *c)
{
	if (!c || (c->err != 0) != wrong(i))
		fail("connect", c ? c->errstr : "no memory");
	took(CONN, 1);
	if (keeps(i))
		return;
	redisFree(c);
	gave(CONN, 1);
}

static void connect_(void)
{
	for (int i = 0; i < ROUNDS; i++)
		finish(i, redisConnect(host, wrong(i) ? 1 : port));
}

static void connect_with_timeout(void)
{
	struct timeval soon = {.tv_sec = 5};

	for (int i = 0; i < ROUNDS; i++)
		finish(i, redisConnectWithTimeout(host, wrong(i) ? 1 : port, soon));
}

static void connect_unix(void)
{
	for (int i = 0; i < ROUNDS; i++)
		finish(i, redisConnectUnix(wrong(i) ? "/nonexistent" : path));
}

static void connect_unix_with_timeout(void)
{
	struct timeval soon = {.tv_sec = 5};

	for (int i = 0; i < ROUNDS; i++)
		finish(i, redisConnectUnixWithTimeout(wrong(i) ? "/nonexistent" : path, soon));
}

static void close_(int i, redisContext *c)
{
	if (!c)
		fail("connect", "no memory");
	took(CONN, 1);
	if (keeps(i))
		return;
	redisFree(c);
	gave(CONN, 1);
}

static void connect_without_blocking(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		close_(i, redisConnectNonBlock(host, port));
		close_(i, redisConnectBindNonBlock(host, port, host));
		close_(i, redisConnectBindNonBlockWithReuse(host, port, host));
		close_(i, redisConnectUnixNonBlock(path));
	}
}

static void connect_with_options(void)
{
#if HIREDIS_MAJOR >= 1
	for (int i = 0; i < ROUNDS; i++) {
		redisOptions options = {};

		REDIS_OPTIONS_SET_TCP(&options, host, wrong(i) ? 1 : port);
		finish(i, redisConnectWithOptions(&options));
	}
#endif
}

/* Its descriptor lives on in another context. */
static void keep_fd(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		redisContext *c = redisConnect(host, port);

		close_(i, redisConnectFd(redisFreeKeepFd(c)));
		took(CONN, 1), gave(CONN, 1);
	}
}

static redisContext *one(void)
{
	took(CONN, 1);
	return redisConnect(host, port);
}

static void free_(int i, void *reply)
{
	if (!reply)
		fail("reply", "none");
	took(REPLY, 1);
	if (keeps(i))
		return;
	freeReplyObject(reply);
	gave(REPLY, 1);
}

static void command(void)
{
	redisContext *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		free_(i, redisCommand(c, "SET key%d %s", i, SECRET));
		free_(i, redisCommand(c, wrong(i) ? "NOSUCH" : "MGET key1 key2 key3"));
	}
}

static void *command_of(redisContext *c, const char *format, ...)
{
	va_list arguments;
	void *reply;

	va_start(arguments, format);
	reply = redisvCommand(c, format, arguments);
	va_end(arguments);
	return reply;
}

static void vcommand(void)
{
	redisContext *c = one();

	for (int i = 0; i < ROUNDS; i++)
		free_(i, command_of(c, wrong(i) ? "NOSUCH %d" : "GET key%d", i));
}

static void command_argv(void)
{
	const char *argv[] = {"GET", "key1"}, *bad[] = {"NOSUCH", "key1"};
	redisContext *c = one();

	for (int i = 0; i < ROUNDS; i++)
		free_(i, redisCommandArgv(c, 2, wrong(i) ? bad : argv, NULL));
}

static void pipeline(void)
{
	redisContext *c = one();
	void *reply;

	for (int i = 0; i < ROUNDS; i++) {
		for (int j = 0; j < 3; j++)
			redisAppendCommand(c, "GET key%d", j);
		for (int j = 0; j < 3; j++) {
			if (redisGetReply(c, &reply))
				fail("reply", c->errstr);
			free_(i, reply);
		}
	}
}

/* A reply that nobody wants is no object of ours, nor a fault. */
static void unwanted(void)
{
#if HIREDIS_MAJOR >= 1
	redisContext *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		redisAppendCommand(c, "GET key1");
		if (redisGetReply(c, NULL))
			fail("reply", c->errstr);
	}
#endif
}

static void from_reader(void)
{
	redisContext *c = one();
	void *reply;
	int done;

	for (int i = 0; i < ROUNDS; i++) {
		redisAppendCommand(c, "GET key1");
		for (done = 0; !done;)
			if (redisBufferWrite(c, &done))
				fail("write", c->errstr);
		if (redisBufferRead(c) || redisGetReplyFromReader(c, &reply))
			fail("read", c->errstr);
		free_(i, reply);
		if (redisGetReplyFromReader(c, &reply) || reply)
			fail("read", "a second reply");
	}
}

static void nothing(void)
{
	freeReplyObject(NULL);
	redisFree(NULL);
}

static void hung_up(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		redisContext *c = one();
		void *reply = redisCommand(c, "QUIT");

		free_(i, reply);
		if (redisCommand(c, "GET key1"))
			fail("QUIT", "the server still answers");
		if (keeps(i))
			continue;
		redisFree(c);
		gave(CONN, 1);
	}
}

static void *free_it(void *reply)
{
	freeReplyObject(reply);
	gave(REPLY, 1);
	return NULL;
}

static void threads(void)
{
	redisContext *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		void *reply = redisCommand(c, "GET key1");

		took(REPLY, 1);
		if (!keeps(i))
			on_thread(free_it, reply);
	}
}

static void forked(void)
{
	redisContext *c = one();

	for (int i = 0; i < ROUNDS; i++) {
		void *reply = redisCommand(c, "GET key1");

		fflush(stdout);
		if (fork() == 0) {
			freeReplyObject(reply);
			_exit(0);
		}
		wait(NULL);
		free_(i, reply);
	}
}

static jmp_buf back;
static redisReplyObjectFunctions jumping;

static void *jump(const redisReadTask *task)
{
	(void)task;
	longjmp(back, 1);
	return NULL;
}

/* Out of redisCommand: that call never returns, and the next at its place does. */
static void jump_from_command(void)
{
	redisContext *volatile c = one();

	for (volatile int i = 0; i < ROUNDS; i++) {
		redisContext *volatile lost = one();

		jumping = *lost->reader->fn;
		jumping.createNil = jump;
		lost->reader->fn = &jumping;
		if (!setjmp(back)) {
			redisCommand(lost, "GET nosuchkey");
			fail("longjmp", "not taken");
		}
		free_(i, redisCommand(c, "GET key1"));
	}
}

int main(int argc, char **argv)
{
	static const struct part parts[] = {
		{"connect", connect_},
		{"connect-with-timeout", connect_with_timeout},
		{"connect-unix", connect_unix},
		{"connect-unix-with-timeout", connect_unix_with_timeout},
		{"connect-without-blocking", connect_without_blocking},
		{"connect-with-options", connect_with_options},
		{"keep-fd", keep_fd},
		{"command", command},
		{"vcommand", vcommand},
		{"command-argv", command_argv},
		{"pipeline", pipeline},
		{"unwanted", unwanted},
		{"from-reader", from_reader},
		{"nothing", nothing},
		{"hung-up", hung_up},
		{"threads", threads},
		{"forked", forked},
		{"jump-from-command", jump_from_command},
		{},
	};

	host = getenv("DB_HOST"), path = getenv("DB_SOCKET"), port = atoi(getenv("DB_PORT"));
	return run_parts(parts, argc, argv);
}
