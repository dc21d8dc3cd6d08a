/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Stacks of tests/unit/programs/stack.c, compiled in many ways, against the lines that it tells of
 * itself; and what becomes of the reader when its worker or the files are bad.
 */
#include "user/capture/stack/native/native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/capture/stack/native/native_wire.h"
#include "user/capture/host/procfs.h"

#define FLUSH_MS 20000
#define HUNG	 8000 /* stacks, more than there is room for, however short they are */

static char programs[PATH_MAX];
static struct nursery *nursery;

/* A program that has taken its stack and waits. */
struct program {
	pid_t pid;
	int in; /* its standard input: closed, it ends */
	FILE *out;
	struct raw_stack raw;
	struct {
		char function[64];
		unsigned int line;
	} expected[16];
	size_t count;
};

static struct {
	struct native_answer answer;
	struct frame frame[EV_STACK_FRAMES];
	struct stack_shape shape; /* count 0: none */
	char text[EV_STACK_FRAMES][4][400];
	int answers;
} got;

static const char *keep(size_t i, size_t which, const char *text)
{
	if (!text)
		return NULL;
	snprintf(got.text[i][which], sizeof(got.text[i][which]), "%s", text);
	return got.text[i][which];
}

static void take_answer(void *context, const struct native_answer *answer)
{
	(void)context;
	got.answer = *answer;
	got.answers++;
	got.shape.count = 0;
	if (answer->shape)
		got.shape = *answer->shape;
	for (size_t i = 0; i < answer->count; i++) {
		got.frame[i] = answer->frames[i];
		got.frame[i].function = keep(i, 0, answer->frames[i].function);
		got.frame[i].file = keep(i, 1, answer->frames[i].file);
		got.frame[i].module = keep(i, 2, answer->frames[i].module);
		got.frame[i].build_id = keep(i, 3, answer->frames[i].build_id);
	}
}

static uint64_t start_of(pid_t pid)
{
	struct process_facts facts;
	struct procfs *p;

	assert_int_equal(procfs_open(&p, ""), 0);
	assert_int_equal(procfs_facts(p, (uint32_t)pid, &facts), 0);
	procfs_close(p);
	return facts.start_ns;
}

static void read_expected(struct program *p)
{
	char line[256];

	p->count = 0;
	assert_int_equal(fread(&p->raw, sizeof(p->raw), 1, p->out), 1);
	while (fgets(line, sizeof(line), p->out) && strcmp(line, "end\n")) {
		assert_true(p->count < 16);
		assert_int_equal(sscanf(line, "%63s %u", p->expected[p->count].function,
					&p->expected[p->count].line),
				 2);
		p->count++;
	}
}

static void start_path(struct program *p, const char *path, const char *how)
{
	int in[2], out[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (!p->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(path, path, how, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p->in = in[1];
	p->out = fdopen(out[0], "r");
	read_expected(p);
	p->raw.start_ns = start_of(p->pid);
	p->raw.id = 42;
}

static void start(struct program *p, const char *name, const char *how)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/stack-%s", programs, name);
	start_path(p, path, how);
}

static void end(struct program *p)
{
	int status;

	close(p->in);
	fclose(p->out);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_int_equal(status, 0);
}

static void ask(struct native *n, const struct program *p)
{
	memset(&got, 0, sizeof(got));
	assert_int_equal(native_stack(n, &p->raw), 0);
	native_flush(n, FLUSH_MS, take_answer, NULL);
	assert_int_equal(got.answers, 1);
	assert_int_equal(got.answer.id, 42);
	assert_int_equal(got.answer.pid, p->pid);
	assert_int_equal(got.answer.start_ns, p->raw.start_ns);
}

static const struct frame *frame_of(const char *function)
{
	for (size_t i = 0; i < got.answer.count; i++)
		if (got.frame[i].function && !strcmp(got.frame[i].function, function))
			return &got.frame[i];
	return NULL;
}

static void print_frames(void)
{
	for (size_t i = 0; i < got.answer.count; i++)
		print_message("%2zu %s %s:%u:%u %s+0x%llx %x\n", i, got.frame[i].function,
			      got.frame[i].file, got.frame[i].line, got.frame[i].column,
			      got.frame[i].module, (unsigned long long)got.frame[i].offset,
			      got.frame[i].flags);
}

/* Each function that the program tells of is there, in this order and with its line. */
static void check_lines(const struct program *p)
{
	size_t at = 0;

	for (size_t i = 0; i < p->count; i++) {
		while (at < got.answer.count &&
		       (!got.frame[at].function ||
			strcmp(got.frame[at].function, p->expected[i].function)))
			at++;
		if (at == got.answer.count)
			print_frames();
		assert_true(at < got.answer.count);
		assert_int_equal(got.frame[at].line, p->expected[i].line);
		assert_non_null(strstr(got.frame[at].file, "programs/stack.c"));
		assert_non_null(strstr(got.frame[at].module, "stack-"));
		at++;
	}
}

static void check_build(const char *name, const char *how)
{
	struct native *n;
	struct program p;

	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, name, how);
	ask(n, &p);
	if (getenv("SHOW"))
		print_frames();
	check_lines(&p);
	assert_int_equal(got.answer.flags, 0);
	end(&p);
	native_close(n);
}

static void lines_are_exact_without_optimisation(void **state)
{
	(void)state;
	check_build("O0", "plain");
}

static void lines_are_exact_without_frame_pointers(void **state)
{
	const struct frame *inlined;

	(void)state;
	check_build("O2", "plain");
	inlined = frame_of("inlined");
	assert_int_equal(inlined->flags, EV_FRAME_INLINED);
	assert_int_equal(frame_of("main")->flags, 0);
}

static void lines_are_exact_by_frame_pointers_alone(void **state)
{
	(void)state;
	check_build("chain", "plain");
}

static void static_and_position_dependent_programs_are_read(void **state)
{
	(void)state;
	check_build("static", "plain");
	check_build("nopie", "plain");
}

static void compressed_and_old_debug_information_is_read(void **state)
{
	(void)state;
	check_build("dwarf4", "plain");
	check_build("packed", "plain");
}

static void files_of_rust_are_told_with_the_folder_of_their_package(void **state)
{
	char folder[PATH_MAX];
	const char *file;

	(void)state;
	check_build("dwarf4", "plain");
	assert_int_equal(*frame_of("main")->file, 't');
	check_build("rust", "plain");
	file = frame_of("main")->file;
	assert_non_null(getcwd(folder, sizeof(folder)));
	assert_int_equal(strncmp(file, folder, strlen(folder)), 0);
	assert_string_equal(file + strlen(folder), "/tests/unit/programs/stack.c");
	assert_int_equal(*frame_of("inlined")->file, '/');
}

static void a_signal_handler_has_what_it_interrupted_behind_it(void **state)
{
	(void)state;
	check_build("O2", "signal");
	check_build("static", "signal");
}

static void split_debug_information_is_found_beside_the_program(void **state)
{
	(void)state;
	check_build("split", "plain");
	check_build("split-folder", "plain");
}

static void a_stripped_program_gives_offsets_and_build_id(void **state)
{
	struct native *n;
	struct program p;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "stripped", "plain");
	ask(n, &p);
	assert_true(got.answer.count >= p.count);
	assert_memory_equal(got.frame[got.answer.count - 2].function, "__libc_start_main", 17);
	for (size_t i = 0; i < p.count; i++) {
		assert_null(got.frame[i].function);
		assert_null(got.frame[i].file);
		assert_int_not_equal(got.frame[i].offset, 0);
		assert_non_null(got.frame[i].build_id);
	}
	end(&p);
	native_close(n);
}

static void a_caller_is_one_place(void **state)
{
	struct native *n;
	struct program p;
	uint64_t back;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "chain", "plain");
	memcpy(&back, p.raw.bytes + (p.raw.registers.bp - p.raw.registers.sp) + 8, 8);
	memset(&got, 0, sizeof(got));
	native_process(n, (uint32_t)p.pid, p.raw.start_ns);
	assert_int_equal(native_caller(n, 7, (uint32_t)p.pid, p.raw.start_ns, back), 0);
	native_flush(n, FLUSH_MS, take_answer, NULL);
	assert_int_equal(got.answers, 1);
	assert_int_equal(got.answer.id, 7);
	assert_int_equal(got.answer.flags, EV_STACK_CALLER);
	assert_int_equal(got.answer.count, 1);
	assert_string_equal(got.frame[0].function, "busy");
	assert_int_equal(got.frame[0].line, p.expected[0].line);
	end(&p);
	native_close(n);
}

/* Each frame further out has its return address in one slot; a copy of the same place, with the
 * same addresses there and other words elsewhere, is the same stack. */
static void the_places_of_return_addresses_are_told(void **state)
{
	struct stack_shape shape;
	struct native *n;
	struct program p;
	uint64_t key;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "chain", "plain");
	p.raw.shape = 9;
	ask(n, &p);
	assert_int_equal(got.answer.shape_key, 9);
	shape = got.shape;
	assert_true(shape.count > 3 && shape.count <= got.answer.count);
	assert_int_equal(shape.slot[0], (p.raw.registers.bp - p.raw.registers.sp + 8) / 8);
	for (size_t i = 1; i < shape.count; i++)
		assert_true(shape.slot[i] > shape.slot[i - 1]);
	assert_int_equal(shape.bytes, shape.slot[shape.count - 1] * 8 + 8);
	key = got.answer.key;
	for (size_t slot = 0; slot + 1 < shape.slot[0];
	     slot++) /* the next holds the frame pointer */
		memset(p.raw.bytes + slot * 8, (int)slot + 1, 8);
	ask(n, &p);
	assert_true(got.answer.key == key);
	assert_memory_equal(&got.shape, &shape, sizeof(shape));
	end(&p);
	native_close(n);
}

static void a_return_probe_is_looked_through(void **state)
{
	struct native *n;
	struct program p;
	uint64_t at;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "chain", "plain");
	at = p.raw.registers.bp - p.raw.registers.sp + 8;
	p.raw.returns[2].slot = p.raw.registers.sp + at;
	memcpy(&p.raw.returns[2].address, p.raw.bytes + at, 8);
	memset(p.raw.bytes + at, 0x77, 8);
	ask(n, &p);
	check_lines(&p);
	assert_int_equal(got.shape.count, 0); /* the next time another address lies there */
	p.raw.returns[2].slot = 0;
	ask(n, &p);
	assert_int_equal(got.answer.flags, EV_STACK_CUT);
	assert_int_equal(got.answer.count, 1);
	end(&p);
	native_close(n);
}

static void a_copy_that_ends_early_is_cut(void **state)
{
	struct native *n;
	struct program p;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "O2", "plain");
	p.raw.length = 64;
	ask(n, &p);
	assert_int_equal(got.answer.flags, EV_STACK_CUT);
	assert_true(got.answer.count >= 1);
	assert_string_equal(got.frame[0].function, "take");
	p.raw.length = 0;
	ask(n, &p);
	assert_int_equal(got.answer.flags, EV_STACK_CUT);
	p.raw.length = STACK_BYTES + 1;
	assert_int_equal(native_stack(n, &p.raw), -EAGAIN);
	assert_int_equal(native_counts(n).lost, 1);
	end(&p);
	native_close(n);
}

static void what_a_process_mapped_is_named_after_its_end(void **state)
{
	struct native *n;
	struct program p;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "O2", "plain");
	native_process(n, (uint32_t)p.pid, p.raw.start_ns);
	ask(n, &p);
	end(&p);
	p.raw.flags = 0;
	ask(n, &p);
	check_lines(&p);
	assert_int_equal(got.answer.flags, 0);
	native_close(n);
}

static void a_fork_that_ended_at_once_has_what_its_parent_maps(void **state)
{
	struct native *n;
	struct program p;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "O2", "plain");
	p.raw.parent = (uint32_t)p.pid;
	p.raw.parent_start_ns = p.raw.start_ns;
	p.raw.pid = (uint32_t)pid;
	memset(&got, 0, sizeof(got));
	assert_int_equal(native_stack(n, &p.raw), 0);
	native_flush(n, FLUSH_MS, take_answer, NULL);
	check_lines(&p);
	assert_int_equal(got.answer.pid, pid);
	assert_int_equal(got.answer.flags, 0);
	end(&p);
	native_close(n);
}

/* Both at the same addresses. */
static void a_process_that_runs_another_program_is_looked_at_anew(void **state)
{
	char path[PATH_MAX + 64];
	struct native *n;
	struct program p;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	snprintf(path, sizeof(path), "%s/stack-static", programs);
	setenv("STACK_NEXT", path, 1);
	start(&p, "nopie", "plain");
	unsetenv("STACK_NEXT");
	ask(n, &p);
	assert_non_null(strstr(frame_of("main")->module, "stack-nopie"));
	assert_int_equal(write(p.in, "x", 1), 1);
	read_expected(&p);
	p.raw.start_ns = start_of(p.pid);
	p.raw.id = 42;
	ask(n, &p);
	check_lines(&p);
	assert_non_null(strstr(frame_of("main")->module, "stack-static"));
	end(&p);
	native_close(n);
}

static void another_process_of_the_same_pid_is_not_asked(void **state)
{
	struct native *n;
	struct program p;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "O2", "plain");
	p.raw.start_ns -= 5000000000ULL;
	ask(n, &p);
	assert_int_equal(got.answer.flags, EV_STACK_NAMELESS);
	assert_int_equal(got.answer.count, 0);
	end(&p);
	native_close(n);
}

static void equal_stacks_have_equal_keys(void **state)
{
	struct program p, q;
	struct native *n;
	uint64_t key;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	start(&p, "O2", "plain");
	start(&q, "O2", "plain");
	ask(n, &p);
	key = got.answer.key;
	ask(n, &q);
	assert_true(got.answer.key == key);
	q.raw.length = 64;
	ask(n, &q);
	assert_true(got.answer.key != key);
	end(&p);
	end(&q);
	native_close(n);
}

static pid_t child_of(pid_t parent)
{
	char path[64];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fscanf(file, "%d", &pid) >= -1);
	fclose(file);
	return pid;
}

/* Started by the nursery, our child; when it is ready to. */
static pid_t worker_of(void)
{
	pid_t pid;

	while (!(pid = child_of(child_of(getpid()))))
		usleep(1000);
	return pid;
}

static void a_dead_worker_is_replaced_and_what_it_had_is_counted(void **state)
{
	struct native_counts counts;
	struct native *n;
	struct program p;
	pid_t worker;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	worker = worker_of();
	start(&p, "O2", "plain");
	kill(worker, SIGSTOP);
	assert_int_equal(native_stack(n, &p.raw), 0);
	kill(worker, SIGKILL);
	memset(&got, 0, sizeof(got));
	native_flush(n, FLUSH_MS, take_answer, NULL);
	counts = native_counts(n);
	assert_int_equal(counts.deaths, 1);
	assert_int_equal(counts.lost, 1);
	assert_int_equal(got.answers, 1); /* that there are no frames */
	assert_int_equal(got.answer.id, 42);
	assert_int_equal(got.answer.count, 0);
	while (native_stack(n, &p.raw)) /* not at once */
		usleep(10000);
	memset(&got, 0, sizeof(got));
	native_flush(n, FLUSH_MS, take_answer, NULL);
	check_lines(&p);
	counts = native_counts(n);
	assert_int_equal(counts.answered, 1);
	assert_int_equal(counts.lost + counts.answered, counts.asked);
	end(&p);
	native_close(n);
}

static void a_worker_that_hangs_never_blocks_us(void **state)
{
	struct native_counts counts;
	struct native *n;
	struct program p;
	pid_t worker;
	int refused = 0;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	worker = worker_of();
	start(&p, "O2", "plain");
	kill(worker, SIGSTOP);
	for (int i = 0; i < HUNG; i++)
		refused += native_stack(n, &p.raw) == -EAGAIN;
	counts = native_counts(n);
	assert_true(refused > 0 && refused < HUNG);
	assert_int_equal(counts.lost, refused);
	native_flush(n, 50, take_answer, NULL);
	counts = native_counts(n);
	assert_int_equal(counts.lost, HUNG);
	assert_int_equal(counts.asked, HUNG);
	end(&p);
	native_close(n);
}

/* A program's file, to be spoilt in sections that it does not need to run. */
struct image {
	uint8_t *bytes;
	size_t size;
};

static struct image load(const char *name)
{
	struct image image;
	char path[PATH_MAX + 64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/stack-%s", programs, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && !fstat(fd, &st));
	image.size = (size_t)st.st_size;
	image.bytes = malloc(image.size);
	assert_int_equal(read(fd, image.bytes, image.size), image.size);
	close(fd);
	return image;
}

static void store(const struct image *image, char path[64])
{
	int fd;

	strcpy(path, "/tmp/dbleak-native-stack-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, image->bytes, image->size), image->size);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
}

static uint64_t random_state;

static uint64_t dice(uint64_t sides)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % sides;
}

static bool may_be_spoilt(const char *name)
{
	return !strncmp(name, ".debug", 6) || !strncmp(name, ".eh_frame", 9) ||
	       !strcmp(name, ".symtab") || !strcmp(name, ".strtab");
}

/* A few bytes of each, and sometimes what the section headers say of it. */
static void spoil(struct image *image)
{
	Elf64_Ehdr *head = (Elf64_Ehdr *)image->bytes;
	Elf64_Shdr *section = (Elf64_Shdr *)(image->bytes + head->e_shoff);
	const char *names = (char *)image->bytes + section[head->e_shstrndx].sh_offset;

	for (int i = 0; i < head->e_shnum; i++) {
		Elf64_Shdr *s = &section[i];

		if (!may_be_spoilt(names + s->sh_name) || !s->sh_size || dice(3) == 0)
			continue;
		for (uint64_t n = 1 + dice(1 + s->sh_size / 64); n--;)
			image->bytes[s->sh_offset + dice(s->sh_size)] =
				dice(4) ? (uint8_t)dice(256) : (uint8_t)(dice(2) * 0xff);
		if (!dice(6))
			s->sh_size = dice(2) ? dice(1ULL << 40) : dice(s->sh_size);
		if (!dice(12))
			s->sh_offset = dice(2) ? UINT64_MAX - dice(4096) : dice(image->size);
	}
}

static void spoilt_files_cost_a_worker_at_most(void **state)
{
	struct native_counts counts;
	struct native *n;
	struct program p;

	(void)state;
	assert_int_equal(native_open(&n, nursery), 0);
	for (random_state = 1; random_state <= 25;) {
		uint64_t seed = random_state;
		struct image image = load("O2");
		char path[64];

		spoil(&image);
		store(&image, path);
		start_path(&p, path, "plain");
		native_stack(n, &p.raw);
		native_flush(n, FLUSH_MS, take_answer, NULL);
		end(&p);
		unlink(path);
		free(image.bytes);
		random_state = seed + 1;
	}
	counts = native_counts(n);
	print_message("asked %d, answered %d, %d workers died\n", (int)counts.asked,
		      (int)counts.answered, (int)counts.deaths);
	assert_int_equal(counts.asked, 25);
	assert_int_equal(counts.answered + counts.lost, counts.asked);
	native_close(n);
	check_build("O2", "plain");
}

static int open_nursery(void **state)
{
	static const struct nursery_role *const roles[] = {[NURSERY_NATIVE] = &native_role};

	(void)state;
	return nursery_open(&nursery, roles, 1);
}

static int close_nursery(void **state)
{
	(void)state;
	nursery_close(nursery);
	return child_of(getpid()); /* none is left */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_exact_without_optimisation),
		cmocka_unit_test(lines_are_exact_without_frame_pointers),
		cmocka_unit_test(lines_are_exact_by_frame_pointers_alone),
		cmocka_unit_test(static_and_position_dependent_programs_are_read),
		cmocka_unit_test(compressed_and_old_debug_information_is_read),
		cmocka_unit_test(files_of_rust_are_told_with_the_folder_of_their_package),
		cmocka_unit_test(a_signal_handler_has_what_it_interrupted_behind_it),
		cmocka_unit_test(split_debug_information_is_found_beside_the_program),
		cmocka_unit_test(a_stripped_program_gives_offsets_and_build_id),
		cmocka_unit_test(a_caller_is_one_place),
		cmocka_unit_test(the_places_of_return_addresses_are_told),
		cmocka_unit_test(a_return_probe_is_looked_through),
		cmocka_unit_test(a_copy_that_ends_early_is_cut),
		cmocka_unit_test(what_a_process_mapped_is_named_after_its_end),
		cmocka_unit_test(a_fork_that_ended_at_once_has_what_its_parent_maps),
		cmocka_unit_test(a_process_that_runs_another_program_is_looked_at_anew),
		cmocka_unit_test(another_process_of_the_same_pid_is_not_asked),
		cmocka_unit_test(equal_stacks_have_equal_keys),
		cmocka_unit_test(a_dead_worker_is_replaced_and_what_it_had_is_counted),
		cmocka_unit_test(a_worker_that_hangs_never_blocks_us),
		cmocka_unit_test(spoilt_files_cost_a_worker_at_most),
	};
	char here[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", here, sizeof(here) - 1);

	if (length < 0)
		return 2;
	here[length] = '\0';
	snprintf(programs, sizeof(programs), "%s/programs", dirname(here));
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, open_nursery, close_nursery);
}
