/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Containers of containerd, CRI-O and nerdctl and the pods of Kubernetes, from specs of fake hosts.
 */
#include <time.h>

#include "user/capture/host/cgroup.h"
#include "user/capture/host/procfs.h"
#include "user/capture/host/container.h"
#include "user/capture/host/container_state.h"
#include "tests/unit/support/tree.h"
#include "tests/unit/support/states.h"

#define A16   "0123456789abcdef"
#define ID    A16 A16 A16 A16
#define ID2   "feed" A16 A16 A16 "0123456789ab"
#define TASKS "run/containerd/io.containerd.runtime.v2.task/"
#define CRIO  "run/containers/storage/overlay-containers/"
#define MANY  1000

static const char v2_mounts[] = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "
				"rw\n";
static const char v1_mounts[] =
	"33 31 0:30 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n";

static struct containers *host(const char *mounts)
{
	struct containers *c = NULL;

	tree_file("proc/self/mountinfo", mounts);
	tree_folder(mounts == v1_mounts ? "sys/fs/cgroup/pids" : "sys/fs/cgroup");
	assert_int_equal(containers_open(&c, tree_root, nursery), 0);
	return c;
}

static const struct container *container_of(struct containers *c, const char *cgroup)
{
	const struct container *found = NULL;
	char text[512];

	snprintf(text, sizeof(text), "0::%s\n", cgroup);
	tree_file("proc/42/cgroup", text);
	assert_int_equal(containers_of_pid(c, 42, &found), 0);
	return found;
}

static void spec_file(const char *folder, const char *id, const char *file, const char *annotations)
{
	char path[512], text[2048];

	snprintf(path, sizeof(path), "%s%s/%s", folder, id, file);
	snprintf(
		text, sizeof(text),
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"/app\"]},\"annotations\":{%s}}",
		annotations);
	tree_file(path, text);
}

static void cri_spec(const char *id, const char *type, const char *name, const char *pod,
		     const char *namespace)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "\"io.kubernetes.cri.container-type\":\"%s\","
		 "\"io.kubernetes.cri.image-name\":\"registry.example/shop/api@sha256:0a\","
		 "\"io.kubernetes.cri.container-name\":\"%s\","
		 "\"io.kubernetes.cri.sandbox-name\":\"%s\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"%s\"",
		 type, name, pod, namespace);
	spec_file(TASKS "k8s.io/", id, "config.json", text);
}

static void crio_spec(const char *id, const char *type, const char *name)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "\"io.kubernetes.cri.container-type\":\"container\","
		 "\"io.kubernetes.cri.container-name\":\"false\","
		 "\"io.kubernetes.cri.sandbox-name\":\"false\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"false\","
		 "\"io.kubernetes.cri-o.ContainerType\":\"%s\","
		 "\"io.kubernetes.cri-o.ImageName\":\"registry.example/shop/api@sha256:0a\","
		 "\"io.kubernetes.container.name\":\"%s\",\"io.kubernetes.pod.name\":\"web-7d9\","
		 "\"io.kubernetes.pod.namespace\":\"shop\"",
		 type, name);
	spec_file(CRIO, id, "userdata/config.json", text);
}

static void is_api_of_shop(const struct container *found, const char *runtime)
{
	assert_non_null(found);
	assert_string_equal(found->runtime, runtime);
	assert_string_equal(found->id, ID);
	assert_string_equal(found->name, "api");
	assert_string_equal(found->pod, "web-7d9");
	assert_string_equal(found->pod_namespace, "shop");
	assert_string_equal(found->image, "registry.example/shop/api@sha256:0a");
	assert_false(found->sandbox);
}

static void pods_of_containerd_are_known_by_every_cgroup_driver(void **state)
{
	static const char *const paths[] = {
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0b2a.slice/"
		"cri-containerd-" ID ".scope",
		"/kubepods.slice/kubepods-pod0b2a.slice/cri-containerd-" ID ".scope/inner",
		"/kubepods/burstable/pod0b2a/" ID,
		"/kubepods/pod0b2a/" ID,
		"/system.slice/containerd.service/kubepods-pod0b2a.slice:cri-containerd:" ID,
	};

	(void)state;
	cri_spec(ID, "container", "api", "web-7d9", "shop");
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct containers *c = host(v2_mounts);

		is_api_of_shop(container_of(c, paths[i]), "containerd");
		containers_close(c);
	}
}

static void pods_of_crio_are_known_and_its_own_words_count(void **state)
{
	struct containers *c = host(v2_mounts);
	const struct container *found;

	(void)state;
	crio_spec(ID, "container", "api");
	crio_spec(ID2, "sandbox", "POD");
	is_api_of_shop(container_of(c, "/kubepods.slice/kubepods-pod0b2a.slice/crio-" ID ".scope"),
		       "cri-o");
	found = container_of(c, "/kubepods/pod0b2a/crio-" ID2);
	assert_string_equal(found->pod, "web-7d9");
	assert_string_equal(found->name, "");
	assert_true(found->sandbox);
	assert_null(container_of(c, "/kubepods/pod0b2a/crio-conmon-" ID2));
	containers_close(c);
}

static void a_sandbox_belongs_to_its_pod_and_has_no_name(void **state)
{
	struct containers *c = host(v2_mounts);
	const struct container *found;

	(void)state;
	cri_spec(ID, "sandbox", "", "web-7d9", "shop");
	found = container_of(c, "/kubepods/pod0b2a/" ID);
	assert_true(found->sandbox);
	assert_string_equal(found->name, "");
	assert_string_equal(found->pod, "web-7d9");
	assert_int_equal(containers_match(found, ID), CONTAINER_DIFFERS);
	containers_close(c);
}

static void plain_ctr_names_are_ids_below_a_namespace(void **state)
{
	static const char *const none[] = {
		"/default/other",  "/custom/web1",	  "/default",	 "/default/",
		"/a/default/web1", "/default.slice/web1", "/default/..", "//web1",
	};
	struct containers *c = host(v2_mounts);
	const struct container *found;

	(void)state;
	spec_file(TASKS "default/", "web1", "config.json", "");
	spec_file(TASKS "other/", "web1", "config.json", "");
	spec_file(TASKS "default.slice/", "web1", "config.json", "");
	tree_file(TASKS "default/half/config.json", "{\"ociVersion\":\"1.0.2\",\"pro");
	found = container_of(c, "/default/web1");
	assert_non_null(found);
	assert_string_equal(found->runtime, "containerd");
	assert_string_equal(found->name, "web1");
	assert_string_equal(found->id, "web1");
	assert_string_equal(found->pod, "");
	assert_string_equal(found->cgroup, "/default/web1");
	assert_ptr_equal(container_of(c, "/default/web1/init.scope"), found);
	assert_ptr_not_equal(container_of(c, "/other/web1"), found);
	assert_null(container_of(c, "/default/half"));
	for (size_t i = 0; i < COUNT(none); i++)
		assert_null(container_of(c, none[i]));
	containers_close(c);
}

static void a_plain_container_is_listed_and_an_empty_word_is_not(void **state)
{
	struct containers *c = host(v1_mounts);
	const struct container **list;
	size_t count;

	(void)state;
	spec_file(TASKS "default/", "web1", "config.json", "");
	tree_file("sys/fs/cgroup/pids/default/web1/cgroup.procs", "42\n");
	tree_file("sys/fs/cgroup/pids/default/job/cgroup.procs", "43\n");
	assert_int_equal(containers_list(c, &list, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(list[0]->name, "web1");
	assert_int_equal(list[0]->hierarchy, CGROUP_PIDS);
	free(list);
	containers_close(c);
}

/* As root on this host, with settings of its own. */
static void containerd_runs(const char *cmdline, size_t size)
{
	tree_file("proc/77/comm", "containerd\n");
	tree_bytes("proc/77/cmdline", cmdline, size);
	tree_file("proc/77/status", "Name:\tcontainerd\nUid:\t0\t0\t0\t0\n");
	tree_file("proc/77/uid_map", "         0          0 4294967295\n");
	assert_int_equal(symlink(tree_root, tree_path("proc/77/root")), 0);
}

static void a_daemon_tells_where_its_tasks_are(void **state)
{
	static const char by_option[] = "containerd\0--state\0/elsewhere\0";
	static const char by_file[] = "containerd\0-c\0/srv/own.toml\0";
	static const char tasks[] = "elsewhere/io.containerd.runtime.v2.task/k8s.io/" ID;
	struct containers *c;
	char from[128];

	(void)state;
	cri_spec(ID, "container", "api", "web-7d9", "shop");
	tree_folder("elsewhere");
	snprintf(from, sizeof(from), "%s/run/containerd/io.containerd.runtime.v2.task", tree_root);
	assert_int_equal(rename(from, tree_path("elsewhere/io.containerd.runtime.v2.task")), 0);
	assert_int_equal(access(tree_path(tasks), R_OK), 0);
	tree_file("srv/own.toml", "version = 2\n#state = \"/no\"\nstate = '/elsewhere'\n"
				  "[plugins]\nstate = \"/no\"\n");
	for (int i = 0; i < 2; i++) {
		containerd_runs(i ? by_file : by_option, i ? sizeof(by_file) : sizeof(by_option));
		c = host(v2_mounts);
		is_api_of_shop(container_of(c, "/kubepods/pod0b2a/" ID), "containerd");
		containers_close(c);
		tree_file("proc/77/status", "Name:\tcontainerd\nUid:\t1000\t1000\t1000\t1000\n");
		c = host(v2_mounts);
		assert_string_equal(container_of(c, "/kubepods/pod0b2a/" ID)->name, "");
		containers_close(c);
		tree_delete("proc/77/root");
	}
}

static void nerdctl_names_follow_a_rename(void **state)
{
	static const char names[] = "var/lib/nerdctl/1935db59/names/default/";
	struct containers *c = host(v2_mounts);
	char path[256];

	(void)state;
	spec_file(TASKS "default/", ID, "config.json", "\"nerdctl/name\":\"web1\"");
	assert_string_equal(container_of(c, "/default/" ID)->name, "web1");
	containers_close(c);
	snprintf(path, sizeof(path), "%sweb1", names);
	tree_file(path, ID2);
	snprintf(path, sizeof(path), "%sshop-web", names);
	tree_file(path, ID);
	c = host(v2_mounts);
	assert_string_equal(container_of(c, "/system.slice/nerdctl-" ID ".scope")->name,
			    "shop-web");
	assert_string_equal(container_of(c, "/system.slice/nerdctl-" ID ".scope")->runtime,
			    "containerd");
	containers_close(c);
}

static void half_written_and_hostile_specs_name_nothing(void **state)
{
	static const char *const specs[] = {
		"",
		"{",
		"[]",
		"null",
		"{\"process\":{}}",
		"{\"process\":{},\"annotations\":[]}",
		"{\"process\":{},\"annotations\":{\"io.kubernetes.cri.container-type\":7}}",
#define CRI_SPEC(type, name, pod, namespace)                                            \
	"{\"process\":{},\"annotations\":{\"io.kubernetes.cri.container-type\":\"" type \
	"\",\"io.kubernetes.cri.container-name\":\"" name                               \
	"\",\"io.kubernetes.cri.sandbox-name\":\"" pod                                  \
	"\",\"io.kubernetes.cri.sandbox-namespace\":\"" namespace "\"}}"
		CRI_SPEC("container", "api", "web", ""),
		CRI_SPEC("container", "api", "", "shop"),
		CRI_SPEC("container", "", "web", "shop"),
		CRI_SPEC("trailer", "api", "web", "shop"),
		CRI_SPEC("container", "api", "../web", "shop"),
		CRI_SPEC("container", "api", "web", "shop/x"),
		CRI_SPEC("container", "a\\u001b[31m", "web", "shop"),
		CRI_SPEC("container", "api", "web\\nfalse", "shop"),
		CRI_SPEC("container", "api", "web", "a" ID "0123456789"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(specs); i++) {
		struct containers *c = host(v2_mounts);
		const struct container *found;

		tree_file(TASKS "k8s.io/" ID "/config.json", specs[i]);
		tree_file(CRIO ID2 "/userdata/config.json", specs[i]);
		found = container_of(c, "/kubepods/pod0b2a/" ID);
		assert_string_equal(found->name, "");
		assert_string_equal(found->pod, "");
		assert_string_equal(found->pod_namespace, "");
		found = container_of(c, "/kubepods/pod0b2a/crio-" ID2);
		assert_string_equal(found->name, "");
		assert_string_equal(found->pod, "");
		containers_close(c);
	}
}

static void a_spec_that_comes_late_is_read_later(void **state)
{
	struct containers *c = host(v2_mounts);

	(void)state;
	tree_file(TASKS "k8s.io/" ID "/config.json", "{\"process\":{\"env\":[");
	assert_string_equal(container_of(c, "/kubepods/pod0b2a/" ID)->pod, "");
	cri_spec(ID, "container", "api", "web-7d9", "shop");
	is_api_of_shop(container_of(c, "/kubepods/pod0b2a/" ID), "containerd");
	containers_close(c);
}

/* Whoever may write into the folder could else put the name of another's pod there. */
static void a_spec_of_somebody_else_is_not_believed(void **state)
{
	struct containers *c = host(v2_mounts);

	(void)state;
	cri_spec(ID, "container", "api", "web-7d9", "shop");
	c->owner++;
	assert_string_equal(container_of(c, "/kubepods/pod0b2a/" ID)->pod, "");
	containers_close(c);
	c = host(v2_mounts);
	crio_spec(ID, "container", "api");
	c->owner++;
	assert_string_equal(container_of(c, "/kubepods/pod0b2a/crio-" ID)->pod, "");
	containers_close(c);
	assert_int_equal(containers_open(&c, "", NULL), 0);
	assert_int_equal(c->owner, 0);
	containers_close(c);
}

static void no_name_comes_from_a_link_out_of_the_folder(void **state)
{
	struct containers *c = host(v2_mounts);

	(void)state;
	tree_folder(TASKS "k8s.io/" ID);
	assert_int_equal(mkfifo(tree_path(TASKS "k8s.io/" ID "/config.json"), 0600), 0);
	assert_string_equal(container_of(c, "/kubepods/pod0b2a/" ID)->pod, "");
	tree_folder(TASKS "k8s.io/" ID2);
	assert_int_equal(
		symlink("/proc/self/cmdline", tree_path(TASKS "k8s.io/" ID2 "/config.json")), 0);
	assert_string_equal(container_of(c, "/kubepods/pod0b2a/" ID2)->pod, "");
	containers_close(c);
}

/* Of this process, which waits for its worker meanwhile: others may use the machine, too. */
static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void a_thousand_containers_are_named_within_a_second(void **state)
{
	const struct container **list;
	double best = 1e9;
	size_t count;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		char id[CONTAINER_ID_LEN + 1], pod[32], path[256];

		snprintf(id, sizeof(id), "%064x", i);
		snprintf(pod, sizeof(pod), "web-%d", i / 2);
		cri_spec(id, i % 2 ? "container" : "sandbox", "api", pod, "shop");
		snprintf(path, sizeof(path), "sys/fs/cgroup/kubepods/pod%d/%s/cgroup.procs", i / 2,
			 id);
		tree_file(path, "42\n");
	}
	for (int run = 0; run < 5 && best > 1; run++) {
		struct containers *c = host(v2_mounts);
		double begin = seconds(), took;

		assert_int_equal(containers_list(c, &list, &count), 0);
		took = seconds() - begin;
		best = took < best ? took : best;
		assert_int_equal(count, MANY);
		for (size_t i = 0; i < count; i++)
			assert_string_equal(list[i]->pod_namespace, "shop");
		free(list);
		containers_close(c);
	}
	print_message("%d containers: %.3f s\n", MANY, best);
	assert_true(best <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(pods_of_containerd_are_known_by_every_cgroup_driver),
		tree_test(pods_of_crio_are_known_and_its_own_words_count),
		tree_test(a_sandbox_belongs_to_its_pod_and_has_no_name),
		tree_test(plain_ctr_names_are_ids_below_a_namespace),
		tree_test(a_plain_container_is_listed_and_an_empty_word_is_not),
		tree_test(a_daemon_tells_where_its_tasks_are),
		tree_test(nerdctl_names_follow_a_rename),
		tree_test(half_written_and_hostile_specs_name_nothing),
		tree_test(a_spec_that_comes_late_is_read_later),
		tree_test(a_spec_of_somebody_else_is_not_believed),
		tree_test(no_name_comes_from_a_link_out_of_the_folder),
		tree_test(a_thousand_containers_are_named_within_a_second),
	};

	return cmocka_run_group_tests_name("pod", tests, states_begin, nursery_finish);
}
