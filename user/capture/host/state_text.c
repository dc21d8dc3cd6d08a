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
	json = json_loadb(bytes, n, 0, NULL);
	if (question == STATE_DOCKER_NAME)
		text = json_string_value(json_object_get(json, "Name"));
	else if (question == STATE_DOCKER_ROOT)
		text = docker_root(json);
	else if (question == STATE_PODMAN_NAME)
		text = podman_name_of(json, id);
	used = add_text(out, 0, size, text);
	json_decref(json);
	return used;
}
