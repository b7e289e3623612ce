// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Arrays of .npy: each type, version and shape is found where it lies, each rule of the format is broken on its own. */
#include "checkpoint_case.h"
#include "npy_case.h"

static void write_npy(const char *path, uint8_t major, const char *header, size_t bytes)
{
	uint8_t data[4096];

	write_file(path, data, make_npy(data, major, header, bytes));
}

TEST_F(checkpoint, every_type_of_numbers_is_found_behind_the_header)
{
	static const struct {
		const char *descr;
		enum pinpool_dtype dtype;
		unsigned int bytes;
	} types[] = {
		{"|b1", PINPOOL_DTYPE_BOOL, 1}, {"|i1", PINPOOL_DTYPE_I8, 1},  {"|u1", PINPOOL_DTYPE_U8, 1},
		{"<i2", PINPOOL_DTYPE_I16, 2},	{"<u2", PINPOOL_DTYPE_U16, 2}, {"<i4", PINPOOL_DTYPE_I32, 4},
		{"<u4", PINPOOL_DTYPE_U32, 4},	{"<i8", PINPOOL_DTYPE_I64, 8}, {"<u8", PINPOOL_DTYPE_U64, 8},
		{"<f2", PINPOOL_DTYPE_F16, 2},	{"<f4", PINPOOL_DTYPE_F32, 4}, {"<f8", PINPOOL_DTYPE_F64, 8},
		{"<c8", PINPOOL_DTYPE_C64, 8},
	};
	const struct format_tensor *tensor;
	char header[256];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		snprintf(header, sizeof(header), "{'descr': '%s', 'fortran_order': False, 'shape': (3, 5), }",
			 types[i].descr);
		write_npy(in_folder(self->folder, "a.b.npy"), 1 + i % 3, header, 15 * types[i].bytes);
		EXPECT_OPEN("a.b.npy", 0, "");
		ASSERT_EQ(1, self->got.count);
		EXPECT_STREQ("npy", self->got.files[0].format);
		ASSERT_EQ(1, self->got.files[0].count);
		tensor = self->got.files[0].tensors;
		EXPECT_STREQ("a.b", tensor->name);
		EXPECT_EQ(types[i].dtype, tensor->dtype);
		ASSERT_EQ(2, tensor->ndim);
		EXPECT_EQ(3, tensor->shape[0]);
		EXPECT_EQ(5, tensor->shape[1]);
		EXPECT_EQ(128, tensor->begin);
		EXPECT_EQ(128 + 15 * types[i].bytes, tensor->end);
		EXPECT_EQ(tensor->end, self->got.files[0].source.size);
		checkpoint_close(&self->got);
	}
}

TEST_F(checkpoint, scalars_vectors_and_empty_arrays_are_arrays)
{
	static const struct {
		const char *header;
		size_t bytes;
		uint32_t ndim;
	} good[] = {
		{NPY_HEADER("'<f4'", "False", "()"), 4, 0},
		{NPY_HEADER("'<f4'", "False", "(7,)"), 28, 1},
		/* One dimension is in either order. */
		{NPY_HEADER("'<f4'", "True", "(7,)"), 28, 1},
		{NPY_HEADER("'<f4'", "True", "()"), 4, 0},
		{NPY_HEADER("'<f4'", "False", "(0, 7)"), 0, 2},
		{NPY_HEADER("'<f4'", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2)"), 8, 16},
		/* Another order of keys, other quotes, no comma at the end. */
		{"{\"shape\":(2,2,),\"fortran_order\":False,\"descr\":\"<f4\"}", 16, 2},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		write_npy(in_folder(self->folder, "a.npy"), 1, good[i].header, good[i].bytes);
		EXPECT_OPEN("a.npy", 0, "");
		ASSERT_EQ(1, self->got.count);
		EXPECT_EQ(good[i].ndim, self->got.files[0].tensors[0].ndim);
		EXPECT_EQ(good[i].bytes, self->got.files[0].tensors[0].end - self->got.files[0].tensors[0].begin);
		checkpoint_close(&self->got);
	}
}

TEST_F(checkpoint, what_catalogs_do_not_have_is_refused_by_name)
{
	static const struct {
		const char *header;
		const char *text;
		const char *change;
	} bad[] = {
		{NPY_HEADER("'>f4'", "False", "(2,)"), "big-endian (>f4)", "astype('<f4')"},
		{NPY_HEADER("'>i8'", "False", "(1,)"), "big-endian", "astype('<i8')"},
		{NPY_HEADER("'|O'", "False", "(1,)"), "Python objects", "numbers only"},
		{NPY_HEADER("[('a', '<f4'), ('b', '<i4')]", "False", "(1,)"), "structures", "each field"},
		{NPY_HEADER("'<c16'", "False", "(1,)"), "unknown dtype <c16", ""},
		{NPY_HEADER("'<U3'", "False", "(1,)"), "unknown dtype <U3", ""},
		{NPY_HEADER("'|V2'", "False", "(4,)"), "unknown dtype |V2", ""},
		{NPY_HEADER("'<M8[ns]'", "False", "(1,)"), "unknown dtype <M8[ns]", ""},
		{NPY_HEADER("'f4'", "False", "(2,)"), "unknown dtype f4", ""},
		{NPY_HEADER("''", "False", "(2,)"), "unknown dtype", ""},
		{NPY_HEADER("'<f4'", "True", "(2, 1)"), "Fortran order", "ascontiguousarray"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_npy(in_folder(self->folder, "a.npy"), 1, bad[i].header, 8);
		EXPECT_OPEN("a.npy", -EBADMSG, bad[i].text);
		EXPECT_TRUE(strstr(self->diag.object, "tensor a"));
		EXPECT_TRUE(strstr(self->diag.change, bad[i].change));
	}
	write_npy(in_folder(self->folder, "a.npy"), 1,
		  NPY_HEADER("'<f4'", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)"), 4);
	EXPECT_OPEN("a.npy", -EOPNOTSUPP, "17 dimensions");
}

TEST_F(checkpoint, a_header_that_numpy_does_not_write_is_refused)
{
	static const char *const bad[] = {
		"",
		"{",
		"}",
		"[]",
		"{}",
		"{'descr': '<f4', 'fortran_order': False}",
		"{'descr': '<f4', 'shape': (2,)}",
		"{'fortran_order': False, 'shape': (2,)}",
		"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}",
		"{'descr': '<f4', 'fortran_order': False, 'fortran_order': False, 'shape': (2,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} 1",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n",
		"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}",
		"{'descr': '<f\\x34', 'fortran_order': False, 'shape': (2,)}",
		"{'descr': '<f4\", 'fortran_order': False, 'shape': (2,)}",
		"{'descr': 4, 'fortran_order': False, 'shape': (2,)}",
		"{descr: '<f4', 'fortran_order': False, 'shape': (2,)}",
		"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': [2]}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2,,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (0x2,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551618,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999999,)}",
	};
	char many[1024] = "{'descr': '<f4', 'fortran_order': False, 'shape': (";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_npy(in_folder(self->folder, "a.npy"), 1, bad[i], 8);
		EXPECT_OPEN("a.npy", -EBADMSG, "not what numpy writes");
	}
	for (int i = 0; i < 65; i++)
		strcat(many, "1,");
	strcat(many, ")}");
	write_npy(in_folder(self->folder, "a.npy"), 1, many, 4);
	EXPECT_OPEN("a.npy", -EBADMSG, "not what numpy writes");
}

TEST_F(checkpoint, a_file_that_is_no_array_is_refused)
{
	uint8_t good[256], data[256];
	size_t n = make_npy(good, 2, NPY_HEADER("'<f4'", "False", "(2,)"), 8);
	const char *path = in_folder(self->folder, "a.npy");

	write_file(path, good, 11);
	EXPECT_OPEN("a.npy", -EBADMSG, "too few");
	memcpy(data, good, n);
	data[0] = 'x';
	write_file(path, data, n);
	EXPECT_OPEN("a.npy", -EBADMSG, "does not begin as one");
	for (unsigned int version = 0; version < 5; version++) {
		memcpy(data, good, n);
		data[6] = (uint8_t)version;
		write_file(path, data, n);
		if (!version || version == 4)
			EXPECT_OPEN("a.npy", -EBADMSG, "unknown version");
	}
	memcpy(data, good, n);
	data[7] = 1;
	write_file(path, data, n);
	EXPECT_OPEN("a.npy", -EBADMSG, "unknown version 2.1");
	memcpy(data, good, n);
	data[9] = 1;
	write_file(path, data, n);
	EXPECT_OPEN("a.npy", -EBADMSG, "ends beyond");
	data[10] = 1;
	write_file(path, data, n);
	EXPECT_OPEN("a.npy", -EBADMSG, "over the limit");
	data[11] = 0xff;
	write_file(path, data, n);
	EXPECT_OPEN("a.npy", -EBADMSG, "over the limit");
	EXPECT_OPEN("absent.npy", -ENOENT, "No such file");
}

TEST_F(checkpoint, sizes_that_disagree_with_the_shape_are_refused)
{
	static const struct {
		const char *shape;
		const char *text;
	} bad[] = {
		{"(1,)", "ask for 4"},
		{"(3,)", "ask for 12"},
		{"()", "ask for 4"},
		{"(0,)", "ask for 0"},
		{"(4611686018427387905, 4)", "overflows"},
		{"(4294967296, 4294967296)", "overflows"},
		{"(4611686018427387904,)", "overflows"},
	};
	char header[256];
	uint8_t data[256];
	size_t n;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(header, sizeof(header), "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", bad[i].shape);
		write_npy(in_folder(self->folder, "a.npy"), 1, header, 8);
		EXPECT_OPEN("a.npy", -EBADMSG, bad[i].text);
	}
	/* Cut anywhere. */
	n = make_npy(data, 1, NPY_HEADER("'<f4'", "False", "(2, 2)"), 16);
	for (size_t cut = 0; cut < n; cut++) {
		write_file(in_folder(self->folder, "a.npy"), data, cut);
		EXPECT_OPEN("a.npy", -EBADMSG, "tensor a");
	}
	write_file(in_folder(self->folder, "a.npy"), data, n);
	EXPECT_OPEN("a.npy", 0, "");
}

TEST_F(checkpoint, a_file_name_that_is_no_utf8_names_no_tensor)
{
	write_npy(in_folder(self->folder, "\xff.npy"), 1, NPY_HEADER("'<f4'", "False", "(2,)"), 8);
	EXPECT_OPEN("\xff.npy", -EBADMSG, "not UTF-8");
}

TEST_HARNESS_MAIN
