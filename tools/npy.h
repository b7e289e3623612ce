/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* NumPy's .npy files, versions 1 to 3: little-endian f32 in C order, one or two dimensions. */
#ifndef PINPOOL_TOOLS_NPY_H
#define PINPOOL_TOOLS_NPY_H

#include <pinpool/common.h>

/* One dimension reads as one row. */
struct npy {
	uint64_t rows;
	uint64_t columns;
	float *data; /* freed by the caller */
};

/* Returns 0 or -errno with @diag filled: -EBADMSG for a file that is not exactly such an array. */
int npy_read(const char *path, struct npy *npy, struct pinpool_diag *diag);

/* Writes version 1.0. A regular file that could not be written whole is removed. Returns 0 or -errno. */
int npy_write(const char *path, const struct npy *npy, struct pinpool_diag *diag);

#endif
