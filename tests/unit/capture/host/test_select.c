/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * SELECT resolved on a fake hybrid host, followed while containers come and go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/capture/host/cgroup.h"
#include "user/capture/host/procfs.h"
#include "user/capture/host/container.h"
#include "user/capture/host/select.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#include "tests/unit/support/tree.h"
#include "tests/unit/support/states.h"

#define A16 "0123456789abcdef"
#define ID  A16 A16 A16 A16
#define ID2 "feed" A16 A16 A16 "0123456789ab"
#define V1  "sys/fs/cgroup/pids"
#define V2  "sys/fs/cgroup/unified"

static char *error_text;
static size_t error_len;

static void process(uint32_t pid, const char *comm, const char *cgroup)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "proc/%u/stat", pid);
	snprintf(text, sizeof(text), "%u (%s) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 %u 4096 100",
		 pid, comm, pid);
	tree_file(path, text);
	snprintf(path, sizeof(path), "proc/%u/comm", pid);
	snprintf(text, sizeof(text), "%s\n", comm);
	tree_file(path, text);
	snprintf(path, sizeof(path), "proc/%u/cgroup", pid);
	tree_file(path, cgroup);
}

static void container(const char *id, const char *name)
{
	char path[256], text[64];

	snprintf(path, sizeof(path), V1 "/docker/%s/cgroup.procs", id);
	tree_file(path, "42\n");
	snprintf(path, sizeof(path), "var/lib/docker/containers/%s/config.v2.json", id);
	snprintf(text, sizeof(text), "{\"Name\":\"/%s\"}", name);
	tree_file(path, text);
}

static struct containers *host(void)
{
	struct containers *c = NULL;

	tree_file("proc/self/mountinfo",
		  "33 31 0:30 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n"
		  "35 31 0:32 / /sys/fs/cgroup/unified rw shared:11 - cgroup2 cgroup2 rw\n");
	tree_folder(V2 "/system.slice/cron.service/deep/er");
	tree_file(V2 "/system.slice/cron.service/cgroup.procs", "7\n");
	tree_folder(V1);
	assert_int_equal(symlink("pids", tree_path("sys/fs/cgroup/tasks")), 0);
	process(7, "cron", "1:pids:/\n0::/system.slice/cron.service\n");
	process(42, "python3", "1:pids:/docker/" ID "/inner\n0::/\n");
	process(43, "python3", "1:pids:/\n0::/\n");
	assert_int_equal(containers_open(&c, tree_root, nursery), 0);
	return c;
}

static int resolve(struct select *s, struct containers *c)
{
	FILE *f;
	int err;

	free(error_text);
	f = open_memstream(&error_text, &error_len);
	assert_non_null(f);
	err = select_resolve(s, c, f);
	fclose(f);
	return err;
}

static uint64_t inode(const char *path)
{
	struct stat st;

	assert_int_equal(stat(tree_path(path), &st), 0);
	return st.st_ino;
}

static bool has_id(const struct select_cgroup *list, size_t count, enum cgroup_hierarchy h,
		   const char *path)
{
	uint64_t id = inode(path);

	for (size_t i = 0; i < count; i++)
		if (list[i].id == id && list[i].hierarchy == h)
			return true;
	return false;
}

static int leave(void **state)
{
	free(error_text);
	error_text = NULL;
	return tree_remove(state);
}

static void nothing_selected_is_everything(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	assert_true(select_is_empty(&s));
	assert_int_equal(resolve(&s, c), 0);
	assert_true(select_has(&s, 7, "cron"));
	assert_int_equal(select_refresh(&s), 0);
	assert_int_equal(s.pid_count + s.comm_count + s.cgroup_count, 0);
	select_free(&s);
	select_free(NULL);
	containers_close(c);
}

static void pids_are_taken_apart_and_checked(void **state)
{
	static const char *const wrong[] = {"",	 ",",	 "1,",	 ",1", "a",	      "1a",  "-1",
					    "0", "1,,2", "1, 2", "+1", "99999999999", "0x10"};
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct select bad = {0};

		assert_int_equal(select_add(&bad, SELECT_PID, wrong[i]), -EINVAL);
		select_free(&bad);
	}
	assert_int_equal(select_add(&s, SELECT_PID, "42,7"), 0);
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.pid_count, 2);
	assert_int_equal(s.pids[0].pid, 42);
	assert_int_equal(s.pids[1].pid, 7);
	assert_int_equal(s.pids[1].start_ns, 70000000);
	assert_true(select_has(&s, 42, "python3"));
	assert_false(select_has(&s, 43, "python3"));
	select_free(&s);
	containers_close(c);
}

static void a_selection_is_told_as_options_name_it(void **state)
{
	struct select s = {};
	char text[64], few[8];

	(void)state;
	select_describe(&s, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(select_add(&s, SELECT_PID, "42,7"), 0);
	assert_int_equal(select_add(&s, SELECT_COMM, "web"), 0);
	select_describe(&s, text, sizeof(text));
	assert_string_equal(text, "-p 42 -p 7 --comm web");
	select_describe(&s, few, sizeof(few));
	assert_string_equal(few, "-p 42 -");
	select_free(&s);
}

static void many_pids_fit(void **state)
{
	struct containers *c = host();
	struct select s = {0};
	char text[16];

	(void)state;
	for (uint32_t pid = 100; pid < 300; pid++) {
		process(pid, "worker", "0::/\n");
		snprintf(text, sizeof(text), "%u", pid);
		assert_int_equal(select_add(&s, SELECT_PID, text), 0);
	}
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.pid_count, 200);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(s.pids[i].pid, 100 + i);
	select_free(&s);
	containers_close(c);
}

static void a_missing_pid_lists_processes(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	select_add(&s, SELECT_PID, "7,4711");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text, "dbleak: -p 4711: no such process\n"));
	assert_non_null(strstr(error_text, "cron[7]"));
	select_free(&s);
	containers_close(c);
}

static void a_comm_is_what_the_kernel_keeps_of_it(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	process(50, "a-program-with-", "0::/\n");
	select_add(&s, SELECT_COMM, "a-program-with-a-long-name");
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.comm_count, 1);
	assert_string_equal(s.comms[0].comm, "a-program-with-");
	assert_true(select_has(&s, 50, "a-program-with-"));
	assert_false(select_has(&s, 7, "cron"));
	select_free(&s);
	containers_close(c);
}

static void a_missing_comm_lists_programs_without_their_escapes(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	process(51, "e\033[31mvil", "0::/\n");
	select_add(&s, SELECT_COMM, "pyton");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text,
			       "dbleak: --comm pyton: no process has this name\nrunning now:\n"));
	assert_non_null(strstr(error_text, "python3 (2)"));
	assert_null(strchr(error_text, '\033'));
	select_free(&s);
	containers_close(c);
}

static void a_cgroup_is_found_by_any_of_its_paths(void **state)
{
	static const char *const texts[] = {
		"system.slice/cron.service",
		"/system.slice/cron.service",
		"//system.slice//cron.service/",
		"/sys/fs/cgroup/unified/system.slice/cron.service",
	};
	struct containers *c = host();

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct select s = {0};

		assert_int_equal(select_add(&s, SELECT_CGROUP, texts[i]), 0);
		assert_int_equal(resolve(&s, c), 0);
		assert_int_equal(s.cgroup_count, 3);
		assert_true(has_id(s.cgroups, 3, CGROUP_V2, V2 "/system.slice/cron.service"));
		assert_true(
			has_id(s.cgroups, 3, CGROUP_V2, V2 "/system.slice/cron.service/deep/er"));
		assert_true(select_has(&s, 7, "cron"));
		assert_false(select_has(&s, 43, "python3"));
		select_free(&s);
	}
	containers_close(c);
}

static void the_hierarchy_with_the_processes_is_meant(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	tree_folder(V2 "/docker/" ID);
	container(ID, "web1");
	select_add(&s, SELECT_CGROUP, "docker");
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.cgroup_count, 2);
	assert_true(has_id(s.cgroups, 2, CGROUP_PIDS, V1 "/docker"));
	assert_true(select_has(&s, 42, "python3"));
	select_free(&s);
	select_add(&s, SELECT_CGROUP, "/sys/fs/cgroup/tasks/docker/" ID);
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.cgroup_count, 1);
	assert_true(has_id(s.cgroups, 1, CGROUP_PIDS, V1 "/docker/" ID));
	select_free(&s);
	containers_close(c);
}

static void a_missing_cgroup_lists_its_neighbours(void **state)
{
	static const char *const outside[] = {"../../etc", "/../proc", "/sys/fs/cgroup", "/proc",
					      "system.slice/../system.slice/cron.service"};
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	select_add(&s, SELECT_CGROUP, "system.slice/corn.service/x");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(
		strstr(error_text, "below /system.slice (v2) there are:\n    cron.service\n"));
	select_free(&s);
	select_add(&s, SELECT_CGROUP, "system.slice/cron.service/deep/er/x");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text,
			       "/system.slice/cron.service/deep/er (v2) has no cgroup below it\n"));
	select_free(&s);
	for (size_t i = 0; i < COUNT(outside); i++) {
		select_add(&s, SELECT_CGROUP, outside[i]);
		assert_int_equal(resolve(&s, c), -ENOENT);
		select_free(&s);
	}
	containers_close(c);
}

static void containers_are_followed_as_they_come_and_go(void **state)
{
	enum cgroup_hierarchy hierarchies[4];
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	container(ID, "web1");
	select_add(&s, SELECT_CONTAINER, "web");
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.cgroup_count, 1);
	assert_int_equal(select_hierarchies(&s, hierarchies, 4), 2);
	assert_int_equal(select_hierarchies(&s, hierarchies, 1), -E2BIG);
	assert_int_equal(select_refresh(&s), 0);

	container(ID2, "web2");
	tree_folder(V1 "/docker/" ID "/inner");
	assert_int_equal(select_refresh(&s), 1);
	assert_int_equal(s.cgroup_count, 3);
	assert_int_equal(s.added_count, 2);
	assert_int_equal(s.removed_count, 0);
	assert_true(has_id(s.added, 2, CGROUP_PIDS, V1 "/docker/" ID "/inner"));
	assert_true(has_id(s.added, 2, CGROUP_PIDS, V1 "/docker/" ID2));
	assert_true(select_has(&s, 42, "python3"));

	tree_delete(V1 "/docker/" ID);
	assert_int_equal(select_refresh(&s), 1);
	assert_int_equal(s.cgroup_count, 1);
	assert_int_equal(s.added_count, 0);
	assert_int_equal(s.removed_count, 2);
	assert_int_equal(select_refresh(&s), 0);
	assert_int_equal(s.removed_count, 0);

	tree_delete(V1 "/docker/" ID2);
	assert_int_equal(select_refresh(&s), 1);
	assert_int_equal(s.cgroup_count, 0);
	select_free(&s);
	containers_close(c);
}

static void an_exact_name_excludes_longer_ones(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	container(ID, "web");
	container(ID2, "web2");
	select_add(&s, SELECT_CONTAINER, "web");
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.cgroup_count, 1);
	assert_true(has_id(s.cgroups, 1, CGROUP_PIDS, V1 "/docker/" ID));
	tree_delete(V1 "/docker/" ID);
	assert_int_equal(select_refresh(&s), 1);
	assert_int_equal(s.cgroup_count, 0);
	select_free(&s);
	select_add(&s, SELECT_CONTAINER, "feed");
	assert_int_equal(resolve(&s, c), 0);
	assert_true(has_id(s.cgroups, 1, CGROUP_PIDS, V1 "/docker/" ID2));
	select_free(&s);
	containers_close(c);
}

static void a_missing_container_lists_those_that_run(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	select_add(&s, SELECT_CONTAINER, "web9");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text, "no container that dbleak can recognise"));
	select_free(&s);
	container(ID, "web1");
	select_add(&s, SELECT_CONTAINER, "web9\033[1m");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text, "docker      0123456789ab  web1\n"));
	assert_null(strchr(error_text, '\033'));
	select_free(&s);
	containers_close(c);
}

static void selectors_add_up(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	container(ID, "web1");
	select_add(&s, SELECT_PID, "43");
	select_add(&s, SELECT_COMM, "cron");
	select_add(&s, SELECT_CONTAINER, "web1");
	select_add(&s, SELECT_CONTAINER, ID);
	select_add(&s, SELECT_CGROUP, "system.slice");
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.pid_count, 1);
	assert_int_equal(s.comm_count, 1);
	assert_int_equal(s.cgroup_count, 5);
	assert_true(select_has(&s, 43, "python3"));
	assert_true(select_has(&s, 42, "python3"));
	assert_true(select_has(&s, 7, "cron"));
	select_free(&s);
	containers_close(c);
}

/* The n-th container of the host, in a pod; name "": the sandbox of it. */
static void pod_container(int n, const char *namespace, const char *pod, const char *name)
{
	char path[256], text[512], id[CONTAINER_ID_LEN + 1];

	snprintf(id, sizeof(id), "%064x", n);
	snprintf(path, sizeof(path), V1 "/kubepods/burstable/pod%s/%s/cgroup.procs", pod, id);
	tree_file(path, "42\n");
	snprintf(path, sizeof(path),
		 "run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json", id);
	snprintf(text, sizeof(text),
		 "{\"process\":{},\"annotations\":{\"io.kubernetes.cri.container-type\":\"%s\","
		 "\"io.kubernetes.cri.container-name\":\"%s\","
		 "\"io.kubernetes.cri.sandbox-name\":\"%s\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"%s\"}}",
		 *name ? "container" : "sandbox", name, pod, namespace);
	tree_file(path, text);
}

static bool has_pod_container(const struct select *s, int n, const char *pod)
{
	char path[256];

	snprintf(path, sizeof(path), V1 "/kubepods/burstable/pod%s/%064x", pod, n);
	return has_id(s->cgroups, s->cgroup_count, CGROUP_PIDS, path);
}

/* Two pods of one Deployment, one of the same name elsewhere, and a container of Docker. */
static struct containers *cluster(void)
{
	struct containers *c = host();

	pod_container(1, "shop", "web-a1", "");
	pod_container(2, "shop", "web-a1", "api");
	pod_container(3, "shop", "web-a1", "api-cache");
	pod_container(4, "shop", "web-b2", "api");
	pod_container(5, "test", "web-c3", "api");
	pod_container(6, "test", "db-0", "db");
	container(ID, "api");
	return c;
}

static void pods_are_chosen_by_every_name(void **state)
{
	static const struct {
		const char *pod, *namespace, *container, *taken;
	} cases[] = {
		{"shop/web-a1", NULL, NULL, "123"},
		{"web-a1", NULL, NULL, "123"},
		{"shop/web", NULL, NULL, "1234"},
		{"db-0", NULL, NULL, "6"},
		{"db", NULL, NULL, "6"},
		{NULL, "test", NULL, "56"},
		{"web", "test", NULL, "5"},
		{"web-a1", NULL, "api", "2"},
		{"web-a1", NULL, "api-", "3"},
		{"shop/web", NULL, "api", "24"},
		{NULL, "shop", "api", "24"},
		{NULL, "shop", NULL, "1234"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct containers *c = cluster();
		struct select s = {0};

		if (cases[i].container)
			select_add(&s, SELECT_CONTAINER, cases[i].container);
		if (cases[i].pod)
			assert_int_equal(select_add(&s, SELECT_POD, cases[i].pod), 0);
		if (cases[i].namespace)
			select_add(&s, SELECT_NAMESPACE, cases[i].namespace);
		assert_int_equal(resolve(&s, c), 0);
		assert_int_equal(s.cgroup_count, strlen(cases[i].taken));
		for (const char *n = cases[i].taken; *n; n++)
			assert_true(has_pod_container(&s, *n - '0',
						      *n < '4'	  ? "web-a1"
						      : *n == '4' ? "web-b2"
						      : *n == '5' ? "web-c3"
								  : "db-0"));
		select_free(&s);
		containers_close(c);
		tree_delete("sys");
	}
}

static void what_is_no_name_of_a_pod_is_refused(void **state)
{
	static const char *const wrong[] = {"", "/", "shop/", "/web", "a/b/c", "shop//web"};
	struct select s = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(select_add(&s, SELECT_POD, wrong[i]), -EINVAL);
	assert_true(select_is_empty(&s));
	select_free(&s);
}

static void a_pod_of_several_namespaces_lists_them(void **state)
{
	struct containers *c = cluster();
	struct select s = {0};

	(void)state;
	select_add(&s, SELECT_POD, "web");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text, "dbleak: --pod web: several namespaces have such a pod; "
					   "choose NAMESPACE/NAME\nthere are these pods:\n"));
	assert_non_null(strstr(error_text, "  shop/web-a1  shop/web-b2  test/db-0  test/web-c3\n"));
	select_free(&s);
	select_add(&s, SELECT_POD, "shop/db-0");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text, "--pod shop/db-0: no such pod is running\n"));
	select_free(&s);
	select_add(&s, SELECT_NAMESPACE, "shops");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text, "there are these namespaces:\n    shop  test\n"));
	select_free(&s);
	select_add(&s, SELECT_POD, "shop/web-a1");
	select_add(&s, SELECT_CONTAINER, "db");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text, "shop/web-a1  api-cache\n"));
	assert_null(strstr(error_text, "web-b2"));
	assert_null(strstr(error_text, "docker"));
	select_free(&s);
	containers_close(c);
}

static void a_pod_that_starts_later_is_followed(void **state)
{
	enum cgroup_hierarchy hierarchies[4];
	struct containers *c = cluster();
	struct select s = {0};

	(void)state;
	select_add(&s, SELECT_POD, "db-0");
	assert_int_equal(resolve(&s, c), 0);
	assert_int_equal(s.cgroup_count, 1);
	assert_int_equal(select_hierarchies(&s, hierarchies, 4), 2);
	assert_int_equal(select_refresh(&s), 0);
	tree_delete(V1 "/kubepods/burstable/poddb-0");
	assert_int_equal(select_refresh(&s), 1);
	assert_int_equal(s.cgroup_count, 0);
	pod_container(7, "test", "db-0", "db");
	pod_container(8, "test", "db-01", "db");
	pod_container(9, "shop", "db-0", "db");
	assert_int_equal(select_refresh(&s), 1);
	assert_int_equal(s.cgroup_count, 1);
	assert_true(has_pod_container(&s, 7, "db-0"));
	select_free(&s);
	containers_close(c);
}

static void a_sandbox_is_no_container_to_choose(void **state)
{
	struct containers *c = host();
	struct select s = {0};

	(void)state;
	pod_container(1, "shop", "web-a1", "");
	select_add(&s, SELECT_CONTAINER, "0000");
	assert_int_equal(resolve(&s, c), -ENOENT);
	assert_non_null(strstr(error_text, "no container that dbleak can recognise"));
	select_free(&s);
	containers_close(c);
}

static void a_deep_tree_ends(void **state)
{
	struct containers *c = host();
	struct select s = {0};
	char path[1024] = V2 "/deep";

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(path, "/d");
	tree_folder(path);
	select_add(&s, SELECT_CGROUP, "deep");
	assert_int_equal(resolve(&s, c), 0);
	assert_in_range(s.cgroup_count, 50, 100);
	select_free(&s);
	containers_close(c);
}

#define select_test(f) cmocka_unit_test_setup_teardown(f, tree_make, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		select_test(nothing_selected_is_everything),
		select_test(pids_are_taken_apart_and_checked),
		select_test(many_pids_fit),
		tree_test(a_selection_is_told_as_options_name_it),
		select_test(a_missing_pid_lists_processes),
		select_test(a_comm_is_what_the_kernel_keeps_of_it),
		select_test(a_missing_comm_lists_programs_without_their_escapes),
		select_test(a_cgroup_is_found_by_any_of_its_paths),
		select_test(the_hierarchy_with_the_processes_is_meant),
		select_test(a_missing_cgroup_lists_its_neighbours),
		select_test(containers_are_followed_as_they_come_and_go),
		select_test(an_exact_name_excludes_longer_ones),
		select_test(a_missing_container_lists_those_that_run),
		select_test(selectors_add_up),
		select_test(pods_are_chosen_by_every_name),
		tree_test(what_is_no_name_of_a_pod_is_refused),
		select_test(a_pod_of_several_namespaces_lists_them),
		select_test(a_pod_that_starts_later_is_followed),
		select_test(a_sandbox_is_no_container_to_choose),
		select_test(a_deep_tree_ends),
	};

	return cmocka_run_group_tests_name("select", tests, states_begin, nursery_finish);
}
