# SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
# shellcheck shell=sh
#
# bench/map in the VM of bench/vm, with huge pages for a file of 1 GiB and one of 2 MiB.

echo 513 >/proc/sys/vm/nr_hugepages
mount -t hugetlbfs -o pagesize=2M none /mnt
insmod /pinpool.ko
map /mnt
