/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Disks; see device.h. */
#include "load/device.h"
#include "base/sysfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Attributes that tell one disk from all others in the world, and those that do where none of these is. */
static const char *const unique[] = {"wwid", "device/wwid", "dm/uuid", "md/uuid"};
static const char *const others[] = {"size", "device/model", "device/serial", "serial", "loop/backing_file"};

/* Attribute @name of the disk at @folder, printable and without blanks around. False if it has none. */
static bool attribute(const char *folder, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	size_t begin, length;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
	    sysfile_read(path, text, size) < 0)
		return false;
	for (char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	begin = strspn(text, " ");
	length = strlen(text + begin);
	memmove(text, text + begin, length + 1);
	while (length && text[length - 1] == ' ')
		text[--length] = '\0';
	return length;
}

static void add(struct device *device, const char *name, const char *text)
{
	size_t used = strlen(device->key);

	snprintf(device->key + used, sizeof(device->key) - used, "%s%s %s", used ? ", " : "", name, text);
}

int device_find(struct device *device, const char *sysfs, dev_t dev)
{
	char path[PATH_MAX], folder[PATH_MAX], text[256];
	uint64_t polls;

	*device = (struct device){0};
	snprintf(path, sizeof(path), "%s/dev/block/%u:%u", sysfs, major(dev), minor(dev));
	if (!realpath(path, folder))
		return -ENODEV;
	snprintf(path, sizeof(path), "%.*s/partition", PATH_MAX - 16, folder);
	if (!access(path, F_OK))
		*strrchr(folder, '/') = '\0';
	for (size_t i = 0; i < sizeof(unique) / sizeof(unique[0]) && !*device->key; i++)
		if (attribute(folder, unique[i], text, sizeof(text)))
			add(device, unique[i], text);
	if (!*device->key) {
		add(device, "name", strrchr(folder, '/') + 1);
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			if (attribute(folder, others[i], text, sizeof(text)))
				add(device, others[i], text);
	}
	snprintf(path, sizeof(path), "%.*s/queue/io_poll", PATH_MAX - 16, folder);
	device->polls = !sysfile_read_u64(path, &polls) && polls;
	return 0;
}
