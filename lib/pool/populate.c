/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Getting pages before they are touched; see populate.h. */
#include "pool/populate.h"

#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/diag.h"

static int populate(const void *addr, size_t bytes, int advice)
{
	uintptr_t begin = (uintptr_t)addr, page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = begin / page * page;
	int err;

	do {
		err = madvise((void *)start, begin + bytes - start, advice) ? -errno : 0;
	} while (err == -EINTR || err == -EAGAIN);
	/* A kernel before 5.14 cannot say; then a touch does. */
	if (!err || err == -EINVAL)
		return 0;
	return -ENOMEM;
}

int populate_read(const void *addr, size_t bytes)
{
	return populate(addr, bytes, MADV_POPULATE_READ);
}

int populate_write(void *addr, size_t bytes)
{
	return populate(addr, bytes, MADV_POPULATE_WRITE);
}

int populate_failed(const char *name, struct pinpool_diag *diag)
{
	return diag_set(diag, -ENOMEM, name,
			"make room: remove a pool, grow the reserve, or raise the limit that pinpool stat shows",
			"a pool on demand, and there was no page left for it");
}
