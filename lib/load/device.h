/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The disk that a file lies on, as the kernel describes it: known again after a restart, whatever its number is then.
 */
#ifndef PINPOOL_LOAD_DEVICE_H
#define PINPOOL_LOAD_DEVICE_H

#include <stdbool.h>
#include <sys/types.h>

#define DEVICE_SYSFS "/sys"

/**
 * struct device - a disk
 * @key: its worldwide identifier if it has one, else its name, size, model and serial number; ASCII
 * @polls: it has queues whose completions are looked for (IORING_SETUP_IOPOLL)
 */
struct device {
	char key[512];
	bool polls;
};

/*
 * The disk of device number @dev, that of a partition being its disk's, by what lies below @sysfs. Returns 0, or
 * -ENODEV: no disk has this number, as with file systems in memory, on the network or on several disks.
 */
int device_find(struct device *device, const char *sysfs, dev_t dev);

#endif
