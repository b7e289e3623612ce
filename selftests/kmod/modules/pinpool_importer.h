/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * /dev/pinpool_importer: what a test does with a dma-buf in the place of a device or of another part of the kernel. One
 * open file imports one dma-buf, by one of the ioctls, until it is closed. Then pread() and pwrite() go to its bytes,
 * in the way that the ioctl says, and mmap() maps it in the place of this file.
 */
#ifndef PINPOOL_IMPORTER_H
#define PINPOOL_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum importer_direction {
	IMPORTER_BIDIRECTIONAL,
	IMPORTER_TO_DEVICE,
	IMPORTER_FROM_DEVICE,
};

/**
 * struct importer_map - IMPORTER_MAP: attach, and map for a device
 * @fd: the dma-buf
 * @direction: enum importer_direction
 * @max_segment: bytes that the device takes in one piece, 0 for 4 GiB - 1
 * @out_pieces: entries of the scatter list
 * @out_largest: bytes of the largest
 */
struct importer_map {
	__s32 fd;
	__u32 direction;
	__u32 max_segment;
	__u32 out_pieces;
	__u32 out_largest;
};

#define IMPORTER_MAP   _IOWR('P', 1, struct importer_map)
/* By value: the dma-buf, mapped into the kernel. pwrite() where that is read-only is EROFS, and nothing happens. */
#define IMPORTER_VMAP  _IO('P', 2)
/* By value: the dma-buf, for mmap() only. */
#define IMPORTER_HOLD  _IO('P', 3)

#endif
