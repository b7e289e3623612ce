// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* What a GGUF file may say, and what is refused: each rule of the format broken on its own. */
#include "checkpoint_case.h"
#include "gguf_files.h"

#include <sys/resource.h>

/* What a test writes; each runs in a process of its own. */
static struct gguf gguf;

/* The file as it is, and as it must be: refused with @err and @text. */
#define EXPECT_REFUSED(err, text)                                                                                      \
	do {                                                                                                           \
		write_gguf(in_folder(self->folder, "bad.gguf"), &gguf);                                                \
		EXPECT_OPEN("bad.gguf", err, text);                                                                    \
		EXPECT_TRUE(strstr(self->diag.object, "bad.gguf"));                                                    \
	} while (0)

#define EXPECT_GOOD()                                                                                                  \
	do {                                                                                                           \
		write_gguf(in_folder(self->folder, "good.gguf"), &gguf);                                               \
		EXPECT_OPEN("good.gguf", 0, "");                                                                       \
		ASSERT_EQ(1, self->got.count);                                                                         \
	} while (0)

static const struct pinpool_metadata *find(const struct checkpoint *checkpoint, const char *key)
{
	const struct format_file *file = checkpoint->files;

	for (size_t i = 0; i < file->metadata_count; i++)
		if (!strcmp(file->metadata[i].key, key))
			return &file->metadata[i];
	return NULL;
}

static const struct {
	uint32_t number;
	const char *name;
	uint64_t values;
	uint64_t bytes;
} types[] = {
	{0, "F32", 1, 4},	  {1, "F16", 1, 2},	    {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
	{6, "Q5_0", 32, 22},	  {7, "Q5_1", 32, 24},	    {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
	{10, "Q2_K", 256, 84},	  {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
	{14, "Q6_K", 256, 210},	  {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
	{18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
	{22, "IQ2_S", 256, 82},	  {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},	      {25, "I16", 1, 2},
	{26, "I32", 1, 4},	  {27, "I64", 1, 8},	    {28, "F64", 1, 8},	      {29, "IQ1_M", 256, 56},
	{30, "BF16", 1, 2},	  {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
	{40, "NVFP4", 64, 36},	  {41, "Q1_0", 128, 18},    {42, "Q2_0", 64, 18},
};

#define TYPES (sizeof(types) / sizeof(types[0]))

TEST_F(checkpoint, every_type_of_tensor_is_found_where_it_is)
{
	const struct format_file *file;
	uint64_t offset = 0;

	/* Catalogs store these numbers. */
	EXPECT_EQ(27, PINPOOL_DTYPE_Q4_1);
	EXPECT_EQ(49, PINPOOL_DTYPE_Q2_0);
	for (uint32_t version = 2; version <= 3; version++) {
		put_head(&gguf, version, TYPES, 0);
		offset = 0;
		for (size_t i = 0; i < TYPES; i++) {
			put_matrix(&gguf, types[i].name, 3, 512, types[i].number, offset);
			offset += (3 * 512 / types[i].values * types[i].bytes + 31) / 32 * 32;
		}
		put_padding(&gguf, 32);
		put_data(&gguf, offset);
		EXPECT_GOOD();
		file = self->got.files;
		EXPECT_STREQ("gguf", file->format);
		ASSERT_EQ(TYPES, file->count);
		EXPECT_EQ(gguf.size - offset, file->data);
		EXPECT_EQ(0, file->metadata_count);
		for (size_t i = 0, at = file->data; i < TYPES; i++) {
			const struct format_tensor *tensor = &file->tensors[i];

			EXPECT_STREQ(types[i].name, tensor->name);
			EXPECT_STREQ(types[i].name, pinpool_dtype_name(tensor->dtype));
			EXPECT_EQ(tensor->dtype, pinpool_dtype_from_name(types[i].name));
			EXPECT_EQ(types[i].values > 1 ? types[i].values : 0, pinpool_dtype_block_values(tensor->dtype));
			EXPECT_EQ(types[i].values > 1 ? types[i].bytes : 0, pinpool_dtype_block_bytes(tensor->dtype));
			EXPECT_EQ(types[i].values > 1 ? 0 : 8 * types[i].bytes, pinpool_dtype_bits(tensor->dtype));
			ASSERT_EQ(2, tensor->ndim);
			EXPECT_EQ(3, tensor->shape[0]);
			EXPECT_EQ(512, tensor->shape[1]);
			EXPECT_EQ(at, tensor->begin);
			EXPECT_EQ(3 * 512 / types[i].values * types[i].bytes, tensor->end - tensor->begin);
			at = (tensor->end + 31) / 32 * 32;
		}
	}
}

TEST_F(checkpoint, types_that_are_none_are_refused_by_number)
{
	static const uint32_t none[] = {4, 5, 31, 32, 33, 36, 37, 38, 43, 0x80000000, UINT32_MAX};
	char text[32];

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		put_head(&gguf, 3, 1, 0);
		put_matrix(&gguf, "w", 1, 256, none[i], 0);
		put_padding(&gguf, 32);
		put_data(&gguf, 4096);
		snprintf(text, sizeof(text), "type %u is none", none[i]);
		EXPECT_REFUSED(-EOPNOTSUPP, text);
		EXPECT_TRUE(strstr(self->diag.object, "tensor w"));
	}
}

/* In the order of their places, whatever the header says first; with gaps, and bytes behind the last. */
TEST_F(checkpoint, shapes_places_and_alignment)
{
	const struct format_file *file;

	put_head(&gguf, 3, 5, 1);
	put_key_u32(&gguf, "general.alignment", 64);
	put_matrix(&gguf, "last", 1, 4, GGUF_F32, 320);
	put_text(&gguf, "cube");
	put_u32(&gguf, 4);
	for (uint64_t extent = 2; extent <= 5; extent++)
		put_u64(&gguf, extent);
	put_u32(&gguf, GGUF_I8);
	put_u64(&gguf, 64);
	put_text(&gguf, "scalar");
	put_u32(&gguf, 0);
	put_u32(&gguf, GGUF_F32);
	put_u64(&gguf, 0);
	put_matrix(&gguf, "empty", 0, 32, GGUF_Q8_0, 320);
	put_matrix(&gguf, "emptier", UINT64_MAX, 0, GGUF_Q8_0, 320);
	put_padding(&gguf, 64);
	put_data(&gguf, 400);
	EXPECT_GOOD();
	file = self->got.files;
	ASSERT_EQ(5, file->count);
	EXPECT_EQ(0, file->data % 64);
	EXPECT_EQ(gguf.size - 400, file->data);
	EXPECT_STREQ("scalar", file->tensors[0].name);
	EXPECT_EQ(0, file->tensors[0].ndim);
	EXPECT_EQ(4, file->tensors[0].end - file->tensors[0].begin);
	EXPECT_STREQ("cube", file->tensors[1].name);
	ASSERT_EQ(4, file->tensors[1].ndim);
	for (uint64_t i = 0; i < 4; i++)
		EXPECT_EQ(5 - i, file->tensors[1].shape[i]);
	EXPECT_EQ(file->data + 64, file->tensors[1].begin);
	EXPECT_EQ(file->data + 64 + 120, file->tensors[1].end);
	EXPECT_STREQ("emptier", file->tensors[2].name);
	EXPECT_STREQ("empty", file->tensors[3].name);
	EXPECT_STREQ("last", file->tensors[4].name);
	EXPECT_EQ(file->data + 320, file->tensors[4].begin);

	/* No tensor: nothing to pad for. */
	put_head(&gguf, 3, 0, 1);
	put_key_text(&gguf, "general.type", "vocabulary");
	EXPECT_GOOD();
	EXPECT_EQ(0, self->got.files[0].count);
	EXPECT_EQ(1, self->got.files[0].metadata_count);
}

TEST_F(checkpoint, each_type_of_value_is_kept)
{
	static const struct {
		enum pinpool_value_type type;
		size_t bytes;
		const char *data;
		int64_t integer;
		double real;
	} values[] = {
		{PINPOOL_VALUE_U8, 1, "\xfe", 254, 0},
		{PINPOOL_VALUE_I8, 1, "\xfe", -2, 0},
		{PINPOOL_VALUE_U16, 2, "\xfe\xff", 65534, 0},
		{PINPOOL_VALUE_I16, 2, "\xfe\xff", -2, 0},
		{PINPOOL_VALUE_U32, 4, "\xfe\xff\xff\xff", 4294967294, 0},
		{PINPOOL_VALUE_I32, 4, "\xfe\xff\xff\xff", -2, 0},
		{PINPOOL_VALUE_F32, 4, "\0\0\xc0\xbf", 0, -1.5},
		{PINPOOL_VALUE_BOOL, 1, "\1", 1, 0},
		{PINPOOL_VALUE_U64, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f", INT64_MAX, 0},
		{PINPOOL_VALUE_I64, 8, "\0\0\0\0\0\0\0\x80", INT64_MIN, 0},
		{PINPOOL_VALUE_F64, 8, "\0\0\0\0\0\0\xf8\xbf", 0, -1.5},
	};
	const size_t count = sizeof(values) / sizeof(values[0]);
	struct pinpool_metadata element = {.size = sizeof(element)};
	const struct pinpool_metadata *value;
	char key[16];
	const char *text;
	int64_t integer;
	size_t bytes;
	double real;

	put_head(&gguf, 3, 0, 2 * count + 3);
	for (size_t i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "one.%zu", i);
		put_key(&gguf, key, values[i].type);
		put(&gguf, values[i].data, values[i].bytes);
		snprintf(key, sizeof(key), "many.%zu", i);
		put_key_array(&gguf, key, values[i].type, 3);
		for (int j = 0; j < 3; j++)
			put(&gguf, values[i].data, values[i].bytes);
	}
	put_key_text(&gguf, "text", "a\nb \xc3\xb6");
	put_key_array(&gguf, "texts", PINPOOL_VALUE_STRING, 3);
	put_text(&gguf, "one");
	put_text(&gguf, "");
	put_u64(&gguf, 3);
	put(&gguf, "\xff\0x", 3);
	put_key(&gguf, "too.much", PINPOOL_VALUE_U64);
	put_u64(&gguf, 1ULL << 63);
	EXPECT_GOOD();
	EXPECT_EQ(2 * count + 3, self->got.files[0].metadata_count);

	for (size_t i = 0; i < count; i++) {
		bool is_real = values[i].type == PINPOOL_VALUE_F32 || values[i].type == PINPOOL_VALUE_F64;
		unsigned int elements = 0;

		snprintf(key, sizeof(key), "one.%zu", i);
		value = find(&self->got, key);
		ASSERT_NE(NULL, value);
		EXPECT_EQ(values[i].type, value->type);
		EXPECT_EQ(values[i].type, value->element);
		EXPECT_EQ(1, value->count);
		ASSERT_EQ(values[i].bytes, value->bytes);
		EXPECT_EQ(0, memcmp(values[i].data, value->data, value->bytes));
		EXPECT_EQ(is_real ? -EINVAL : 0, pinpool_metadata_integer(value, &integer));
		EXPECT_EQ(is_real ? 0 : -EINVAL, pinpool_metadata_real(value, &real));
		if (is_real) {
			EXPECT_EQ(values[i].real, real);
		} else {
			EXPECT_EQ(values[i].integer, integer);
		}
		EXPECT_EQ(-EINVAL, pinpool_metadata_string(value, &text, &bytes));
		EXPECT_EQ(-EINVAL, pinpool_metadata_next(value, &element));

		snprintf(key, sizeof(key), "many.%zu", i);
		value = find(&self->got, key);
		ASSERT_NE(NULL, value);
		EXPECT_EQ(PINPOOL_VALUE_ARRAY, value->type);
		EXPECT_EQ(values[i].type, value->element);
		EXPECT_EQ(3, value->count);
		EXPECT_EQ(3 * values[i].bytes, value->bytes);
		EXPECT_EQ(-EINVAL, pinpool_metadata_integer(value, &integer));
		element.data = NULL;
		for (; !pinpool_metadata_next(value, &element); elements++) {
			EXPECT_EQ(values[i].type, element.type);
			EXPECT_EQ(values[i].bytes, element.bytes);
			EXPECT_EQ(0, memcmp(values[i].data, element.data, element.bytes));
			EXPECT_STREQ(key, element.key);
		}
		EXPECT_EQ(3, elements);
		EXPECT_EQ(-ENOENT, pinpool_metadata_next(value, &element));
	}
	value = find(&self->got, "text");
	ASSERT_NE(NULL, value);
	ASSERT_EQ(0, pinpool_metadata_string(value, &text, &bytes));
	EXPECT_EQ(6, bytes);
	EXPECT_EQ(0, memcmp(text, "a\nb \xc3\xb6", 6));
	value = find(&self->got, "texts");
	ASSERT_NE(NULL, value);
	element.data = NULL;
	ASSERT_EQ(0, pinpool_metadata_next(value, &element));
	ASSERT_EQ(0, pinpool_metadata_string(&element, &text, &bytes));
	EXPECT_TRUE(bytes == 3 && !memcmp(text, "one", 3));
	ASSERT_EQ(0, pinpool_metadata_next(value, &element));
	EXPECT_EQ(0, element.bytes);
	ASSERT_EQ(0, pinpool_metadata_next(value, &element));
	EXPECT_TRUE(element.bytes == 3 && !memcmp(element.data, "\xff\0x", 3));
	EXPECT_EQ(-ENOENT, pinpool_metadata_next(value, &element));
	/* An element of somewhere else leads nowhere. */
	element.data = self;
	EXPECT_EQ(-EINVAL, pinpool_metadata_next(value, &element));
	value = find(&self->got, "too.much");
	ASSERT_NE(NULL, value);
	EXPECT_EQ(-ERANGE, pinpool_metadata_integer(value, &integer));
}

/* Arrays of arrays, as deep as they may be; one level more is refused. */
TEST_F(checkpoint, arrays_are_nested_a_little)
{
	struct pinpool_metadata inner = {.size = sizeof(inner)}, element = inner;
	const struct pinpool_metadata *value;
	int64_t number;

	for (unsigned int depth = 2; depth <= 5; depth++) {
		put_head(&gguf, 3, 0, 1);
		put_key(&gguf, "nested", PINPOOL_VALUE_ARRAY);
		for (unsigned int i = 1; i < depth; i++) {
			put_u32(&gguf, PINPOOL_VALUE_ARRAY);
			put_u64(&gguf, 1);
		}
		put_u32(&gguf, PINPOOL_VALUE_U32);
		put_u64(&gguf, 2);
		put_u32(&gguf, 5);
		put_u32(&gguf, 6);
		if (depth == 5) {
			EXPECT_REFUSED(-EBADMSG, "nested too deeply");
		} else {
			EXPECT_GOOD();
		}
	}
	EXPECT_TRUE(strstr(self->diag.object, "key nested"));

	put_head(&gguf, 3, 0, 1);
	put_key_array(&gguf, "ragged", PINPOOL_VALUE_ARRAY, 3);
	for (uint32_t i = 0; i < 3; i++) {
		put_u32(&gguf, PINPOOL_VALUE_U32);
		put_u64(&gguf, i);
		for (uint32_t j = 0; j < i; j++)
			put_u32(&gguf, 10 * i + j);
	}
	EXPECT_GOOD();
	value = find(&self->got, "ragged");
	ASSERT_NE(NULL, value);
	for (uint64_t i = 0; i < 3; i++) {
		ASSERT_EQ(0, pinpool_metadata_next(value, &inner));
		EXPECT_EQ(PINPOOL_VALUE_ARRAY, inner.type);
		EXPECT_EQ(PINPOOL_VALUE_U32, inner.element);
		EXPECT_EQ(i, inner.count);
		element.data = NULL;
		for (uint64_t j = 0; j < i; j++) {
			ASSERT_EQ(0, pinpool_metadata_next(&inner, &element));
			ASSERT_EQ(0, pinpool_metadata_integer(&element, &number));
			EXPECT_EQ(10 * i + j, number);
		}
		EXPECT_EQ(-ENOENT, pinpool_metadata_next(&inner, &element));
	}
	EXPECT_EQ(-ENOENT, pinpool_metadata_next(value, &inner));
}

/* Values that are larger than what is read at once, before and behind others. */
TEST_F(checkpoint, long_values_are_kept_whole)
{
	const struct pinpool_metadata *value;
	struct pinpool_metadata element = {.size = sizeof(element)};
	char token[32], *blob = malloc(3 << 20);
	uint32_t count = 0;

	memset(blob, 'x', 3 << 20);
	put_head(&gguf, 3, 1, 4);
	put_key_u32(&gguf, "first", 1);
	put_key_array(&gguf, "tokenizer.ggml.tokens", PINPOOL_VALUE_STRING, 150000);
	for (int i = 0; i < 150000; i++) {
		snprintf(token, sizeof(token), "token-%d", i);
		put_text(&gguf, token);
	}
	put_key(&gguf, "blob", PINPOOL_VALUE_STRING);
	put_u64(&gguf, 3 << 20);
	put(&gguf, blob, 3 << 20);
	put_key_u32(&gguf, "last", 2);
	put_matrix(&gguf, "w", 2, 4, GGUF_F32, 0);
	put_padding(&gguf, 32);
	put_data(&gguf, 32);
	EXPECT_GOOD();
	value = find(&self->got, "tokenizer.ggml.tokens");
	ASSERT_NE(NULL, value);
	EXPECT_EQ(150000, value->count);
	for (; !pinpool_metadata_next(value, &element); count++) {
		snprintf(token, sizeof(token), "token-%u", count);
		ASSERT_EQ(strlen(token), element.bytes);
		ASSERT_EQ(0, memcmp(token, element.data, element.bytes));
	}
	EXPECT_EQ(150000, count);
	value = find(&self->got, "blob");
	ASSERT_NE(NULL, value);
	EXPECT_TRUE(value->bytes == 3 << 20 && !memcmp(blob, value->data, value->bytes));
	EXPECT_NE(NULL, find(&self->got, "last"));
	EXPECT_STREQ("w", self->got.files[0].tensors[0].name);
	free(blob);
}

TEST_F(checkpoint, other_versions_orders_and_files_are_refused)
{
	static const struct {
		uint32_t version;
		const char *text;
	} versions[] = {{0, "version 0"},	    {1, "version 1"},		{4, "version 4"},
			{0x02000000, "big-endian"}, {0x03000000, "big-endian"}, {UINT32_MAX, "version 4294967295"}};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		put_head(&gguf, versions[i].version, 0, 0);
		EXPECT_REFUSED(-EOPNOTSUPP, versions[i].text);
	}
	put_head(&gguf, 3, 0, 0);
	gguf.bytes[3] = 'f';
	EXPECT_REFUSED(-EBADMSG, "does not begin with GGUF");
	gguf.size = 0;
	EXPECT_REFUSED(-EBADMSG, "too few");
}

/* By its first bytes, whatever it is called. */
TEST_F(checkpoint, another_name_is_no_matter)
{
	put_head(&gguf, 3, 1, 0);
	put_matrix(&gguf, "w", 2, 4, GGUF_F32, 0);
	put_padding(&gguf, 32);
	put_data(&gguf, 32);
	write_gguf(in_folder(self->folder, "model.bin"), &gguf);
	EXPECT_OPEN("model.bin", 0, "");
	EXPECT_STREQ("gguf", self->got.files[0].format);
	write_gguf(in_folder(self->folder, "blob"), &gguf);
	EXPECT_OPEN("blob", 0, "");
	EXPECT_EQ(1, self->got.files[0].count);
}

TEST_F(checkpoint, counts_and_lengths_beyond_the_file_are_refused)
{
	struct rlimit limit = {.rlim_cur = 1UL << 30, .rlim_max = 1UL << 30};

	/* What would be needed for any of these is not there to be had. */
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	put_head(&gguf, 3, UINT64_MAX, 0);
	EXPECT_REFUSED(-EBADMSG, "18446744073709551615 tensors do not fit");
	put_head(&gguf, 3, 0, UINT64_MAX);
	EXPECT_REFUSED(-EBADMSG, "18446744073709551615 keys do not fit");
	put_head(&gguf, 3, 1ULL << 60, 0);
	EXPECT_REFUSED(-EBADMSG, "tensors do not fit");
	/* Fits, but is not there. */
	put_head(&gguf, 3, 2, 0);
	put_matrix(&gguf, "w", 0, 0, GGUF_F32, 0);
	put_data(&gguf, 8);
	EXPECT_REFUSED(-EBADMSG, "bad.gguf");

	put_head(&gguf, 3, 0, 1);
	put_u64(&gguf, 1ULL << 60);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "a key of 1152921504606846976 bytes");
	put_head(&gguf, 3, 0, 1);
	put_key(&gguf, "k", PINPOOL_VALUE_STRING);
	put_u64(&gguf, 1ULL << 60);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "the file ends at");
	EXPECT_TRUE(strstr(self->diag.object, "key k"));
	put_head(&gguf, 3, 0, 1);
	put_key(&gguf, "k", PINPOOL_VALUE_STRING);
	put_u64(&gguf, UINT64_MAX);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "overflows");
	for (uint32_t type = 0; type < PINPOOL_VALUE_COUNT; type++) {
		put_head(&gguf, 3, 0, 1);
		put_key_array(&gguf, "k", type, 1ULL << 60);
		put_data(&gguf, 64);
		EXPECT_REFUSED(-EBADMSG, "key k");
		put_head(&gguf, 3, 0, 1);
		put_key_array(&gguf, "k", type, UINT64_MAX);
		put_data(&gguf, 64);
		EXPECT_REFUSED(-EBADMSG, "key k");
	}
	put_head(&gguf, 3, 1, 0);
	put_u64(&gguf, 1ULL << 60);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "a tensor's name of 1152921504606846976 bytes");
}

/* A sparse file has the room, but a header does not go on for ever. */
TEST_F(checkpoint, a_header_is_at_most_so_long)
{
	const char *path = in_folder(self->folder, "long.gguf");

	put_head(&gguf, 3, 0, 1);
	put_key(&gguf, "k", PINPOOL_VALUE_STRING);
	put_u64(&gguf, 100000000);
	write_gguf(path, &gguf);
	ASSERT_EQ(0, truncate(path, 200000000));
	EXPECT_OPEN("long.gguf", -EBADMSG, "longer than 100000000 bytes");
	put_head(&gguf, 3, 0, 1);
	put_key(&gguf, "k", PINPOOL_VALUE_STRING);
	put_u64(&gguf, 100000000 - gguf.size - 8);
	write_gguf(path, &gguf);
	ASSERT_EQ(0, truncate(path, 200000000));
	EXPECT_OPEN("long.gguf", 0, "");
}

TEST_F(checkpoint, broken_keys_and_values_are_refused_by_name)
{
	char name[70000];

	put_head(&gguf, 3, 0, 1);
	put_key_u32(&gguf, "", 1);
	put_data(&gguf, 8);
	EXPECT_REFUSED(-EBADMSG, "a key of 0 bytes");
	put_head(&gguf, 3, 0, 1);
	put_key_u32(&gguf, "a\xff", 1);
	EXPECT_REFUSED(-EBADMSG, "a key is no UTF-8");
	put_head(&gguf, 3, 0, 1);
	put_u64(&gguf, 3);
	put(&gguf, "a\0b", 3);
	put_u32(&gguf, PINPOOL_VALUE_U32);
	put_u32(&gguf, 1);
	EXPECT_REFUSED(-EBADMSG, "a key is no UTF-8");
	memset(name, 'k', sizeof(name));
	name[65536] = '\0';
	put_head(&gguf, 3, 0, 1);
	put_key_u32(&gguf, name, 1);
	EXPECT_REFUSED(-EBADMSG, "a key of 65536 bytes");
	name[65535] = '\0';
	put_head(&gguf, 3, 0, 1);
	put_key_u32(&gguf, name, 1);
	EXPECT_GOOD();
	put_head(&gguf, 3, 0, 1);
	put_key(&gguf, name, 13);
	put_u32(&gguf, 1);
	EXPECT_REFUSED(-EBADMSG, "kkk...");

	put_head(&gguf, 3, 0, 3);
	put_key_u32(&gguf, "b.twice", 1);
	put_key_u32(&gguf, "a", 1);
	put_key_text(&gguf, "b.twice", "x");
	EXPECT_REFUSED(-EBADMSG, "is there twice");
	EXPECT_TRUE(strstr(self->diag.object, "key b.twice"));

	put_head(&gguf, 3, 0, 1);
	put_key(&gguf, "k\n", 13);
	put_u64(&gguf, 1);
	EXPECT_REFUSED(-EBADMSG, "type 13 is no type");
	EXPECT_TRUE(strstr(self->diag.object, "key k\\x0a"));
	put_head(&gguf, 3, 0, 1);
	put_key_array(&gguf, "k", 13, 1);
	put_u64(&gguf, 1);
	EXPECT_REFUSED(-EBADMSG, "type of its elements");
	put_head(&gguf, 3, 0, 1);
	put_key(&gguf, "k", PINPOOL_VALUE_BOOL);
	put(&gguf, "\2", 1);
	EXPECT_REFUSED(-EBADMSG, "neither 0 nor 1");
	put_head(&gguf, 3, 0, 1);
	put_key_array(&gguf, "k", PINPOOL_VALUE_BOOL, 3);
	put(&gguf, "\1\0\xff", 3);
	EXPECT_REFUSED(-EBADMSG, "neither 0 nor 1");
}

TEST_F(checkpoint, alignments_that_are_none_are_refused)
{
	static const uint32_t bad[] = {0, 3, 33, 48, 0x80000000, UINT32_MAX};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_head(&gguf, 3, 0, 1);
		put_key_u32(&gguf, "general.alignment", bad[i]);
		EXPECT_REFUSED(-EBADMSG, "no power of two");
	}
	put_head(&gguf, 3, 0, 1);
	put_key(&gguf, "general.alignment", PINPOOL_VALUE_U64);
	put_u64(&gguf, 32);
	EXPECT_REFUSED(-EBADMSG, "is no u32");
	put_head(&gguf, 3, 0, 1);
	put_key_text(&gguf, "general.alignment", "32");
	EXPECT_REFUSED(-EBADMSG, "is no u32");
	/* The data would begin beyond the file. */
	put_head(&gguf, 3, 1, 1);
	put_key_u32(&gguf, "general.alignment", 1 << 30);
	put_matrix(&gguf, "w", 1, 1, GGUF_F32, 0);
	put_data(&gguf, 100);
	EXPECT_REFUSED(-EBADMSG, "the file ends at");
	put_head(&gguf, 3, 1, 1);
	put_key_u32(&gguf, "general.alignment", 1);
	put_matrix(&gguf, "w", 1, 1, GGUF_F32, 1);
	put_data(&gguf, 5);
	EXPECT_GOOD();
}

TEST_F(checkpoint, broken_tensors_are_refused_by_name)
{
	static const struct {
		uint64_t rows;
		uint64_t columns;
		uint32_t type;
		uint64_t offset;
		const char *text;
	} bad[] = {
		{1, 33, GGUF_Q8_0, 0, "33 values are no whole blocks of Q8_0"},
		{32, 1, GGUF_Q8_0, 0, "no whole blocks"},
		{1, 128, GGUF_Q4_K, 0, "no whole blocks of Q4_K"},
		{1ULL << 32, 1ULL << 32, GGUF_I8, 0, "product of its shape overflows"},
		{1, 1ULL << 62, GGUF_F32, 0, "shape times type overflows"},
		{1ULL << 58, 32, GGUF_Q8_0, 0, "the file ends at"},
		{1, UINT64_MAX, GGUF_I8, 32, "its end overflows"},
		{1, 1ULL << 60, GGUF_I8, 0, "the file ends at"},
		{1, 65, GGUF_I8, 0, "the file ends at"},
		{1, 33, GGUF_I8, 32, "the file ends at"},
		{1, 1, GGUF_I8, 1ULL << 60, "the file ends at"},
		{1, 1, GGUF_I8, UINT64_MAX - 31, "the file ends at"},
		{1, 4, GGUF_I8, 1, "no multiple of the alignment"},
		{1, 4, GGUF_I8, 48, "no multiple of the alignment"},
	};
	char name[70000];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_head(&gguf, 3, 1, 0);
		put_matrix(&gguf, "w", bad[i].rows, bad[i].columns, bad[i].type, bad[i].offset);
		put_padding(&gguf, 32);
		put_data(&gguf, 64);
		EXPECT_REFUSED(-EBADMSG, bad[i].text);
		EXPECT_TRUE(strstr(self->diag.object, "tensor w"));
	}
	put_head(&gguf, 3, 1, 0);
	put_text(&gguf, "w");
	put_u32(&gguf, 5);
	for (int i = 0; i < 5; i++)
		put_u64(&gguf, 1);
	put_u32(&gguf, GGUF_F32);
	put_u64(&gguf, 0);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "has 5 dimensions");
	memcpy(gguf.bytes + 24 + 8 + 1, "\xff\xff\xff\xff", 4);
	EXPECT_REFUSED(-EBADMSG, "has 4294967295 dimensions");
	put_head(&gguf, 3, 1, 0);
	put_text(&gguf, "w");
	put_u32(&gguf, 0);
	put_u32(&gguf, GGUF_Q8_0);
	put_u64(&gguf, 0);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "no whole blocks");

	put_head(&gguf, 3, 3, 0);
	put_matrix(&gguf, "b", 1, 4, GGUF_F32, 0);
	put_matrix(&gguf, "a", 1, 4, GGUF_F32, 32);
	put_matrix(&gguf, "b", 1, 4, GGUF_F32, 64);
	put_padding(&gguf, 32);
	put_data(&gguf, 128);
	EXPECT_REFUSED(-EBADMSG, "is there twice");
	EXPECT_TRUE(strstr(self->diag.object, "tensor b"));
	put_head(&gguf, 3, 2, 0);
	put_matrix(&gguf, "over", 1, 4, GGUF_F32, 32);
	put_matrix(&gguf, "first", 1, 9, GGUF_F32, 0);
	put_padding(&gguf, 32);
	put_data(&gguf, 128);
	EXPECT_REFUSED(-EBADMSG, "begins inside the tensor before it");
	EXPECT_TRUE(strstr(self->diag.object, "tensor over"));
	put_head(&gguf, 3, 1, 0);
	put_matrix(&gguf, "w\xc3(", 1, 4, GGUF_F32, 0);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "a tensor's name is no UTF-8");
	put_head(&gguf, 3, 1, 0);
	put_matrix(&gguf, "", 1, 4, GGUF_F32, 0);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "a tensor's name of 0 bytes");
	memset(name, 'n', sizeof(name));
	name[65536] = '\0';
	put_head(&gguf, 3, 1, 0);
	put_matrix(&gguf, name, 1, 4, GGUF_F32, 0);
	put_data(&gguf, 64);
	EXPECT_REFUSED(-EBADMSG, "a tensor's name of 65536 bytes");
}

TEST_F(checkpoint, a_file_cut_anywhere_is_refused)
{
	size_t size;

	put_head(&gguf, 3, 2, 4);
	put_key_u32(&gguf, "a", 1);
	put_key_text(&gguf, "b", "text");
	put_key_array(&gguf, "c", PINPOOL_VALUE_STRING, 2);
	put_text(&gguf, "one");
	put_text(&gguf, "two");
	put_key_array(&gguf, "d", PINPOOL_VALUE_ARRAY, 1);
	put_u32(&gguf, PINPOOL_VALUE_BOOL);
	put_u64(&gguf, 1);
	put(&gguf, "\1", 1);
	put_matrix(&gguf, "v", 2, 32, GGUF_Q8_0, 0);
	put_matrix(&gguf, "w", 2, 4, GGUF_F32, 96);
	put_padding(&gguf, 32);
	put_data(&gguf, 128);
	EXPECT_GOOD();
	size = gguf.size;
	for (gguf.size = 0; gguf.size < size; gguf.size++)
		EXPECT_REFUSED(-EBADMSG, "bad.gguf");
}

/* Every single byte changed to every other value is refused or understood, and never more than that. */
TEST_F(checkpoint, a_file_with_any_byte_changed_is_survived)
{
	const char *path = in_folder(self->folder, "changed.gguf");
	unsigned int good = 0, refused = 0;
	size_t header;

	put_head(&gguf, 3, 2, 3);
	put_key_u32(&gguf, "general.alignment", 32);
	put_key_array(&gguf, "c", PINPOOL_VALUE_STRING, 2);
	put_text(&gguf, "one");
	put_text(&gguf, "");
	put_key_array(&gguf, "d", PINPOOL_VALUE_ARRAY, 1);
	put_u32(&gguf, PINPOOL_VALUE_U16);
	put_u64(&gguf, 1);
	put(&gguf, "\1\2", 2);
	put_matrix(&gguf, "v", 2, 32, GGUF_Q8_0, 0);
	put_matrix(&gguf, "w", 2, 4, GGUF_F32, 96);
	header = gguf.size;
	put_padding(&gguf, 32);
	put_data(&gguf, 128);
	for (size_t at = 0; at < header; at++) {
		uint8_t was = gguf.bytes[at];

		for (unsigned int change = 1; change < 256; change = change * 3 + 1) {
			gguf.bytes[at] = (uint8_t)(was ^ change);
			write_gguf(path, &gguf);
			if (checkpoint_open(&self->got, path, &self->diag)) {
				refused++;
				continue;
			}
			good++;
			for (size_t i = 0; i < self->got.files[0].count; i++)
				ASSERT_LE(self->got.files[0].tensors[i].end, gguf.size);
			checkpoint_close(&self->got);
		}
		gguf.bytes[at] = was;
	}
	TH_LOG("%u understood, %u refused", good, refused);
	EXPECT_LT(good, refused);
	EXPECT_LT(0, good);
}

static void write_part(FIXTURE_DATA(checkpoint) * self, const char *file, unsigned int no, unsigned int count,
		       unsigned int tensors, const char *name)
{
	put_part(&gguf, no, count, tensors, name);
	write_gguf(in_folder(self->folder, file), &gguf);
}

static void write_parts(FIXTURE_DATA(checkpoint) * self)
{
	write_part(self, "m-00001-of-00003.gguf", 0, 3, 3, "m");
	write_part(self, "m-00002-of-00003.gguf", 1, 3, 3, "m");
	write_part(self, "m-00003-of-00003.gguf", 2, 3, 3, "m");
}

TEST_F(checkpoint, any_part_stands_for_all)
{
	static const char *const names[] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf",
					    ""};

	write_parts(self);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		EXPECT_OPEN(names[i], 0, "");
		ASSERT_EQ(3, self->got.count);
		for (size_t part = 0; part < 3; part++) {
			EXPECT_NE(NULL, strstr(self->got.files[part].source.path, names[part]));
			ASSERT_EQ(1, self->got.files[part].count);
			EXPECT_EQ((char)('0' + part), self->got.files[part].tensors[0].name[2]);
		}
	}
	/* A set of one is a set, and one alone may be called anything. */
	write_part(self, "n-00001-of-00001.gguf", 0, 1, 1, "n");
	EXPECT_OPEN("n-00001-of-00001.gguf", 0, "");
	EXPECT_EQ(1, self->got.count);
	write_part(self, "n.gguf", 0, 1, 1, "n");
	EXPECT_OPEN("n.gguf", 0, "");
}

TEST_F(checkpoint, parts_that_do_not_belong_together_are_refused)
{
	write_parts(self);
	ASSERT_EQ(0, unlink(in_folder(self->folder, "m-00002-of-00003.gguf")));
	EXPECT_OPEN("m-00001-of-00003.gguf", -ENOENT, "part 2 of 3 does not exist");
	EXPECT_TRUE(strstr(self->diag.object, "m-00002-of-00003.gguf"));
	EXPECT_OPEN("", -ENOENT, "part 2 of 3 does not exist");
	/* The third under the name of the second. */
	write_part(self, "m-00002-of-00003.gguf", 2, 3, 3, "m");
	EXPECT_OPEN("m-00001-of-00003.gguf", -EBADMSG, "has split.no 2, its name asks for 1");
	EXPECT_TRUE(strstr(self->diag.object, "m-00002-of-00003.gguf"));
	/* Of other splits. */
	write_part(self, "m-00002-of-00003.gguf", 1, 4, 3, "m");
	EXPECT_OPEN("m-00001-of-00003.gguf", -EBADMSG, "is one of 4 parts, its name says of 3");
	write_part(self, "m-00002-of-00003.gguf", 1, 3, 4, "m");
	EXPECT_OPEN("m-00003-of-00003.gguf", -EBADMSG, "4 tensors, the first part of one with 3");
	/* Fewer tensors than promised. */
	write_part(self, "m-00001-of-00003.gguf", 0, 3, 4, "m");
	write_part(self, "m-00002-of-00003.gguf", 1, 3, 4, "m");
	write_part(self, "m-00003-of-00003.gguf", 2, 3, 4, "m");
	EXPECT_OPEN("m-00001-of-00003.gguf", -EBADMSG, "promises 4 tensors in 3 parts, which have 3");
	/* Of another model, which it says. */
	write_parts(self);
	put_head(&gguf, 3, 0, 4);
	put_key_text(&gguf, "general.name", "other");
	put_key_u32(&gguf, "split.no", 1);
	put_key_u32(&gguf, "split.count", 3);
	put_key_u32(&gguf, "split.tensors.count", 3);
	write_gguf(in_folder(self->folder, "m-00002-of-00003.gguf"), &gguf);
	EXPECT_OPEN("m-00001-of-00003.gguf", -EBADMSG, "its general.name is not that of the first part");
	/* Without what parts say. */
	put_head(&gguf, 3, 0, 0);
	write_gguf(in_folder(self->folder, "m-00001-of-00003.gguf"), &gguf);
	EXPECT_OPEN("m-00001-of-00003.gguf", -EBADMSG, "no integer split.count");
	put_head(&gguf, 3, 0, 1);
	put_key_text(&gguf, "split.count", "3");
	write_gguf(in_folder(self->folder, "m-00001-of-00003.gguf"), &gguf);
	EXPECT_OPEN("m-00001-of-00003.gguf", -EBADMSG, "no integer split.count");
	/* Names that cannot be. */
	write_part(self, "m-00000-of-00003.gguf", 0, 3, 3, "m");
	EXPECT_OPEN("m-00000-of-00003.gguf", -EBADMSG, "part 0 of 3");
	write_part(self, "m-00004-of-00003.gguf", 0, 3, 3, "m");
	EXPECT_OPEN("m-00004-of-00003.gguf", -EBADMSG, "part 4 of 3");
	/* A part that is not called one would be loaded alone. */
	write_part(self, "alone.gguf", 1, 3, 3, "m");
	EXPECT_OPEN("alone.gguf", -EBADMSG, "is one of 3 parts");
}

TEST_F(checkpoint, a_folder_with_one_checkpoint_stands_for_it)
{
	put_head(&gguf, 3, 0, 0);
	write_gguf(in_folder(self->folder, "one.gguf"), &gguf);
	EXPECT_OPEN("", 0, "");
	EXPECT_STREQ("gguf", self->got.files[0].format);
	write_gguf(in_folder(self->folder, "two.gguf"), &gguf);
	EXPECT_OPEN("", -ENOENT, "2 .gguf files");
	ASSERT_EQ(0, unlink(in_folder(self->folder, "two.gguf")));
	/* Two kinds: the user has to say which. */
	write_safetensors(in_folder(self->folder, "x.safetensors"), "{}", 0);
	EXPECT_OPEN("", -ENOENT, "1 .safetensors files, 0 indexes and 1 .gguf files");
	ASSERT_EQ(0, unlink(in_folder(self->folder, "one.gguf")));
	EXPECT_OPEN("", 0, "");
	EXPECT_STREQ("safetensors", self->got.files[0].format);
	ASSERT_EQ(0, unlink(in_folder(self->folder, "x.safetensors")));
	/* Parts of one file are one, of two are two. */
	write_parts(self);
	EXPECT_OPEN("", 0, "");
	EXPECT_EQ(3, self->got.count);
	write_part(self, "n-00001-of-00003.gguf", 0, 3, 3, "n");
	EXPECT_OPEN("", -ENOENT, " .gguf files");
	ASSERT_EQ(0, unlink(in_folder(self->folder, "n-00001-of-00003.gguf")));
	/* The hub's name for safetensors wins. */
	write_safetensors(in_folder(self->folder, "model.safetensors"), "{}", 0);
	EXPECT_OPEN("", 0, "");
	EXPECT_STREQ("safetensors", self->got.files[0].format);
}

TEST_HARNESS_MAIN
