/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A cgroup may have a quota and so may each one above it: the smallest counts. Both versions of cgroups are looked at,
 * since a system may mount both and have the cpu controller in either. Of the hierarchy only what is mounted here can
 * be seen: in a container that is often the cgroup itself and nothing above.
 */
#include "math/quota.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*line_fn)(void *arg, char *line);

static void each_line(const char *root, const char *name, line_fn fn, void *arg)
{
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s%s", root, name) >= (int)sizeof(path))
		return;
	file = fopen(path, "re");
	if (!file)
		return;
	while (getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		fn(arg, line);
	}
	free(line);
	fclose(file);
}

/* "cpu" in "cpuset,cpu,cpuacct". */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (!strncmp(list, word, length) && (!list[length] || list[length] == ','))
			return true;
	}
	return false;
}

/* One or two numbers at the start of a file; false if they are not there. "max" is no number. */
static bool read_numbers(const char *folder, const char *name, long long *one, long long *two)
{
	char path[PATH_MAX];
	bool read;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	read = fscanf(file, "%lld", one) == 1 && (!two || fscanf(file, "%lld", two) == 1);
	fclose(file);
	return read;
}

static unsigned int read_quota(const char *folder, bool v2)
{
	long long quota, period, processors;

	if (v2 ? !read_numbers(folder, "cpu.max", &quota, &period) :
		 !read_numbers(folder, "cpu.cfs_quota_us", &quota, NULL) ||
			 !read_numbers(folder, "cpu.cfs_period_us", &period, NULL))
		return QUOTA_NONE;
	/* -1 is none in the first version. */
	if (quota <= 0 || period <= 0)
		return QUOTA_NONE;
	processors = (quota - 1) / period + 1;
	return processors < QUOTA_NONE ? (unsigned int)processors : QUOTA_NONE;
}

struct search {
	const char *root;
	bool v2;
	/* The cgroup of this process, from the hierarchy's top. */
	const char *cgroup;
	unsigned int lowest;
};

/* @mount: where the hierarchy's cgroup @top is mounted. */
static void walk_up(struct search *search, const char *mount, const char *top)
{
	size_t length = strcmp(top, "/") ? strlen(top) : 0;
	char folder[PATH_MAX], *below;

	/* Another part of the hierarchy, none of whose quotas are ours. */
	if (strncmp(search->cgroup, top, length) || (search->cgroup[length] && search->cgroup[length] != '/'))
		return;
	if (snprintf(folder, sizeof(folder), "%s%s%s", search->root, mount, search->cgroup + length) >=
	    (int)sizeof(folder))
		return;
	below = folder + strlen(search->root) + strlen(mount);
	/* Outside of what this namespace sees. */
	if (!strncmp(below, "/..", 3))
		*below = '\0';
	for (;;) {
		unsigned int quota = read_quota(folder, search->v2);

		if (quota < search->lowest)
			search->lowest = quota;
		if (!*below)
			return;
		*strrchr(below, '/') = '\0';
	}
}

/* Of "\040" and the like, which stand for blanks in names. */
static void unescape(char *name)
{
	char *to = name;

	for (; *name; name++) {
		unsigned int code;

		if (*name == '\\' && sscanf(name + 1, "%3o", &code) == 1) {
			*to++ = (char)code;
			name += 3;
		} else {
			*to++ = *name;
		}
	}
	*to = '\0';
}

static void look_at_mount(void *arg, char *line)
{
	struct search *search = arg;
	char *top = NULL, *mount = NULL, *type = NULL, *options = NULL;
	const char *rest = strstr(line, " - ");

	if (rest && sscanf(line, "%*s %*s %*s %ms %ms", &top, &mount) == 2 &&
	    sscanf(rest, " - %ms %*s %ms", &type, &options) == 2 && !strcmp(type, search->v2 ? "cgroup2" : "cgroup") &&
	    (search->v2 || has_word(options, "cpu"))) {
		unescape(top);
		unescape(mount);
		walk_up(search, mount, top);
	}
	free(top);
	free(mount);
	free(type);
	free(options);
}

/* "ID:CONTROLLERS:CGROUP"; the second version has no controllers here. */
static void look_at_cgroup(void *arg, char *line)
{
	struct search *search = arg;
	char *controllers = strchr(line, ':'), *cgroup = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!cgroup)
		return;
	*controllers++ = '\0';
	*cgroup++ = '\0';
	search->v2 = !*controllers;
	search->cgroup = cgroup;
	if (search->v2 || has_word(controllers, "cpu"))
		each_line(search->root, "/proc/self/mountinfo", look_at_mount, search);
}

unsigned int quota_processors(const char *root)
{
	struct search search = { .root = root, .lowest = QUOTA_NONE };

	each_line(root, "/proc/self/cgroup", look_at_cgroup, &search);
	return search.lowest;
}
