/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * .npy; see npy.h. A file is "\x93NUMPY", a version, the length of the header, the header (a Python dictionary with
 * exactly the keys descr, fortran_order and shape, padded with blanks to a newline) and the elements. Anything else is
 * refused: a file that is longer or shorter than its shape was not written whole, or is not what the user means.
 */
#include "npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are read as they lie in the file");

enum {
	MAGIC_BYTES = 8, /* with the version */
	MAX_HEADER = 65536,
	ALIGNMENT = 64,
};

static int fail(struct pinpool_diag *diag, int err, const char *path, const char *change, const char *cause)
{
	snprintf(diag->object, sizeof(diag->object), "%s", path);
	snprintf(diag->cause, sizeof(diag->cause), "%s", cause);
	snprintf(diag->change, sizeof(diag->change), "%s", change);
	return err;
}

static int read_all(int fd, void *to, size_t bytes)
{
	ssize_t n;

	for (; bytes; bytes -= n, to = (char *)to + n) {
		n = read(fd, to, bytes);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return n ? -errno : -ENODATA;
	}
	return 0;
}

static int write_all(int fd, const void *from, size_t bytes)
{
	ssize_t n;

	for (; bytes; bytes -= n, from = (const char *)from + n) {
		n = write(fd, from, bytes);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return -errno;
	}
	return 0;
}

static void skip_blanks(const char **p)
{
	while (**p == ' ')
		++*p;
}

static bool take(const char **p, const char *word)
{
	skip_blanks(p);
	if (strncmp(*p, word, strlen(word)))
		return false;
	*p += strlen(word);
	return true;
}

/* 'word' or "word". */
static bool take_string(const char **p, char *to, size_t size)
{
	char quote;
	size_t n;

	skip_blanks(p);
	quote = **p;
	if (quote != '\'' && quote != '"')
		return false;
	n = strcspn(++*p, quote == '"' ? "\"\\" : "'\\");
	if ((*p)[n] != quote || n >= size)
		return false;
	memcpy(to, *p, n);
	to[n] = '\0';
	*p += n + 1;
	return true;
}

static bool take_number(const char **p, uint64_t *to)
{
	uint64_t value = 0;
	const char *start;

	skip_blanks(p);
	for (start = *p; **p >= '0' && **p <= '9'; ++*p)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**p - '0'), &value))
			return false;
	*to = value;
	return *p != start;
}

/* (3,) or (3, 4); *@ndim is left 0 for another number of dimensions. */
static bool take_shape(const char **p, struct npy *npy, unsigned int *ndim)
{
	uint64_t extents[2];
	unsigned int n = 0;
	uint64_t extent;

	if (!take(p, "("))
		return false;
	while (!take(p, ")")) {
		if (!take_number(p, &extent))
			return false;
		if (n < 2)
			extents[n] = extent;
		n++;
		if (!take(p, ",")) {
			if (n == 1 || !take(p, ")"))
				return false;
			break;
		}
	}
	if (n == 1 || n == 2) {
		*ndim = n;
		npy->rows = n == 1 ? 1 : extents[0];
		npy->columns = extents[n - 1];
	}
	return true;
}

/* Returns what is wrong with the header, NULL for nothing. */
static const char *parse_header(const char *p, struct npy *npy)
{
	bool have_descr = false, have_order = false, have_shape = false, fortran = false;
	char key[16], descr[16] = "";
	unsigned int ndim = 0;
	bool ok = take(&p, "{");

	while (ok && !take(&p, "}")) {
		ok = take_string(&p, key, sizeof(key)) && take(&p, ":");
		if (ok && !strcmp(key, "descr") && !have_descr) {
			have_descr = true;
			ok = take_string(&p, descr, sizeof(descr));
		} else if (ok && !strcmp(key, "fortran_order") && !have_order) {
			have_order = true;
			fortran = take(&p, "True");
			ok = fortran || take(&p, "False");
		} else if (ok && !strcmp(key, "shape") && !have_shape) {
			have_shape = true;
			ok = take_shape(&p, npy, &ndim);
		} else {
			ok = false;
		}
		if (ok && !take(&p, ",")) {
			ok = take(&p, "}");
			break;
		}
	}
	skip_blanks(&p);
	if (!ok || strcmp(p, "\n") || !have_descr || !have_order || !have_shape)
		return "the header is not that of a .npy array of numbers";
	if (strcmp(descr, "<f4"))
		return "its elements are not little-endian f32";
	if (fortran)
		return "it is in Fortran order";
	if (!ndim)
		return "it has neither one nor two dimensions";
	if (!npy->rows || !npy->columns)
		return "it has no elements";
	return NULL;
}

/* Leaves the file behind its header and gives the bytes of both. */
static int read_header(int fd, const char *path, struct npy *npy, uint64_t *header_bytes, struct pinpool_diag *diag)
{
	static const char advice[] = "numpy.save() of a C-ordered float32 array makes one";
	unsigned char start[MAGIC_BYTES + 4];
	uint32_t length, length_bytes;
	const char *wrong;
	char *header;
	int err;

	err = read_all(fd, start, MAGIC_BYTES);
	if (err && err != -ENODATA)
		return fail(diag, err, path, "", strerror(-err));
	if (err || memcmp(start, "\x93NUMPY", 6))
		return fail(diag, -EBADMSG, path, advice, "not a .npy file");
	if (start[6] < 1 || start[6] > 3 || start[7])
		return fail(diag, -EBADMSG, path, advice, "a version of .npy other than 1.0, 2.0 and 3.0");
	length_bytes = start[6] == 1 ? 2 : 4;
	start[MAGIC_BYTES + 2] = start[MAGIC_BYTES + 3] = 0;
	if (read_all(fd, start + MAGIC_BYTES, length_bytes))
		return fail(diag, -EBADMSG, path, advice, "ends inside its header");
	length = start[8] | start[9] << 8 | start[10] << 16 | (uint32_t)start[11] << 24;
	if (length > MAX_HEADER)
		return fail(diag, -EBADMSG, path, advice, "its header is longer than 64 KiB");
	header = malloc(length + 1);
	if (!header)
		return fail(diag, -ENOMEM, path, "", strerror(ENOMEM));
	err = read_all(fd, header, length);
	header[length] = '\0';
	wrong = err ? "ends inside its header" : parse_header(header, npy);
	free(header);
	if (wrong)
		return fail(diag, -EBADMSG, path, advice, wrong);
	*header_bytes = MAGIC_BYTES + length_bytes + length;
	return 0;
}

static int read_data(int fd, const char *path, struct npy *npy, struct pinpool_diag *diag)
{
	uint64_t bytes, header_bytes;
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return fail(diag, -errno, path, "", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(diag, -EINVAL, path, "", S_ISDIR(st.st_mode) ? "is a directory" : "not a regular file");
	err = read_header(fd, path, npy, &header_bytes, diag);
	if (err)
		return err;
	if (__builtin_mul_overflow(npy->rows, npy->columns, &bytes) ||
	    __builtin_mul_overflow(bytes, sizeof(float), &bytes) || (uint64_t)st.st_size < header_bytes ||
	    (uint64_t)st.st_size - header_bytes != bytes)
		return fail(diag, -EBADMSG, path, "was it written whole?", "its length is not that of its shape");
	npy->data = malloc(bytes);
	if (!npy->data)
		return fail(diag, -ENOMEM, path, "", strerror(ENOMEM));
	err = read_all(fd, npy->data, bytes);
	if (err) {
		free(npy->data);
		npy->data = NULL;
		return fail(diag, err, path, "", err == -ENODATA ? "it shrank meanwhile" : strerror(-err));
	}
	return 0;
}

int npy_read(const char *path, struct npy *npy, struct pinpool_diag *diag)
{
	int fd, err;

	*npy = (struct npy){0};
	/* A FIFO must not keep us waiting before it is refused. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(diag, -errno, path, "", strerror(errno));
	err = read_data(fd, path, npy, diag);
	close(fd);
	return err;
}

int npy_write(const char *path, const struct npy *npy, struct pinpool_diag *diag)
{
	char header[2 * ALIGNMENT + MAGIC_BYTES];
	unsigned int length, padded;
	struct stat st;
	int fd, err;

	memcpy(header, "\x93NUMPY\x01\x00", MAGIC_BYTES);
	length = MAGIC_BYTES + 2;
	length += sprintf(header + length, "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %llu), }",
			  (unsigned long long)npy->rows, (unsigned long long)npy->columns);
	padded = (length + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
	memset(header + length, ' ', padded - length);
	header[padded - 1] = '\n';
	header[MAGIC_BYTES] = (padded - MAGIC_BYTES - 2) & 0xff;
	header[MAGIC_BYTES + 1] = (padded - MAGIC_BYTES - 2) >> 8;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail(diag, -errno, path, "", strerror(errno));
	err = write_all(fd, header, padded);
	if (!err)
		err = write_all(fd, npy->data, npy->rows * npy->columns * sizeof(float));
	if (err && !fstat(fd, &st) && S_ISREG(st.st_mode))
		unlink(path);
	if (close(fd) && !err)
		err = -errno;
	return err ? fail(diag, err, path, "", strerror(-err)) : 0;
}
