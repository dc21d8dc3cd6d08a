/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * container_spec.c - the names of containers and of their pods, from the specs that containerd and
 * CRI-O write for the run time below them.
 *
 * Annotations of a spec hold the names of Kubernetes and of nerdctl.  Plain ctr has no other name
 * than the id.  Only files of root are believed.
 */
#include "user/capture/host/container.h"

#include "user/capture/host/container_state.h"
#include "user/system/clock.h"

#define TASKS_FOLDER "io.containerd.runtime.v2.task"
#define TASKS_MS     1000  /* between two looks for namespaces */
#define DAEMONS_MS   10000 /* between two looks for daemons with folders of their own */
#define NERDCTL_DATA "/var/lib/nerdctl"
#define NAMES_MOST   1024 /* to look at when a container was renamed */

/* --- where containerd keeps its tasks ---------------------------------------------------- */

/* As packages, k3s, k0s, MicroK8s and Docker start containerd. */
static const char *const containerd_folders[] = {
	"/run/containerd",
	"/run/k3s/containerd",
	"/run/k0s/containerd",
	"/var/snap/microk8s/common/run/containerd",
	"/run/docker/containerd/daemon",
};

static void add_tasks(struct containers *c, const char *folder)
{
	struct containerd_tasks *t = &c->tasks[c->tasks_count];
	char names[STATE_ANSWER_MAX];
	ssize_t n;

	for (size_t i = 0; i < c->tasks_count; i++)
		if (!strncmp(c->tasks[i].path, folder, strlen(folder)) &&
		    !strcmp(c->tasks[i].path + strlen(folder), "/" TASKS_FOLDER))
			return;
	if (c->tasks_count == TASKS_MAX ||
	    snprintf(t->path, sizeof(t->path), "%s/" TASKS_FOLDER, folder) >= (int)sizeof(t->path))
		return;
	n = state_reader_list(c->states, c->root, t->path, c->owner, "", ENTRIES_MAX, names);
	t->size = 0;
	for (ssize_t at = 0, len; at < n; at += len) {
		len = (ssize_t)strlen(names + at) + 1;
		if (!container_name_is_sane(names + at) ||
		    (size_t)len > sizeof(t->namespaces) - t->size)
			continue;
		memcpy(t->namespaces + t->size, names + at, (size_t)len);
		t->size += (size_t)len;
	}
	c->tasks_count += t->size > 0;
}

static void find_tasks(struct containers *c)
{
	c->tasks_until_ms = clock_monotonic_ms() + TASKS_MS;
	c->tasks_count = 0;
	for (size_t i = 0; i < COUNT(containerd_folders); i++)
		add_tasks(c, containerd_folders[i]);
	for (size_t i = 0; i < c->daemon_count; i++)
		add_tasks(c, c->daemons[i]);
}

/* Keeps the state folder that a daemon's arguments or its settings name, and looks on. */
static bool add_daemon(void *context, uint32_t pid)
{
	static const char *const state_keys[] = {"--state", NULL};
	static const char *const file_keys[] = {"--config", "-c", NULL};
	struct containers *c = context;
	char cmdline[CMDLINE_MAX], answer[STATE_ANSWER_MAX];
	ssize_t len = procfs_read(c->procfs, pid, "cmdline", cmdline, sizeof(cmdline));
	const char *state = len <= 0 ? NULL : container_option(cmdline, (size_t)len, state_keys);
	const char *file = len <= 0 ? NULL : container_option(cmdline, (size_t)len, file_keys);

	if (!state &&
	    state_reader_ask(c->states, c->root, file ? file : "/etc/containerd/config.toml",
			     c->owner, STATE_CONTAINERD_ROOT, "", answer) > 0)
		state = answer;
	if (state && c->daemon_count < TASKS_MAX && container_path_is_sane(state) &&
	    strlen(state) < TASKS_PATH_MAX)
		strcpy(c->daemons[c->daemon_count++], state);
	return false;
}

/* Whether daemons were looked for now: a search of all processes takes a while. */
static bool find_daemons(struct containers *c)
{
	uint64_t now = clock_monotonic_ms();

	if (now < c->daemons_until_ms)
		return false;
	c->daemons_until_ms = now + DAEMONS_MS;
	c->daemon_count = 0;
	container_in_processes(c, "containerd", add_daemon, c);
	find_tasks(c);
	return true;
}

static bool has_namespace(const struct containers *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->tasks_count; i++) {
		const struct containerd_tasks *t = &c->tasks[i];

		for (size_t at = 0; at < t->size; at += strlen(t->namespaces + at) + 1)
			if (strlen(t->namespaces + at) == len &&
			    !memcmp(t->namespaces + at, name, len))
				return true;
	}
	return false;
}

bool containerd_has_namespace(struct containers *c, const char *name, int len)
{
	if (clock_monotonic_ms() >= c->tasks_until_ms)
		find_tasks(c);
	return has_namespace(c, name, (size_t)len) ||
	       (find_daemons(c) && has_namespace(c, name, (size_t)len));
}

/* --- what a spec says -------------------------------------------------------------------- */

static bool spec_text_fits(enum state_spec which, const char *text, size_t size)
{
	return !*text || which == SPEC_IMAGE ||
	       (container_name_is_sane(text) && strlen(text) < size);
}

/* Asks for the texts of a spec, which end up in `answer`.  False: it is none, or says what no run
 * time allows. */
static bool spec_read(struct name_search *s, const char *folder, const char *file,
		      enum state_question question, char answer[STATE_ANSWER_MAX],
		      const char *texts[SPEC_TEXTS])
{
	static const size_t sizes[SPEC_TEXTS] = {
		[SPEC_TYPE] = sizeof("container"),
		[SPEC_NAME] = sizeof(s->found->name),
		[SPEC_POD] = sizeof(s->found->pod),
		[SPEC_POD_NAMESPACE] = sizeof(s->found->pod_namespace),
		[SPEC_IMAGE] = sizeof(s->found->image),
		[SPEC_NERDCTL_NAME] = sizeof(s->found->name),
	};
	char path[PATH_MAX];
	ssize_t left, n;

	if (snprintf(path, sizeof(path), "%s/%s/%s", folder, s->id, file) >= (int)sizeof(path))
		return false;
	left = state_reader_ask(s->c->states, s->c->root, path, s->owner, question, s->id, answer);
	for (size_t i = 0; i < SPEC_TEXTS; i++, answer += n, left -= n) {
		n = left > 0 ? (ssize_t)strlen(answer) + 1 : 0;
		if (!n || !spec_text_fits(i, answer, sizes[i]))
			return false;
		texts[i] = answer;
	}
	return !left;
}

/* Of Kubernetes, every text must be there: half a name would lead to another pod. */
static bool keep_pod(struct name_search *s, const char *const texts[SPEC_TEXTS])
{
	bool sandbox = !strcmp(texts[SPEC_TYPE], "sandbox");

	if ((!sandbox && strcmp(texts[SPEC_TYPE], "container") != 0) || !*texts[SPEC_POD] ||
	    !*texts[SPEC_POD_NAMESPACE] || (!sandbox && !*texts[SPEC_NAME]))
		return false;
	if (!sandbox)
		container_keep_image(s, texts[SPEC_IMAGE]);
	s->found->sandbox = sandbox;
	strcpy(s->found->name, sandbox ? "" : texts[SPEC_NAME]);
	strcpy(s->found->pod, texts[SPEC_POD]);
	strcpy(s->found->pod_namespace, texts[SPEC_POD_NAMESPACE]);
	return true;
}

/* --- nerdctl ----------------------------------------------------------------------------- */

typedef bool (*each_name)(struct name_search *s, const char *folder, const char *name,
			  const char *context);

static bool nerdctl_each(struct name_search *s, const char *folder, each_name look,
			 const char *context)
{
	char names[STATE_ANSWER_MAX], *at = names;
	ssize_t left = state_reader_list(s->c->states, s->c->root, folder, s->owner, "", NAMES_MOST,
					 names);
	bool found = false;

	for (ssize_t n; left > 0 && !found; left -= n, at += n) {
		n = (ssize_t)strlen(at) + 1;
		found = container_name_is_sane(at) && look(s, folder, at, context);
	}
	return found;
}

/* A name belongs to the container whose id its file holds. */
static bool nerdctl_holds(struct name_search *s, const char *folder, const char *name,
			  const char *context)
{
	char path[PATH_MAX], id[STATE_ANSWER_MAX];

	(void)context;
	return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) &&
	       state_reader_ask(s->c->states, s->c->root, path, s->owner, STATE_NERDCTL_ID, s->id,
				id) > 0 &&
	       !strcmp(id, s->id) && container_keep_name(s, name);
}

/* The folder of one containerd, by the hash of its socket's path. */
static bool nerdctl_in(struct name_search *s, const char *folder, const char *hash,
		       const char *namespace)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s/names/%s", folder, hash, namespace) >=
	    (int)sizeof(path))
		return false;
	return nerdctl_holds(s, path, s->found->name, NULL) ||
	       nerdctl_each(s, path, nerdctl_holds, NULL);
}

/* The spec keeps the first name; `nerdctl rename` changes only the files of names. */
static void nerdctl_renamed(struct name_search *s, const char *namespace)
{
	nerdctl_each(s, NERDCTL_DATA, nerdctl_in, namespace);
}

/* --- the run times ----------------------------------------------------------------------- */

static bool containerd_spec(struct name_search *s, const char *tasks, const char *namespace)
{
	char folder[PATH_MAX], answer[STATE_ANSWER_MAX];
	const char *texts[SPEC_TEXTS];

	/* Docker gives its containers no name there. */
	if (!strcmp(namespace, "moby"))
		return false;
	if (s->entry->plain && (strncmp(s->entry->key, namespace, strlen(namespace)) != 0 ||
				s->entry->key[strlen(namespace)] != '/'))
		return false;
	if (snprintf(folder, sizeof(folder), "%s/%s", tasks, namespace) >= (int)sizeof(folder) ||
	    !spec_read(s, folder, "config.json", STATE_CRI_SPEC, answer, texts))
		return false;
	if (*texts[SPEC_TYPE])
		return keep_pod(s, texts);
	if (s->entry->plain)
		return container_keep_name(s, s->id);
	if (container_keep_name(s, texts[SPEC_NERDCTL_NAME]))
		nerdctl_renamed(s, namespace);
	return true;
}

static bool containerd_in_tasks(struct name_search *s)
{
	bool found = false;

	for (size_t i = 0; i < s->c->tasks_count && !found; i++) {
		const struct containerd_tasks *t = &s->c->tasks[i];

		for (size_t at = 0; at < t->size && !found; at += strlen(t->namespaces + at) + 1)
			found = containerd_spec(s, t->path, t->namespaces + at);
	}
	return found;
}

bool containerd_name(struct name_search *s)
{
	struct containers *c = s->c;

	s->owner = c->owner;
	if (clock_monotonic_ms() >= c->tasks_until_ms)
		find_tasks(c);
	return containerd_in_tasks(s) || (find_daemons(c) && containerd_in_tasks(s));
}

static bool crio_driver(struct name_search *s, int root, const char *folder)
{
	char answer[STATE_ANSWER_MAX];
	const char *texts[SPEC_TEXTS];

	(void)root;
	return spec_read(s, folder, "userdata/config.json", STATE_CRIO_SPEC, answer, texts) &&
	       keep_pod(s, texts);
}

bool crio_name(struct name_search *s)
{
	s->owner = s->c->owner;
	return container_in_storages(s, crio_driver);
}
