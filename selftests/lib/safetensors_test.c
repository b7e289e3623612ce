// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* What a checkpoint may look like, and what is refused: each rule of the format broken on its own. */
#include "checkpoint_case.h"

#include <sys/socket.h>
#include <sys/un.h>

#define T(name, dtype, shape, begin, end)                                                                              \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

TEST_F(checkpoint, every_dtype_scalars_and_empty_tensors_are_found_where_they_are)
{
	static const struct {
		const char *dtype;
		enum pinpool_dtype kind;
		unsigned int bits;
	} dtypes[] = {
		{"BOOL", PINPOOL_DTYPE_BOOL, 8},
		{"U8", PINPOOL_DTYPE_U8, 8},
		{"I8", PINPOOL_DTYPE_I8, 8},
		{"U16", PINPOOL_DTYPE_U16, 16},
		{"I16", PINPOOL_DTYPE_I16, 16},
		{"U32", PINPOOL_DTYPE_U32, 32},
		{"I32", PINPOOL_DTYPE_I32, 32},
		{"U64", PINPOOL_DTYPE_U64, 64},
		{"I64", PINPOOL_DTYPE_I64, 64},
		{"F16", PINPOOL_DTYPE_F16, 16},
		{"BF16", PINPOOL_DTYPE_BF16, 16},
		{"F32", PINPOOL_DTYPE_F32, 32},
		{"F64", PINPOOL_DTYPE_F64, 64},
		{"F8_E4M3", PINPOOL_DTYPE_F8_E4M3, 8},
		{"F8_E5M2", PINPOOL_DTYPE_F8_E5M2, 8},
		{"F8_E8M0", PINPOOL_DTYPE_F8_E8M0, 8},
		{"F6_E2M3", PINPOOL_DTYPE_F6_E2M3, 6},
		{"F6_E3M2", PINPOOL_DTYPE_F6_E3M2, 6},
		{"F4", PINPOOL_DTYPE_F4, 4},
		{"C64", PINPOOL_DTYPE_C64, 64},
		{"F8_E4M3FNUZ", PINPOOL_DTYPE_F8_E4M3FNUZ, 8},
		{"F8_E5M2FNUZ", PINPOOL_DTYPE_F8_E5M2FNUZ, 8},
	};
	const size_t count = sizeof(dtypes) / sizeof(dtypes[0]);
	const struct format_file *file;
	char json[8192];
	size_t used, data = 0;

	/* All but the block types, which are not of this format. */
	ASSERT_EQ(PINPOOL_DTYPE_Q8_0, count + 1);
	used = (size_t)snprintf(json, sizeof(json), "{\"__metadata__\":{\"format\":\"pt\"}");
	for (size_t i = 0; i < count; i++) {
		size_t bytes = 12 * dtypes[i].bits / 8;

		used += (size_t)snprintf(json + used, sizeof(json) - used,
					 ",\"t%02zu\":{\"dtype\":\"%s\",\"shape\":[3,4],\"data_offsets\":[%zu,%zu]}", i,
					 dtypes[i].dtype, data, data + bytes);
		data += bytes;
	}
	used += (size_t)snprintf(json + used, sizeof(json) - used,
				 ",\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[%zu,%zu]}"
				 ",\"u-empty\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[%zu,%zu]}}   ",
				 data, data + 4, data + 4, data + 4);
	write_safetensors(in_folder(self->folder, "a.safetensors"), json, data + 4);

	EXPECT_OPEN("a.safetensors", 0, "");
	ASSERT_EQ(1, self->got.count);
	file = self->got.files;
	ASSERT_EQ(count + 2, file->count);
	EXPECT_STREQ("safetensors", file->format);
	EXPECT_EQ(8 + used, file->data);
	for (size_t i = 0; i < count; i++) {
		EXPECT_EQ(dtypes[i].kind, file->tensors[i].dtype);
		EXPECT_EQ(2, file->tensors[i].ndim);
		EXPECT_EQ(3, file->tensors[i].shape[0]);
		EXPECT_EQ(4, file->tensors[i].shape[1]);
		EXPECT_EQ(12 * dtypes[i].bits / 8, file->tensors[i].end - file->tensors[i].begin);
	}
	EXPECT_STREQ("scalar", file->tensors[count].name);
	EXPECT_EQ(0, file->tensors[count].ndim);
	EXPECT_EQ(4, file->tensors[count].end - file->tensors[count].begin);
	EXPECT_STREQ("u-empty", file->tensors[count + 1].name);
	EXPECT_EQ(file->source.size, file->tensors[count + 1].begin);
	EXPECT_EQ(file->source.size, file->tensors[count + 1].end);
}

TEST_F(checkpoint, tensors_come_in_order_of_place_whatever_the_header_says_first)
{
	write_safetensors(
		in_folder(self->folder, "a.safetensors"),
		"{" T("last", "U8", "[5]", 6, 11) "," T("first", "U8", "[2]", 0, 2) "," T("mid", "U8", "[4]", 2, 6) "}",
		11);
	EXPECT_OPEN("a.safetensors", 0, "");
	ASSERT_EQ(3, self->got.files[0].count);
	EXPECT_STREQ("first", self->got.files[0].tensors[0].name);
	EXPECT_STREQ("mid", self->got.files[0].tensors[1].name);
	EXPECT_STREQ("last", self->got.files[0].tensors[2].name);
}

TEST_F(checkpoint, a_file_without_tensors_is_correct)
{
	write_safetensors(in_folder(self->folder, "a.safetensors"), "{}      ", 0);
	EXPECT_OPEN("a.safetensors", 0, "");
	EXPECT_EQ(0, self->got.files[0].count);
}

TEST_F(checkpoint, each_broken_rule_of_a_header_is_refused_by_name)
{
	static const struct {
		const char *json;
		size_t data;
		const char *text;
	} bad[] = {
		/* JSON */
		{"", 0, "begin with '{'"},
		{" {}", 0, "begin with '{'"},
		{"[]", 0, "begin with '{'"},
		{"{", 0, "expected"},
		{"{} x", 0, "end of file"},
		{"{\"a\":}", 0, "unexpected"},
		{"{\"a\xff\":{}}", 0, "UTF-8"},
		{"{\"\xc0\x80\":{}}", 0, "UTF-8"},
		{"{\"a\\u0000b\":"
		 "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
		 1, "NUL"},
		{"{" T("a", "U8", "[1]", 0, 1) "," T("a", "U8", "[1]", 1, 2) "}", 2, "duplicate"},
		{"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "duplicate"},
		{"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate"},
		/* metadata */
		{"{\"__metadata__\":[]}", 0, "__metadata__"},
		{"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__"},
		{"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "__metadata__"},
		/* description of a tensor */
		{"{\"a\":1}", 0, "tensor a"},
		{"{\"a\":{}}", 0, "lacks"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "lacks"},
		{"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "lacks"},
		{"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "lacks"},
		{"{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "lacks"},
		{"{" T("a", "F33", "[1]", 0, 4) "}", 4, "unknown dtype F33"},
		{"{" T("a", "f32", "[1]", 0, 4) "}", 4, "unknown dtype"},
		{"{" T("a", "Q8_0", "[32]", 0, 34) "}", 34, "unknown dtype Q8_0"},
		{"{" T("a", "U8", "[-1]", 0, 1) "}", 1, "extent 0"},
		{"{" T("a", "U8", "[1,1.0]", 0, 1) "}", 1, "extent 1"},
		{"{" T("a", "U8", "[\"1\"]", 0, 1) "}", 1, "extent 0"},
		{"{" T("a", "U8", "[99999999999999999999]", 0, 1) "}", 1, "too big"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "two counts"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "two counts"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, "two counts"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,\"1\"]}}", 1, "two counts"},
		/* sizes */
		{"{" T("a", "U8", "[1]", 1, 0) "}", 1, "end before they begin"},
		{"{" T("a", "F32", "[2]", 0, 4) "}", 4, "ask for 8"},
		{"{" T("a", "F32", "[1]", 0, 8) "}", 8, "ask for 4"},
		{"{" T("a", "F4", "[3]", 0, 1) "}", 1, "whole bytes"},
		{"{" T("a", "F6_E2M3", "[2]", 0, 1) "}", 1, "whole bytes"},
		{"{" T("a", "U8", "[4294967296,4294967296]", 0, 0) "}", 0, "overflows"},
		{"{" T("a", "F64", "[4611686018427387904]", 0, 0) "}", 0, "overflows"},
		/* places */
		{"{" T("a", "U8", "[4]", 0, 4) "}", 3, "ends at offset"},
		{"{" T("a", "U8", "[4]", 9000000000, 9000000004) "}", 4, "ends at offset"},
		{"{" T("a", "U8", "[4]", 9223372036854775803, 9223372036854775807) "}", 4, "ends at offset"},
		{"{" T("a", "U8", "[4]", 1, 5) "}", 5, "hole of 1"},
		{"{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 3, 5) "}", 5, "tensor b"},
		{"{" T("a", "U8", "[3]", 0, 3) "," T("b", "U8", "[2]", 2, 4) "}", 4, "inside the tensor before"},
		{"{" T("a", "U8", "[4]", 0, 4) "," T("b", "U8", "[4]", 0, 4) "}", 4, "inside the tensor before"},
		{"{" T("a", "U8", "[4]", 0, 4) "," T("b", "U8", "[0]", 2, 2) "}", 4, "inside the tensor before"},
		{"{" T("a", "U8", "[4]", 0, 4) "}", 5, "belong to no tensor"},
		{"{}", 1, "belong to no tensor"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_safetensors(in_folder(self->folder, "bad.safetensors"), bad[i].json, bad[i].data);
		EXPECT_OPEN("bad.safetensors", -EBADMSG, bad[i].text);
		EXPECT_TRUE(strstr(self->diag.object, "bad.safetensors"));
	}
}

TEST_F(checkpoint, header_lengths_beyond_the_file_and_the_format_are_refused)
{
	const char *path = in_folder(self->folder, "bad.safetensors");

	write_safetensors_raw(path, 3, "{}", 2, 0);
	EXPECT_OPEN("bad.safetensors", -EBADMSG, "ends beyond the file");
	write_safetensors_raw(path, 100000000, "{}", 2, 0);
	EXPECT_OPEN("bad.safetensors", -EBADMSG, "ends beyond the file");
	write_safetensors_raw(path, 100000001, "{}", 2, 0);
	EXPECT_OPEN("bad.safetensors", -EBADMSG, "100000000");
	write_safetensors_raw(path, UINT64_MAX, "{}", 2, 0);
	EXPECT_OPEN("bad.safetensors", -EBADMSG, "100000000");
	write_safetensors_raw(path, UINT64_MAX - 7, "{}", 2, 0);
	EXPECT_OPEN("bad.safetensors", -EBADMSG, "100000000");
	write_safetensors_raw(path, 0, "{}", 2, 0);
	EXPECT_OPEN("bad.safetensors", -EBADMSG, "begin with '{'");
}

TEST_F(checkpoint, a_file_cut_or_lengthened_anywhere_is_refused)
{
	static const char json[] = "{" T("a", "F32", "[2,3]", 0, 24) "," T("b", "U8", "[5]", 24, 29) "}";
	const off_t size = 8 + sizeof(json) - 1 + 29;

	for (off_t at = 0; at < size; at++) {
		write_safetensors(in_folder(self->folder, "cut.safetensors"), json, 29);
		ASSERT_EQ(0, truncate(in_folder(self->folder, "cut.safetensors"), at));
		EXPECT_OPEN("cut.safetensors", -EBADMSG, "cut.safetensors");
	}
	write_safetensors(in_folder(self->folder, "cut.safetensors"), json, 30);
	EXPECT_OPEN("cut.safetensors", -EBADMSG, "1 bytes belong to no tensor");
	write_safetensors(in_folder(self->folder, "cut.safetensors"), json, 29);
	EXPECT_OPEN("cut.safetensors", 0, "");
}

TEST_F(checkpoint, more_dimensions_than_a_catalog_takes_are_refused)
{
	write_safetensors(in_folder(self->folder, "a.safetensors"),
			  "{" T("a", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1);
	EXPECT_OPEN("a.safetensors", 0, "");
	checkpoint_close(&self->got);
	write_safetensors(in_folder(self->folder, "a.safetensors"),
			  "{" T("a", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1);
	EXPECT_OPEN("a.safetensors", -EOPNOTSUPP, "17 dimensions");
}

TEST_F(checkpoint, names_cannot_write_to_the_terminal_or_past_the_message)
{
	char json[2048], name[1024];

	write_safetensors(in_folder(self->folder, "a.safetensors"), "{" T("\\u001b[31m", "X", "[]", 0, 1) "}", 1);
	EXPECT_OPEN("a.safetensors", -EBADMSG, "\\x1b[31m");
	/* Four bytes each, so that some cut would fall within one. */
	for (size_t i = 0; i < 200; i++)
		strcpy(name + i * 4, "\xf0\x9f\x94\xa5");
	for (size_t skip = 0; skip < 4; skip++) {
		snprintf(json, sizeof(json), "{\"%.*s%s\":1}", (int)skip, "abc", name);
		write_safetensors(in_folder(self->folder, "a.safetensors"), json, 0);
		EXPECT_OPEN("a.safetensors", -EBADMSG, "\xf0\x9f\x94\xa5...");
	}
}

/* No rule in particular: whatever the bytes, open() ends, and what it accepts stays within the file. */
TEST_F(checkpoint, damaged_headers_never_lead_outside_the_file)
{
	static const char json[] =
		"{\"__metadata__\":{\"k\":\"v\"}," T("a.b", "F32", "[2,3]", 0, 24) "," T("c", "U8", "[5]", 24, 29) "}";
	char damaged[sizeof(json)];
	uint32_t state = 12345;

	for (int round = 0; round < 3000; round++) {
		memcpy(damaged, json, sizeof(json));
		for (int i = 0; i <= round % 3; i++) {
			state = state * 1664525 + 1013904223;
			damaged[(state >> 8) % (sizeof(json) - 1)] =
				(char)((round & 1) ? "0123456789[]{}\",:-e"[(state >> 20) % 19] : state >> 24);
		}
		write_safetensors_raw(in_folder(self->folder, "d.safetensors"), sizeof(json) - 1, damaged,
				      sizeof(json) - 1, 29);
		if (checkpoint_open(&self->got, in_folder(self->folder, "d.safetensors"), &self->diag))
			continue;
		for (size_t i = 0; i < self->got.files[0].count; i++) {
			EXPECT_LE(self->got.files[0].tensors[i].begin, self->got.files[0].tensors[i].end);
			EXPECT_LE(self->got.files[0].tensors[i].end, self->got.files[0].source.size);
		}
		checkpoint_close(&self->got);
	}
}

/* Two shards and an index that fits them. */
static void write_shards(const char *folder)
{
	write_safetensors(in_folder(folder, "m-1.safetensors"),
			  "{" T("a", "U8", "[3]", 0, 3) "," T("b", "U8", "[2]", 3, 5) "}", 5);
	write_safetensors(in_folder(folder, "m-2.safetensors"), "{" T("c", "F32", "[1]", 0, 4) "}", 4);
}

static void write_index(const char *folder, const char *json)
{
	write_file(in_folder(folder, "model.safetensors.index.json"), json, strlen(json));
}

#define INDEX(map) "{\"metadata\":{\"total_size\":9},\"weight_map\":{" map "}}"
#define GOOD_MAP   "\"c\":\"m-2.safetensors\",\"a\":\"m-1.safetensors\",\"b\":\"m-1.safetensors\""

TEST_F(checkpoint, an_index_opens_its_shards_in_order_of_name)
{
	write_shards(self->folder);
	write_index(self->folder, INDEX(GOOD_MAP));
	EXPECT_OPEN("model.safetensors.index.json", 0, "");
	ASSERT_EQ(2, self->got.count);
	EXPECT_TRUE(strstr(self->got.files[0].source.path, "/m-1.safetensors"));
	EXPECT_EQ(2, self->got.files[0].count);
	EXPECT_TRUE(strstr(self->got.files[1].source.path, "/m-2.safetensors"));
	EXPECT_EQ(1, self->got.files[1].count);
}

TEST_F(checkpoint, an_index_that_does_not_fit_its_shards_is_refused)
{
	static const struct {
		const char *json;
		int err;
		const char *text;
	} bad[] = {
		{"", -EBADMSG, "begin with '{'"},
		{"{\"weight_map\":", -EBADMSG, "unexpected"},
		{"{\"metadata\":{}}", -EBADMSG, "no weight_map"},
		{"{\"weight_map\":[]}", -EBADMSG, "no weight_map"},
		{"{\"weight_map\":{}}", -EBADMSG, "no weight_map"},
		{INDEX("\"a\":1"), -EBADMSG, "not a string"},
		{INDEX(GOOD_MAP ",\"a\":\"m-2.safetensors\""), -EBADMSG, "duplicate"},
		{INDEX(GOOD_MAP ",\"d\":\"m-3.safetensors\""), -ENOENT, "m-3.safetensors"},
		{INDEX(GOOD_MAP ",\"d\":\"m-2.safetensors\""), -EBADMSG, "tensor d"},
		{INDEX("\"a\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\""), -EBADMSG, "tensor b"},
		{INDEX("\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\",\"c\":\"m-2.safetensors\""), -EBADMSG,
		 "tensor b"},
		{INDEX("\"a\":\"../m-1.safetensors\""), -EBADMSG, "not a file name"},
		{INDEX("\"a\":\"/etc/passwd\""), -EBADMSG, "not a file name"},
		{INDEX("\"a\":\"..\""), -EBADMSG, "not a file name"},
		{INDEX("\"a\":\"\""), -EBADMSG, "not a file name"},
	};

	write_shards(self->folder);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_index(self->folder, bad[i].json);
		EXPECT_OPEN("model.safetensors.index.json", bad[i].err, bad[i].text);
	}
}

TEST_F(checkpoint, a_tensor_in_two_shards_is_refused)
{
	write_shards(self->folder);
	write_safetensors(in_folder(self->folder, "m-2.safetensors"),
			  "{" T("c", "U8", "[1]", 0, 1) "," T("a", "U8", "[1]", 1, 2) "}", 2);
	write_index(self->folder, INDEX(GOOD_MAP));
	EXPECT_OPEN("model.safetensors.index.json", -EBADMSG, "tensor a");
}

TEST_F(checkpoint, a_broken_shard_is_named)
{
	write_shards(self->folder);
	write_index(self->folder, INDEX(GOOD_MAP));
	ASSERT_EQ(0, truncate(in_folder(self->folder, "m-2.safetensors"), 9));
	EXPECT_OPEN("model.safetensors.index.json", -EBADMSG, "m-2.safetensors");
}

TEST_F(checkpoint, a_directory_stands_for_what_is_in_it)
{
	EXPECT_OPEN("", -ENOENT, "holds no checkpoint");
	write_shards(self->folder);
	EXPECT_OPEN("", -ENOENT, "2 .safetensors files");
	write_index(self->folder, INDEX(GOOD_MAP));
	EXPECT_OPEN("", 0, "");
	EXPECT_EQ(2, self->got.count);
	checkpoint_close(&self->got);
	ASSERT_EQ(0, rename(in_folder(self->folder, "model.safetensors.index.json"),
			    in_folder(self->folder, "other.safetensors.index.json")));
	EXPECT_OPEN("", 0, "");
	EXPECT_EQ(2, self->got.count);
	checkpoint_close(&self->got);
	write_safetensors(in_folder(self->folder, "model.safetensors"), "{}", 0);
	EXPECT_OPEN("", 0, "");
	EXPECT_EQ(1, self->got.count);
	checkpoint_close(&self->got);
	ASSERT_EQ(0, unlink(in_folder(self->folder, "other.safetensors.index.json")));
	ASSERT_EQ(0, unlink(in_folder(self->folder, "m-1.safetensors")));
	ASSERT_EQ(0, unlink(in_folder(self->folder, "model.safetensors")));
	EXPECT_OPEN("", 0, "");
	EXPECT_EQ(1, self->got.count);
}

TEST_F(checkpoint, what_is_no_regular_file_is_refused_without_waiting)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	alarm(10);
	ASSERT_EQ(0, mkfifo(in_folder(self->folder, "fifo.safetensors"), 0644));
	EXPECT_OPEN("fifo.safetensors", -EINVAL, "a FIFO");
	ASSERT_EQ(0, mkfifo(in_folder(self->folder, "fifo.json"), 0644));
	EXPECT_OPEN("fifo.json", -EINVAL, "a FIFO");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_folder(self->folder, "socket"));
	ASSERT_EQ(0, bind(sock, (struct sockaddr *)&address, sizeof(address)));
	EXPECT_OPEN("socket", -EINVAL, "not a regular file");
	close(sock);
	EXPECT_OPEN("../../../../../../dev/null", -EINVAL, "character device");
	EXPECT_OPEN("absent", -ENOENT, "No such file");
}

TEST_F(checkpoint, an_unreadable_file_is_refused_with_what_is_needed)
{
	write_safetensors(in_folder(self->folder, "a.safetensors"), "{}", 0);
	ASSERT_EQ(0, chmod(in_folder(self->folder, "a.safetensors"), 0));
	if (!geteuid())
		ASSERT_EQ(0, seteuid(65534));
	EXPECT_OPEN("a.safetensors", -EACCES, "Permission denied");
	EXPECT_TRUE(strstr(self->diag.change, "read permission"));
	if (!getuid())
		ASSERT_EQ(0, seteuid(0));
}

TEST_HARNESS_MAIN
