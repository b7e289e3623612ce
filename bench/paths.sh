# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=sh
#
# bench/paths in the VM of bench/vm. Pages of the reserve are zero when a pool gets them, so no path has to zero any.

mount -t ext4 -o ro,noatime /dev/nvme0n1 /mnt
insmod /pinpool.ko reserve_mb=576
paths /mnt/model.safetensors
