/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * Containers from cgroup paths and state files, on fake hosts of every layout we know.
 */
#include "user/capture/host/cgroup.h"
#include "user/capture/host/procfs.h"
#include "user/capture/host/container.h"
#include "user/capture/host/container_state.h"
#include "tests/unit/support/tree.h"
#include "tests/unit/support/states.h"

#define A16 "0123456789abcdef"
#define ID  A16 A16 A16 A16
#define ID2 "feed" A16 A16 A16 "0123456789ab"

static const char v2_mounts[] = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "
				"rw,nsdelegate,memory_recursiveprot\n";

static const char hybrid_mounts[] =
	"31 23 0:28 / /sys/fs/cgroup ro,nosuid shared:7 - tmpfs tmpfs ro,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:8 - cgroup cgroup rw,cpu,cpuacct\n"
	"33 31 0:30 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n"
	"34 31 0:31 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd\n"
	"35 31 0:32 / /sys/fs/cgroup/unified rw shared:11 - cgroup2 cgroup2 rw\n";

static struct containers *host(const char *mounts)
{
	struct containers *c = NULL;

	tree_file("proc/self/mountinfo", mounts);
	for (const char *at = mounts; (at = strstr(at, " /sys/")); at++) {
		char point[128];

		assert_int_equal(sscanf(at, " /%127s", point), 1);
		tree_folder(point);
	}
	assert_int_equal(containers_open(&c, tree_root, nursery), 0);
	return c;
}

static const struct container *container_of(struct containers *c, const char *cgroup)
{
	const struct container *found = NULL;

	tree_file("proc/42/cgroup", cgroup);
	assert_int_equal(containers_of_pid(c, 42, &found), 0);
	return found;
}

static void cgroup_paths_of_all_run_times_are_known(void **state)
{
	static const struct {
		const char *path, *runtime, *own;
	} cases[] = {
		{"/docker/" ID, "docker", "/docker/" ID},
		{"/docker/" ID "/system.slice/cron.service", "docker", "/docker/" ID},
		{"/docker/" ID2 "/docker/" ID, "docker", "/docker/" ID2 "/docker/" ID},
		{"/docker/" ID2 "/init", "docker", NULL},
		{"/system.slice/docker-" ID ".scope", "docker", NULL},
		{"/system.slice/docker-" ID ".scope/init.scope", "docker", NULL},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope",
		 "docker", NULL},
		{"/actions_job/" ID, "oci", NULL},
		{"/../docker/" ID, "docker", NULL},
		{"/libpod_parent/libpod-" ID, "podman", NULL},
		{"/libpod_parent/" ID2 "/libpod-" ID, "podman", NULL},
		{"/machine.slice/libpod-" ID ".scope", "podman", NULL},
		{"/machine.slice/libpod-" ID ".scope/container", "podman",
		 "/machine.slice/libpod-" ID ".scope"},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		 ".scope/container",
		 "podman", NULL},
		{"/system.slice/web.service/libpod-payload-" ID, "podman", NULL},
		{"/kubepods/besteffort/pod0b2a/" ID, "containerd", NULL},
		{"/kubepods.slice/kubepods-pod0b2a.slice/cri-containerd-" ID ".scope", "containerd",
		 NULL},
		{"/kubepods.slice/kubepods-pod0b2a.slice/docker-" ID ".scope", "docker", NULL},
		{"/kubepods.slice/kubepods-pod0b2a.slice/crio-" ID ".scope", "cri-o", NULL},
		{"/system.slice/containerd.service/kubepods-pod0b2a.slice:cri-containerd:" ID,
		 "containerd", NULL},
		{"/system.slice/nerdctl-" ID ".scope", "containerd", NULL},
		{"/docker/" ID2 "/kubelet/kubepods/pod0b2a/" ID, "containerd", NULL},
		{"/", NULL, NULL},
		{"/system.slice/docker.service", NULL, NULL},
		{"/libpod_parent/libpod-conmon-" ID, NULL, NULL},
		{"/machine.slice/libpod-conmon-" ID ".scope", NULL, NULL},
		{"/libpod_parent/" ID, NULL, NULL},
		{"/docker/0123456789abcdef", NULL, NULL},
		{"/docker/" ID "0", NULL, NULL},
		{"/docker/buildx", NULL, NULL},
		{"/system.slice/docker-" ID ".scop", NULL, NULL},
		{"/system.slice/docker-0123456789ABCDEF" A16 A16 A16 ".scope", NULL, NULL},
		{"//////", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct container_mark mark = container_find(cases[i].path,
							    (int)strlen(cases[i].path));

		if (!cases[i].runtime) {
			assert_null(mark.id);
			continue;
		}
		assert_non_null(mark.id);
		assert_string_equal(mark.runtime ? mark.runtime : "oci", cases[i].runtime);
		assert_memory_equal(mark.id, strstr(cases[i].path, ID2 "/init") ? ID2 : ID, 4);
		if (cases[i].own)
			assert_int_equal(mark.end, strlen(cases[i].own));
	}
}

static void docker_names_come_from_its_state(void **state)
{
	struct containers *c = host(v2_mounts);
	const struct container *found;

	(void)state;
	tree_file("var/lib/docker/containers/" ID "/config.v2.json",
		  "{\"State\":{\"Running\":true},\"ID\":\"" ID "\",\"Name\":\"/web1\","
		  "\"Config\":{\"Image\":\"registry.example:5000/shop/api:1.4\"}}");
	found = container_of(c, "0::/system.slice/docker-" ID ".scope/init\n");
	assert_string_equal(found->image, "registry.example:5000/shop/api:1.4");
	assert_non_null(found);
	assert_string_equal(found->runtime, "docker");
	assert_string_equal(found->name, "web1");
	assert_string_equal(found->id, ID);
	assert_string_equal(found->cgroup, "/system.slice/docker-" ID ".scope");
	assert_int_equal(found->hierarchy, CGROUP_V2);
	assert_ptr_equal(container_of(c, "0::/system.slice/docker-" ID ".scope\n"), found);
	assert_null(container_of(c, "0::/user.slice\n"));
	containers_close(c);
}

/* A daemon of root, on this host. */
static void daemon_runs(uint32_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%u/status", pid);
	tree_file(path, "Name:\tdockerd\nUid:\t0\t0\t0\t0\n");
	snprintf(path, sizeof(path), "proc/%u/uid_map", pid);
	tree_file(path, "         0          0 4294967295\n");
	snprintf(path, sizeof(path), "proc/%u/root", pid);
	assert_int_equal(symlink(tree_root, tree_path(path)), 0);
}

static void docker_with_another_data_root_is_found(void **state)
{
	static const char state_text[] = "{\"Name\":\"/elsewhere\"}";
	struct containers *c = host(v2_mounts);

	(void)state;
	tree_file("etc/docker/daemon.json", "{ \"data-root\": \"/data/docker\" }");
	tree_file("data/docker/containers/" ID "/config.v2.json", state_text);
	assert_string_equal(container_of(c, "0::/docker/" ID "\n")->name, "elsewhere");
	tree_file("proc/77/comm", "dockerd\n");
	tree_bytes("proc/77/cmdline", "dockerd\0--data-root\0/d2\0-H\0fd://\0", 32);
	tree_file("d2/containers/" ID2 "/config.v2.json", state_text);
	daemon_runs(77);
	assert_string_equal(container_of(c, "0::/docker/" ID2 "\n")->name, "elsewhere");
	containers_close(c);
}

/* A process may call itself so, and a container's or a namespace's root is not this host's. */
static void whoever_calls_itself_a_daemon_is_not_believed(void **state)
{
	static const struct {
		const char *path, *text;
	} faults[] = {
		{"proc/77/status", "Name:\tdockerd\nUid:\t65534\t65534\t65534\t65534\n"},
		{"proc/77/status", "Name:\tdockerd\nUid:\t0\t1000\t0\t0\n"},
		{"proc/77/status", ""},
		{"proc/77/uid_map", "         0       1000          1\n"},
		{"proc/77/uid_map", "         0     100000      65536\n"},
		{"proc/77/uid_map", ""},
		{"proc/77/root", NULL},
	};

	(void)state;
	tree_file("proc/77/comm", "dockerd\n");
	tree_bytes("proc/77/cmdline", "dockerd\0--data-root\0/d2\0", 24);
	tree_file("d2/containers/" ID "/config.v2.json", "{\"Name\":\"/false\"}");
	for (size_t i = 0; i <= COUNT(faults); i++) {
		struct containers *c = host(v2_mounts);

		daemon_runs(77);
		if (i < COUNT(faults) && faults[i].text) {
			tree_file(faults[i].path, faults[i].text);
		} else if (i < COUNT(faults)) {
			tree_delete("proc/77/root");
			tree_file("proc/77/root/d2/containers/" ID "/config.v2.json",
				  "{\"Name\":\"/false\"}");
		}
		assert_string_equal(container_of(c, "0::/docker/" ID "\n")->name,
				    i < COUNT(faults) ? "" : "false");
		containers_close(c);
		tree_delete("proc/77/root");
	}
}

static void state_of_a_user_is_that_users_own(void **state)
{
	static const char path[] =
		"home/ann/.local/share/containers/storage/overlay-containers/containers.json";
	static const char text[] = "[{\"id\":\"" ID "\",\"names\":[\"pod1\"]}]";
	struct containers *c = host(v2_mounts);
	char passwd[128];

	(void)state;
	snprintf(passwd, sizeof(passwd), "ann:x:%u:1000:Ann:/home/ann:/bin/bash\n",
		 (unsigned int)getuid() + 1);
	tree_file("etc/passwd", passwd);
	tree_file(path, text);
	assert_string_equal(container_of(c, "0::/libpod-" ID "\n")->name, "");
	containers_close(c);
}

static void a_state_file_beyond_all_sense_is_not_parsed(void **state)
{
	struct containers *c = host(v2_mounts);
	char *text = malloc(STATE_BYTES_MAX + 64);
	size_t at = (size_t)sprintf(text, "{\"Name\":\"/big\",\"x\":[");

	(void)state;
	memset(text + at, ' ', STATE_BYTES_MAX);
	strcpy(text + STATE_BYTES_MAX, "]}");
	tree_file("var/lib/docker/containers/" ID "/config.v2.json", text);
	assert_string_equal(container_of(c, "0::/docker/" ID "\n")->name, "");
	free(text);
	containers_close(c);
}

/* Opening some devices changes something; a FIFO's writer would go on. */
static void what_is_no_file_is_not_opened(void **state)
{
	int root, writer;

	(void)state;
	tree_file("plain", "text");
	assert_int_equal(mkfifo(tree_path("fifo"), 0600), 0);
	assert_int_equal(symlink("plain", tree_path("link")), 0);
	root = file_open_root(tree_root);
	assert_int_equal(file_open_in(root, "fifo", 0), -EINVAL);
	writer = open(tree_path("fifo"), O_WRONLY | O_NONBLOCK);
	assert_int_equal(writer, -1);
	assert_int_equal(file_open_in(root, "link", O_NOFOLLOW), -ELOOP);
	assert_int_equal(file_open_in(root, ".", 0), -EINVAL);
	assert_int_equal(file_open_in(root, "plain", O_DIRECTORY), -EINVAL);
	close(file_open_in(root, "link", 0));
	close(root);
	root = file_open_root("/dev");
	assert_int_equal(file_open_in(root, "null", 0), -EINVAL);
	close(root);
}

static void docker_under_another_parent_is_still_docker(void **state)
{
	struct containers *c = host(v2_mounts);

	(void)state;
	tree_file("var/lib/docker/containers/" ID "/config.v2.json", "{\"Name\":\"/job\"}");
	assert_string_equal(container_of(c, "0::/actions_job/" ID "\n")->runtime, "docker");
	assert_string_equal(container_of(c, "0::/actions_job/" ID2 "\n")->runtime, "oci");
	containers_close(c);
}

static void podman_names_come_from_its_state(void **state)
{
	static const char two[] = "[{\"id\":\"" ID2 "\",\"names\":[\"other\"]},"
				  "{\"id\":\"" ID "\",\"names\":[\"pod1\",\"alias\"]}]";
	static const char *const files[] = {
		"var/lib/containers/storage/overlay-containers/containers.json",
		"var/lib/containers/storage/vfs-containers/containers.json",
		"var/lib/containers/storage/overlay-containers/volatile-containers.json",
		"run/containers/storage/overlay-containers/volatile-containers.json",
		"srv/graph/overlay-containers/containers.json",
		"home/ann/.local/share/containers/storage/overlay-containers/containers.json",
	};

	(void)state;
	char passwd[256];

	snprintf(passwd, sizeof(passwd),
		 "root:x:0:0:root:/root:/bin/sh\nbroken\n::\nann:x:%u:1000:Ann:/home/ann:/bin/"
		 "bash\n",
		 (unsigned int)getuid());
	tree_file("etc/passwd", passwd);
	tree_file("etc/containers/storage.conf", "[storage]\n# graphroot = \"/no\"\n"
						 "runroot =\n  graphroot = \"/srv/graph\"\n");
	for (size_t i = 0; i < COUNT(files); i++) {
		struct containers *c = host(v2_mounts);
		const struct container *found;

		tree_file(files[i], two);
		found = container_of(c, "0::/machine.slice/libpod-" ID ".scope/container\n");
		assert_string_equal(found->runtime, "podman");
		assert_string_equal(found->name, "pod1");
		tree_delete(files[i]);
		containers_close(c);
	}
}

static void podman_with_hidden_storage_is_named_by_conmon(void **state)
{
	struct containers *c = host(v2_mounts);
	char line[512];
	int len = snprintf(line, sizeof(line), "conmon%c-c%c%s%c-u%c%s%c-n%cpod2%c", 0, 0, ID, 0, 0,
			   ID, 0, 0, 0);

	(void)state;
	tree_file("proc/88/comm", "conmon\n");
	tree_bytes("proc/88/cmdline", line, (size_t)len);
	daemon_runs(88);
	assert_string_equal(container_of(c, "0::/libpod_parent/libpod-" ID "\n")->name, "pod2");
	assert_string_equal(container_of(c, "0::/libpod_parent/libpod-" ID2 "\n")->name, "");
	containers_close(c);
}

static void the_usable_hierarchy_with_the_container_is_chosen(void **state)
{
	struct containers *c = host(hybrid_mounts);
	const struct container *found;

	(void)state;
	found = container_of(c, "5:name=systemd:/docker/" ID "\n4:cpu,cpuacct:/docker/" ID
				"\n3:pids:/docker/" ID "\n0::/system.slice/containerd.service\n");
	assert_int_equal(found->hierarchy, CGROUP_PIDS);
	found = container_of(c, "5:name=systemd:/docker/" ID2 "\n4:cpu,cpuacct:/\n0::/\n");
	assert_int_equal(found->hierarchy, CGROUP_HIERARCHIES);
	found = container_of(c, "4:cpu,cpuacct:/docker/" ID2 "\n0::/\n");
	assert_int_equal(found->hierarchy, CGROUP_CPU);
	containers_close(c);
}

static void broken_state_leaves_the_name_unknown(void **state)
{
	static const char *const states[] = {
		"",
		"{",
		"[]",
		"null",
		"{\"Name\":7}",
		"{\"Name\":\"\"}",
		"{\"Name\":\"/\"}",
		"{\"Name\":\"/a\\u001b[31mred\"}",
		"{\"Name\":\"/../x y\"}",
		"{\"Name\":\"/\xff\xfe\"}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(states); i++) {
		struct containers *c = host(v2_mounts);
		const struct container *found;

		tree_file("var/lib/docker/containers/" ID "/config.v2.json", states[i]);
		tree_file("var/lib/containers/storage/overlay-containers/containers.json",
			  states[i]);
		tree_file("etc/docker/daemon.json", states[i]);
		found = container_of(c, "0::/docker/" ID "\n");
		assert_string_equal(found->runtime, "docker");
		assert_string_equal(found->name, "");
		assert_string_equal(container_of(c, "0::/libpod-" ID2 "\n")->name, "");
		containers_close(c);
	}
}

static void a_state_file_that_would_block_is_left_alone(void **state)
{
	struct containers *c = host(v2_mounts);

	(void)state;
	tree_folder("var/lib/docker/containers/" ID);
	assert_int_equal(mkfifo(tree_path("var/lib/docker/containers/" ID "/config.v2.json"), 0600),
			 0);
	assert_string_equal(container_of(c, "0::/docker/" ID "\n")->name, "");
	containers_close(c);
}

static void links_in_state_do_not_leave_the_root(void **state)
{
	struct containers *c = host(v2_mounts);

	(void)state;
	tree_folder("var/lib");
	tree_file("real/containers/" ID "/config.v2.json", "{\"Name\":\"/inside\"}");
	assert_int_equal(symlink("/real", tree_path("var/lib/docker")), 0);
	assert_string_equal(container_of(c, "0::/docker/" ID "\n")->name, "inside");
	containers_close(c);
}

static void a_name_that_comes_late_is_found_later(void **state)
{
	struct containers *c = host(v2_mounts);
	static const char path[] = "0::/docker/" ID "\n";

	(void)state;
	assert_string_equal(container_of(c, path)->name, "");
	tree_file("var/lib/docker/containers/" ID "/config.v2.json", "{\"Name\":\"/late\"}");
	assert_string_equal(container_of(c, path)->name, "late");
	containers_close(c);
}

static void a_hostile_cgroup_file_is_survived(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		":::\n",
		"0::\n",
		"0:/docker/" ID "\n",
		"no newline at the end /docker/" ID,
		"0::/docker/" ID,
		"9:pids\n",
		"x:y:z\n",
	};
	struct containers *c = host(v2_mounts);
	char *deep = malloc(200000);

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_null(container_of(c, texts[i]));
	assert_non_null(deep);
	memset(deep, 'd', 200000);
	memcpy(deep, "0::/", 4);
	for (int i = 5; i < 199998; i += 2)
		deep[i] = '/';
	strcpy(deep + 199998, "\n");
	assert_null(container_of(c, deep));
	free(deep);
	assert_non_null(container_of(c, "0::/docker/" ID " (deleted)\n"));
	containers_close(c);
}

static void a_process_that_is_gone_is_in_no_container(void **state)
{
	const struct container *found;
	struct containers *c = host(v2_mounts);

	(void)state;
	assert_int_equal(containers_of_pid(c, 4711, &found), -ESRCH);
	assert_null(found);
	containers_close(c);
}

static void all_running_containers_are_listed_by_name(void **state)
{
	struct containers *c = host(hybrid_mounts);
	const struct container **list;
	size_t count;

	(void)state;
	tree_file("sys/fs/cgroup/pids/docker/" ID "/cgroup.procs", "42\n");
	tree_file("sys/fs/cgroup/cpu,cpuacct/docker/" ID "/cgroup.procs", "42\n");
	tree_file("sys/fs/cgroup/unified/machine.slice/libpod-" ID2 ".scope/cgroup.procs", "");
	tree_file("sys/fs/cgroup/unified/machine.slice/libpod-" ID2 ".scope/container/cgroup.procs",
		  "7\n");
	tree_file("sys/fs/cgroup/pids/docker/" A16 A16 A16 "aaaaaaaaaaaaaaaa/cgroup.procs", "");
	tree_file("sys/fs/cgroup/unified/machine.slice/libpod-conmon-" ID2 ".scope/cgroup.procs",
		  "7\n");
	tree_file("var/lib/docker/containers/" ID "/config.v2.json", "{\"Name\":\"/web1\"}");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(containers_list(c, &list, &count), 0);
		assert_int_equal(count, 2);
		assert_string_equal(list[0]->name, "web1");
		assert_string_equal(list[0]->cgroup, "/docker/" ID);
		assert_int_equal(list[0]->hierarchy, CGROUP_PIDS);
		assert_string_equal(list[1]->runtime, "podman");
		assert_string_equal(list[1]->cgroup, "/machine.slice/libpod-" ID2 ".scope");
		assert_int_equal(list[1]->hierarchy, CGROUP_V2);
		free(list);
	}
	tree_file("sys/fs/cgroup/pids/docker/" ID "/cgroup.procs", "");
	assert_int_equal(containers_list(c, &list, &count), 0);
	assert_int_equal(count, 1);
	free(list);
	containers_close(c);
}

static void a_host_without_cgroups_has_no_containers(void **state)
{
	struct containers *c = host(
		"22 1 0:21 / /proc rw - proc proc rw\n\n- - -\n1 2 - cgroup2\n");
	const struct container **list;
	size_t count;

	(void)state;
	assert_int_equal(containers_list(c, &list, &count), 0);
	assert_int_equal(count, 0);
	free(list);
	containers_close(c);
	assert_int_equal(containers_open(&c, "/nonexistent/dbleak", NULL), -ENOENT);
	containers_close(NULL);
}

static void patterns_match_names_and_ids(void **state)
{
	static const struct {
		const char *pattern;
		enum container_match match;
	} cases[] = {
		{"web1", CONTAINER_IS},	      {"/web1", CONTAINER_IS},
		{ID, CONTAINER_IS},	      {"web", CONTAINER_BEGINS},
		{"0123", CONTAINER_BEGINS},   {"0123456789ab", CONTAINER_BEGINS},
		{"012", CONTAINER_DIFFERS},   {"0124", CONTAINER_DIFFERS},
		{"web11", CONTAINER_DIFFERS}, {"eb1", CONTAINER_DIFFERS},
		{"", CONTAINER_DIFFERS},      {"/", CONTAINER_DIFFERS},
		{ID "0", CONTAINER_DIFFERS},  {"WEB1", CONTAINER_DIFFERS},
	};
	struct container container = {.id = ID, .name = "web1"};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(containers_match(&container, cases[i].pattern), cases[i].match);
	container.name[0] = '\0';
	assert_int_equal(containers_match(&container, "web1"), CONTAINER_DIFFERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroup_paths_of_all_run_times_are_known),
		tree_test(docker_names_come_from_its_state),
		tree_test(docker_with_another_data_root_is_found),
		tree_test(whoever_calls_itself_a_daemon_is_not_believed),
		tree_test(state_of_a_user_is_that_users_own),
		tree_test(a_state_file_beyond_all_sense_is_not_parsed),
		tree_test(what_is_no_file_is_not_opened),
		tree_test(docker_under_another_parent_is_still_docker),
		tree_test(podman_names_come_from_its_state),
		tree_test(podman_with_hidden_storage_is_named_by_conmon),
		tree_test(the_usable_hierarchy_with_the_container_is_chosen),
		tree_test(broken_state_leaves_the_name_unknown),
		tree_test(a_state_file_that_would_block_is_left_alone),
		tree_test(links_in_state_do_not_leave_the_root),
		tree_test(a_name_that_comes_late_is_found_later),
		tree_test(a_hostile_cgroup_file_is_survived),
		tree_test(a_process_that_is_gone_is_in_no_container),
		tree_test(all_running_containers_are_listed_by_name),
		tree_test(a_host_without_cgroups_has_no_containers),
		cmocka_unit_test(patterns_match_names_and_ids),
	};

	return cmocka_run_group_tests_name("container", tests, states_begin, nursery_finish);
}
