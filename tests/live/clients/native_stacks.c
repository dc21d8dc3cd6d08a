/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/* Opens connections from all kinds of places in C, without frame pointers, and says of each where
 * it was. */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH	  64
#define PAGE	  4096
#define OWN_STACK (32 * PAGE)

static __thread struct {
	const char *function;
	int line;
} trail[DEPTH];
static __thread int depth;

/* A call that is remembered while it lasts; all of it stands on one line. */
#define AT(call) (trail[depth].function = __func__, trail[depth++].line = __LINE__, call, depth--)

static void say(int fd)
{
	struct sockaddr_in own = {0};
	socklen_t size = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &size))
		exit(1);
	flockfile(stdout);
	printf("stack %d ", ntohs(own.sin_port));
	for (int i = depth; i--;)
		printf("%s:native_stacks.c:%d%s", trail[i].function, trail[i].line, i ? "|" : "\n");
	fflush(stdout);
	funlockfile(stdout);
}

/* A startup message, so that the connection is known for what it is. */
static void greet(int fd)
{
	static const char fields[] = "user\0app\0database\0shop\0";
	char message[8 + sizeof(fields)], answer;
	uint32_t size = htonl(sizeof(message)), version = htonl(196608);

	memcpy(message, &size, 4);
	memcpy(message + 4, &version, 4);
	memcpy(message + 8, fields, sizeof(fields));
	if (send(fd, message, sizeof(message), 0) < 0 || recv(fd, &answer, 1, 0) < 0)
		exit(1);
}

static __attribute__((noinline)) void open_raw(void)
{
	struct sockaddr_in server = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	server.sin_port = htons((uint16_t)atoi(getenv("PGPORT")));
	inet_pton(AF_INET, getenv("PGHOST"), &server.sin_addr);
	trail[depth].function = __func__;
	trail[depth].line = __LINE__ + 1;
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)))
		exit(1);
	depth++;
	say(fd);
	depth--;
	greet(fd);
}

static __attribute__((noinline)) void open_library(void)
{
	PGconn *c;

	trail[depth].function = __func__;
	trail[depth].line = __LINE__ + 1;
	c = PQconnectdb("");
	depth++;
	say(PQsocket(c));
	depth--;
}

static __attribute__((noinline)) void busy(int n)
{
	volatile char room[3000];

	memset((char *)room, n, sizeof(room));
	AT(open_raw());
	room[n & 7]++;
}

static inline __attribute__((always_inline)) void inlined(int n)
{
	AT(busy(n));
}

static __attribute__((noinline)) int deep(int n)
{
	if (n)
		AT(deep(n - 1));
	else
		AT(inlined(n));
	return n + depth;
}

static int compare(const void *a, const void *b)
{
	static int once;

	if (!once++)
		AT(open_library());
	return *(const int *)a - *(const int *)b;
}

static void handler(int signal)
{
	AT(busy(signal));
}

static void *thread(void *argument)
{
	AT(inlined(*(int *)argument));
	AT(open_library());
	return NULL;
}

static __attribute__((noinline)) void in_thread(void)
{
	int n = 5;
	pthread_t id;

	if (pthread_create(&id, NULL, thread, &n) || pthread_join(id, NULL))
		exit(1);
}

/* Its stack ends at a page that nobody may read, before as much as is copied. */
static __attribute__((noinline)) void at_guard_page(void)
{
	char *room = mmap(NULL, OWN_STACK + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	pthread_attr_t attributes;
	pthread_t id;
	int n = 6;

	if (room == MAP_FAILED || mprotect(room + PAGE, OWN_STACK, PROT_READ | PROT_WRITE) ||
	    pthread_attr_init(&attributes) ||
	    pthread_attr_setstack(&attributes, room + PAGE, OWN_STACK) ||
	    pthread_create(&id, &attributes, thread, &n) || pthread_join(id, NULL))
		exit(1);
}

static __attribute__((noinline)) void in_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		AT(deep(2));
		AT(open_library());
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static __attribute__((noinline)) void everywhere(void)
{
	int numbers[] = {3, 1};

	AT(open_raw());
	AT(open_library());
	AT(inlined(1));
	AT(deep(3));
	AT(deep(20));
	AT(qsort(numbers, 2, sizeof(*numbers), compare));
	signal(SIGUSR1, handler);
	AT(raise(SIGUSR1));
	in_thread();
	at_guard_page();
	AT(in_child());
}

int main(void)
{
	AT(everywhere());
	return 0;
}
