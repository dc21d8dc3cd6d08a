/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * The file below an overlay: which layer is asked, and which candidate is believed.  The mounts are
 * listed in a tree that stands for /proc, layers are its folders, and file handles are our own.
 */
#include "tests/unit/support/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "user/capture/host/overlay.h"

#define PID		  42
#define HANDLE_TO_COMPARE 0x200
#define HANDLE_OF_OVERLAY 0xf8
#define TYPE		  1 /* of a handle of the file system below */
#define SHOWN_INODE	  99

static struct world {
	bool no_handles; /* a kernel before 6.5 */
	uint8_t held[128];
	unsigned int held_bytes;
	int held_type;
	uint8_t candidate[8];
} world;

int name_to_handle_at(int fd, const char *name, struct file_handle *handle, int *mount, int flags)
{
	(void)fd, (void)name, (void)mount;
	if (flags & HANDLE_TO_COMPARE) {
		if (world.no_handles) {
			errno = EINVAL;
			return -1;
		}
		handle->handle_type = world.held_type;
		handle->handle_bytes = world.held_bytes;
		memcpy(handle->f_handle, world.held, world.held_bytes);
		return 0;
	}
	handle->handle_type = TYPE;
	handle->handle_bytes = sizeof(world.candidate);
	memcpy(handle->f_handle, world.candidate, sizeof(world.candidate));
	return 0;
}

/* An overlay's handle that holds one of the file system below. */
static void held_handle(const char *below)
{
	const uint8_t head[] = {0, 0, 0, 0, 0xfb, 21 + 8, 0, TYPE};

	memset(world.held, 0, sizeof(world.held));
	memcpy(world.held, head, sizeof(head));
	memcpy(world.held + 24, below, 8);
	world.held_bytes = 32;
	world.held_type = HANDLE_OF_OVERLAY;
}

static int begin(void **state)
{
	memset(&world, 0, sizeof(world));
	if (tree_make(state))
		return -1;
	held_handle("abcdefgh");
	memcpy(world.candidate, "abcdefgh", 8);
	tree_file("held", "text");
	return 0;
}

/* A layer with the file /usr/lib/a.so, which has the size and the time of the held file. */
static void layer(const char *name)
{
	char path[PATH_MAX], held[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/usr/lib/a.so", name);
	tree_file(path, "text");
	strcpy(held, tree_path("held"));
	assert_int_equal(stat(held, &st), 0);
	assert_int_equal(utimensat(AT_FDCWD, tree_path(path),
				   (struct timespec[]){st.st_atim, st.st_mtim}, 0),
			 0);
}

/* A mount with these options, whose folder ROOT is mounted at POINT. */
static void mounted(const char *root, const char *point, const char *format, ...)
{
	char options[2048], text[4096];
	struct statx st;
	va_list list;

	va_start(list, format);
	vsnprintf(options, sizeof(options), format, list);
	va_end(list);
	assert_int_equal(statx(AT_FDCWD, tree_path("held"), 0, STATX_MNT_ID, &st), 0);
	snprintf(text, sizeof(text),
		 "1 0 8:1 / /other rw - ext4 /dev/sda1 rw\n"
		 "%llu 1 0:50 %s %s rw,relatime - overlay overlay rw,%s\n",
		 (unsigned long long)st.stx_mnt_id, root, point, options);
	tree_file("proc/42/mountinfo", text);
}

/* Which layer's file is found: the name of that layer; "": none, with the error. */
static const char *found(const char *path, int *err)
{
	static char name[PATH_MAX];
	char link[64];
	struct stat shown;
	int proc = open(tree_path("proc"), O_PATH | O_CLOEXEC), fd;
	struct overlay_file f = {
		.held = open(tree_path("held"), O_PATH | O_CLOEXEC), .pid = PID, .path = path};
	ssize_t n;

	assert_true(proc >= 0 && f.held >= 0);
	assert_int_equal(stat(tree_path("upper/usr/lib/a.so"), &shown) &&
				 stat(tree_path("low/usr/lib/a.so"), &shown),
			 0);
	f.shown_device = shown.st_dev;
	f.shown_inode = shown.st_ino;
	fd = overlay_below(proc, &f);
	*err = fd < 0 ? fd : 0;
	close(proc);
	close(f.held);
	if (fd < 0)
		return "";
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	close(fd);
	assert_true(n > 0);
	name[n] = '\0';
	*strstr(name, "/usr/lib") = '\0';
	return name + strlen(tree_root) + 1;
}

static void the_upper_layer_is_asked_first(void **state)
{
	int err;

	(void)state;
	layer("upper");
	layer("low");
	mounted("/", "/", "lowerdir=%s/low,upperdir=%s/upper,workdir=%s/work", tree_root, tree_root,
		tree_root);
	assert_string_equal(found("/usr/lib/a.so", &err), "upper");
}

static void a_lower_layer_shows_through(void **state)
{
	int err;

	(void)state;
	layer("low");
	tree_folder("upper");
	mounted("/", "/", "lowerdir=%s/none:%s/low,upperdir=%s/upper", tree_root, tree_root,
		tree_root);
	assert_string_equal(found("/usr/lib/a.so", &err), "low");
	/* As newer kernels list them. */
	mounted("/", "/", "lowerdir+=%s/none,lowerdir+=%s/low", tree_root, tree_root);
	assert_string_equal(found("/usr/lib/a.so", &err), "low");
}

static void names_are_unescaped(void **state)
{
	int err;

	(void)state;
	layer("low");
	layer("a layer");
	mounted("/", "/a\\040place", "lowerdir=%s/a\\040layer", tree_root);
	assert_string_equal(found("/a place/usr/lib/a.so", &err), "a layer");
}

static void a_folder_may_be_mounted_elsewhere(void **state)
{
	int err;

	(void)state;
	layer("low");
	mounted("/usr", "/app", "lowerdir=%s/low", tree_root);
	assert_string_equal(found("/app/lib/a.so", &err), "low");
	found("/application/lib/a.so", &err);
	assert_int_equal(err, -ENOENT);
	found("/elsewhere/a.so", &err);
	assert_int_equal(err, -ENOENT);
}

static void a_file_with_another_handle_is_not_it(void **state)
{
	int err;

	(void)state;
	layer("low");
	mounted("/", "/", "lowerdir=%s/low", tree_root);
	assert_string_equal(found("/usr/lib/a.so", &err), "low");
	world.candidate[7]++;
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -EXDEV);
	world.candidate[7]--;
	world.held_bytes = 20; /* cut */
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -EXDEV);
	held_handle("abcdefgh");
	world.held[4] = 0xfa; /* of no overlay */
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -EXDEV);
	held_handle("abcdefgh");
	world.held[5] = 60; /* longer than it is */
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -EXDEV);
}

static void a_file_of_another_size_or_time_is_not_it(void **state)
{
	int err;

	(void)state;
	layer("low");
	mounted("/", "/", "lowerdir=%s/low", tree_root);
	assert_int_equal(utimensat(AT_FDCWD, tree_path("low/usr/lib/a.so"),
				   (struct timespec[]){{1, 0}, {1, 0}}, 0),
			 0);
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -EXDEV);
	tree_file("low/usr/lib/a.so", "another text");
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -EXDEV);
}

static void without_handles_the_shown_inode_decides(void **state)
{
	int err;

	(void)state;
	layer("low");
	mounted("/", "/", "lowerdir=%s/low", tree_root);
	world.no_handles = true;
	assert_string_equal(found("/usr/lib/a.so", &err), "low");
	layer("upper"); /* that one is shown then, and no layer of the mount */
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -EXDEV);
}

static void a_relative_layer_is_not_looked_into(void **state)
{
	int err;

	(void)state;
	layer("low");
	mounted("/", "/", "lowerdir=low");
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -EXDEV);
	tree_delete("proc/42");
	found("/usr/lib/a.so", &err);
	assert_int_equal(err, -ENOENT);
}

static void a_key_is_that_of_the_handle_or_of_what_is_shown(void **state)
{
	struct overlay_file f = {.held = open(tree_path("held"), O_PATH | O_CLOEXEC),
				 .device = 1,
				 .shown_device = 1,
				 .shown_inode = SHOWN_INODE};
	struct table_key key, other;

	(void)state;
	assert_true(overlay_key(&f, &key));
	assert_true(overlay_key(&f, &other));
	assert_true(key.a == other.a && key.b == other.b);
	held_handle("abcdefgx");
	assert_true(overlay_key(&f, &other));
	assert_true(key.a != other.a && key.b != other.b);
	world.held_type = TYPE;
	assert_false(overlay_key(&f, &other));
	world.no_handles = true;
	assert_false(overlay_key(&f, &key));
	assert_int_equal(key.a, 1);
	assert_int_equal(key.b, SHOWN_INODE);
	close(f.held);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tree_remove)
	const struct CMUnitTest tests[] = {
		TEST(the_upper_layer_is_asked_first),
		TEST(a_lower_layer_shows_through),
		TEST(names_are_unescaped),
		TEST(a_folder_may_be_mounted_elsewhere),
		TEST(a_file_with_another_handle_is_not_it),
		TEST(a_file_of_another_size_or_time_is_not_it),
		TEST(without_handles_the_shown_inode_decides),
		TEST(a_relative_layer_is_not_looked_into),
		TEST(a_key_is_that_of_the_handle_or_of_what_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
