/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * state_text.c - see state_text.h.
 */
#include "user/capture/host/state_text.h"

#include <jansson.h>
#include <string.h>

/* Adds a text and its NUL behind the `used` bytes.  Returns the bytes used then. */
static size_t add_text(char *out, size_t used, size_t size, const char *text)
{
	size_t n = text ? strlen(text) + 1 : 0;

	if (n > size - used)
		return used;
	if (n)
		memcpy(out + used, text, n);
	return used + n;
}

static const char *docker_root(const json_t *settings)
{
	const char *root = json_string_value(json_object_get(settings, "data-root"));

	return root ? root : json_string_value(json_object_get(settings, "graph"));
}

static const char *podman_name_of(const json_t *state, const char *want)
{
	const json_t *item;
	size_t i;

	json_array_foreach(state, i, item)
	{
		const char *id = json_string_value(json_object_get(item, "id"));

		if (id && !strcmp(id, want))
			return json_string_value(json_array_get(json_object_get(item, "names"), 0));
	}
	return NULL;
}

/* The keys of the annotations that answer, one for each text. */
static const char *const cri_keys[SPEC_TEXTS] = {
	[SPEC_TYPE] = "io.kubernetes.cri.container-type",
	[SPEC_NAME] = "io.kubernetes.cri.container-name",
	[SPEC_POD] = "io.kubernetes.cri.sandbox-name",
	[SPEC_POD_NAMESPACE] = "io.kubernetes.cri.sandbox-namespace",
	[SPEC_IMAGE] = "io.kubernetes.cri.image-name",
	[SPEC_NERDCTL_NAME] = "nerdctl/name",
};

static const char *const crio_keys[SPEC_TEXTS] = {
	[SPEC_TYPE] = "io.kubernetes.cri-o.ContainerType",
	[SPEC_NAME] = "io.kubernetes.container.name",
	[SPEC_POD] = "io.kubernetes.pod.name",
	[SPEC_POD_NAMESPACE] = "io.kubernetes.pod.namespace",
	[SPEC_IMAGE] = "io.kubernetes.cri-o.ImageName",
};

/* A spec without annotations is one still: a container of plain ctr. */
static size_t spec_texts(const json_t *spec, const char *const keys[SPEC_TEXTS], char *out,
			 size_t size)
{
	const json_t *annotations = json_object_get(spec, "annotations");
	size_t used = 0;

	if (!json_is_object(json_object_get(spec, "process")))
		return 0;
	for (size_t i = 0; i < SPEC_TEXTS; i++) {
		const char *text =
			keys[i] ? json_string_value(json_object_get(annotations, keys[i])) : NULL;

		used = add_text(out, used, size, text ? text : "");
	}
	return used;
}

/* state = "/path" before the first table of config.toml. */
static size_t containerd_root(char *text, char *out, size_t size)
{
	char *save, *line, *path, *end;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (*line == '[')
			return 0;
		path = strncmp(line, "state", 5) ? NULL : line + 5 + strspn(line + 5, " \t");
		if (!path || *path != '=')
			continue;
		path = strpbrk(path, "\"'");
		end = path ? strchr(path + 1, *path) : NULL;
		if (!end)
			continue;
		*end = '\0';
		return add_text(out, 0, size, path + 1);
	}
	return 0;
}

/* graphroot = "/path" and runroot in storage.conf, which is TOML but flat where it matters. */
static size_t podman_roots(char *text, char *out, size_t size)
{
	char *save, *line, *path, *end;
	size_t used = 0;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (strncmp(line, "graphroot", 9) && strncmp(line, "runroot", 7))
			continue;
		path = strchr(line, '"');
		end = path ? strchr(path + 1, '"') : NULL;
		if (!end)
			continue;
		*end = '\0';
		used = add_text(out, used, size, path + 1);
	}
	return used;
}

size_t state_text(enum state_question question, const char *id, char *bytes, size_t n, char *out,
		  size_t size)
{
	const char *text = NULL;
	json_t *json;
	size_t used;

	if (question == STATE_PODMAN_ROOTS)
		return podman_roots(bytes, out, size);
	if (question == STATE_CONTAINERD_ROOT)
		return containerd_root(bytes, out, size);
	if (question == STATE_NERDCTL_ID) {
		bytes[strcspn(bytes, " \t\n")] = '\0';
		return add_text(out, 0, size, bytes);
	}
	json = json_loadb(bytes, n, 0, NULL);
	if (question == STATE_DOCKER_NAME)
		text = json_string_value(json_object_get(json, "Name"));
	else if (question == STATE_DOCKER_ROOT)
		text = docker_root(json);
	else if (question == STATE_PODMAN_NAME)
		text = podman_name_of(json, id);
	if (question == STATE_CRI_SPEC || question == STATE_CRIO_SPEC)
		used = spec_texts(json, question == STATE_CRI_SPEC ? cri_keys : crio_keys, out,
				  size);
	else
		used = add_text(out, 0, size, text);
	if (question == STATE_DOCKER_NAME && used)
		used = add_text(out, used, size,
				json_string_value(
					json_object_get(json_object_get(json, "Config"), "Image")));
	json_decref(json);
	return used;
}
