/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * .npy, one array: "\x93NUMPY", a version of two bytes, the length of the header (two bytes in version 1, four in 2 and
 * 3), the header, the elements. The header is a dictionary as Python writes it. What must hold:
 *
 *  - it has exactly the keys descr, fortran_order and shape, each once, ends with a newline, and is at most 64 KiB;
 *  - descr is a type of numbers that catalogs know, little-endian;
 *  - the elements are in C order, which is any order for one dimension;
 *  - the file ends with them.
 *
 * The tensor is called as the file without .npy.
 */
#include "base/diag.h"
#include "format/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pinpool/catalog.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC	    "\x93NUMPY"
#define MAGIC_BYTES 6u
#define START_BYTES 12u /* with the version and the longer length */
#define HEADER_MAX  65536u
#define NUMPY_NDIM  64u /* more than any version of it has */
#define DESCR_MAX   32u
#define SUFFIX	    ".npy"

/* As numpy writes them on any machine: bytes have no order. */
static const struct {
	const char *descr;
	enum pinpool_dtype dtype;
} dtypes[] = {
	{"|b1", PINPOOL_DTYPE_BOOL}, {"|u1", PINPOOL_DTYPE_U8},	 {"|i1", PINPOOL_DTYPE_I8},  {"<u2", PINPOOL_DTYPE_U16},
	{"<i2", PINPOOL_DTYPE_I16},  {"<u4", PINPOOL_DTYPE_U32}, {"<i4", PINPOOL_DTYPE_I32}, {"<u8", PINPOOL_DTYPE_U64},
	{"<i8", PINPOOL_DTYPE_I64},  {"<f2", PINPOOL_DTYPE_F16}, {"<f4", PINPOOL_DTYPE_F32}, {"<f8", PINPOOL_DTYPE_F64},
	{"<c8", PINPOOL_DTYPE_C64},
};

/* The header, as far as it is read. */
struct cursor {
	const char *at;
	const char *end;
};

struct header {
	char descr[DESCR_MAX];
	bool list; /* descr is a list of fields */
	bool fortran;
	uint64_t shape[NUMPY_NDIM];
	size_t ndim;
};

static void skip_blanks(struct cursor *in)
{
	while (in->at < in->end && *in->at == ' ')
		in->at++;
}

static bool take(struct cursor *in, const char *word)
{
	size_t n = strlen(word);

	skip_blanks(in);
	if ((size_t)(in->end - in->at) < n || memcmp(in->at, word, n))
		return false;
	in->at += n;
	return true;
}

/* 'word' or "word", without escapes; one that is longer than @size is cut. */
static bool take_string(struct cursor *in, char *to, size_t size)
{
	const char *close;
	size_t n;

	skip_blanks(in);
	if (in->at == in->end || (*in->at != '\'' && *in->at != '"'))
		return false;
	close = memchr(in->at + 1, *in->at, (size_t)(in->end - in->at) - 1);
	if (!close || memchr(in->at, '\\', (size_t)(close - in->at)) || memchr(in->at, '\0', (size_t)(close - in->at)))
		return false;
	n = (size_t)(close - in->at) - 1;
	if (n >= size)
		n = size - 1;
	memcpy(to, in->at + 1, n);
	to[n] = '\0';
	in->at = close + 1;
	return true;
}

static bool take_count(struct cursor *in, uint64_t *to)
{
	const char *start;

	skip_blanks(in);
	*to = 0;
	for (start = in->at; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++)
		if (__builtin_mul_overflow(*to, 10u, to) || __builtin_add_overflow(*to, (uint64_t)(*in->at - '0'), to))
			return false;
	return in->at != start;
}

/* (), (3,) or (3, 4). */
static bool take_shape(struct cursor *in, struct header *header)
{
	if (!take(in, "("))
		return false;
	while (!take(in, ")")) {
		if (header->ndim == NUMPY_NDIM || !take_count(in, &header->shape[header->ndim++]))
			return false;
		if (!take(in, ","))
			return header->ndim > 1 && take(in, ")");
	}
	return true;
}

/* A string, or the list of fields of a struct, of which no more is to be known. */
static bool take_descr(struct cursor *in, struct header *header)
{
	if (take(in, "[")) {
		header->list = true;
		return true;
	}
	return take_string(in, header->descr, sizeof(header->descr));
}

/* False: not what numpy writes. */
static bool parse_dictionary(struct cursor *in, struct header *header)
{
	bool descr = false, order = false, shape = false, ok = take(in, "{");
	char key[16];

	while (ok && !take(in, "}")) {
		ok = take_string(in, key, sizeof(key)) && take(in, ":");
		if (ok && !strcmp(key, "descr") && !descr) {
			descr = ok = take_descr(in, header);
			/* What else there is does not matter: it is refused for this. */
			if (header->list)
				return true;
		} else if (ok && !strcmp(key, "fortran_order") && !order) {
			header->fortran = take(in, "True");
			order = ok = header->fortran || take(in, "False");
		} else if (ok && !strcmp(key, "shape") && !shape) {
			shape = ok = take_shape(in, header);
		} else {
			ok = false;
		}
		if (ok && !take(in, ",")) {
			ok = take(in, "}");
			break;
		}
	}
	return ok && take(in, "\n") && in->at == in->end && descr && order && shape;
}

static int bad_dtype(const struct source *source, const char *name, const struct header *header,
		     struct pinpool_diag *diag)
{
	char quoted[FORMAT_QUOTE_MAX];

	format_quote(quoted, sizeof(quoted), header->descr);
	if (header->list) {
		format_bad(source, name, diag, "its elements are structures");
		diag_change(diag, "save each field as an array of its own");
	} else if (!strcmp(header->descr, "|O")) {
		format_bad(source, name, diag, "its elements are Python objects");
		diag_change(diag, "save arrays of numbers only");
	} else if (*header->descr == '>') {
		format_bad(source, name, diag, "its elements are big-endian (%s)", quoted);
		diag_change(diag, "save the array as little-endian: astype('<%s')", quoted + 1);
	} else {
		format_bad(source, name, diag, "unknown dtype %s", quoted);
	}
	return -EBADMSG;
}

static enum pinpool_dtype find_dtype(const struct header *header)
{
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (!strcmp(header->descr, dtypes[i].descr))
			return dtypes[i].dtype;
	return PINPOOL_DTYPE_INVALID;
}

/* Length of the header and what stands before it, checked against the @bytes that there are. */
static int read_start(const struct source *source, uint64_t begin, uint64_t bytes, const char *name, uint32_t *before,
		      uint32_t *length, struct pinpool_diag *diag)
{
	uint8_t raw[START_BYTES] = {0};
	int err;

	if (bytes < START_BYTES)
		return format_bad(source, name, diag, "%" PRIu64 " bytes are too few for a .npy array", bytes);
	err = source_read(source, raw, sizeof(raw), begin, diag);
	if (err)
		return err;
	if (memcmp(raw, MAGIC, MAGIC_BYTES))
		return format_bad(source, name, diag, "is no .npy array: it does not begin as one");
	if (raw[6] < 1 || raw[6] > 3 || raw[7])
		return format_bad(source, name, diag, "unknown version %u.%u of .npy", raw[6], raw[7]);
	*before = raw[6] == 1 ? 10 : 12;
	*length = raw[8] | (uint32_t)raw[9] << 8;
	if (raw[6] > 1)
		*length |= (uint32_t)raw[10] << 16 | (uint32_t)raw[11] << 24;
	if (*length > HEADER_MAX)
		return format_bad(source, name, diag, "header of %u bytes is over the limit of %u", *length,
				  HEADER_MAX);
	if (*length > bytes - *before)
		return format_bad(source, name, diag, "header of %u bytes ends beyond the %" PRIu64 " that there are",
				  *length, bytes);
	return 0;
}

static int read_header(const struct source *source, uint64_t offset, uint32_t length, const char *name,
		       struct header *header, struct pinpool_diag *diag)
{
	char *text = malloc(length + 1);
	struct cursor in = {text, text + length};
	int err;

	if (!text)
		return diag_errno(diag, -ENOMEM, source->path);
	err = source_read(source, text, length, offset, diag);
	if (!err && !parse_dictionary(&in, header))
		err = format_bad(source, name, diag, "its header is not what numpy writes, from character %zu on",
				 (size_t)(in.at - text));
	free(text);
	return err;
}

int npy_parse(const struct source *source, uint64_t begin, uint64_t end, const char *name, struct format_tensor *tensor,
	      struct pinpool_diag *diag)
{
	struct header header = {0};
	uint32_t before = 0, length = 0;
	uint64_t bytes;
	int err;

	err = read_start(source, begin, end - begin, name, &before, &length, diag);
	if (!err)
		err = read_header(source, begin + before, length, name, &header, diag);
	if (err)
		return err;
	tensor->dtype = find_dtype(&header);
	if (!tensor->dtype)
		return bad_dtype(source, name, &header, diag);
	if (header.fortran && header.ndim > 1) {
		format_bad(source, name, diag, "is in Fortran order");
		diag_change(diag, "save it in C order, with numpy.ascontiguousarray()");
		return -EBADMSG;
	}
	err = format_new_tensor(source, tensor, name, header.ndim, diag);
	if (err)
		return err;
	memcpy(tensor->shape, header.shape, header.ndim * sizeof(*header.shape));
	err = format_tensor_bytes(source, tensor, &bytes, diag);
	if (err)
		return err;
	tensor->begin = begin + before + length;
	tensor->end = end;
	if (end - tensor->begin != bytes) {
		format_bad(source, name, diag, "has %" PRIu64 " bytes of elements, %s and shape ask for %" PRIu64,
			   end - tensor->begin, header.descr, bytes);
		if (end - tensor->begin < bytes)
			diag_change(diag, "the file is truncated: fetch it again");
		return -EBADMSG;
	}
	return 0;
}

/* File name without the suffix, which is there; the caller frees it. */
static char *tensor_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return strndup(name, strlen(name) - strlen(SUFFIX));
}

int npy_read_header(struct format_file *file, struct pinpool_diag *diag)
{
	const char *path = file->source.path;
	char *name = tensor_name(path);
	int err;

	file->format = "npy";
	file->tensors = calloc(1, sizeof(*file->tensors));
	if (file->tensors)
		file->count = 1;
	if (!name || !file->tensors)
		err = diag_errno(diag, -ENOMEM, path);
	else
		err = npy_parse(&file->source, 0, file->source.size, name, file->tensors, diag);
	free(name);
	return err;
}
